"""Ids that are made from what they name, so that the same event read twice, or in two clones, has the same id."""

from __future__ import annotations

import base64
import hashlib


def digest(prefix: str, *parts: object) -> str:
    """`prefix` and 26 characters made from `parts`.

    >>> digest("r", "a", 1) == digest("r", "a", 1) != digest("r", "a1")
    True
    """
    raw = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).digest()[:16]
    return prefix + base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def change_id_for(commit: str) -> str:
    """The change id of a change whose first commit is `commit`: the same in every clone that saw that commit first."""
    return digest("c", "git-hone change", commit)
