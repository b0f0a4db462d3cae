"""A world with known truth, and the best that can be done in it.

A task has a kind and a hardness (standard normal, the same for every model: what one fails, the next is likelier to fail). The odds that a
model's attempt is good are those of its success on the kind, times the prompt's factor, times what its own changes over the days come to,
divided by e to the `spread` times the hardness. Luck belongs to the task: two players that try the same model on the same task see the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, permutations
from random import Random
from statistics import NormalDist
from typing import Any, Final, NamedTuple

from git_hone.learner import plans, routing
from git_hone.learner.errors import UsageError
from git_hone.learner.plans import Gate
from git_hone.learner.router.features import Task, task
from git_hone.learner.variants import Model

_HARDNESS: Final = tuple(NormalDist().inv_cdf((k + 0.5) / 15) for k in range(15))
FOLDERS: Final = ("api", "core", "docs", "lib", "store", "tests", "tools", "web")


class Change(NamedTuple):
    """A model's log odds move by `logit` in all, evenly from day `start` to day `end` (at once when they are the same day)."""

    model: str
    start: float
    end: float
    logit: float

    def by(self, day: float) -> float:
        if day < self.start:
            return 0.0
        return self.logit if day >= self.end else self.logit * (day - self.start) / (self.end - self.start)


@dataclass(frozen=True)
class Worker:
    """A model and the truth about it. success: kind -> probability on a task of middling hardness; tokens: mean in and out of an
    attempt; arrives: the day from which it can be asked."""

    model: Model
    success: Mapping[str, float]
    tokens: tuple[float, float] = (8_000.0, 1_500.0)
    arrives: float = 0.0

    @property
    def cost_usd(self) -> float:
        return self.model.cost(*self.tokens)


class Drawn(NamedTuple):
    """One task with all its luck. luck: model -> (uniform that decides whether it is good, factor on its tokens, uniform for each
    gate); delay_days: until a reward is known; lost: whether it never is."""

    number: int
    day: float
    kind: str
    hardness: float
    task: Task
    files: tuple[str, ...]
    luck: Mapping[str, tuple[float, float, tuple[float, ...]]]
    delay_days: float
    lost: bool


@dataclass(frozen=True)
class World:
    """What is true. kinds: kind -> share of tasks; prompts: id -> log odds that it adds; gates: as they truly judge; delay_days: mean
    of an exponential delay until a reward is known; missing: share of rewards that never are; price_of_reward: USD that a whole point
    of reward is worth, which is what regret is counted in."""

    name: str
    about: str
    kinds: Mapping[str, float]
    workers: tuple[Worker, ...]
    prompts: Mapping[str, float]
    gates: tuple[Gate, ...]
    spread: float = 1.0
    per_day: float = 10.0
    delay_days: float = 0.0
    missing: float = 0.0
    changes: tuple[Change, ...] = ()
    price_of_reward: float = routing.DEFAULT_PRICE
    tasks: int = 300
    _values: dict[Any, tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def models(self) -> dict[str, Worker]:
        return {one.model.id: one for one in self.workers}

    def at(self, day: float) -> list[Model]:
        """The models that can be asked on this day."""
        return [one.model for one in self.workers if one.arrives <= day]

    def chance(self, model: str, kind: str, prompt: str, day: float, hardness: float) -> float:
        """Probability that an attempt is good."""
        p = self.models[model].success[kind]
        moved = sum(change.by(day) for change in self.changes if change.model == model)
        logit = math.log(p / (1 - p)) + self.prompts[prompt] + moved - self.spread * hardness
        return 1 / (1 + math.exp(-logit))

    def value(self, models: Sequence[str], kind: str, prompt: str, day: float) -> tuple[float, float]:
        """True (probability of a good change, expected USD) of a plan on a task of this kind, over all hardnesses."""
        moment = day if any(change.start <= day < change.end for change in self.changes) else self._era(day)
        key = (tuple(models), kind, prompt, moment)
        if key not in self._values:
            gate = plans.together(self.gates)
            won = spent = 0.0
            for hardness in _HARDNESS:
                reached = 1.0
                for k, model in enumerate(models):
                    spent += reached * self.models[model].cost_usd
                    good = self.chance(model, kind, prompt, day, hardness)
                    if k == len(models) - 1:
                        won += reached * good
                    else:
                        won += reached * good * (1 - gate.false_alarm)
                        reached *= good * gate.false_alarm + (1 - good) * gate.recall
            self._values[key] = won / len(_HARDNESS), spent / len(_HARDNESS)
        return self._values[key]

    def _era(self, day: float) -> tuple[str, int]:
        return "era", sum((change.start <= day) + (change.end <= day) for change in self.changes)

    def net(self, models: Sequence[str], kind: str, prompt: str, day: float) -> float:
        """True worth of a plan: reward less its cost at the price."""
        won, spent = self.value(models, kind, prompt, day)
        return won - spent / self.price_of_reward

    def oracle(self, kind: str, day: float) -> tuple[float, tuple[str, ...], str]:
        """(worth, models, prompt) of the best plan and prompt for this kind on this day, with all of the truth but the hardness and the
        luck of the very task."""
        able = [one.id for one in self.at(day)]
        orders = [
            order for size in range(1, min(plans.LONGEST, len(able)) + 1) for order in permutations(able, size)
            if all(self.models[one].cost_usd <= self.models[two].cost_usd for one, two in pairwise(order))
        ]  # fmt: skip
        return max((self.net(order, kind, prompt, day), order, prompt) for order in orders for prompt in self.prompts)

    def draw(self, n: int, seed: int) -> Iterator[Drawn]:
        """The tasks of a run. The same seed gives the same tasks and the same luck, whoever plays."""
        kinds, shares = list(self.kinds), list(self.kinds.values())
        for number in range(n):
            random = Random(f"{seed}/{number}")
            kind, folder = random.choices(kinds, shares)[0], random.choice(FOLDERS)
            files = (f"{folder}/{kind}{random.randrange(20)}.py",)
            hardness = random.gauss(0, 1)
            delay, lost = random.expovariate(1 / self.delay_days) if self.delay_days else 0.0, random.random() < self.missing
            luck = {
                one.model.id: (random.random(), random.lognormvariate(-0.08, 0.4), tuple(random.random() for _ in self.gates))
                for one in self.workers
            }
            yield Drawn(number, number / self.per_day, kind, hardness, task(kind=kind, files=files), files, luck, delay, lost)


def _model(id_: str, price_in: float, price_out: float) -> Model:
    local = price_out == 0
    where = "http://127.0.0.1:11434" if local else "https://api.example"
    return Model(
        id_, "ollama" if local else "openai-compatible", where, id_,
        input_per_1m_usd=price_in, output_per_1m_usd=price_out, local=local,
    )  # fmt: skip


LOCAL: Final = Worker(_model("local", 0, 0), {"docs": 0.88, "fix": 0.62, "feature": 0.40, "test": 0.66, "refactor": 0.5})
CHEAP: Final = Worker(_model("cheap", 0.3, 2.5), {"docs": 0.90, "fix": 0.72, "feature": 0.58, "test": 0.76, "refactor": 0.62})
STRONG: Final = Worker(_model("strong", 3, 15), {"docs": 0.92, "fix": 0.86, "feature": 0.80, "test": 0.86, "refactor": 0.82})
NEWER: Final = Worker(
    _model("newer", 1, 5), {"docs": 0.94, "fix": 0.89, "feature": 0.85, "test": 0.9, "refactor": 0.86}, arrives=30.0
)
STEADY: Final = World(
    "steady",
    "a local, a cheap and a strong model; rewards at once; nothing changes",
    kinds={"fix": 0.35, "feature": 0.25, "test": 0.15, "docs": 0.15, "refactor": 0.1},
    workers=(LOCAL, CHEAP, STRONG),
    prompts={"default": 0.0, "detailed": 0.4, "concise": -0.3},
    gates=(Gate("compile", 0.15, 0.0), Gate("lint", 0.05, 0.03), Gate("type", 0.25, 0.02), Gate("test", 0.55, 0.04)),
)
SCENARIOS: Final = {
    world.name: world
    for world in (
        STEADY,
        replace(
            STEADY, name="drift", about="from day 10 to 40 the cheap model gets worse and the local one better",
            changes=(Change("cheap", 10, 40, -1.5), Change("local", 10, 40, 1.0)), tasks=600, _values={},
        ),
        replace(
            STEADY, name="delays", about="a reward is known after five days in the mean, and three in ten never are",
            delay_days=5.0, missing=0.3, _values={},
        ),
        replace(
            STEADY, name="new-model", about="on day 30 a better and cheaper model can be asked", workers=(LOCAL, CHEAP, STRONG, NEWER),
            tasks=600, _values={},
        ),
        replace(
            STEADY, name="degrading-local", about="on day 15 the local model loses most of what it can",
            changes=(Change("local", 15, 15, -2.5),), tasks=400, _values={},
        ),
        replace(
            STEADY, name="seed-criterion",
            about="seven in ten tasks are of kinds that a local model does nearly as well as the paid one",
            kinds={"docs": 0.25, "test": 0.2, "fix": 0.25, "feature": 0.2, "refactor": 0.1},
            workers=(
                replace(LOCAL, success={"docs": 0.9, "test": 0.85, "fix": 0.82, "feature": 0.4, "refactor": 0.5}),
                replace(STRONG, success={"docs": 0.92, "test": 0.88, "fix": 0.87, "feature": 0.8, "refactor": 0.82}),
            ),
            tasks=200, _values={},
        ),
    )
}  # fmt: skip


def scenario(name: str) -> World:
    """Raises UsageError for a name that is not known."""
    if name not in SCENARIOS:
        raise UsageError(f"there is no scenario {name!r}", tip=f"known: {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
