"""The way from the inbox and the history to the record. One place, read from top to bottom:

    events -> runs, line maps          (intake)
    history since last time -> commits (commits)
    commits x line maps -> whose lines (attribution)
    lines x known changes -> changes   (changes, identity)
    files before and after -> flags    (flags, tampering)
    commits x changes -> outcomes      (outcomes)
    all of it -> rewards -> rows       (rewards, records) -> Parquet, notes

Everything is computed, written to the record, and only then committed to the state and taken from the inbox. Killed
anywhere, the next drain does it again and writes the same rows under the same ids.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from git_hone.hooks import changes, flags, git, inbox, intake, journal, notes, outcomes, recall, records, rewards
from git_hone.hooks import commits as history
from git_hone.hooks import state as state_file
from git_hone.hooks.attribution import attribute
from git_hone.hooks.batch import Batch, GitWord, Rows
from git_hone.hooks.consent import Consent, consent
from git_hone.hooks.diffs import remembering
from git_hone.hooks.identity import Kind
from git_hone.hooks.inbox import Event
from git_hone.hooks.lines import HUMAN, UNKNOWN, ranges
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.hooks.redaction import scanners
from git_hone.hooks.state import State
from git_hone.learner import config as configuration
from git_hone.learner.errors import ConfigError, DataError, GitError, UsageError
from git_hone.learner.store import Store
from git_hone.learner.store.columns import encode_rows
from git_hone.learner.tables import DECISIONS

MANY_COMMITS = 100
"""Where more commits than this went away at once, git's own word alone says what became of them."""


@dataclass
class Drained:
    """What a drain did."""

    events: int = 0
    commits: int = 0
    changes: int = 0
    unreadable: int = 0
    busy: bool = False


def drain(place: Place, *, now: float | None = None, wait_s: float = 30.0) -> Drained:
    """Make everything pending visible. Raises DataError when that cannot be written; the inbox then stays as it is."""
    if not place.hone.is_dir():
        raise UsageError(f"{place.cwd}: git-hone is not installed here", tip="run `git hone init`")
    moment = time.time() if now is None else now
    with telling(place), locked(place.hone / "drain.lock", wait_s) as mine:
        if not mine:
            return Drained(busy=True)
        with git.sharing(place.common, place.cwd), remembering():
            return _drain_afresh(place, moment)


@contextlib.contextmanager
def telling(place: Place) -> Iterator[None]:
    """Turn what keeps us from writing into a DataError that says what to do."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else f"{place.hone / 'state.db'}: {error}"
        tip = "nothing is lost, the events wait; free space or fix the rights, then run `git hone drain`"
        raise DataError(what, tip=tip) from error


def behind(place: Place) -> bool:
    """Whether something waits to be drained: an event, or names in the history that moved without one (a hook that could not
    write, a merge, `--no-verify` in a clone without hooks)."""
    if inbox.pending(place.inbox):
        return True
    if not (place.hone / "state.db").exists():
        return place.hone.is_dir()
    with contextlib.closing(sqlite3.connect(f"{(place.hone / 'state.db').as_uri()}?mode=ro", uri=True)) as db:
        try:
            row = db.execute("select value from meta where key = 'tips'").fetchone()
        except sqlite3.DatabaseError:
            return True
    return row is None or json.loads(row[0]) != history.tips(place.cwd)


def _drain_afresh(place: Place, now: float) -> Drained:
    """Drain; when the state turns out damaged in the middle of it, do so again from the record and the history."""
    try:
        return _drain(place, now)
    except sqlite3.DatabaseError as error:
        if not state_file.is_damage(error):
            raise
        state_file.set_aside(place.hone / "state.db")
        return _drain(place, now)


def set_watermark(place: Place) -> None:
    """Take the history as it stands for known: what comes after it is drained. Does nothing when a mark is set."""
    with State(place.hone / "state.db") as state:
        if state.meta("tips") is None:
            state.set_meta("tips", history.tips(place.cwd))
            state.commit()


def _drain(place: Place, now: float) -> Drained:
    config, config_error = config_of(place)
    done = Drained()
    with State(place.hone / "state.db") as state:
        tips, events, unreadable = _look(place, state, now)
        may = consent(place, config)
        if not may.recording:
            _acknowledge([event.file for event in events])
            return done
        batch = Batch(place, state, config, now, _git_word(events, state))
        batch.tips, batch.known_tips, batch.configured = tips, state.meta("tips", {}), may.configured
        batch.redactor.add(scanners.find(_words(events) if may.agents else ()))
        keep = intake.Keep(may.keeps_path, config.exclude_patterns)
        taken = intake.take(
            place, state, [event for event in events if event.kind == "agent" and may.agents], now, batch.redactor, keep
        )
        unreadable += [(event.file, reason) for event, reason in taken.unreadable]
        measured = _take_signals(batch, events)
        unreadable += _take_decisions(batch, events)
        n_new = _arrivals(batch)
        _attribute(batch)
        _keep_out(batch, may)
        changes.settle(batch)
        flags.find(batch)
        outcomes.find(batch)
        outcomes.take_feedback(batch, events)
        for tree in measured:
            batch.touched |= {
                row["change_id"] for row in state.changes("state = 'live'") if tree in (row["tree"], row["parent_tree"])
            }
        problem = rewards.settle(batch)
        recall.remember(batch)
        batch.rows.runs = [
            records.run_row(run | {"context": recall.offered_to(state, run.get("decision_id"))}, config.hash)
            for run_id in sorted(taken.runs)
            if (run := state.get("runs", run_id))
        ]
        _look_again(batch)
        write_rows(place, batch.rows, config["notes.shards"])
        if taken.withheld:
            from git_hone.hooks.forget import withhold

            withhold(place, taken.withheld)
        state.set_meta("tips", batch.tips)
        state.set_meta("drained", [[event.file.name, event.at] for event in events])
        state.commit()
        done.events, done.commits, done.changes = len(events), n_new, len(batch.touched)
    _set_aside(place, unreadable)
    done.unreadable = len(unreadable)
    _acknowledge([event.file for event in events])
    _report(place, done, now, config_error or problem)
    told = journal.entries(batch.rows)
    if done.unreadable:
        told.append({"event": "events_unreadable", "count": done.unreadable})
    if told or done.events:
        told.append({"event": "learning_loop_complete", "events": done.events, "commits": done.commits, "changes": done.changes})
    journal.append(place.hone / "journal.jsonl", now, told)
    return done


def _words(events: Iterable[Event]) -> Iterator[str]:
    """What people and agents said in these events."""
    for event in events:
        if event.kind == "agent":
            with contextlib.suppress(intake.Unreadable):
                yield from (seen.text for seen in intake.observations(event) if seen.text)
        elif isinstance(event.fields.get("note"), str):
            yield event.fields["note"]


def _look_again(batch: Batch) -> None:
    """Let another scanner, where there is one, see the lines that are about to be written."""
    texts = [row[column]["text"] for row in batch.rows.pairs for column in ("output", "chosen")]
    if found := scanners.find(texts):
        batch.redactor.add(found)
        for row in batch.rows.pairs:
            for column in ("output", "chosen"):
                row[column] = {**row[column], "text": batch.redactor.code(row[column]["text"], row["prompt"]["path"])}


def _keep_out(batch: Batch, may: Consent) -> None:
    """No record for commits of people who opted out, nor of what was forgotten."""
    for commit in batch.arrived:
        if not may.keeps_commit(commit.id, commit.author_email):
            batch.lines.pop(commit.id, None)
        elif commit.id in batch.lines:
            batch.lines[commit.id] = [lines for lines in batch.lines[commit.id] if may.keeps_path(lines.path)]


def config_of(place: Place) -> tuple[configuration.Config, str | None]:
    """The configuration; a broken one must not stop the recording, so the defaults stand in and the error is shown."""
    try:
        return configuration.load(place.agent / "learning-config.json", place.hone / "config-verdict.json"), None
    except ConfigError as error:
        return configuration.Config(configuration.DEFAULTS), error.message


def _look(place: Place, state: State, now: float) -> tuple[dict[str, str], list[Event], list[tuple[Path, str]]]:
    """History and inbox as they stood at one moment: an event that came before a commit in the history is in the list.

    A folder that is read while others write into it can show a later file and miss an earlier one. So only files that were
    there before the reading began count (by the file system's own clock), and the names in the history must be the same
    before and after. Where writers never pause, the last try is taken.
    """
    before = {(name, at) for name, at in state.meta("drained", [])}
    for last_try in (False, False, False, False, True):
        tips = history.tips(place.cwd)
        began = _clock(place)
        files = inbox.pending(place.inbox)
        early = [file for file, at in files if at < began]
        if last_try or (len(early) == len(files) and tips == history.tips(place.cwd)):
            break
        time.sleep(0.008)
    events: list[Event] = []
    unreadable: list[tuple[Path, str]] = []
    for file in early:
        got = inbox.read(file, now=now)
        if isinstance(got, str):
            unreadable.append((file, got))
        elif got is not None and (file.name, got.at) in before:
            _acknowledge([file])  # drained, but the process ended before it could say so
        elif got is not None:
            events.append(got)
    return tips, events, unreadable


def _clock(place: Place) -> int:
    """Now, in nanoseconds, as the file system stamps it."""
    mark = place.hone / ".tmp-clock"
    mark.write_bytes(b"")
    os.utime(mark)
    return mark.stat().st_mtime_ns


def _git_word(events: Iterable[Event], state: State) -> GitWord:
    word = GitWord()
    squashed = state.meta("squashed", {})  # work tree -> when a branch was squashed into it that waits to be committed
    for event in events:
        if event.kind != "git":
            continue
        says = event.fields
        if event.name == "post-rewrite":
            kind: Kind = "amend" if says.get("args", "").startswith("amend") else "rebase"
            for row in event.payload.decode("ascii", "replace").splitlines():
                old, _, new = row.partition(" ")
                word.linked.setdefault(new.split(" ")[0], {})[old] = kind
        elif event.name == "post-merge" and says.get("args") == "1":
            squashed[says.get("git", "")] = event.at
        elif event.name in ("post-commit", "post-applypatch") and (sha := says.get("sha")):
            word.at[sha] = event.at
            word.root[sha] = says.get("root", "")
            word.how[sha] = "rebase" if says.get("rebase") else "pick" if says.get("pick") else ""
            if event.name == "post-applypatch":
                word.mailed.add(sha)
            if squashed.pop(says.get("git", ""), None) and not word.how[sha]:
                word.how[sha] = "squash"
            if says.get("agent"):
                word.agent[sha] = says["agent"]
            if says.get("head", "").startswith("ref: refs/heads/"):
                word.branch[sha] = says["head"].removeprefix("ref: refs/heads/")
            if says.get("pick"):
                word.linked.setdefault(sha, {})[says["pick"]] = "rebase" if says.get("rebase") else "pick"
    state.set_meta("squashed", squashed)
    return word


def _take_signals(batch: Batch, events: Iterable[Event]) -> set[str]:
    """File the measurements; returns the trees that were measured."""
    trees: set[str] = set()
    for event in events:
        if event.kind != "signal" or not isinstance(event.fields.get("row"), dict):
            continue
        row = {key: value for key, value in event.fields["row"].items() if key not in ("record_id", "recorded_at", "config_hash")}
        tree = row.get("tree")
        if not isinstance(tree, str) or not tree:
            continue
        whole = records.event("signal", row, event.at, batch.config.hash)
        batch.rows.signals.append(whole)
        batch.state.db.execute(
            "insert or replace into signals values (?, ?, ?, ?)",
            (tree, row["kind"], row.get("tool") or "", json.dumps({**whole, "recorded_at": event.at})),
        )
        trees.add(tree)
    return trees


def _take_decisions(batch: Batch, events: Iterable[Event]) -> list[tuple[Path, str]]:
    """File the choices that `route` and its like made; returns the files that hold what is no row of the table, with the reason: one of
    them must not keep everything else from being recorded."""
    wrong: list[tuple[Path, str]] = []
    for event in events:
        rows = event.fields.get("rows") or [event.fields.get("row")] if event.kind == "decision" else []
        whole = []
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict) or not isinstance(row.get("decision_id"), str):
                continue
            known = {name: row.get(name) for name in DECISIONS.columns}
            if isinstance(known["task"], str):
                known["task"] = batch.redactor.prose(known["task"])
            whole.append(records.event("decision", known, event.at, batch.config.hash))
        try:
            encode_rows(DECISIONS, whole)
        except DataError as error:
            wrong.append((event.file, error.message))
        else:
            batch.rows.decisions += whole
    return wrong


def _arrivals(batch: Batch) -> int:
    """Find the commits to look at: the new ones (their number is the answer); those that a hook saw and that are gone by now;
    and those made while a tool call was open whose end is known now."""
    place, state, word, tips = batch.place, batch.state, batch.word, batch.tips
    new = history.between(place.cwd, tips.values(), batch.known_tips.values())
    waiting = [name for name in state.meta("provisional", []) if name not in new]
    unheard = set(state.meta("unheard", []))  # looked at before their hook's word came in
    waiting += [name for name in word.at if name in unheard and name not in waiting]
    again = [name for name in waiting if not history.unreachable(place.cwd, name, tips.values())]
    state.set_meta("unheard", [*(name for name in unheard if name not in word.at), *(n for n in new if n not in word.at)][-500:])
    seen = [name for name, how in word.how.items() if how != "rebase" and name not in new and state.get("commits", name) is None]
    batch.lost = {name for name in seen if history.unreachable(place.cwd, name, tips.values())}
    arrived = history.read(place.cwd, [*again, *batch.lost, *new], place.common)
    behind = {parent for commit in arrived if commit.id not in batch.lost for parent in commit.parents} | set(tips.values())
    batch.gone = {*history.left(place.cwd, batch.known_tips.values(), tips.values(), behind), *batch.lost}
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
    batch.arrived = history.in_order(arrived)
    return len(new)


def _attribute(batch: Batch) -> None:
    from git_hone.hooks.history.claims import claims

    place, state, word = batch.place, batch.state, batch.word
    provisional = set(state.meta("provisional", []))
    default: dict[str, int] = {}
    for commit in batch.arrived:
        seen = commit.id in word.at and not word.how.get(commit.id) and commit.id not in provisional
        named = seen and (
            commit.id in word.agent or claims(commit.message, commit.author, commit.author_email, commit.committer_email)
        )
        default[commit.id] = HUMAN if seen and not named and not intake.lost(state, commit.at) else UNKNOWN
    linked = {new: set(olds) for new, olds in word.linked.items()}
    by_hand = _by_hand(batch, provisional)
    for commit in batch.arrived:
        if word.how.get(commit.id) == "squash":  # made of whatever leads somewhere and is not in it
            linked.setdefault(commit.id, set()).update(
                history.beside(place.cwd, commit.id, [*batch.tips.values(), *batch.known_tips.values()])
            )
    rebased = {old for olds in word.linked.values() for old, kind in olds.items() if kind == "rebase"}
    for commit in batch.arrived:
        if default[commit.id] == UNKNOWN and not linked.get(commit.id):  # git said nothing: made of what went away meanwhile
            olds = (rebased if commit.id in by_hand else batch.gone) - {commit.id}
            linked[commit.id] = olds if len(olds) <= MANY_COMMITS else set()
    batch.lines = attribute(place, state, batch.arrived, linked, default, word.at, by_hand)
    batch.seen = {name for name, kind in default.items() if kind == HUMAN}
    for name in default:
        lines, row = batch.lines.get(name, ()), state.get("commits", name)
        told = name in batch.seen or (name not in provisional and any(f.human for f in lines))
        if told and (row is None or row["change"] is None):
            unknown = {f.path: ranges(f.unknown) for f in lines if f.unknown}
            state.put("commits", name, {"change": None, "blobs": {}, "seen": True, "unknown": unknown})


def _by_hand(batch: Batch, provisional: set[str]) -> set[str]:
    """Commits that somebody here took part in while git rewrote, no agent's tool call being open: after a conflict, at a stop of a
    rebase, or as git made them alone, which adds no line of its own."""
    word, state = batch.word, batch.state
    return {
        commit.id
        for commit in batch.arrived
        if word.how.get(commit.id) in ("rebase", "pick")
        and commit.id not in provisional
        and commit.id not in word.agent
        and (commit.id not in word.mailed or commit.id in word.linked)
        and not intake.lost(state, commit.at)
    }


def write_rows(place: Place, rows: Rows, shards: int) -> None:
    """Write rows to the store, and their events to the notes, new ones spread over so many refs."""
    store = Store(place.data)
    for table in ("runs", "signals", "outcomes", "pairs", "decisions", "changes"):
        if batch := getattr(rows, table):
            store.append(table, batch)
    if rows.notes:
        latest = max(float(row["recorded_at"].timestamp()) for row in rows.changes)
        try:
            notes.write(place.cwd, rows.notes, latest, shards)
        except GitError as error:
            tip = "the records are kept; run `git hone doctor --repair`, then `git hone drain`"
            raise DataError(f"{notes.REF}: {error.message}", tip=tip) from error


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
