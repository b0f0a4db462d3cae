"""One task, one answer: which plan, which prompt, why, and with what probability. Pure, standard library only: asking is cheap.

What is expected of a model rests on the trained router where one was adopted, else on the shipped priors; either way what was seen since
(`learner/past.py`) is added to it, so that every commit counts at once. Exploration is bought between the best plans that begin with each model: one
is taken as often as it is likely to be the best of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from git_hone.learner import bandit, canary, plans
from git_hone.learner.canary import Canary
from git_hone.learner.errors import UsageError
from git_hone.learner.past import Memory, Past, Seen
from git_hone.learner.plans import Gate, Plan
from git_hone.learner.prompts import prompt_chances
from git_hone.learner.router.exported import Z95, Expected, Router
from git_hone.learner.router.features import UNKNOWN, Task
from git_hone.learner.variants import Model, Prompt, bundled, is_loopback

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any, Final, NamedTuple
else:
    from git_hone.learner.named import NamedTuple

ROUTER_ROWS: Final = 20.0
"""Rows that a trained router's word on a kind of task is worth against what was seen since it was trained."""
LOCAL_SHARE: Final = 0.75
"""What a model that runs here is first taken to reach of the cheapest tier's reward. Judgement: no small model was in the data."""
COST_ROWS: Final = 1.0
"""Rows that a prior's word on cost is worth. Few: it was measured on questions answered in one go, and an agent's attempt at a task here may
take many times the tokens."""
SPREAD: Final = 0.4
"""Standard deviation of one reward, for the intervals of priors."""
DEFAULT_PRICE: Final = 0.5
"""USD that a whole point of reward is worth where no router has priced it."""

LEAST_SHARE: Final = 1e-4
"""A plan that would be taken more rarely is not taken at all."""
NO_ROUTER: Final = "no trained router yet: `git hone router train` makes one"


class Settings(NamedTuple):
    """What the configuration says. epsilon: least share of choices given to other plans than the best, 0 for never; max_per_1k_usd: the dearest model
    considered; stop_error: see `prompt_chances`."""

    epsilon: float = 0.1
    max_per_1k_usd: float | None = None
    local_only: bool = True
    stop_error: float = 0.05


DEFAULTS: Final = Settings()


class Choice(NamedTuple):
    """The answer. shares: plan (its models joined by " > ") -> probability; prompt_shares: prompt -> probability. expected: model ->
    what is expected of it alone. reasons: for people, with a model left out and why."""

    plan: Plan
    shares: Mapping[str, float]
    prompt: Prompt
    prompt_shares: Mapping[str, float]
    expected: Mapping[str, Expected]
    reasons: tuple[str, ...]
    policy: str
    policy_version: str | None

    @property
    def propensity(self) -> float:
        return self.shares[name_of(self.plan)]


def name_of(plan: Plan) -> str:
    """A plan as an arm: its models in order."""
    return " > ".join(plan.models)


def able(models: Iterable[Model], settings: Settings) -> tuple[list[Model], list[str]]:
    """(models that may be asked, why the others may not). Raises UsageError when none is left: local_only fails closed, it never falls
    back to a model elsewhere."""
    kept: list[Model] = []
    why: list[str] = []
    for model in models:
        if settings.local_only and not (model.local and is_loopback(model.endpoint)):
            why.append(f"{model.id}: not on this machine, and privacy.local_only is on")
        elif settings.max_per_1k_usd is not None and model.per_1k_usd > settings.max_per_1k_usd:
            why.append(f"{model.id}: {model.per_1k_usd:g} USD per 1,000 tokens is over modelRouter.max_cost_per_1k_usd")
        else:
            kept.append(model)
    if not kept:
        raise UsageError("no model may be asked:\n  " + "\n  ".join(why or ["there are none"]),
                         tip="`git hone variants add` adds a model; the limits stand in .agent/learning-config.json")  # fmt: skip
    return kept, why


def expect(task: Task, models: Sequence[Model], router: Router | None, past: Sequence[Past]) -> dict[str, Expected]:
    """What each model is expected to do with this task, when it is the first to try. What a model did after another had failed says
    nothing of that: those tasks are harder (`plans.HARDER`)."""
    memory = Memory.of(past)
    trained = router.expect(task) if router else {}
    since = float(router.about.get("trained_at") or 0.0) if router else 0.0
    found = {}
    for model in models:
        known = model.id in trained
        base, rows = (trained[model.id], ROUTER_ROWS) if known else (prior(task, model), float(_priors()["rows"]))
        names, start = (model.id, model.model), since if known else None
        alike, seen = memory.seen(names, start, task.path[:1]), memory.seen(names, start)
        found[model.id] = _after(base, rows, rows if known else COST_ROWS, alike, seen)
    return found


def _after(base: Expected, rows: float, cost_rows: float, alike: Seen, seen: Seen) -> Expected:
    """`base`, first with all that was seen of the model (of the reward, for half of what it is worth), then with what was seen on such
    tasks. rows, cost_rows: what the base's word on reward and on cost is worth."""
    general = (rows * base.reward + seen.reward) / (rows + seen.n) if seen.n else base.reward
    reward = (rows * general + alike.reward) / (rows + alike.n)
    cost = _mean_cost(_mean_cost(base.cost_usd, cost_rows, seen), rows, alike)
    reach = (base.high - base.low) / 2 * math.sqrt(rows / (rows + alike.n))
    return Expected(reward, max(0.0, reward - reach), min(1.0, reward + reach), cost, base.n + alike.n)


def _mean_cost(base: float, rows: float, seen: Seen) -> float:
    return (rows * base + seen.cost_usd) / (rows + seen.n_cost) if seen.n_cost else base


def prior(task: Task, model: Model) -> Expected:
    """The shipped prior of a model's tier of price on such a task."""
    known = _priors()
    price = (model.input_per_1m_usd + model.output_per_1m_usd) / 2
    name = next(tier for tier, limit in known["tiers_usd_per_1m"].items() if price <= limit)
    cell = known["kinds"].get(task.path[0] if task.path else UNKNOWN, known["kinds"][UNKNOWN])[name]
    reward = cell["reward"] * (LOCAL_SHARE if model.local else 1.0)
    reach = Z95 * SPREAD / math.sqrt(known["rows"])
    return Expected(reward, max(0.0, reward - reach), min(1.0, reward + reach), cell["tokens"] * price / 1e6, 0)


@lru_cache(maxsize=1)
def _priors() -> dict[str, Any]:
    loaded: dict[str, Any] = bundled("router/priors.json")
    return loaded


def decide(
    task: Task,
    models: Sequence[Model],
    prompts: Sequence[Prompt],
    *,
    random: bandit.Draws,
    router: Router | None = None,
    past: Sequence[Past] = (),
    gates: Sequence[Gate] = (),
    policy: bandit.Policy | None = None,
    settings: Settings = DEFAULTS,
    budget_usd: float | None = None,
    canaries: Iterable[Canary] = (),
) -> Choice:
    """The answer. A challenger of `canaries` begins the plan of its share of the decisions, and is in no other plan. Raises UsageError when no
    model may be asked or no plan fits the budget."""
    kept, left_out = able(models, settings)
    kept, trials = canary.apart(kept, canaries)
    past = Memory.of(past)

    def weigh() -> tuple[dict[str, Expected], list[Plan], dict[str, float]]:
        expected = expect(task, kept, router, past)
        ranked = _ranked(expected, router, gates, budget_usd)
        return expected, ranked, _shares(ranked, expected, router, gates, settings.epsilon)

    # without a router, tasks of one kind are all alike, so their plans are weighed once for as long as nothing new is seen
    key = ("plans", task.path[:1], tuple(kept), tuple(gates), budget_usd, settings.epsilon)
    expected, ranked, shares = weigh() if router else past.once(key, weigh)
    led, known = list[tuple[Plan, Canary]](), dict(expected)
    for model, one in trials:
        both = {**expected, **expect(task, [model], router, past)}
        found = next((plan for plan in plans.ranked(plans.candidates(both, gates, budget_usd=budget_usd), _price(router))
                      if plan.models[0] == model.id), None)  # fmt: skip
        if found is not None:  # the budget may be too small for it
            led.append((found, one))
            known[model.id] = both[model.id]
    if led:
        shares = canary.with_shares(shares, [(name_of(plan), one.share) for plan, one in led])
    drawn, _ = bandit.draw(shares, random)
    by_name = {name_of(plan): plan for plan in (*ranked, *(plan for plan, _ in led))}
    plan = by_name[drawn]
    tried = next((one for other, one in led if other is plan), None)
    if tried is not None:
        told = f"canary: {tried.model} is tried beside {tried.beside} on {tried.share:.0%} of the decisions, whatever is expected of it"
        left_out = [told, *left_out]
    prompt_shares = prompt_chances(prompts, past, policy or bandit.Thompson(), settings.stop_error)
    prompt_id, _ = bandit.draw(prompt_shares, random)
    return Choice(
        plan, shares, next(one for one in prompts if one.id == prompt_id), prompt_shares, known,
        (*_reasons(plan, plan if tried else ranked[0], known if tried else expected, gates, router, prompt_shares[prompt_id], prompt_id,
                   len(prompt_shares) < len(prompts)), *left_out),
        "router" if router else "prior", router.version if router else None,
    )  # fmt: skip


def _ranked(
    expected: Mapping[str, Expected], router: Router | None, gates: Sequence[Gate], budget_usd: float | None
) -> list[Plan]:
    ranked = plans.ranked(plans.candidates(expected, gates, budget_usd=budget_usd), _price(router))
    if not ranked:
        least = min(one.cost_usd for one in expected.values())
        raise UsageError(f"no plan fits the budget of {budget_usd:g} USD: the cheapest attempt costs about {least:.4g} USD",
                         tip="raise --budget, or add a cheaper model with `git hone variants add`")  # fmt: skip
    return ranked


def _price(router: Router | None) -> float | None:
    return router.price_of_reward if router else DEFAULT_PRICE


def _shares(
    ranked: Sequence[Plan], expected: Mapping[str, Expected], router: Router | None, gates: Sequence[Gate], epsilon: float
) -> dict[str, float]:
    """Plan -> probability, for the best plan that begins with each model: how likely it is the best of them (Thompson sampling), and for
    those that do not seem the best together at least `epsilon`; the best one only when `epsilon` is 0."""
    rivals: dict[str, Plan] = {}
    for plan in ranked:
        rivals.setdefault(plan.models[0], plan)
    best = name_of(ranked[0])
    if len(rivals) < 2 or not epsilon:
        return {best: 1.0}
    shares = plans.chances(list(rivals.values()), expected, _price(router), gates)
    others = math.fsum(share for name, share in shares.items() if name != best)
    if others < epsilon:
        if others < LEAST_SHARE:  # whose order is all that is known
            shares, others = {name: float(k == 1) for k, name in enumerate(shares)}, 1.0
        shares = {name: 1.0 - epsilon if name == best else share * epsilon / others for name, share in shares.items()}
    kept = {name: share for name, share in shares.items() if share >= LEAST_SHARE or name == best}
    whole = math.fsum(kept.values())
    return {name: share / whole for name, share in kept.items()}


def first_models(
    task: Task,
    models: Sequence[Model],
    *,
    router: Router | None = None,
    past: Sequence[Past] = (),
    gates: Sequence[Gate] = (),
    settings: Settings = DEFAULTS,
    budget_usd: float | None = None,
) -> dict[str, float]:
    """Model -> probability that `decide` lets it try first: what a policy is judged by. Raises as `decide` does."""
    kept, _ = able(models, settings)
    expected = expect(task, kept, router, past)
    shares = _shares(_ranked(expected, router, gates, budget_usd), expected, router, gates, settings.epsilon)
    return {name.split(" > ")[0]: share for name, share in shares.items()}


def _reasons(
    plan: Plan,
    best: Plan,
    expected: Mapping[str, Expected],
    gates: Sequence[Gate],
    router: Router | None,
    share: float,
    prompt: str,
    alone: bool,
) -> list[str]:
    said = []
    for k, step in enumerate(plan.steps):
        one = expected[step.model]
        where = f"{one.n} past run{'s' * (one.n != 1)} of this kind" if one.n else "no past run of this kind, so the prior"
        when = "first" if k == 0 else f"reached in {step.reached:.0%} of cases"
        said.append(f"{step.model} ({when}): reward {one.reward:.2f} ({one.low:.2f} to {one.high:.2f}) from {where}; "
                    f"{one.cost_usd:.4g} USD an attempt")  # fmt: skip
    if len(plan.steps) > 1:
        told = ", ".join(
            f"{gate.kind} stops {gate.recall:.0%} of bad and {gate.false_alarm:.0%} of good attempts" for gate in gates
        )
        said.append(f"gates: {told}")
    if plan.models[0] != best.models[0]:
        said.append(
            f"explored: the best plan here is {name_of(best)}; others are taken as often as they may be better, to keep learning"
        )
    skipped = [model for model in expected if model not in plan.models]
    if skipped:
        said.append(f"left out: {', '.join(skipped)} (no more reward for the money on such tasks)")
    said.append(
        f"prompt {prompt}: {'all trials name it the best, so no other is tried' if alone else f'chosen with probability {share:.2f}'}"
    )
    said.append(f"router {router.version}" if router else NO_ROUTER)
    return said
