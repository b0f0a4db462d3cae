"""The digest of a file on disk, read in parts: a model may be larger than the memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from git_hone.learner.errors import DataError


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex. Raises DataError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()
