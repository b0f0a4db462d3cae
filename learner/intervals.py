"""Confidence intervals for shares and means, with nothing but arithmetic: no numpy, no scipy, no random numbers.

An interval is a (low, high) pair. What it does not do: compare two models (that is the gate's work, on paired results).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev
from typing import Final

Interval = tuple[float, float]


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Interval for a share: `successes` of `n`, in 0..1; (0, 1) when n is 0.

    It keeps its level for few trials and for shares near 0 and 1, where the textbook interval has no width.
    `successes` may be fractional: values in 0..1 vary at most as much as coin flips with their mean, so it is then too wide
    rather than too narrow. Raises ValueError when successes is not within 0..n.
    Wilson 1927, Probable Inference; Brown, Cai and DasGupta 2001, Interval Estimation for a Binomial Proportion.

    >>> [round(bound, 4) for bound in wilson(8, 10)]
    [0.4902, 0.9433]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes: {successes} of {n}")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = successes / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


T_95: Final = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
               2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
               2.0452, 2.0423)  # fmt: skip
"""Student's t, 97.5 % point, for 1 to 30 degrees of freedom."""


def t_95(degrees: int) -> float:
    """The 97.5 % point of Student's t: from a table up to 30 degrees of freedom, then by Fisher's expansion (wrong by less
    than 1e-4 there: Abramowitz and Stegun 26.7.5).

    >>> round(t_95(4), 4), round(t_95(60), 4), round(t_95(10**6), 4)
    (2.7764, 2.0003, 1.96)
    """
    if degrees < 1:
        raise ValueError(f"degrees: at least 1, not {degrees}")
    if degrees <= len(T_95):
        return T_95[degrees - 1]
    z = NormalDist().inv_cdf(0.975)
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def mean_interval(values: Sequence[float]) -> Interval | None:
    """95 % interval for the mean of independent values (Student 1908); None for fewer than two, which say nothing of spread.

    >>> [round(bound, 4) for bound in mean_interval([0.4, 0.5, 0.6, 0.7, 0.8])]
    [0.4037, 0.7963]
    """
    return None if len(values) < 2 else mean_interval_of(len(values), fmean(values), stdev(values))


def mean_interval_of(n: int, mean: float, sd: float) -> Interval | None:
    """`mean_interval` from the count, the mean and the sample standard deviation."""
    if n < 2:
        return None
    half = t_95(n - 1) * sd / math.sqrt(n)
    return mean - half, mean + half


def share_mean_interval(n: int, mean: float, sd: float) -> Interval | None:
    """`mean_interval_of` for values in 0..1, cut to 0..1. Values without any spread have an interval of no width, which claims
    too much: then Wilson's, which is too wide rather than too narrow.

    >>> [round(bound, 3) for bound in share_mean_interval(5, 1.0, 0.0)]
    [0.566, 1.0]
    """
    if n < 2:
        return None
    low, high = mean_interval_of(n, mean, sd) or (0.0, 1.0)
    return wilson(mean * n, n) if sd == 0 else (max(0.0, low), min(1.0, high))
