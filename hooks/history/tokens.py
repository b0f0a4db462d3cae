"""How far one text is from another when its layout does not count. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

TOKEN: Final = re.compile(rb"\w+|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[^\w\s]")
CLOSING: Final = (b")", b"]", b"}")
MANY: Final = 4000
"""With more tokens than this, lines are compared instead."""


def tokens(text: bytes) -> list[bytes]:
    """Words, strings and signs, without white space, quote style and trailing commas.

    >>> tokens(b"f( a,\\n 'x y', )")
    [b'f', b'(', b'a', b',', b'"x y"', b')']
    """
    found = [b'"' + hit[1:-1] + b'"' if hit[:1] == b"'" and len(hit) > 1 else hit for hit in TOKEN.findall(text)]
    return [token for k, token in enumerate(found) if not (token == b"," and k + 1 < len(found) and found[k + 1] in CLOSING)]


def alike(before: bytes, after: bytes) -> bool:
    """Whether only the layout differs.

    >>> alike(b"return  x+1", b"return x + 1"), alike(b"a b", b"")
    (True, False)
    """
    return before == after or tokens(before) == tokens(after)


def distance(before: bytes, after: bytes) -> int:
    """Tokens inserted, deleted or replaced on the way from `before` to `after`, as difflib aligns them; 0 when only the layout
    differs.

    >>> distance(b"return  x+1", b"return x + 2"), distance(b"a b", b""), distance(b"f(a,\\n)", b"f(a)")
    (1, 2, 0)
    """
    a, b = tokens(before), tokens(after)
    if len(a) > MANY or len(b) > MANY:
        old, new = before.splitlines(), after.splitlines()
        return sum(max(sum(len(tokens(line)) for line in old[i:j]), sum(len(tokens(line)) for line in new[k:m]))
                   for i, j, k, m in _changed(old, new))  # fmt: skip
    return sum(max(j - i, m - k) for i, j, k, m in _changed(a, b))


def _changed(a: Sequence[bytes], b: Sequence[bytes]) -> list[tuple[int, int, int, int]]:
    return [spot for kind, *spot in SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if kind != "equal"]  # type: ignore[misc]  # mypy loses the length of a starred tuple
