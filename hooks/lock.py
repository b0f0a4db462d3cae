"""One drain at a time in a repository: an advisory lock that the system releases when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from git_hone.learner.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from git_hone.hooks.place import Place


@contextmanager
def locked(file: Path, wait_s: float = 0.0) -> Iterator[bool]:
    """Yields whether the lock was got within `wait_s` seconds. Raises OSError where the folder cannot be written."""
    with held(file, wait_s) as handle:
        yield handle is not None


@contextmanager
def held(file: Path, wait_s: float = 0.0) -> Iterator[int | None]:
    """As `locked`, with the file's handle, which children may inherit (`pass_fds`): the lock stands until the last of them has ended. None
    when somebody else has it."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + wait_s
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    yield None
                    return
                time.sleep(0.02)
            else:
                yield handle
                return
    finally:
        os.close(handle)


@contextmanager
def variants_alone(place: Place) -> Iterator[None]:
    """Nobody else writes the files of variants meanwhile: they are read, changed and written as a whole. Raises UsageError."""
    installed = place.hone.is_dir()
    with locked(place.hone / "variants.lock" if installed else place.common / "hone-variants.lock", 10.0) as mine:
        if not mine:
            raise UsageError(f"{place.agent}: another git-hone is writing its variants", tip="try again; nothing was written")
        yield
