"""What a rewritten commit has from the commits that it was made of, and what a line's own words say of who wrote it.

A rebase, a squash and an amend give a commit's lines a new name, not a new author: a line that this clone saw a person write stays
that person's. That a line says what an agent's tool call wrote proves nothing by itself, but it is a reason for doubt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from git_hone.hooks import commits as history
from git_hone.hooks import git
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.lines import HUMAN, Hunk, added_lines, said, split, squeeze
from git_hone.hooks.lines import unpack as unpack_map
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

if TYPE_CHECKING:
    from git_hone.hooks.attribution import FileLines

COMMON: Final = 3
"""A line that tool calls wrote under more names than this is common speech (`return None`), and says nothing of its author."""

Typed = Callable[[FileChange, Mapping[int, bytes], Iterable[Hunk]], set[int]]


class Heirs:
    """What a rewritten commit has from those it was made of: the lines that this clone saw a person write there."""

    def __init__(
        self, place: Place, state: State, olds: set[str], default: Mapping[str, int], found: Mapping[str, list[FileLines]]
    ) -> None:
        self.place, self.state, self.default = place, state, default
        self.texts: dict[str, set[bytes]] = {}
        self.lines: dict[str, dict[str, list[bytes]]] = {}
        self.done: set[str] = set()
        self.found: Mapping[str, list[FileLines]] = found
        self.old = {commit.id: commit for commit in history.read(place.cwd, sorted(olds), place.common)} if olds else {}
        files = [change for commit in self.old.values() for change in commit.files or () if change.is_file]
        self.hunks = diff_pairs(place.common, [(change.before, change.after) for change in files])

    def of(self, olds: Iterable[str]) -> dict[str, Counter[bytes]]:
        """Path -> lines, as often as they stand there."""
        found: dict[str, Counter[bytes]] = {}
        for name in olds:
            if name in self.old and (name in self.done or name not in self.default):  # not one that is looked at later
                if name not in self.lines:
                    self.lines[name] = self._of(self.old[name])
                for path, lines in self.lines[name].items():
                    found.setdefault(path, Counter()).update(lines)
        return found

    def _of(self, commit: Commit) -> dict[str, list[bytes]]:
        looked_at = {f.path: f.human for f in self.found.get(commit.id, ())}
        row = self.state.get("commits", commit.id) or {}
        if not looked_at and self.default.get(commit.id) != HUMAN and not row.get("seen", row.get("change", "") is None):
            return {}  # not a commit that this clone saw a person make
        found: dict[str, list[bytes]] = {}
        for change in (change for change in commit.files or () if change.is_file):
            hunks = self.hunks.get((change.before, change.after)) or []
            known = self.state.node(change.path, change.after)
            origins = unpack_map(known) if known is not None else []
            unknown = {k for first, last in row.get("unknown", {}).get(change.path, ()) for k in range(first - 1, last)}
            mine = {k for k in added_lines(hunks) if k not in unknown and (known is None or origins[k : k + 1] == [HUMAN])}
            if commit.id in self.found:
                mine &= set(looked_at.get(change.path, ()))
            came = {hunk.new_at + k: line for hunk in hunks for k, line in enumerate(hunk.new)}
            found.setdefault(change.path, []).extend(came[k] for k in sorted(mine))
        return found

    def typed(self, change: FileChange, added: Mapping[int, bytes], hunks: Iterable[Hunk]) -> set[int]:
        """Of the lines that a rewritten commit adds to a file, those that stand in no commit that was rewritten, nor in the file
        before: somebody wrote them while git waited. What reads as an agent's words is left out."""
        if not self.old:
            return set()
        known = {squeeze(line) for hunk in hunks for line in hunk.old}
        for path in {change.path, change.old} - {""}:
            if path not in self.texts:
                files = [c for commit in self.old.values() for c in commit.files or () if path in (c.path, c.old)]
                with git.cat_file(self.place.common) as objects:
                    blobs = objects.blobs({blob for c in files for blob in (c.before, c.after) if blob})
                self.texts[path] = {squeeze(line) for blob in blobs.values() for line in split(blob or b"")}
            known |= self.texts[path]
        fresh = {k: line for k, line in added.items() if said(line) is not None and squeeze(line) not in known}
        return set(fresh) - agents_words(self.state, fresh)


def agents_words(state: State, lines: Mapping[int, bytes]) -> set[int]:
    """Of these lines, those that say what an agent's tool call wrote, here or elsewhere. That two lines look alike proves
    nothing, in either direction: without other evidence they are unknown. What agents wrote under many names is common speech."""
    keys = {k: key for k, line in lines.items() if (key := said(line)) is not None}
    known = state.wrote(keys.values())
    return {k for k, key in keys.items() if 0 < known.get(key, 0) <= COMMON}
