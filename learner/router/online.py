"""Learning while choosing: only the reward of the arm that was chosen is ever seen. Standard library only.

An arm's mean at each kind of task is a level (how such tasks go, whatever the arm) plus a contrast (how the arm differs there), both
shrunk to the parent's as in `estimator`, from sums that are kept as rewards come in. The arm is drawn by Thompson sampling over the
finest kind: its shrunken mean counts as so many trials of a Beta distribution, its own and at most `contrast` of the parent's. So the
probability of each arm is known, and an arm that was bad on the parent's tasks is tried less on the child's from the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from git_hone.learner import bandit
from git_hone.learner.bandit import Arm
from git_hone.learner.router.features import nodes

CONTRAST: Final = (10.0, 2.0, 10.0, 20.0)
"""Rows that the parent's word on an arm is worth: at the root, at the coarsest kind, and ever more below. Arms differ most between the
coarsest kinds."""
SHARPER: Final = 2.0
"""Each trial counts as this many: under a finite number of tasks, plain Thompson sampling explores longer than it pays. Chosen, like
`CONTRAST`, on orders of CodeRouterBench other than those that the benchmark reports."""


class Known(NamedTuple):
    """Of an arm on a kind of task. reward: 0..1; rows: trials that it rests on, own and lent; cost_usd: mean of an answer."""

    reward: float
    rows: float
    cost_usd: float


class _Sums(NamedTuple):
    """Of one kind of task, by arm."""

    n: list[float]
    reward: list[float]
    cost: list[float]


@dataclass
class Online:
    """A router that starts from nothing. shrinkage: rows that the parent's level is worth; price_of_reward: USD that a whole point of
    reward is worth, None when cost does not matter; floor: least probability of an arm.

    >>> router = Online(["cheap", "dear"])
    >>> for _ in range(30):
    ...     router.learn(("fix",), "cheap", 0.0, 0.001)
    ...     router.learn(("fix",), "dear", 1.0, 0.01)
    >>> router.shares(("fix",))["dear"] > 0.99
    True
    """

    arms: Sequence[str]
    shrinkage: float = 10.0
    contrast: Sequence[float] = CONTRAST
    price_of_reward: float | None = None
    floor: float = 0.0
    _kinds: dict[str, _Sums] = field(default_factory=dict)

    def learn(self, path: Iterable[str], arm: str, reward: float, cost_usd: float = 0.0) -> None:
        """One reward of one arm on a task of this kind; for a task on which several are known, one call an arm. Raises ValueError for a
        reward outside 0..1 and an arm that is not there."""
        if not 0.0 <= reward <= 1.0:
            raise ValueError(f"reward: 0..1, not {reward}")
        at = list(self.arms).index(arm)
        for name in ("", *nodes(path)):
            sums = self._kinds.get(name)
            if sums is None:
                sums = self._kinds[name] = _Sums(*([0.0] * len(self.arms) for _ in range(3)))
            sums.n[at] += 1
            sums.reward[at] += reward
            sums.cost[at] += cost_usd

    def expect(self, path: Iterable[str]) -> dict[str, Known]:
        """What is known of each arm on a task of this kind; half a reward, on no rows, when nothing is."""
        level = 0.5
        contrast, rows, costs = ([0.0] * len(self.arms) for _ in range(3))
        for depth, name in enumerate(("", *nodes(path))):
            sums = self._kinds.get(name)
            lent = self.contrast[min(depth, len(self.contrast) - 1)]
            if sums is not None:
                beyond = sum(total - n * c for total, n, c in zip(sums.reward, sums.n, contrast, strict=True))
                level = (self.shrinkage * level + beyond) / (self.shrinkage + sum(sums.n))
            for k in range(len(self.arms)):
                n, total, spent = (sums.n[k], sums.reward[k], sums.cost[k]) if sums else (0.0, 0.0, 0.0)
                contrast[k] = (total + lent * (level + contrast[k])) / (n + lent) - level
                borrowed = min(rows[k], lent)
                rows[k] = n + borrowed
                costs[k] = (spent + borrowed * costs[k]) / rows[k] if rows[k] else 0.0
        return {arm: Known(min(1.0, max(0.0, level + contrast[k])), rows[k], costs[k]) for k, arm in enumerate(self.arms)}

    def shares(self, path: Iterable[str]) -> dict[str, float]:
        """The probability of each arm; they sum to 1."""
        arms = {}
        for arm, known in self.expect(path).items():
            price = known.cost_usd / self.price_of_reward if self.price_of_reward else 0.0
            trials = SHARPER * known.rows
            arms[arm] = Arm(trials * max(0.0, known.reward - price), trials)
        return bandit.Thompson(self.floor).shares(arms)
