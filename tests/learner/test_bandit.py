"""The bandit's arithmetic, and what it earns in streams whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_hone.learner.bandit import Arm, Best, EpsilonGreedy, Fixed, Policy, Thompson, always, best_arm, draw, replay

counts = st.tuples(st.floats(0, 1), st.floats(0, 5000)).map(lambda pair: Arm(pair[0] * pair[1], pair[1]))


@given(st.dictionaries(st.text(max_size=3), counts, min_size=1, max_size=6), st.floats(0, 0.3))
def test_shares_are_probabilities_and_keep_their_floor(arms: dict[str, Arm], floor: float) -> None:
    for policy in (Thompson(floor), EpsilonGreedy(floor)):
        shares = policy.shares(arms)
        assert shares.keys() == arms.keys()
        assert math.fsum(shares.values()) == pytest.approx(1.0)
        assert min(shares.values()) >= -1e-12
    assert min(Thompson(floor).shares(arms).values()) >= min(floor, 1 / len(arms)) - 1e-9


@pytest.mark.parametrize(
    ("one", "two"), [((3, 10), (6, 10)), ((50, 100), (55, 100)), ((0, 0), (0, 1)), ((900, 1000), (880, 1000))]
)
def test_the_share_is_the_probability_of_being_best(one: tuple[int, int], two: tuple[int, int]) -> None:
    """Against a million draws from both posteriors, by the generator of the standard library."""
    random = Random(1)
    posteriors = [(1 + wins, 1 + trials - wins) for wins, trials in (one, two)]
    drawn = sum(random.betavariate(*posteriors[0]) > random.betavariate(*posteriors[1]) for _ in range(200_000)) / 200_000
    assert Thompson(0.0).shares({"a": Arm(*one), "b": Arm(*two)})["a"] == pytest.approx(drawn, abs=0.006)


def test_counts_fade_with_every_later_trial() -> None:
    arms = replay([("a", 1.0), ("b", 0.5), ("a", 0.0)], ["a", "b", "new"], gamma=0.9)
    assert arms["a"].wins == pytest.approx(0.81)
    assert arms["a"].trials == pytest.approx(0.81 + 1)
    assert arms["b"] == Arm(pytest.approx(0.45), pytest.approx(0.9))
    assert arms["new"] == Arm(0.0, 0.0)


def test_a_long_stream_neither_overflows_nor_forgets_its_rule() -> None:
    arms = replay((("ab"[k % 2], 1.0) for k in range(100_000)), ["a", "b"], gamma=0.99)
    assert arms["a"].trials + arms["b"].trials == pytest.approx(100)


def test_a_reward_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="reward"):
        replay([("a", 1.5)], ["a"])


def test_epsilon_greedy_tries_what_was_never_tried_first() -> None:
    shares = EpsilonGreedy(0.1).shares({"a": Arm(9, 10), "b": Arm(), "c": Arm()})
    assert shares == {"a": pytest.approx(0.1 / 3), "b": pytest.approx(0.9 / 2 + 0.1 / 3), "c": pytest.approx(0.9 / 2 + 0.1 / 3)}


def test_draws_come_with_the_probability_that_they_had() -> None:
    random, shares = Random(0), {"a": 0.7, "b": 0.3, "never": 0.0}
    drawn = [draw(shares, random) for _ in range(5000)]
    assert dict(drawn) == {"a": 0.7, "b": 0.3}
    assert sum(arm == "a" for arm, _ in drawn) / 5000 == pytest.approx(0.7, abs=0.03)
    with pytest.raises(ValueError, match="no arm"):
        draw({}, random)


def regret(
    policy: Policy, means: dict[str, float], n: int, seed: int, gamma: float, turn: dict[str, float] | None = None
) -> float:
    """What was lost against always the best, in a stream that turns in its middle."""
    random, arms, lost = Random(seed), dict.fromkeys(means, Arm()), 0.0
    for k in range(n):
        now = turn if turn and k >= n // 2 else means
        arm, _ = draw(policy.shares(arms), random)
        lost += max(now.values()) - now[arm]
        arms = {name: Arm(gamma * one.wins, gamma * one.trials) for name, one in arms.items()}
        arms[arm] = Arm(arms[arm].wins + (random.random() < now[arm]), arms[arm].trials + 1)
    return lost


@pytest.mark.exhaustive
def test_thompson_loses_less_than_epsilon_greedy_and_far_less_than_chance() -> None:
    means = {"a": 0.5, "b": 0.65, "c": 0.5}
    rows = [(regret(Thompson(0.0), means, 1500, s, 1.0), regret(EpsilonGreedy(), means, 1500, s, 1.0)) for s in range(8)]
    thompson, greedy = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    assert thompson < greedy < 1500 * 0.1


@pytest.mark.no_cover
def test_it_notices_that_the_world_has_turned() -> None:
    before, after = {"a": 0.8, "b": 0.5}, {"a": 0.3, "b": 0.8}
    fading = sum(regret(Thompson(0.05), before, 400, s, 0.97, after) for s in range(8))
    never = sum(regret(Fixed("a"), before, 400, s, 1.0, after) for s in range(8))
    assert fading < never / 2


@pytest.mark.no_cover
@pytest.mark.parametrize("draw_one", [lambda random: float(random.random() < 0.7), lambda random: random.betavariate(8, 3)])
def test_the_best_arm_is_named_wrongly_no_more_often_than_stated(draw_one: Callable[[Random], float]) -> None:
    """Two arms of equal mean have no best: every answer is wrong. Looked at after every tenth trial, 200 streams of 300."""
    wrong = 0
    for seed in range(200):
        random, seen = Random(seed), {"a": list[float](), "b": list[float]()}
        for n in range(1, 301):
            for rewards in seen.values():
                rewards.append(draw_one(random))
            if n % 10 == 0 and best_arm(seen, error=0.05):
                wrong += 1
                break
    assert wrong / 200 <= 0.05


def test_bounds_hold_at_all_times_and_close_in_on_the_mean() -> None:
    """Rewards of mean 0.6: how many of 300 streams are ever outside of the bounds, asked after every twentieth of 400."""
    outside = 0
    for seed in range(300):
        random = Random(seed)
        rewards = [random.betavariate(3, 2) for _ in range(400)]
        found = [always(rewards[:n], 0.1) for n in range(20, 401, 20)]
        outside += any(not low <= 0.6 <= high for low, high in found)
        assert found[-1][1] - found[-1][0] < 0.15
    assert outside / 300 <= 0.1


def test_a_clear_winner_is_named_and_a_close_race_is_not() -> None:
    def shares(good: int, of: int) -> list[float]:
        return ([1.0] * good + [0.0] * (of - good)) * 2

    assert best_arm({"a": shares(80, 100), "b": shares(30, 100)}, error=0.01) == Best("a", 0.01)
    assert best_arm({"a": shares(53, 100), "b": shares(50, 100)}) is None
    assert best_arm({"a": [1.0] * 200, "b": []}) is None
    assert best_arm({"a": [1.0] * 200}) is None
