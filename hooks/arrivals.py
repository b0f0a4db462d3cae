"""Which commits a drain looks at, and what git's own word says of each: was it seen being made, by whom, and of what was it made.

The hook is a hint, the history is the truth: commits come from what the names lead to now and did not before.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from git_hone.hooks import commits as history
from git_hone.hooks import following, intake
from git_hone.hooks.attribution import attribute as attribute_lines
from git_hone.hooks.batch import Batch, GitWord
from git_hone.hooks.identity import Kind
from git_hone.hooks.inbox import Event
from git_hone.hooks.lines import HUMAN, UNKNOWN, ranges
from git_hone.hooks.state import State

MANY_COMMITS = 100
"""Where more commits than this went away at once, git's own word alone says what became of them."""


def git_word(events: Iterable[Event], state: State) -> GitWord:
    """What git's hooks said in these events. A squash that waits to be committed is remembered in the state, and so is what was said
    of a rebase's commits until its end, when git names those that they were made of: they then are looked at once more."""
    word = GitWord()
    rebasing = state.meta("rebasing", {})  # commit -> what was said of it by a drain in the middle of a rebase
    squashed = state.meta("squashed", {})  # work tree -> when a branch was squashed into it that waits to be committed
    for event in events:
        if event.kind != "git":
            continue
        says = event.fields
        where = str(Path(says.get("root", ""), says.get("git", "")))
        if event.name == "post-rewrite":
            kind: Kind = "amend" if says.get("args", "").startswith("amend") else "rebase"
            if kind == "rebase":
                for sha in [sha for sha, said in rebasing.items() if said["where"] == where]:
                    _recall(word, sha, rebasing.pop(sha))
            for row in event.payload.decode("ascii", "replace").splitlines():
                old, _, new = row.partition(" ")
                word.linked.setdefault(new.split(" ")[0], {})[old] = kind
        elif event.name == "post-merge" and says.get("args") == "1":
            squashed[says.get("git", "")] = event.at
        elif event.name in ("post-commit", "post-applypatch") and (sha := says.get("sha")):
            word.at[sha] = event.at
            word.root[sha] = says.get("root", "")
            word.how[sha] = "rebase" if says.get("rebase") else "pick" if says.get("pick") else ""
            if event.name == "post-applypatch":
                word.mailed.add(sha)
            if squashed.pop(says.get("git", ""), None) and not word.how[sha]:
                word.how[sha] = "squash"
            if says.get("agent"):
                word.agent[sha] = says["agent"]
            if word.how[sha] == "rebase":
                rebasing[sha] = {"where": where, "at": event.at, "agent": says.get("agent"), "mailed": sha in word.mailed}
            if says.get("head", "").startswith("ref: refs/heads/"):
                word.branch[sha] = says["head"].removeprefix("ref: refs/heads/")
            if says.get("pick"):
                word.linked.setdefault(sha, {})[says["pick"]] = "rebase" if says.get("rebase") else "pick"
    state.set_meta("squashed", squashed)
    state.set_meta("rebasing", dict(list(rebasing.items())[-500:]))
    return word


def _recall(word: GitWord, commit: str, said: dict[str, Any]) -> None:
    """What was said of a commit in the middle of a rebase, said again at its end."""
    word.again.add(commit)
    word.at[commit], word.how[commit] = said["at"], "rebase"
    if said["agent"]:
        word.agent[commit] = said["agent"]
    if said["mailed"]:
        word.mailed.add(commit)


def find(batch: Batch) -> int:
    """Find the commits to look at: the new ones (their number is the answer); those that a hook saw and that are gone by now;
    and those made while a tool call was open whose end is known now."""
    place, state, word, tips = batch.place, batch.state, batch.word, batch.tips
    new = history.between(place.cwd, tips.values(), batch.known_tips.values())
    waiting = [name for name in state.meta("provisional", []) if name not in new]
    unheard = set(state.meta("unheard", []))  # looked at before their hook's word came in
    waiting += [name for name in word.at if (name in unheard or name in word.again) and name not in waiting and name not in new]
    again = [name for name in waiting if not history.unreachable(place.cwd, name, tips.values())]
    state.set_meta("unheard", [*(name for name in unheard if name not in word.at), *(n for n in new if n not in word.at)][-500:])
    seen = [name for name, how in word.how.items() if how != "rebase" and name not in new and state.get("commits", name) is None]
    batch.lost = {name for name in seen if history.unreachable(place.cwd, name, tips.values())}
    arrived = history.read(place.cwd, [*again, *batch.lost, *new], place.common)
    behind = {parent for commit in arrived if commit.id not in batch.lost for parent in commit.parents} | set(tips.values())
    batch.gone = {*history.left(place.cwd, batch.known_tips.values(), tips.values(), behind), *batch.lost}
    arrived += history.read(place.cwd, sorted(_taken_back(batch) - {commit.id for commit in arrived}), place.common)
    opened = intake.open_since(state)
    remembered = state.meta("commit-times", {})
    provisional = {}
    for commit in arrived:
        at = word.at.get(commit.id) or remembered.get(commit.id)
        if at is not None and opened is not None and opened <= at:
            provisional[commit.id] = at
        if at is not None:
            word.at[commit.id] = at
            commit.at = max(commit.at, at)
    state.set_meta("provisional", list(provisional))
    state.set_meta("commit-times", provisional)
    batch.arrived = history.in_order(arrived)
    return len(new)


def _taken_back(batch: Batch) -> set[str]:
    """Commits that a change had moved away from and that stand, while the one that it moved to is gone: `git rebase --abort`."""
    place, state = batch.place, batch.state
    rows = [
        row
        for name in batch.gone | set(state.meta("limbo", []))
        for row in state.changes("commit_id = ? and state = 'live'", name)
    ]
    return {old for row in rows for old in row["replaces"] if not history.unreachable(place.cwd, old, batch.tips.values())}


def attribute(batch: Batch) -> None:
    """Whose lines each of them adds: `batch.lines`."""
    from git_hone.hooks.history.claims import claims

    place, state, word = batch.place, batch.state, batch.word
    provisional = set(state.meta("provisional", []))
    default: dict[str, int] = {}
    for commit in batch.arrived:
        seen = commit.id in word.at and not word.how.get(commit.id) and commit.id not in provisional
        named = seen and (
            commit.id in word.agent or claims(commit.message, commit.author, commit.author_email, commit.committer_email)
        )
        default[commit.id] = HUMAN if seen and not named and not following.lost(state, commit.at) else UNKNOWN
    linked = {new: set(olds) for new, olds in word.linked.items()}
    by_hand = _by_hand(batch, provisional)
    for commit in batch.arrived:
        if word.how.get(commit.id) == "squash":  # made of whatever leads somewhere and is not in it
            linked.setdefault(commit.id, set()).update(
                history.beside(place.cwd, commit.id, [*batch.tips.values(), *batch.known_tips.values()])
            )
    rebased = {old for olds in word.linked.values() for old, kind in olds.items() if kind == "rebase"}
    for commit in batch.arrived:
        if default[commit.id] == UNKNOWN and not linked.get(commit.id):  # git said nothing: made of what went away meanwhile
            olds = (rebased if commit.id in by_hand else batch.gone) - {commit.id}
            linked[commit.id] = olds if len(olds) <= MANY_COMMITS else set()
    batch.lines = attribute_lines(place, state, batch.arrived, linked, default, word.at, by_hand)
    batch.seen = {name for name, kind in default.items() if kind == HUMAN}
    for name in default:
        lines, row = batch.lines.get(name, ()), state.get("commits", name)
        told = name in batch.seen or (name not in provisional and any(f.human for f in lines))
        if told and (row is None or row["change"] is None):
            unknown = {f.path: ranges(f.unknown) for f in lines if f.unknown}
            state.put("commits", name, {"change": None, "blobs": {}, "seen": True, "unknown": unknown})


def _by_hand(batch: Batch, provisional: set[str]) -> set[str]:
    """Commits that somebody here took part in while git rewrote, no agent's tool call being open: after a conflict, at a stop of a
    rebase, or as git made them alone, which adds no line of its own."""
    word, state = batch.word, batch.state
    return {
        commit.id
        for commit in batch.arrived
        if word.how.get(commit.id) in ("rebase", "pick")
        and commit.id not in provisional
        and commit.id not in word.agent
        and (commit.id not in word.mailed or commit.id in word.linked)
        and not following.lost(state, commit.at)
    }
