"""What the drain remembers between two calls: a SQLite file in `<common git dir>/hone/state.db`.

It is a working copy, not the record: what it holds came out of the inbox and the history, and the record (Parquet, notes)
is written before it is committed. One transaction a drain: killed anywhere, the next drain does the same work again and
writes the same records under the same ids.

    meta     key -> JSON (the refs seen last, the events drained but not yet unlinked)
    sessions (agent, session) -> JSON: model, current run
    uses     an open tool call: what stood before it
    runs     run id -> JSON, the row of the runs table as far as it is known
    edits    edit number -> run id, path, tool, tool_use_id, kind: what an atom's upper bits mean
    nodes    (path, blob) -> packed line map, with the time it was seen and whether a tool call left it
    wrote    (what a line says, path): each line that a tool call wrote, as a hash without its white space
    seen     (worktree, path) -> blob: the last state observed there
    commits  commit -> JSON: files, change id, ...
    atoms    change id -> edit -> packed line indexes: which atoms a change brought in
    changes  change id -> JSON: the newest row of the changes table
    past, past_words, gates, offered, examples  what a decision reads: runs with their rewards and the words of their tasks, what gates
             said of attempts, context that was offered, changes that may be shown as examples (hooks/recall.py, hooks/shots.py)
    ripe     (run, change) that an export would take, with the reward (hooks/ripening.py)
    aged     change id -> JSON: where the walk of lines knows its lines (hooks/aging.py)
    signals, outcomes  rows of those tables that a reward may need again
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

VERSION = 1
_TABLES = """
create table if not exists meta (key text primary key, value text);
create table if not exists sessions (key text primary key, value text);
create table if not exists uses (key text primary key, at real, value text);
create table if not exists runs (id text primary key, value text);
create table if not exists edits (no integer primary key, key text unique, run text, path text, at real, value text);
create table if not exists nodes (path text, blob text, at real, written integer, map text, primary key (path, blob));
create index if not exists nodes_blob on nodes (blob);
create table if not exists wrote (line integer, path text, primary key (line, path)) without rowid;
create table if not exists seen (tree text, path text, blob text, at real, primary key (tree, path));
create table if not exists commits (id text primary key, at real, value text);
create table if not exists atoms (change text, edit integer, indexes text, primary key (change, edit));
create index if not exists atoms_edit on atoms (edit);
create table if not exists changes (id text primary key, commit_id text, state text, value text);
create index if not exists changes_commit on changes (commit_id);
create table if not exists signals (tree text, kind text, tool text, value text, primary key (tree, kind, tool));
create table if not exists aged (change text primary key, value text);
create table if not exists outcomes (id text primary key, change text, value text);
create index if not exists outcomes_change on outcomes (change);
create table if not exists past (id integer primary key, run text, change text, at real, reward real, decision text, model text,
    prompt text, kind text, difficulty text, language text, folder text, cost real, title text, unique (run, change));
create index if not exists past_change on past (change);
create index if not exists past_at on past (at);
create index if not exists past_decision on past (decision);
create table if not exists past_words (bucket integer, past integer, weight real, primary key (bucket, past)) without rowid;
create index if not exists past_words_past on past_words (past);
create trigger if not exists past_gone after delete on past begin delete from past_words where past = old.id; end;
create table if not exists offered (plan text, id text, included integer, propensity real, kind text, primary key (plan, id));
create table if not exists ripe (run text, change text, reward real, primary key (run, change)) without rowid;
create index if not exists ripe_change on ripe (change);
create table if not exists examples (change text primary key, at real, reward real, prompt text, body text, words text);
drop table if exists tried;
create table if not exists gates (decision text primary key, value text);
"""


class State:
    """The open file; `commit` ends the drain's one transaction."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.db = _open(file)

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def commit(self) -> None:
        self.db.commit()

    def get(self, table: str, key: str) -> dict[str, Any] | None:
        column = {"runs": "id", "commits": "id", "changes": "id"}.get(table, "key")
        row = self.db.execute(f"select value from {table} where {column} = ?", (key,)).fetchone()  # noqa: S608 - names of ours
        return json.loads(row[0]) if row else None

    def signals(self, tree: str | None) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self.db.execute("select value from signals where tree = ?", (tree,))]

    def outcomes(self, change: str) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self.db.execute("select value from outcomes where change = ?", (change,))]

    def changes(self, where: str, *values: str) -> list[dict[str, Any]]:
        """The newest rows of the changes that fit `where` (columns id, commit_id, state)."""
        return [json.loads(row[0]) for row in self.db.execute(f"select value from changes where {where}", values)]  # noqa: S608 - columns are ours, values are parameters

    def put_change(self, row: dict[str, Any]) -> None:
        self.db.execute(
            "insert or replace into changes values (?, ?, ?, ?)", (row["change_id"], row["commit"], row["state"], dumps(row))
        )

    def put(self, table: str, key: str, value: dict[str, Any]) -> None:
        column = {"runs": "id", "commits": "id", "changes": "id"}.get(table, "key")
        self.db.execute(
            f"insert into {table} ({column}, value) values (?, ?) on conflict ({column}) do update set value = excluded.value",  # noqa: S608 - names of ours
            (key, dumps(value)),
        )

    def meta(self, key: str, default: Any = None) -> Any:
        row = self.db.execute("select value from meta where key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    def set_meta(self, key: str, value: Any) -> None:
        self.db.execute("insert or replace into meta values (?, ?)", (key, dumps(value)))

    def node(self, path: str, blob: str) -> list[list[int]] | None:
        row = self.db.execute("select map from nodes where path = ? and blob = ?", (path, blob)).fetchone()
        return json.loads(row[0]) if row else None

    def written(self, path: str, blob: str) -> bool:
        """Whether a tool call left the file like this."""
        return (
            self.db.execute("select 1 from nodes where path = ? and blob = ? and written = 1", (path, blob)).fetchone()
            is not None
        )

    def put_node(self, path: str, blob: str, at: float, packed: list[list[int]], *, written: bool) -> None:
        self.db.execute(
            "insert into nodes values (?, ?, ?, ?, ?) on conflict (path, blob) do update set at = max(at, excluded.at),"
            " map = excluded.map, written = max(written, excluded.written)",
            (path, blob, at, int(written), dumps(packed)),
        )

    def nodes(self, path: str) -> list[tuple[str, float, bool, list[list[int]]]]:
        """(blob, at, written, map) of a path, newest first."""
        rows = self.db.execute("select blob, at, written, map from nodes where path = ? order by at desc, rowid desc", (path,))
        return [(blob, at, bool(written), json.loads(packed)) for blob, at, written, packed in rows]

    def put_wrote(self, path: str, lines: Iterable[int]) -> None:
        self.db.executemany("insert or ignore into wrote values (?, ?)", [(line, path) for line in lines])

    def wrote(self, lines: Iterable[int]) -> dict[int, int]:
        """Line -> under how many names an agent's tool call wrote it; lines that none wrote are left out."""
        found: dict[int, int] = {}
        wanted = list(set(lines))
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            found.update(self.db.execute(f"select line, count(*) from wrote where line in ({marks}) group by line", part))  # noqa: S608 - marks are question marks
        return found

    def node_paths(self) -> set[str]:
        return {row[0] for row in self.db.execute("select distinct path from nodes")}

    def edit(self, key: str, run: str, path: str, at: float, value: dict[str, Any]) -> int:
        """The number of an edit; the same key has the same number."""
        self.db.execute(
            "insert or ignore into edits (key, run, path, at, value) values (?, ?, ?, ?, ?)", (key, run, path, at, dumps(value))
        )
        return int(self.db.execute("select no from edits where key = ?", (key,)).fetchone()[0])

    def edit_rows(self, numbers: Iterator[int] | set[int]) -> dict[int, tuple[str, dict[str, Any]]]:
        """Edit number -> (run id, what is known of it)."""
        found = {}
        for no in numbers:
            row = self.db.execute("select run, value from edits where no = ?", (no,)).fetchone()
            if row:
                found[no] = (row[0], json.loads(row[1]))
        return found

    def forget(self, table: str, key: str) -> None:
        self.db.execute(f"delete from {table} where key = ?", (key,))  # noqa: S608 - names of ours


def dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is at fault, and not that it is locked, may not be written, or that the disk is full."""
    return not isinstance(error, sqlite3.OperationalError) or "no such " in str(error) or "has no column" in str(error)


def set_aside(file: Path) -> Path:
    """Rename the file, with its journals, so that the next drain begins anew; returns its new name. It is a cache."""
    aside = file.with_name(f"state-damaged-{file.stat().st_mtime_ns}.db")
    for end in ("-journal", "-wal", "-shm"):
        if file.with_name(file.name + end).exists():
            file.with_name(file.name + end).rename(aside.with_name(aside.name + end))
    return file.rename(aside)


def _open(file: Path) -> sqlite3.Connection:
    try:
        return _ready(file)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        set_aside(file)
        return _ready(file)


def _ready(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=10, isolation_level="DEFERRED")
    try:
        db.execute("pragma synchronous = normal")
        if db.execute("pragma user_version").fetchone()[0] not in (0, VERSION):
            raise sqlite3.DatabaseError("another version")
        db.executescript(_TABLES)
        db.execute(f"pragma user_version = {VERSION}")
        db.commit()
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
