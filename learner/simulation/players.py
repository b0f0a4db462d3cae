"""Who chooses. git-hone is the very code that answers `git hone route`; the others are what it must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Final, NamedTuple, Protocol

from git_hone.learner import bandit, plans, routing
from git_hone.learner.experience import Tried
from git_hone.learner.past import Past
from git_hone.learner.plans import STOPPED, Gate
from git_hone.learner.router import judging, learning, training
from git_hone.learner.router.exported import Router
from git_hone.learner.simulation.world import Drawn, World
from git_hone.learner.variants import Prompt

START: Final = datetime(2026, 1, 5, tzinfo=timezone.utc)
FIRST_TRAINING: Final = 150
"""Runs with a reward from which on a router is trained; then again whenever they have grown by half."""


class Attempt(NamedTuple):
    """One attempt. reward: 1 when good, 0 when not or when its gates stopped it; known_on: the day from which the reward is known, None
    for never. passed: gate -> whether it let the attempt through. stopped: a next one followed."""

    drawn: Drawn
    model: str
    prompt: str
    step: int
    reward: float
    cost_usd: float
    known_on: float | None
    passed: Mapping[str, bool]
    stopped: bool


class Planned(NamedTuple):
    """What a player wants done. shares: plan -> its probability; {} when the player knows none."""

    models: tuple[str, ...]
    prompt: str
    shares: Mapping[str, float]


class Player(Protocol):
    """`plan` is asked once a task; `told` hears of every attempt when it is made."""

    def plan(self, drawn: Drawn) -> Planned: ...
    def told(self, planned: Planned, attempts: Sequence[Attempt]) -> None: ...


class Always:
    """One model, the first prompt; nothing is learned."""

    def __init__(self, world: World, seed: int, *, local: bool) -> None:
        able = [one for one in world.workers if one.model.local == local and not one.arrives]
        self.model = max(able, key=lambda one: one.cost_usd).model.id
        self.prompt = next(iter(world.prompts))

    def plan(self, drawn: Drawn) -> Planned:
        return Planned((self.model,), self.prompt, {})

    def told(self, planned: Planned, attempts: Sequence[Attempt]) -> None:
        pass


class Anything:
    """Any model, any prompt."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, Random(f"random {seed}")

    def plan(self, drawn: Drawn) -> Planned:
        models = self.world.at(drawn.day)
        return Planned((self.random.choice(models).id,), self.random.choice(list(self.world.prompts)), {})

    def told(self, planned: Planned, attempts: Sequence[Attempt]) -> None:
        pass


class SeedsGreedy:
    """The seeds' policy for both: `bandit.EpsilonGreedy` over win rates of models, and of prompts, whatever the task."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, Random(f"greedy {seed}")
        self.policy = bandit.EpsilonGreedy(0.1)
        self.attempts: list[Attempt] = []

    def plan(self, drawn: Drawn) -> Planned:
        known = [one for one in self.attempts if one.known_on is not None and one.known_on <= drawn.day]
        chosen = []
        for names, rows in (
            ([one.id for one in self.world.at(drawn.day)], [(one.model, one.reward) for one in known]),
            (list(self.world.prompts), [(one.prompt, one.reward) for one in known]),
        ):
            arms = bandit.replay(rows, names, gamma=1.0)
            chosen.append(bandit.draw(self.policy.shares(arms), self.random)[0])
        return Planned((chosen[0],), chosen[1], {})

    def told(self, planned: Planned, attempts: Sequence[Attempt]) -> None:
        self.attempts += attempts


class Hone:
    """`routing.decide` with what is known by now; its router is trained anew as the record grows, and adopted only when `adopt` says so.
    trained, adopted: how often."""

    def __init__(self, world: World, seed: int, *, settings: routing.Settings | None = None, training: bool = True) -> None:
        self.world, self.random = world, Random(f"hone {seed}")
        self.settings = settings or routing.Settings(local_only=False)
        self.prompts = [Prompt(name, "{task}") for name in world.prompts]
        self.attempts: list[Attempt] = []
        self.logged: list[tuple[Planned, Sequence[Attempt]]] = []
        self.router: Router | None = None
        self.next_training = FIRST_TRAINING if training else None
        self.trained = self.adopted = 0

    def plan(self, drawn: Drawn) -> Planned:
        known = [one for one in self.attempts if one.known_on is not None and one.known_on <= drawn.day]
        if self.next_training is not None and len(known) >= self.next_training:
            self.next_training = round(1.5 * self.next_training)
            self._retrain(drawn.day)
        choice = routing.decide(
            drawn.task, self.world.at(drawn.day), self.prompts, random=self.random, router=self.router,
            past=[past(one) for one in known], gates=self._gates(known), settings=self.settings,
        )  # fmt: skip
        return Planned(choice.plan.models, choice.prompt.id, choice.shares)

    def told(self, planned: Planned, attempts: Sequence[Attempt]) -> None:
        self.attempts += attempts
        self.logged.append((planned, attempts))

    def _gates(self, known: Sequence[Attempt]) -> list[Gate]:
        """As `git hone` knows them: what was stopped counts as bad, what stayed by the reward that came later."""
        return [
            plans.measured(gate.kind, ((one.reward >= plans.GOOD, not one.passed[gate.kind]) for one in known))
            for gate in self.world.gates
        ]

    def _retrain(self, day: float) -> None:
        """As `git hone router train`, `evaluate` and `adopt` do, one after another."""
        rows = [
            tried(planned, one) for planned, attempts in self.logged for one in attempts
            if one.known_on is not None and one.known_on <= day
        ]  # fmt: skip
        models = self.world.at(day)
        known = learning.lessons(rows, models)
        if learning.too_few(known):
            return
        self.trained += 1
        about = {"trained_at": _seconds(day), "target": str(learning.Target())}
        candidate = training.train(known.examples, known.arms, about=about)
        judged = judging.judge(rows, models, candidate, self.router, self.settings, 1 / self.world.price_of_reward)
        if isinstance(judged, judging.Judged) and judged.verdict == "better":
            self.adopted += 1
            self.router = candidate


def past(one: Attempt) -> Past:
    """An attempt as `routing` wants it."""
    return Past(_seconds(one.drawn.day), one.model, one.prompt, one.drawn.task.path, one.reward, one.cost_usd, None, "", one.step)


def tried(planned: Planned, one: Attempt) -> Tried:
    """An attempt as the store would give it."""
    first: dict[str, float] = {}
    for name, share in planned.shares.items():
        model = name.split(" > ")[0]
        first[model] = first.get(model, 0.0) + share
    return Tried(
        run_id=f"{one.drawn.number}.{one.step}", at=START + timedelta(days=one.drawn.day), model=one.model, prompt=one.prompt,
        task=one.drawn.task, kind=one.drawn.kind, reward=one.reward, cost_usd=one.cost_usd, files=one.drawn.files,
        decision_id=f"{one.drawn.number}.{one.step}", decided="model", chosen=one.model,
        propensity=1.0 if one.step else first.get(one.model), propensities=first, step=one.step,
        ended=STOPPED[0] if one.stopped else "kept", gates=one.passed,
    )  # fmt: skip


def _seconds(day: float) -> float:
    return (START + timedelta(days=day)).timestamp()
