"""What both sides of a file share, and need not be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from git_hone.hooks.tampering.lexer import PYTHON

WORTH: Final = 40
"""Lines that must be shared before it pays to leave them out."""
START: Final = re.compile(rb"(?:async )?def |class ")
CONCERNS_ALL: Final = re.compile(rb"^(?:pytestmark|__test__|[^\s#@].*(?:skip|xfail))|coding[:=]", re.M)
"""A line of a module that says something of all its tests, or of how the file is written."""
NAMED: Final = re.compile(rb"^(?:async )?def (test\w*)", re.M)


def ends(before: Sequence[bytes], after: Sequence[bytes]) -> tuple[int, int]:
    """How many lines at the beginning, and how many others at the end, are the same.

    >>> ends([b"a", b"b", b"c"], [b"a", b"x", b"y", b"c"]), ends([b"a", b"a"], [b"a"])
    ((1, 1), (1, 0))
    """
    most = min(len(before), len(after))
    head = next((k for k in range(most) if before[k] != after[k]), most)
    tail = next((k for k in range(most - head) if before[-1 - k] != after[-1 - k]), most - head)
    return head, tail


def without(before: bytes, after: bytes, as_test: bool) -> tuple[bytes, bytes] | None:
    """Both sides of a Python file without the functions and classes that they share at the beginning and at the end, blank lines in
    place of the former; None where little is shared, or where something in it concerns the rest.

    >>> shared = b"x = 1\\n" * 50 + b"\\ndef f():\\n    pass\\n\\ndef g():\\n    return "
    >>> [side.strip() for side in without(shared + b"1\\n", shared + b"2\\n", False)]
    [b'def g():\\n    return 1', b'def g():\\n    return 2']
    """
    old, new = before.split(b"\n"), after.split(b"\n")
    head, tail = ends(old, new)
    first = next((k for k in range(head - 1, 0, -1) if START.match(old[k]) and not old[k - 1].strip()), 0)
    rest = range(len(old) - tail + 1, len(old))
    last = next((k for k in rest if START.match(old[k]) and not old[k - 1].strip()), len(old))
    if first + len(old) - last < WORTH:
        return None
    begin, end = b"\n".join(old[:first]), b"\n".join(old[last:])
    if any(match.lastgroup == "open" for match in PYTHON.finditer(begin.decode("latin-1"))):
        return None  # the cut would lie inside a string
    middles = [b"\n".join(side[first : len(side) - (len(old) - last)]) for side in (old, new)]
    if as_test:
        left_out = set(NAMED.findall(begin)) | set(NAMED.findall(end))
        if CONCERNS_ALL.search(begin) or CONCERNS_ALL.search(end) or any(left_out & set(NAMED.findall(m)) for m in middles):
            return None
    elif b"coding" in begin[:200]:
        return None
    return b"\n" * first + middles[0] + b"\n", b"\n" * first + middles[1] + b"\n"
