"""CodeRouterBench as a stream, from zero labels: only the reward of the model that was chosen is seen. `python -m bench.router --online`.

Each order is a random 2,919 of the 7,080 probing tasks (2,919 tasks has the published test split, whose rows are not published). The
published figures stand beside ours, but on another draw of tasks: `DimensionBest`, which learns from all labels, has 47.50 there and
more here (`best_of_kind_in_hindsight`), so the like-for-like opponents are LinUCB and LinTS as run here, each with the best of
`ALPHAS` in hindsight. Warm: every model's reward on the first 300 tasks is known; the mean is over the rest. `at_price`: a reward less
the cost over `routing.DEFAULT_PRICE` is learned from; `reward_alone`: cost does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Final, Protocol

import numpy as np

from git_hone.learner import bandit
from git_hone.learner.intervals import mean_interval
from git_hone.learner.router import baselines, training
from git_hone.learner.router.features import nodes
from git_hone.learner.router.online import Online
from git_hone.learner.router.training import Example
from git_hone.learner.routing import DEFAULT_PRICE

STREAM: Final = 2919
WARM: Final = 300
ALPHAS: Final = (0.15, 0.25, 0.4, 0.6, 1.0)
PUBLISHED: Final = {"LinUCB": 46.84, "LinTS": 46.48, "DimensionBest": 47.50, "source": "arXiv 2606.22902, its test split"}


class Learner(Protocol):
    """Chooses, and is told the reward and cost of what it chose."""

    def choose(self, path: Sequence[str]) -> str: ...
    def learn(self, path: Sequence[str], arm: str, reward: float, cost: float) -> None: ...


class Ours:
    """`learner.router.online`, its choice drawn from its own probabilities."""

    def __init__(self, arms: Sequence[str], price: float | None, seed: int) -> None:
        self.online, self.random = Online(arms, price_of_reward=price), Random(seed)
        self.learn = self.online.learn

    def choose(self, path: Sequence[str]) -> str:
        return bandit.draw(self.online.shares(path), self.random)[0]


class Linear:
    """`baselines.Linear` with the price taken off the reward."""

    def __init__(self, arms: Sequence[str], kinds: Iterable[str], price: float | None, alpha: float, seed: int | None) -> None:
        drawn = None if seed is None else np.random.default_rng(seed)
        self.inner, self.price = baselines.Linear(arms, kinds, alpha=alpha, drawn=drawn), price
        self.choose = self.inner.choose

    def learn(self, path: Sequence[str], arm: str, reward: float, cost: float) -> None:
        self.inner.learn(path, arm, reward - (cost / self.price if self.price else 0.0))


def play(examples: Sequence[Example], learner: Learner, warm: int = 0) -> tuple[float, float]:
    """(mean reward in percent, mean cost in USD) of the choices after the first `warm` tasks, whose every reward is told."""
    got, spent = 0.0, 0.0
    for k, one in enumerate(examples):
        path = one.task.path
        if k < warm:
            for arm, reward in one.rewards.items():
                learner.learn(path, arm, reward, one.costs[arm])
            continue
        arm = learner.choose(path)
        learner.learn(path, arm, one.rewards[arm], one.costs[arm])
        got += one.rewards[arm]
        spent += one.costs[arm]
    n = len(examples) - warm
    return 100 * got / n, spent / n


def measure(examples: Sequence[Example], orders: int = 10, stream: int = STREAM, warm: int = WARM) -> dict[str, Any]:
    """Every learner over `orders` random orders, seeds 0, 1, ...; intervals are 95 % (Student's t over the orders)."""
    arms = sorted({arm for one in examples for arm in one.rewards})
    kinds = {name for one in examples for name in nodes(one.task.path)}
    drawn = [[examples[row] for row in np.random.default_rng(seed).permutation(len(examples))[:stream]] for seed in range(orders)]

    def ours(price: float | None) -> Callable[[int], Learner]:
        return lambda seed: Ours(arms, price, seed)

    def linear(price: float | None, alpha: float, ts: bool) -> Callable[[int], Learner]:
        return lambda seed: Linear(arms, kinds, price, alpha, seed if ts else None)

    def line(make: Callable[[int], Learner], first: int) -> dict[str, Any]:
        played = [play(order, make(seed), first) for seed, order in enumerate(drawn)]
        rewards = [reward for reward, _ in played]
        low, high = mean_interval(rewards) or (float("nan"), float("nan"))
        return {"average_reward": round(float(np.mean(rewards)), 3), "interval": [round(low, 3), round(high, 3)],
                "total_cost": round(stream * float(np.mean([cost for _, cost in played])), 4)}  # fmt: skip

    def tuned(price: float | None, ts: bool, first: int) -> dict[str, Any]:
        return max(
            (line(linear(price, alpha, ts), first) | {"alpha": alpha} for alpha in ALPHAS), key=lambda one: one["average_reward"]
        )

    found: dict[str, Any] = {"stream": stream, "orders": orders, "labels_warm": warm, "price_of_reward_usd": DEFAULT_PRICE}
    for start, first in (("zero", 0), ("warm", warm)):
        for name, price in (("reward_alone", None), ("at_price", DEFAULT_PRICE)):
            found.setdefault(start, {})[name] = {
                "git-hone": line(ours(price), first), "linucb": tuned(price, False, first), "lints": tuned(price, True, first),
            }  # fmt: skip
    every = [(np.array([one.task.path[0] for one in order]), training.table(order, arms)) for order in drawn]
    found["best_single_in_hindsight"] = _mean(rewards.mean(axis=0).max() for _, rewards in every)
    found["best_of_kind_in_hindsight"] = _mean(
        sum(rewards[names == name].sum(axis=0).max() for name in np.unique(names)) / len(names) for names, rewards in every
    )
    found["oracle"] = _mean(rewards.max(axis=1).mean() for _, rewards in every)
    return found | {"published": PUBLISHED}


def _mean(values: Iterable[Any]) -> float:
    return round(100 * float(np.mean(list(values))), 3)
