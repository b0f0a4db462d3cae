"""Learning while choosing: only the reward of the arm that was chosen is ever seen. Standard library only.

An arm's mean at each kind of task is a level (how such tasks go, whatever the arm) plus a contrast (how the arm differs there), both
shrunk to the parent's as in `estimator`, from sums that are kept as rewards come in. How far a mean may be off follows from how much the
rewards of that kind scatter around their arm's, which differs a lot between kinds, and from how far the parent's mean may be off. The arm
is drawn by `bandit.agreed`: so the probability of each is known, and an arm that was bad on the parent's tasks is tried less on the child's
from the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from git_hone.learner import bandit
from git_hone.learner.router.features import nodes

CONTRAST: Final = (5.0, 1.0, 5.0, 20.0)
"""Rows that the parent's word on an arm is worth: at the root, at the coarsest kind, and ever more below. Arms differ most between the
coarsest kinds. Chosen, like `bandit.WIDER`, on half of the tasks of CodeRouterBench; `bench.online` reports on the other half."""
NOISE: Final = 0.2
NOISE_ROWS: Final = 10.0
"""Variance of one reward around the mean of its arm, before any kind has shown its own, and how many rows the parent's is worth."""
UNKNOWN: Final = 0.05
"""Variance of an arm's mean before anything is seen of it."""


class Known(NamedTuple):
    """Of an arm on a kind of task. reward: 0..1; error: standard error of it; cost_usd: mean of an answer."""

    reward: float
    error: float
    cost_usd: float


class _Sums(NamedTuple):
    """Of one kind of task, by arm."""

    n: list[float]
    reward: list[float]
    square: list[float]
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
                sums = self._kinds[name] = _Sums(*([0.0] * len(self.arms) for _ in range(4)))
            sums.n[at] += 1
            sums.reward[at] += reward
            sums.square[at] += reward * reward
            sums.cost[at] += cost_usd

    def expect(self, path: Iterable[str]) -> dict[str, Known]:
        """What is known of each arm on a task of this kind; half a reward when nothing is."""
        level, noise, none = 0.5, NOISE, [0.0] * len(self.arms)
        contrast, rows, costs = list(none), list(none), list(none)
        unsure = [UNKNOWN] * len(self.arms)
        for depth, name in enumerate(("", *nodes(path))):
            sums = self._kinds.get(name, _Sums(none, none, none, none))
            lent = self.contrast[min(depth, len(self.contrast) - 1)]
            beyond = sum(total - n * c for total, n, c in zip(sums.reward, sums.n, contrast, strict=True))
            level = (self.shrinkage * level + beyond) / (self.shrinkage + sum(sums.n))
            noise = _noise(sums, noise)
            for k, (n, total, spent) in enumerate(zip(sums.n, sums.reward, sums.cost, strict=True)):
                contrast[k] = (total + lent * (level + contrast[k])) / (n + lent) - level
                unsure[k] = noise / (n + lent) + (lent / (n + lent)) ** 2 * unsure[k]
                borrowed = min(rows[k], lent)
                rows[k] = n + borrowed
                costs[k] = (spent + borrowed * costs[k]) / rows[k] if rows[k] else 0.0
        return {
            arm: Known(min(1.0, max(0.0, level + contrast[k])), math.sqrt(unsure[k]), costs[k]) for k, arm in enumerate(self.arms)
        }

    def shares(self, path: Iterable[str]) -> dict[str, float]:
        """The probability of each arm; they sum to 1."""
        known = self.expect(path)
        price = 1.0 / self.price_of_reward if self.price_of_reward else 0.0
        return bandit.agreed(
            {arm: one.reward - price * one.cost_usd for arm, one in known.items()},
            {arm: one.error for arm, one in known.items()},
            self.floor,
        )


def _noise(sums: _Sums, before: float) -> float:
    """Variance of one reward around its arm's mean in this kind, pooled over the arms and drawn towards the parent's."""
    apart, free = NOISE_ROWS * before, NOISE_ROWS
    for n, total, square in zip(sums.n, sums.reward, sums.square, strict=True):
        if n > 1:
            apart += max(0.0, square - total * total / n)
            free += n - 1
    return apart / free
