"""Is a candidate better than the router in use? Told from the log of choices, before it may choose anything. Pure.

Only choices that git-hone made count: their propensity is logged, not guessed. Each policy is asked what it would have done then, with
what had been seen by then. A router that was trained on the very choices it is judged by would flatter itself; so for choices from before
its training it is stood in for by its twins, trained in the same way without the fold that the choice belongs to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from git_hone.learner import offpolicy, plans, routing
from git_hone.learner.errors import UsageError
from git_hone.learner.experience import Tried, group_of
from git_hone.learner.past import Past
from git_hone.learner.plans import Gate
from git_hone.learner.router import learning
from git_hone.learner.router.exported import Router
from git_hone.learner.router.learning import Ground, Lessons, Target, Worth
from git_hone.learner.router.training import Example, fold_of
from git_hone.learner.routing import Settings
from git_hone.learner.variants import Model

Array = npt.NDArray[np.float64]

MOST: Final = 2000
"""Choices that are looked at, the newest."""
SEEN: Final = 1000
"""Runs before a choice that a policy may look at, the newest."""
UNSUPPORTED: Final = 0.2
"""From this share on, of a policy's choices that the log could never have shown, nothing is concluded."""


@dataclass(frozen=True)
class Choices:
    """n logged choices of a first model that have a reward, oldest first: examples and propensities in `known`. able: for each the
    models that could have been chosen, None where only the chosen one was written down."""

    rows: tuple[Tried, ...]
    known: Lessons
    able: tuple[frozenset[str] | None, ...]


def choices(rows: Iterable[Tried], models: Sequence[Model]) -> Choices:
    """One choice a decision: the mean reward and the whole cost of its runs."""
    by_decision: dict[str, list[Tried]] = {}
    left: Counter[str] = Counter()
    ids = {one.id for one in models}
    for one in rows:
        if one.decision_id is None or one.decided != "model" or one.propensity is None or one.chosen is None:
            left["not chosen by git-hone"] += 1
        elif one.step:
            left["an escalation: nothing was chosen there"] += 1
        elif one.chosen not in ids:
            left[f"{one.chosen} is not in model_variants.json"] += 1
        elif one.reward is None:
            left["no reward yet"] += 1
        else:
            by_decision.setdefault(one.decision_id, []).append(one)
    kept = [_whole(runs) for runs in by_decision.values()]
    if len(kept) > MOST:
        left["older than the newest choices"] = len(kept) - MOST
        kept = kept[-MOST:]
    arms = tuple(sorted({str(one.chosen) for one in kept}))
    examples = tuple(
        Example(one.task, {str(one.chosen): float(one.reward or 0.0)}, {} if one.cost_usd is None else {str(one.chosen): one.cost_usd},
                group_of(one))
        for one in kept
    )  # fmt: skip
    able = tuple(
        frozenset(arm for arm, share in one.propensities.items() if share > 0) if one.propensities else None for one in kept
    )
    return Choices(tuple(kept), Lessons(examples, arms, tuple(one.propensity for one in kept), dict(left)), able)


def _whole(runs: Sequence[Tried]) -> Tried:
    rewards = [one.reward for one in runs if one.reward is not None]
    costs = [one.cost_usd for one in runs if one.cost_usd is not None]
    return replace(
        runs[0], reward=math.fsum(rewards) / len(rewards), cost_usd=math.fsum(costs) if len(costs) == len(runs) else None
    )


class Gates:
    """The gates that attempts here went through, as measured by what came of them; a kind that was never seen is as its prior says."""

    def __init__(self, rows: Iterable[Tried]) -> None:
        seen: dict[str, list[tuple[bool, bool]]] = {}
        for one in rows:
            for kind, passed in (one.gates or {}).items():
                if one.reward is not None:
                    seen.setdefault(kind, []).append((one.reward >= plans.GOOD, not passed))
        self._known = {kind: plans.measured(kind, seen.get(kind, ())) for kind in {*plans.GATES, *seen}}

    def of(self, one: Tried) -> list[Gate]:
        """Those that its plan was made for."""
        return [self._known[kind] for kind in one.judged_by or () if kind in self._known]


class Policy:
    """What `git hone route` would do with `router` (None: the shipped priors), on top of what was seen by then."""

    def __init__(self, router: Router | None, rows: Sequence[Tried], models: Sequence[Model], settings: Settings) -> None:
        self._router, self._models, self._settings = router, models, settings
        self._gates = Gates(rows)
        self._past = [
            Past(
                one.at.timestamp(),
                one.model or "",
                one.prompt,
                one.task.path,
                one.reward,
                one.cost_usd,
                one.change_id,
                "",
                one.step or 0,
            )
            for one in rows
            if one.reward is not None
        ]
        self._twins: dict[int, Router] = {}
        self._trained = float(router.about.get("trained_at") or 0.0) if router else 0.0
        self.traced = router is None or bool(self._trained and router.about.get("target"))
        """Does the router say how it was trained, so that twins can stand in for it?"""
        if router and self.traced:
            since = datetime.fromisoformat(router.about["since"]) if router.about.get("since") else None
            then = [one for one in rows if one.at.timestamp() <= self._trained and (since is None or one.at >= since)]
            known = learning.lessons(then, models)
            if known.examples and not learning.too_few(known):
                twins = learning.without_fold(known, Target.read(str(router.about["target"])))
                self._twins = {fold: twin._replace(about={"trained_at": self._trained}) for fold, twin in twins.items()}

    def shares(self, asked: Choices, arms: Sequence[str]) -> Array:
        """(n, arms): the probability that each model is let try first."""
        found = np.zeros((len(asked.rows), len(arms)))
        end = 0
        for row, (one, example) in enumerate(zip(asked.rows, asked.known.examples, strict=True)):
            at = one.at.timestamp()
            while end < len(self._past) and self._past[end].at < at:
                end += 1
            router = self._router
            if router and self.traced and at <= self._trained:
                router = self._twins.get(fold_of(example.group))
            for arm, share in self._first(one, router, self._past[max(0, end - SEEN) : end]).items():
                found[row, arms.index(arm)] = share
        return found

    def _first(self, one: Tried, router: Router | None, past: Sequence[Past]) -> dict[str, float]:
        """Within the budget of then; were no plan within it, as if there had been none."""
        for budget in (one.budget_usd, None):
            try:
                return routing.first_models(
                    one.task, self._models, router=router, past=past, gates=self._gates.of(one), settings=self._settings,
                    budget_usd=budget,
                )  # fmt: skip
            except UsageError:
                if budget is None:
                    raise
        return {}


@dataclass(frozen=True)
class Judged:
    """The candidate less the router in use, on n choices. better_by: in reward, cost counted at `price` (reward per USD); reward and
    cost: the two parts. unsupported: share of the candidate's choices that the log could not have shown. needed: about how many
    choices would decide it, where these do not; None where more of the same would not help. notes: for people."""

    n: int
    left_out: Mapping[str, int]
    candidate: Worth
    current: Worth
    better_by: offpolicy.Estimate
    reward: offpolicy.Estimate
    cost: offpolicy.Estimate
    estimators: Mapping[str, tuple[offpolicy.Judged, offpolicy.Judged]]
    price: float
    unsupported: float
    verdict: offpolicy.Verdict
    needed: int | None
    notes: tuple[str, ...]


def judge(
    rows: Sequence[Tried],
    models: Sequence[Model],
    candidate: Router,
    current: Router | None,
    settings: Settings,
    price: float | None = None,
) -> Judged | str:
    """`price`: reward per USD; as the router in use has it when None. A str: why there is nothing to judge by."""
    asked = choices(rows, models)
    if says := learning.too_few(asked.known):
        return says.replace("runs with a reward", "logged choices with a reward").replace(
            "run has both", "logged choice has both"
        )
    if price is None:
        price = learning.price_of(current, 1.0 / routing.DEFAULT_PRICE)
    arms = [*asked.known.arms, *(one.id for one in models if one.id not in asked.known.arms)]
    on = _wider(learning.ground(asked.known, np.array(asked.known.logged, dtype=float)), arms)
    policies = [Policy(router, rows, models, settings) for router in (candidate, current)]
    mine, theirs = (policy.shares(asked, arms) for policy in policies)
    log, model = on.log(price)
    compared = offpolicy.compare(log, mine, theirs, model)
    reward_log, reward_model = on.log()
    reward = offpolicy.compare(reward_log, mine, theirs, reward_model)
    cost = offpolicy.compare(replace(log, reward=on.cost), mine, theirs, on.costs)
    unsupported = _unsupported(mine, asked, arms)
    verdict, needed = compared.verdict, compared.needed
    notes = [_untraced(name) for name, policy in zip(("candidate", "router in use"), policies, strict=True) if not policy.traced]
    if unsupported > UNSUPPORTED:
        verdict, needed = "not enough evidence", None
        notes.append(f"{unsupported:.0%} of the candidate's choices could never have been logged: raise modelRouter.epsilon, or wait "
                     "until they are tried")  # fmt: skip
    elif verdict == "no difference seen":
        needed = _decisive(compared.difference, len(log))
    return Judged(
        len(log), asked.known.left_out, learning.worth_of(on, mine), learning.worth_of(on, theirs), compared.difference,
        reward.difference, cost.difference, {"worth": (compared.candidate, compared.current), "reward": (reward.candidate, reward.current)},
        price, unsupported, verdict, needed, tuple(notes),
    )  # fmt: skip


def _wider(on: Ground, arms: Sequence[str]) -> Ground:
    """With columns for models that were never logged: the mean reward and cost of all, for want of anything better."""
    more = len(arms) - len(on.arms)
    pad = np.ones((len(on.arm), more))
    return replace(on, arms=tuple(arms), rewards=np.hstack([on.rewards, pad * on.reward.mean()]),
                   costs=np.hstack([on.costs, pad * on.cost.mean()]))  # fmt: skip


def _unsupported(policy: Array, asked: Choices, arms: Sequence[str]) -> float:
    outside = [
        sum(share for arm, share in zip(arms, shares, strict=True) if arm not in able)
        for shares, able in zip(policy, asked.able, strict=True)
        if able is not None
    ]
    return float(np.mean(outside)) if outside else 0.0


def _untraced(name: str) -> str:
    return f"the {name} does not say how it was trained; if it was on these choices, the numbers flatter it"


def _decisive(difference: offpolicy.Estimate, n: int) -> int | None:
    """Choices until an interval as wide as 1 / sqrt(n) leaves 0 outside, were the difference what it seems to be."""
    reach = (difference.high - difference.low) / 2
    ratio = reach / abs(difference.value) if difference.value else math.inf
    return round(n * ratio**2) if ratio < 100 else None
