"""Outcomes over time: what became of each change's lines on the default branch. Touches git, the state and the record.

`age` is called at most once a day (by the worker and by commands that show outcomes), never on the way of a commit. It reads
the commits that the default branch gained since the last time, follows lines through them (`history.walk`: one pass over the
diffs, its state kept in `<common git dir>/hone/aging/`), and records for each change whose commit is on that branch

    merged     once: when and how it came there
    survived   the share of its lines alive 1, 7, 14, 30 and 90 days after; an age that has not passed has no row
    reworked   one for each later commit that rewrote or deleted lines of it, and why
    edited     where that commit is a person's: how far their version is from the agent's, both formatted

What it keeps is a working copy: without it, the next call walks again and finds the same rows under the same ids.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

from git_hone.hooks import commits as refs
from git_hone.hooks import edits, git, journal, pairs, recall, records, rewards, shots
from git_hone.hooks import state as state_file
from git_hone.hooks.batch import Batch, GitWord
from git_hone.hooks.consent import Consent, consent, excluded
from git_hone.hooks.drain import config_of, telling, write_rows
from git_hone.hooks.formatters import Formatters
from git_hone.hooks.history import commits as history
from git_hone.hooks.history import diffs
from git_hone.hooks.history.chain import chain_seconds, landings
from git_hone.hooks.history.rework import corrective, size
from git_hone.hooks.history.survival import DAYS, lived
from git_hone.hooks.history.walk import ALIVE, Walk, born
from git_hone.hooks.history.walking import observed_until, walked
from git_hone.hooks.lines import ranges
from git_hone.hooks.lock import locked
from git_hone.hooks.outcomes import deed
from git_hone.hooks.paths import quote, unquote
from git_hone.hooks.place import Place, not_installed
from git_hone.hooks.state import State, dumps

DAY_S: Final = 86_400.0
WATCHED_S: Final = (max(DAYS) + 1) * DAY_S
"""How long after its landing a change is watched."""


@dataclass
class Aged:
    """What a call did. `ran` False: it was done less than a day ago, somebody else is at it, or there is no default branch."""

    ran: bool = False
    branch: str | None = None
    commits: int = 0
    changes: int = 0
    outcomes: int = 0


def age(place: Place, *, now: float | None = None, force: bool = False, wait_s: float = 30.0) -> Aged:
    """Record what time and later commits did to the changes, if that was not done within the last day; with `force`, in any
    case. Nothing waits for the walk: only what it found is written under the drain's lock, within `wait_s` or not at all.
    Raises UsageError where git-hone is not installed, DataError when nothing can be written."""
    if not place.hone.is_dir():
        raise not_installed(place)
    moment = time.time() if now is None else now
    with telling(place):
        try:
            with State(place.hone / "state.db") as state:
                last = state.meta("aged")
                if last is not None and not force and 0 <= moment - last["at"] < DAY_S:
                    return Aged()
                # the first look is a day after the first drain: there is nothing to see before
                found = _look(place, state, moment) if force or last is not None else _Found(Aged())
            with locked(place.hone / "drain.lock", wait_s) as mine, State(place.hone / "state.db") as state:
                return _keep(place, state, moment, found) if mine else Aged()
        except sqlite3.DatabaseError as error:
            if state_file.is_damage(error):
                return Aged()  # the next drain sets it aside and makes a new one
            raise


def default_branch(place: Place) -> tuple[str, str] | None:
    """(full ref name, commit) of the branch that changes are merged into; None when there is none yet.

    In this order: `git config hone.defaultBranch`; the remote's HEAD; the first of `init.defaultBranch`, main and master that
    the remote has, or that stands here. A remote's branch is preferred to one's own: merged means that others have it.
    """
    cwd = place.cwd
    remotes = (git.line(["remote"], cwd) or "").splitlines()
    remote = "origin" if "origin" in remotes or not remotes else remotes[0]
    wanted = git.line(["config", "--get", "hone.defaultBranch"], cwd)
    candidates: list[str] = []
    if wanted:
        candidates += [f"refs/remotes/{remote}/{wanted}", f"refs/heads/{wanted}", wanted]
    elif head := git.line(["symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD"], cwd):
        candidates.append(head)
    names = [name for name in (git.line(["config", "--get", "init.defaultBranch"], cwd), "main", "master") if name]
    if not wanted:
        candidates += [f"refs/{where}/{name}" for where in (f"remotes/{remote}", "heads") for name in names]
    for ref in candidates:
        if commit := git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"], cwd):
            return ref, commit
    return None


@dataclass
class Rework:
    """A commit that took lines of a change away. row: the outcome; by: the commit's position; count: lines; of: the change's
    AI lines; landed: seconds; carried: the commits that carried the change."""

    change: Mapping[str, Any]
    by: int
    when: int
    count: int
    of: int
    landed: int
    cause: str


@dataclass
class _Found:
    """What a look found, to be written: rows of outcomes, what `pairs.improved` makes pairs of, what is remembered of each change."""

    done: Aged
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    base: list[str] | None = None


@dataclass
class _Look:
    """One walk, and what is asked of it. `seconds`: along the branch. `landed`: position -> position of the landing."""

    place: Place
    state: State
    config_hash: str
    walk: Walk
    seconds: Mapping[int, int]
    landed: Sequence[int]
    until: float
    found: _Found
    may: Consent
    reworks: list[Rework] = field(default_factory=list)

    def add(self, change: str, kind: str, at: float, cause: str, **more: Any) -> None:
        row = records.outcome_row(change, kind, at, self.config_hash, cause=cause, source="history", **more)
        self.found.outcomes.append(row)

    def knows(self, change: str, kind: str, cause: str) -> bool:
        name = records.outcome_row(change, kind, 0.0, None, cause=cause)["record_id"]
        return self.state.db.execute("select 1 from outcomes where id = ?", (name,)).fetchone() is not None


def _look(place: Place, state: State, now: float) -> _Found:
    """All that is new, nothing written but the walk's own file."""
    config, _ = config_of(place)
    branch = default_branch(place)
    found = _Found(Aged(True, branch and branch[0]))
    finished = {name for name, value in _aged(state) if value.get("done")}
    rows = [row for row in state.changes("state = 'live'") if row["lines_ai"] and row["change_id"] not in finished]
    watched = {row["commit"]: row for row in rows}
    may = consent(place, config)
    if branch is None or not watched or not may.recording:
        return found
    found.base = _base(place, state, watched)
    commits = history.read(place.cwd, branch[1], without=found.base)
    if not commits:
        return found
    moment = datetime.fromtimestamp(now, timezone.utc)
    walk = walked(place.cwd, commits, place.hone / "aging" / "walk.cache", lambda *_: None, moment, texts=True)
    until = observed_until(place, commits, moment).timestamp()
    look = _Look(place, state, config.hash, walk, chain_seconds(commits, walk.chain, now), landings(commits, walk.chain), until,
                 found, may)  # fmt: skip
    here = {commit: row for commit, row in watched.items() if commit in walk.position}
    numbers = _numbers(look, here)
    for commit, row in here.items():
        _one(look, walk.position[commit], row, numbers.get(commit, []))
    _judge(look)
    found.done.commits, found.done.changes = len(commits), len(here)
    return found


def _keep(place: Place, state: State, now: float, found: _Found) -> Aged:
    """Write what was found: rows that are not there yet, and with them the rewards of their changes."""
    config, _ = config_of(place)
    batch = Batch(place, state, config, now, GitWord(), tips=refs.tips(place.cwd))
    for row in found.outcomes:
        before = len(batch.rows.outcomes)
        batch.add_outcome(row)
        if len(batch.rows.outcomes) > before:
            batch.touched.add(row["change_id"])
    kept = (pair for pair in found.pairs if not excluded(pair["path"], config.exclude_patterns))
    batch.rows.pairs = [pairs.improved(batch, **pair) for pair in kept]
    for change, value in found.known.items():
        state.db.execute("insert or replace into aged values (?, ?)", (change, dumps(value)))
    rewards.settle(batch)
    recall.remember(batch)
    write_rows(place, batch.rows, batch.config["notes.shards"])
    if batch.rows.outcomes or batch.rows.pairs:
        shots.refresh(batch)
    journal.append(place.hone / "journal.jsonl", now, journal.entries(batch.rows))
    if found.base is not None:
        state.set_meta("aging-base", found.base)
    state.set_meta("aged", {"at": now})
    state.commit()
    found.done.outcomes = len(batch.rows.outcomes)
    return found.done


def _aged(state: State) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in state.db.execute("select change, value from aged"):
        yield name, json.loads(value)


def _base(place: Place, state: State, watched: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the walk begins: the parents of the oldest change's commit when first asked. What came before holds no line of
    an agent that we know of. Empty: at the beginning of the history."""
    base = state.meta("aging-base")
    if base is None:
        oldest = min(watched.values(), key=lambda row: (row["committed_at"], row["commit"]))["commit"]
        base = (git.line(["rev-list", "--parents", "-n", "1", oldest], place.cwd) or oldest).split(" ")[1:]
    known = [commit for commit in base if git.attempt(["cat-file", "-e", f"{commit}^{{commit}}"], place.cwd) is not None]
    if known:  # a change from before the base (moved there, or with an odd clock): everything has to be walked
        asked = "".join(f"{name}\n" for name in [*watched, *(f"^{commit}" for commit in known)]).encode()
        out = git.attempt(["rev-list", "--ignore-missing", "--stdin"], place.cwd, stdin=asked)
        if out is None or set(watched) - set(git.text(out).split()) - _missing(place, watched):
            known = []
    return known


def _missing(place: Place, names: Iterable[str]) -> set[str]:
    out = git.attempt(["cat-file", "--batch-check"], place.cwd, stdin="".join(f"{name}\n" for name in names).encode())
    return {row.split(" ")[0] for row in git.text(out or b"").splitlines() if row.endswith(" missing")}


def _numbers(look: _Look, here: Mapping[str, Mapping[str, Any]]) -> dict[str, list[int]]:
    """Commit -> the walk's numbers of its AI lines, remembered or read from the commit's own diff."""
    walk, known = look.walk, dict(_aged(look.state))
    numbers: dict[str, list[int]] = {}
    todo = []
    for commit, row in here.items():
        at, value = walk.position[commit], known.get(row["change_id"], {})
        if value.get("commit") == commit and value.get("at") == at and value.get("first") == walk.ledger.first[at]:
            numbers[commit] = [number for first, last in value["numbers"] for number in range(first - 1, last)]
        elif len(walk.commits[at].parents) < 2 and not walk.commits[at].edge:
            todo.append(commit)
    for diff in diffs.patches(look.place.cwd, todo, texts=True):
        if not diff.whole_lost:
            at, row = walk.position[diff.sha], here[diff.sha]
            found = numbers[diff.sha] = _of_lines(born(diff.files, walk.ledger.first[at]), row["files"])
            value = {"commit": diff.sha, "at": at, "first": walk.ledger.first[at], "numbers": ranges(found)}
            look.found.known[row["change_id"]] = value
    return numbers


def _of_lines(lines: Mapping[bytes, Sequence[tuple[int, int, int]]], files: Iterable[Mapping[str, Any]]) -> list[int]:
    """The numbers of the AI lines of a change's files.

    >>> _of_lines({b"a": [(0, 2, 10), (6, 2, 12)]}, [{"path": "a", "ai_ranges": [[2, 2], [7, 7]]}])
    [11, 12]
    """
    found: list[int] = []
    for file in files:
        for start, count, first in lines.get(unquote(file["path"]), ()):
            for low, high in file["ai_ranges"]:
                found += range(first + max(start, low - 1) - start, first + min(start + count, high) - start)
    return sorted(found)


def _one(look: _Look, at: int, row: Mapping[str, Any], numbers: list[int]) -> None:
    """The outcomes of one change that is on the branch."""
    walk, change, step = look.walk, str(row["change_id"]), look.landed[at]
    if step < 0:
        return
    landed = look.seconds[step]
    how = "merge" if step != at else str(row["kind"]) if row["kind"] in ("squash", "rebase", "pick") else "direct"
    detail = {"how": how, "delay_s": max(0, landed - walk.commits[at].time)}
    look.add(change, "merged", landed, "merged", commit=walk.commits[step].sha, detail=detail)
    alive, never = lived(walk.ledger, numbers, landed // 60, int(look.until // 60))
    for days, counts in zip(DAYS, alive, strict=True):
        of = counts[1] - never if counts else 0
        if counts and of > 0:
            detail = {"age_days": days, "alive": counts[0], "of": of}
            look.add(change, "survived", landed + days * DAY_S, f"survived {days}", value=counts[0] / of, detail=detail)
    _reworked(look, row, at, landed, numbers)
    if landed + WATCHED_S < look.until:
        look.found.known[change] = {"done": True}


def _reworked(look: _Look, row: Mapping[str, Any], at: int, landed: int, numbers: Sequence[int]) -> None:
    ledger, walk, change = look.walk.ledger, look.walk, str(row["change_id"])
    gone: dict[int, int] = {}
    for number in numbers:
        by = ledger.killer[number]
        if by not in (-1, at) and (ledger.died[number] != ALIVE or not ledger.landed[number]):
            gone[by] = gone.get(by, 0) + 1
    same: dict[str, int] = {}
    for by, count in sorted(gone.items()):
        commit = walk.commits[by]
        key = deed(commit.author_email, commit.authored)
        same[key] = same.get(key, -1) + 1
        cause = deed(commit.author_email, commit.authored, same[key])
        if not look.may.keeps_commit(commit.sha, commit.author_email):
            continue
        # a revert has an outcome of its own
        if not look.knows(change, "reverted", key) and not look.knows(change, "reworked", cause):
            when = max(landed, look.seconds[look.landed[by]])
            look.reworks.append(Rework(row, by, when, count, len(numbers), landed, cause))


def _judge(look: _Look) -> None:
    """Say of each rework who did it and what for, and of a person's how far it went."""
    walk, place = look.walk, look.place
    commits = [walk.commits[by] for by in sorted({rework.by for rework in look.reworks})]
    wanted = [commit.sha for commit in commits if len(commit.parents) == 1]
    found = {diff.sha: diff for diff in diffs.patches(place.cwd, wanted, texts=True)}
    with git.cat_file(place.cwd) as objects:
        measure = edits.Measure(objects, Formatters(place.top))
        for rework in look.reworks:
            commit, change, delay = walk.commits[rework.by], rework.change, rework.when - rework.landed
            diff, who = found.get(commit.sha), _by(place, look.state, commit.sha)
            edit = None
            if diff is not None and who == "human":
                lines = edits.written_lines(objects, change["commit"], change["files"])
                paths = {path for path, by in walk.ledger.kills.items() if rework.by in by}
                edit = measure.edit(commit.sha, diff, lines, paths)
                if not edit.value:
                    continue  # the repository's formatter says that nothing but the layout changed
            mended = None
            if diff is not None:
                mended = corrective(commit, [change["commit"], *change["replaces"]], rework.count, size(diff), delay)
            detail = {"corrective": mended, "lines": rework.count, "by": who, "delay_s": delay}
            look.add(change["change_id"], "reworked", rework.when, rework.cause, commit=commit.sha,
                     value=rework.count / rework.of, detail=detail)  # fmt: skip
            if edit is not None:
                _edited(look, rework, edit, delay)


def _edited(look: _Look, rework: Rework, edit: edits.Edit, delay: int) -> None:
    change = rework.change
    detail = {"delay_s": delay, "lines": rework.count, "formatter": edit.formatter}
    look.add(change["change_id"], "edited", rework.when, rework.cause, commit=look.walk.commits[rework.by].sha, value=edit.value,
             detail=detail)  # fmt: skip
    runs = {run: file["path"] for file in change["files"] for run in file["runs"]}
    by_path = {path: run for run, path in reversed(runs.items())}
    for path, before, after in edit.texts:
        run = by_path.get(path) or next(iter(change["run_ids"]), None)
        if run and after.strip() and look.may.keeps_path(path):
            look.found.pairs.append(
                {"change": change["change_id"], "run_id": run, "path": path, "before": before, "after": after, "at": rework.when}
            )


def _by(place: Place, state: State, commit: str) -> str:
    """Whose work a commit is: human, ai or unknown. By the lines that it brings in; where it has no change of ours, by whether a tool
    call left a file just so: what only takes lines away brings none in."""
    row = state.get("commits", commit)
    if row is None:
        return "unknown"
    change = state.get("changes", row["change"]) if row["change"] else None
    if change is None and not row["change"]:
        listed = git.text(git.attempt(["diff-tree", "-r", "-z", "--root", "--no-commit-id", commit], place.cwd) or b"").split(
            "\0"
        )
        left = [(quote(os.fsencode(path)), head.split(" ")[3]) for head, path in zip(listed[::2], listed[1::2], strict=False)]
        return "ai" if any(state.written(path, blob) for path, blob in left) else "human"
    if change is None or change["commit"] != commit:
        return "unknown"
    ai, human, unknown = (change[f"lines_{who}"] for who in ("ai", "human", "unknown"))
    return "ai" if ai > human + unknown else "human" if human > ai + unknown else "unknown"
