"""An export on disk: a new folder that is there whole or not at all, the files that older tools look for, and the stamp of each role."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from git_hone.hooks.place import Place
from git_hone.learner.dataset.card import MANIFEST
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.store.segments import make_folder, sync_folder

FOLDER: Final = "sft"
TIP: Final = "nothing was written; free space or fix the rights"


def refuse(target: Path) -> None:
    """Raises UsageError when a folder that the user named holds anything but an earlier export."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target}: not a folder", tip="name a new folder")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise UsageError(f"{target}: holds other files, which an export would replace", tip="name a new folder")


def publish(target: Path, files: Mapping[str, bytes]) -> bool:
    """Put the files into the folder `target`, all of them in one step; an earlier export there is replaced. Durable when this returns.

    Returns False when it stood there already, byte for byte. Raises DataError, with nothing half-made left, where it cannot be written."""
    if _same(target, files):
        return False
    beside = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    old = target.with_name(f".tmp-{os.getpid()}-old-{target.name}")
    try:
        make_folder(target.parent.resolve())
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        for name, content in files.items():
            put(beside / name, content)
        sync_folder(beside)
        if target.exists():
            target.replace(old)
        try:
            beside.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise DataError(f"{error.filename or target}: {error.strerror}", tip=TIP) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return True


def put(path: Path, content: bytes) -> None:
    """Write one file durably."""
    with path.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _same(target: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return {file.name: file.read_bytes() for file in target.iterdir()} == dict(files)
    except OSError:
        return False


def stamp(place: Place, name: str, files: Mapping[str, bytes], roles: Iterable[str], middle: str = "") -> None:
    """The seeds' names: `.agent/sft/ROLE_sft.jsonl` (the training side) and `.agent/last-export-ROLE.txt` (the folder's name)."""
    try:
        for role in roles:
            content = files.get(f"{role}{middle}_sft.train.jsonl")
            if content is not None:
                _swap(place.agent / FOLDER / f"{role}{middle}_sft.jsonl", content)
                _swap(place.agent / f"last-export-{role}.txt", f"{name}\n".encode())
    except OSError as error:
        raise DataError(
            f"{error.filename}: {error.strerror}", tip="the export itself stands; free space or fix the rights"
        ) from error


def _swap(path: Path, content: bytes) -> None:
    beside = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        put(beside, content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
