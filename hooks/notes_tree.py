"""A tree of notes as git keeps it, in any of its layouts: which blobs are the note of which commit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from git_hone.hooks import git
from git_hone.learner.errors import GitError


@dataclass
class Tree:
    """A notes tree of any layout. notes: commit -> blobs, one unless the note stands at two depths. other: path -> (mode,
    object) of what is no note. odd: paths of notes that do not stand at `aa/bbbb...`, paths: of those that do."""

    notes: dict[str, list[str]] = field(default_factory=dict)
    other: dict[str, tuple[str, str]] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, objects: git.CatFile, tip: str, wanted: set[str] | None = None) -> Tree:
        """The tree of `tip`, or only the notes of `wanted`."""
        return cls._of(objects, _rows(objects, f"{tip}^{{tree}}", len(tip)), wanted)

    @classmethod
    def read_all(cls, objects: git.CatFile, tips: Sequence[str], wanted: Iterable[str] = ()) -> list[Tree]:
        """The trees of several tips without the folders in which all of them agree and no note of `wanted` stands; nothing is
        left out unless each keeps its notes in folders."""
        roots = [_rows(objects, f"{tip}^{{tree}}", len(tip)) for tip in tips]
        if len(roots) > 1 and not any(_is_note(name) for rows in roots for _, name, _ in rows):
            same = set(roots[0]).intersection(*roots[1:])
            kept = {name[:2] for name in wanted}
            agreed = {row for row in same if row[0] == "40000" and row[1] not in kept}
            roots = [[row for row in rows if row not in agreed] for rows in roots]
        return [cls._of(objects, rows, None) for rows in roots]

    @classmethod
    def _of(cls, objects: git.CatFile, rows: list[tuple[str, str, str]], wanted: set[str] | None) -> Tree:
        tree = cls()
        starts: dict[int, set[str]] = {}
        waiting = [(mode, name, found) for mode, name, found in rows]
        while waiting:
            mode, path, found = waiting.pop()
            joined = path.replace("/", "")
            if mode == "40000":
                if wanted is not None:
                    if len(joined) not in starts:
                        starts[len(joined)] = {name[: len(joined)] for name in wanted}
                    if joined not in starts[len(joined)]:
                        continue
                waiting += [(m, f"{path}/{name}", o) for m, name, o in _rows(objects, found, len(found))]
            elif not _is_note(joined) or len(joined) != len(found) or mode == "160000":
                tree.other[path] = (mode, found)
            elif wanted is None or joined in wanted:
                blobs = tree.notes.setdefault(joined, [])
                blobs += [found] if found not in blobs else []
                if path == place_of(joined) and mode == "100644":
                    tree.paths.add(path)
                else:
                    tree.odd.append(path)
        return tree


def place_of(commit: str) -> str:
    """Where the note of a commit stands in our layout."""
    return f"{commit[:2]}/{commit[2:]}"


def _is_note(name: str) -> bool:
    return len(name) in (40, 64) and re.fullmatch("[0-9a-f]+", name) is not None


def _rows(objects: git.CatFile, name: str, digits: int) -> list[tuple[str, str, str]]:
    """(mode, name, object) of a tree's rows; names of objects have that many digits. Raises GitError when it cannot be read."""
    found = objects.typed(name)
    if found is None or found[0] != "tree":
        raise GitError(f"{name.removesuffix('^{tree}')}: not a tree of notes, or an object is missing", tip="git fsck tells more")
    body, at, rows, size = found[1], 0, [], digits // 2
    while at < len(body):
        space, end = body.index(b" ", at), body.index(b"\0", at)
        rows.append((body[at:space].decode(), git.text(body[space + 1 : end]), body[end + 1 : end + 1 + size].hex()))
        at = end + 1 + size
    return rows
