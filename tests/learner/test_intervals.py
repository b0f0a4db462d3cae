"""Intervals against published values and by simulation."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_hone.learner.intervals import mean_interval, share_mean_interval, t_95, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (1, 1, 0.2065, 1.0)],
)
def test_wilson_gives_the_published_values(successes: int, n: int, low: float, high: float) -> None:
    """81 of 263: Newcombe 1998, table I."""
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("degrees", "value"), [(1, 12.7062), (10, 2.2281), (31, 2.0395), (40, 2.0211), (120, 1.9799)])
def test_t_gives_the_tables_values(degrees: int, value: float) -> None:
    assert t_95(degrees) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(("successes", "n"), [(-1, 2), (3, 2), (1, -1)])
def test_wilson_refuses_what_cannot_be(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, n)


def test_too_few_values_have_no_interval() -> None:
    assert mean_interval([]) is mean_interval([0.5]) is None
    with pytest.raises(ValueError, match="degrees"):
        t_95(0)


def test_mean_interval_covers_the_mean_as_often_as_it_says() -> None:
    chance = random.Random(1)
    covered = 0
    for _ in range(2000):
        low, high = mean_interval([chance.gauss(0, 1) for _ in range(6)]) or (1, -1)
        covered += low <= 0 <= high
    assert 0.93 < covered / 2000 < 0.97


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_a_share_mean_lies_in_its_interval(values: list[float]) -> None:
    from statistics import fmean, stdev

    low, high = share_mean_interval(len(values), fmean(values), stdev(values)) or (1, 0)
    assert 0 <= low <= fmean(values) + 1e-9
    assert fmean(values) - 1e-9 <= high <= 1
