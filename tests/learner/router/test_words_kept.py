"""Of many hashed words the exported router keeps those that move the choice, and says the same as before."""

from __future__ import annotations

import random

import pytest

from git_hone.learner.router import training
from git_hone.learner.router.features import FINE, task, words
from git_hone.learner.router.training import Example

ARMS = ["small", "large"]


def told_by_a_word(n: int = 300) -> list[Example]:
    """`deadlock` decides which arm succeeds; every task has words of its own beside it, each in two tasks."""
    drawn = random.Random(3)
    found = []
    for k in range(n):
        hard = drawn.random() < 0.5
        text = f"{'deadlock' if hard else 'rename'} noise{k // 2}a noise{k // 2}b"
        rewards = {"small": 0.1 if hard else 0.9, "large": 0.9 if hard else 0.4}
        found.append(Example(task(text, kind="fix"), rewards, {"small": 0.001, "large": 0.01}, str(k)))
    return found


def test_common_words_that_decide_are_kept_before_rare_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST_WEIGHTS", 2 * len(ARMS))
    router = training.train(told_by_a_word(), ARMS)
    assert set(router.weights) == {*words("deadlock", FINE), *words("rename", FINE)}
    assert router.choose(task("deadlock in the pool", kind="fix")) == "large"
    assert router.choose(task("rename it", kind="fix")) == "small"


def test_the_weights_kept_are_bounded_over_all_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST_WEIGHTS", 50)
    router = training.train(told_by_a_word(), ARMS)
    assert len(router.weights) == 25
