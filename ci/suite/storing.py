"""A suite on disk: `manifest.json`, and `contents.tar.gz` with one member for each SHA-256 that a task names.

The archive is only ever read into memory, member by member: a name that is no hash, a link, a device, or a content that does not fit
its name is refused, and nothing of it is unpacked to a place that it names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.suite import tasks
from git_hone.learner.suite.tasks import TIP, Manifest, Task

FOLDER: Final = "suite"
MANIFEST: Final = "manifest.json"
CONTENTS: Final = "contents.tar.gz"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
MAX_MANIFEST: Final = 256 << 20
MAX_CONTENTS: Final = 2 << 30


@dataclass(frozen=True)
class Suite:
    """A manifest with its contents by SHA-256, all of them checked."""

    manifest: Manifest
    contents: dict[str, bytes]

    def content(self, sha256: str) -> bytes:
        """Raises DataError for a content that the suite lacks."""
        try:
            return self.contents[sha256]
        except KeyError:
            raise DataError(f"{self.manifest.name}: content {sha256[:12]} is not in the suite", tip=TIP) from None

    def task(self, name: str) -> Task:
        """Raises UsageError for an unknown id."""
        for task in self.manifest.tasks:
            if task.id == name:
                return task
        raise UsageError(f"{self.manifest.name}: no task {name}", tip="`git hone suite list` names them")


def folder_of(agent: Path, name: str) -> Path:
    """`.agent/suite/<name>`. Raises UsageError for a name that is no plain folder name."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a suite", tip="letters, digits, '.', '_' and '-', at most 64")
    return agent / FOLDER / name


def names(agent: Path) -> list[str]:
    """Every suite of the repository, by name."""
    return sorted(path.parent.name for path in (agent / FOLDER).glob(f"*/{MANIFEST}"))


def load(folder: Path) -> Suite:
    """The suite at `folder`, with every hash checked. Raises UsageError where there is none, DataError for a damaged one."""
    manifest = read_manifest(folder)
    wanted = set[str]().union(*(task.contents() for task in manifest.tasks))
    contents = _read_contents(folder / CONTENTS, wanted)
    if missing := sorted(wanted - set(contents)):
        raise DataError(f"{folder / CONTENTS}: content {missing[0][:12]} is missing, and {len(missing) - 1} others", tip=TIP)
    for task in manifest.tasks:
        for part in (task.files, task.tests, task.solution):
            for path, file in part.items():
                if file is not None and file.kind == "link" and tasks.leads_out(path, os.fsdecode(contents[file.sha256])):
                    raise DataError(
                        f"{folder / MANIFEST}: task {task.id}: {path!r} is a link that leads out of the arena", tip=TIP
                    )
    return Suite(manifest, contents)


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone. Raises UsageError where there is none, DataError for a damaged one."""
    file = folder / MANIFEST
    try:
        if file.stat().st_size > MAX_MANIFEST:
            raise DataError(f"{file}: larger than {MAX_MANIFEST >> 20} MB", tip=TIP)
        return tasks.parse(file.read_bytes(), str(file))
    except FileNotFoundError:
        raise UsageError(f"{folder}: no suite there", tip="`git hone suite mine` makes one") from None
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}", tip=TIP) from None


def save(folder: Path, manifest: Manifest, content: Callable[[str], bytes]) -> None:
    """Write the suite, contents first, each file in one step; the same suite is the same bytes. Raises UsageError where the disk
    says no; what stood there is then still whole."""
    wanted = sorted(set[str]().union(*(task.contents() for task in manifest.tasks)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / CONTENTS, _archive(wanted, content))
        _write(folder / MANIFEST, manifest.to_json().encode())
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", tip="make room or name a folder that can be written") from None


def _archive(wanted: Iterable[str], content: Callable[[str], bytes]) -> bytes:
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", mtime=0, filename="") as packed, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:  # fmt: skip
        for sha256 in wanted:
            data = content(sha256)
            member = tarfile.TarInfo(sha256)
            member.size, member.mtime, member.mode = len(data), 0, 0o644
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


def _write(file: Path, data: bytes) -> None:
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _read_contents(file: Path, wanted: set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                if not member.isreg() or not DIGEST.fullmatch(member.name):
                    kind = "a link" if member.islnk() or member.issym() else "no plain file named by its hash"
                    raise DataError(f"{file}: member {member.name!r} is {kind}: refused", tip=TIP)
                total += member.size
                if total > MAX_CONTENTS:
                    raise DataError(f"{file}: more than {MAX_CONTENTS >> 30} GB when unpacked: refused", tip=TIP)
                data = archive.extractfile(member)
                raw = data.read() if data else b""
                if hashlib.sha256(raw).hexdigest() != member.name:
                    raise DataError(f"{file}: content {member.name[:12]} is not what its hash says", tip=TIP)
                if member.name in wanted:
                    found[member.name] = raw
    except FileNotFoundError:
        raise DataError(f"{file}: missing", tip=TIP) from None
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cut off or damaged: {error}", tip=TIP) from None
    return found
