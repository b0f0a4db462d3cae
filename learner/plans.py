"""A plan for a task: whom to let try first, which gates its attempt must pass, and whom to escalate to. Pure arithmetic.

An attempt is good with probability p (the expected reward of its model on such tasks). A set of gates lets a good attempt through with
probability 1 - false alarms, and a bad one with 1 - recall. What the gates stop is undone and goes to the next model. Tasks on which one
model failed are harder for the next: their odds are multiplied by `HARDER`. From these follow a plan's expected reward (a good attempt
gets through), its expected cost (every attempt that is made), and the best plan: most reward less its price, within the budget.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, permutations

from git_hone.learner.router.exported import Z95, Expected

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any, Final, NamedTuple
else:
    from git_hone.learner.named import NamedTuple

HARDER: Final = 0.5
"""Odds of the next model on a task that the one before failed, relative to what they would be without knowing that."""
LONGEST: Final = 3
"""Attempts in a plan at most: after three, a person knows more than the next model."""
GATES: Final = ("compile", "lint", "type", "test")
"""In the order in which they run: the cheapest first."""
GOOD: Final = 0.5
"""From this reward on, an attempt counts as good when gates are judged."""
PRIOR_ROWS: Final = 10.0
STOPPED: Final = ("stopped", "failed")
"""Ends of an attempt that are the model's own fault. A time-out or an endpoint that cannot be reached is nobody's bad code."""


class Gate(NamedTuple):
    """How a gate judges. recall: share of bad attempts that it stops; false_alarm: share of good ones that it stops; n: attempts that
    this rests on beside the prior."""

    kind: str
    recall: float
    false_alarm: float
    n: int = 0


PRIOR: Final[dict[str, Gate]] = {
    "compile": Gate("compile", 0.15, 0.005),
    "lint": Gate("lint", 0.10, 0.05),
    "type": Gate("type", 0.25, 0.03),
    "test": Gate("test", 0.60, 0.03),
}
"""What a gate is taken to do before this repository has shown it, worth `PRIOR_ROWS` attempts. Judgement, not measurement: tests stop
most of what is wrong, a compiler little that a model still writes, a linter mostly style."""


class Step(NamedTuple):
    """One attempt of a plan: the model, how likely it is reached, and how likely its attempt is good when it is."""

    model: str
    reached: float
    good: float


class Plan(NamedTuple):
    """A plan and what is expected of it. reward: probability of a good change at the end, with its interval; cost_usd: expected;
    most_usd: if every attempt is needed."""

    steps: tuple[Step, ...]
    gates: tuple[str, ...]
    reward: float
    low: float
    high: float
    cost_usd: float
    most_usd: float

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(step.model for step in self.steps)


def measured(kind: str, seen: Iterable[tuple[bool, bool]]) -> Gate:
    """The gate after (was good, was stopped) of past attempts, with the prior's rows added.

    >>> measured("test", [(False, True)] * 30 + [(True, False)] * 30).recall
    0.9
    """
    rows = list(seen)
    prior = PRIOR.get(kind, Gate(kind, 0.1, 0.05))
    bad = [stopped for good, stopped in rows if not good]
    good = [stopped for good, stopped in rows if good]
    return Gate(
        kind,
        (sum(bad) + PRIOR_ROWS * prior.recall) / (len(bad) + PRIOR_ROWS),
        (sum(good) + PRIOR_ROWS * prior.false_alarm) / (len(good) + PRIOR_ROWS),
        len(rows),
    )


def together(gates: Iterable[Gate]) -> Gate:
    """Several gates as one: a bad attempt must get past each of them, and so must a good one. Taken as independent, which flatters the
    recall of gates that find the same faults.

    >>> both = together([Gate("a", 0.5, 0.1), Gate("b", 0.5, 0.0)])
    >>> both.recall, both.false_alarm
    (0.75, 0.1)
    """
    known = list(gates)
    return Gate(
        "+".join(gate.kind for gate in known),
        1.0 - math.prod(1.0 - gate.recall for gate in known),
        round(1.0 - math.prod(1.0 - gate.false_alarm for gate in known), 12),
    )


def weigh(models: Sequence[str], expected: Mapping[str, Expected], gates: Sequence[Gate]) -> Plan:
    """What is to be expected of these attempts in this order. The last one's attempt stays, whatever its gates say.

    With nothing to stop an attempt, a second one is never reached:

    >>> sure = {"a": Expected(0.6, 0.5, 0.7, 1.0, 9), "b": Expected(0.9, 0.8, 1.0, 10.0, 9)}
    >>> weigh(["a", "b"], sure, []).reward
    0.6
    >>> plan = weigh(["a", "b"], sure, [Gate("test", 1.0, 0.0)])
    >>> round(plan.reward, 3), round(plan.cost_usd, 3)
    (0.927, 5.0)
    """
    gate = together(gates)
    reward, steps = _reward(models, [expected[model].reward for model in models], gate)
    low, _ = _reward(models, [expected[model].low for model in models], gate)
    high, _ = _reward(models, [expected[model].high for model in models], gate)
    costs = [expected[model].cost_usd for model in models]
    cost = math.fsum(step.reached * price for step, price in zip(steps, costs, strict=True))
    return Plan(steps, tuple(gate.kind for gate in gates), reward, min(low, reward), max(high, reward), cost, math.fsum(costs))


def _reward(models: Sequence[str], chances: Sequence[float], gate: Gate) -> tuple[float, tuple[Step, ...]]:
    """Probability of a good change at the end. `hard` is the share, among the tasks that reach a step, of those that a model before
    failed; the others were good and stopped by a false alarm."""
    reached, hard, won, steps = 1.0, 0.0, 0.0, []
    for k, (model, chance) in enumerate(zip(models, chances, strict=True)):
        good = (1 - hard) * chance + hard * _harder(chance)
        last = k == len(models) - 1
        steps.append(Step(model, reached, good))
        won += reached * good * (1.0 if last else 1 - gate.false_alarm)
        failed, alarmed = (1 - good) * gate.recall, good * gate.false_alarm
        stopped = failed + alarmed
        hard = failed / stopped if stopped else 0.0
        reached *= 0.0 if last else stopped
    return won, tuple(steps)


def _harder(chance: float) -> float:
    """The chance with its odds multiplied by `HARDER`."""
    return HARDER * chance / (1 - chance + HARDER * chance)


def candidates(
    expected: Mapping[str, Expected], gates: Sequence[Gate], *, budget_usd: float | None = None, longest: int = LONGEST
) -> list[Plan]:
    """Every plan that could be sensible: each model alone and, where there are gates, each order of models that grows dearer. Those
    whose every attempt together would break the budget are left out."""
    orders = permutations(sorted(expected, key=lambda model: (expected[model].cost_usd, model)), 1)
    asked: list[tuple[str, ...]] = list(orders)
    if gates:
        for size in range(2, min(longest, len(expected)) + 1):
            asked += [
                order for order in permutations(expected, size)
                if all(expected[one].cost_usd <= expected[two].cost_usd for one, two in pairwise(order))
            ]  # fmt: skip
    plans = [weigh(order, expected, gates) for order in asked]
    return [plan for plan in plans if budget_usd is None or plan.most_usd <= budget_usd]


def ranked(plans: Iterable[Plan], price_of_reward: float | None) -> list[Plan]:
    """Best first: reward less cost / `price_of_reward` (USD that a whole point of reward is worth; None: cost does not matter). Of
    equal ones the cheaper, then the shorter."""
    worth = 0.0 if price_of_reward is None else 1.0 / price_of_reward
    return sorted(plans, key=lambda plan: (-(plan.reward - worth * plan.cost_usd), plan.cost_usd, len(plan.steps), plan.models))


def chances(
    rivals: Sequence[Plan], expected: Mapping[str, Expected], price_of_reward: float | None, gates: Sequence[Gate]
) -> dict[str, float]:
    """Plan (its models joined by " > ") -> probability that it is worth the most, were each model's mean reward drawn from a normal
    distribution as wide as its interval: by the differences between plans and their derivatives (the delta method), so that a model that
    both use counts once. Exact in that for two; for more the product over the others, made to sum to 1, as if the comparisons were
    independent."""
    worth = 0.0 if price_of_reward is None else 1.0 / price_of_reward

    def value(plan: Plan) -> float:
        return plan.reward - worth * plan.cost_usd

    moves: list[dict[str, float]] = []
    for plan in rivals:
        moved = {}
        for model in plan.models:
            known = expected[model]
            error = max(known.high - known.reward, known.reward - known.low) / Z95
            if error:
                step = error if known.reward + error <= 1.0 else -error
                at = weigh(plan.models, {**expected, model: known._replace(reward=known.reward + step)}, gates)
                moved[model] = (value(at) - value(plan)) * error / step
        moves.append(moved)
    found = {}
    for k, plan in enumerate(rivals):
        chance = 1.0
        for j, other in enumerate(rivals):
            if j != k:
                ahead = value(plan) - value(other)
                variance = math.fsum((moves[k].get(one, 0.0) - moves[j].get(one, 0.0)) ** 2 for one in {*moves[k], *moves[j]})
                chance *= (
                    0.5 * math.erfc(-ahead / math.sqrt(2 * variance)) if variance else (float(ahead > 0) or 0.5 * (ahead == 0))
                )
        found[" > ".join(plan.models)] = chance
    whole = math.fsum(found.values())
    return {name: chance / whole for name, chance in found.items()}


def as_json(plan: Plan) -> dict[str, Any]:
    """For the record, and for machines."""
    return {
        "steps": [
            {"model": step.model, "reached": round(step.reached, 4), "expected_good": round(step.good, 4)} for step in plan.steps
        ],
        "gates": list(plan.gates),
        "expected": {"reward": round(plan.reward, 4), "low": round(plan.low, 4), "high": round(plan.high, 4),
                     "cost_usd": plan.cost_usd, "most_usd": plan.most_usd},
    }  # fmt: skip
