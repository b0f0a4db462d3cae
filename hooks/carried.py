"""The lines of a pull request's commits, as their notes name them, carried to the commit that landed.

Each commit's diff moves the lines on, file by file, from where a note names them to the head, and git's diff from the head's
tree to the landed tree moves them to the end. Equal blobs keep their ranges. A line that no note names, or that was changed
on the way, is unknown; only lines that the landed commit adds to its parent count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from git_hone.hooks import commits as history
from git_hone.hooks import git
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.lines import BASE, HUMAN, UNKNOWN, added_lines, atom, carry, edit_of, ranges, settle, split
from git_hone.hooks.place import Place

Map = dict[str, tuple[str, list[int]]]
"""Path -> its blob and one origin for each line: an atom whose upper bits are a mark's number, HUMAN, UNKNOWN or BASE."""
Mark = tuple[str, str]
"""Change id and run id."""


@dataclass
class Carried:
    """Lines of one file of a landed commit, as indexes from 0. ai: mark -> lines."""

    path: str
    ai: dict[Mark, list[int]] = field(default_factory=dict)
    human: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


class Carrier:
    """Carries lines within one repository; remembers the marks that it gave out."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.marks: list[Mark] = []

    def along(self, commits: Sequence[Commit], named: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, Map]:
        """The lines at each of these commits (parents first). named: commit -> its change events."""
        maps: dict[str, Map] = {}
        trees = {commit.id: commit.tree for commit in commits}
        for commit in commits:
            parent = commit.parents[0] if commit.parents else None
            tree = trees.get(parent or "") or (parent and _tree(self.place, parent))
            files = commit.files if commit.files is not None else _changes(self.place, tree or None, commit.tree)
            here = self._step(maps.get(parent or "", {}), files)
            for other in commit.parents[1:]:
                if other in maps:
                    self._join(here, maps[other], commit)
            for event in named.get(commit.id, ()):
                self._name(here, event)
            maps[commit.id] = here
        return maps

    def _step(self, before: Map, files: Iterable[FileChange]) -> Map:
        files = list(files)
        here = dict(before)
        for f in files:
            here.pop(f.old, None)
            here.pop(f.path, None)
        hunks = diff_pairs(self.place.common, [(f.before, f.after) for f in files if _is_file(f)])
        for f in files:
            steps = hunks.get((f.before, f.after)) if _is_file(f) else None
            if steps is not None:
                blob, old = before.get(f.old, ("", []))
                here[f.path] = f.after, carry(old if blob == f.before else [], steps, UNKNOWN)
        return here

    def _join(self, here: Map, other: Map, commit: Commit) -> None:
        """In a merge: lines that came by another parent. A line that two parents claim for different authors is unknown."""
        stand = {path: blob for path, (blob, _) in here.items() if path in other}
        hunks = diff_pairs(self.place.common, [(other[path][0], blob) for path, blob in stand.items()])
        for path, blob in stand.items():
            steps = hunks.get((other[path][0], blob))
            if steps is None:
                continue
            theirs, mine = carry(other[path][1], steps, BASE), list(here[path][1])
            for k, origin in enumerate(theirs):
                if k >= len(mine):
                    mine += [BASE] * (k + 1 - len(mine))
                if origin in (BASE, UNKNOWN) or mine[k] == origin:
                    continue
                mine[k] = origin if mine[k] in (BASE, UNKNOWN) else UNKNOWN
            here[path] = blob, mine

    def _name(self, here: Map, event: Mapping[str, Any]) -> None:
        for f in event.get("files") or ():
            if not isinstance(f, dict) or f.get("path") not in here:
                continue
            blob, old = here[f["path"]]
            origins = list(old)
            for first, last in _pairs(f.get("human_ranges")):
                _paint(origins, first, last, HUMAN)
            runs = f.get("runs")
            for run, spans in sorted(runs.items()) if isinstance(runs, dict) else ():
                self.marks.append((str(event["change_id"]), str(run)))
                for first, last in _pairs(spans):
                    _paint(origins, first, last, len(self.marks))
            here[f["path"]] = blob, origins

    def land(self, at: Map, old_tree: str, landed: Commit, parent_tree: str | None) -> list[Carried]:
        """The lines that `landed` adds to its parent, for the lines `at` a commit whose tree is `old_tree`."""
        here = self._step(at, _changes(self.place, old_tree, landed.tree))
        files = [f for f in _changes(self.place, parent_tree, landed.tree) if _is_file(f)]
        hunks = diff_pairs(self.place.common, [(f.before, f.after) for f in files])
        out = []
        with git.cat_file(self.place.common) as objects:
            for f in files:
                steps = hunks.get((f.before, f.after))
                content = objects.blob(f.after) if steps else None
                if content is None:
                    continue
                blob, origins = here.get(f.path, ("", []))
                out.append(
                    self._sort(f.path, settle(origins if blob == f.after else [], added_lines(steps or ()), split(content)))
                )
        return [f for f in out if f.ai or f.human or f.unknown]

    def _sort(self, path: str, origins: Mapping[int, int]) -> Carried:
        found = Carried(path)
        for k, origin in origins.items():
            if origin > 0:
                found.ai.setdefault(self.marks[edit_of(origin) - 1], []).append(k)
            else:
                (found.human if origin == HUMAN else found.unknown).append(k)
        return found


def note_files(lines: Iterable[Carried]) -> list[dict[str, Any]]:
    """The `files` of a record: path, counts and ranges (from 1, inclusive)."""
    out = []
    for f in sorted(lines, key=lambda f: f.path):
        runs: dict[str, list[int]] = {}
        for (_, run), where in f.ai.items():
            runs.setdefault(run, []).extend(where)
        ai = [k for where in runs.values() for k in where]
        out.append({"path": f.path, "ai": len(ai), "human": len(f.human), "unknown": len(f.unknown), "ai_ranges": ranges(ai),
                    "human_ranges": ranges(f.human), "runs": {run: ranges(where) for run, where in sorted(runs.items())}})  # fmt: skip
    return out


def _paint(origins: list[int], first: int, last: int, mark: int) -> None:
    for k in range(max(first - 1, 0), min(last, len(origins))):
        origins[k] = atom(mark, k) if mark > 0 else mark


def _pairs(spans: Any) -> list[tuple[int, int]]:
    whole = [s for s in spans if isinstance(s, list) and len(s) == 2] if isinstance(spans, list) else []
    return [(a, b) for a, b in whole if isinstance(a, int) and isinstance(b, int)]


def _is_file(f: FileChange) -> bool:
    return f.mode.startswith("100") and f.after != ""


def _tree(place: Place, commit: str) -> str | None:
    return git.line(["rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}"], place.cwd)


def _changes(place: Place, before: str | None, after: str) -> list[FileChange]:
    if before is None:
        before = git.text(git.run(["mktree"], place.common, stdin=b"")).strip()
    return history.tree_changes(place.cwd, [(before, after)]).get((before, after), [])
