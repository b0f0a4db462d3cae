"""Off-policy estimates: against hand-computed values, against simulated truth, and where they must refuse."""

from __future__ import annotations

import numpy as np
import pytest

from git_hone.learner import offpolicy
from git_hone.learner.offpolicy import Log

REWARD = np.array([0.3, 0.5, 0.8])
"""True mean reward of three arms."""


def simulated(n: int, seed: int, logging: tuple[float, ...] = (0.5, 0.3, 0.2)) -> Log:
    drawn = np.random.default_rng(seed)
    arm = drawn.choice(3, n, p=logging)
    return Log(arm, np.array(logging)[arm], (drawn.random(n) < REWARD[arm]).astype(float))


def always(arm: int, n: int) -> np.ndarray:
    return np.tile(np.eye(3)[arm], (n, 1))


def test_by_hand() -> None:
    log = Log(np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.25, 0.75]), np.array([1.0, 0.0, 0.5, 1.0]))
    policy = np.array([[1.0, 0.0], [1, 0], [1, 0], [0, 1]])
    told = offpolicy.judge(log, policy, np.zeros((4, 2)))
    weight = np.array([2, 0, 4, 4 / 3])
    assert told.ips.value == pytest.approx((2 * 1 + 4 * 0.5 + 4 / 3) / 4)
    assert told.snips.value == pytest.approx((2 * 1 + 4 * 0.5 + 4 / 3) / weight.sum())
    assert told.dr.value == pytest.approx(told.ips.value)  # a model that knows nothing adds nothing
    assert told.ess == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert told.capped == 0


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr"])
def test_intervals_hold_the_truth_as_often_as_they_say(estimator: str) -> None:
    held = 0
    for seed in range(300):
        log = simulated(300, seed)
        told = getattr(offpolicy.judge(log, always(2, 300), np.tile(REWARD + 0.1, (300, 1))), estimator)
        held += told.low <= REWARD[2] <= told.high
    assert 0.91 <= held / 300 <= 0.99


def test_a_good_model_makes_the_interval_narrow_and_a_bad_one_does_not_make_it_wrong() -> None:
    log = simulated(4000, 1)
    good = offpolicy.judge(log, always(2, 4000), np.tile(REWARD, (4000, 1))).dr
    bad = offpolicy.judge(log, always(2, 4000), np.tile([0.9, 0.1, 0.1], (4000, 1))).dr
    assert good.error < bad.error
    assert abs(good.value - 0.8) < 0.05 and abs(bad.value - 0.8) < 0.1


def test_the_better_policy_is_told_from_the_worse() -> None:
    log, model = simulated(4000, 2), np.tile(REWARD, (4000, 1))
    assert offpolicy.compare(log, always(2, 4000), always(0, 4000), model).verdict == "better"
    assert offpolicy.compare(log, always(0, 4000), always(2, 4000), model).verdict == "worse"
    assert offpolicy.compare(log, always(1, 4000), always(1, 4000), model).verdict == "no difference seen"


def test_too_small_an_effective_sample_is_refused_with_the_number_that_would_do() -> None:
    told = offpolicy.compare(simulated(300, 3), always(2, 300), always(0, 300), np.tile(REWARD, (300, 1)))
    assert told.verdict == "not enough evidence"
    assert told.needed is not None and 400 < told.needed < 800  # a fifth of the choices are the candidate's


def test_a_policy_that_the_log_never_tried_is_refused_without_a_promise() -> None:
    log = simulated(300, 4, logging=(0.5, 0.5, 0.0))
    told = offpolicy.compare(log, always(2, 300), always(0, 300), np.tile(REWARD, (300, 1)))
    assert (told.verdict, told.needed) == ("not enough evidence", None)


def test_a_capped_weight_is_told() -> None:
    log = Log(np.array([0, 0]), np.array([0.001, 1.0]), np.array([1.0, 1.0]))
    told = offpolicy.judge(log, np.tile([1.0, 0.0], (2, 1)), np.zeros((2, 2)))
    assert told.capped == 0.5 and told.ips.value == pytest.approx((20 + 1) / 2)


def test_an_empty_log_says_nothing() -> None:
    none = np.zeros(0)
    told = offpolicy.compare(Log(none.astype(int), none, none), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)))
    assert told.verdict == "not enough evidence" and np.isnan(told.difference.value)


@pytest.mark.parametrize(
    ("propensity", "reward", "says"),
    [
        ([0.0], [1.0], "propensity"),
        ([1.5], [1.0], "propensity"),
        ([0.5], [np.nan], "reward"),
        ([0.5, 0.5], [1.0], "propensities"),
    ],
)
def test_a_log_that_cannot_be_is_refused(propensity: list[float], reward: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Log(np.array([0]), np.array(propensity), np.array(reward))


def test_a_policy_must_be_probabilities() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        offpolicy.judge(simulated(5, 0), np.ones((5, 3)), np.zeros((5, 3)))
