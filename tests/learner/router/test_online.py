"""Learning while choosing, on streams whose truth is known."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_hone.learner import bandit
from git_hone.learner.router import baselines
from git_hone.learner.router.online import Online

TRUE = {("fix", "py"): {"a": 0.9, "b": 0.2, "c": 0.3}, ("docs", "md"): {"a": 0.2, "b": 0.8, "c": 0.3}}
KINDS = {"fix", "fix/py", "docs", "docs/md"}


def stream(n: int, seed: int) -> list[tuple[tuple[str, str], dict[str, float]]]:
    random = Random(seed)
    kinds = [random.choice(list(TRUE)) for _ in range(n)]
    return [(kind, {arm: float(random.random() < p) for arm, p in TRUE[kind].items()}) for kind in kinds]


def test_each_kind_finds_its_own_best_arm() -> None:
    router, random = Online("abc"), Random(0)
    for kind, rewards in stream(400, 0):
        arm, _ = bandit.draw(router.shares(kind), random)
        router.learn(kind, arm, rewards[arm])
    assert router.shares(("fix", "py"))["a"] > 0.95
    assert router.shares(("docs", "md"))["b"] > 0.95


def test_the_linear_baselines_learn_too() -> None:
    for drawn in (None, np.random.default_rng(0)):
        model = baselines.Linear("abc", KINDS, alpha=0.4, drawn=drawn)
        chosen = []
        for kind, rewards in stream(400, 1):
            chosen.append((kind, model.choose(kind)))
            model.learn(kind, chosen[-1][1], rewards[chosen[-1][1]])
        late = chosen[200:]
        assert sum(arm == max(TRUE[kind], key=TRUE[kind].__getitem__) for kind, arm in late) > 0.8 * len(late)


def test_a_new_kind_starts_from_its_parent() -> None:
    router = Online("ab")
    for _ in range(50):
        router.learn(("fix", "py"), "a", 1.0)
        router.learn(("fix", "py"), "b", 0.0)
    known = router.expect(("fix", "rust"))
    assert known["a"].reward > 0.7 > 0.3 > known["b"].reward
    assert known["a"].error > router.expect(("fix", "py"))["a"].error
    few = Online("ab")
    for reward in (0.0, 0.4, 0.8):
        few.learn(("fix", "py"), "a", 0.2 + reward)
        few.learn(("fix", "py"), "b", reward)
    assert 0.5 < few.shares(("fix", "rust"))["a"] < few.shares(("fix", "py"))["a"]


def test_between_equals_the_cheaper_is_chosen_when_cost_matters() -> None:
    router, careless = Online("ab", price_of_reward=0.1), Online("ab")
    for k in range(200):
        for one in (router, careless):
            one.learn(("fix",), "a", float(k % 2), 0.05)
            one.learn(("fix",), "b", float(k % 2), 0.001)
    assert router.shares(("fix",))["b"] > 0.99
    assert careless.shares(("fix",))["b"] == pytest.approx(0.5)
    assert router.expect(("fix",))["a"].cost_usd == pytest.approx(0.05)


@given(
    st.lists(st.tuples(st.sampled_from(["x", "y"]), st.sampled_from("abc"), st.floats(0, 1)), max_size=30),
    st.floats(0, 0.3),
)
def test_shares_are_probabilities_whatever_was_seen(seen: list[tuple[str, str, float]], floor: float) -> None:
    router = Online("abc", floor=floor)
    for kind, arm, reward in seen:
        router.learn((kind,), arm, reward, reward)
    for kind in ("x", "never"):
        shares = router.shares((kind,))
        assert math.fsum(shares.values()) == pytest.approx(1.0)
        assert min(shares.values()) >= floor - 1e-9
        assert all(0 <= known.reward <= 1 and known.cost_usd >= 0 for known in router.expect((kind,)).values())


def test_where_rewards_scatter_little_a_difference_is_believed_sooner() -> None:
    router = Online("ab")
    for k in range(6):
        for arm, still, wild in (("a", 0.3, k % 2 * 0.6), ("b", 0.5, k % 2 * 1.0)):
            router.learn(("still",), arm, still + 0.01 * (k % 2))
            router.learn(("wild",), arm, wild)
    still, wild = router.expect(("still",)), router.expect(("wild",))
    assert still["b"].error < 0.7 * wild["b"].error
    assert router.shares(("still",))["b"] > router.shares(("wild",))["b"] > 0.5


def test_the_chance_of_being_best_is_that_of_draws() -> None:
    means, errors = {"a": 0.6, "b": 0.55, "c": 0.4, "far": -3.0}, {"a": 0.1, "b": 0.2, "c": 0.15, "far": 0.1}
    random, n = np.random.default_rng(0), 200_000
    drawn = np.stack([means[arm] + errors[arm] * random.standard_normal(n) for arm in means]).argmax(axis=0)
    chances = bandit.likeliest(means, errors)
    assert list(chances.values()) == pytest.approx((np.bincount(drawn, minlength=4) / n).tolist(), abs=0.005)
    assert chances["far"] == 0.0
    powers = np.array(list(bandit.likeliest(means, {arm: bandit.WIDER * error for arm, error in errors.items()}).values()))
    wanted = powers**bandit.AGREEING / (powers**bandit.AGREEING).sum()
    assert list(bandit.agreed(means, errors).values()) == pytest.approx(wanted.tolist())


def test_a_reward_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Online("a").learn(("x",), "a", 1.5)
    with pytest.raises(ValueError, match="not in list"):
        Online("a").learn(("x",), "b", 1.0)
