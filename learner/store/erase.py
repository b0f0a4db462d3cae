"""Taking rows out of the store for good. Segments are immutable, so each one that is concerned is written anew without them.

The new segment is durable before the old one goes; killed in between, rows stand twice on disk, the old ones among them, and
erasing again ends it. Nobody reads meanwhile, as with a compaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from git_hone.learner.store.columns import arrow_schema
from git_hone.learner.store.compact import conform
from git_hone.learner.store.locks import COMPACT, READERS, alone
from git_hone.learner.store.reading import CACHE
from git_hone.learner.store.segments import metadata, months, serialise, sync, write
from git_hone.learner.tables import TABLES, Table

Change = Callable[[str, dict[str, Any]], "dict[str, Any] | None"]


def erase(root: Path, change: Change) -> tuple[int, list[Path]]:
    """Give every row to `change(table, row)`, which returns it as it is, changed, or None to drop it; JSON columns are text.

    Returns how many rows were changed or dropped, and the files that could not be read and were removed whole: what cannot be
    read cannot be shown to hold nothing. Raises DataError where the store cannot be locked or written to.
    """
    if not root.is_dir():
        return 0, []
    concerned, unreadable = 0, []
    with alone(root / COMPACT, wait=True), alone(root / READERS, wait=True):
        for table, month, path in _files(root):
            try:
                rows = read(table, path)
            except Exception:  # whatever a damaged file does to the reader
                path.unlink()
                unreadable.append(path)
                continue
            kept = [(row, after) for row in rows if (after := change(table.name, dict(row))) is not None]
            n = len(rows) - len(kept) + sum(row != after for row, after in kept)
            if n:
                concerned += n
                _write_anew(root, table, month, path, [after for _, after in kept])
        (root / CACHE).unlink(missing_ok=True)
    return concerned, unreadable


def every_row(root: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """(file, table, row) of all that lies in the store, also what a reader would not show: old events, segments replaced."""
    for table, _, path in _files(root):
        for row in read(table, path):
            yield path, table.name, row


def read(table: Table, path: Path) -> list[dict[str, Any]]:
    """The rows of a segment. Raises what the Parquet reader raises for a damaged one."""
    rows: list[dict[str, Any]] = conform(table, path.read_bytes()).to_pylist()
    return rows


def _files(root: Path) -> list[tuple[Table, str, Path]]:
    return [
        (table, month, path)
        for table in TABLES.values()
        for month, folder in months(root, table)
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]


def _write_anew(root: Path, table: Table, month: str, path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    new = None
    if rows:
        schema = arrow_schema(table, metadata(table, month))
        columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
        new = write(root, table, month, serialise(pa.table(columns, schema=schema)))
    if new != path:
        path.unlink()
        sync(path.parent)
