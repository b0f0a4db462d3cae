"""What is to be forgotten: what the words of `git hone forget` mean in this repository, and how a text is freed of it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from git_hone.hooks import git
from git_hone.hooks.place import Place
from git_hone.hooks.redaction import Identity, gazetteer
from git_hone.hooks.redaction.people import Index
from git_hone.hooks.state import State
from git_hone.learner.errors import UsageError
from git_hone.learner.store.erase import every_row

GONE: Final = "[redacted:forgotten]"


@dataclass
class Target:
    """What is to be forgotten. changes, runs, commits: ids whose records go; paths: files whose entries go; people: whose
    mentions go; emails: whose commits get no record any more; decisions: of the router, whose undone attempts go; learned: changes from
    which an adapter may have learned it. everything: all of it."""

    changes: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    commits: set[str] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    people: set[Identity] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    decisions: set[str] = field(default_factory=set)
    learned: set[str] = field(default_factory=set)
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
    else:
        _person(place, person, found, changes)
    if path:
        found.learned = {r["change_id"] for r in changes if found.paths & {f["path"] for f in json.loads(r["files"] or "[]")}}
    else:
        _follow(found, rows, changes)
        found.learned = set(found.changes)
    if (place.hone / "state.db").exists():
        with State(place.hone / "state.db") as state:
            found.decisions = past(state.db, found)[1]
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


def scrub_json(text: str, what: Target) -> str:
    """A text, or the texts in a JSON value, scrubbed: JSON spells some letters as escapes."""
    if text[:1] in ("{", "[") and "\\u" in text:
        try:
            return dump(_scrubbed(json.loads(text), what))
        except ValueError:
            return what.scrub(text)
    return what.scrub(text)


def _scrubbed(value: Any, what: Target) -> Any:
    if isinstance(value, str):
        return what.scrub(value)
    if isinstance(value, dict):
        return {what.scrub(key): _scrubbed(item, what) for key, item in value.items()}
    return [_scrubbed(item, what) for item in value] if isinstance(value, list) else value


def dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def past(db: sqlite3.Connection, what: Target) -> tuple[set[int], set[str]]:
    """The rows of `past` (their numbers) and the decisions that are about what is forgotten. Such a row goes as a whole: it
    holds the words of a task as hashes, which cannot be scrubbed."""
    mention = {run for run, value in db.execute("select id, value from runs") if what.within(value)} | what.runs
    gone = [
        (row, decision)
        for row, run, change, decision, title in db.execute("select id, run, change, decision, title from past")
        if run in mention or change in what.changes or what.within(title)
    ]
    return {row for row, _ in gone}, {decision for _, decision in gone if decision}
