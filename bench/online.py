"""CodeRouterBench as a stream, from zero labels: only the reward of the model that was chosen is seen. `python -m bench.router --online`.

Everything in git-hone's policy that was chosen by hand was chosen on half of the 7,080 probing tasks (`HALF`); these figures are of the
other half, of which each order is a random 2,919 (so many tasks has the published test split, whose rows are not published). The
published figures stand beside ours, but on another draw of tasks: `DimensionBest`, which learns from all labels, has 47.50 there and
more here (`best_of_kind_in_hindsight`), so the like-for-like opponents are LinUCB and LinTS as run here, each with the best of
`ALPHAS` in hindsight. Warm: every model's reward on the first 300 tasks is known; the mean is over the rest. `at_price`: a reward less
the cost over `routing.DEFAULT_PRICE` is learned from; `reward_alone`: cost does not matter. `worth`: the mean of what is learned from, in
percent, by which the best alpha is taken; `over`: git-hone's worth less the opponent's, paired by order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
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

HALF: Final = 1
"""Of `training.fold_of(group, 2)`: the half that is reported on."""
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


def measure(examples: Sequence[Example], orders: int = 20, stream: int = STREAM, warm: int = WARM) -> dict[str, Any]:
    """Every learner over `orders` random orders, seeds 0, 1, ...; intervals are 95 % (Student's t over the orders)."""
    examples = [one for one in examples if training.fold_of(one.group, 2) == HALF]
    arms = sorted({arm for one in examples for arm in one.rewards})
    kinds = {name for one in examples for name in nodes(one.task.path)}
    drawn = [[examples[row] for row in np.random.default_rng(seed).permutation(len(examples))[:stream]] for seed in range(orders)]

    def linear(price: float | None, alpha: float, ts: bool, seed: int) -> Learner:
        return Linear(arms, kinds, price, alpha, seed if ts else None)

    def played(make: Callable[[int], Learner], price: float | None, first: int) -> Any:
        """(orders, 3): reward in percent, USD a task, worth in percent"""
        rows = np.array([play(order, make(seed), first) for seed, order in enumerate(drawn)])
        return np.column_stack([rows, rows[:, 0] - (100 * rows[:, 1] / price if price else 0.0)])

    def line(rows: Any, ours: Any | None = None) -> dict[str, Any]:
        told = {"average_reward": round(float(rows[:, 0].mean()), 3), "interval": _interval(rows[:, 0]),
                "total_cost": round(stream * float(rows[:, 1].mean()), 4), "worth": round(float(rows[:, 2].mean()), 3)}  # fmt: skip
        if ours is not None:
            more = ours[:, 2] - rows[:, 2]
            told["over"] = {"points": round(float(more.mean()), 3), "interval": _interval(more)}
        return told

    found: dict[str, Any] = {
        "tasks": len(examples),
        "stream": stream,
        "orders": orders,
        "labels_warm": warm,
        "price_of_reward_usd": DEFAULT_PRICE,
    }
    for start, first in (("zero", 0), ("warm", warm)):
        for name, price in (("reward_alone", None), ("at_price", DEFAULT_PRICE)):
            ours = played(partial(Ours, arms, price), price, first)
            told = found.setdefault(start, {})[name] = {"git-hone": line(ours)}
            for opponent, ts in (("linucb", False), ("lints", True)):
                every = {alpha: played(partial(linear, price, alpha, ts), price, first) for alpha in ALPHAS}
                alpha = max(every, key=lambda one: float(every[one][:, 2].mean()))
                told[opponent] = line(every[alpha], ours) | {"alpha": alpha}
    orders_ = [(np.array([one.task.path[0] for one in order]), training.table(order, arms)) for order in drawn]
    found["best_single_in_hindsight"] = _mean(rewards.mean(axis=0).max() for _, rewards in orders_)
    found["best_of_kind_in_hindsight"] = _mean(
        sum(rewards[names == name].sum(axis=0).max() for name in np.unique(names)) / len(names) for names, rewards in orders_
    )
    found["oracle"] = _mean(rewards.max(axis=1).mean() for _, rewards in orders_)
    return found | {"published": PUBLISHED}


def _interval(values: Any) -> list[float]:
    low, high = mean_interval(values.tolist()) or (float("nan"), float("nan"))
    return [round(low, 3), round(high, 3)]


def _mean(values: Iterable[Any]) -> float:
    return round(100 * float(np.mean(list(values))), 3)
