"""Whether a model got worse: a change-point test for each model and kind of task, over the rewards of its runs in the order of time. Pure.

The test is a one-sided cumulative sum (Page 1954, Continuous Inspection Schemes): S = max(0, S + slope - reward). `slope` lies between
the reference rate and the rate that the test is tuned to, where Wald's likelihood ratio for zeros and ones neither rises nor falls. S of a
healthy model keeps returning to 0; that of one that got worse climbs. The threshold is computed, not chosen: the smallest one that at most
`BUDGET` of the healthy streams of `HORIZON` runs reach, from the Markov chain of S (Brook and Evans 1972, An approach to the probability
distribution of cusum run length). On a grid of 1/`GRID` the chain is exact for rewards of 0 and 1; rewards between them vary less, and
reach it less often. That the reference is itself an estimate from so many runs is part of the budget: the chain is weighed over the
Beta distribution of the true rate.

The seed's rule is kept beside it: the mean of the last `window` rewards fell by more than `drop`. Its false alarms are counted in seeded
simulations of healthy streams.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rule = Literal["cusum", "seed"]

BUDGET: Final = 0.05
"""Share of healthy streams that may alarm within `HORIZON` watched runs."""
HORIZON: Final = 300
TUNED: Final = 4.0
"""The test is tuned to a drop of so many times `drop`; S climbs from about half of that on."""
GRID: Final = 50
LOOKS: Final = 5
"""Without a past before the deployment, the first `LOOKS` times `window` rewards are the reference."""
PRIOR_RUNS: Final = 4.0
"""The reference is shrunk as if so many runs more had had the mean reward of the other streams."""
SIMULATED: Final = 2000


class Run(Protocol):
    """What is needed of a run; `git_hone.learner.experience.Tried` is one. reward: 0..1, None while it is not known."""

    @property
    def run_id(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def model(self) -> str | None: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def reward(self) -> float | None: ...
    @property
    def change_id(self) -> str | None: ...


class _Seen(NamedTuple):
    """A run and what it counts with: its reward, None where it has none or a later run of the same change counts."""

    run: Run
    reward: float | None


@dataclass(frozen=True)
class Alarm:
    """Raised at this run. `run`: which one of the stream it is, counted from 1 over all its runs, those without a reward included."""

    run: int
    run_id: str
    at: datetime


@dataclass(frozen=True)
class Drift:
    """One model on one kind of task (`kind` None: not known).

    runs: all of its runs; known: those that count, one for each change with a reward; compared: the ones the reference is
    estimated from; watched: the known ones after these. reference: 0..1. recent: mean of the last `window` watched rewards, None
    while there are fewer. statistic and threshold: S and where it alarms, in rewards (cusum), or how far `recent` lies below the
    reference and how far it may (seed); statistic is None before the first value. raised: every alarm, oldest first; alarm: the
    one that still stands, None when there is none. false_alarms: rule -> share of healthy streams that would alarm within
    `HORIZON` watched runs. reference, threshold and false_alarms are None while there are too few runs to compare with.
    """

    model: str
    kind: str | None
    runs: int
    known: int
    compared: int
    watched: int
    rule: Rule
    reference: float | None = None
    recent: float | None = None
    statistic: float | None = None
    threshold: float | None = None
    raised: tuple[Alarm, ...] = ()
    alarm: Alarm | None = None
    false_alarms: Mapping[Rule, float] | None = None


@dataclass(frozen=True)
class Chart:
    """The computed test: S rises by `slope` less the reward, and alarms at `threshold`. false_alarms: its exact share, at most the budget."""

    slope: float
    threshold: float
    false_alarms: float


def watch(
    runs: Iterable[Run],
    *,
    drop: float = 0.05,
    window: int = 20,
    rule: Rule = "cusum",
    deployed: Mapping[str, datetime] | None = None,
) -> list[Drift]:
    """One `Drift` for each model and kind of task, those with a standing alarm first, then the ones with most runs.

    `drop` (0..1) and `window` (runs) are `driftDetection.minPerformanceDrop` and `.evaluationRuns`. `deployed`: model -> when
    what is served under its name was deployed; its rewards before that are the reference, if there are at least `window` of them.
    Otherwise the first `LOOKS * window` known rewards of the stream (after the deployment) are. Runs may come in any order; those
    that name no model are left out, and a missing reward neither raises nor lowers anything. Runs that went into the same change
    share its reward: the last one counts. An alarm stands until the statistic has fallen to half its threshold. Raises ValueError
    for a `drop` outside 0..1, a `window` below 2 or another rule.
    """
    if not 0 < drop <= 1 or window < 2 or rule not in ("cusum", "seed"):
        raise ValueError(f"drop in 0..1, window of 2 or more, rule cusum or seed; not {drop!r}, {window!r}, {rule!r}")
    streams: dict[tuple[str, str | None], list[Run]] = {}
    for run in sorted(runs, key=lambda one: (one.at, one.run_id)):
        if run.model is not None:
            streams.setdefault((run.model, run.kind), []).append(run)
    seen = {name: _once(stream) for name, stream in streams.items()}
    pasts = {name: _past(stream, (deployed or {}).get(name[0]), window) for name, stream in seen.items()}
    found = [_judge(name, seen[name], pasts, drop, window, rule) for name in seen]
    return sorted(found, key=lambda one: (one.alarm is None, -one.runs, one.model, one.kind is None, one.kind or ""))


def _once(stream: Sequence[Run]) -> list[_Seen]:
    """Each change's reward once: as many runs with one fate are no more evidence than one, and would break the budget."""
    last: dict[str | None, str] = {
        run.change_id: run.run_id for run in stream if run.change_id is not None and run.reward is not None
    }
    return [_Seen(run, run.reward if last.get(run.change_id, run.run_id) == run.run_id else None) for run in stream]


def _past(stream: Sequence[_Seen], deployed: datetime | None, window: int) -> tuple[list[float], int]:
    """The rewards to compare with ([]: too few), and how many runs of the stream come before the first watched one."""
    before = sum(1 for run, _ in stream if deployed is not None and run.at < deployed)
    rewards = [reward for _, reward in stream[:before] if reward is not None]
    if len(rewards) >= window:
        return rewards, before
    rewards = []
    for i, (_, reward) in enumerate(stream[before:], before + 1):
        if reward is not None:
            rewards.append(reward)
        if len(rewards) == LOOKS * window:
            return rewards, i
    return [], len(stream)


def _judge(
    name: tuple[str, str | None],
    stream: Sequence[_Seen],
    pasts: Mapping[tuple[str, str | None], tuple[list[float], int]],
    drop: float,
    window: int,
    rule: Rule,
) -> Drift:
    past, start = pasts[name]
    known = sum(reward is not None for _, reward in stream)
    watched = [(i, run, reward) for i, (run, reward) in enumerate(stream[start:], start + 1) if reward is not None]
    if not past:
        return Drift(*name, len(stream), known, 0, 0, rule)
    others = [reward for other, (rewards, _) in pasts.items() if other != name for reward in rewards]
    wins, losses = shrunk(past, others)
    reference = wins / (wins + losses)
    whole = max(1, round(wins)), max(1, round(losses))  # streams that differ by less than a run share their test
    of_chart, of_seed = design(*whole, drop), seed_false_alarms(*whole, drop, window)
    rewards = [reward for _, _, reward in watched]
    values: Sequence[float | None]
    if rule == "cusum":
        threshold, values = of_chart.threshold, cusum(rewards, of_chart)
    else:
        threshold, values = drop, below(rewards, reference, window)
    raised, stands = _alarms([(i, run) for i, run, _ in watched], values, threshold, reached=rule == "cusum")
    return Drift(
        *name, len(stream), known, len(past), len(watched), rule, reference,
        sum(rewards[-window:]) / window if len(rewards) >= window else None, values[-1] if values else None, threshold,
        tuple(raised), raised[-1] if stands else None, {"cusum": of_chart.false_alarms, "seed": of_seed},
    )  # fmt: skip


def _alarms(
    runs: Sequence[tuple[int, Run]], values: Sequence[float | None], threshold: float, *, reached: bool
) -> tuple[list[Alarm], bool]:
    """Every alarm, and whether the last one stands."""
    raised, stands = [], False
    for (i, run), value in zip(runs, values, strict=True):
        if value is None:
            continue
        if stands:
            stands = value > threshold / 2 + 1e-9
        elif value > threshold + 1e-9 or (reached and value >= threshold - 1e-9):
            raised.append(Alarm(i, run.run_id, run.at))
            stands = True
    return raised, stands


def shrunk(past: Sequence[float], others: Sequence[float] = ()) -> tuple[float, float]:
    """Parameters of the Beta distribution of the true rate: the past, and `PRIOR_RUNS` runs at the mean of the other streams; where there
    are none, one reward of 1 and one of 0 (Laplace).

    >>> shrunk([1.0, 0.0, 0.5])
    (2.5, 2.5)
    >>> shrunk([1.0, 0.0], [1.0])
    (5.0, 1.0)
    """
    weight, mean = (PRIOR_RUNS, sum(others) / len(others)) if others else (2.0, 0.5)
    total = math.fsum(past)
    return weight * mean + total, weight * (1 - mean) + len(past) - total


def cusum(rewards: Iterable[float], chart: Chart) -> list[float]:
    """S after each reward, held at the threshold once it is there, so that a long bad time does not delay the end of an alarm.

    >>> [round(s, 1) for s in cusum([1, 0, 0, 0, 1], Chart(0.6, 1.5, 0.0))]
    [0.0, 0.6, 1.2, 1.5, 1.1]
    """
    s, values = 0.0, []
    for reward in rewards:
        s = min(chart.threshold, max(0.0, s + chart.slope - reward))
        values.append(s)
    return values


def below(rewards: Sequence[float], reference: float, window: int) -> list[float | None]:
    """How far the mean of the last `window` rewards lies below the reference; None while there are fewer.

    >>> below([1, 0, 0], 0.75, 2)
    [None, 0.25, 0.75]
    """
    return [reference - math.fsum(rewards[i - window : i]) / window if i >= window else None for i in range(1, len(rewards) + 1)]


def slope_of(rate: float, drop: float) -> float:
    """Where the likelihood ratio of `rate` against `TUNED` drops less neither rises nor falls, on the grid of 1/`GRID`.

    The rate that the test is tuned to is at least half the reference. The slope lies below `rate`, so that S of a healthy stream sinks; 0 where
    the reference is so low that it cannot: such a stream has nowhere to fall, and never alarms.

    >>> slope_of(0.7, 0.05), slope_of(0.01, 0.05)
    (0.6, 0.0)
    """
    rate = min(0.999, max(0.001, rate))
    worse = max(rate - TUNED * drop, rate / 2)
    up, down = math.log((1 - worse) / (1 - rate)), math.log(rate / worse)
    return min(round(GRID * up / (up + down)), math.ceil(GRID * rate) - 1) / GRID


@lru_cache(maxsize=256)
def design(wins: float, losses: float, drop: float) -> Chart:
    """The test for a reference of `wins` against `losses` (the Beta distribution of the true rate) and a `drop`."""
    slope = slope_of(wins / (wins + losses), drop)
    if not slope:
        return Chart(slope, 1.0, 0.0)
    rates, weights = _rates(wins, losses)

    def alarms(height: int) -> float:
        return float(weights @ alarm_shares(rates, slope, height))

    low, high = 0, 2 * GRID
    while alarms(high) > BUDGET:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if alarms(middle) <= BUDGET else (middle, high)
    return Chart(slope, high / GRID, alarms(high))


def alarm_shares(rates: Floats, slope: float, height: int, horizon: int = HORIZON) -> Floats:
    """Share of streams of `horizon` zeros and ones, for each of the true `rates`, of which S reaches `height` (in 1/`GRID`) from 0.

    One step of the chain moves the whole distribution of S up by the slope for a 0, down by 1 less the slope for a 1.

    >>> alarm_shares(np.array([0.5]), 0.5, 50, 2)  # S is 1 after two zeros
    array([0.25])
    """
    up = round(slope * GRID)
    down = GRID - up
    chances = np.asarray(rates, dtype=float)[:, None]
    now = np.zeros((len(chances), height))
    now[:, 0] = 1.0
    for _ in range(horizon):
        after = np.zeros_like(now)
        if up < height:
            after[:, up:] = (1 - chances) * now[:, :-up]
        if down < height:
            after[:, :-down] += chances * now[:, down:]
        after[:, 0] += chances[:, 0] * now[:, :down].sum(axis=1)
        now = after
    shares: Floats = np.maximum(0.0, 1 - now.sum(axis=1))
    return shares


def _rates(wins: float, losses: float) -> tuple[Floats, Floats]:
    """17 rates within four standard deviations, weighed by their Beta density."""
    n = wins + losses
    mean, sd = wins / n, math.sqrt(wins * losses / (n * n * (n + 1)))
    rates = np.linspace(max(1e-4, mean - 4 * sd), min(1 - 1e-4, mean + 4 * sd), 17)
    logs = (wins - 1) * np.log(rates) + (losses - 1) * np.log1p(-rates)
    weights = np.exp(logs - logs.max())
    return rates, weights / weights.sum()


@lru_cache(maxsize=256)
def seed_false_alarms(wins: float, losses: float, drop: float, window: int) -> float:
    """Share of healthy streams of `HORIZON` runs in which the seed's rule alarms, from `SIMULATED` of them with a fixed seed."""
    rng = np.random.default_rng(1954)
    rates = rng.beta(wins, losses, (SIMULATED, 1))
    sums = np.cumsum(rng.random((SIMULATED, HORIZON)) < rates, axis=1)
    sums = np.concatenate([np.zeros((SIMULATED, 1)), sums], axis=1)
    means = (sums[:, window:] - sums[:, :-window]) / window
    falls = wins / (wins + losses) - np.asarray(means, dtype=float)
    return float(np.any(falls > drop + 1e-9, axis=1).mean()) if window <= HORIZON else 0.0
