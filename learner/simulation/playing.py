"""Players in a world: task by task, and several runs with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import Any, Final

from git_hone.learner.intervals import mean_interval
from git_hone.learner.simulation.players import Always, Anything, Attempt, Hone, Planned, Player, SeedsGreedy
from git_hone.learner.simulation.world import Drawn, World

HONE: Final = "git-hone"
PAID: Final = "always paid"
PLAYERS: Final[Mapping[str, Callable[[World, int], Player]]] = {
    PAID: lambda world, seed: Always(world, seed, local=False),
    "always local": lambda world, seed: Always(world, seed, local=True),
    "random": Anything,
    "seeds' epsilon-greedy": SeedsGreedy,
    HONE: Hone,
}
WINDOW: Final = 100
"""Tasks of the seeds' criterion: the second hundred is judged."""


@dataclass(frozen=True)
class Run:
    """One player in one run, a number for each task. regret: true worth of the oracle's plan less that of the plan that was taken
    (reward, with cost at the world's price), so luck is not in it."""

    reward: Sequence[float]
    spend: Sequence[float]
    paid: Sequence[int]
    regret: Sequence[float]
    trained: int = 0
    adopted: int = 0


def play(world: World, player: Player, n: int, seed: int) -> Run:
    """`n` tasks of the world's run `seed`."""
    rewards, spends, paid, regrets = [], [], [], []
    for drawn in world.draw(n, seed):
        planned = player.plan(drawn)
        attempts = carry_out(world, drawn, planned)
        player.told(planned, attempts)
        rewards.append(attempts[-1].reward)
        spends.append(sum(one.cost_usd for one in attempts))
        paid.append(sum(not world.models[one.model].model.local for one in attempts))
        best, _, _ = world.oracle(drawn.kind, drawn.day)
        regrets.append(best - world.net(planned.models, drawn.kind, planned.prompt, drawn.day))
    return Run(rewards, spends, paid, regrets, getattr(player, "trained", 0), getattr(player, "adopted", 0))


def carry_out(world: World, drawn: Drawn, planned: Planned) -> list[Attempt]:
    """The attempts of a plan: what its gates stop goes on to the next model, the last one's attempt stays."""
    attempts: list[Attempt] = []
    for step, model in enumerate(planned.models):
        uniform, factor, judged = drawn.luck[model]
        good = uniform < world.chance(model, drawn.kind, planned.prompt, drawn.day, drawn.hardness)
        passed = {
            gate.kind: luck >= (gate.false_alarm if good else gate.recall) for gate, luck in zip(world.gates, judged, strict=True)
        }
        stopped = step < len(planned.models) - 1 and not all(passed.values())
        known = drawn.day if stopped else None if drawn.lost else drawn.day + drawn.delay_days
        cost = world.models[model].cost_usd * factor
        attempts.append(Attempt(drawn, model, planned.prompt, step, float(good and not stopped), cost, known, passed, stopped))
        if not stopped:
            break
    return attempts


def simulate(world: World, n: int, runs: int, seed: int = 0, players: Sequence[str] = tuple(PLAYERS)) -> dict[str, list[Run]]:
    """Every player in runs seed, seed + 1, ...; all of them meet the same tasks with the same luck."""
    return {name: [play(world, PLAYERS[name](world, one), n, one) for one in range(seed, seed + runs)] for name in players}


def told(world: World, played: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """The table: means over the runs with 95 % intervals (Student's t; None for one run)."""
    found = {
        name: {
            "reward": mean([fmean(run.reward) for run in runs], 0.0, 1.0),
            "spend_usd": mean([sum(run.spend) for run in runs], 0.0),
            "paid_calls": mean([sum(run.paid) for run in runs], 0.0),
            "regret": mean([sum(run.regret) for run in runs], 0.0),
            "routers_trained": sum(run.trained for run in runs),
            "routers_adopted": sum(run.adopted for run in runs),
        }
        for name, runs in played.items()
    }
    return {"players": found, "criterion": criterion(played)}


def criterion(played: Mapping[str, Sequence[Run]]) -> dict[str, Any] | None:
    """The seeds': after 100 tasks, paid calls are down by at least half against always paid, and the reward is not lower within the
    interval. Told of tasks 101 to 200; None for fewer tasks. `reward_less` is git-hone's reward less always paid's on the same tasks, an
    interval over runs; `met` when the calls are down and the interval reaches 0: with enough runs, any loss is seen."""
    if HONE not in played or PAID not in played or len(played[PAID][0].reward) < 2 * WINDOW:
        return None
    at = slice(WINDOW, 2 * WINDOW)
    pairs = list(zip(played[HONE], played[PAID], strict=True))
    less = mean([fmean(ours.reward[at]) - fmean(theirs.reward[at]) for ours, theirs in pairs])
    down = mean([1 - sum(ours.paid[at]) / sum(theirs.paid[at]) for ours, theirs in pairs])
    spend = mean([1 - sum(ours.spend[at]) / sum(theirs.spend[at]) for ours, theirs in pairs])
    return {
        "paid_calls_down": down,
        "spend_down": spend,
        "reward_less": less,
        "met": _at_least(down, 0.5, "mean") and _at_least(less, 0.0, "high"),
    }


def _at_least(one: Mapping[str, float | None], least: float, bound: str) -> bool:
    value = one["mean"] if one[bound] is None else one[bound]
    return value is not None and value >= least


def mean(values: Sequence[float], least: float = -math.inf, most: float = math.inf) -> dict[str, float | None]:
    """With its 95 % interval, as far as the values can lie at all.

    >>> mean([1.0, 3.0])["low"] < 0 == mean([1.0, 3.0], 0.0)["low"]
    True
    """
    found = mean_interval(values)
    low, high = (None, None) if found is None else (max(least, found[0]), min(most, found[1]))
    return {"mean": fmean(values), "low": low, "high": high}


def over_time(played: Mapping[str, Sequence[Run]], what: str) -> dict[str, list[tuple[float, float]]]:
    """Player -> (task, mean over runs of the sum so far) of `regret`, `spend`, `paid` or `reward`."""
    lines = {}
    for name, runs in played.items():
        sums = [list(accumulate(getattr(run, what))) for run in runs]
        lines[name] = [(float(k + 1), fmean(column)) for k, column in enumerate(zip(*sums, strict=True))]
    return lines
