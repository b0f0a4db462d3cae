"""The statistics of the gate, against simulation and against values computed by other means."""

from __future__ import annotations

import random

import pytest

from git_hone.learner.gating import paired
from git_hone.learner.gating.paired import Pair


def test_mcnemar_is_the_tail_of_fair_flips() -> None:
    chance = random.Random(4)
    flips = [sum(chance.random() < 0.5 for _ in range(12)) for _ in range(40_000)]
    for won in (6, 8, 10):
        assert paired.mcnemar(won, 12 - won) == pytest.approx(sum(f >= won for f in flips) / len(flips), abs=0.01)
    with pytest.raises(ValueError, match="counts"):
        paired.mcnemar(-1, 2)


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.01, 0.001])
def test_the_least_discordant_is_the_first_that_can_show_anything(alpha: float) -> None:
    least = paired.least_discordant(alpha)
    assert paired.mcnemar(least, 0) <= alpha < paired.mcnemar(least - 1, 0)


@pytest.mark.no_cover
@pytest.mark.parametrize(("n", "won", "lost", "alpha"), [(30, 0.15, 0.05, 0.05), (60, 0.2, 0.1, 0.025), (12, 0.8, 0.0, 0.05)])
def test_power_is_the_share_of_simulated_trials_that_show_it(n: int, won: float, lost: float, alpha: float) -> None:
    chance, shown, trials = random.Random(2), 0, 20_000
    for _ in range(trials):
        rolls = [chance.random() for _ in range(n)]
        w, k = sum(roll < won for roll in rolls), sum(won <= roll < won + lost for roll in rolls)
        shown += paired.mcnemar(w, k) <= alpha
    assert paired.power(n, won, lost, alpha) == pytest.approx(shown / trials, abs=0.012)


def test_the_detectable_difference_is_the_smallest_with_the_power() -> None:
    for tasks, lost in ((40, 0.02), (120, 0.05), (300, 0.1)):
        found = paired.detectable(tasks, lost, 0.025)
        assert found is not None
        assert paired.power(tasks, lost + found, lost, 0.025) >= 0.8 > paired.power(tasks, lost + found - 0.01, lost, 0.025)
    assert paired.detectable(5, 0.0, 0.025) is None


def test_a_difference_of_groups_has_wider_bounds_than_one_of_tasks() -> None:
    alone = [Pair(str(k), 0.0, float(k % 2)) for k in range(40)]
    grouped = [Pair(str(k // 10), 0.0, float(k // 10 % 2)) for k in range(40)]
    a, g = paired.difference(alone), paired.difference(grouped)
    assert a is not None
    assert g is not None
    assert (a.mean, g.mean, a.groups, g.groups) == (0.5, 0.5, 40, 4)
    assert g.high - g.low > 2 * (a.high - a.low)


def test_bounds_do_not_depend_on_the_order() -> None:
    chance = random.Random(1)
    pairs = [Pair(f"f{k % 7}", chance.randrange(2), chance.randrange(2)) for k in range(60)]
    shuffled = chance.sample(pairs, len(pairs))
    assert paired.difference(pairs) == paired.difference(shuffled)
    assert paired.difference([]) is None


@pytest.mark.exhaustive
def test_the_interval_covers_the_truth() -> None:
    """Thirty groups of unequal size, a true difference of 0.2: a 95 % interval misses about one time in twenty."""
    chance, missed, trials = random.Random(8), 0, 200
    for trial in range(trials):
        pairs = []
        for group in range(30):
            share = min(1.0, max(0.0, chance.gauss(0.5, 0.15)))
            for _ in range(1 + group % 4):
                before = float(chance.random() < share - 0.1)
                pairs.append(Pair(str(group), before, float(chance.random() < share + 0.1)))
        found = paired.difference(pairs, seed=trial)
        assert found is not None
        missed += not found.low <= 0.2 <= found.high
    assert 0.01 <= missed / trials <= 0.1


@pytest.mark.no_cover
@pytest.mark.parametrize(("n", "discordant", "margin"), [(60, 0.02, 0.03), (100, 0.1, 0.05), (150, 0.04, 0.03)])
def test_a_guard_passes_as_often_as_the_bootstrap_lets_it(
    n: int, discordant: float, margin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 400)
    chance, passed, trials = random.Random(8), 0, 100
    for _ in range(trials):
        results = [(chance.random(), chance.random() < 0.5) for _ in range(n)]
        pairs = [
            Pair(str(k), float(p < discordant and lost), float(p < discordant and not lost))
            for k, (p, lost) in enumerate(results)
        ]
        found = paired.difference(pairs, tail=0.05)
        passed += found is not None and found.low > -margin
    assert paired.passes_guard(n, discordant, margin) == pytest.approx(passed / trials, abs=0.12)


@pytest.mark.no_cover
def test_a_guard_of_more_tasks_lets_through_what_is_no_worse() -> None:
    chances = [paired.passes_guard(n, 0.1, 0.03) for n in (120, 250, 500, 1000)]
    assert chances == sorted(chances) and chances[0] < 0.4 < 0.85 < chances[-1]
    for wrong in ((0, 0.1, 0.03), (10, 0.0, 0.03), (10, 0.1, 0.0)):
        with pytest.raises(ValueError, match="tasks"):
            paired.passes_guard(*wrong)
