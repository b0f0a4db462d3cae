"""Writes a GGUF file beside the target and puts it there once it is whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from git_hone.learner.errors import UsageError


@contextmanager
def writing(gguf: Any, target: Path, architecture: str) -> Iterator[Any]:
    """A `gguf.GGUFWriter`; its file takes the place of `target` when the block ends well, and is removed when it does not. Raises
    UsageError when it cannot be written."""
    beside = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    logging.getLogger("gguf").setLevel(logging.ERROR)
    try:
        writer = gguf.GGUFWriter(beside, architecture)
        yield writer
        writer.close()
        beside.replace(target)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
