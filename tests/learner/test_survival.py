"""Kaplan-Meier against the leukaemia trial that every textbook prints, against a plain count, and its interval by simulation."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner import histories
from git_hone.learner.fates import DAY, Fate, fate, kept, start_of
from git_hone.learner.store import Store
from git_hone.learner.survival import curve

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def fates(told: str) -> list[Fate]:
    """ "6 9+": fell on day 6; stood as long as it was watched, 9 days."""
    return [Fate(float(word.rstrip("+")), None if word.endswith("+") else float(word)) for word in told.split()]


SIX_MP = fates("6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+")
PUBLISHED = {  # weeks: at risk, share, standard error (Kleinbaum and Klein, Survival Analysis), 95 % log-log interval
    6: (21, 0.8571, 0.0764, 0.6197, 0.9516), 7: (17, 0.8067, 0.0869, 0.5631, 0.9228), 10: (15, 0.7529, 0.0963, 0.5032, 0.8894),
    13: (12, 0.6902, 0.1068, 0.4316, 0.8491), 16: (11, 0.6275, 0.1141, 0.3675, 0.8049), 22: (7, 0.5378, 0.1282, 0.2678, 0.7468),
    23: (6, 0.4482, 0.1346, 0.1881, 0.6801),
}  # fmt: skip


def test_the_six_mp_arm_of_freireich_1963() -> None:
    found = curve("6-MP", SIX_MP, sorted(PUBLISHED))
    assert (found.changes, found.fell) == (21, 9)
    for point in found.points:
        at_risk, share, se, low, high = PUBLISHED[int(point.day)]
        assert point.at_risk == at_risk
        assert (point.share, point.se, point.low, point.high) == pytest.approx((share, se, low, high), abs=6e-5)


def test_without_censoring_it_is_the_plain_share() -> None:
    found = curve("placebo", fates("1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"), [5, 8, 11])
    assert [point.share for point in found.points] == pytest.approx([12 / 21, 8 / 21, 6 / 21])


@pytest.mark.parametrize(("told", "share"), [("90+ 90+ 90+ 90+ 90+ 90+", 1.0), ("3 3 3 3 3 3 3 3+", 0.0)])
def test_all_and_none_have_an_interval_with_width(told: str, share: float) -> None:
    point = curve("x", fates(told), [3]).points[0]
    assert point.share == pytest.approx(share if share else 1 / 8)
    assert point.low is not None and point.high is not None and 0 <= point.low < point.high <= 1


def test_nobody_left_is_zero_with_an_upper_bound() -> None:
    point = curve("x", fates("3 3 3 3 3 3"), [3]).points[0]
    assert (point.share, point.low) == (0.0, 0.0)
    assert 0.2 < (point.high or 0) < 0.6


def test_fewer_than_five_at_risk_is_too_few() -> None:
    one, two = curve("x", fates("2 4+ 20+ 20+ 20+ 20+"), [1, 14]).points
    assert (one.at_risk, one.share) == (6, 1.0)
    assert (two.at_risk, two.share, two.low, two.fell) == (4, None, None, 1)


def test_the_interval_covers_the_truth() -> None:
    """Exponential lives, uniform censoring, truth known: 95 % of 600 intervals should hold it; 3 standard errors allowed."""
    chance, hits, n = random.Random(3), 0, 600
    for _ in range(n):
        made = []
        for _ in range(60):
            life, watched = chance.expovariate(1 / 60), chance.uniform(10, 100)
            made.append(Fate(min(life, watched), life if life <= watched else None))
        point = curve("x", made, [30]).points[0]
        assert point.low is not None and point.high is not None
        hits += point.low <= 2.718281828459045**-0.5 <= point.high
    assert hits / n == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / n) ** 0.5)


def row(kind: str, day: float, value: float | None = None, **detail: Any) -> dict[str, Any]:
    return {"kind": kind, "at": day * DAY, "value": value, "detail": detail}


def look(day: int, share: float) -> dict[str, Any]:
    return row("survived", day, share, age_days=day, alive=round(100 * share), of=100)


STOOD = [look(day, 1.0) for day in (1, 7, 14)]


@pytest.mark.parametrize(
    ("outcomes", "until", "wanted"),
    [
        (STOOD, 20, Fate(20, None)),
        (STOOD, 400, Fate(math.nextafter(30, 0), None)),  # the look at 30 days was due and is not there
        ([*STOOD, look(30, 0.9), look(90, 0.9)], 400, Fate(90, None)),
        ([], 0.5, Fate(0.5, None)),
        ([], 400, Fate(math.nextafter(1, 0), None)),
        ([], -3, Fate(0, None)),
        ([*STOOD, row("reverted", 9)], 20, Fate(9, 9, "reverted")),
        ([*STOOD, row("reverted", 9), row("relanded", 10)], 20, Fate(20, None)),
        ([*STOOD, row("reverted", 9), row("relanded", 10), row("reverted", 12)], 20, Fate(12, 12, "reverted")),
        ([*STOOD, row("reverted", 9, stands=False)], 20, Fate(20, None)),
        ([*STOOD, row("rejected", 3), row("reverted", 9)], 20, Fate(3, 3, "rejected")),
        ([*STOOD, row("rejected", 3), row("accepted", 4)], 20, Fate(20, None)),
        ([*STOOD, row("dropped", 5)], 20, Fate(5, 5, "dropped")),
        ([look(1, 1.0), look(7, 0.79), look(14, 0.1)], 20, Fate(7, 7, "lines")),
        ([look(1, 0.8)], 5, Fate(5, None)),
        ([*STOOD, row("reverted", 25)], 20, Fate(20, None)),  # nobody else was watched that long
    ],
)
def test_when_a_change_fell(outcomes: list[dict[str, Any]], until: float, wanted: Fate) -> None:
    assert fate(0.0, outcomes, until * DAY) == wanted


@pytest.mark.parametrize(
    ("outcomes", "until", "wanted"),
    [
        (STOOD, 13.9, None),
        (STOOD, 14, True),
        ([look(1, 1.0)], 40, None),
        ([*STOOD[:2], look(14, 0.79)], 40, False),
        ([*STOOD[:2], look(30, 0.9)], 40, True),
        ([*STOOD, look(30, 0.1)], 40, True),
        ([row("reverted", 2)], 13, None),
        ([row("reverted", 2)], 14, False),
        ([*STOOD, row("reverted", 60)], 80, False),
        ([*STOOD, row("reverted", 91)], 100, True),
        ([*STOOD, row("reworked", 3, corrective=True, lines=4)], 20, False),
        ([*STOOD, row("reworked", 3, corrective=False, lines=4)], 20, True),
        ([*STOOD, row("reworked", 3, corrective=None, lines=4)], 20, True),
        ([*STOOD, row("rejected", 30)], 40, False),
    ],
)
def test_when_a_change_was_kept(outcomes: list[dict[str, Any]], until: float, wanted: bool | None) -> None:
    assert kept(0.0, outcomes, until * DAY) is wanted


@pytest.mark.parametrize(
    ("outcomes", "day"),
    [
        ([], 3.0),
        ([row("merged", 5)], 5.0),
        ([row("merged", 5), {**look(7, 1.0), "at": 13 * DAY}], 6.0),
        ([{**look(7, 1.0), "at": 13 * DAY}, {**look(1, 1.0), "at": 7 * DAY}], 6.0),
        ([row("survived", 13, 1.0, days=7, lines=9)], 6.0),
    ],
)
def test_days_count_from_the_landing(outcomes: list[dict[str, Any]], day: float) -> None:
    assert start_of(3 * DAY, outcomes) == day * DAY


def test_a_damaged_detail_is_as_good_as_none() -> None:
    assert fate(0.0, [{"kind": "survived", "at": DAY, "value": 1.0, "detail": "{"}], 2 * DAY) == Fate(2.0, None)


def test_survival_of_a_store(tmp_path: Path) -> None:
    """40 changes, watched 14 days: half of codex's fall on day 7; a superseded and a person's change do not count."""
    store, n = Store(tmp_path / "data"), 40
    at = [START + timedelta(hours=i) for i in range(n + 2)]
    changes = [
        {"record_id": f"c{i}", "recorded_at": at[i], "change_id": f"I{i}", "committed_at": at[i] + timedelta(days=3),
         "state": "superseded" if i == n else "live", "agent": None if i > n else ("claude-code", "codex")[i % 2], "lines_ai": 0 if i > n else 8}
        for i in range(n + 2)
    ]  # fmt: skip
    outcomes = [
        {"record_id": f"k{i}", "recorded_at": at[i], "change_id": f"I{i}", "at": at[i], "kind": "committed"} for i in range(n + 2)
    ]
    outcomes += [
        {"record_id": f"s{i}.{day}", "recorded_at": at[i], "change_id": f"I{i}", "at": at[i] + timedelta(days=day),
         "kind": "survived", "value": 0.5 if day >= 7 and i % 4 == 1 else 1.0, "detail": {"age_days": day, "alive": 1, "of": 1}}
        for i in range(n + 2) for day in (1, 7, 14)
    ]  # fmt: skip
    store.append("changes", changes)
    store.append("outcomes", outcomes)
    store.append("outcomes", outcomes[:50])  # twins count once
    claude, codex = histories.survival(store)
    assert [(one.name, one.changes, one.fell) for one in (claude, codex)] == [("claude-code", 20, 0), ("codex", 20, 10)]
    assert [point.share for point in codex.points] == [1.0, 0.5, 0.5, None, None]
    assert [point.at_risk for point in codex.points] == [20, 20, 10, 0, 0]
    with pytest.raises(ValueError, match="by: one of"):
        histories.survival(store, "1; DROP TABLE runs")


def test_nothing_looked_at_has_no_curve(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    assert histories.survival(store) == []
    store.append("changes", [{"record_id": "c", "recorded_at": START, "change_id": "I", "committed_at": START, "state": "live",
                              "agent": "codex"}])  # fmt: skip
    assert histories.survival(store) == []
