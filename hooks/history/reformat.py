"""Which lines of a hunk are the same lines, laid out otherwise. Pure.

A formatter that indents, wraps, joins, changes quotes or sets a trailing comma has written nothing: a line that it moved to
another place in the text is the same line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from git_hone.hooks.lines import squeeze

TRAILING: Final = re.compile(rb",(?=[)\]}])")
QUOTES: Final = bytes.maketrans(b"'`", b'""')


def plain(lines: Sequence[bytes]) -> bytes:
    """The text of lines without what a formatter may change.

    >>> plain([b"f('a',", b"  b,", b")"])
    b'f("a",b)'
    """
    return TRAILING.sub(b"", squeeze(b"".join(lines)).translate(QUOTES))


def kept(removed: Sequence[bytes], added: Sequence[bytes]) -> tuple[dict[int, int], bool]:
    """Index of a removed line -> index of the added line that it is now; and whether the whole differs in layout only.

    Where the whole differs in layout only, every line goes where most of its text went, several perhaps into one; blank lines
    go with the line before them. Else a line is kept by an added line that differs in white space only.

    >>> kept([b"f(a,", b"  b)"], [b"f(a, b)"])
    ({0: 0, 1: 0}, True)
    >>> kept([b"f(a, b)"], [b"f(", b"    aaa, b", b")"])
    ({}, False)
    >>> kept([b"if x:", b"  y"], [b"if  x:", b"  z"])
    ({0: 0}, False)
    """
    if not removed or not added:
        return {}, False
    text = plain(removed)
    if text and text == plain(added):
        return _laid_out(removed, added), True
    waiting: dict[bytes, list[int]] = {}
    for k, line in enumerate(added):
        waiting.setdefault(squeeze(line), []).append(k)
    found: dict[int, int] = {}
    for k, line in enumerate(removed):
        bare = squeeze(line)
        if bare and (places := waiting.get(bare)):
            found[k] = places.pop(0)
    return found, False


def _laid_out(removed: Sequence[bytes], added: Sequence[bytes]) -> dict[int, int]:
    old, new = _ends(removed), _ends(added)
    found: dict[int, int] = {}
    start = last = 0
    for k, end in enumerate(old):
        if end > start:
            first, final = bisect_right(new, start), bisect_right(new, end - 1)
            last = max(range(first, final + 1), key=lambda i: min(end, new[i]) - max(start, new[i - 1] if i else 0))
        found[k] = last
        start = end
    return found


def _ends(lines: Sequence[bytes]) -> list[int]:
    """Where each line ends in the `plain` text of all."""
    sizes = [len(squeeze(line)) for line in lines]
    ends = list(accumulate(sizes))
    for hit in TRAILING.finditer(squeeze(b"".join(lines)).translate(QUOTES)):
        sizes[bisect_right(ends, hit.start())] -= 1
    return list(accumulate(sizes))
