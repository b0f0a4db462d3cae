"""A file that nobody saw under its present name: was it moved here from a name under which it was seen?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.lines import UNKNOWN
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

NEAREST: Final = 20
Node = tuple[str, float, bool, list[list[int]]]


def moved_from(place: Place, state: State, path: str, blob: str, is_gone: Callable[[str], bool]) -> list[Node]:
    """The seen states (newest first) of another path whose newest state is `blob`, or of which `blob` holds at least half.

    Where that path is gone, its lines keep their origins: it was moved. Where it still stands, this is a copy by nobody
    knows whom: equal content alone proves nothing, so its agents' lines come back as unknown. Empty when there is none."""
    copies: list[Node] = []
    rows = state.db.execute(
        "select path, blob, max(at) from nodes where path != ? group by path order by blob = ? desc, max(at) desc limit ?",
        (path, blob, NEAREST),
    ).fetchall()
    for other, newest, _ in rows:
        states = state.nodes(other)
        if not any(origin > 0 for row in states for _, origin in row[3]):
            continue
        if state.node(other, blob) is None and not similar(place, newest, blob):
            continue
        if is_gone(other):
            return states
        copies = copies or [(b, at, False, [[n, UNKNOWN if o > 0 else o] for n, o in m]) for b, at, _, m in states]
    return copies


def similar(place: Place, a: str, b: str) -> bool:
    """At least half of the lines of `a` stand in `b`."""
    hunks = diff_pairs(place.common, [(a, b), ("", a)])
    whole, change = hunks["", a], hunks[a, b]
    if not whole or change is None:
        return False
    return sum(len(h.old) for h in change) * 2 <= sum(len(h.new) for h in whole)
