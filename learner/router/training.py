"""From examples to a router: choose the settings by cross-validation, calibrate out of fold, price the reward, fit, export.

Nothing here is drawn at random but the folds, which follow from the examples' own groups: the same examples give the same router.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from git_hone.learner.router.estimator import RewardModel
from git_hone.learner.router.exported import Node, Router
from git_hone.learner.router.features import FINE, Task, nodes, words

Array = npt.NDArray[np.float64]

SHRINKAGE: Final = (3.0, 10.0, 30.0)
CONTRAST: Final = (10.0, 30.0, 90.0)
ALPHA: Final = (2.0, 4.0, 10.0)
FOLDS: Final = 5
COST_SHRINKAGE: Final = 10.0
MOST_WEIGHTS: Final = 16_000
"""Weights of hashed words kept in an exported router, over all arms: those that matter most. They bound its file to about 300 kB, which is
read whenever a choice is made."""


@dataclass(frozen=True)
class Example:
    """A task and what became of it: reward (0..1) and cost (USD) of each arm that was tried. `group`: examples of one group
    are never split between fitting and judging (one task, one file family)."""

    task: Task
    rewards: Mapping[str, float]
    costs: Mapping[str, float]
    group: str


@dataclass(frozen=True)
class Settings:
    """What cross-validation chose, as in `RewardModel`; an infinite alpha leaves the words out."""

    shrinkage: float
    contrast: float
    alpha: float


Bag = Mapping[int, float]
"""A task's hashed words: `features.words` of its text. Hashed once for all folds and settings."""


def bags_of(tasks: Iterable[Task]) -> list[Bag]:
    return [words(task.text, FINE) for task in tasks]


class Encoder:
    """Tasks as rows of numbers: a code for each level of the path, then the hashed words, each times its inverse document
    frequency ln((1 + n) / (1 + tasks with it)) + 1, over the largest there can be."""

    def __init__(self, tasks: Sequence[Task], bags: Sequence[Bag] | None = None) -> None:
        self.levels = max((len(task.path) for task in tasks), default=0)
        self.codes: dict[str, int] = {}
        seen: dict[int, int] = {}
        for task, bag in zip(tasks, bags or bags_of(tasks), strict=True):
            for name in nodes(task.path):
                self.codes.setdefault(name, len(self.codes))
            for bucket in bag:
                seen[bucket] = seen.get(bucket, 0) + 1
        self.columns = {bucket: k for k, bucket in enumerate(sorted(b for b, n in seen.items() if n > 1))}
        most = math.log((1 + len(tasks)) / 2) + 1
        self.idf = np.array([(math.log((1 + len(tasks)) / (1 + seen[bucket])) + 1) / most for bucket in self.columns])

    def rows(self, tasks: Sequence[Task], bags: Sequence[Bag] | None = None) -> sparse.csr_matrix:
        """(n, levels + words)"""
        codes = np.full((len(tasks), self.levels), -1.0)
        data: list[float] = []
        columns: list[int] = []
        ends = [0]
        for row, (task, bag) in enumerate(zip(tasks, bags or bags_of(tasks), strict=True)):
            for level, name in enumerate(nodes(task.path)):
                codes[row, level] = self.codes.get(name, -1)
            for bucket, weight in bag.items():
                column = self.columns.get(bucket)
                if column is not None:
                    columns.append(column)
                    data.append(weight * self.idf[column])
            ends.append(len(data))
        text = sparse.csr_matrix((data, columns, ends), shape=(len(tasks), len(self.columns)))
        return sparse.hstack([sparse.csr_matrix(codes), text], format="csr")


def table(examples: Sequence[Example], arms: Sequence[str], what: str = "rewards") -> Array:
    """(examples, arms) of `rewards` or `costs`; NaN where the arm was not tried."""
    return np.array([[getattr(one, what).get(arm, math.nan) for arm in arms] for one in examples], dtype=float)


def fold_of(group: str, folds: int = FOLDS) -> int:
    """The fold of a group: by its name alone, so it stays where it is when examples are added."""
    return zlib.crc32(group.encode()) % folds


def out_of_fold(
    examples: Sequence[Example], arms: Sequence[str], settings: Iterable[Settings], folds: int = FOLDS
) -> dict[Settings, Array]:
    """(examples, arms) of rewards, each predicted by a model that saw no example of the same group; one for each setting."""
    asked = list(settings)
    found = {one: np.full((len(examples), len(arms)), math.nan) for one in asked}
    at = np.array([fold_of(one.group, folds) for one in examples])
    worded = any(math.isfinite(one.alpha) for one in asked)
    bags: list[Bag] = bags_of(one.task for one in examples) if worded else [{}] * len(examples)
    for fold in range(folds):
        learn, judge = np.flatnonzero(at != fold).tolist(), np.flatnonzero(at == fold).tolist()
        if not learn or not judge:
            continue
        encoder = Encoder([examples[k].task for k in learn], [bags[k] for k in learn])
        known, unseen = (encoder.rows([examples[k].task for k in rows], [bags[k] for k in rows]) for rows in (learn, judge))
        rewards = table([examples[k] for k in learn], arms)
        tried = ~np.isnan(rewards).all(axis=0)
        for one in asked:
            model = RewardModel(encoder.levels, one.shrinkage, one.contrast, one.alpha).fit(known, rewards[:, tried])
            found[one][np.ix_(np.array(judge), np.flatnonzero(tried))] = model.predict(unseen)
    return found


def choose_settings(examples: Sequence[Example], arms: Sequence[str]) -> tuple[Settings, Array]:
    """The settings with the least squared error out of fold, and their predictions: how much a kind says of tasks, then, by the error of
    the differences between arms, how much it says of arms, and how much the words may say. That of the words is what is left after the
    best slope and offsets: predictions are calibrated afterwards, so only what calibration cannot mend counts against them."""
    rewards = table(examples, arms)

    def best(grid: Iterable[Settings], error: Callable[[Array], float]) -> tuple[Settings, Array]:
        return min(out_of_fold(examples, arms, grid).items(), key=lambda item: error(item[1]))

    def whole(predicted: Array) -> float:
        return float(np.nanmean((predicted - rewards) ** 2))

    def between(predicted: Array) -> float:
        errors = predicted - rewards
        several = (~np.isnan(errors)).sum(axis=1) > 1
        return float(np.nanmean(_centred(errors[several]) ** 2)) if several.any() else whole(predicted)

    def sloped(predicted: Array) -> float:
        known = np.where(np.isnan(rewards), math.nan, predicted)
        several = (~np.isnan(known)).sum(axis=1) > 1
        if not several.any():
            return whole(predicted)
        both = (_centred(values[several]) for values in (known, np.where(np.isnan(known), math.nan, rewards)))
        x, y = (np.nan_to_num(values - np.nanmean(values, axis=0)) for values in both)
        return float((y * y).sum() - (x * y).sum() ** 2 / max((x * x).sum(), 1e-12))

    found, predicted = best((Settings(k, CONTRAST[1], math.inf) for k in SHRINKAGE), whole)
    found, predicted = best((Settings(found.shrinkage, k, math.inf) for k in CONTRAST), between)
    if any(one.task.text for one in examples):
        found, predicted = best((replace(found, alpha=alpha) for alpha in (math.inf, *ALPHA)), sloped)
    return found, predicted


def _centred(values: Array) -> Array:
    """Each row less its mean over the arms that are known."""
    return np.asarray(values - np.nanmean(values, axis=1, keepdims=True))


def calibrate(predicted: Array, rewards: Array, prior_rows: float = 50.0) -> tuple[Array, Array, Array]:
    """(slope, offset, spread) of each arm: the line from predictions to rewards, drawn towards the identity as by `prior_rows`
    rows that lie on it; and the standard deviation of rewards around it. The slope is one for all arms: a slope of its own for each
    would make up differences between arms out of noise."""
    known = ~np.isnan(predicted) & ~np.isnan(rewards)
    x, y = np.where(known, predicted, math.nan), np.where(known, rewards, math.nan)
    rows = known.sum(axis=0)
    safe = np.maximum(rows, 1)
    mean_x, mean_y = np.nansum(x, axis=0) / safe, np.nansum(y, axis=0) / safe
    dx, dy = np.nan_to_num(x - mean_x), np.nan_to_num(y - mean_y)
    variance = float((dx * dx).sum())
    slope = float((dx * dy).sum()) / variance if variance > 1e-9 else 1.0
    slope = 1.0 + known.sum() / (known.sum() + prior_rows * rewards.shape[1]) * (slope - 1.0)
    weight = rows / (rows + prior_rows)
    offset = weight * mean_y + (1 - weight) * mean_x - slope * mean_x
    error = np.nan_to_num(y - offset - slope * x)
    spread = np.where(rows > 1, np.sqrt((error * error).sum(axis=0) / safe), 0.5)
    return np.full(rewards.shape[1], slope), offset, spread


def chosen(rewards: Array, costs: Array, price: float) -> npt.NDArray[np.int64]:
    """Each row's arm of most reward less `price` (reward per USD) times cost; an arm that is not known is never chosen."""
    worth = np.nan_to_num(rewards - price * costs, nan=-math.inf)
    return np.asarray(worth.argmax(axis=1))


PRICES: Final = (0.0, *(float(f"{10 ** (k / 32):.4g}") for k in range(-32, 129)))
"""Reward per USD: 0, and 0.1 to 10,000 in equal ratios."""


class Swept(NamedTuple):
    """Choices at each of `PRICES`: mean reward, mean cost (USD a task), and the standard error of the difference in reward to the
    best of them, on the same tasks. single: mean reward of each arm, were it always chosen."""

    reward: Array
    cost: Array
    error: Array
    single: Array


Aim = Callable[[Swept], int]
"""Which of `PRICES` to take."""


def keep_reward(share: float = 1.0, least: float = 0.002) -> Aim:
    """The cheapest whose mean reward is below the highest by at most `share` standard errors of the difference, a loss that this
    many examples cannot tell from none: the one-standard-error rule of Breiman et al. (1984), with cost for simplicity. A loss of up to
    `least` is accepted however many examples there are."""

    def aim(swept: Swept) -> int:
        lost = swept.reward.max() - swept.reward
        return _first(lost <= np.maximum(share * swept.error, least) + 1e-12, swept.cost)

    return aim


def as_good_as(level: float) -> Aim:
    """The cheapest whose mean reward is at least `level`; where none is, the one of highest reward."""
    return lambda swept: (
        _first(swept.reward >= level, swept.cost) if (swept.reward >= level).any() else int(swept.reward.argmax())
    )


def as_good_as_arm(arm: int) -> Aim:
    """The same, with the mean reward of always choosing one arm (its column)."""
    return lambda swept: as_good_as(float(swept.single[arm]))(swept)


def within(budget_usd: float) -> Aim:
    """The highest mean reward at a mean cost (USD a task) within the budget; where none is, the cheapest."""
    return lambda swept: (
        _first(swept.cost <= budget_usd, -swept.reward) if (swept.cost <= budget_usd).any() else int(swept.cost.argmin())
    )


def _first(able: npt.NDArray[np.bool_], order: Array) -> int:
    return int(np.lexsort((order, ~able))[0])


def sweep(predicted: Array, expected_costs: Array, rewards: Array, costs: Array) -> Swept:
    """What the choices at each of `PRICES` came to: as measured where the chosen arm was tried, else as predicted out of fold."""
    rows = np.arange(len(rewards))
    rewards, costs = (np.where(np.isnan(known), said, known) for known, said in ((rewards, predicted), (costs, expected_costs)))
    picks = [chosen(predicted, expected_costs, price) for price in PRICES]
    got = np.array([rewards[rows, arm] for arm in picks])
    mean = got.mean(axis=1)
    lost = got[int(mean.argmax())] - got
    cost = np.array([costs[rows, arm].mean() for arm in picks])
    return Swept(mean, cost, lost.std(axis=1) / np.sqrt(len(rows)), np.nanmean(rewards, axis=0))


def train(
    examples: Sequence[Example], arms: Sequence[str], *, aim: Aim | None = None, about: Mapping[str, Any] | None = None
) -> Router:
    """A router learned from `examples`. Raises ValueError when there are no examples, or an arm was never tried."""
    if not examples:
        raise ValueError("no examples to learn from")
    rewards, costs = table(examples, arms), table(examples, arms, "costs")
    never = [arm for arm, column in zip(arms, rewards.T, strict=True) if np.isnan(column).all()]
    if never:
        raise ValueError(f"never tried: {', '.join(never)}")
    settings, predicted = choose_settings(examples, arms)
    slope, offset, spread = calibrate(predicted, rewards)
    router = _fit(examples, arms, settings, slope, offset, spread)
    expected_costs = np.array([[one.cost_usd for one in router.expect(example.task).values()] for example in examples])
    swept = sweep(offset + slope * predicted, expected_costs, rewards, costs)
    at = (aim or keep_reward())(swept)
    told = {
        "examples": len(examples),
        "settings": {
            "shrinkage": settings.shrinkage,
            "contrast": settings.contrast,
            "alpha": settings.alpha if math.isfinite(settings.alpha) else None,
        },
        "out_of_fold": {"reward": round(float(swept.reward[at]), 6), "cost_usd": float(f"{swept.cost[at]:.6g}")},
    }
    return router._replace(price_of_reward=1 / PRICES[at] if PRICES[at] else None, about=told | dict(about or {}))


def _fit(
    examples: Sequence[Example], arms: Sequence[str], settings: Settings, slope: Array, offset: Array, spread: Array
) -> Router:
    tasks = [one.task for one in examples]
    encoder = Encoder(tasks)
    rows = encoder.rows(tasks)
    model = RewardModel(encoder.levels, settings.shrinkage, settings.contrast, settings.alpha).fit(rows, table(examples, arms))
    costs = table(examples, arms, "costs")
    costs = np.where(np.isnan(costs).all(axis=0), 0.0, costs)  # an arm whose cost nobody measured is taken for free
    price = RewardModel(encoder.levels, COST_SHRINKAGE, COST_SHRINKAGE, math.inf).fit(rows, costs)
    root = Node((model.root_ + model.intercept_).tolist(), _tried(examples, arms), _usd(price.root_))
    kinds = {}
    for name, code in encoder.codes.items():
        level = name.count("/")
        mean, n = model.nodes_[level][float(code)]
        kinds[name] = Node((mean + model.intercept_).tolist(), n.tolist(), _usd(price.nodes_[level][float(code)][0]))
    weights = model.coef_ * encoder.idf if len(encoder.columns) else model.coef_
    loud = _loudness(model.coef_, rows[:, encoder.levels :])
    kept = set(np.argsort(-loud, kind="stable")[: MOST_WEIGHTS // len(arms)].tolist())
    words_ = {bucket: weights[:, k].tolist() for bucket, k in encoder.columns.items() if k in kept and loud[k] > 0}
    return Router(tuple(arms), root, kinds, words_, slope.tolist(), offset.tolist(), spread.tolist(), settings.contrast)


def _usd(costs: Array) -> list[float]:
    """What was summed and divided, as costs: none is below 0, and none is smaller than any price can make it."""
    return [max(0.0, round(cost, 12)) for cost in costs.tolist()]


def _loudness(weights: Array, words_: sparse.csr_matrix) -> Array:
    """How much each word moves the choice on these tasks: the largest difference that it makes between two arms (with one arm, its weight),
    times the root of the sum of squares of its column. By weight alone rare words would crowd out the common ones."""
    reach = np.abs(weights[0]) if len(weights) == 1 else np.ptp(weights, axis=0)
    return np.asarray(reach * np.sqrt(np.asarray(words_.multiply(words_).sum(axis=0)).ravel()))


def _tried(examples: Iterable[Example], arms: Sequence[str]) -> list[int]:
    return [sum(arm in one.rewards for one in examples) for arm in arms]
