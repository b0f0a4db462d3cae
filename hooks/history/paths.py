"""Which files a person wrote line by line. The others (vendored, generated, locked) would drown what we want to know."""

from __future__ import annotations

import re
from functools import lru_cache

FOLDERS = r"vendor|vendored|_vendor|third[_-]party|node_modules|bower_components|dist|site-packages|__snapshots__|\.yarn"
# the other lock files end in .lock
NAMES = r"package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|bun\.lockb|go\.sum|gradle\.lockfile|packages\.lock\.json"
ENDS = (
    r"\.min\.(?:js|css)|\.bundle\.js|\.map|\.pb\.go|_pb2(?:_grpc)?\.pyi?|\.g\.dart|\.generated\.\w+|\.snap|\.svg|\.csv|\.tsv"
    r"|\.jsonl|\.ipynb|\.pot?|\.lock"
)
NOT_OURS = re.compile(f"(?:^|/)(?:(?:{FOLDERS})/|(?:{NAMES})$)|(?:{ENDS})$".encode(), re.IGNORECASE)


@lru_cache(maxsize=1 << 16)
def followed(path: bytes) -> bool:
    """True for a file whose lines count: not vendored, generated, a lock file, a snapshot or tabular data.

    >>> followed(b"src/app.py"), followed(b"web/vendor/x.js"), followed(b"uv.lock"), followed(b"a.min.js")
    (True, False, False, False)
    """
    return NOT_OURS.search(path) is None
