"""A file that nobody saw under its present name: was it moved here from a name under which it was seen?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

NEAREST: Final = 20
Node = tuple[str, float, bool, list[list[int]]]


def moved_from(place: Place, state: State, path: str, blob: str, is_gone: Callable[[str], bool]) -> list[Node]:
    """The seen states (newest first) of a path that is gone now and whose newest state is `blob`, or holds at least half
    of it. Empty when there is none: equal content alone, with the other file still in place, is a copy, and proves nothing."""
    rows = state.db.execute(
        "select path, blob, max(at) from nodes where path != ? group by path order by blob = ? desc, max(at) desc limit ?",
        (path, blob, NEAREST),
    ).fetchall()
    for other, newest, _ in rows:
        if not any(origin > 0 for row in state.nodes(other) for _, origin in row[3]) or not is_gone(other):
            continue
        same = state.node(other, blob) is not None
        if same or similar(place, newest, blob):
            return state.nodes(other)
    return []


def similar(place: Place, a: str, b: str) -> bool:
    """At least half of the lines of `a` stand in `b`."""
    hunks = diff_pairs(place.common, [(a, b), ("", a)])
    whole, change = hunks["", a], hunks[a, b]
    if not whole or change is None:
        return False
    return sum(len(h.old) for h in change) * 2 <= sum(len(h.new) for h in whole)
