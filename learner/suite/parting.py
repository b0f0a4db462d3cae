"""A suite cut in two, so that one part can choose and the other judge. Pure.

Tasks of one file family are closer to one piece of evidence than to two, so no family stands on both sides: tasks that share one, directly or
through others, go together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from git_hone.learner.dataset.splits import family
from git_hone.learner.suite.tasks import Task


def families(tasks: Iterable[Task]) -> set[str]:
    """What the edited files of tasks belong to (`git_hone.learner.dataset.splits.family`)."""
    return {family(path) for task in tasks for path in task.edit}


def together(tasks: Sequence[Task]) -> list[list[Task]]:
    """The tasks in groups that share no family, in an order that depends on their hashes alone."""
    groups: list[tuple[set[str], list[Task]]] = []
    for task in tasks:
        own, members = families([task]), [task]
        for group in [one for one in groups if one[0] & own]:
            groups.remove(group)
            own, members = own | group[0], [*group[1], *members]
        groups.append((own, members))
    return sorted((sorted(members, key=lambda one: one.id) for _, members in groups), key=_rank)


def aside(tasks: Sequence[Task], share: float) -> set[str]:
    """The ids of about the share `share` (0..1) of the tasks, whole groups of them and never more; empty where no group is so small."""
    most, chosen = share * len(tasks), set[str]()
    for group in together(tasks):
        if len(chosen) + len(group) <= most:
            chosen |= {task.id for task in group}
    return chosen


def _rank(group: Sequence[Task]) -> str:
    return hashlib.sha256("".join(task.hash for task in group).encode()).hexdigest()
