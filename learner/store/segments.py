"""Segments on disk: where they lie, how they are named, and how one is written so that no crash can tear it.

A segment is one immutable Parquet file, `<root>/<table>/month=YYYY-MM/<first 32 hex digits of its SHA-256>.parquet`. Because
the name is the content, two clones never conflict, a copy is a backup, writing twice is writing once, and a flipped bit shows.
A file is written as `.tmp-...` beside its target, fsynced, renamed, and the folder fsynced: after `write` returns it survives
a power cut, and before that no reader sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from git_hone.learner.errors import DataError
from git_hone.learner.store.columns import arrow_schema
from git_hone.learner.tables import SCHEMA_VERSION, Table

NAME: Final = re.compile(r"[0-9a-f]{32}\.parquet")
MONTH: Final = re.compile(r"month=(\d{4}-\d{2})")
TMP: Final = ".tmp-"


def digest(content: bytes) -> str:
    """The name, without suffix, of a segment with this content."""
    return hashlib.sha256(content).hexdigest()[:32]


def refuse_links(root: Path, folder: Path | None = None) -> None:
    """Raises DataError when the store, or a folder in it, is a symbolic link that leads elsewhere: `.agent` travels in
    checkouts of strangers' work, and nothing of ours may be written to where such a link points."""
    home = root.parent.parent.resolve()
    if not root.resolve().is_relative_to(home):
        raise DataError(f"{root}: a symbolic link leads the store out of {home}", tip="remove the link; a folder belongs there")
    if folder is not None and not folder.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{folder}: a symbolic link leads out of the store", tip="remove the link; a folder belongs there")


def months(root: Path, table: Table) -> Iterator[tuple[str, Path]]:
    """(YYYY-MM, folder) of each month of a table, in order. Raises DataError for a link that leads outside."""
    folder = root / table.name
    refuse_links(root, folder)
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names are what is wanted
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        found = MONTH.fullmatch(name)
        if found and (folder / name).is_dir():
            refuse_links(root, folder / name)
            yield found[1], folder / name


def metadata(table: Table, month: str, replaces: Iterable[str] = ()) -> dict[str, str]:
    """What a segment says of itself. `replaces`: names of segments whose rows it holds, so that the next compactor can
    remove those that this one could not."""
    said = {"git_hone.schema": str(SCHEMA_VERSION), "git_hone.version": own_version(), "git_hone.table": table.name,
            "git_hone.month": month}  # fmt: skip
    names = sorted(replaces)
    return said | {"git_hone.replaces": json.dumps(names)} if names else said


@cache
def own_version() -> str:
    """The version of git-hone that is running."""
    from importlib.metadata import version

    return version("git-hone")


def arrow_rows(table: Table, encoded: Sequence[Mapping[str, Any]], said: Mapping[str, str]) -> Any:
    """An Arrow table of encoded rows, each record once, in an order that does not depend on the order given."""
    import pyarrow as pa

    schema = arrow_schema(table, said)
    distinct = {row["record_id"]: row for row in sorted(encoded, key=repr)}
    rows = sorted(distinct.values(), key=lambda row: (row["recorded_at"], row["record_id"]))
    return pa.table([pa.array([row[field.name] for row in rows], field.type) for field in schema], schema=schema)


def serialise(rows: Any) -> bytes:
    """An Arrow table as the bytes of a Parquet file; the same table gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", row_group_size=122_880, write_page_checksum=True, store_schema=True)
    return bytes(sink.getvalue())


def write(root: Path, table: Table, month: str, content: bytes) -> Path:
    """Put a segment in its place and return its path; durable when this returns. An existing one of that name is replaced,
    which heals it if it was torn. Raises DataError when the disk or the rights do not allow it; nothing half-made stays."""
    folder = root / table.name / f"month={month}"
    refuse_links(root, folder)
    target = folder / f"{digest(content)}.parquet"
    beside = folder / f"{TMP}{os.getpid()}-{os.urandom(6).hex()}"
    try:
        make_folder(folder)
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync(folder)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: {error.strerror}", tip="nothing was written; free space or fix the rights"
        ) from error
    return target


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Make the names in a folder durable; of a file, what stands in it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
