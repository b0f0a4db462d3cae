"""What a policy would have earned, told from the log of another: before it is allowed to choose anything.

For each logged choice: the arm, the probability with which it was chosen (its propensity), the reward, and the probabilities that the
policy in question gives to every arm. w = its probability of the logged arm / the propensity.

    IPS    mean of w r                         unbiased while propensities are right and no weight is capped
    SNIPS  sum of w r / sum of w               less variance, a little bias
    DR     mean of sum_a p(a) q(a) + w (r - q) a model q of rewards carries it, the log corrects the model: right if either is

(Horvitz and Thompson 1952; Swaminathan and Joachims 2015; Dudik, Langford and Li 2011.) Weights are capped, the share that was is told.
The effective sample size (sum w)^2 / sum w^2 (Kish) says how many of the choices speak for the policy at all; under `LEAST_ESS` the
answer is "not enough evidence", whatever the interval says. Pure: arrays in, numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]

LEAST_ESS: Final = 100.0
WEIGHT_CAP: Final = 20.0
Verdict = Literal["better", "worse", "no difference seen", "not enough evidence"]


@dataclass(frozen=True)
class Log:
    """n logged choices. arm: (n,) column of the chosen arm; propensity: (n,) in (0, 1]; reward: (n,), 0..1. Choices whose reward is
    not known are left out before: `of` counts only those that matured. Raises ValueError for other shapes and for a propensity of
    0 or above 1."""

    arm: npt.NDArray[np.int64]
    propensity: Array
    reward: Array

    def __post_init__(self) -> None:
        if not len(self.arm) == len(self.propensity) == len(self.reward):
            raise ValueError(f"{len(self.arm)} arms, {len(self.propensity)} propensities, {len(self.reward)} rewards")
        if not np.isfinite(self.reward).all():
            raise ValueError("reward: a choice without one says nothing; leave it out")
        if not ((self.propensity > 0) & (self.propensity <= 1)).all():
            raise ValueError("propensity: must lie in (0, 1]")

    def __len__(self) -> int:
        return len(self.arm)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; standard error beside it. NaN when there is nothing to tell it from."""

    value: float
    low: float
    high: float
    error: float


@dataclass(frozen=True)
class Judged:
    """A policy's worth by each estimator. ess: effective sample size; capped: share of choices whose weight was cut."""

    ips: Estimate
    snips: Estimate
    dr: Estimate
    n: int
    ess: float
    capped: float


@dataclass(frozen=True)
class Compared:
    """Candidate less current, by DR on the same choices. needed: about how many choices would reach `LEAST_ESS`; null when
    reached, or when none of them speaks for the candidate."""

    difference: Estimate
    candidate: Judged
    current: Judged
    verdict: Verdict
    needed: int | None


def judge(log: Log, policy: Array, model: Array, *, cap: float = WEIGHT_CAP) -> Judged:
    """`policy`: (n, arms) its probabilities; `model`: (n, arms) rewards predicted without the row itself (out of fold).

    >>> log = Log(np.array([0, 1] * 100), np.full(200, 0.5), np.array([1.0, 0.0] * 100))
    >>> always_first = judge(log, np.tile([1.0, 0.0], (200, 1)), np.full((200, 2), 0.5))
    >>> always_first.ips.value, always_first.dr.value, always_first.ess
    (1.0, 1.0, 100.0)
    """
    _check(log, policy, model)
    if not len(log):
        nothing = Estimate(*[float("nan")] * 4)
        return Judged(nothing, nothing, nothing, 0, 0.0, 0.0)
    weight, capped = _weights(log, policy, cap)
    total = float(weight.sum())
    ratio = float(weight @ log.reward) / total if total else float("nan")
    around = weight * (log.reward - ratio) / (total / len(log)) if total else np.full(len(log), np.nan)
    return Judged(
        ips=_mean(weight * log.reward),
        snips=_interval(ratio, around),
        dr=_mean(_doubly_robust(log, policy, model, weight)),
        n=len(log),
        ess=total**2 / float(weight @ weight) if total else 0.0,
        capped=capped,
    )


def compare(log: Log, candidate: Array, current: Array, model: Array, *, cap: float = WEIGHT_CAP) -> Compared:
    """Is `candidate` better than `current`, on this log? Verdicts by the 95 % interval of the difference, row by row."""
    one, two = judge(log, candidate, model, cap=cap), judge(log, current, model, cap=cap)
    if len(log):
        rows = [_doubly_robust(log, policy, model, _weights(log, policy, cap)[0]) for policy in (candidate, current)]
        difference = _mean(rows[0] - rows[1])
    else:
        difference = Estimate(*[float("nan")] * 4)
    least = min(one.ess, two.ess)
    if least < LEAST_ESS:
        return Compared(difference, one, two, "not enough evidence", round(len(log) * LEAST_ESS / least) if least > 0 else None)
    verdict: Verdict = "better" if difference.low > 0 else "worse" if difference.high < 0 else "no difference seen"
    return Compared(difference, one, two, verdict, None)


def _check(log: Log, policy: Array, model: Array) -> None:
    if policy.shape != model.shape or len(policy) != len(log):
        raise ValueError(f"{len(log)} choices, policy {policy.shape}, model {model.shape}")
    if len(log) and not np.allclose(policy.sum(axis=1), 1.0, atol=1e-6):
        raise ValueError("policy: each row must sum to 1")


def _weights(log: Log, policy: Array, cap: float) -> tuple[Array, float]:
    raw = policy[np.arange(len(log)), log.arm] / log.propensity
    return np.minimum(raw, cap), float(np.mean(raw > cap))


def _doubly_robust(log: Log, policy: Array, model: Array, weight: Array) -> Array:
    direct = np.sum(policy * np.nan_to_num(model, nan=0.5), axis=1)
    logged = np.nan_to_num(model[np.arange(len(log)), log.arm], nan=0.5)
    value: Array = direct + weight * (log.reward - logged)
    return value


def _mean(values: Array) -> Estimate:
    return _interval(float(values.mean()), values - values.mean())


def _interval(value: float, around: Array) -> Estimate:
    """By Student's t on the spread of the rows' contributions `around` their mean."""
    n = len(around)
    if n < 2 or not np.isfinite(value):
        return Estimate(value, float("nan"), float("nan"), float("nan"))
    error = float(np.sqrt(around @ around / (n - 1) / n))
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    return Estimate(value, value - reach, value + reach, error)
