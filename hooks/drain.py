"""The way from the inbox and the history to the record. One place, read from top to bottom:

    events -> runs, line maps          (intake)
    history since last time -> commits (arrivals, commits)
    commits x line maps -> whose lines (arrivals, attribution, heirs)
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
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from git_hone.hooks import arrivals, changes, flags, git, inbox, intake, journal, notes, outcomes, records, rewards
from git_hone.hooks import commits as history
from git_hone.hooks import state as state_file
from git_hone.hooks.batch import Batch, Rows
from git_hone.hooks.consent import Consent, consent
from git_hone.hooks.diffs import remembering
from git_hone.hooks.inbox import Event
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place, not_installed
from git_hone.hooks.state import State
from git_hone.learner import config as configuration
from git_hone.learner.errors import ConfigError, DataError, GitError
from git_hone.learner.tables import DECISIONS


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
        raise not_installed(place)
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
        batch = Batch(place, state, config, now, arrivals.git_word(events, state))
        batch.tips, batch.known_tips, batch.configured = tips, state.meta("tips", {}), may.configured
        _heed(batch, _words(events) if may.agents else ())
        keep = intake.Keep(may.keeps_path, config.exclude_patterns)
        taken = intake.take(
            place, state, [event for event in events if event.kind == "agent" and may.agents], now, batch.prose, keep
        )
        unreadable += [(event.file, reason) for event, reason in taken.unreadable]
        measured = _take_signals(batch, events)
        unreadable += _take_decisions(batch, events)
        n_new = arrivals.find(batch)
        arrivals.attribute(batch)
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
        _recall(batch, taken.runs)
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


def _recall(batch: Batch, runs: Collection[str]) -> None:
    """Keep what was tried for the next choice, and file these runs with what was offered to them."""
    if not (runs or batch.touched or batch.rows.decisions) and batch.state.meta("recalled"):
        return  # (a new state is filled from the record, whatever else happened)
    from git_hone.hooks import recall

    recall.remember(batch)
    for run_id in sorted(runs):
        if run := batch.state.get("runs", run_id):
            context = recall.offered_to(batch.state, run.get("decision_id"))
            batch.rows.runs.append(records.run_row(run | {"context": context}, batch.config.hash))


def _words(events: Iterable[Event]) -> Iterator[str]:
    """What people and agents said in these events."""
    for event in events:
        if event.kind == "agent":
            with contextlib.suppress(intake.Unreadable):
                yield from (seen.text for seen in intake.observations(event) if seen.text)
        elif isinstance(event.fields.get("note"), str):
            yield event.fields["note"]


def _heed(batch: Batch, texts: Iterable[str]) -> bool:
    """Let another scanner, where there is one, look for secrets; whether it found any."""
    words = list(texts)
    if not words:
        return False
    from git_hone.hooks.redaction import scanners

    found = scanners.find(words)
    if found:
        batch.redactor.add(found)
    return bool(found)


def _look_again(batch: Batch) -> None:
    """Let another scanner, where there is one, see the lines that are about to be written."""
    texts = [row[column]["text"] for row in batch.rows.pairs for column in ("output", "chosen")]
    if _heed(batch, texts):
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
                known["task"] = batch.prose(known["task"])
            whole.append(records.event("decision", known, event.at, batch.config.hash))
        try:
            if whole:
                from git_hone.learner.store.columns import encode_rows

                encode_rows(DECISIONS, whole)
        except DataError as error:
            wrong.append((event.file, error.message))
        else:
            batch.rows.decisions += whole
    return wrong


def write_rows(place: Place, new: Rows, shards: int) -> None:
    """Write new rows to the store, and their events to the notes, new ones spread over so many refs."""
    found = {
        name: rows for name in ("runs", "signals", "outcomes", "pairs", "decisions", "changes") if (rows := getattr(new, name))
    }
    if found:
        from git_hone.learner.store import Store

        store = Store(place.data)
        for table, batch in found.items():
            store.append(table, batch)
    if new.notes:
        latest = max(float(row["recorded_at"].timestamp()) for row in new.changes)
        try:
            notes.write(place.cwd, new.notes, latest, shards)
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
