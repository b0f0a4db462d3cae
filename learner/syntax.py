"""Python text as a syntax tree, without a word about it. Pure."""

from __future__ import annotations

import ast
import warnings


def tree_of(source: str | bytes) -> ast.Module | None:
    """The syntax tree, or None for what is not this Python's syntax. What the compiler would warn of is not said.

    >>> [tree_of(text) is not None for text in ("x = 1", b"print 'hello'", "x = '\\\\d'", chr(0))]
    [True, False, True, False]
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
