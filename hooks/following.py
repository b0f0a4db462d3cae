"""The line map of each file, followed from one look at it to the next: whose each line is after what a tool call left there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from git_hone.hooks import git
from git_hone.hooks.diffs import Pair, diff_pairs
from git_hone.hooks.heirs import agents_words
from git_hone.hooks.ids import digest
from git_hone.hooks.lines import BASE, HUMAN, UNKNOWN, Hunk, carry, edit_of, is_binary, pack, said, split, unpack
from git_hone.hooks.moves import moved_from
from git_hone.hooks.paths import unquote
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

UNREADABLE_LINES: Final = 1 << 17
"""How long the map of a file is whose content is gone: git may write the same content again later."""
STALE_S: Final = 24 * 3600.0


@dataclass
class Transition:
    """A file between two looks: who is behind the difference. edit: what to file it under; None = nobody's tool."""

    at: float
    root: str
    path: str
    old_path: str
    before: str
    after: str
    edit: dict[str, Any] | None
    added: int = HUMAN
    tree: str | None = None  # the work tree before, where a shell tool's hook looked at all of it


def follow(place: Place, state: State, transitions: list[Transition]) -> None:
    """Diff everything in one go, then carry the maps forward."""
    latest: dict[tuple[str, str], str] = {}

    def last(root: str, path: str) -> str:
        if (root, path) not in latest:
            row = state.db.execute("select blob from seen where tree = ? and path = ?", (root, path)).fetchone()
            newest = (
                None if row else state.db.execute("select blob from nodes where path = ? order by at desc", (path,)).fetchone()
            )
            latest[root, path] = row[0] if row else newest[0] if newest else ""
        return latest[root, path]

    observed: set[tuple[str, str]] = set()
    pairs: list[Pair] = []
    plan: list[tuple[Transition, str, str]] = []  # what was there last, what the tool found
    for step in transitions:
        was = last(step.root, step.old_path)
        if step.before == "=":
            known = (step.root, step.path) in observed or _was_seen(state, step)
            step.before, step.edit = (was, step.edit) if known else ("?", None)
        observed.add((step.root, step.path))
        before = was if step.before == "?" and step.edit is not None else step.before
        if step.before == "?":
            pairs.append((was, step.after))
        else:
            pairs += [(was, before), (before, step.after)]
        plan.append((step, was, before))
        latest[step.root, step.path] = step.after
    hunks = diff_pairs(place.common, [pair for pair in pairs if pair[0] != pair[1]])
    sizes = Sizes(place, hunks)
    for step, was, before in plan:
        _apply(place, state, step, was, before, hunks, sizes)


def _was_seen(state: State, step: Transition) -> bool:
    return state.db.execute("select 1 from seen where tree = ? and path = ?", (step.root, step.path)).fetchone() is not None


@dataclass
class Sizes:
    """How many lines a blob has: asked only where no map is known."""

    place: Place
    hunks: dict[Pair, list[Hunk] | None]

    def of(self, blob: str) -> int | None:
        if not blob:
            return 0
        content = git.attempt(["cat-file", "blob", blob], self.place.common)
        return None if content is None or is_binary(content) else len(split(content))


def _apply(
    place: Place, state: State, step: Transition, was: str, before: str, hunks: dict[Pair, list[Hunk] | None], sizes: Sizes
) -> None:
    def look(old: str, new: str) -> list[Hunk] | None:
        return [] if old == new else hunks.get((old, new))

    target = step.after if step.before == "?" else before
    source = _map(state, step.old_path, target)
    if source is None:
        known = _map(state, step.old_path, was)
        difference = look(was, target)
        if known is not None and was and difference is not None:
            source = carry(known, difference, HUMAN)
            doubt(state, source, difference, step.at)
        elif known and was and target:  # what stood there last cannot be read any more
            source = [UNKNOWN] * (sizes.of(target) or 0)
        elif target:
            source = _moved(place, state, step, target, sizes)
        else:
            source = []
    if source is None:
        _unreadable(place, state, step, None)
        return
    if step.before != "?":
        difference = look(before, step.after)
        if difference is None:
            _unreadable(place, state, step, sizes.of(step.after))
            return
        if step.edit is None:
            source = carry(source, difference, step.added)
        else:
            key = digest("e", step.edit["run"], step.edit["use"], step.path, step.after, repr(step.at))
            number = state.edit(key, step.edit["run"], step.path, step.at, step.edit)
            _note_edit(state, step)
            source = carry(source, difference, BASE, edit=number)
            new = [line for hunk in difference for k, line in enumerate(hunk.new) if edit_of(source[hunk.new_at + k]) == number]
            state.put_wrote(step.path, [words for line in new if (words := said(line)) is not None])
    if step.after:
        if (seen := _map(state, step.path, step.after)) is not None:  # the same file again: what was known of it still is
            source = [seen[k] if o == UNKNOWN and seen[k : k + 1] not in ([], [BASE]) else o for k, o in enumerate(source)]
        interesting = any(origin != BASE for origin in source) or step.edit is not None
        if interesting or state.node(step.path, step.after) is None:
            state.put_node(step.path, step.after, step.at, pack(source), written=step.edit is not None)
    _saw(state, step)


def _saw(state: State, step: Transition) -> None:
    state.db.execute("insert or replace into seen values (?, ?, ?, ?)", (step.root, step.path, step.after, step.at))
    if step.old_path != step.path:
        state.db.execute("insert or replace into seen values (?, ?, ?, ?)", (step.root, step.old_path, "", step.at))


def _unreadable(place: Place, state: State, step: Transition, size: int | None) -> None:
    """A binary, or a blob that is gone (`git gc --prune=now`): whatever stands there now, or comes of it, is unknown.
    Where an agent's own text is gone it may turn up anywhere: see `lost`."""
    if step.after:
        state.put_node(step.path, step.after, step.at, [[size or UNREADABLE_LINES, UNKNOWN]], written=False)
    if step.edit is not None and any(
        name and git.attempt(["cat-file", "-e", name], place.common) is None for name in (step.before, step.after)
    ):
        lose(state, step.at)
    _saw(state, step)


def lose(state: State, at: float) -> None:
    """Say that an agent's text was gone before it was read, at this moment."""
    state.set_meta("lost", max(at, state.meta("lost", 0.0)))


def doubt(state: State, origins: list[int], hunks: Iterable[Hunk], at: float) -> None:
    """Lines that came between two looks are a person's, unless they read as what an agent wrote: git may have brought those
    back (a stash, another branch, a rebase). After an agent's text was lost each of them may be that text."""
    new = {hunk.new_at + k: line for hunk in hunks for k, line in enumerate(hunk.new)}
    persons = {k: line for k, line in new.items() if k < len(origins) and origins[k] == HUMAN}
    for k in persons if lost(state, at) else agents_words(state, persons):
        origins[k] = UNKNOWN


def _moved(place: Place, state: State, step: Transition, target: str, sizes: Sizes) -> list[int] | None:
    """The map of a file seen for the first time: that of the file which was moved here, else nothing observed."""
    size = sizes.of(target)
    if size is None:
        return None
    root = os.fsencode(step.root)

    def is_gone(path: str) -> bool:
        if step.tree:
            return (
                git.attempt(["rev-parse", "--verify", "--quiet", os.fsencode(f"{step.tree}:") + unquote(path)], place.cwd) is None
            )
        return not os.path.lexists(root + b"/" + unquote(path))

    source = [BASE] * size
    for blob, _, _, packed in moved_from(place, state, step.path, target, is_gone)[:1]:
        steps = [] if blob == target else diff_pairs(place.common, [(blob, target)])[blob, target]
        if steps is not None:
            source = carry(unpack(packed), steps, HUMAN)
            doubt(state, source, steps, step.at)
    return source


def _map(state: State, path: str, blob: str) -> list[int] | None:
    if not blob:
        return []
    packed = state.node(path, blob)
    return None if packed is None else unpack(packed)


def _note_edit(state: State, step: Transition) -> None:
    """The edit in its run's row."""
    edit = step.edit or {}
    run = state.get("runs", edit["run"])
    if run is None:
        return
    row = {"path": step.path, "before": step.before or None, "after": step.after or None, "tool": edit["tool"],
           "tool_use_id": edit["use"]}  # fmt: skip
    if row not in run["edits"]:
        run["edits"] = [*run["edits"], row]
        state.put("runs", edit["run"], run)


def lost(state: State, at: float) -> bool:
    """Whether an agent's text, written in the day before `at` or since, was gone before it was read: then a line that no
    observation covers may be that text."""
    return bool(state.meta("lost", 0.0) > at - STALE_S)
