"""How good probabilities are, given what happened: Brier score, reliability, expected calibration error, and a paired comparison.

Pure; the bootstrap draws from a seeded generator, so the same values give the same interval.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from git_hone.learner.intervals import wilson

BINS: Final = 10
RESAMPLES: Final = 1000


class Bin(NamedTuple):
    """`n` predictions next to each other: their mean, the share that came true, and Wilson's 95 % interval of it."""

    n: int
    predicted: float
    observed: float
    low: float
    high: float


class Gain(NamedTuple):
    """How much smaller a Brier score is than another one: mean over the cases, and its 95 % interval by paired bootstrap."""

    mean: float
    low: float
    high: float


def brier(chances: Sequence[float], happened: Sequence[bool]) -> float:
    """Mean squared distance of the prediction from what happened, 0 best (Brier 1950). Raises ValueError for none.

    >>> brier([0.9, 0.2], [True, False])
    0.025
    """
    if not chances:
        raise ValueError("chances: none")
    return round(math.fsum((p - y) ** 2 for p, y in zip(chances, happened, strict=True)) / len(chances), 12)


def reliability(chances: Sequence[float], happened: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """At most `bins` groups of about as many predictions each, smallest first; equal predictions stay together.

    >>> [(one.n, one.observed) for one in reliability([0.2] * 5 + [0.8] * 5, [False] * 5 + [True] * 4 + [False])]
    [(5, 0.0), (5, 0.8)]
    """
    pairs = sorted(zip(chances, happened, strict=True))
    out: list[Bin] = []
    at = 0
    while at < len(pairs):
        end = min(len(pairs), at + max(1, math.ceil((len(pairs) - at) / (bins - len(out)))))
        while end < len(pairs) and pairs[end][0] == pairs[end - 1][0]:
            end += 1
        group = pairs[at:end]
        n, hits = len(group), sum(y for _, y in group)
        out.append(Bin(n, math.fsum(p for p, _ in group) / n, hits / n, *wilson(hits, n)))
        at = end
    return out


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean distance of predicted and observed share over the bins, by their size, 0..1.

    Even a perfect predictor has some, from chance alone: the more the smaller the bins.
    """
    return math.fsum(one.n * abs(one.predicted - one.observed) for one in bins) / sum(one.n for one in bins)


def gain(chances: Sequence[float], than: Sequence[float], happened: Sequence[bool], seed: int = 0) -> Gain:
    """How much smaller the Brier score of `chances` is than that of `than` on the same cases; above 0 is better.

    Paired percentile bootstrap (Efron 1979), cases taken as independent.
    """
    less = [(q - y) ** 2 - (p - y) ** 2 for p, q, y in zip(chances, than, happened, strict=True)]
    chance = random.Random(seed)  # noqa: S311 - resampling, no secret
    means = sorted(math.fsum(chance.choices(less, k=len(less))) / len(less) for _ in range(RESAMPLES))
    tail = round(0.025 * RESAMPLES)
    return Gain(math.fsum(less) / len(less), means[tail], means[-1 - tail])
