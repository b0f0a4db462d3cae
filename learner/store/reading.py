"""Which segments may be read: finds them, checks them, and says what is wrong with the others.

One torn Parquet file makes its whole folder unreadable in every engine, so each is checked before an engine sees it. The
honest check is the SHA-256 of all bytes against the name. Doing that on each read would cost about a second per gigabyte, so a
segment is hashed when it is first seen, and again when its size, inode, mtime or ctime differs or a week has passed; in
between the answer is remembered in `.verified.json`, which may be deleted at any time. A write to a file always moves its
ctime, so an edit or a flipped bit that came through the file system is seen at the next read; decay of the medium itself is
seen within a week, or by `Store.check`, which hashes everything.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from git_hone.learner.store.columns import columns_of, fits
from git_hone.learner.store.segments import NAME, TMP, digest, months
from git_hone.learner.tables import SCHEMA_VERSION, Table

CACHE: Final = ".verified.json"
CACHE_VERSION: Final = 1
TRUSTED_S: Final = 7 * 86_400
ABANDONED_S: Final = 3_600
MAGIC: Final = b"PAR1"


@dataclass(frozen=True)
class Damage:
    """A file in the store that was not read: `reason` says why, `action` what was done or is to be done about it."""

    path: Path
    reason: str
    action: str = "skipped"


@dataclass(frozen=True)
class Segment:
    """A checked segment. `columns` maps those of our columns that it has to their stored Arrow type; `recorded` is the least
    and greatest recorded_at in it, in microseconds; `replaces` the names of segments whose rows it holds."""

    path: Path
    month: str
    size: int
    rows: int
    columns: tuple[tuple[str, str], ...]
    recorded: tuple[int, int]
    replaces: tuple[str, ...]


@dataclass
class Verified:
    """What is known of the files of one store; `load` and `save` keep it in `.verified.json`."""

    root: Path
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: bool = False

    def load(self) -> Verified:
        """Read the file; anything odd in it means starting afresh."""
        try:
            held = json.loads((self.root / CACHE).read_bytes())
            if held["version"] == CACHE_VERSION and isinstance(held["files"], dict):
                self.known = held["files"]
        except (OSError, ValueError, KeyError, TypeError):
            self.known = {}
        return self

    def save(self) -> None:
        """Write the file if something changed; a store that cannot be written to is read without it."""
        if not self.changed:
            return
        beside = self.root / f"{TMP}verified-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            beside.write_text(json.dumps({"version": CACHE_VERSION, "files": self.known}))
            beside.replace(self.root / CACHE)
        except OSError:
            beside.unlink(missing_ok=True)
        self.changed = False

    def segment(self, table: Table, month: str, path: Path, *, trust: bool) -> Segment | Damage:
        """The segment at `path`, or what is wrong with it. Raises FileNotFoundError when it is gone by now."""
        name = f"{table.name}/{path.parent.name}/{path.name}"
        stat = os.lstat(path)
        stamp = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
        held = self.known.get(name)
        if trust and held and held["stamp"] == stamp and 0 <= time.time() - held["at"] < TRUSTED_S:
            return _recall(path, month, held)
        found = examine(table, month, path)
        self.changed = True
        if isinstance(found, Damage):
            self.known.pop(name, None)
        else:
            self.known[name] = {"stamp": stamp, "at": int(time.time()), "rows": found.rows, "columns": found.columns,
                                "recorded": found.recorded, "replaces": found.replaces}  # fmt: skip
        return found

    def wrote(self, table: Table, path: Path, rows: Any, recorded: Iterable[int]) -> None:
        """Know a segment that was just written, without reading it again. rows: its Arrow table. recorded: their recorded_at, in
        microseconds since 1970."""
        stat, moments = os.lstat(path), sorted(recorded)
        columns = [(field.name, str(field.type).replace("<item:", "<element:")) for field in rows.schema]  # as Parquet names it
        self.known[f"{table.name}/{path.parent.name}/{path.name}"] = {
            "stamp": [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns], "at": int(time.time()), "rows": rows.num_rows,
            "columns": columns, "recorded": (moments[0], moments[-1]), "replaces": (),
        }  # fmt: skip
        self.changed = True

    def forget_missing(self, table: Table, present: Iterable[str]) -> None:
        """Drop what is known of files of a table that are no longer there."""
        here = set(present)
        gone = [name for name in self.known if name.startswith(f"{table.name}/") and name not in here]
        for name in gone:
            del self.known[name]
        self.changed = self.changed or bool(gone)


def _recall(path: Path, month: str, held: dict[str, Any]) -> Segment:
    columns = tuple((name, kind) for name, kind in held["columns"])
    return Segment(path, month, held["stamp"][0], held["rows"], columns, tuple(held["recorded"]), tuple(held["replaces"]))


def listing(root: Path, table: Table, since: str = "") -> Iterator[tuple[str, Path]]:
    """(month, path) of everything in the month folders of a table that is not hidden, in order; `since` leaves earlier
    months out."""
    for month, folder in months(root, table):
        if month < since:
            continue
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names are what is wanted
        except FileNotFoundError:
            continue
        yield from ((month, folder / name) for name in names if not name.startswith("."))


def scan(root: Path, table: Table, verified: Verified, *, trust: bool = True) -> tuple[list[Segment], list[Damage]]:
    """The readable segments of a table, and the damaged files. A file that vanishes meanwhile (a compactor put its rows
    elsewhere) means looking again."""
    for _ in range(100):
        try:
            paths = list(listing(root, table))
            found = [verified.segment(table, month, path, trust=trust) for month, path in paths]
        except FileNotFoundError:
            continue
        break
    else:
        raise FileNotFoundError(f"{root / table.name}: the segments keep changing")
    verified.forget_missing(table, (f"{table.name}/{path.parent.name}/{path.name}" for _, path in paths))
    segments = [each for each in found if isinstance(each, Segment)]
    return segments, [each for each in found if isinstance(each, Damage)]


def living(segments: Iterable[Segment]) -> list[Segment]:
    """The segments without those that another one says it replaces. Answers do not depend on it, as twins are dropped by
    record_id: what a file claims can hide nothing."""
    held = list(segments)
    replaced = {each.path.with_name(name) for each in held for name in each.replaces}
    return [each for each in held if each.path not in replaced]


def examine(table: Table, month: str, path: Path) -> Segment | Damage:
    """Read all of a file and check it: kind, name, hash, footer, table, month, schema version and column types."""
    if path.is_symlink():
        return Damage(path, "a symbolic link, which a segment never is")
    if not NAME.fullmatch(path.name) or not path.is_file():
        return Damage(path, "a foreign file: segments are named by their content")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        return Damage(path, f"cannot be read: {error.strerror}")
    if digest(content) != path.stem:
        return Damage(path, _why_torn(content))
    return _examine_footer(table, month, path, content)


def _why_torn(content: bytes) -> str:
    if not content:
        return "empty file"
    if not content.strip(b"\0"):
        return "filled with NUL bytes"
    if not content.startswith(MAGIC):
        return "not a Parquet file (wrong magic)"
    if not content.endswith(MAGIC):
        return "torn: the end of the Parquet file is missing"
    return "its content does not match its name: a bit flipped, or it was edited"


def _examine_footer(table: Table, month: str, path: Path, content: bytes) -> Segment | Damage:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
        said = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items() if k.startswith(b"git_hone.")}
        stored_version = int(said.get("git_hone.schema", "0"))
        replaces = tuple(name for name in json.loads(said.get("git_hone.replaces", "[]")) if NAME.fullmatch(name))
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        return Damage(path, f"not a readable Parquet file ({str(error).splitlines()[0][:200]})")
    if stored_version > SCHEMA_VERSION:
        writer = said.get("git_hone.version", "a later version")
        return Damage(
            path,
            f"git-hone {writer} wrote it with schema version {stored_version}; this one reads up to {SCHEMA_VERSION}",
            f"left in place: install git-hone {writer} or newer",
        )
    if stored_version < 1 or said.get("git_hone.table") != table.name or said.get("git_hone.month") != month:
        return Damage(path, "a foreign file: git-hone did not write it for this folder")
    ours = columns_of(table)
    stored = {name: schema.field(name).type for name in schema.names if name in ours}
    for name, kind in stored.items():
        if not fits(ours[name], kind):
            return Damage(path, f"column {name} holds {kind}, which cannot be read as {ours[name]}")
    if "record_id" not in stored or "recorded_at" not in stored:
        return Damage(path, "a foreign file: it has no record_id or recorded_at")
    columns = tuple((name, str(kind)) for name, kind in stored.items())
    return Segment(path, month, len(content), n_rows, columns, _recorded(file), replaces)


def _recorded(file: Any) -> tuple[int, int]:
    """Least and greatest recorded_at, in microseconds since 1970; (0, 0) in a segment without rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = file.read(columns=["recorded_at"]).column(0).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    found = pc.min_max(column).as_py()
    return found["min"] or 0, found["max"] or 0
