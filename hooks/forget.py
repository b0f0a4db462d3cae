"""Removing a person, a path, a change or everything from all that git-hone keeps, and looking again that nothing is left.

`forget` removes; `search` is the proof: it reads everything anew and knows nothing of what was removed. Touches the store, the
state, the notes refs, the inbox, the journal, what was set aside, and `.agent`. The history of the repository itself, with
its authors and files, is git's and stays.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import forget_refs, kept, learned
from git_hone.hooks.consent import Tombstones
from git_hone.hooks.lines import UNKNOWN, edit_of, pack, unpack
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.hooks.target import Report, Target, dump, past, scrub_json
from git_hone.learner.errors import UsageError
from git_hone.learner.store import Store
from git_hone.learner.store.erase import erase, every_row

SUITES: Final = "suite"


def forget(place: Place, what: Target) -> Report:
    """Remove it everywhere, then look again. Raises UsageError while another drain is at work."""
    report = Report()
    with locked(place.hone / "drain.lock", 60.0) as mine:
        if not mine:
            raise UsageError(f"{place.cwd}: a drain is at work", tip="try again in a moment")
        tombs = Tombstones(place.hone)
        for kind, names in (
            ("change", what.changes),
            ("commit", what.commits),
            ("run", what.runs),
            ("path", what.paths),
            ("email", what.emails),
        ):
            tombs.add(kind, names)
        if what.everything:
            tombs.add("change", _all_changes(place))
        tombs.save()  # first, so that what is interrupted does not come back
        forget_refs.forget(place, what, report)
        if what.everything:
            _everything(place, report)
        else:
            _store(place, what, report)
            _state(place, what, report)
            _files(place, what, report)
        if what.everything:
            with State(place.hone / "state.db") as state:
                from git_hone.hooks import commits as history

                state.set_meta("tips", history.tips(place.cwd))
                state.commit()
    seen = search(place, what)
    report.looked_at, report.found = seen.looked_at, seen.found + report.found
    return report


def _all_changes(place: Place) -> set[str]:
    return {str(row["change_id"]) for _, table, row in every_row(place.data) if table == "changes"}


def _gone(folder: Path) -> None:
    """Delete a folder that others may still be writing to: a worker that began before we did ends in a moment."""
    for _ in range(50):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
            return
        time.sleep(0.1)
    shutil.rmtree(folder)


def _everything(place: Place, report: Report) -> None:
    report.removed["rows of the store"], _ = erase(place.data, lambda table, row: None)  # waits for those who read
    for name in ("data", "quarantine", "sft", "lora"):
        if (place.agent / name).is_dir():
            report.removed[f".agent/{name}"] += sum(file.is_file() for file in (place.agent / name).rglob("*"))
            _gone(place.agent / name)
    for kind, file in list(kept.files(place)):
        file.unlink(missing_ok=True)
        report.removed[kind] += 1
    for file in sorted(place.hone.iterdir()):
        if file.name.startswith("state"):
            file.unlink()
            report.removed[f"hone/{file.name}"] += 1
    (place.agent / kept.CHAMPIONS).unlink(missing_ok=True)


def _store(place: Place, what: Target, report: Report) -> None:
    def change(table: str, row: dict[str, Any]) -> dict[str, Any] | None:
        return row_without(table, row, what)

    report.removed["rows of the store"], unreadable = erase(place.data, change)
    report.removed["unreadable segments"] += len(unreadable)
    if (place.agent / "quarantine").is_dir():
        report.removed["quarantined files"] += sum(file.is_file() for file in (place.agent / "quarantine").rglob("*"))
        shutil.rmtree(place.agent / "quarantine")  # damaged, so that nobody can tell what is in it


def row_without(table: str, row: dict[str, Any], what: Target) -> dict[str, Any] | None:
    """A row of the store without what is forgotten; None when nothing of it may stay."""
    if row.get("change_id") in what.changes or (table == "runs" and row["run_id"] in what.runs):
        return None
    if (table == "signals" and row["tree"] in what.trees) or row.get("run_id") in what.runs:
        return None
    if table == "pairs" and (json.loads(row["prompt"] or "{}") or {}).get("path") in what.paths:
        return None
    for column in ("files", "edits", "flags"):
        if what.paths and row.get(column):
            row[column] = dump([entry for entry in json.loads(row[column]) if entry.get("path") not in what.paths])
    for column, value in row.items():
        if isinstance(value, str):
            row[column] = what.scrub(value)
        elif isinstance(value, list):
            row[column] = [what.scrub(item) if isinstance(item, str) else item for item in value]
    return row


def _state(place: Place, what: Target, report: Report) -> None:
    for damaged in place.hone.glob("state-damaged-*"):
        damaged.unlink()
        report.removed["damaged states"] += 1
    if not (place.hone / "state.db").exists():
        return
    with State(place.hone / "state.db") as state:
        db, before = state.db, state.db.total_changes
        db.execute("pragma secure_delete = on")
        edits = {no for no, run, path in db.execute("select no, run, path from edits") if run in what.runs or path in what.paths}
        tried, decisions = past(db, what)
        texts = {
            change for change, *said in db.execute("select change, prompt, body from examples") if any(map(what.within, said))
        }
        gone: list[tuple[str, str, Iterable[object]]] = [
            ("past", "id", tried), ("gates", "decision", decisions), ("examples", "change", what.changes | texts),
            ("ripe", "change", what.changes), ("ripe", "run", what.runs),
            ("changes", "id", what.changes), ("atoms", "change", what.changes), ("outcomes", "change", what.changes),
            ("aged", "change", what.changes), ("runs", "id", what.runs), ("commits", "id", what.commits),
            ("signals", "tree", what.trees), ("edits", "no", edits), ("atoms", "edit", edits),
            *((table, "path", what.paths) for table in ("nodes", "seen", "wrote")),
        ]  # fmt: skip
        for table, column, names in gone:
            db.executemany(f"delete from {table} where {column} = ?", [(name,) for name in names])  # noqa: S608 - names of ours
        for path, blob, packed in db.execute("select path, blob, map from nodes").fetchall():
            lines = unpack(json.loads(packed))
            if any(edit_of(line) in edits for line in lines if edit_of(line)):
                kept = [UNKNOWN if edit_of(line) in edits else line for line in lines]
                db.execute("update nodes set map = ? where path = ? and blob = ?", (dump(pack(kept)), path, blob))
        _scrub_tables(db, what)
        report.removed["rows of the state"] += db.total_changes - before
        db.commit()
        db.execute("vacuum")


def _tables(db: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    for (name,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
        yield name, [row[1] for row in db.execute(f"pragma table_info({name})")]


def _scrub_tables(db: sqlite3.Connection, what: Target) -> None:
    for name, columns in _tables(db):
        for row in db.execute(f"select * from {name}").fetchall():  # noqa: S608 - names of ours
            after = []
            for value in row:
                text = value
                if name in ("runs", "changes") and isinstance(value, str) and value.startswith("{"):
                    body = json.loads(value)
                    for column in ("files", "edits", "flags"):
                        if what.paths and body.get(column):
                            body[column] = [entry for entry in body[column] if entry.get("path") not in what.paths]
                    text = dump(body) if body != json.loads(value) else value
                after.append(scrub_json(text, what) if isinstance(text, str) else text)
            if tuple(after) != tuple(row):
                where = " and ".join(f"{column} is ?" for column in columns)
                db.execute(f"delete from {name} where {where}", row)  # noqa: S608 - names of ours
                places = ", ".join("?" for _ in columns)
                db.execute(f"insert or ignore into {name} values ({places})", after)  # noqa: S608 - names of ours


def _files(place: Place, what: Target, report: Report) -> None:
    """Lines of line-wise files go alone; another file that mentions it goes whole, as it can be made anew."""
    report.removed["exports"] += learned.remove_exports(place, what.within, what.commits)
    for manifest in sorted((place.agent / SUITES).glob("*/manifest.json")):
        if any(what.within(text) for file in sorted(manifest.parent.iterdir()) if file.is_file() for text in kept.texts(file)):
            shutil.rmtree(manifest.parent)  # its hash says that it is whole
            report.removed["suites"] += 1
    for kind, file in list(kept.files(place)):
        if not file.exists():  # the reason beside what could not be read
            continue
        if kind in kept.CACHES:
            file.unlink()
        elif learned.is_lineage(place, file) or not any(map(what.within, kept.texts(file))):
            continue
        elif file.suffix in (".jsonl", ".1"):
            text = file.read_bytes().decode("utf-8", "surrogateescape")
            rows = [row for row in text.splitlines(keepends=True) if not what.within(row)]
            part = file.with_name(f".tmp-forget-{file.name}")
            part.write_bytes("".join(rows).encode("utf-8", "surrogateescape"))
            part.replace(file)
        else:
            file.unlink()
            file.with_name(f"{file.name}.reason").unlink(missing_ok=True)
        report.removed[kind] += 1


def search(place: Place, what: Target) -> Report:
    """Read everything, and say where it is still mentioned."""
    report = Report()

    def look(kind: str, where: object, text: str) -> None:
        report.looked_at[kind] += 1
        if what.everything or what.within(text):
            report.found.append(f"{where}")

    for path, table, row in every_row(place.data):
        look(
            "rows of the store",
            f"{path}: a row of {table}",
            dump({k: v if isinstance(v, (str, list)) else None for k, v in row.items()}),
        )
    if (place.hone / "state.db").exists():
        with State(place.hone / "state.db") as state:
            for name, _ in _tables(state.db):
                for values in state.db.execute(f"select * from {name}"):  # noqa: S608 - names of ours
                    if not (what.everything and name == "meta"):
                        look("rows of the state", f"state.db: {name}", "\n".join(v for v in values if isinstance(v, str)))
    for kind, file in kept.files(place):
        if what.everything and (kind == "inbox" or file.name in kept.REMADE):
            continue  # a worker may have written it since; it holds no record
        if learned.is_lineage(place, file) and not what.everything:
            continue  # `taught` says it in words
        look(kind, file, "\n".join(kept.texts(file)))
    if not what.everything:
        report.found += [
            f"{file}: names it; next: change it by hand"
            for file in kept.written(place)
            if any(map(what.within, kept.texts(file)))
        ]
    forget_refs.search(place, what, report, look)
    if what.learned:
        report.found += learned.taught(place, what.learned)
    return report


def withhold(place: Place, runs: Iterable[str]) -> None:
    """Take the words of these runs out of rows that were written before it was known that they touched an excluded file."""
    names = set(runs)
    store = Store(place.data)
    told = [row for run in names for row in store.history("runs", where={"run_id": run}) if row["task"] or row["output"]]
    asked = [row for run in names for row in store.history("pairs", where={"run_id": run})]
    if not told and not any((row["prompt"] or {}).get("task") for row in asked):
        return

    def change(table: str, row: dict[str, Any]) -> dict[str, Any] | None:
        if row.get("run_id") not in names:
            return row
        if table == "runs":
            return row | {"task": None, "output": None}
        if table == "pairs" and row["prompt"]:
            return row | {"prompt": dump(json.loads(row["prompt"]) | {"task": None})}
        return row

    erase(place.data, change)
