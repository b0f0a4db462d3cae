"""Whose lines a commit brings in: added(parent -> commit) met with what the tool calls wrote.

For each file of a commit, every state of that path that an observation left (and the states of the commits that this one
was made from) is compared with what was committed; a line that the comparison keeps, keeps its origin. Then only the lines
that the commit adds to its parent count. What no evidence covers is `human` where this clone saw the commit being made in
the ordinary way, else `unknown`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from git_hone.hooks import commits as history
from git_hone.hooks import git, hidden
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.diffs import Pair, diff_pairs
from git_hone.hooks.heirs import Heirs, Typed, agents_words
from git_hone.hooks.lines import (
    BASE,
    HUMAN,
    UNKNOWN,
    Hunk,
    added_lines,
    carry,
    edit_of,
    is_binary,
    overlay,
    settle,
    split,
)
from git_hone.hooks.lines import pack as pack_map
from git_hone.hooks.lines import unpack as unpack_map
from git_hone.hooks.moves import moved_from
from git_hone.hooks.paths import unquote
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

NEAREST: Final = 8
"""How many earlier states of a path are compared with what was committed."""


MANY_FILES: Final = 60
"""In a commit of more files than this, a file counts as moved only when its content is equal."""


@dataclass
class FileLines:
    """The lines that a commit adds to one file. atoms: line index -> atom. replaced: (agent's lines, what stands there
    now) where a person rewrote an agent's lines before the commit."""

    path: str
    atoms: dict[int, int] = field(default_factory=dict)
    human: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    written: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)
    replaced: list[tuple[list[int], list[bytes], list[bytes]]] = field(default_factory=list)


_Source = tuple[str, float, bool, list[list[int]]]  # blob, when, whether a tool call left it, packed map


@dataclass
class _Work:
    commit: Commit
    change: FileChange
    exact: list[int] | None
    sources: list[tuple[str, list[int], bool]]  # blob, map, trusted
    parent: list[int] | None
    last_written: tuple[str, list[int]] | None
    content: bytes | None = None


def attribute(
    place: Place,
    state: State,
    commits: Sequence[Commit],
    linked: Mapping[str, set[str]],
    default: dict[str, int],
    seen: Container[str] = (),
    by_hand: Container[str] = (),
) -> dict[str, list[FileLines]]:
    """Lines of each commit in which an observation has a say; a commit without any is left out.

    linked: commit -> the commits that it rewrites. default: commit -> class (HUMAN or UNKNOWN) of a line that no
    observation covers; it becomes HUMAN for a commit of which every line was a person's in the commits that it rewrites.
    seen: the commits that a hook of this clone saw being made. by_hand: those of them that somebody here may have had a hand
    in while git rewrote (a conflict, a split): a line in them that stands in none of the rewritten commits is that person's.
    Commits must come parents first, as what one leaves is a source for the next.
    """
    found: dict[str, list[FileLines]] = {}
    paths = state.node_paths()
    unseen = hidden.unseen(place, state, commits, default)
    if not paths and not unseen and not any(default[commit.id] == UNKNOWN and linked.get(commit.id) for commit in commits):
        return found
    heirs = Heirs(
        place, state, {old for c in commits if default[c.id] == UNKNOWN for old in linked.get(c.id, ())}, default, found
    )
    merges = history.resolved(place.cwd, [commit.id for commit in commits if commit.is_merge and commit.id in seen])
    for commit in commits:
        heirs.done.add(commit.id)
        if commit.files is None:
            lines = [
                _resolution(place, state, commit, file, default[commit.id])
                for file in merges.get(commit.id, ())
                if file.path in paths
            ]
            if any(f.atoms for f in lines):
                found[commit.id] = lines
            continue
        work = [w for change in commit.files if (w := _work(place, state, commit, change, paths, linked.get(commit.id, set())))]
        if commit.id in seen:
            _forget_what_came_later(state, commit, work)
        kind = default[commit.id]
        persons = heirs.of(linked.get(commit.id, ())) if kind == UNKNOWN else {}
        veiled = {path for name, path in unseen if name == commit.id}
        bare = not work and not persons and not veiled and commit.id not in by_hand
        if bare and (kind == UNKNOWN or len(commit.files) > MANY_FILES):
            continue
        rest = [change for change in commit.files if change.is_file and not any(w.change is change for w in work)]
        hunks = diff_pairs(place.common, _pairs(work) + [(c.before, c.after) for c in rest])
        with git.cat_file(place.common) as objects:
            for w in work:
                w.content = objects.blob(w.change.after) if w.change.after else b""
        typed = heirs.typed if kind == UNKNOWN and commit.id in by_hand and linked.get(commit.id) else None
        kinds = {change.path: UNKNOWN if change.path in veiled else kind for change in commit.files}
        lines = [_lines(state, w, hunks, kinds[w.change.path], persons.get(w.change.path, Counter()), typed) for w in work]
        lines += [_plain(state, commit, c, hunks, kinds[c.path], persons.get(c.path, Counter()), typed) for c in rest]
        paths |= {w.change.path for w in work}  # seen from here on
        if any(f.atoms or f.killed or f.unknown for f in lines):
            found[commit.id] = lines
        elif persons or (kind == UNKNOWN and any(f.human for f in lines)):
            default[commit.id] = HUMAN
    return found


def _resolution(place: Place, state: State, commit: Commit, file: history.Resolved, default: int) -> FileLines:
    """A merge's own lines in one file: those that no parent has. They are an agent's where its tool call wrote them just then."""
    out = FileLines(file.path)
    work = _work(
        place, state, commit, FileChange("M", file.path, file.path, file.befores[0], file.after, "100644"), {file.path}, set()
    )
    if work is None:
        return out
    hunks = diff_pairs(place.common, _pairs([work]) + [(before, file.after) for before in file.befores])
    with git.cat_file(place.common) as objects:
        work.content = objects.blob(file.after)
    there = [hunks.get((before, file.after)) for before in file.befores]
    if work.content is None or is_binary(work.content) or any(steps is None for steps in there):
        return out
    inherited = {origin for before in file.befores for origin in unpack_map(state.node(file.path, before) or ()) if origin > 0}
    content = split(work.content)
    origins, lost = _origins(work, hunks, content)
    new = set.intersection(*(set(added_lines(steps or ())) for steps in there))
    settled = settle(origins, sorted(new), content)
    doubtful = agents_words(state, {k: content[k] for k, origin in settled.items() if origin == BASE})
    for k, origin in settled.items():
        if origin > 0 and origin not in inherited:
            out.atoms[k] = origin
        elif origin == HUMAN or (origin == BASE and default == HUMAN and not lost and k not in doubtful):
            out.human.append(k)
        else:
            out.unknown.append(k)
    state.put_node(file.path, file.after, commit.at, pack_map(origins), written=False)
    return out


def _work(place: Place, state: State, commit: Commit, change: FileChange, paths: set[str], old: set[str]) -> _Work | None:
    names = dict.fromkeys(name for name in (change.path, change.old) if name in paths)
    if not change.after:
        if change.path not in paths:
            return None
        parent = state.node(change.path, change.before)
        return _Work(commit, change, None, [], None if parent is None else unpack_map(parent), None) if parent else None
    if not change.is_file:
        return None
    sources: list[_Source] = [row for name in names for row in state.nodes(name)]
    if change.status in "ARC" and not any(row[0] == change.after for row in sources):
        many = len(commit.files or ()) > MANY_FILES
        sources += moved_from(place, state, change.path, change.after, _stands_not_in(place, commit), exact_only=many)
    if not sources:
        return None
    sources.sort(key=lambda row: (row[1] > commit.at + 0.01, -row[1]))  # what came before the commit first, newest first
    exact = next((unpack_map(row[3]) for row in sources if row[0] == change.after), None)
    parent_map = next((unpack_map(row[3]) for row in sources if row[0] == change.before), None)
    written = _last_written(sources, commit.at, change.after)
    from_old = {blob for name in old for blob in _blobs_of(state, name, names)}
    useful = [row for row in sources if any(origin > 0 or origin == UNKNOWN for _, origin in row[3])]
    picked: list[tuple[str, list[int], bool]] = []
    for k, row in enumerate(useful[:NEAREST]):
        picked.append((row[0], unpack_map(row[3]), k == 0 or row[0] in from_old))
    picked += [(row[0], unpack_map(row[3]), True) for row in useful[NEAREST:] if row[0] in from_old]
    picked.sort(key=lambda source: not source[2])
    return _Work(commit, change, exact, picked, parent_map, written)


def _last_written(sources: Iterable[_Source], at: float, after: str) -> tuple[str, list[int]] | None:
    """How a tool call left the file last before the commit. Where the hook's word is missing, git's own clock counts whole seconds:
    among the states of that second, the one that was committed was the last before it."""
    states = [row for row in sources if row[2] and row[1] <= at + 1]
    if states and states[0][1] > at + 0.01:
        states.sort(key=lambda row: row[0] != after)
    return (states[0][0], unpack_map(states[0][3])) if states else None


def _forget_what_came_later(state: State, commit: Commit, work: Iterable[_Work]) -> None:
    """Let lines of tool calls that began after the commit be unknown: what those wrote was not there to be committed, unless the
    clock was set back in between."""
    maps = [
        m for w in work for m in (w.exact, w.parent, w.last_written and w.last_written[1], *(m for _, m, _ in w.sources)) if m
    ]
    began = state.edit_rows({edit_of(origin) for m in maps for origin in m if origin > 0})
    later = {number for number, (_, edit) in began.items() if (edit.get("began") or 0.0) > commit.at + 0.01}
    if later:
        for m in maps:
            m[:] = [UNKNOWN if edit_of(origin) in later else origin for origin in m]


def _blobs_of(state: State, commit: str, names: Iterable[str]) -> list[str]:
    row = state.get("commits", commit)
    return [blob for name in names if (blob := (row or {}).get("blobs", {}).get(name))]


def _stands_not_in(place: Place, commit: Commit) -> Callable[[str], bool]:
    """Whether a path does not stand in the commit."""

    def is_gone(path: str) -> bool:
        name = os.fsencode(f"{commit.id}:") + unquote(path)
        return git.attempt(["rev-parse", "--verify", "--quiet", name], place.cwd) is None

    return is_gone


def _pairs(work: list[_Work]) -> list[Pair]:
    pairs: list[Pair] = []
    for w in work:
        after = w.change.after
        pairs.append((w.change.before, after))
        pairs += [(blob, after) for blob, _, _ in w.sources]
        if w.last_written:
            pairs.append((w.last_written[0], after))
    return pairs


def _plain(
    state: State,
    commit: Commit,
    change: FileChange,
    hunks: Mapping[Pair, list[Hunk] | None],
    default: int,
    persons: Counter[bytes],
    typed: Typed | None,
) -> FileLines:
    """The lines added to a file that no agent was seen to touch."""
    lines = FileLines(change.path)
    steps = hunks.get((change.before, change.after)) or []
    content = {hunk.new_at + k: line for hunk in steps for k, line in enumerate(hunk.new)}
    added = {k: content[k] for k in added_lines(steps)}
    doubtful = agents_words(state, added) if default == HUMAN else set()
    fresh = typed(change, added, steps) if typed else set()
    for k, line in added.items():
        known = k not in doubtful if default == HUMAN else k in fresh or _take(persons, line)
        (lines.human if known else lines.unknown).append(k)
    if default == UNKNOWN and lines.human:  # so that it stays known when the commit is rewritten once more
        mine = set(lines.human)
        size = max(mine) + 1
        origins = [HUMAN if k in mine else UNKNOWN if k in added else BASE for k in range(size)]
        state.put_node(change.path, change.after, commit.at, pack_map(origins), written=False)
    return lines


def _take(lines: Counter[bytes], line: bytes) -> bool:
    """Whether `line` is among them; it then is there once less."""
    if lines[line] <= 0:
        return False
    lines[line] -= 1
    return True


def _origins(w: _Work, hunks: Mapping[Pair, list[Hunk] | None], content: list[bytes]) -> tuple[list[int], bool]:
    """The line map of what was committed, and whether an agent's state of the file could not be read."""
    origins = list(w.exact) if w.exact is not None else [BASE] * len(content)
    origins = (origins + [BASE] * len(content))[: len(content)]
    exact = w.exact is not None and any(origin > 0 for origin in origins)
    lost = False
    if not exact or UNKNOWN in origins:
        for blob, source, trusted in w.sources:
            steps = [] if blob == w.change.after else hunks.get((blob, w.change.after))
            if steps is not None:
                overlay(origins, source, steps, content, trusted=trusted, doubts=exact)
            else:
                lost = lost or not exact
    return origins, lost


def _lines(
    state: State,
    w: _Work,
    hunks: Mapping[Pair, list[Hunk] | None],
    default: int,
    persons: Counter[bytes],
    typed: Typed | None,
) -> FileLines:
    change, out = w.change, FileLines(w.change.path)
    before_atoms = {origin for origin in w.parent or () if origin > 0}
    if not change.after:
        out.killed = before_atoms
        return out
    difference = hunks.get((change.before, change.after)) if change.before != change.after else []
    if difference is None or w.content is None or is_binary(w.content):
        return out
    content = split(w.content)
    origins, lost = _origins(w, hunks, content)
    if lost:
        default = UNKNOWN
    settled = settle(origins, added_lines(difference), content)
    doubtful = agents_words(state, {k: content[k] for k, origin in settled.items() if origin == BASE and default == HUMAN})
    bare = {k: content[k] for k, origin in settled.items() if origin == BASE}
    fresh = typed(change, bare, difference) if typed and not lost else set()
    for k, origin in settled.items():
        if origin > 0:
            out.atoms[k] = origin
        elif origin == HUMAN or (origin == BASE and default == HUMAN and k not in doubtful):
            out.human.append(k)
            origins[k] = HUMAN
        elif k in fresh or _take(persons, content[k]):
            out.human.append(k)
            origins[k] = HUMAN  # so that it stays known when the commit is rewritten
        else:
            out.unknown.append(k)
            origins[k] = UNKNOWN if k in doubtful else origins[k]
    out.killed = before_atoms - {origin for origin in origins if origin > 0}
    if w.last_written:
        _overridden(out, w, hunks, content)
    state.put_node(change.path, change.after, w.commit.at, pack_map(origins), written=False)
    return out


def _overridden(out: FileLines, w: _Work, hunks: Mapping[Pair, list[Hunk] | None], content: list[bytes]) -> None:
    """What the agent last wrote here and a person changed before committing."""
    blob, source = w.last_written or ("", [])
    steps = [] if blob == w.change.after else hunks.get((blob, w.change.after)) or []
    out.written = {origin for origin in source if origin > 0}
    kept = {origin for origin in carry(source, steps, BASE) if origin > 0}
    for hunk in steps:
        gone = [origin for origin in source[hunk.old_at : hunk.old_at + len(hunk.old)] if origin > 0 and origin not in kept]
        if gone and hunk.new:
            out.replaced.append((gone, list(hunk.old), list(hunk.new)))
