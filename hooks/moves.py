"""A file that nobody saw under its present name: was it moved here from a name under which it was seen?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.lines import UNKNOWN, Hunk, squeeze
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

NEAREST: Final = 20
MOVED_SHARE: Final = 0.5
"""Share of a file's lines that must stand in the new one for it to be the same file."""
Node = tuple[str, float, bool, list[list[int]]]


def moved_from(
    place: Place, state: State, path: str, blob: str, is_gone: Callable[[str], bool], *, exact_only: bool = False
) -> list[Node]:
    """The seen states (newest first) of another path whose newest state is `blob`, or of which `blob` holds at least half.

    Where that path is gone, its lines keep their origins: it was moved. Where it still stands, this is a copy by nobody
    knows whom; where it is gone and less than half of it is here, it may have been moved and rewritten. Equal content alone
    proves nothing, so then its agents' lines come back as unknown. Empty when there is none. exact_only: look for equal
    content alone, which costs no diff."""
    copies: list[Node] = []
    rows = state.db.execute(
        "select path, blob, max(at) from nodes where path != ? group by path order by blob = ? desc, max(at) desc limit ?",
        (path, blob, NEAREST),
    ).fetchall()
    seen = {other: state.nodes(other) for other, _, _ in rows}
    newest = {
        other: blob_
        for other, blob_, _ in rows
        if any(origin > 0 or origin == UNKNOWN for row in seen[other] for _, origin in row[3])
    }
    shares = {other: 1.0 for other in newest if any(row[0] == blob for row in seen[other])}
    if not exact_only:
        shares = kept(place, {other: a for other, a in newest.items() if other not in shares}, blob) | shares
    for other in newest:
        states, share = seen[other], shares.get(other, 0.0)
        gone = share > 0 and is_gone(other)
        if gone and share >= MOVED_SHARE:
            return states
        if share >= MOVED_SHARE or gone:
            copies = copies or [(b, at, False, [[n, UNKNOWN if o > 0 else o] for n, o in m]) for b, at, _, m in states]
    return copies


def kept(place: Place, blobs: Mapping[str, str], after: str) -> dict[str, float]:
    """For each name, the share of the lines of its blob that stand in `after`, 0..1; a line indented another way stands there."""
    hunks = diff_pairs(place.common, [pair for a in blobs.values() for pair in ((a, after), ("", a))])
    shares = {}
    for name, a in blobs.items():
        change, lines = hunks[a, after], sum(len(h.new) for h in hunks["", a] or ())
        shares[name] = 0.0 if change is None or not lines else 1 - sum(lost(h) for h in change) / lines
    return shares


def lost(hunk: Hunk) -> int:
    """How many lines a hunk takes away; a line that differs in white space only is still there."""
    new = [squeeze(line) for line in hunk.new]
    gone = 0
    for line in hunk.old:
        if (key := squeeze(line)) in new:
            new.remove(key)
        else:
            gone += 1
    return gone
