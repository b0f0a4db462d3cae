"""What git-hone keeps in files outside the store, the state and git's objects, and what stands in them as text.

Every file under `.git/hone` and `.agent` counts unless it is listed here as one without words of anybody's: what a later version
of git-hone keeps is looked at as well. Reads files.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from git_hone.hooks import consent, learned
from git_hone.hooks.place import Place
from git_hone.learner import context, variants

CACHES: Final = ("aging", "set-aside", "identities.json", "worker.log", "last-drain.json", "config-verdict.json", "learn")
"""What is made anew when it is needed, or was only kept in case of need."""
REMADE: Final = ("identities.json", "worker.log", "last-drain.json", "config-verdict.json")
MACHINERY: Final = ("installed.json", "tool-versions.json", "notes-imported.json", "last-fit", "worker.pid", consent.FILE)
"""Paths of hooks, versions of tools, hashes, times: nobody's words."""
SETTINGS: Final = ("learning-config.json", ".gitignore")
"""Files under `.agent` that a person writes, in which what is forgotten may well be named."""
CHAMPIONS: Final = "champions.json"
WRITTEN: Final = (variants.PROMPTS, variants.MODELS, context.FILE, CHAMPIONS)
"""Files under `.agent` that are not ours to delete: a person writes them, or a server runs by them."""


def files(place: Place) -> Iterator[tuple[str, Path]]:
    """(kind of place, file) of what we keep outside the store, the state and the notes."""
    for file in place.inbox.glob("*"):
        yield "inbox", file
    for top in sorted(place.hone.iterdir()) if place.hone.is_dir() else ():
        if top.name == "inbox" or top.name in MACHINERY or top.suffix in (".sh", ".lock") or top.name.startswith("state"):
            continue
        kind = "journal" if top.name.startswith("journal.jsonl") else top.name
        yield from ((kind, file) for file in (sorted(top.rglob("*")) if top.is_dir() else [top])
                    if file.is_file() and file.name != "lock")  # fmt: skip
    if place.agent.is_dir():
        own = {place.data, place.agent / "quarantine"}
        for file in sorted(place.agent.rglob("*")):
            named = file.parent == place.agent and file.name in (*SETTINGS, *WRITTEN)
            if file.is_file() and not own & set(file.parents) and not named and not learned.is_weights(place, file):
                yield ".agent", file


def written(place: Place) -> Iterator[Path]:
    """The files that stay, and that a person must change by hand where they name what is forgotten."""
    yield from (place.agent / name for name in WRITTEN if (place.agent / name).is_file())


def texts(file: Path) -> Iterator[str]:
    """What stands in a file, a part at a time: the members of an archive, the columns of a table, else its bytes."""
    try:
        if file.name.endswith(".tar.gz"):
            with tarfile.open(file) as archive:
                for member in archive:
                    body = archive.extractfile(member) if member.isfile() else None
                    yield member.name + "\n" + _text(body.read() if body else b"")
            return
        if file.suffix == ".gz":
            yield _text(gzip.decompress(file.read_bytes()))
            return
        if file.suffix == ".parquet":
            yield from _columns(file)
            return
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError):
        pass  # damaged: as bytes
    yield _text(file.read_bytes())


def _columns(file: Path) -> Iterator[str]:
    """Raises ValueError for what is no Parquet file."""
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    for name in table.column_names:
        yield f"{name}\n" + "\n".join(str(value) for value in table.column(name).to_pylist() if value is not None)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
