"""Paths as text that any store holds and that goes back to the same bytes."""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
_UNESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)


def quote(raw: bytes) -> str:
    """A path as git gives it, as text: itself when it is UTF-8, else C-quoted as git does, in double quotes.

    >>> quote(b"src/a b.py"), quote(b"\\xff.py"), quote(b'"q"')
    ('src/a b.py', '"\\\\377.py"', '"\\\\042q\\\\042"')
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and not text.startswith('"'):
        return text
    return '"' + _ESCAPE.sub(lambda m: b"\\%03o" % m.group()[0], raw).decode("ascii", "surrogateescape") + '"'


def unquote(path: str) -> bytes:
    """The bytes of a path that `quote` made.

    >>> unquote(quote(b"\\xff a"))
    b'\\xff a'
    """
    if not (path.startswith('"') and path.endswith('"') and len(path) > 1):
        return path.encode("utf-8", "surrogateescape")
    return _UNESCAPE.sub(lambda m: bytes([int(m.group(1), 8)]) if len(m.group(1)) == 3 else m.group(1), path[1:-1].encode())
