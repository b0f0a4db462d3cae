"""When the loop should run: every way in which a round begins, and those in which it does not."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from git_hone.learner.config import DEFAULTS, Config
from git_hone.learner.loop import DAY_S, Round, due

CONFIG = Config(DEFAULTS)
LAST = Round(at=0.0, ready=100, config=CONFIG.hash, how="done", step="deploy", ended=10.0)


def config(**learning: Any) -> Config:
    values = copy.deepcopy(DEFAULTS)
    values["learning"] |= learning
    return Config(values)


@pytest.mark.parametrize(
    ("ready", "last", "days", "starts", "why"),
    [
        (99, None, 0, False, "99 of 100 good runs"),
        (100, None, 0, True, "100 of 100 good runs"),
        (149, LAST, 1, False, "49 of 50 good runs since the last round"),
        (150, LAST, 1, True, "50 of 50 good runs since the last round"),
        (100, LAST, 7, False, "0 of 50 good runs since the last round"),
        (101, LAST, 6.9, False, "1 of 50 good runs since the last round"),
        (101, LAST, 7, True, "7 days since the last round, and 1 good runs"),
        (90, LAST, 9, False, "90 of 100 good runs"),
        (60, replace(LAST, ready=8, how="refused"), 1, False, "60 of 100 good runs"),
        (100, replace(LAST, how="running", step="train"), 0, True, "the round of 1970-01-01T00:00:00Z was broken off at train"),
        (100, replace(LAST, how="waiting", step="train"), 0, True, "the round of 1970-01-01T00:00:00Z waits at train"),
        (100, replace(LAST, how="refused", step="train"), 0.9, False, "0 of 50 good runs since the last round"),
        (100, replace(LAST, how="refused", step="train"), 1.1, True, "a day since train was refused"),
        (100, replace(LAST, how="failed", step="train"), 1.1, True, "a day since train was refused"),
        (100, replace(LAST, how="refused", step="gate"), 6, False, "0 of 50 good runs since the last round"),
        (100, replace(LAST, how="refused", config="x"), 0, True, "the configuration was changed since deploy was refused"),
        (100, replace(LAST, config="x"), 0, False, "0 of 50 good runs since the last round"),
    ],
)
def test_when_a_round_begins(ready: int, last: Round | None, days: float, starts: bool, why: str) -> None:
    found = due(CONFIG, ready, last, days * DAY_S)
    assert (found.start, found.why) == (starts, why)


def test_the_thresholds_are_the_configuration_s() -> None:
    assert due(config(threshold=3), 103, LAST, DAY_S).start
    never = due(config(everyDays=0), 101, LAST, 400 * DAY_S)
    assert (never.start, never.at) == (False, None)
    assert due(CONFIG, 101, LAST, DAY_S).at == 7 * DAY_S
