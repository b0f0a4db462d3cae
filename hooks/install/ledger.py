"""What installing changed: each file's bytes before and a hash of the bytes after, kept in `<common>/hone/installed.json`.

With it `restore` puts a file back byte for byte when nobody touched it since, and says so when somebody did. Within one
run `rollback` undoes what was done so far, so a failure leaves nothing half installed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypedDict

from git_hone.learner.errors import DataError

VERSION = 1


class Entry(TypedDict):
    """One file we wrote: `before` is base64 of its bytes, None when it did not exist; `mode` its permission bits."""

    before: str | None
    mode: int | None
    after: str


def write_atomic(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write beside `path`, then rename over it; the old file's mode is kept unless `mode` says otherwise."""
    temporary = path.with_name(f".{path.name}.hone-tmp-{os.getpid()}")
    keep = mode if mode is not None else (path.stat().st_mode & 0o7777 if path.exists() else None)
    try:
        temporary.write_bytes(data)
        if keep is not None:
            temporary.chmod(keep)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


class Ledger:
    """The record of one repository's installation, and the undo list of this run."""

    def __init__(self, common: Path) -> None:
        self.common, self.path = common, common / "hone" / "installed.json"
        self.files: dict[str, Entry] = {}
        self.hook_folders: list[str] = []
        self.config: dict[str, list[str]] = {}
        self.folders: list[str] = []
        self._undo: list[Callable[[], object]] = []
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
            if known["version"] > VERSION:
                raise DataError(f"{self.path}: written by a newer git-hone", tip="update git-hone, then try again")
            self.files, self.hook_folders = known["files"], known["hook_folders"]
            self.config, self.folders = known["config"], known["folders"]
        except (ValueError, KeyError, TypeError) as error:
            tip = "move the file away and run `git hone init`; hooks and settings are then recognised by their text"
            raise DataError(f"{self.path}: damaged ({error})", tip=tip) from error

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def save(self) -> None:
        """Write the ledger, unless it says the same already."""
        told = {"version": VERSION, "files": self.files, "hook_folders": self.hook_folders, "config": self.config,
                "folders": self.folders}  # fmt: skip
        data = (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()
        if not self.path.exists() or self.path.read_bytes() != data:
            write_atomic(self.path, data)

    def name(self, path: Path) -> str:
        """How `path` is written down: relative to the common git dir, so that a moved repository can still uninstall;
        absolute when it lies elsewhere (a global hooks folder)."""
        relative = os.path.relpath(path, self.common)
        return str(path) if relative.startswith("../../") else relative

    def place(self, name: str) -> Path:
        """The path that `name` means."""
        return Path(os.path.normpath(self.common / name))

    def on_failure(self, undo: Callable[[], object]) -> None:
        """Remember how to take back what was just done."""
        self._undo.append(undo)

    def rollback(self) -> None:
        """Undo this run's steps, last one first."""
        while self._undo:
            with contextlib.suppress(OSError):
                self._undo.pop()()

    def make_folder(self, path: Path) -> None:
        """Create `path` and its missing parents, remembering each."""
        if path.is_dir():
            return
        self.make_folder(path.parent)
        path.mkdir()
        self.on_failure(path.rmdir)
        if self.name(path) not in self.folders:
            self.folders.append(self.name(path))

    def write(self, path: Path, data: bytes) -> None:
        """Write `data` to `path`, remembering what stood there."""
        with self.watching(path):
            write_atomic(path, data)

    @contextlib.contextmanager
    def watching(self, path: Path) -> Iterator[None]:
        """Remember `path` around a change that somebody else (git) makes to it."""
        before = path.read_bytes() if path.exists() else None
        mode = path.stat().st_mode & 0o7777 if before is not None else None
        yield
        after = path.read_bytes() if path.exists() else b""
        if after == before:
            return
        self.on_failure(lambda: _put(path, before, mode))
        name = self.name(path)
        kept = self.files.get(name)
        unchanged = kept is not None and before is not None and _sha(before) == kept["after"]
        if kept is not None and unchanged:
            kept["after"] = _sha(after)
        else:
            text = None if before is None else base64.b64encode(before).decode("ascii")
            self.files[name] = {"before": text, "mode": mode, "after": _sha(after)}

    def restore(self, path: Path) -> Literal["restored", "changed", "unknown"]:
        """Put `path` back as it was. "changed" when somebody wrote to it since: then nothing is done."""
        entry = self.files.get(self.name(path))
        if entry is None:
            return "unknown"
        if not path.exists() or _sha(path.read_bytes()) != entry["after"]:
            return "changed"
        before = None if entry["before"] is None else base64.b64decode(entry["before"])
        _put(path, before, entry["mode"])
        return "restored"


def _put(path: Path, data: bytes | None, mode: int | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, data, mode)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
