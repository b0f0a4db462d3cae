"""Logistic regression with a Gaussian prior on each coefficient: the coefficients of largest posterior density. Pure, plain Python.

The prior is what makes it usable from the first outcome on: with few data the coefficients stay where the prior put them, and
data that one feature separates perfectly, or of which all have the same label, still give finite ones. The objective is strictly
convex, so there is one answer, and Newton's method (iteratively reweighted least squares) finds it in a handful of steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

STEPS: Final = 50
CLOSE: Final = 1e-9
"""Newton stops when no coefficient moves by more than this."""


class Gaussian(NamedTuple):
    """What is believed of a coefficient before any data, and why: 95 % of the belief within two scales of the mean."""

    mean: float
    scale: float
    reason: str


def sigmoid(log_odds: float) -> float:
    """The probability of log odds, without overflow.

    >>> sigmoid(0.0), sigmoid(-1e4) < 1e-300, sigmoid(1e4)
    (0.5, True, 1.0)
    """
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    small = math.exp(max(log_odds, -745.0))
    return small / (1 + small)


def fit(rows: Sequence[Mapping[str, float]], labels: Sequence[bool], prior: Mapping[str, Gaussian]) -> dict[str, float]:
    """The coefficients, one for each name in `prior`. A row holds its features that are not 0, by name; none may be unknown to
    the prior or not finite. Without rows, the prior's means.

    >>> fit([], [], {"base": Gaussian(1.0, 0.5, "as an example")})
    {'base': 1.0}
    """
    names = list(prior)
    place = {name: at for at, name in enumerate(names)}
    data = [
        ([(place[name], value) for name, value in row.items() if value], label) for row, label in zip(rows, labels, strict=True)
    ]
    if not all(math.isfinite(value) for row, _ in data for _, value in row):
        raise ValueError("rows: a feature is not a finite number")
    means, precisions = [prior[name].mean for name in names], [prior[name].scale ** -2 for name in names]
    now = list(means)
    loss = _loss(now, data, means, precisions)
    for _ in range(STEPS):
        step = _newton(now, data, means, precisions)
        size = 1.0
        while (
            tried := _loss([b + size * d for b, d in zip(now, step, strict=True)], data, means, precisions)
        ) > loss and size > 1e-6:
            size /= 2
        if tried > loss:
            break  # nothing left but rounding
        now, loss = [b + size * d for b, d in zip(now, step, strict=True)], tried
        if max(map(abs, step), default=0.0) < CLOSE:
            break
    return dict(zip(names, now, strict=True))


Data = Sequence[tuple[Sequence[tuple[int, float]], bool]]


def _loss(beta: Sequence[float], data: Data, means: Sequence[float], precisions: Sequence[float]) -> float:
    """Minus the logarithm of the posterior density, up to a constant."""
    off = math.fsum(p * (b - m) ** 2 for b, m, p in zip(beta, means, precisions, strict=True)) / 2
    return off + math.fsum(
        _softplus(-odds if label else odds) for odds, label in ((_odds(beta, row), label) for row, label in data)
    )


def _softplus(x: float) -> float:
    """log(1 + exp(x)), without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _odds(beta: Sequence[float], row: Sequence[tuple[int, float]]) -> float:
    return sum(beta[at] * value for at, value in row)


def _newton(beta: Sequence[float], data: Data, means: Sequence[float], precisions: Sequence[float]) -> list[float]:
    """The step that solves Hessian x step = -gradient."""
    n = len(beta)
    gradient = [p * (b - m) for b, m, p in zip(beta, means, precisions, strict=True)]
    hessian = [[precisions[i] if i == j else 0.0 for j in range(n)] for i in range(n)]
    for row, label in data:
        chance = sigmoid(_odds(beta, row))
        miss, weight = chance - label, chance * (1 - chance)
        for i, x in row:
            gradient[i] += miss * x
            for j, y in row:
                hessian[i][j] += weight * x * y
    return _solve(hessian, [-g for g in gradient])


def _solve(matrix: list[list[float]], right: Sequence[float]) -> list[float]:
    """By Cholesky: the matrix is symmetric and, thanks to the prior, positive definite."""
    n = len(right)
    lower = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i][j] = math.sqrt(rest) if i == j else rest / lower[j][j]
    half = [0.0] * n
    for i in range(n):
        half[i] = (right[i] - sum(lower[i][k] * half[k] for k in range(i))) / lower[i][i]
    out = [0.0] * n
    for i in reversed(range(n)):
        out[i] = (half[i] - sum(lower[k][i] * out[k] for k in range(i + 1, n))) / lower[i][i]
    return out
