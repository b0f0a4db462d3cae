"""The way from the inbox and the history to the record. One place, read from top to bottom:

    events -> runs, line maps          (intake)
    history since last time -> commits (commits)
    commits x line maps -> whose lines (attribution)
    lines x known changes -> changes   (identity)
    commits x changes -> outcomes      (below)
    all of it -> rewards -> rows       (records) -> Parquet, notes

Everything is computed, written to the record, and only then committed to the state and taken from the inbox. Killed
anywhere, the next drain does it again and writes the same rows under the same ids.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import commits as history
from git_hone.hooks import git, inbox, intake, notes, records
from git_hone.hooks.attribution import FileLines, attribute
from git_hone.hooks.commits import Commit
from git_hone.hooks.identity import Arrival, Kind, Known, Verdict, identify
from git_hone.hooks.ids import change_id_for, digest
from git_hone.hooks.inbox import Event
from git_hone.hooks.lines import HUMAN, UNKNOWN, edit_of, ranges
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.hooks.redact import redact
from git_hone.hooks.state import State
from git_hone.learner import config as configuration
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.reward import Evidence, reward
from git_hone.learner.store import Store

REVERTS: Final = re.compile(rb"This reverts commit ([0-9a-f]{7,64})")
GONE_SHARE: Final = 0.9
"""Share of a change's lines that a commit must take away to count as its revert."""


@dataclass
class Drained:
    """What a drain did."""

    events: int = 0
    commits: int = 0
    changes: int = 0
    unreadable: int = 0
    busy: bool = False


@dataclass
class GitWord:
    """What git's hooks said: when each commit was made and how, and which commits it rewrites."""

    at: dict[str, float] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)  # commit -> "", "rebase", "pick"
    agent: dict[str, str] = field(default_factory=dict)
    branch: dict[str, str] = field(default_factory=dict)
    root: dict[str, str] = field(default_factory=dict)
    linked: dict[str, dict[str, Kind]] = field(default_factory=dict)  # new commit -> {old commit: kind}


@dataclass
class Rows:
    """Rows to be appended, and the events to be noted on commits."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    signals: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def drain(place: Place, *, now: float | None = None, wait_s: float = 30.0) -> Drained:
    """Make everything pending visible. Raises OSError when the store cannot be written; the inbox then stays as it is."""
    if not place.hone.is_dir():
        raise UsageError(f"{place.cwd}: git-hone is not installed here", tip="run `git hone init`")
    with locked(place.hone / "drain.lock", wait_s) as mine:
        return _drain(place, time.time() if now is None else now) if mine else Drained(busy=True)


def set_watermark(place: Place) -> None:
    """Take the history as it stands for known: what comes after it is drained. Does nothing when a mark is set."""
    with State(place.hone / "state.db") as state:
        if state.meta("tips") is None:
            state.set_meta("tips", history.tips(place.cwd))
            state.commit()


def _drain(place: Place, now: float) -> Drained:
    config, config_error = _config(place)
    done = Drained()
    with State(place.hone / "state.db") as state:
        events, unreadable = _read_inbox(place, state, now)
        if not config.enabled:
            _acknowledge([event.file for event in events])
            return done
        word = _git_word(events)
        taken = intake.take(place, state, [event for event in events if event.kind == "agent"], now)
        unreadable += [(event.file, reason) for event, reason in taken.unreadable]
        rows = Rows()
        fresh = _take_signals(state, events, rows, config.hash)
        tips, known_tips = history.tips(place.cwd), state.meta("tips", {})
        new, lost, arrived = _arrivals(place, state, tips, known_tips, word)
        lines = _attribute(place, state, arrived, word)
        touched = _identify(place, state, tips, known_tips, arrived, lost, lines, word, rows, config, now)
        touched |= _outcomes(place, state, arrived, lines, rows, config.hash)
        touched |= _feedback(state, events, rows, config.hash)
        touched |= {
            row["change_id"]
            for tree in fresh
            for row in state.changes("state = 'live'")
            if tree in (row["tree"], row["parent_tree"])
        }
        _reward(state, touched, word, rows, config, now)
        rows.runs = [records.run_row(run, config.hash) for run_id in sorted(taken.runs) if (run := state.get("runs", run_id))]
        _write(place, rows, now)
        state.set_meta("tips", tips)
        state.set_meta("drained", [[event.file.name, event.at] for event in events])
        state.commit()
        done.events, done.commits, done.changes = len(events), len(new), len(touched)
    _set_aside(place, unreadable)
    done.unreadable = len(unreadable)
    _acknowledge([event.file for event in events])
    _report(place, done, now, config_error)
    return done


def _config(place: Place) -> tuple[configuration.Config, str | None]:
    """The configuration; a broken one must not stop the recording, so the defaults stand in and the error is shown."""
    try:
        return configuration.load(place.agent / "learning-config.json", place.hone / "config-verdict.json"), None
    except ConfigError as error:
        return configuration.Config(configuration.DEFAULTS), error.message


def _read_inbox(place: Place, state: State, now: float) -> tuple[list[Event], list[tuple[Path, str]]]:
    before = {(name, at) for name, at in state.meta("drained", [])}
    events: list[Event] = []
    unreadable: list[tuple[Path, str]] = []
    for file in inbox.pending(place.inbox):
        got = inbox.read(file, now=now)
        if isinstance(got, str):
            unreadable.append((file, got))
        elif got is not None and (file.name, got.at) in before:
            _acknowledge([file])  # drained, but the process ended before it could say so
        elif got is not None:
            events.append(got)
    return events, unreadable


def _git_word(events: Iterable[Event]) -> GitWord:
    word = GitWord()
    for event in events:
        if event.kind != "git":
            continue
        says = event.fields
        if event.name == "post-rewrite":
            kind: Kind = "amend" if says.get("args", "").startswith("amend") else "rebase"
            for row in event.payload.decode("ascii", "replace").splitlines():
                old, _, new = row.partition(" ")
                word.linked.setdefault(new.split(" ")[0], {})[old] = kind
        elif event.name in ("post-commit", "post-applypatch") and (sha := says.get("sha")):
            word.at[sha] = event.at
            word.root[sha] = says.get("root", "")
            word.how[sha] = "rebase" if says.get("rebase") else "pick" if says.get("pick") else ""
            if says.get("agent"):
                word.agent[sha] = says["agent"]
            if says.get("head", "").startswith("ref: refs/heads/"):
                word.branch[sha] = says["head"].removeprefix("ref: refs/heads/")
            if says.get("pick"):
                word.linked.setdefault(sha, {})[says["pick"]] = "rebase" if says.get("rebase") else "pick"
    return word


def _take_signals(state: State, events: Iterable[Event], rows: Rows, config_hash: str) -> set[str]:
    """File the measurements; returns the trees that were measured."""
    trees: set[str] = set()
    for event in events:
        if event.kind != "signal" or not isinstance(event.fields.get("row"), dict):
            continue
        row = {key: value for key, value in event.fields["row"].items() if key not in ("record_id", "recorded_at", "config_hash")}
        tree = row.get("tree")
        if not isinstance(tree, str) or not tree:
            continue
        whole = records.event("signal", row, event.at, config_hash)
        rows.signals.append(whole)
        state.db.execute(
            "insert or replace into signals values (?, ?, ?, ?)",
            (tree, row["kind"], row.get("tool") or "", json.dumps({**whole, "recorded_at": event.at})),
        )
        trees.add(tree)
    return trees


def _arrivals(
    place: Place, state: State, tips: Mapping[str, str], known: Mapping[str, str], word: GitWord
) -> tuple[list[str], set[str], list[Commit]]:
    """Commits to look at, in the order in which they were made: the new ones; those that a hook saw and that are gone by
    now (the second answer); and those made while a tool call was open whose end is known now."""
    new = history.between(place.cwd, tips.values(), known.values())
    waiting = [name for name in state.meta("provisional", []) if name not in new]
    again = [name for name in waiting if not history.unreachable(place.cwd, name, tips.values())]
    seen = [name for name, how in word.how.items() if how != "rebase" and name not in new and state.get("commits", name) is None]
    lost = {name for name in seen if history.unreachable(place.cwd, name, tips.values())}
    arrived = history.read(place.cwd, [*again, *lost, *new], place.common)
    opened = intake.open_since(state)
    remembered = state.meta("commit-times", {})
    provisional = {}
    for commit in arrived:
        at = word.at.get(commit.id) or remembered.get(commit.id)
        if at is not None and opened is not None and opened <= at:
            provisional[commit.id] = at
        if at is not None:
            word.at[commit.id] = at
            commit.at = max(commit.at, at)
    state.set_meta("provisional", list(provisional))
    state.set_meta("commit-times", provisional)
    return new, lost, history.in_order(arrived)


def _attribute(place: Place, state: State, arrived: list[Commit], word: GitWord) -> dict[str, list[FileLines]]:
    from git_hone.hooks.history.claims import claims

    provisional = set(state.meta("provisional", []))
    default: dict[str, int] = {}
    for commit in arrived:
        seen = commit.id in word.at and not word.how.get(commit.id) and commit.id not in provisional
        named = seen and (
            commit.id in word.agent or claims(commit.message, commit.author, commit.author_email, commit.committer_email)
        )
        default[commit.id] = HUMAN if seen and not named else UNKNOWN
        if seen and not named and state.get("commits", commit.id) is None:
            state.put("commits", commit.id, {"change": None, "blobs": {}})
    linked = {new: set(olds) for new, olds in word.linked.items()}
    return attribute(place, state, arrived, linked, default)


def _identify(
    place: Place,
    state: State,
    tips: Mapping[str, str],
    known_tips: Mapping[str, str],
    arrived: list[Commit],
    lost: set[str],
    lines: dict[str, list[FileLines]],
    word: GitWord,
    rows: Rows,
    config: configuration.Config,
    now: float,
) -> set[str]:
    """Give each commit its change; returns the changes touched."""
    by_id = {commit.id: commit for commit in arrived}
    arrivals = [
        Arrival(
            commit.id,
            frozenset(origin for f in lines[commit.id] for origin in f.atoms.values()),
            commit.id not in lost,
            word.linked.get(commit.id, {}),
        )
        for commit in arrived
        if commit.id in lines
    ]
    gone = set(history.between(place.cwd, known_tips.values(), tips.values())) | set(state.meta("limbo", [])) | lost
    known = _known(state, arrivals, gone, {old for olds in word.linked.values() for old in olds})
    noted = notes.read(place.cwd, [a.commit for a in arrivals if a.atoms])

    def fresh(commit: str) -> str:
        ids = sorted(
            {e["change_id"] for e in notes.events(noted.get(commit, "")) if e.get("commit") == commit and "change_id" in e}
        )
        return ids[0] if ids else change_id_for(commit)

    verdicts = identify(arrivals, known, lambda old, new: history.is_ancestor(place.cwd, old, new), fresh)
    touched: set[str] = set()
    for arrival in arrivals:
        if verdict := verdicts.get(arrival.commit):
            touched |= _settle_change(
                place, state, by_id[arrival.commit], arrival, verdict, lines[arrival.commit], word, rows, config
            )
    touched |= _drop(place, state, tips, gone, rows, config.hash, now)
    return touched


def _known(state: State, arrivals: Iterable[Arrival], gone: set[str], linked: set[str]) -> dict[str, Known]:
    edits = {edit_of(origin) for arrival in arrivals for origin in arrival.atoms}
    names: set[str] = set()
    for edit in edits:
        names |= {row[0] for row in state.db.execute("select distinct change from atoms where edit = ?", (edit,))}
    for commit in linked | {arrival.commit for arrival in arrivals}:
        names |= {row["change_id"] for row in state.changes("commit_id = ?", commit)}
    found = {}
    for name in names:
        row = state.get("changes", name)
        if row is None or row["state"] == "superseded":
            continue
        found[name] = Known(
            name, row["commit"], _atoms(state, name), row["_born"], row["state"] == "live" and row["commit"] not in gone
        )
    return found


def _atoms(state: State, change: str) -> frozenset[int]:
    found: set[int] = set()
    for edit, packed in state.db.execute("select edit, indexes from atoms where change = ?", (change,)):
        for first, last in json.loads(packed):
            found |= {edit << 20 | k for k in range(first - 1, last)}
    return frozenset(found)


def _put_atoms(state: State, change: str, atoms: Iterable[int]) -> None:
    state.db.execute("delete from atoms where change = ?", (change,))
    by_edit: dict[int, list[int]] = {}
    for origin in atoms:
        by_edit.setdefault(edit_of(origin), []).append(origin & ((1 << 20) - 1))
    for edit, indexes in by_edit.items():
        state.db.execute("insert into atoms values (?, ?, ?)", (change, edit, json.dumps(ranges(indexes))))


def _settle_change(
    place: Place,
    state: State,
    commit: Commit,
    arrival: Arrival,
    verdict: Verdict,
    lines: list[FileLines],
    word: GitWord,
    rows: Rows,
    config: configuration.Config,
) -> set[str]:
    """Write the change that a commit carries, and what it absorbs, into the state."""
    old = state.get("changes", verdict.change)
    facts = records.change_facts(state, commit, lines)
    replaces = list(old["replaces"]) if old else []
    for name in (verdict.moved_from, *((state.get("changes", c) or {}).get("commit") for c in verdict.absorbs)):
        if name and name != commit.id and name not in replaces:
            replaces.append(name)
    elsewhere = _landed_elsewhere(state, arrival.atoms, {verdict.change, *verdict.absorbs})
    written = {origin for f in lines for origin in f.written} - elsewhere | arrival.atoms
    parent = commit.parents[0] if commit.parents else None
    facts |= {
        "change_id": verdict.change,
        "parent_tree": git.line(["rev-parse", "--verify", "--quiet", f"{parent}^{{tree}}"], place.cwd) if parent else None,
        "branch": word.branch.get(commit.id) or (old or {}).get("branch"),
        "state": "live",
        "superseded_by": None,
        "kind": verdict.kind if verdict.kind != "commit" or not old else old["kind"],
        "replaces": replaces,
        "lines_written": len(written),
        "patch_id": _patch_id(place, commit.id),
        "_born": old["_born"] if old else commit.at,
        "_at": max(commit.at, (old or {}).get("_at", 0.0) + 1e-6),
    }
    state.put_change(facts)
    _put_atoms(state, verdict.change, arrival.atoms)
    state.put("commits", commit.id, {"change": verdict.change, "blobs": {c.path: c.after for c in commit.files or []}})
    touched = {verdict.change}
    for name in verdict.absorbs:
        other = state.get("changes", name)
        if other:
            at = max(commit.at, other["_at"] + 1e-6)
            state.put_change(other | {"state": "superseded", "superseded_by": verdict.change, "_at": at})
            state.db.execute("delete from atoms where change = ?", (name,))
            touched.add(name)
    first = old is None
    if first:
        _add_outcome(state, rows, records.outcome_row(verdict.change, "committed", commit.at, config.hash, commit=commit.id))
    overridden = len(written) - len(arrival.atoms)
    if first and overridden > 0 and written:
        detail = {"lines": overridden, "of": len(written), "before_commit": True}
        row = records.outcome_row(verdict.change, "edited", commit.at, config.hash, commit=commit.id, cause="before commit",
                                  value=overridden / len(written), detail=detail)  # fmt: skip
        _add_outcome(state, rows, row)
    if first:
        rows.pairs += _pairs(state, verdict.change, commit, lines, config)
    return touched


def _landed_elsewhere(state: State, atoms: Iterable[int], mine: set[str]) -> set[int]:
    found: set[int] = set()
    for edit in {edit_of(origin) for origin in atoms}:
        for change, packed in state.db.execute("select change, indexes from atoms where edit = ?", (edit,)):
            if change not in mine:
                found |= {edit << 20 | k for first, last in json.loads(packed) for k in range(first - 1, last)}
    return found


def _patch_id(place: Place, commit: str, *flags: str) -> str | None:
    patch = git.attempt(["diff-tree", "-p", "--no-ext-diff", "--no-textconv", "--root", *flags, commit], place.cwd)
    out = git.attempt(["patch-id", "--stable"], place.cwd, stdin=patch) if patch else None
    return git.text(out).split(" ")[0] if out else None


def _pairs(
    state: State, change: str, commit: Commit, lines: Iterable[FileLines], config: configuration.Config
) -> list[dict[str, Any]]:
    """What the agent wrote and what a person made of it before committing: kept for learning, redacted."""
    found = []
    for f in lines:
        if any(fnmatch(f.path, pattern) for pattern in config.exclude_patterns):
            continue
        for atoms, old, new in f.replaced:
            rows = state.edit_rows({edit_of(atoms[0])})
            if not rows:
                continue
            run_id = next(iter(rows.values()))[0]
            run = state.get("runs", run_id) or {}
            before, after = (redact(b"\n".join(text).decode("utf-8", "replace")) for text in (old, new))
            row = {"pair_id": digest("p", change, f.path, before, after), "change_id": change, "run_id": run_id,
                   "role": run.get("role") or "coder", "prompt": {"task": run.get("task"), "path": f.path},
                   "output": {"text": before}, "chosen": {"text": after}, "label": None, "origin": "human-improved"}  # fmt: skip
            found.append(records.event("pair", row, commit.at, config.hash))
    return found


def _drop(
    place: Place, state: State, tips: Mapping[str, str], gone: set[str], rows: Rows, config_hash: str, now: float
) -> set[str]:
    """Changes whose commit no name leads to any more. While a rebase is under way nothing is given up."""
    touched: set[str] = set()
    limbo: list[str] = []
    busy = _rebasing(place)
    for commit in sorted(gone):
        for row in state.changes("commit_id = ? and state = 'live'", commit):
            if not history.unreachable(place.cwd, commit, tips.values()):
                continue
            if busy:
                limbo.append(commit)
                continue
            state.put_change(row | {"state": "dropped", "_at": max(now, row["_at"] + 1e-6)})
            touched.add(row["change_id"])
            _add_outcome(
                state, rows, records.outcome_row(row["change_id"], "dropped", now, config_hash, commit=commit, source="history")
            )
    state.set_meta("limbo", limbo)
    return touched


def _rebasing(place: Place) -> bool:
    homes = [place.common, *place.common.glob("worktrees/*")]
    return any((home / name).is_dir() for home in homes for name in ("rebase-merge", "rebase-apply"))


def _add_outcome(state: State, rows: Rows, row: dict[str, Any]) -> None:
    """Append an outcome that is not known yet."""
    stored = {**row, "at": row["at"].timestamp(), "recorded_at": row["recorded_at"].timestamp()}
    added = state.db.execute(
        "insert or ignore into outcomes values (?, ?, ?)", (row["record_id"], row["change_id"], json.dumps(stored))
    ).rowcount
    if added:
        rows.outcomes.append(row)


def _outcomes(
    place: Place, state: State, arrived: Iterable[Commit], lines: Mapping[str, list[FileLines]], rows: Rows, config_hash: str
) -> set[str]:
    """What the new commits did to the changes before them: reverted, edited."""
    touched: set[str] = set()
    for commit in arrived:
        killed = {origin for f in lines.get(commit.id, ()) for origin in f.killed}
        carried = {origin for f in lines.get(commit.id, ()) for origin in f.atoms.values()}
        killed -= carried
        names: set[str] = set()
        for edit in {edit_of(origin) for origin in killed}:
            names |= {row[0] for row in state.db.execute("select distinct change from atoms where edit = ?", (edit,))}
        for name in sorted(names):
            row = state.get("changes", name)
            mine = _atoms(state, name)
            if row is None or row["state"] != "live" or row["commit"] == commit.id or not mine:
                continue
            share = len(mine & killed) / len(mine)
            if share == 0 or not history.is_ancestor(place.cwd, row["commit"], commit.id):
                continue
            kind = "reverted" if share >= GONE_SHARE and _reverts(place, commit, row) else "edited"
            detail = {"after_s": round(commit.at - row["committed_at"]), "lines": len(mine & killed), "of": len(mine),
                      "by": "agent" if carried else "person"}  # fmt: skip
            cause = digest("", commit.message, len(mine & killed))
            outcome = records.outcome_row(name, kind, commit.at, config_hash, commit=commit.id, cause=cause, source="history",
                                          value=None if kind == "reverted" else share, detail=detail)  # fmt: skip
            _add_outcome(state, rows, outcome)
            touched.add(name)
    return touched


def _reverts(place: Place, commit: Commit, row: Mapping[str, Any]) -> bool:
    """A second witness that `commit` undoes a change: its message names it, or its patch or its tree is the inverse."""
    named = {match.decode() for match in REVERTS.findall(commit.message)}
    if any(sha.startswith(name) for name in named for sha in (row["commit"], *row["replaces"])):
        return True
    return bool(
        commit.tree == row["parent_tree"]
        or _patch_id(place, commit.id, "-R", "--src-prefix=b/", "--dst-prefix=a/") == row["patch_id"]
    )


def _feedback(state: State, events: Iterable[Event], rows: Rows, config_hash: str) -> set[str]:
    touched: set[str] = set()
    for event in events:
        if event.kind != "feedback":
            continue
        says = event.fields
        commit = state.get("commits", str(says.get("rev")))
        if commit is None or not commit["change"] or says.get("verdict") not in ("accepted", "rejected", "rated"):
            continue
        row = state.get("changes", commit["change"])
        name = (row or {}).get("superseded_by") or commit["change"]
        detail = {"note": redact(says["note"])} if isinstance(says.get("note"), str) and says["note"] else None
        outcome = records.outcome_row(name, says["verdict"], event.at, config_hash, value=says.get("value"), detail=detail,
                                      source="feedback")  # fmt: skip
        _add_outcome(state, rows, outcome)
        touched.add(name)
    return touched


def _reward(state: State, touched: Iterable[str], word: GitWord, rows: Rows, config: configuration.Config, now: float) -> None:
    """Reward of every touched change, from its own signals, its parent's and its outcomes; then its row and its note."""
    for name in sorted(touched):
        row = state.get("changes", name)
        if row is None:
            continue
        outcomes = [o for o in state.outcomes(name) if o["kind"] != "dropped" or row["state"] != "live"]
        signals, parent = state.signals(row["tree"]), state.signals(row["parent_tree"])
        evidence = Evidence.of(row, signals, parent, outcomes)
        result = reward(evidence, config.reward_mode, config.reward_weights).as_json()
        latest = [o["recorded_at"] for o in outcomes] + [s["recorded_at"] for s in signals + parent]
        at = max([row["_at"], *latest])
        if row.get("_rewarded_at", 0.0) >= at:
            at = row["_rewarded_at"] + 1e-6
        row |= {"reward": result["value"], "reward_mode": result["mode"],
                "reward_terms": {"terms": result["terms"], "veto": result.get("veto")}, "_rewarded_at": at}  # fmt: skip
        state.put_change(row)
        record = records.change_row(row, at, config.hash)
        rows.changes.append(record)
        if row["state"] == "live":
            rows.notes.setdefault(row["commit"], []).extend(_note_events(state, row, record, outcomes))


def _note_events(
    state: State, row: Mapping[str, Any], record: Mapping[str, Any], outcomes: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    runs = []
    for run_id in row["run_ids"]:
        run = state.get("runs", run_id) or {}
        uses = sorted({str(edit["tool_use_id"]) for edit in run.get("edits", []) if edit.get("tool_use_id")})
        runs.append({"run_id": run_id, "agent": run.get("agent"), "model": run.get("model"), "session_id": run.get("session_id"),
                     "role": run.get("role"), "tool_use_ids": uses[:200]})  # fmt: skip
    files = [
        {"path": f["path"], "ai_ranges": f["ai_ranges"], "human_ranges": f["human_ranges"], "runs": f["runs"]}
        for f in row["files"]
    ]
    change = {
        "v": 1, "id": record["record_id"], "type": "change", "at": record["recorded_at"].isoformat(),
        "change_id": row["change_id"], "commit": row["commit"], "kind": row["kind"], "runs": runs, "files": files,
        "lines": {name: row[f"lines_{name}"] for name in ("ai", "human", "unknown", "written")},
        "replaces": row["replaces"], "reward": row["reward"], "reward_mode": row["reward_mode"],
    }  # fmt: skip
    return [
        change,
        *(
            {"v": 1, "id": o["record_id"], "type": "outcome", "change_id": o["change_id"], "kind": o["kind"],
             "at": records.stamp(o["at"]), "value": o["value"], "commit": o["commit"]}
            for o in outcomes
        ),
    ]  # fmt: skip


def _write(place: Place, rows: Rows, now: float) -> None:
    store = Store(place.data)
    for table in ("runs", "signals", "outcomes", "pairs", "changes"):
        if batch := getattr(rows, table):
            store.append(table, batch)
    if rows.notes:
        latest = max(float(row["recorded_at"].timestamp()) for row in rows.changes)
        notes.write(place.cwd, rows.notes, latest)


def _set_aside(place: Place, unreadable: Iterable[tuple[Path, str]]) -> None:
    """Move what cannot be read out of the way, with the reason beside it. Nothing is deleted."""
    folder = place.hone / "unreadable"
    for file, reason in unreadable:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            file.rename(folder / file.name)
            (folder / f"{file.name}.reason").write_text(reason + "\n", "utf-8", "replace")
        except OSError:
            continue


def _acknowledge(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _report(place: Place, done: Drained, now: float, error: str | None) -> None:
    body = {"at": now, "events": done.events, "commits": done.commits, "changes": done.changes, "unreadable": done.unreadable,
            "error": error}  # fmt: skip
    part = place.hone / ".tmp-last-drain.json"
    part.write_text(json.dumps(body))
    part.replace(place.hone / "last-drain.json")


def sync(place: Place) -> None:
    """Ask the system to write out the file system that the repository lies on, as a crash between commit and record would
    otherwise split them. Called by the worker only: a person never waits for it."""
    subprocess.run(["sync", "-f", str(place.common)], check=False, capture_output=True)
