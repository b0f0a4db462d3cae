"""Writes a GGUF file beside the target and puts it there once it is whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from git_hone.ci.training import header
from git_hone.learner.errors import DataError, UsageError


@contextmanager
def writing(gguf: Any, target: Path, architecture: str) -> Iterator[Any]:
    """A `gguf.GGUFWriter`; its file takes the place of `target` when the block ends well, and is removed when it does not. Raises
    UsageError when it cannot be written.

    numpy says nothing when the end of a tensor does not fit on the disk any more, so the file is held against its own header first."""
    beside = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    logging.getLogger("gguf").setLevel(logging.ERROR)
    writer = gguf.GGUFWriter(beside, architecture)
    try:
        yield writer
        writer.close()
        try:
            header.read(beside)
        except DataError:
            raise UsageError(f"{target}: cannot be written: the disk is full", tip="make room, or name another place") from None
        beside.replace(target)
    except OSError as error:
        said = error.strerror or "the disk is full"  # numpy tells how much was written, and not why it was not all
        raise UsageError(f"{target}: cannot be written: {said}", tip="make room, or name another place") from None
    finally:
        with suppress(OSError):
            writer.close()
        beside.unlink(missing_ok=True)
