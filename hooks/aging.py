"""Outcomes over time: what became of each change's lines on the default branch. Touches git, the state and the record.

`age` is called at most once a day (by the worker and by commands that show outcomes), never on the way of a commit. It reads
the commits that the default branch gained since the last time, follows lines through them (`history.walk`: one pass over the
diffs, its state kept in `<common git dir>/hone/aging/`), and records for each change whose commit is on that branch

    merged     once: when and how it came there
    survived   the share of its lines alive 1, 7, 14, 30 and 90 days after; an age that has not passed has no row
    reworked   one for each later commit that rewrote or deleted lines of it

What it keeps is a working copy: without it, the next call walks again and finds the same rows under the same ids.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from git_hone.hooks import commits as refs
from git_hone.hooks import git, journal, records, rewards
from git_hone.hooks import state as state_file
from git_hone.hooks.batch import Batch, GitWord
from git_hone.hooks.drain import config_of, telling, write_rows
from git_hone.hooks.history import commits as history
from git_hone.hooks.history import diffs
from git_hone.hooks.history.survival import DAYS, lived
from git_hone.hooks.history.walk import ALIVE, Walk, born, chain_seconds, landings
from git_hone.hooks.history.walking import observed_until, walked
from git_hone.hooks.lines import ranges
from git_hone.hooks.lock import locked
from git_hone.hooks.outcomes import deed
from git_hone.hooks.paths import unquote
from git_hone.hooks.place import Place
from git_hone.hooks.state import State, dumps
from git_hone.learner.errors import UsageError

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
    case. Raises UsageError where git-hone is not installed, DataError when nothing can be written."""
    if not place.hone.is_dir():
        raise UsageError(f"{place.cwd}: git-hone is not installed here", tip="run `git hone init`")
    moment = time.time() if now is None else now
    with telling(place), locked(place.hone / "drain.lock", wait_s) as mine:
        if not mine:
            return Aged()
        with State(place.hone / "state.db") as state:
            try:
                return _when_due(place, state, moment, force)
            except sqlite3.DatabaseError as error:
                if state_file.is_damage(error):
                    return Aged()  # the next drain sets it aside and makes a new one
                raise


def _when_due(place: Place, state: State, now: float, force: bool) -> Aged:
    last = state.meta("aged")
    if last is not None and not force and 0 <= now - last["at"] < DAY_S:
        return Aged()
    first = last is None and not force  # the first look is a day after the first drain: there is nothing to see before
    done = Aged() if first else _age(place, state, now)
    state.set_meta("aged", {"at": now})
    state.commit()
    return done


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
class _Look:
    """One walk, and what is asked of it. `seconds`: along the branch. `landed`: position -> position of the landing."""

    batch: Batch
    walk: Walk
    seconds: dict[int, int]
    landed: Sequence[int]
    until: float


def _age(place: Place, state: State, now: float) -> Aged:
    config, _ = config_of(place)
    found = default_branch(place)
    done = Aged(True, found and found[0])
    rows = {row["commit"]: row for row in state.changes("state = 'live'") if row["lines_ai"]}
    finished = {name for name, value in _aged(state) if value.get("done")}
    watched = {commit: row for commit, row in rows.items() if row["change_id"] not in finished}
    if found is None or not watched or not config.enabled:
        return done
    tip = found[1]
    commits = history.read(place.cwd, tip, without=_base(place, state, watched))
    if not commits:
        return done
    moment = datetime.fromtimestamp(now, timezone.utc)
    walk = walked(place.cwd, commits, place.hone / "aging" / "walk.cache", lambda *_: None, moment, texts=True)
    batch = Batch(place, state, config, now, GitWord(), tips=refs.tips(place.cwd))
    until = observed_until(place, commits, moment).timestamp()
    look = _Look(batch, walk, chain_seconds(commits, walk.chain, now), landings(commits, walk.chain), until)
    here = {commit: row for commit, row in watched.items() if commit in walk.position}
    numbers = _numbers(place, state, walk, here)
    for commit, row in here.items():
        _one(look, walk.position[commit], row, numbers.get(commit, []))
    rewards.settle(batch)
    write_rows(place, batch.rows, batch.config["notes.shards"])
    journal.append(place.hone / "journal.jsonl", now, journal.entries(batch.rows))
    done.commits, done.changes, done.outcomes = len(commits), len(here), len(batch.rows.outcomes)
    return done


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
    state.set_meta("aging-base", known)
    return known


def _missing(place: Place, names: Iterable[str]) -> set[str]:
    out = git.attempt(["cat-file", "--batch-check"], place.cwd, stdin="".join(f"{name}\n" for name in names).encode())
    return {row.split(" ")[0] for row in git.text(out or b"").splitlines() if row.endswith(" missing")}


def _numbers(place: Place, state: State, walk: Walk, here: Mapping[str, Mapping[str, Any]]) -> dict[str, list[int]]:
    """Commit -> the walk's numbers of its AI lines, remembered or read from the commit's own diff."""
    known = dict(_aged(state))
    found: dict[str, list[int]] = {}
    todo = []
    for commit, row in here.items():
        at, value = walk.position[commit], known.get(row["change_id"], {})
        if value.get("commit") == commit and value.get("at") == at and value.get("first") == walk.ledger.first[at]:
            found[commit] = [number for first, last in value["numbers"] for number in range(first - 1, last)]
        else:
            todo.append(commit)
    edges = frozenset(commit for commit in todo if walk.commits[walk.position[commit]].edge)
    for diff in diffs.patches(place.cwd, todo, edges, texts=True):
        at = walk.position[diff.sha]
        if len(walk.commits[at].parents) > 1 or diff.whole_lost:
            continue
        found[diff.sha] = _of_lines(born(diff.files, walk.ledger.first[at]), here[diff.sha]["files"])
        value = {"commit": diff.sha, "at": at, "first": walk.ledger.first[at], "numbers": ranges(found[diff.sha])}
        _put(state, here[diff.sha]["change_id"], value)
    return found


def _put(state: State, change: str, value: Mapping[str, Any]) -> None:
    state.db.execute("insert or replace into aged values (?, ?)", (change, dumps(value)))


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
    walk, batch, change = look.walk, look.batch, str(row["change_id"])
    step = look.landed[at]
    if step < 0:
        return
    landed, before = look.seconds[step], len(batch.rows.outcomes)
    _merged(look, change, row, at, step)
    alive, never = lived(walk.ledger, numbers, landed // 60, int(look.until // 60))
    for days, counts in zip(DAYS, alive, strict=True):
        of = counts[1] - never if counts else 0
        if counts and of > 0:
            detail = {"age_days": days, "alive": counts[0], "of": of}
            batch.add_outcome(records.outcome_row(change, "survived", landed + days * DAY_S, batch.config.hash,
                                                  cause=f"survived {days}", value=counts[0] / of, detail=detail,
                                                  source="history"))  # fmt: skip
    _reworked(look, change, at, landed, numbers)
    if landed + WATCHED_S < look.until:
        _put(batch.state, change, {"done": True})
    if len(batch.rows.outcomes) > before:
        batch.touched.add(change)


def _merged(look: _Look, change: str, row: Mapping[str, Any], at: int, step: int) -> None:
    walk, batch = look.walk, look.batch
    how = "merge" if step != at else {"squash": "squash", "rebase": "rebase"}.get(str(row["kind"]), "direct")
    detail = {"how": how, "delay_s": max(0, look.seconds[step] - walk.commits[at].time)}
    batch.add_outcome(records.outcome_row(change, "merged", look.seconds[step], batch.config.hash, commit=walk.commits[step].sha,
                                          cause="merged", detail=detail, source="history"))  # fmt: skip


def _reworked(look: _Look, change: str, at: int, landed: int, numbers: Sequence[int]) -> None:
    ledger, batch, walk = look.walk.ledger, look.batch, look.walk
    gone: dict[int, int] = {}
    for number in numbers:
        by = ledger.killer[number]
        if by not in (-1, at) and (ledger.died[number] != ALIVE or not ledger.landed[number]):
            gone[by] = gone.get(by, 0) + 1
    deeds: dict[str, int] = {}
    for by, count in sorted(gone.items()):
        commit = walk.commits[by]
        key = deed(commit.author_email, commit.authored)
        nth = deeds[key] = deeds.get(key, -1) + 1
        if batch.state.db.execute("select 1 from outcomes where id = ?", (_reverted_id(change, key),)).fetchone():
            continue  # that is the revert itself, which has an outcome of its own
        when = max(landed, look.seconds[look.landed[by]])
        detail = {"corrective": None, "lines": count, "by": _by(batch.state, commit.sha), "delay_s": when - landed}
        cause = deed(commit.author_email, commit.authored, nth)
        batch.add_outcome(records.outcome_row(change, "reworked", when, batch.config.hash, commit=commit.sha, cause=cause,
                                              value=count / len(numbers), detail=detail, source="history"))  # fmt: skip


def _reverted_id(change: str, cause: str) -> str:
    return str(records.outcome_row(change, "reverted", 0.0, None, cause=cause)["record_id"])


def _by(state: State, commit: str) -> str:
    """Whose lines a commit brings in: human, ai or unknown."""
    row = state.get("commits", commit)
    if row is None:
        return "unknown"
    change = state.get("changes", row["change"]) if row["change"] else None
    if change is None or change["commit"] != commit:
        return "unknown" if row["change"] else "human"
    ai, human, unknown = (change[f"lines_{who}"] for who in ("ai", "human", "unknown"))
    return "ai" if ai > human + unknown else "human" if human > ai + unknown else "unknown"
