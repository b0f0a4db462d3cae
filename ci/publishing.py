"""An export on disk: a new folder that is there whole or not at all, the files that older tools look for, and the stamp of each role."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from git_hone.ci.digests import file_sha256
from git_hone.hooks.place import Place
from git_hone.learner.dataset.card import MANIFEST
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.store.segments import make_folder, sync

FOLDER: Final = "sft"
STAMP: Final = "last-export-"
NAMED: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
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
        sync(beside)
        if target.exists():
            target.replace(old)
        try:
            beside.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise
        sync(target.parent)
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
    """The seeds' names: `.agent/sft/ROLE_sft.jsonl` (the training side) and `.agent/last-export-ROLE.txt` (the folder's name). middle:
    `_hard` and the like for an export of one difficulty, `.agent/sft/ROLE_hard_sft.jsonl`, which is not what the second file names."""
    try:
        for role in roles:
            content = files.get(f"{role}{middle}_sft.train.jsonl")
            if content is not None:
                _swap(place.agent / FOLDER / f"{role}{middle}_sft.jsonl", content)
                if not middle:  # training looks there for rows of every difficulty
                    _swap(place.agent / f"{STAMP}{role}.txt", f"{name}\n".encode())
    except OSError as error:
        raise DataError(
            f"{error.filename}: {error.strerror}", tip="the export itself stands; free space or fix the rights"
        ) from error


def prune(place: Place, keep: int, hashes: Collection[str], names: Collection[str]) -> list[str]:
    """Remove old exports from `.agent/sft`: all but the newest `keep`, those that a stamp names, and those that an adapter learned from, by the
    hash of their manifest or by their name. 0 keeps all. The names of what was removed; what cannot be removed stays.

    Only folders that are called as an export is and hold a manifest are looked at."""
    home = place.agent / FOLDER
    found = sorted(
        (one for one in (home.iterdir() if home.is_dir() else ()) if NAMED.fullmatch(one.name) and _is_export(one)),
        key=lambda one: (one.name.partition("-")[0], one.stat().st_mtime_ns, one.name),
    )
    stamped = {_text(file).strip() for file in place.agent.glob(f"{STAMP}*.txt")}
    gone = []
    for folder in found[:-keep] if keep else []:
        if folder.name in stamped or folder.name in names or file_sha256(folder / MANIFEST) in hashes:
            continue
        aside = folder.with_name(f".tmp-{os.getpid()}-old-{folder.name}")
        try:
            folder.replace(aside)  # no reader finds half of it
        except OSError:
            continue
        shutil.rmtree(aside, ignore_errors=True)
        gone.append(folder.name)
    return gone


def _is_export(folder: Path) -> bool:
    return not folder.is_symlink() and (folder / MANIFEST).is_file()


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError):
        return ""


def _swap(path: Path, content: bytes) -> None:
    beside = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        put(beside, content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
