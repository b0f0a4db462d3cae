"""Two locks in the store's folder, both released by the kernel when their holder dies.

`.compact.lock` is held by the one compactor at work. `.readers.lock` is shared by everybody who reads; a compactor removes
merged segments only in a moment when it has that lock alone, so a query never loses a file under its feet. Where the lock
cannot be had (a read-only checkout, a file system without flock) reading goes on without it and looks again when a file is gone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from git_hone.learner.errors import DataError

READERS: Final = ".readers.lock"
COMPACT: Final = ".compact.lock"


def lease(root: Path) -> int | None:
    """A file handle that keeps merged segments from being removed until it is closed; None where there is no such lock."""
    if not root.is_dir():
        return None
    try:
        handle = os.open(root / READERS, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError:
        os.close(handle)
        return None
    return handle


@contextmanager
def reading(root: Path) -> Iterator[None]:
    """Hold a lease for as long as the block runs."""
    handle = lease(root)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def alone(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock file alone. Yields False, at once, when another has it and `wait` is false. Raises DataError where there are
    no locks."""
    handle, mine = -1, True
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        mine = False
    except OSError as error:
        if handle >= 0:
            os.close(handle)
        raise DataError(
            f"{path}: cannot be locked ({error.strerror})", tip="the store must lie on a disk of this machine"
        ) from error
    try:
        yield mine
    finally:
        os.close(handle)
