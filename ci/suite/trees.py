"""Trees and contents of a repository by SHA-256, read from git's objects: no filter, no attribute, no work tree has a say."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from git_hone.hooks import git
from git_hone.learner.errors import DataError
from git_hone.learner.suite.tasks import File, leads_out, unsafe

KINDS: Final = {b"100644": "file", b"100664": "file", b"100755": "executable", b"120000": "link"}
MAX_FILES: Final = 50_000
MAX_BYTES: Final = 500 << 20


class Unfit(Exception):
    """A tree that no arena can be made of; the words say why."""


class Trees:
    """The files of commits, and contents by SHA-256. One for a run; several threads may ask. Use as a context."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        self._cat = git.CatFile(cwd)
        self._lock = threading.Lock()
        self._digests: dict[bytes, str] = {}
        self._blobs: dict[str, bytes] = {}
        self._made: dict[str, bytes] = {}

    def __enter__(self) -> Trees:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._cat.close()

    def files(self, revision: str) -> dict[str, File]:
        """Every file of the tree; submodules are left out. Raises Unfit for a path or link that leads out of the arena, and for a
        tree of more than 50,000 files or 500 MB."""
        rows = [row for row in git.run(["ls-tree", "-r", "-z", "-l", "--full-tree", revision], self.cwd).split(b"\0") if row]
        if len(rows) > MAX_FILES:
            raise Unfit("too many files")
        found, total = dict[str, File](), 0
        for row in rows:
            head, _, raw = row.partition(b"\t")
            mode, kind, blob, size = head.split()
            if kind != b"blob" or mode not in KINDS:
                continue
            total += int(size)
            if total > MAX_BYTES:
                raise Unfit("too large")
            path = os.fsdecode(raw)
            if unsafe(path):
                raise Unfit("a path that leads out of the arena")
            file = File(self._digest(blob), KINDS[mode])
            if file.kind == "link" and leads_out(path, os.fsdecode(self.content(file.sha256))):
                raise Unfit("a link that leads out of the arena")
            found[path] = file
        return found

    def content(self, sha256: str) -> bytes:
        """Raises DataError for one that neither a tree asked for nor `keep` has brought."""
        if sha256 in self._made:
            return self._made[sha256]
        blob = self._blobs.get(sha256)
        data = self._blob(blob) if blob else None
        if data is None:
            raise DataError(f"content {sha256[:12]}: not in this repository", tip="`git fsck` may say why")
        return data

    def text(self, file: File | None) -> str | None:
        """The content as text; None for a file that is not there or not UTF-8."""
        if file is None:
            return None
        try:
            return self.content(file.sha256).decode("utf-8")
        except UnicodeDecodeError:
            return None

    def keep(self, data: bytes, kind: str = "file") -> File:
        """A content that no commit has."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._made[sha256] = data
        return File(sha256, kind)

    def _digest(self, blob: bytes) -> str:
        if blob not in self._digests:
            data = self._blob(blob)
            if data is None:
                raise Unfit("a file that is not in this clone")
            sha256 = hashlib.sha256(data).hexdigest()
            self._digests[blob] = sha256
            self._blobs[sha256] = blob
        return self._digests[blob]

    def _blob(self, blob: bytes) -> bytes | None:
        with self._lock:
            return self._cat.blob(blob.decode())


def changes(before: Mapping[str, File], after: Mapping[str, File]) -> dict[str, File | None]:
    """What to put over `before` to get `after`."""
    made: dict[str, File | None] = {path: file for path, file in after.items() if before.get(path) != file}
    return made | {path: None for path in before if path not in after}
