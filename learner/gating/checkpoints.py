"""Which checkpoint of a training goes to the gate, chosen without a look at what the gate decides on. Pure.

A training leaves several adapters: after a quarter of its steps, half of them, all. Its loss does not tell the best one, for it falls while the
model forgets everything else. Whoever lets the gate try them all, or picks the one that passes most of the gate's own tasks, finds a lucky one:
of k equal candidates the best of k noisy counts looks better than it is, and a test at level a lets one through with a chance of up to
1 - (1 - a)^k instead of a. Bonferroni (a/k) would repair that, at the price of power on suites that have little of it, and would spend k of the
`promotion.maxLooks` looks.

So the choice reads only what the verdict does not. Let S be what the choice reads and T the outcomes of the target tasks. The candidate is a
function of S alone; where T is independent of S, it is a fixed candidate as far as T is concerned, and the exact test on T keeps its level
whatever was chosen, and among however many. One candidate comes to the gate, and it is one look. Two things are read:

1. Nats a token on general code, a text that is the same for everybody and holds no task. A checkpoint beyond `promotion.maxLikelihoodRise` would be
   refused there; leaving it out first spends no look. That check compares two exact numbers on that very text, so choosing by it finds no luck.
2. Tasks passed in a suite for choosing (`promotion.choice`: held-out pairs, or a part set aside), without those tasks that touch a file family
   of the target or the guard suite: tasks of one family are closer to one piece of evidence than to two, as in the gate's intervals.

Among those within the limit, the one that passes most of these tasks; of equals, the one to which general code is likelier. Without such tasks,
the one that was trained longest within the limit: general code says what was forgotten, and nothing of what was learned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from git_hone.learner.suite import parting
from git_hone.learner.suite.tasks import Task


class Tried(NamedTuple):
    """A checkpoint. nats: a token of general code, None where not measured. passed: how many of the tasks for choosing, None where it was
    tried on none."""

    id: str
    nats: float | None
    passed: int | None = None


class Choice(NamedTuple):
    """id: of the checkpoint that goes to the gate, None where each one would be refused there. why: in words."""

    id: str | None
    why: str


def within(tried: Sequence[Tried], limit: float | None) -> list[Tried]:
    """Those that the gate would not refuse for what they forgot. limit: nats a token, None where the incumbent's are not known; what was not
    measured stays, for the gate to say so.

    >>> [one.id for one in within([Tried("a", 2.70), Tried("b", 2.80), Tried("c", None)], 2.75)]
    ['a', 'c']
    """
    return [one for one in tried if limit is None or one.nats is None or one.nats <= limit]


def choose(tried: Sequence[Tried], limit: float | None, tasks: int = 0) -> Choice:
    """The checkpoint for the gate. tried: the one that was trained least first. tasks: how many `passed` counts are of.

    >>> made = [Tried("a", 2.70, 3), Tried("b", 2.74, 5), Tried("c", 2.90, 6)]
    >>> choose(made, 2.75, 8)
    Choice(id='b', why='it passes 5 of 8 tasks for choosing, the most of 2 of 3 that keep general code likely enough')
    >>> choose(made, 2.75).id, choose(made, 2.60).id, choose([Tried("a", 2.7, 4), Tried("b", 2.71, 4)], 2.75, 8).id
    ('b', None, 'a')
    """
    left = within(tried, limit)
    if not left:
        return Choice(None, f"general code is less likely than the gate allows to each of {len(tried)} checkpoints")
    kept = f"{len(left)} of {len(tried)} that keep general code likely enough"
    if not tasks:
        return Choice(left[-1].id, f"it was trained longest of the {kept}; there are no tasks to choose by")
    order = {one.id: number for number, one in enumerate(left)}
    best = max(left, key=lambda one: (one.passed or 0, -(one.nats if one.nats is not None else float("inf")), -order[one.id]))
    return Choice(best.id, f"it passes {best.passed} of {tasks} tasks for choosing, the most of {kept}")


def apart(tasks: Iterable[Task], taken: Collection[str]) -> set[str]:
    """The ids of the tasks that touch none of the families in `taken`."""
    return {task.id for task in tasks if not parting.families([task]) & set(taken)}
