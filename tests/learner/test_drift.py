"""The change-point test: false alarms and delays in seeded streams, the chain against plain simulation, order, missing values, hysteresis."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from statistics import median

import numpy as np
import pytest

from git_hone.learner import drift

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PAST = 100


@dataclass(frozen=True)
class Run:
    run_id: str
    at: datetime
    model: str | None
    kind: str | None
    reward: float | None
    change_id: str | None = None


def stream(rewards: Sequence[float | None], model: str | None = "qwen", kind: str | None = "fix") -> list[Run]:
    return [Run(f"{model}{i:04d}", START + timedelta(hours=i), model, kind, reward) for i, reward in enumerate(rewards)]


def draws(seed: int, *parts: tuple[int, float]) -> list[float]:
    rng = random.Random(seed)
    return [float(rng.random() < rate) for n, rate in parts for _ in range(n)]


def one(rewards: Sequence[float | None], rule: drift.Rule = "cusum", **kwargs: object) -> drift.Drift:
    (found,) = drift.watch(stream(rewards), rule=rule, **kwargs)  # type: ignore[arg-type]
    return found


@pytest.mark.no_cover
def test_at_most_six_of_a_hundred_healthy_streams_alarm_though_the_reference_is_estimated() -> None:
    streams = [one(draws(seed, (PAST + drift.HORIZON, 0.7))) for seed in range(300)]
    assert all((each.compared, each.watched) == (PAST, drift.HORIZON) for each in streams)
    assert all(each.false_alarms is not None and 0.03 < each.false_alarms["cusum"] <= drift.BUDGET for each in streams)
    assert 0 < sum(bool(each.raised) for each in streams) <= 0.06 * 300


@pytest.mark.no_cover
def test_a_drop_from_70_to_40_percent_is_seen_in_nearly_all_streams_within_40_runs_or_so() -> None:
    streams = [one(draws(seed, (PAST + 50, 0.7), (150, 0.4))) for seed in range(300)]
    first = [each.raised[0].run - PAST - 50 for each in streams if each.raised and each.raised[0].run > PAST + 50]
    assert len(first) >= 0.95 * 300
    assert 25 <= median(first) <= 50


def test_rewards_between_0_and_1_alarm_no_more_often_than_zeros_and_ones() -> None:
    alarmed = 0
    for seed in range(200):
        rng = random.Random(seed)
        alarmed += bool(one([rng.betavariate(1.4, 0.6) for _ in range(PAST + drift.HORIZON)]).raised)
    assert alarmed <= 0.06 * 200


def test_the_seeds_rule_alarms_in_nearly_every_healthy_stream_and_says_so() -> None:
    streams = [one(draws(seed, (PAST + drift.HORIZON, 0.7)), "seed") for seed in range(100)]
    assert sum(bool(each.raised) for each in streams) >= 95
    assert all(each.false_alarms is not None and each.false_alarms["seed"] > 0.8 for each in streams)
    assert all(each.threshold == 0.05 and each.rule == "seed" for each in streams)
    assert not one(draws(3, (PAST + drift.HORIZON, 0.7)), "seed", drop=0.6).raised


def test_the_chain_agrees_with_a_plain_simulation() -> None:
    rng = np.random.default_rng(7)
    n, horizon, slope, height = 20_000, 120, 0.6, 4.0
    for rate in (0.7, 0.55):
        s, reached = np.zeros(n), np.zeros(n, dtype=bool)
        for _ in range(horizon):
            s = np.maximum(0, s + slope - (rng.random(n) < rate))
            reached |= s >= height - 1e-9
        share = drift.alarm_shares(np.array([rate]), slope, round(height * drift.GRID), horizon)[0]
        assert share == pytest.approx(reached.mean(), abs=4 * (0.25 / n) ** 0.5)


def test_the_threshold_is_the_smallest_one_within_the_budget_and_falls_with_what_is_known() -> None:
    heights = [drift.design(0.7 * n, 0.3 * n, 0.05).threshold for n in (20, 100, 1000)]
    assert heights[0] > heights[1] > heights[2]
    chart = drift.design(7000.0, 3000.0, 0.05)
    rates = np.array([0.7])
    assert drift.alarm_shares(rates, chart.slope, round(chart.threshold * drift.GRID))[0] == pytest.approx(0.05, abs=0.01)
    assert drift.alarm_shares(rates, chart.slope, round((chart.threshold - 1) * drift.GRID))[0] > drift.BUDGET


@pytest.mark.parametrize("rewards", [[1.0] * 300, [0.0] * 300, [0.02] * 300, [0.5] * 300])
def test_what_never_changes_never_alarms(rewards: list[float]) -> None:
    found = one(rewards)
    assert (found.raised, found.alarm) == ((), None)
    assert found.statistic is not None and found.threshold is not None and 0 <= found.statistic < found.threshold / 2
    assert one(rewards * 4).raised == ()


def test_an_alarm_names_the_run_and_stands_until_the_statistic_has_fallen_to_half() -> None:
    healthy = [1.0, 1.0, 0.0] * 40
    bad = one([*healthy, *[0.0] * 30])
    assert bad.alarm is not None and bad.threshold is not None
    assert bad.alarm == bad.raised[-1] and 121 < bad.alarm.run <= 150
    assert bad.alarm.run_id == f"qwen{bad.alarm.run - 1:04d}" and bad.alarm.at == START + timedelta(hours=bad.alarm.run - 1)
    assert (bad.recent, bad.statistic) == (0.0, bad.threshold)
    after_one = one([*healthy, *[0.0] * 30, 1.0])
    assert after_one.alarm == bad.alarm, "one good run ends no alarm"
    again = one([*healthy, *[0.0] * 30, *[1.0] * 40])
    assert (again.alarm, again.raised) == (None, (bad.alarm,))
    twice = one([*healthy, *[0.0] * 30, *[1.0] * 40, *[0.0] * 30])
    assert len(twice.raised) == 2 and twice.alarm == twice.raised[1]


def test_the_order_in_which_runs_come_says_nothing_but_that_in_time_does() -> None:
    rewards = [1.0, 1.0, 0.0] * 40 + [0.0] * 30
    runs = stream(rewards)
    shuffled = random.Random(1).sample(runs, len(runs))
    assert drift.watch(shuffled) == drift.watch(runs)
    assert one(rewards).raised and not one(rewards[::-1]).raised


def test_missing_rewards_neither_raise_nor_lower_anything() -> None:
    rewards = [1.0, 1.0, 0.0] * 40 + [0.0] * 30
    gaps = [each for reward in rewards for each in (None, reward)]
    whole, holed = one(rewards), one(gaps)
    assert (holed.runs, holed.known, holed.compared, holed.watched) == (300, 150, 100, 50)
    assert (holed.reference, holed.statistic, holed.threshold) == (whole.reference, whole.statistic, whole.threshold)
    assert holed.alarm is not None and whole.alarm is not None and holed.alarm.run == 2 * whole.alarm.run
    nothing = one([None] * 200)
    assert (nothing.known, nothing.reference, nothing.threshold, nothing.statistic, nothing.false_alarms) == (
        0,
        None,
        None,
        None,
        None,
    )


def test_runs_of_one_change_count_once_at_the_last_of_them() -> None:
    rewards = [1.0, 1.0, 0.0] * 40 + [0.0] * 30
    plain = one(rewards)
    three = [replace(run, change_id=f"I{i // 3}") for i, run in enumerate(stream([r for r in rewards for _ in range(3)]))]
    (found,) = drift.watch(three)
    assert (found.runs, found.known, found.compared) == (450, 150, 100)
    assert (found.reference, found.statistic, found.threshold) == (plain.reference, plain.statistic, plain.threshold)
    assert found.alarm is not None and plain.alarm is not None and found.alarm.run == 3 * plain.alarm.run
    (pending,) = drift.watch([*three, replace(stream([None])[0], run_id="z", at=START + timedelta(days=99), change_id="I149")])
    assert pending.known == 150, "a run without a reward takes none away"


def test_too_few_runs_to_compare_with_give_no_verdict() -> None:
    found = one([1.0] * 99)
    assert (found.known, found.compared, found.reference, found.recent, found.alarm) == (99, 0, None, None, None)
    found = one([1.0] * 110)
    assert (found.compared, found.watched, found.recent, found.statistic) == (100, 10, None, 0.0)
    assert one([1.0] * 110, "seed").statistic is None


def test_what_was_served_before_the_deployment_is_the_reference() -> None:
    rewards = [1.0, 1.0, 1.0, 0.0] * 15 + [0.0] * 90
    assert one(rewards).reference == pytest.approx(46 / 102), "the first hundred, when nobody says when it was deployed"
    found = one(rewards, deployed={"qwen": START + timedelta(hours=60)})
    assert (found.compared, found.watched, found.reference) == (60, 90, pytest.approx(46 / 62))
    assert found.alarm is not None and 60 < found.alarm.run < 130
    early = one(rewards, deployed={"qwen": START + timedelta(hours=19)})
    assert (early.compared, early.watched) == (100, 31), "19 runs are no past; the first hundred after it are the reference"
    assert one(rewards, deployed={"other": START + timedelta(hours=60)}) == one(rewards)


def test_streams_are_apart_by_model_and_kind_and_lend_each_other_four_runs() -> None:
    good, bad = [1.0] * 120, [0.0] * 120
    assert [each.reference for each in drift.watch([*stream(bad), *stream(bad, "small")])] == [0.0, 0.0]
    runs = [*stream(good), *stream(bad, "small"), *stream(good[:50], "qwen", None), *stream(good, None)]
    found = {(each.model, each.kind): each for each in drift.watch(runs)}
    assert set(found) == {("qwen", "fix"), ("small", "fix"), ("qwen", None)}
    assert found["qwen", "fix"].reference == pytest.approx(100 / 104)
    assert found["small", "fix"].reference == pytest.approx(4 / 104)
    assert found["qwen", None].reference is None


@pytest.mark.parametrize("wrong", [{"drop": 0.0}, {"drop": 1.5}, {"window": 1}, {"rule": "mean"}])
def test_a_wrong_setting_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"drop in 0\.\.1"):
        drift.watch([], **wrong)  # type: ignore[arg-type]


def test_every_setting_that_the_configuration_allows_gives_a_test() -> None:
    for drop in (0.001, 0.05, 0.3, 1.0):
        for wins, losses in ((1.0, 101.0), (101.0, 1.0), (50.0, 52.0)):
            chart = drift.design(wins, losses, drop)
            assert 0 <= chart.slope < wins / (wins + losses) and chart.threshold > 0 and 0 <= chart.false_alarms <= drift.BUDGET
    assert drift.seed_false_alarms(70.0, 30.0, 0.05, drift.HORIZON + 1) == 0.0
