"""How far a person's version of an agent's lines is from the agent's. Reads blobs, runs the repository's formatter.

Both sides are formatted first, with the formatter that the repository is configured for, so that a change of layout alone is
none. Where there is no such formatter, or it refuses the text, tokens are compared: the same, less its rewriting.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from git_hone.hooks.formatters import Formatters
from git_hone.hooks.git import CatFile
from git_hone.hooks.history.diffs import CommitDiff, FileDiff, Text
from git_hone.hooks.history.tokens import distance, tokens
from git_hone.hooks.lines import split, squeeze
from git_hone.hooks.paths import quote, unquote

BUDGET_S: Final = 60.0
"""How long formatters may run in one call; then tokens are compared."""


@dataclass
class Edit:
    """What a commit made of a change's lines. value: 0..1, tokens inserted, deleted or replaced for each token of the change's
    AI lines (at most 1). texts: (path, the lines before, the lines after) of each hunk."""

    value: float
    formatter: str | None
    texts: list[tuple[str, bytes, bytes]] = field(default_factory=list)


class Measure:
    """Distances, one commit at a time. `objects` reads blobs."""

    def __init__(self, objects: CatFile, formatters: Formatters) -> None:
        self._objects, self._formatters = objects, formatters
        self._until = time.monotonic() + BUDGET_S

    def edit(self, commit: str, diff: CommitDiff, written: Sequence[bytes], paths: Collection[bytes]) -> Edit:
        """What `commit`, with this diff, made of the AI lines `written`. `paths`: files in which it removed any line that is
        followed; they decide where no line of the diff is one of those (laid out otherwise in between)."""
        known = {bare for line in written if len(bare := squeeze(line)) > 2}
        spots = [(file, k) for file in diff.files for k, text in enumerate(file.texts) if _touches(text, known)]
        if not spots:
            spots = [(file, k) for file in diff.files for k, text in enumerate(file.texts) if text[0] and file.old in paths]
        far, names, texts = 0, set[str | None](), list[tuple[str, bytes, bytes]]()
        for file in {id(file): file for file, _ in spots}.values():
            where = [k for other, k in spots if other is file]
            step, name = self._file(commit, file, where)
            far += step
            names.add(name)
            if step:
                path = quote(file.new or file.old or b"")
                texts += [(path, b"\n".join(file.texts[k][0]), b"\n".join(file.texts[k][1])) for k in where]
        total = sum(len(tokens(line)) for line in written)
        value = min(1.0, far / total) if total else float(far > 0)
        return Edit(value, next(iter(names)) if len(names) == 1 else None, texts)

    def _file(self, commit: str, file: FileDiff, where: Iterable[int]) -> tuple[int, str | None]:
        """(distance, formatter) of these hunks of a file."""
        where = list(where)
        plain = sum(distance(b"\n".join(file.texts[k][0]), b"\n".join(file.texts[k][1])) for k in where)
        if not plain or time.monotonic() > self._until or file.old is None or file.new is None:
            return plain, None
        before = self._objects.blob(os.fsdecode(commit.encode() + b"^:" + file.old))
        if before is None:
            return plain, None
        after = _with(before, file, where)
        found = self._formatters.formatted(os.fsdecode(file.new), before, after)
        if found is None:
            return plain, None
        old, new = _apart(split(found[1][0]), split(found[1][1]))
        return distance(b"\n".join(old), b"\n".join(new)), found[0]


def _touches(text: Text, known: Collection[bytes]) -> bool:
    return any(squeeze(line) in known for line in text[0])


def _with(before: bytes, file: FileDiff, where: Iterable[int]) -> bytes:
    """The file before with these of the hunks applied."""
    lines, out, at = split(before), list[bytes](), 0
    for k in where:
        start, removed, _ = file.hunks[k]
        out += [*lines[at:start], *file.texts[k][1]]
        at = start + removed
    return b"\n".join([*out, *lines[at:]]) + b"\n"


def _apart(old: list[bytes], new: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Both without the lines that they begin and end with in common.

    >>> _apart([b"a", b"b", b"c"], [b"a", b"x", b"y", b"c"])
    ([b'b'], [b'x', b'y'])
    """
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return old[head : len(old) - tail], new[head : len(new) - tail]


def written_lines(objects: CatFile, commit: str, files: Iterable[dict[str, object]]) -> list[bytes]:
    """The AI lines of a change's files as they stand in its commit; a file that cannot be read is left out."""
    found: list[bytes] = []
    for file in files:
        content = objects.blob(os.fsdecode(commit.encode() + b":" + unquote(str(file["path"]))))
        ranges = file["ai_ranges"]
        if content is not None and isinstance(ranges, list):
            lines = split(content)
            found += [line for first, last in ranges for line in lines[first - 1 : last]]
    return found
