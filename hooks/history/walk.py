"""Forward blame: every line of a history followed from the commit that wrote it to the one that removed it, in one pass.

Each line gets a number when it is written. For each tip that still has children to come, a file is an array of such
numbers; a commit's hunks cut numbers out and put new ones in, so a whole history costs the size of its diffs. A merge
takes each line from the first parent that has it, as `git blame` does, so lines belong to the commits that wrote them
and not to the merge.

When a line lives: the default branch is the first-parent chain that ends in the tip. A line is *landed* when a commit of
that chain brings it in, and dead when one takes it out; the killer is the commit that removed it, on whatever branch. The
chain's time is its committer dates, made never to run backwards and never later than now. Lines that were gone before
their commit landed count as dead at landing. A line that comes back, by a merge or by a revert of its revert, is alive again. Where
the diffs come with their contents, a line that was only laid out otherwise is the line that it was.

Unknown (number 0): lines from before the walk began (a shallow clone, a limit), files that are binary, over 1 MB, links,
submodules or unreadable, and files that nobody writes line by line (`paths`). What cannot be followed any more is *lost*:
known to have lived until then, unknown after.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from git_hone.hooks.history.chain import chain_minutes
from git_hone.hooks.history.commits import REVERTS, Commit, first_parents
from git_hone.hooks.history.diffs import CommitDiff, FileDiff, MergedFile
from git_hone.hooks.history.paths import followed
from git_hone.hooks.history.reformat import kept

NUMBERS: Final = "i"
ALIVE: Final = 2**31 - 1
"""Death minute of a line that lives."""
File = tuple[bytes, "array[int]"]
State = dict[bytes, File]
MergeChanges = list[tuple[bytes, bytes, bytes, bytes]]
EMPTY: Final[array[int]] = array(NUMBERS)


@dataclass
class Ledger:
    """Every line: its killer (commit position, -1 none), death minute on the default branch, and whether it ever landed.
    Lines of commit c are first[c] up to first[c + 1]; `walked` commits are done. `lost`: line -> minute it was lost."""

    killer: array[int] = field(default_factory=lambda: array(NUMBERS, [-1]))
    died: array[int] = field(default_factory=lambda: array(NUMBERS, [0]))
    landed: bytearray = field(default_factory=lambda: bytearray(1))
    lost: dict[int, int] = field(default_factory=dict)
    first: array[int] = field(default_factory=lambda: array(NUMBERS, [1]))
    kills: dict[bytes, dict[int, int]] = field(default_factory=dict)  # path -> {killer commit: lines it removed there}
    unreadable: list[int] = field(default_factory=list)
    joined: dict[int, list[int]] = field(default_factory=dict)  # line -> lines that a formatter joined to it
    undone: dict[int, dict[bytes, list[int]]] = field(default_factory=dict)  # revert -> path -> lines it removed, in order

    @property
    def walked(self) -> int:
        return len(self.first) - 1

    def lines_of(self, commit: int) -> range:
        return range(self.first[commit], self.first[commit + 1])

    def whole(self, numbers: Iterable[int]) -> Iterator[int]:
        """The lines of these numbers, with those joined to them; unknown ones left out."""
        for number in numbers:
            if number:
                yield number
                if number in self.joined:
                    yield from self.whole(self.joined[number])

    def void(self, number: int) -> None:
        """A number that went to a line which is no new one."""
        self.lost[number] = 0


class Walk:
    """The walk over `commits` (parents first). `step` takes the diffs in that order."""

    def __init__(
        self, commits: list[Commit], now_minute: int, ledger: Ledger | None = None, states: dict[int, State] | None = None
    ):
        self.commits = commits
        self.ledger = ledger or Ledger()
        self.states: dict[int, State] = states if states is not None else {}
        self.position = {commit.sha: at for at, commit in enumerate(commits)}
        self.children = _children(commits, self.position)
        for commit in commits[: self.ledger.walked]:
            for parent in self._parents(commit):
                self.children[parent] -= 1
        self.is_whole = True  # False while a commit is half taken: such a state must not be saved
        self.chain = first_parents(commits)
        self.chain_minute = chain_minutes(commits, self.chain, now_minute)

    def _parents(self, commit: Commit) -> list[int]:
        return [self.position[parent] for parent in dict.fromkeys(commit.parents) if parent in self.position]

    def step(self, diff: CommitDiff, merge: MergeChanges | None) -> None:
        """Take the next commit's diff; `merge` is what a merge changed against its first parent (see `merge_changes`)."""
        self.is_whole = False
        at = self.ledger.walked
        commit = self.commits[at]
        minute = self.chain_minute.get(at)
        before = [self.states.get(self.position.get(parent, -1), {}) for parent in commit.parents]
        state = self._take(commit)
        if not diff.readable:
            self.ledger.unreadable.append(at)
        if commit.edge or diff.whole_lost or (len(before) > 1 and merge is None):
            self._lose_all(state, minute, at)
        elif len(before) > 1:
            self._merge(at, minute, state, before, diff, merge or [])
        else:
            self._change(at, minute, state, diff.files)
        self.ledger.first.append(len(self.ledger.killer))
        if self.children[at] or at == len(self.commits) - 1:
            self.states[at] = state
        self.is_whole = True

    def _take(self, commit: Commit) -> State:
        """The first parent's state, ours to change; states that no later commit needs are let go."""
        known = self._parents(commit)
        first = self.position.get(commit.parents[0], -1) if commit.parents else -1
        source = self.states.get(first, {})
        for parent in known:
            self.children[parent] -= 1
        state = source if first >= 0 and not self.children[first] and len(known) == 1 else dict(source)
        for parent in known:
            if not self.children[parent]:
                self.states.pop(parent, None)
        return state

    def _new(self, count: int, landed: bool) -> array[int]:
        ledger = self.ledger
        start = len(ledger.killer)
        ledger.killer.extend([-1] * count)
        ledger.died.extend([ALIVE] * count)
        ledger.landed.extend(bytes([landed]) * count)
        return array(NUMBERS, range(start, start + count))

    def _change(self, at: int, minute: int | None, state: State, files: list[FileDiff]) -> None:
        olds = {file.old: state.get(file.old) for file in files if file.old is not None}
        for file in files:
            if file.old is not None and file.old != file.new and not any(other.new == file.old for other in files):
                state.pop(file.old, None)
        for file in files:
            self._file(at, minute, state, file, olds.get(file.old) if file.old is not None else None)

    def _file(self, at: int, minute: int | None, state: State, file: FileDiff, old: File | None) -> None:
        blob, lines = old or (b"", EMPTY)
        if file.kind == "other" or (file.new is not None and not followed(file.new)):
            if file.old == file.new or file.new is None or file.blob or file.kind == "other":
                self._lose(lines, minute, at)
            if file.new is not None:
                state.pop(file.new, None)
            return
        if file.hunks:
            new, removed = self._patched(lines, file.hunks, minute is not None)
            if file.texts:
                removed = self._same_lines(file, lines, new)
            if REVERTS.search(self.commits[at].message):
                self._come_back(at, minute, file, new)
                self.ledger.undone.setdefault(at, {})[file.old or file.new or b""] = list(removed)
            self._kill(removed, at, minute, file.old or file.new or b"")
            lines = new
        if file.new is None:
            state.pop(file.old or b"", None)
        elif old is not None or file.old is None or any(lines):
            state[file.new] = (file.blob or blob, lines)

    def _patched(self, lines: array[int], hunks: list[tuple[int, int, int]], landed: bool) -> tuple[array[int], array[int]]:
        """(`lines` after the hunks, the numbers they removed). A file that is shorter than a hunk says was not known."""
        new, removed = array(NUMBERS), array(NUMBERS)
        done = 0
        need = max(start + count for start, count, _ in hunks)
        if need > len(lines):
            lines = lines + array(NUMBERS, bytes(4 * (need - len(lines))))
        for start, n_removed, n_added in hunks:
            new += lines[done:start]
            done = start + n_removed
            removed += lines[start:done]
            if n_added:
                new += self._new(n_added, landed)
        new += lines[done:]
        return new, removed

    def _same_lines(self, file: FileDiff, lines: array[int], new: array[int]) -> array[int]:
        """Give lines that were only laid out otherwise their numbers back, in `new`; the numbers that were removed."""
        pairs: list[tuple[int, int]] = []
        fresh: list[int] = []  # where a line is not new although no old one came to be it
        spots = list(_spots(file.hunks))
        old = [old_at + k for old_at, _, n_old, _ in spots for k in range(n_old)]
        now = [new_at + k for _, new_at, _, n_new in spots for k in range(n_new)]
        same, whole = kept([line for text in file.texts for line in text[0]], [line for text in file.texts for line in text[1]])
        if whole:
            pairs, fresh = [(old[k], now[i]) for k, i in same.items()], now
        else:
            for (old_at, new_at, _, n_new), text in zip(spots, file.texts, strict=True):
                same, whole = kept(*text)
                pairs += [(old_at + k, new_at + i) for k, i in same.items()]
                fresh += range(new_at, new_at + n_new) if whole else ()
        stay = {old_at for old_at, _ in pairs}
        taken: set[int] = set()
        for old_at, new_at in pairs:
            number = lines[old_at] if old_at < len(lines) else 0
            if new_at not in taken:
                taken.add(new_at)
                self.ledger.void(new[new_at])
                new[new_at] = number
            elif number and new[new_at]:
                self.ledger.joined.setdefault(new[new_at], []).append(number)
            elif number:
                new[new_at] = number
        for new_at in set(fresh) - taken:
            self.ledger.void(new[new_at])
            new[new_at] = 0
        return array(NUMBERS, (lines[k] for k in old if k not in stay and k < len(lines)))

    def _come_back(self, at: int, minute: int | None, file: FileDiff, new: array[int]) -> None:
        """Lines that a revert of a revert brings back are the lines that they were."""
        ledger, message = self.ledger, self.commits[at].message
        for name in REVERTS.findall(message):
            for by in [by for by in ledger.undone if self.commits[by].sha.startswith(name.decode())]:
                back = ledger.undone[by].get(file.new or b"", [])
                spots = [new_at + k for _, new_at, _, n_new in _spots(file.hunks) for k in range(n_new)]
                if len(back) != len(spots):
                    continue
                for spot, number in zip(spots, back, strict=True):
                    if number:
                        ledger.void(new[spot])
                        new[spot] = number
                for number in ledger.whole(back):
                    ledger.died[number], ledger.killer[number] = ALIVE, -1
                    ledger.landed[number] |= minute is not None

    def _kill(self, removed: Iterable[int], at: int, minute: int | None, path: bytes) -> None:
        killer, died, count = self.ledger.killer, self.ledger.died, 0
        for number in self.ledger.whole(removed):
            if minute is not None:
                died[number] = minute
                killer[number] = at
            elif killer[number] < 0:
                killer[number] = at
            count += 1
        if count:
            kills = self.ledger.kills.setdefault(path, {})
            kills[at] = kills.get(at, 0) + count

    def _lose(self, lines: Iterable[int], minute: int | None, at: int) -> None:
        when = self._now(at) if minute is None else minute
        lost, died = self.ledger.lost, self.ledger.died
        for number in self.ledger.whole(lines):
            if died[number] == ALIVE:
                lost.setdefault(number, when)

    def _now(self, at: int) -> int:
        return self.commits[at].time // 60

    def _lose_all(self, state: State, minute: int | None, at: int) -> None:
        for _, lines in state.values():
            self._lose(lines, minute, at)
        state.clear()

    def _merge(
        self, at: int, minute: int | None, state: State, before: list[State], diff: CommitDiff, changes: MergeChanges
    ) -> None:
        merged = {file.new: file for file in diff.merged if file.new is not None}
        gone: list[array[int]] = []
        come: list[array[int]] = []
        known = [bool(parent) for parent in before]
        for blob, status, mode, path in changes:
            old = state.pop(path, None)
            if old:
                gone.append(old[1])
            if status == b"D" or mode in (b"120000", b"160000") or not followed(path):
                continue
            same = next((parent[path] for parent in before[1:] if path in parent and parent[path][0] == blob), None)
            if same is None and path in merged and merged[path].kind == "text":
                same = (blob, self._combine(at, minute, merged[path], before))
            if same is None:
                if all(known):
                    self._lose(old[1] if old else EMPTY, minute, at)
                continue
            state[path] = same
            come.append(same[1])
        if minute is not None:
            self._settle(at, minute, gone, come)

    def _settle(self, at: int, minute: int, gone: list[array[int]], come: list[array[int]]) -> None:
        """What a merge into the default branch took out and brought in."""
        ledger = self.ledger
        left = {number for lines in gone for number in lines}
        arrived = {number for lines in come for number in lines}
        for number in ledger.whole(left - arrived):
            if number not in ledger.lost:
                ledger.died[number] = minute
                if ledger.killer[number] < 0:
                    ledger.killer[number] = at
        for number in ledger.whole(arrived - left):
            ledger.landed[number] = 1
            ledger.died[number] = ALIVE

    def _combine(self, at: int, minute: int | None, file: MergedFile, before: list[State]) -> array[int]:
        """The lines of a file that a merge made of several: each from the first parent that has it, else the merge's own."""
        olds = [
            before[i][old][1] if old is not None and i < len(before) and old in before[i] else EMPTY
            for i, old in enumerate(file.olds)
        ]
        parents = range(len(olds))
        cursor = [0] * len(olds)
        new = array(NUMBERS)
        taken: list[int] = []

        def upto(count: int) -> None:
            part = olds[0][cursor[0] : cursor[0] + count]
            new.extend(part)
            new.extend([0] * (count - len(part)))
            for i in parents:
                cursor[i] += count

        for start, marks in file.rows:
            upto(start - len(new))
            for mark in marks:
                if b"-" in mark:
                    for i in parents:
                        if mark[i : i + 1] == b"-":
                            taken.append(olds[i][cursor[i]] if cursor[i] < len(olds[i]) else 0)
                            cursor[i] += 1
                    continue
                source = next((i for i in parents if mark[i : i + 1] == b" "), None)
                if source is None:
                    new.extend(self._new(1, minute is not None))
                else:
                    new.append(olds[source][cursor[source]] if cursor[source] < len(olds[source]) else 0)
                for i in parents:
                    cursor[i] += mark[i : i + 1] == b" "
        new.extend(olds[0][cursor[0] :])
        for number in set(taken) - set(new):
            if number and self.ledger.killer[number] < 0:
                self.ledger.killer[number] = at
        return new


def _spots(hunks: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Each hunk as (first old line, first new line, lines removed, lines added), from 0.

    >>> list(_spots([(3, 1, 2), (9, 0, 1)]))
    [(3, 3, 1, 2), (9, 10, 0, 1)]
    """
    shift = 0
    for start, n_old, n_new in hunks:
        yield start, start + shift, n_old, n_new
        shift += n_new - n_old


def _children(commits: list[Commit], position: dict[str, int]) -> array[int]:
    children = array(NUMBERS, bytes(4 * len(commits)))
    for commit in commits:
        for parent in set(commit.parents):
            if parent in position:
                children[position[parent]] += 1
    return children


def born(files: Iterable[FileDiff], first: int) -> dict[bytes, list[tuple[int, int, int]]]:
    """Which numbers the walk gave to the lines that a commit added: path -> (first line from 0, count, first number).

    `files` is the commit's diff, `first` its first number: the same order as `Walk.step`, so nothing of it has to be kept.

    >>> born([FileDiff(b"a", b"a", b"", "text", [(0, 1, 2), (5, 0, 1)])], 10)
    {b'a': [(0, 2, 10), (6, 1, 12)]}
    """
    found: dict[bytes, list[tuple[int, int, int]]] = {}
    for file in files:
        if file.kind == "other" or (file.new is not None and not followed(file.new)):
            continue
        for _, start, _, n_added in _spots(file.hunks):
            if n_added and file.new is not None:
                found.setdefault(file.new, []).append((start, n_added, first))
            first += n_added
    return found
