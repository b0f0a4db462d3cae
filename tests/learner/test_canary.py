"""A challenger's share of the decisions, and what may be concluded from it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from git_hone.learner import canary, canary_evidence
from git_hone.learner.canary import Canary

TRIAL = {"id": "a", "share": 0.1, "model": "new", "beside": "old"}


@pytest.mark.parametrize(
    "raw",
    [[], {"roles": []}, {"roles": {"coder": None}}, {"roles": {"coder": {"challenger": TRIAL | {"share": 1.5}}}},
     {"roles": {"coder": {"challenger": TRIAL | {"share": "much"}}}}, {"roles": {"coder": {"challenger": {"model": "new"}}}}],
)  # fmt: skip
def test_what_is_no_list_of_champions_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        canary.of(raw)


def test_a_challenger_without_a_share_to_go_by_is_none() -> None:
    old = {"id": "a", "share": 0.1}
    assert canary.of({"roles": {"coder": {"challenger": old}, "fixer": {"challenger": None}, "judge": {}}}) == []
    assert canary.of({"roles": {"coder": {"challenger": TRIAL}}}) == [Canary("new", "old", 0.1)]


def rewards(random: Random, n: int, share: float, mine: float, theirs: float) -> tuple[list[Any], list[Any]]:
    drawn = [(float(random.random() < (mine if challenged else theirs)), challenged) for challenged in
             (random.random() < share for _ in range(n))]  # fmt: skip
    return tuple([(reward, 1.0) for reward, challenged in drawn if challenged == which] for which in (True, False))  # type: ignore[return-value]


def test_looking_after_every_reward_makes_no_lucky_challenger() -> None:
    """No difference, looked at 40 times in each of 100 trials: at most 1 in 20 may end in a verdict."""
    wrong = 0
    for seed in range(100):
        mine, theirs = rewards(Random(seed), 400, 0.2, 0.6, 0.6)
        wrong += any(
            canary_evidence.compare(mine[: k * 2], theirs[: k * 8]).verdict != "not enough evidence" for k in range(1, 41)
        )
    assert wrong <= 5


@pytest.mark.parametrize(("mine", "theirs", "verdict"), [(0.9, 0.4, "promote"), (0.3, 0.8, "roll back")])
def test_a_difference_is_found(mine: float, theirs: float, verdict: str) -> None:
    found = [canary_evidence.compare(*rewards(Random(seed), 800, 0.2, mine, theirs)) for seed in range(20)]
    assert [one.verdict for one in found].count(verdict) >= 19  # type: ignore[arg-type]
    assert all((one.low or 0) <= mine - theirs <= (one.high or 0) for one in found)


def test_a_task_that_would_not_have_been_the_champion_s_counts_nothing() -> None:
    easy, hard = [(1.0, 0.0)] * 50, [(0.2, 0.8)] * 50
    found = canary_evidence.compare(easy + hard, [(0.2, 1.0)] * 200)
    assert (found.challenger.n, found.challenger.mean, found.difference) == (50, pytest.approx(0.2), pytest.approx(0.0))


def test_nothing_is_said_of_nothing() -> None:
    found = canary_evidence.compare([], [(0.5, 1.0)])
    assert (found.challenger.mean, found.difference, found.low, found.verdict) == (None, None, None, "not enough evidence")
    alike = canary_evidence.side([(1.0, 1.0)] * 3)[0]
    assert alike.low is not None and alike.low < 0.6
