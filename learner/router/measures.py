"""What a router is worth: reward against cost, and, between a weak and a strong model, how much of the gap it recovers.

    PGR(share)  performance gap recovered: (reward - weak's) / (strong's - weak's) when `share` of the calls go to the strong model
    APGR        its mean over all shares, the area under the curve; a random split has 0.5
    CPT(x)      the smallest share of strong calls, in percent, that recovers x of the gap

As defined by RouteLLM (Ong et al. 2024, arXiv 2406.18665, section 2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Recovered(NamedTuple):
    """apgr in about 0..1; cpt50 and cpt80 in percent of calls. NaN when the strong model is not better."""

    apgr: float
    cpt50: float
    cpt80: float


def recovered(score: Array, weak: Array, strong: Array) -> Recovered:
    """`score`: how much the strong model is expected to be better, for each task; weak, strong: the rewards. Tasks of one score
    go to the strong model together, so that the order of the file cannot matter.

    >>> gap = recovered(np.array([2.0, 1.0, 0.0, 0.0]), np.zeros(4), np.array([1.0, 1.0, 0.0, 0.0]))
    >>> gap.apgr, gap.cpt50
    (0.75, 25.0)
    """
    gain = strong - weak
    if gain.sum() <= 0:
        return Recovered(np.nan, np.nan, np.nan)
    values, group = np.unique(-score, return_inverse=True)
    share = np.concatenate([[0.0], np.cumsum(np.bincount(group, minlength=len(values))) / len(score)])
    pgr = np.concatenate([[0.0], np.cumsum(np.bincount(group, gain, len(values))) / gain.sum()])
    apgr = float(np.sum((pgr[1:] + pgr[:-1]) / 2 * np.diff(share)))
    return Recovered(apgr, _share_at(0.5, share, pgr), _share_at(0.8, share, pgr))


def _share_at(level: float, share: Array, pgr: Array) -> float:
    """By straight lines between the points: a group that goes over in part goes over at random."""
    k = int(np.argmax(pgr >= level))
    low, high = pgr[k - 1], pgr[k]
    return float(100 * (share[k - 1] + (share[k] - share[k - 1]) * (level - low) / (high - low)))


def bootstrap(
    statistic: Callable[[npt.NDArray[np.int64]], float], n: int, rounds: int = 500, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of `statistic(rows)` over `rounds` resamples of n rows; the same for the same seed."""
    drawn = np.random.default_rng(seed)
    values = [statistic(drawn.integers(0, n, n)) for _ in range(rounds)]
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))
