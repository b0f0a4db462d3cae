"""Who wrote each line of a file: pure arithmetic on line maps and diffs.

A line map is a list with one int for each line:
    0   not observed (it was there before anybody looked)
   -1   a change seen between two observations, outside every tool call: a person (or a tool of theirs)
   -2   unknown: seen, but the evidence does not say who
   >0   an *atom*: edit number << 20 | line index in that edit's result: one line that one tool call wrote

Following atoms instead of counting lines is what lets a record survive any rewriting: a change is the set of atoms that
it brought in, wherever they live now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

BASE: Final = 0
HUMAN: Final = -1
UNKNOWN: Final = -2
SHIFT: Final = 20
MAX_LINES: Final = 1 << SHIFT
_BLANK = re.compile(rb"\s+")


class Hunk(NamedTuple):
    """One hunk of a diff without context: `old` lines from index `old_at` (from 0) gave way to `new` lines at `new_at`."""

    old_at: int
    old: tuple[bytes, ...]
    new_at: int
    new: tuple[bytes, ...]


def atom(edit: int, index: int) -> int:
    return edit << SHIFT | index


def edit_of(origin: int) -> int:
    """The edit number of an atom; 0 for the other classes."""
    return origin >> SHIFT if origin > 0 else 0


def squeeze(line: bytes) -> bytes:
    """A line without white space: what a formatter leaves alone.

    >>> squeeze(b"  if a :\\r")
    b'ifa:'
    """
    return _BLANK.sub(b"", line)


def ending(line: bytes) -> bytes:
    """A line without its carriage return."""
    return line.rstrip(b"\r")


def said(line: bytes) -> int | None:
    """What a line says, as a number: the same for the same text, whatever its white space. None for a line that says next to
    nothing, as `}` or `else:`.

    >>> said(b"  total = 0") == said(b"total=0\\r"), said(b"    else:")
    (True, None)
    """
    key = squeeze(line)
    return None if len(key) <= 5 else int.from_bytes(blake2b(key, digest_size=8).digest(), "big", signed=True)


def carry(before: Sequence[int], hunks: Iterable[Hunk], added: int, *, edit: int = 0) -> list[int]:
    """The map after a diff. Kept lines keep their origin; new lines get `added`, or, with `edit` > 0, that edit's atoms.

    Without `edit`, a new line that differs from an old line of the hunk in white space only keeps that line's origin:
    a person or formatter that re-indents a line has not written it. With `edit`, only a line that differs in its ending
    alone (CR LF, the missing newline at the end of a file) keeps it.

    >>> carry([5, 6], [Hunk(1, (b"b",), 1, (b"x", b"y"))], HUMAN)
    [5, -1, -1]
    """
    hunks = list(hunks)
    after: list[int] = []
    at = 0
    for hunk in hunks:
        after += before[at : hunk.old_at]
        after += [BASE] * (hunk.new_at - len(after))  # a map shorter than its file: the rest was not observed
        at = hunk.old_at + len(hunk.old)
        fresh = [atom(edit, len(after) + k) if edit else added for k in range(len(hunk.new))]
        after += _kept(before, hunk, fresh, ending if edit else squeeze)
    if edit and len(hunks) > 1:
        _moved(before, hunks, after, edit)
    return after + list(before[at:])


def _moved(before: Sequence[int], hunks: Sequence[Hunk], after: list[int], edit: int) -> None:
    """Give, in place, a line that one hunk takes away and another brings, word for word, back to whom it belonged: a tool that
    moves a line, or a diff that sees a move where none was, has not written it."""
    gone: dict[bytes, list[int]] = {}
    for hunk in hunks:
        stays = {ending(line) for line in hunk.new}
        for k, line in enumerate(hunk.old):
            key = ending(line)
            if key not in stays and hunk.old_at + k < len(before) and said(line) is not None:
                gone.setdefault(key, []).append(before[hunk.old_at + k])
    for hunk in hunks:
        for k, line in enumerate(hunk.new):
            if edit_of(after[hunk.new_at + k]) == edit and (waiting := gone.get(ending(line))):
                after[hunk.new_at + k] = waiting.pop(0)


def _kept(before: Sequence[int], hunk: Hunk, fresh: list[int], key: Callable[[bytes], bytes]) -> list[int]:
    pool: dict[bytes, list[int]] = {}
    for k, line in enumerate(hunk.old):
        if hunk.old_at + k < len(before) and squeeze(line):
            pool.setdefault(key(line), []).append(before[hunk.old_at + k])
    if pool:
        for k, line in enumerate(hunk.new):
            if squeeze(line) and (waiting := pool.get(key(line))):
                fresh[k] = waiting.pop(0)
    return fresh


def overlay(
    target: list[int],
    source: Sequence[int],
    hunks: Sequence[Hunk],
    lines: Sequence[bytes],
    *,
    trusted: bool,
    doubts: bool = False,
) -> None:
    """Copy, in place, the atoms of `source` to the lines of `target` that the diff `source -> target` keeps and that
    nothing claimed yet; with `doubts`, only to those that are unknown.

    A trusted source is the last state seen, or the commit that was rewritten. From any other source (a stash, another
    branch, an abandoned attempt) a block of lines is taken only when two thirds of it arrived together with at least
    one line that says something: a lone `}` or `return None` that both happen to hold proves nothing.
    """
    mapped = carry(source, hunks, BASE)
    if not trusted:
        alive: dict[int, list[int]] = {}
        for k, origin in enumerate(mapped):
            if origin > 0:
                alive.setdefault(edit_of(origin), []).append(k)
        sizes: dict[int, int] = {}
        for origin in source:
            if origin > 0:
                sizes[edit_of(origin)] = sizes.get(edit_of(origin), 0) + 1
        for block, where in alive.items():
            speaks = any(said(lines[k]) is not None for k in where if k < len(lines))
            if not speaks or len(where) * 3 < sizes[block] * 2:
                for k in where:
                    mapped[k] = UNKNOWN if speaks else BASE
    for k, origin in enumerate(mapped[: len(target)]):
        free = target[k] == UNKNOWN or (target[k] == BASE and not doubts)
        if origin != BASE and free and (origin > 0 or target[k] == BASE):
            target[k] = origin


def added_lines(hunks: Iterable[Hunk]) -> list[int]:
    """Indexes (from 0) of the lines that a diff adds, those left out that differ in their ending alone.

    >>> added_lines([Hunk(0, (b"a",), 0, (b"a\\r", b"b"))])
    [1]
    """
    found: list[int] = []
    for hunk in hunks:
        gone = [ending(line) for line in hunk.old]
        for k, line in enumerate(hunk.new):
            if (key := ending(line)) in gone:
                gone.remove(key)
            else:
                found.append(hunk.new_at + k)
    return found


def settle(origins: list[int], added: Sequence[int], lines: Sequence[bytes]) -> dict[int, int]:
    """Line index -> origin for the lines that a commit adds.

    Two diffs can slide an ambiguous hunk differently (a block that begins and ends with the same line): an added line
    that was not observed takes the atom of an equal line nearby that the commit did not add.
    """
    wanted = set(added)
    found = {k: origins[k] if k < len(origins) else BASE for k in added}
    spare: dict[bytes, list[int]] = {}
    for k, origin in enumerate(origins):
        if origin > 0 and k not in wanted and k < len(lines):
            spare.setdefault(lines[k], []).append(k)
    if spare:
        for k, origin in found.items():
            near = [other for other in spare.get(lines[k], ()) if abs(other - k) <= 200] if origin == BASE else []
            if near:
                best = min(near, key=lambda other: abs(other - k))
                spare[lines[k]].remove(best)
                found[k] = origins[best]
    return found


def ranges(indexes: Iterable[int]) -> list[list[int]]:
    """Sorted [first, last] pairs, from 1, inclusive.

    >>> ranges([0, 1, 2, 5])
    [[1, 3], [6, 6]]
    """
    out: list[list[int]] = []
    for k in sorted(indexes):
        if out and out[-1][1] == k:
            out[-1][1] = k + 1
        else:
            out.append([k + 1, k + 1])
    return out


def pack(origins: Sequence[int]) -> list[list[int]]:
    """Run-length form of a map: [count, origin] with atoms counting up inside a run.

    >>> pack([0, 0, 1048576, 1048577, -1])
    [[2, 0], [2, 1048576], [1, -1]]
    """
    out: list[list[int]] = []
    for origin in origins:
        if out and (origin == out[-1][1] if origin <= 0 else out[-1][1] > 0 and origin == out[-1][1] + out[-1][0]):
            out[-1][0] += 1
        else:
            out.append([1, origin])
    return out


def unpack(packed: Iterable[Sequence[int]]) -> list[int]:
    """The inverse of `pack`."""
    out: list[int] = []
    for count, origin in packed:
        out += range(origin, origin + count) if origin > 0 else [origin] * count
    return out


def split(content: bytes) -> list[bytes]:
    """Lines as git counts them: ended by LF, the last one perhaps not ended."""
    parts = content.split(b"\n")
    return parts[:-1] if parts[-1] == b"" else parts


def is_binary(content: bytes) -> bool:
    """git's own test: a NUL in the first 8,000 bytes."""
    return b"\0" in content[:8000]
