"""What a challenger's share of the decisions has shown so far, against the champion's. Pure, standard library only.

The intervals are confidence sequences: they hold at all times at once, so that looking after every commit makes no lucky challenger (Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas 2021, Time-uniform central limit theory and asymptotic confidence sequences, theorem 2.2). After n rewards of
variance s^2 the mean is within s sqrt((n rho^2 + 1) / (n^2 rho^2) log((n rho^2 + 1) / alpha^2)); rho makes it narrowest at `TYPICAL` rewards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

ALPHA: Final = 0.05
TYPICAL: Final = 50.0
LEAST: Final = 20.0
"""So many rewards each before anything is said: the sequence is exact only for many."""
_SIDE: Final = ALPHA / 2
RHO2: Final = (-2 * math.log(_SIDE) + math.log(-2 * math.log(_SIDE) + 1)) / TYPICAL

Verdict = Literal["promote", "roll back", "not enough evidence"]


class Side(NamedTuple):
    """n: rewards; mean: of them, with low and high at all times, None without any."""

    n: int
    mean: float | None
    low: float | None
    high: float | None


class Evidence(NamedTuple):
    """difference: challenger less champion, with its interval, None where a side has no reward."""

    challenger: Side
    champion: Side
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict


def side(rewards: Sequence[tuple[float, float]]) -> tuple[Side, float]:
    """(the side, its effective number of rewards) of (reward 0..1, weight) pairs; a weight of 0 counts nothing.

    The variance is taken with one more reward at the far end, so that a few rewards that are all alike are not taken for certainty.

    >>> found, n = side([(0.5, 1.0)] * 50)
    >>> round(found.low, 2), round(found.high, 2), n
    (0.47, 0.53, 50.0)
    """
    rows = [(reward, weight) for reward, weight in rewards if weight > 0]
    if not rows:
        return Side(0, None, None, None), 0.0
    total = math.fsum(weight for _, weight in rows)
    mean = math.fsum(reward * weight for reward, weight in rows) / total
    n = total**2 / math.fsum(weight**2 for _, weight in rows)
    spread = math.fsum(weight * (reward - mean) ** 2 for reward, weight in rows) / total
    variance = (n * spread + max(mean, 1 - mean) ** 2) / (n + 1)
    reach = math.sqrt(variance * (n * RHO2 + 1) / (n * n * RHO2) * math.log((n * RHO2 + 1) / _SIDE**2))
    return Side(len(rows), mean, max(0.0, mean - reach), min(1.0, mean + reach)), n


def compare(challenger: Sequence[tuple[float, float]], champion: Sequence[tuple[float, float]]) -> Evidence:
    """The evidence. The challenger was drawn by a coin for any task, the champion where the router wanted it: the weight of a challenger's
    reward is the probability that its task would have been the champion's, so that both are told on the same kind of tasks.

    >>> compare([(1.0, 1.0)] * 60, [(0.2, 1.0)] * 200).verdict
    'promote'
    >>> compare([(1.0, 1.0)] * 5, [(0.2, 1.0)] * 200).verdict
    'not enough evidence'
    """
    (mine, n), (theirs, other) = side(challenger), side(champion)
    if mine.mean is None or theirs.mean is None:
        return Evidence(mine, theirs, None, None, None, "not enough evidence")
    low, high = (mine.low or 0.0) - (theirs.high or 0.0), (mine.high or 0.0) - (theirs.low or 0.0)
    enough = min(n, other) >= LEAST
    verdict: Verdict = "promote" if enough and low > 0 else "roll back" if enough and high < 0 else "not enough evidence"
    return Evidence(mine, theirs, mine.mean - theirs.mean, low, high, verdict)
