"""Removing a person, a path, a change or everything from all that git-hone keeps, and looking again that nothing is left.

`forget` removes; `search` is the proof: it reads everything anew and knows nothing of what was removed. Touches the store, the
state, the notes refs, the inbox, the journal, what was set aside, and `.agent`. The history of the repository itself, with
its authors and files, is git's and stays.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git, notes
from git_hone.hooks.consent import Tombstones
from git_hone.hooks.lines import UNKNOWN, edit_of, pack, unpack
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.hooks.redaction import Identity, gazetteer
from git_hone.hooks.redaction.people import Index
from git_hone.hooks.state import State
from git_hone.learner.errors import UsageError
from git_hone.learner.store import Store
from git_hone.learner.store.erase import erase, every_row

GONE: Final = "[redacted:forgotten]"
CACHES: Final = ("aging", "set-aside", "identities.json", "worker.log", "last-drain.json", "config-verdict.json", "learn")
"""What is made anew when it is needed, or was only kept in case of need."""
REMADE: Final = ("identities.json", "worker.log", "last-drain.json", "config-verdict.json")


@dataclass
class Target:
    """What is to be forgotten. changes, runs, commits: ids whose records go; paths: files whose entries go; people: whose
    mentions go; emails: whose commits get no record any more. everything: all of it."""

    changes: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    commits: set[str] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    people: set[Identity] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    everything: bool = False

    def __post_init__(self) -> None:
        self._index: Index | None = None
        self._pattern: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.everything or self.changes or self.runs or self.paths or self.people)

    def scrub(self, text: str) -> str:
        """`text` without any mention of it."""
        if self._index is None:
            ids = sorted(re.escape(name) for name in (*self.changes, *self.runs))
            files = sorted((re.escape(path) for path in self.paths), key=len)[::-1]
            parts = [
                *ids,
                *(rf"(?<![\w./-]){path}(?![\w/-])" if re.search("[./]", path) else f'(?<="){path}(?=")' for path in files),
            ]
            self._pattern = re.compile("|".join(parts)) if parts else None
            self._index = Index(self.people)
        raw = text.encode("utf-8", "surrogatepass")
        for span in reversed(self._index.find(raw)):
            raw = raw[: span.start] + GONE.encode() + raw[span.end :]
        text = raw.decode("utf-8", "surrogatepass")
        return self._pattern.sub(GONE, text) if self._pattern else text

    def within(self, text: str) -> bool:
        """Whether a text mentions it, also where JSON spells its letters as escapes."""
        plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
        return any(self.scrub(each) != each for each in {text, plain})


@dataclass
class Report:
    """removed: what was taken away, by kind of place. looked_at: how much was read again, by kind of place. found: where
    something is left, and what to do about it."""

    removed: Counter[str] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)


def target(place: Place, *, person: str = "", path: str = "", change: str = "", everything: bool = False) -> Target:
    """What one of these words means here. Raises UsageError when nothing is recorded under it."""
    if everything:
        return Target(everything=True)
    rows = [(table, row) for _, table, row in every_row(place.data)]
    changes = [row for table, row in rows if table == "changes"]
    found = Target()
    if change:
        commit = git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{change}^{{commit}}"], place.cwd)
        found.changes = {
            r["change_id"]
            for r in changes
            if change in (r["change_id"],) or (commit and commit in (r["commit"], *(r["replaces"] or ())))
        }
        found.changes |= {row["change_id"] for row in changes if row["superseded_by"] in found.changes}
        if not found.changes:
            raise UsageError(f"{change}: no change is recorded under that id or commit", tip="`git hone log` lists them")
    elif path:
        found.paths = {name for name in _paths(place, rows) if fnmatchcase(name, path) or name.startswith(path.rstrip("/") + "/")}
        if not found.paths:
            raise UsageError(f"{path}: no file that fits is in the records", tip="quote the pattern: --path 'src/*.py'")
        return found
    else:
        _person(place, person, found, changes)
    _follow(found, rows, changes)
    return found


def _paths(place: Place, rows: Iterable[tuple[str, dict[str, Any]]]) -> set[str]:
    found: set[str] = set()
    for table, row in rows:
        for column in {"changes": ("files", "flags"), "runs": ("edits",)}.get(table, ()):
            found |= {entry["path"] for entry in json.loads(row.get(column) or "[]") if entry.get("path")}
        if table == "pairs":
            found |= {name for name in [(json.loads(row["prompt"] or "{}") or {}).get("path")] if name}
    if (place.hone / "state.db").exists():
        with State(place.hone / "state.db") as state:
            for name in ("nodes", "edits", "seen"):
                found |= {row[0] for row in state.db.execute(f"select distinct path from {name}")}  # noqa: S608 - names of ours
    return found


def _person(place: Place, who: str, found: Target, changes: list[dict[str, Any]]) -> None:
    """All names and addresses of a person, and the changes in commits of theirs."""
    known = gazetteer.authors(place)
    low = who.strip().lower()
    pairs = {pair for pair in known if low in (pair[0].lower(), pair[1].lower())}
    pairs |= {pair for pair in known if pair[1].lower() in {email.lower() for _, email in pairs}}
    found.emails = {email.lower() for _, email in pairs} | ({low} if "@" in low else set())
    found.people = {Identity("name", name) for name, _ in pairs} | {Identity("email", email) for email in found.emails}
    found.people.add(Identity("email" if "@" in who else "name", who.strip()))
    commits = sorted({name for row in changes for name in (row["commit"], *(row["replaces"] or ())) if name})
    asked = "".join(f"{name}\n" for name in commits).encode()
    out = git.attempt(["log", "--no-walk=unsorted", "--ignore-missing", "--stdin", "--format=%H %ae"], place.cwd, stdin=asked)
    theirs = {row.split(" ")[0] for row in git.text(out or b"").splitlines() if row.partition(" ")[2].lower() in found.emails}
    found.changes = {row["change_id"] for row in changes if theirs & {row["commit"], *(row["replaces"] or ())}}


def _follow(found: Target, rows: Iterable[tuple[str, dict[str, Any]]], changes: list[dict[str, Any]]) -> None:
    """The commits, runs and trees of the changes, as far as no other change needs them."""
    gone = [row for row in changes if row["change_id"] in found.changes]
    rest = [row for row in changes if row["change_id"] not in found.changes]
    found.commits = {name for row in gone for name in (row["commit"], *(row["replaces"] or ())) if name}
    found.runs = {run for row in gone for run in row["run_ids"] or ()} - {run for row in rest for run in row["run_ids"] or ()}
    found.trees = {row["tree"] for row in gone} - {row["tree"] for row in rest}


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
        if what.everything:
            _everything(place, report)
        else:
            _store(place, what, report)
            _state(place, what, report)
            _files(place, what, report)
        old = _note_objects(place)
        _notes(place, what, tombs, report)
        _discard(place, old - _note_objects(place), report)
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
    for kind, file in list(_loose_files(place)):
        if kind == ".agent":
            file.unlink()
            report.removed[kind] += 1
    for file in sorted(place.hone.iterdir()):
        if file.name.startswith(("state", "journal.jsonl")) or file.name in (*CACHES, "unreadable"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
            report.removed[f"hone/{file.name}"] += 1
    for file in place.inbox.glob("*"):
        file.unlink()
        report.removed["inbox"] += 1


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
            row[column] = _dump([entry for entry in json.loads(row[column]) if entry.get("path") not in what.paths])
    for column, value in row.items():
        if isinstance(value, str):
            row[column] = what.scrub(value)
        elif isinstance(value, list):
            row[column] = [what.scrub(item) if isinstance(item, str) else item for item in value]
    return row


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


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
        tried, decisions = _past(db, what)
        texts = {
            change for change, *said in db.execute("select change, prompt, body from examples") if any(map(what.within, said))
        }
        gone: list[tuple[str, str, Iterable[object]]] = [
            ("past", "id", tried), ("gates", "decision", decisions), ("examples", "change", what.changes | texts),
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
                db.execute("update nodes set map = ? where path = ? and blob = ?", (_dump(pack(kept)), path, blob))
        _scrub_tables(db, what)
        report.removed["rows of the state"] += db.total_changes - before
        db.commit()
        db.execute("vacuum")


def _past(db: sqlite3.Connection, what: Target) -> tuple[set[int], set[str]]:
    """The rows of `past` (their numbers) and the decisions that are about what is forgotten. Such a row goes as a whole: it
    holds the words of a task as hashes, which cannot be scrubbed."""
    mention = {run for run, value in db.execute("select id, value from runs") if what.within(value)} | what.runs
    gone = [
        (row, decision)
        for row, run, change, decision, title in db.execute("select id, run, change, decision, title from past")
        if run in mention or change in what.changes or what.within(title)
    ]
    return {row for row, _ in gone}, {decision for _, decision in gone if decision}


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
                    text = _dump(body) if body != json.loads(value) else value
                after.append(_scrub_json(text, what) if isinstance(text, str) else text)
            if tuple(after) != tuple(row):
                where = " and ".join(f"{column} is ?" for column in columns)
                db.execute(f"delete from {name} where {where}", row)  # noqa: S608 - names of ours
                places = ", ".join("?" for _ in columns)
                db.execute(f"insert or ignore into {name} values ({places})", after)  # noqa: S608 - names of ours


def _scrub_json(text: str, what: Target) -> str:
    """A text, or the texts in a JSON value, scrubbed: JSON spells some letters as escapes."""
    if text[:1] in ("{", "[") and "\\u" in text:
        try:
            return _dump(_scrubbed(json.loads(text), what))
        except ValueError:
            return what.scrub(text)
    return what.scrub(text)


def _scrubbed(value: Any, what: Target) -> Any:
    if isinstance(value, str):
        return what.scrub(value)
    if isinstance(value, dict):
        return {what.scrub(key): _scrubbed(item, what) for key, item in value.items()}
    return [_scrubbed(item, what) for item in value] if isinstance(value, list) else value


def _loose_files(place: Place) -> Iterator[tuple[str, Path]]:
    """(kind of place, file) of what we keep outside the store, the state and the notes."""
    for file in place.inbox.glob("*"):
        yield "inbox", file
    for name in ("unreadable", *CACHES):
        folder = place.hone / name
        yield from ((name, file) for file in (folder.rglob("*") if folder.is_dir() else [folder]) if file.is_file())
    yield from (("journal", file) for file in place.hone.glob("journal.jsonl*"))
    if place.agent.is_dir():
        own = {place.data, place.agent / "quarantine"}
        for file in place.agent.rglob("*"):
            if file.is_file() and not own & set(file.parents) and file.name not in ("learning-config.json", ".gitignore"):
                yield ".agent", file


def _files(place: Place, what: Target, report: Report) -> None:
    """Lines of line-wise files go alone; another file that mentions it goes whole, as it can be made anew."""
    for kind, file in list(_loose_files(place)):
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        if kind in CACHES:
            file.unlink()
        elif not what.within(text):
            continue
        elif file.suffix in (".jsonl", ".1"):
            rows = [row for row in text.splitlines(keepends=True) if not what.within(row)]
            part = file.with_name(f".tmp-forget-{file.name}")
            part.write_bytes("".join(rows).encode("utf-8", "surrogateescape"))
            part.replace(file)
        else:
            file.unlink()
            file.with_name(f"{file.name}.reason").unlink(missing_ok=True)
        report.removed[kind] += 1


def _note_objects(place: Place) -> set[str]:
    """Every object of the notes refs, and of the refs of ours beside them, with their histories."""
    names = [
        *notes.existing(place.cwd),
        *git.text(git.attempt(["for-each-ref", "--format=%(refname)", "refs/hone"], place.cwd) or b"").split(),
    ]
    if not names:
        return set()
    out = git.attempt(["rev-list", "--objects", "--stdin"], place.cwd, stdin="".join(f"{name}\n" for name in names).encode())
    return {row.split(" ")[0] for row in git.text(out or b"").splitlines()}


def _notes(place: Place, what: Target, tombs: Tombstones, report: Report) -> None:
    """Each notes ref anew, without the lines and without the history that holds them."""
    kept: dict[str, dict[str, str]] = {}
    for ref, tip in notes.existing(place.cwd).items():
        texts = _texts(place, tip)
        kept[ref] = {} if what.everything else {name: text for name, old in texts.items() if (text := _note_without(old, what))}
        report.removed["notes"] += sum(kept[ref].get(name) != old for name, old in texts.items())
    if not kept:
        return
    for ref in kept:
        git.attempt(["reflog", "expire", "--expire=now", "--expire-unreachable=now", ref], place.cwd)
    notes.delete(place.cwd)
    for ref, texts in kept.items():
        if texts:
            notes.join(place.cwd, ref, texts, at=0.0)
        for log in (place.common / "logs" / ref,):
            log.unlink(missing_ok=True)


def _texts(place: Place, tip: str) -> dict[str, str]:
    with git.cat_file(place.cwd) as objects:
        tree = notes.Tree.read(objects, tip)
        return {
            name: git.text(notes.union(*(git.text(objects.blob(blob) or b"") for blob in blobs)))
            for name, blobs in tree.notes.items()
        }


def _note_without(text: str, what: Target) -> str:
    rows = []
    for row in text.splitlines():
        event = notes.event_of(row)
        if event is None or event.get("change_id") not in what.changes:
            if event is not None and what.paths and isinstance(event.get("files"), (list, dict)):
                files = event["files"]
                keep = ({k: v for k, v in files.items() if k not in what.paths} if isinstance(files, dict)
                        else [f for f in files if not (isinstance(f, dict) and f.get("path") in what.paths)])  # fmt: skip
                row = notes.line(event | {"files": keep}) if keep != files else row
            rows.append(_scrub_json(row, what))
    return "".join(f"{row}\n" for row in sorted(set(rows)))


def strip_notes(place: Place) -> int:
    """Take lines of forgotten changes out again that another clone's notes brought back; returns how many notes changed."""
    tombs = Tombstones(place.hone)
    if not tombs.hashes:
        return 0
    back = {str(event["change_id"]) for tip in notes.existing(place.cwd).values() for text in _texts(place, tip).values()
            for event in notes.events(text) if isinstance(event.get("change_id"), str) and tombs.has("change", event["change_id"])}  # fmt: skip
    report = Report()
    if back:
        _notes(place, Target(changes=back), tombs, report)
    return report.removed["notes"]


def _discard(place: Place, names: set[str], report: Report) -> None:
    """Delete loose objects that only the old notes had. What lies in a pack is left to git."""
    for name in sorted(names):
        loose = place.common / "objects" / name[:2] / name[2:]
        if loose.is_file():
            loose.unlink()
            report.removed["objects"] += 1
    if names:
        out = git.attempt(["cat-file", "--batch-check"], place.cwd, stdin="".join(f"{name}\n" for name in sorted(names)).encode())
        packed = sum(not row.endswith(" missing") for row in git.text(out or b"").splitlines())
        if packed:
            report.found.append(
                f"{packed} object(s) of old notes are in packs; next: git gc --prune=now, then this command again"
            )


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
            _dump({k: v if isinstance(v, (str, list)) else None for k, v in row.items()}),
        )
    if (place.hone / "state.db").exists():
        with State(place.hone / "state.db") as state:
            for name, _ in _tables(state.db):
                for values in state.db.execute(f"select * from {name}"):  # noqa: S608 - names of ours
                    if not (what.everything and name == "meta"):
                        look("rows of the state", f"state.db: {name}", "\n".join(v for v in values if isinstance(v, str)))
    for kind, file in _loose_files(place):
        if what.everything and (kind == "inbox" or file.name in REMADE):
            continue  # a worker may have written it since; it holds no record
        look(kind, file, file.read_bytes().decode("utf-8", "surrogateescape"))
    for ref, tip in notes.existing(place.cwd).items():
        for commit, text in _texts(place, tip).items():
            look("notes", f"{ref}: the note of {commit}", text)
    with git.cat_file(place.cwd) as objects:
        for name in sorted(_note_objects(place)):
            blob = objects.blob(name)
            if blob is not None:
                look("objects of notes", f"object {name}", git.text(blob))
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
            return row | {"prompt": _dump(json.loads(row["prompt"]) | {"task": None})}
        return row

    erase(place.data, change)
