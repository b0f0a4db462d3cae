"""Two models on the same tasks: is the one better, is it at least not worse, and what could so many tasks show at all?

Pure arithmetic on pairs (won: only the candidate passed; lost: only the incumbent did). Tasks of one group (a file family) are not
independent, so intervals come from whole groups drawn anew.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import Final, NamedTuple

RESAMPLES: Final = 4000
POWER: Final = 0.8
STEP: Final = 0.01
NEGLIGIBLE: Final = 1e-9


class Pair(NamedTuple):
    """One task. group: what it is dependent within; incumbent, candidate: what each achieved, 0..1."""

    group: str
    incumbent: float
    candidate: float


class Difference(NamedTuple):
    """candidate - incumbent, as a mean over tasks, -1..1, with the bounds of an interval; groups: how many it rests on."""

    mean: float
    low: float
    high: float
    tasks: int
    groups: int


def mcnemar(won: int, lost: int) -> float:
    """Exact one-sided p-value of "the candidate is not better": the chance of at least `won` heads in `won + lost` fair flips.

    1 when nothing is discordant. Raises ValueError for a negative count.
    McNemar 1947, Note on the sampling error of the difference between correlated proportions, in its exact form.

    >>> mcnemar(5, 0), mcnemar(0, 0), round(mcnemar(13, 0), 6), round(mcnemar(8, 2), 4)
    (0.03125, 1.0, 0.000122, 0.0547)
    """
    if won < 0 or lost < 0:
        raise ValueError(f"counts: {won}, {lost}")
    n = won + lost
    return float(sum(math.comb(n, k) for k in range(won, n + 1)) / 2**n)


def least_discordant(alpha: float) -> int:
    """The fewest discordant tasks with which `mcnemar` can come down to `alpha`: all of them won.

    >>> least_discordant(0.05), least_discordant(0.025), least_discordant(0.5)
    (5, 6, 1)
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: within 0..1, not {alpha}")
    return max(1, math.ceil(-math.log2(alpha) - 1e-12))


def difference(pairs: Sequence[Pair], tail: float = 0.025, seed: int = 0) -> Difference | None:
    """The mean of candidate - incumbent over tasks with a percentile bootstrap interval, whole groups drawn with replacement.

    tail: the share of resamples beyond each bound, 0..0.5. None without pairs. With one group there is nothing to draw from: the
    interval is then (-1, 1), as one group says nothing of the next. The same pairs and seed give the same bounds, in any order.
    Cameron, Gelbach and Miller 2008, Bootstrap-based improvements for inference with clustered errors (pairs cluster bootstrap).

    >>> better = [Pair(f"f{k}", 0.0, 1.0) for k in range(8)] + [Pair("g", 1.0, 1.0), Pair("h", 1.0, 0.0)]
    >>> difference(better)
    Difference(mean=0.7, low=0.2, high=1.0, tasks=10, groups=10)
    >>> difference([Pair("f", 0.0, 1.0)] * 9)
    Difference(mean=1.0, low=-1.0, high=1.0, tasks=9, groups=1)
    """
    if not 0 < tail < 0.5:
        raise ValueError(f"tail: within 0..0.5, not {tail}")
    groups: dict[str, list[float]] = {}
    for pair in pairs:
        groups.setdefault(pair.group, []).append(pair.candidate - pair.incumbent)
    if not groups:
        return None
    mean = math.fsum(pair.candidate - pair.incumbent for pair in pairs) / len(pairs)
    sums = sorted((math.fsum(values), len(values)) for values in groups.values())
    if len(sums) == 1:
        return Difference(mean, -1.0, 1.0, len(pairs), 1)
    chance = random.Random(seed)  # noqa: S311 - resampling, no secret
    means = list[float]()
    for _ in range(RESAMPLES):
        drawn = chance.choices(sums, k=len(sums))
        means.append(math.fsum(total for total, _ in drawn) / sum(size for _, size in drawn))
    means.sort()
    beyond = round(tail * RESAMPLES)
    return Difference(mean, means[beyond], means[-1 - beyond], len(pairs), len(sums))


def power(tasks: int, won: float, lost: float, alpha: float) -> float:
    """The chance that `mcnemar` comes down to `alpha` on so many independent tasks, of which each is won with the chance `won` and
    lost with the chance `lost`.

    >>> [round(power(n, 0.15, 0.05, 0.05), 2) for n in (30, 60, 100, 164, 250)]
    [0.17, 0.43, 0.68, 0.88, 0.97]
    """
    if not (0 <= won <= 1 and 0 <= lost <= 1 and won + lost <= 1 + 1e-9):
        raise ValueError(f"chances: {won}, {lost}")
    discordant = min(1.0, won + lost)
    if discordant == 0:
        return 0.0
    return math.fsum(
        _binomial(m, tasks, discordant)
        * math.fsum(_binomial(k, m, won / (won + lost)) for k in range(_least_won(m, alpha), m + 1))
        for m in range(least_discordant(alpha), tasks + 1)
    )


def detectable(tasks: int, lost: float, alpha: float, wanted: float = POWER) -> float | None:
    """The smallest difference (won - lost, in steps of 0.01) that so many tasks show with the power `wanted`, where the share `lost`
    of them is lost by chance; None when not even the largest possible one.

    >>> detectable(100, 0.05, 0.05), detectable(20, 0.05, 0.05), detectable(4, 0.0, 0.05)
    (0.13, 0.41, None)
    """
    steps = int((1 - 2 * lost) / STEP + 1e-9)
    low, high = 1, steps + 1  # power grows with the difference
    while low < high:
        middle = (low + high) // 2
        if power(tasks, lost + middle * STEP, lost, alpha) >= wanted:
            high = middle
        else:
            low = middle + 1
    return round(low * STEP, 2) if low <= steps else None


def passes_guard(tasks: int, discordant: float, margin: float, tail: float = 0.05) -> float:
    """The chance that a candidate which is as good as the incumbent is found not worse than `margin` (0..1) on so many independent tasks,
    of which the two pass different ones with the chance `discordant`: half won, half lost.

    Summed over all that may be won and lost, with the lower bound of `difference` from the normal distribution (`_lowest`). This chance is what makes
    a guard suite large enough; of many tasks, a candidate that is worse by `margin` passes with about `tail`.

    >>> [round(passes_guard(n, 0.05, 0.03), 2) for n in (60, 120, 250, 500)]
    [0.29, 0.47, 0.7, 0.89]
    """
    if not (0 < discordant <= 1 and 0 < margin <= 1 and tasks > 0):
        raise ValueError(f"tasks: {tasks}, discordant: {discordant}, margin: {margin}")
    z = NormalDist().inv_cdf(1 - tail)
    chance = 0.0
    for m in range(tasks + 1):
        of_m = _binomial(m, tasks, discordant)
        if of_m < NEGLIGIBLE:
            continue
        least = next((w for w in range(m + 1) if _lowest(w, m - w, tasks, z) > -margin * tasks), m + 1)
        chance += of_m * math.fsum(_binomial(w, m, 0.5) for w in range(least, m + 1))
    return chance


def _lowest(won: int, lost: int, tasks: int, z: float) -> int:
    """The lower bound of won - lost that whole tasks drawn anew give: the quantile of a number that is whole.

    >>> [_lowest(won, lost, tasks, 1.6449) for won, lost, tasks in ((0, 0, 100), (5, 3, 100), (10, 10, 200), (0, 1, 60))]
    [0, -3, -7, -3]
    """
    mean = won - lost
    return math.ceil(mean - z * math.sqrt(won + lost - mean**2 / tasks) - 0.5)


@cache
def _least_won(n: int, alpha: float) -> int:
    """The fewest wins of `n` discordant tasks whose p-value is at most `alpha`; n + 1 when there are none."""
    total, whole = 0, 2**n
    for k in range(n, -1, -1):
        total += math.comb(n, k)
        if total > alpha * whole:
            return k + 1
    return 0


def _binomial(k: int, n: int, p: float) -> float:
    if p in (0.0, 1.0):
        return float(k == (n if p else 0))
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
