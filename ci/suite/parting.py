"""`git hone suite set-aside`: a part of a suite becomes one of its own, before the gate looked at it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from git_hone.ci.suite import storing
from git_hone.hooks.place import Place
from git_hone.learner import ledger
from git_hone.learner.errors import UsageError
from git_hone.learner.suite import parting


class Parted(NamedTuple):
    """How many tasks each suite holds now, and its hash."""

    kept: int
    kept_hash: str
    aside: int
    aside_hash: str


def set_aside(place: Place, name: str, to: str, share: float) -> Parted:
    """Move about the share `share` (0..1) of the tasks of the suite `name` to a new suite `to`; no file family is in both.

    Killed in between, tasks may stand in both; those count on the judging side only. Raises UsageError where `to` stands already, the gate has
    looked at `name`, or the tasks cannot be told apart so.
    """
    source, target = storing.folder_of(place.agent, name), storing.folder_of(place.agent, to)
    if to in storing.names(place.agent):
        raise UsageError(f"{to}: stands already", tip="name another suite with --to, or move it away")
    suite = storing.load(source)
    whole = suite.manifest
    if any(line.get("suite_hash") == whole.hash for line in ledger.read(place.agent)):
        raise UsageError(
            f"the gate has looked at this version of {name}: a part of it is a new version, whose looks begin anew",
            tip="mine tasks from newer commits with --since, and set a part of those aside",
        )
    moved = parting.aside(whole.tasks, share)
    if not moved:
        raise UsageError(
            f"{name}: its {len(whole.tasks)} tasks share their files: no {share:.0%} of them stand apart",
            tip="a larger --share, or more tasks",
        )
    first = replace(whole, name=to, tasks=tuple(task for task in whole.tasks if task.id in moved))
    rest = replace(whole, tasks=tuple(task for task in whole.tasks if task.id not in moved))
    storing.save(target, first, suite.content)
    storing.save(source, rest, suite.content)
    return Parted(len(rest.tasks), rest.hash, len(first.tasks), first.hash)
