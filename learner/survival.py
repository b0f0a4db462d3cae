"""How long changes stand: the Kaplan-Meier estimator with Greenwood's variance, as table at 1, 7, 14, 30 and 90 days. Pure.

What "fell" means is written in `git_hone.learner.fates.fate`. Kaplan and Meier 1958, Nonparametric Estimation from Incomplete
Observations; the interval on the log(-log) scale: Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from git_hone.learner.fates import HORIZONS, Fate
from git_hone.learner.intervals import Interval, wilson

ENOUGH: Final = 5
"""Below this many changes at risk, no share is given for a day."""


@dataclass(frozen=True)
class Point:
    """The curve at one day. `at_risk`: changes that stood and were watched until then. `share`: estimated share that still
    stands after that day, with its 95 % interval; None when fewer than `ENOUGH` were at risk. `se`: Greenwood's standard error.
    """

    day: float
    at_risk: int
    fell: int
    share: float | None = None
    low: float | None = None
    high: float | None = None
    se: float | None = None


@dataclass(frozen=True)
class Curve:
    """One group: how many changes, how many of them fell, and its points. `name` None: not known."""

    name: str | None
    changes: int
    fell: int
    points: tuple[Point, ...]


def curve(name: str | None, fates: Iterable[Fate], days: Sequence[float] = HORIZONS, enough: int = ENOUGH) -> Curve:
    """The estimate at each of `days`; `Point.fell` counts those that fell until then."""
    known = list(fates)
    falls = Counter(one.fell for one in known if one.fell is not None)
    ends = sorted(one.watched for one in known)
    points = []
    share, spread, fell, steps = 1.0, 0.0, 0, sorted(falls)
    risk_at_fall = len(ends)
    for day in sorted(days):
        while steps and steps[0] <= day:
            at = steps.pop(0)
            n, d = len(ends) - bisect_left(ends, at), falls[at]
            share *= 1 - d / n
            spread = math.inf if d == n else spread + d / (n * (n - d))
            fell, risk_at_fall = fell + d, n
        n_risk = len(ends) - bisect_left(ends, day)
        if n_risk < enough:
            points.append(Point(day, n_risk, fell))
            continue
        low, high = log_log_interval(share, spread, risk_at_fall if share == 0 else n_risk)
        points.append(Point(day, n_risk, fell, share, low, high, share * math.sqrt(spread) if share else 0.0))
    return Curve(name, len(known), sum(falls.values()), tuple(points))


def log_log_interval(share: float, spread: float, at_risk: int, confidence: float = 0.95) -> Interval:
    """Interval for a survival `share`; `spread` is Greenwood's sum, Σ d / (n (n - d)).

    Where the share is 0 or 1 the scale has no value: then Wilson's interval for the number still at risk, too wide rather than
    too narrow.

    >>> [round(bound, 4) for bound in log_log_interval(18 / 21, 3 / (21 * 18), 21)]
    [0.6197, 0.9516]
    """
    if not 0 < share < 1:
        return wilson(at_risk * share, at_risk, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * math.sqrt(spread) / abs(math.log(share))
    return share ** math.exp(half), share ** math.exp(-half)
