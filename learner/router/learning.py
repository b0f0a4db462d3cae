"""From what was tried here to a router, and what it is worth beside choices that learn nothing. Pure: records in, numbers out.

A run tells of one model only, so nothing can be looked up: every policy is judged by the doubly robust estimate of
`git_hone.learner.offpolicy` on the same runs, with rewards and costs predicted out of fold, and routers that never saw the fold they
choose for. The probability with which a model was chosen is the logged one where git-hone chose; else it is estimated by how often
tasks of that kind went to the model, which holds only as far as the kind of task is all that people chose by.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from git_hone.learner import offpolicy
from git_hone.learner.errors import UsageError
from git_hone.learner.experience import Tried, group_of
from git_hone.learner.router import training
from git_hone.learner.router.exported import Router
from git_hone.learner.router.training import Aim, Example, fold_of
from git_hone.learner.variants import Model

Array = npt.NDArray[np.float64]

LEAST_EXAMPLES: Final = 30
LEAST_LOGGED: Final = 0.02
"""Propensities that are estimated are never taken for less: a weight of 50 at most."""
KIND_ROWS: Final = 10.0


class Target(NamedTuple):
    """What the router's price is chosen for: "keep-reward", "as-good-as" a model, or a mean "budget" in USD a task."""

    name: str = "keep-reward"
    model: str | None = None
    usd: float | None = None

    @classmethod
    def read(cls, text: str) -> Target:
        """Raises UsageError for anything else.

        >>> Target.read("budget:0.02").usd, Target.read("as-good-as:opus:4").model
        (0.02, 'opus:4')
        """
        name, _, rest = text.partition(":")
        try:
            if name == "keep-reward" and not rest:
                return cls()
            if name == "as-good-as" and rest:
                return cls(name, model=rest)
            if name == "budget" and math.isfinite(usd := float(rest)) and usd >= 0:
                return cls(name, usd=usd)
        except ValueError:
            pass
        raise UsageError(f"--target {text}: not one that is known",
                         tip="keep-reward, as-good-as:MODEL or budget:USD (mean cost of a task)")  # fmt: skip

    def __str__(self) -> str:
        return ":".join([self.name, *([self.model] if self.model else []), *([f"{self.usd:g}"] if self.usd is not None else [])])

    def aim(self, arms: Sequence[str]) -> Aim:
        if self.model is not None:
            return training.as_good_as_arm(list(arms).index(self.model)) if self.model in arms else training.keep_reward()
        return training.keep_reward() if self.usd is None else training.within(self.usd)


@dataclass(frozen=True)
class Lessons:
    """What can be learned from: an example for each run, and beside it the model's column in `arms` and the probability with which
    it was chosen (None: nobody wrote it down). left_out: reason -> runs."""

    examples: tuple[Example, ...]
    arms: tuple[str, ...]
    logged: tuple[float | None, ...]
    left_out: Mapping[str, int]


def lessons(rows: Iterable[Tried], models: Sequence[Model]) -> Lessons:
    """The runs that a router can learn from. A repair after another model's failure is left out: its task is harder than the others
    were, which is not the model's fault."""
    known = {name: one.id for one in models for name in (one.model, one.id)}
    kept: list[tuple[Example, float | None]] = []
    left: Counter[str] = Counter()
    for one in rows:
        arm = known.get(one.model or "")
        if one.model is None:
            left["the agent never named its model"] += 1
        elif arm is None:
            left[f"{one.model} is not in model_variants.json"] += 1
        elif one.reward is None:
            left["no reward yet"] += 1
        elif one.step:
            left["an escalation: another model had failed the task before"] += 1
        else:
            costs = {} if one.cost_usd is None else {arm: one.cost_usd}
            logged = one.propensity if one.decided == "model" and one.chosen == arm else None
            kept.append((Example(one.task, {arm: one.reward}, costs, group_of(one)), logged))
    arms = sorted({arm for example, _ in kept for arm in example.rewards})
    return Lessons(tuple(one for one, _ in kept), tuple(arms), tuple(logged for _, logged in kept), dict(left))


def too_few(known: Lessons) -> str | None:
    """Why nothing can be learned from these yet, and what is needed; None when something can."""
    n, arms = len(known.examples), known.arms
    if not n:
        return f"no run has both a reward and a known model yet; {LEAST_EXAMPLES} of at least two models are needed"
    if n < LEAST_EXAMPLES:
        return f"{n} runs with a reward; {LEAST_EXAMPLES} are needed"
    if len(arms) < 2:
        return f"only {arms[0]} was tried: with one model there is nothing to choose; let a second one do some tasks"
    for arm in arms:
        folds = {fold_of(one.group) for one in known.examples if arm in one.rewards}
        if len(folds) < 2:
            return (f"all runs of {arm} touched the same folders in the same week, so nothing is left to judge by; "
                    "runs elsewhere or of another week are needed")  # fmt: skip
    return None


@dataclass(frozen=True)
class Ground:
    """What policies are judged on: n choices, with rewards and costs (USD) of every arm predicted out of fold. A cost that is not
    known counts as its prediction."""

    arms: tuple[str, ...]
    arm: npt.NDArray[np.int64]
    propensity: Array
    reward: Array
    cost: Array
    rewards: Array
    costs: Array

    def log(self, price: float = 0.0) -> tuple[offpolicy.Log, Array]:
        """The log of reward less `price` (reward per USD) times cost, and its model."""
        worth = self.reward - price * self.cost
        return offpolicy.Log(self.arm, self.propensity, worth), self.rewards - price * self.costs


def ground(known: Lessons, propensity: Array | None = None) -> Ground:
    """`propensity`: (n,), else logged and estimated ones."""
    examples, arms = known.examples, known.arms
    _, rewards = training.choose_settings(examples, arms)
    seen, paid = training.table(examples, arms), training.table(examples, arms, "costs")
    arm = np.array([arms.index(next(iter(one.rewards))) for one in examples])
    rows = np.arange(len(examples))
    fold = np.array([fold_of(one.group) for one in examples])
    rewards = np.where(np.isnan(rewards), np.nanmean(seen, axis=0), rewards)
    costs = np.empty(paid.shape)
    for k in range(len(arms)):
        whole = _mean(paid[:, k], 0.0)
        for one in np.unique(fold):
            costs[fold == one, k] = _mean(paid[fold != one, k], whole)
    logged = _estimated(known, arm, fold) if propensity is None else propensity
    cost = np.where(np.isnan(paid[rows, arm]), costs[rows, arm], paid[rows, arm])
    return Ground(arms, arm, logged, seen[rows, arm], cost, rewards, costs)


def _mean(values: Array, otherwise: float) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else otherwise


def _estimated(known: Lessons, arm: npt.NDArray[np.int64], fold: npt.NDArray[np.int64]) -> Array:
    """The logged propensities, and where there is none, the share of the arm among tasks of the same kind in the other folds, drawn
    towards its share in all of them."""
    kinds = np.array([one.task.path[0] for one in known.examples])
    found = np.empty(len(arm))
    for row in range(len(arm)):
        logged = known.logged[row]
        if logged is not None:
            found[row] = logged
            continue
        other = fold != fold[row]
        alike = other & (kinds == kinds[row])
        overall = ((arm[other] == arm[row]).sum() + 1) / (other.sum() + len(known.arms))
        share = ((arm[alike] == arm[row]).sum() + KIND_ROWS * overall) / (alike.sum() + KIND_ROWS)
        found[row] = max(LEAST_LOGGED, float(share))
    return found


class Worth(NamedTuple):
    """What a policy comes to, a task: reward (0..1) and cost (USD), doubly robust, with 95 % intervals. less: the router's
    worth less the policy's, in reward (cost counted at the router's price); None for the router itself. beaten: the whole interval of
    `less` is above 0, and enough of the runs speak for both."""

    reward: offpolicy.Estimate
    cost: offpolicy.Estimate
    ess: float
    less: offpolicy.Estimate | None = None
    verdict: offpolicy.Verdict | None = None
    needed: int | None = None

    @property
    def beaten(self) -> bool:
        return self.verdict == "better"


def worth_of(on: Ground, policy: Array) -> Worth:
    log, model = on.log()
    reward = offpolicy.judge(log, policy, model)
    cost = offpolicy.judge(replace(log, reward=on.cost), policy, on.costs)
    return Worth(reward.dr, cost.dr, reward.ess)


def against(on: Ground, policy: Array, other: Array, price: float) -> Worth:
    """`other`, with the difference of `policy` to it at `price` (reward per USD)."""
    compared = offpolicy.compare(*_at(on, price, policy, other))
    return worth_of(on, other)._replace(less=compared.difference, verdict=compared.verdict, needed=compared.needed)


def _at(on: Ground, price: float, one: Array, two: Array) -> tuple[offpolicy.Log, Array, Array, Array]:
    log, model = on.log(price)
    return log, one, two, model


@dataclass(frozen=True)
class Learned:
    """A router, and what it and the dumb choices are worth on the same runs out of fold. estimated: runs whose propensity nobody
    logged."""

    router: Router
    own: Worth
    beside: Mapping[str, Worth]
    estimated: int


def learn(known: Lessons, models: Sequence[Model], target: Target, about: Mapping[str, Any]) -> Learned:
    """Train on all of them, and judge by routers that are trained without the fold that they choose for. Raises UsageError when
    there is too little (`too_few`), or the target names a model that was not tried."""
    if says := too_few(known):
        raise UsageError(says)
    if target.model is not None and target.model not in known.arms:
        raise UsageError(f"--target as-good-as:{target.model}: not tried here", tip=f"one of {', '.join(known.arms)}")
    router = training.train(known.examples, known.arms, aim=target.aim(known.arms))
    price = price_of(router)
    on = ground(known)
    own = chosen_by(known, target)
    told = {name: against(on, own, policy, price) for name, policy in dumb(known, models).items()}
    mine = worth_of(on, own)
    said = dict(router.about) | {"target": str(target), "out_of_fold": _brief(mine)} | dict(about)
    said["beside"] = {name: _brief(one) | {"beaten": one.beaten} for name, one in told.items()}
    return Learned(router._replace(about=said), mine, told, sum(one is None for one in known.logged))


def _brief(worth: Worth) -> dict[str, Any]:
    return {"reward": float(f"{worth.reward.value:.4g}"), "cost_usd": float(f"{worth.cost.value:.4g}")}


def price_of(router: Router | None, otherwise: float = 0.0) -> float:
    """Reward per USD."""
    if router is None:
        return otherwise
    return 1.0 / router.price_of_reward if router.price_of_reward else 0.0


def without_fold(known: Lessons, target: Target) -> dict[int, Router]:
    """For each fold the router that is trained on the others."""
    found = {}
    for fold in sorted({fold_of(one.group) for one in known.examples}):
        rest = [one for one in known.examples if fold_of(one.group) != fold]
        arms = [arm for arm in known.arms if any(arm in one.rewards for one in rest)]
        if any(len({fold_of(one.group) for one in rest if arm in one.rewards}) > 1 for arm in arms):
            found[fold] = training.train(rest, arms, aim=target.aim(arms))
    return found


def chosen_by(known: Lessons, target: Target) -> Array:
    """(n, arms): 1 for the arm that a router without the run's fold takes. Where the rest is too little for a router, the arm of the
    highest mean reward in the other folds."""
    routers = without_fold(known, target)
    best = best_single(known)
    found = np.zeros(best.shape)
    for row, one in enumerate(known.examples):
        router = routers.get(fold_of(one.group))
        arm = router.choose(one.task) if router else None
        found[row] = best[row] if arm is None else np.eye(len(known.arms))[known.arms.index(arm)]
    return found


def best_single(known: Lessons) -> Array:
    """Always the arm of the highest mean reward, as the other folds have it."""
    rewards = training.table(known.examples, known.arms)
    fold = np.array([fold_of(one.group) for one in known.examples])
    found = np.zeros(rewards.shape)
    for one in np.unique(fold):
        means = [_mean(column[fold != one], -math.inf) for column in rewards.T]
        found[fold == one, int(np.argmax(means))] = 1.0
    return found


def dumb(known: Lessons, models: Sequence[Model]) -> dict[str, Array]:
    """Choices that learn nothing of tasks, (n, arms) each. A baseline that no tried model fits is left out."""
    n, arms = len(known.examples), known.arms
    tried = [one for one in models if one.id in arms]
    local = [one for one in tried if one.local]
    found = {"best single": best_single(known)}
    if local:
        found["always local"] = _always(known, max(local, key=lambda one: _times(known, one.id)).id)
    found["always strong"] = _always(known, max(tried, key=lambda one: (one.per_1k_usd, _times(known, one.id))).id)
    found["random mix"] = np.full((n, len(arms)), 1 / len(arms))
    return found


def _times(known: Lessons, arm: str) -> int:
    return sum(arm in one.rewards for one in known.examples)


def _always(known: Lessons, arm: str) -> Array:
    found = np.zeros((len(known.examples), len(known.arms)))
    found[:, known.arms.index(arm)] = 1.0
    return found
