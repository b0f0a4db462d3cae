"""The store: append-only events in immutable Parquet segments, by table and month, and DuckDB to ask them.

    <root>/changes/month=2026-05/0f3a...c1.parquet

`Store` is the whole interface; its parts are `segments` (writing), `reading` (checking), `query` (asking), `compact`
(merging), `quarantine` (setting aside) and `sqlite` (handing on). Importing this package imports neither pyarrow nor duckdb.
"""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_hone.learner.errors import DataError
from git_hone.learner.store import compact as _compact
from git_hone.learner.store import locks, quarantine, query, segments
from git_hone.learner.store.columns import encode_rows, month_of, table_named
from git_hone.learner.store.compact import Compaction
from git_hone.learner.store.reading import Damage, Segment, Verified, listing, living, scan
from git_hone.learner.store.sqlite import export_sqlite
from git_hone.learner.tables import TABLES, Table

if TYPE_CHECKING:
    import duckdb

__all__ = ["Compaction", "Damage", "Segment", "Store", "export_sqlite"]


class Store:
    """The records under one folder, which is made at the first `append`.

    `damaged` holds what the last read had to skip: reading never fails because of one bad file, and never hides it.
    Raises DataError when `root` is a symbolic link that leads elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.damaged: list[Damage] = []
        self._verified: Verified | None = None
        self._engine: tuple[duckdb.DuckDBPyConnection, Path] | None = None
        segments.refuse_links(self.root)

    def append(self, table: str, rows: Sequence[Mapping[str, object]]) -> list[Path]:
        """Write the rows as one segment for each UTC month; returns the paths, and then the rows survive a power cut.

        The same rows give the same files, so appending again is harmless. Missing columns become null; JSON columns take a
        JSON value, or a str that holds JSON. Raises DataError, naming table, row and column, before anything is written.
        """
        kind = table_named(table)
        by_month: dict[str, list[Mapping[str, Any]]] = {}
        for row in encode_rows(kind, rows):
            by_month.setdefault(month_of(kind, row), []).append(row)
        made = {m: segments.arrow_rows(kind, by_month[m], segments.metadata(kind, m)) for m in sorted(by_month)}
        contents = {month: segments.serialise(rows) for month, rows in made.items()}
        written = []
        for month, content in contents.items():
            written.append(segments.write(self.root, kind, month, content))
            self._known.wrote(kind, written[-1], made[month], [row["recorded_at"] for row in by_month[month]])
        self._known.save()
        return written

    def rows(
        self, table: str, *, since: datetime | None = None, where: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """The newest row of each key, oldest first, as far as it fits `where` (equality, null equals null) and its month
        column (recorded_at where that is null) is not before `since`."""
        return self._select(table, since, where or {}, newest=True)

    def history(
        self, table: str, *, since: datetime | None = None, where: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Each event once, oldest first; `since` and `where` as in `rows`."""
        return self._select(table, since, where or {}, newest=False)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """DuckDB over the store as it is now: for each table T the views `T_events` (each event once) and `T` (the newest
        row of each key). Compactors leave the files in place while the connection lives.

        Timestamps are TIMESTAMPTZ in UTC. To fetch one, ask for `epoch_us(column)`: DuckDB needs pytz, which we do not, to make
        an aware datetime of it."""
        handle = locks.lease(self.root)
        try:
            found = {name: self._scan(table, afresh=number == 0) for number, (name, table) in enumerate(TABLES.items())}
            self._known.save()
            engine, base = query.open_engine(self.root)
            query.create_views(engine, {name: query.reached(base, each) for name, each in found.items()})
        except BaseException:
            if handle is not None:
                os.close(handle)
            raise
        if handle is not None:
            weakref.finalize(engine, os.close, handle)
        return engine

    def compact(self, min_files: int = 16) -> Compaction:
        """Merge the segments of each month that has at least `min_files`; see `git_hone.learner.store.compact`."""
        return _compact.compact(self.root, self._known, min_files)

    def check(self, repair: bool = False) -> list[Damage]:
        """Hash every segment and say what is wrong; with `repair`, set it aside in `quarantine/` beside the store."""
        self.damaged = quarantine.check(self.root, self._known, repair=repair)
        return self.damaged

    def count_segments(self, table: str | None = None) -> int:
        """How many readable segments there are, of one table or of all, without those that a merged one replaces."""
        wanted = [table_named(table)] if table else list(TABLES.values())
        total = sum(len(living(self._scan(each, afresh=number == 0))) for number, each in enumerate(wanted))
        self._known.save()
        return total

    def is_crowded(self, n_files: int = 16) -> bool:
        """Whether some month of a table has so many files, whatever is in them: a look at the names alone."""
        crowds = Counter((table.name, month) for table in TABLES.values() for month, _ in listing(self.root, table))
        return max(crowds.values(), default=0) >= n_files

    @property
    def _known(self) -> Verified:
        if self._verified is None:
            self._verified = Verified(self.root).load()
        return self._verified

    def _scan(self, table: Table, *, afresh: bool = True) -> list[Segment]:
        found, damaged = scan(self.root, table, self._known)
        self.damaged = damaged if afresh else self.damaged + damaged
        return found

    def _select(self, name: str, since: datetime | None, where: Mapping[str, object], *, newest: bool) -> list[dict[str, Any]]:
        import duckdb

        table, instant = table_named(name), query.micros_of(since)
        clause, values = query.conditions(table, instant, where)
        for _ in range(100):
            with locks.reading(self.root):
                found = query.segments_since(table, self._scan(table), instant, newest=newest)
                self._known.save()
                if not found:
                    return []
                self._engine = self._engine or query.open_engine(self.root)  # opening one takes longer than a small question
                engine, base = self._engine
                sql, times = query.matching(table, query.reached(base, found), clause, newest=newest)
                try:
                    with engine.cursor() as cursor:
                        return query.fetch(cursor, table, sql, values * times)
                except duckdb.IOException:
                    if all(segment.path.exists() for segment in found):
                        raise  # not a compactor on a file system without locks: a real fault
        raise DataError(f"{self.root / name}: the segments keep changing", tip="try again when no compactor runs")
