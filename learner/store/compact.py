"""Merging many small segments of a month into one, safe to be killed anywhere and to run twice at once.

The merged segment is durable before the first old one goes, and names those it replaces; a compactor that dies in between
leaves rows twice on disk, never twice in a reader's answer, and the next one clears up. Only rows with the same record_id are
dropped: older events of a key are history and stay. A segment whose bytes no longer match its name is left out, so that
damage is never copied under a fresh name; and an old segment goes only when its record ids were found in the new one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from git_hone.learner.store.columns import arrow_schema
from git_hone.learner.store.locks import COMPACT, READERS, alone
from git_hone.learner.store.reading import ABANDONED_S, Segment, Verified, living, scan
from git_hone.learner.store.segments import TMP, digest, metadata, months, serialise, sync, write
from git_hone.learner.tables import TABLES, Table

FULL: Final = 32 * 2**20
"""A segment of this size, in bytes, is not merged again, and a merge takes in about twice as much: it bounds the memory."""


@dataclass(frozen=True)
class Compaction:
    """What a compaction did. `kept` counts merged segments that stay on disk for a while because somebody was reading."""

    merged: int = 0
    written: int = 0
    duplicates: int = 0
    removed: int = 0
    kept: int = 0


def compact(root: Path, verified: Verified, min_files: int = 16) -> Compaction:
    """Merge each month with `min_files` segments or more. Waits for a compactor that is at work already. Raises DataError where
    the store cannot be locked or written to; nothing is lost then."""
    if not root.is_dir():
        return Compaction()
    merged = written = duplicates = removed = kept = 0
    with alone(root / COMPACT, wait=True):
        for table in TABLES.values():
            for month, segments in _by_month(living(scan(root, table, verified)[0])).items():
                for batch in batches(segments, min_files):
                    n_in, n_dropped = _merge(root, table, month, batch)
                    merged, written, duplicates = merged + n_in, written + bool(n_in), duplicates + n_dropped
            gone, stay = _remove_replaced(root, table, verified)
            removed, kept = removed + gone, kept + stay
            _sweep(root, table)
        verified.save()
    return Compaction(merged, written, duplicates, removed, kept)


def _by_month(segments: Iterable[Segment]) -> dict[str, list[Segment]]:
    found: dict[str, list[Segment]] = {}
    for segment in segments:
        found.setdefault(segment.month, []).append(segment)
    return found


def batches(segments: Sequence[Segment], min_files: int) -> list[list[Segment]]:
    """The segments to merge with each other: none that is full, each batch of bounded size and of two or more."""
    small = sorted((each for each in segments if each.size < FULL), key=lambda each: (each.size, each.path.name))
    if len(small) < max(2, min_files):
        return []
    found: list[list[Segment]] = [[]]
    for segment in small:
        if sum(each.size for each in found[-1]) + segment.size > 2 * FULL:
            found.append([])
        found[-1].append(segment)
    return [batch for batch in found if len(batch) > 1]


def _merge(root: Path, table: Table, month: str, batch: Sequence[Segment]) -> tuple[int, int]:
    """Write the merged segment of a batch; returns how many segments went in and how many rows were dropped as seen before."""
    import pyarrow as pa

    intact, parts = [], []
    for segment in batch:
        content = segment.path.read_bytes()
        if digest(content) == segment.path.stem:
            intact.append(segment)
            parts.append(conform(table, content))
    if len(intact) < 2:
        return 0, 0
    together = pa.concat_tables(parts)
    rows = distinct_sorted(together)
    replaces = {each.path.name for each in intact}.union(*(_still_there(each) for each in intact))
    said = metadata(table, month, replaces)
    write(root, table, month, serialise(rows.replace_schema_metadata(said)))
    return len(intact), int(together.num_rows - rows.num_rows)


def _still_there(segment: Segment) -> set[str]:
    return {name for name in segment.replaces if (segment.path.parent / name).exists()}


def conform(table: Table, content: bytes) -> Any:
    """The rows of a segment's bytes in the table's columns and types; null for what it lacks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = pq.read_table(pa.BufferReader(content))
    schema = arrow_schema(table, {})
    columns = [
        stored.column(field.name).cast(field.type, safe=False)
        if field.name in stored.column_names
        else pa.nulls(stored.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def distinct_sorted(rows: Any) -> Any:
    """Each record_id once, its newest, in order of time; the same for any order of the rows given."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = rows.sort_by([("record_id", "ascending"), ("recorded_at", "descending")])
    ids = rows.column("record_id").combine_chunks()
    first = pa.concat_arrays([pa.array([True]), pc.not_equal(ids[1:], ids[:-1])]) if len(ids) else pa.array([], pa.bool_())
    rows = rows.filter(first)
    return rows.sort_by([("recorded_at", "ascending"), ("record_id", "ascending")])


def _remove_replaced(root: Path, table: Table, verified: Verified) -> tuple[int, int]:
    """Remove segments whose rows a living segment holds, if nobody is reading. Returns how many went and how many stay.

    That a segment says it replaces another is not enough: the rows are looked for in it first, as it stands on the disk.
    """
    segments, _ = scan(root, table, verified)
    here, old = {each.path for each in segments}, set[Path]()
    for each in segments:
        claimed = {each.path.with_name(name) for name in each.replaces} & here - old - {each.path}
        if claimed and each.path not in old:
            old |= _contained(each.path, claimed)
    if not old:
        return 0, 0
    with alone(root / READERS, wait=False) as nobody_reads:
        if not nobody_reads:
            return 0, len(old)
        for path in old:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in old}:
            sync(folder)
    return len(old), 0


def _contained(path: Path, others: Iterable[Path]) -> set[Path]:
    """Those of the other segments whose record ids are all in the one at `path`."""
    import pyarrow.compute as pc

    ids = _record_ids(path)
    return {other for other in others if pc.all(pc.is_in(_record_ids(other), ids), min_count=0).as_py()}


def _record_ids(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(path.read_bytes()), columns=["record_id"]).column(0).cast(pa.string()).combine_chunks()


def _sweep(root: Path, table: Table) -> None:
    """Remove unfinished files that their writer left behind more than an hour ago."""
    for _, folder in months(root, table):
        for path in folder.glob(f"{TMP}*"):
            with suppress(FileNotFoundError):
                if time.time() - path.lstat().st_mtime > ABANDONED_S:
                    path.unlink()
