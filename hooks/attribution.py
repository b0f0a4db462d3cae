"""Whose lines a commit brings in: added(parent -> commit) met with what the tool calls wrote.

For each file of a commit, every state of that path that an observation left (and the states of the commits that this one
was made from) is compared with what was committed; a line that the comparison keeps, keeps its origin. Then only the lines
that the commit adds to its parent count. What no evidence covers is `human` where this clone saw the commit being made in
the ordinary way, else `unknown`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from git_hone.hooks import git
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.diffs import Pair, diff_pairs
from git_hone.hooks.lines import BASE, HUMAN, UNKNOWN, Hunk, added_lines, carry, edit_of, is_binary, overlay, said, settle, split
from git_hone.hooks.lines import pack as pack_map
from git_hone.hooks.lines import unpack as unpack_map
from git_hone.hooks.moves import moved_from
from git_hone.hooks.paths import unquote
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

NEAREST: Final = 8
"""How many earlier states of a path are compared with what was committed."""


COMMON: Final = 3
"""A line that tool calls wrote under more names than this is common speech (`return None`), and says nothing of its author."""

MANY_FILES: Final = 60
"""In a commit of more files than this, a file counts as moved only when its content is equal."""


@dataclass
class FileLines:
    """The lines that a commit adds to one file. atoms: line index -> atom. replaced: (agent's lines, what stands there
    now) where a person rewrote an agent's lines before the commit."""

    path: str
    atoms: dict[int, int] = field(default_factory=dict)
    human: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    written: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)
    replaced: list[tuple[list[int], list[bytes], list[bytes]]] = field(default_factory=list)


@dataclass
class _Work:
    commit: Commit
    change: FileChange
    exact: list[int] | None
    sources: list[tuple[str, list[int], bool]]  # blob, map, trusted
    parent: list[int] | None
    last_written: tuple[str, list[int]] | None
    content: bytes | None = None


def attribute(
    place: Place, state: State, commits: Iterable[Commit], linked: Mapping[str, set[str]], default: Mapping[str, int]
) -> dict[str, list[FileLines]]:
    """Lines of each commit in which an observation has a say; a commit without any is left out.

    linked: commit -> the commits that it rewrites. default: commit -> class (HUMAN or UNKNOWN) of a line that no
    observation covers. Commits must come parents first, as what one leaves is a source for the next.
    """
    found: dict[str, list[FileLines]] = {}
    paths = state.node_paths()
    if not paths:
        return found
    for commit in commits:
        if commit.files is None:
            continue
        work = [w for change in commit.files if (w := _work(place, state, commit, change, paths, linked.get(commit.id, set())))]
        if not work:
            continue
        rest = [change for change in commit.files if not any(w.change is change for w in work)]
        hunks = diff_pairs(place.common, _pairs(work) + [(c.before, c.after) for c in rest if _is_file(c)])
        with git.cat_file(place.common) as objects:
            for w in work:
                w.content = objects.blob(w.change.after) if w.change.after else b""
        lines = [_lines(state, w, hunks, default[commit.id]) for w in work]
        if any(f.atoms or f.killed or f.unknown for f in lines):
            lines += [_plain(c, hunks, default[commit.id]) for c in rest if _is_file(c)]
            found[commit.id] = lines
    return found


def _is_file(change: FileChange) -> bool:
    return change.mode.startswith("100") and change.after != ""


def _work(place: Place, state: State, commit: Commit, change: FileChange, paths: set[str], old: set[str]) -> _Work | None:
    names = dict.fromkeys(name for name in (change.path, change.old) if name in paths)
    if not change.after:
        if change.path not in paths:
            return None
        parent = state.node(change.path, change.before)
        return _Work(commit, change, None, [], None if parent is None else unpack_map(parent), None) if parent else None
    if not _is_file(change):
        return None
    sources: list[tuple[str, float, bool, list[list[int]]]] = [row for name in names for row in state.nodes(name)]
    if change.status in "ARC" and not any(row[0] == change.after for row in sources):
        many = len(commit.files or ()) > MANY_FILES
        sources += moved_from(place, state, change.path, change.after, _in_no_tree(place, commit), exact_only=many)
    if not sources:
        return None
    sources.sort(key=lambda row: (row[1] > commit.at + 0.01, -row[1]))  # what came before the commit first, newest first
    exact = next((unpack_map(row[3]) for row in sources if row[0] == change.after), None)
    parent_map = next((unpack_map(row[3]) for row in sources if row[0] == change.before), None)
    written = next(((row[0], unpack_map(row[3])) for row in sources if row[2] and row[1] <= commit.at + 1), None)
    from_old = {blob for name in old for blob in _blobs_of(state, name, names)}
    useful = [row for row in sources if any(origin > 0 or origin == UNKNOWN for _, origin in row[3])]
    picked: list[tuple[str, list[int], bool]] = []
    for k, row in enumerate(useful[:NEAREST]):
        picked.append((row[0], unpack_map(row[3]), k == 0 or row[0] in from_old))
    picked += [(row[0], unpack_map(row[3]), True) for row in useful[NEAREST:] if row[0] in from_old]
    picked.sort(key=lambda source: not source[2])
    return _Work(commit, change, exact, picked, parent_map, written)


def _blobs_of(state: State, commit: str, names: Iterable[str]) -> list[str]:
    row = state.get("commits", commit)
    return [blob for name in names if (blob := (row or {}).get("blobs", {}).get(name))]


def _in_no_tree(place: Place, commit: Commit) -> Callable[[str], bool]:
    """Whether a path stands neither in the commit nor in its parent."""

    def is_gone(path: str) -> bool:
        names = [commit.id, *commit.parents[:1]]
        tops = [os.fsencode(f"{name}:") + unquote(path) for name in names]
        return all(git.attempt(["rev-parse", "--verify", "--quiet", top], place.cwd) is None for top in tops)

    return is_gone


def _pairs(work: list[_Work]) -> list[Pair]:
    pairs: list[Pair] = []
    for w in work:
        after = w.change.after
        pairs.append((w.change.before, after))
        pairs += [(blob, after) for blob, _, _ in w.sources]
        if w.last_written:
            pairs.append((w.last_written[0], after))
    return pairs


def _plain(change: FileChange, hunks: Mapping[Pair, list[Hunk] | None], default: int) -> FileLines:
    lines = FileLines(change.path)
    added = added_lines(hunks.get((change.before, change.after)) or [])
    (lines.human if default == HUMAN else lines.unknown).extend(added)
    return lines


def _lines(state: State, w: _Work, hunks: Mapping[Pair, list[Hunk] | None], default: int) -> FileLines:
    change, out = w.change, FileLines(w.change.path)
    before_atoms = {origin for origin in w.parent or () if origin > 0}
    if not change.after:
        out.killed = before_atoms
        return out
    difference = hunks.get((change.before, change.after)) if change.before != change.after else []
    if difference is None or w.content is None or is_binary(w.content):
        return out
    content = split(w.content)
    origins = list(w.exact) if w.exact is not None else [BASE] * len(content)
    origins = (origins + [BASE] * len(content))[: len(content)]
    doubts = w.exact is not None and any(origin > 0 for origin in origins)
    if not doubts or UNKNOWN in origins:
        for blob, source, trusted in w.sources:
            steps = [] if blob == change.after else hunks.get((blob, change.after))
            if steps is not None:
                overlay(origins, source, steps, content, trusted=trusted, doubts=doubts)
            elif not doubts:  # what an agent left there cannot be read any more
                default = UNKNOWN
    settled = settle(origins, added_lines(difference), content)
    doubtful = agents_words(state, {k: content[k] for k, origin in settled.items() if origin == BASE and default == HUMAN})
    for k, origin in settled.items():
        if origin > 0:
            out.atoms[k] = origin
        elif origin == UNKNOWN or k in doubtful or (origin == BASE and default == UNKNOWN):
            out.unknown.append(k)
        else:
            out.human.append(k)
            origins[k] = HUMAN  # so that it stays known when the commit is rewritten
    out.killed = before_atoms - {origin for origin in origins if origin > 0}
    if w.last_written:
        _overridden(out, w, hunks, content)
    state.put_node(change.path, change.after, w.commit.at, pack_map(origins), written=False)
    return out


def agents_words(state: State, lines: Mapping[int, bytes]) -> set[int]:
    """Of these lines, those that say what an agent's tool call wrote, here or elsewhere. That two lines look alike proves
    nothing, in either direction: without other evidence they are unknown. What agents wrote under many names is common speech."""
    keys = {k: key for k, line in lines.items() if (key := said(line)) is not None}
    known = state.wrote(keys.values())
    return {k for k, key in keys.items() if 0 < known.get(key, 0) <= COMMON}


def _overridden(out: FileLines, w: _Work, hunks: Mapping[Pair, list[Hunk] | None], content: list[bytes]) -> None:
    """What the agent last wrote here and a person changed before committing."""
    blob, source = w.last_written or ("", [])
    steps = [] if blob == w.change.after else hunks.get((blob, w.change.after)) or []
    out.written = {origin for origin in source if origin > 0}
    kept = {origin for origin in carry(source, steps, BASE) if origin > 0}
    for hunk in steps:
        gone = [origin for origin in source[hunk.old_at : hunk.old_at + len(hunk.old)] if origin > 0 and origin not in kept]
        if gone and hunk.new:
            out.replaced.append((gone, list(hunk.old), list(hunk.new)))


def edits_in(lines: Iterable[FileLines]) -> set[int]:
    """The edit numbers behind these lines."""
    return {edit_of(origin) for f in lines for origin in f.atoms.values()}
