"""The decision improver: weights from outcomes, rebuilt from a real record, deprecated when they fail, shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.learner import improver
from git_hone.learner.improver import Weight, improve, pick
from git_hone.learner.store import Store

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def test_a_weight_starts_in_the_middle_without_confidence_and_follows_what_comes() -> None:
    fresh = Weight()
    assert (fresh.weight, fresh.confidence, fresh.deprecated, fresh.trend) == (0.5, 0.0, False, None)
    good = improve([("a", 1.0)] * 30)["a"]
    assert good.weight > 0.95 and 0.8 < good.confidence < 1.0 and good.n == 30
    turned = improve([("a", 1.0)] * 30 + [("a", 0.0)] * 30)["a"]
    assert turned.weight < 0.45 and turned.trend is not None and turned.trend < -0.7
    with pytest.raises(ValueError, match="a reward is"):
        improve([("a", 1.5)])


def test_what_fails_is_deprecated_and_not_picked_and_recovers_with_its_outcomes() -> None:
    eight, nine = (improve([("a", 0.0)] * n)["a"] for n in (8, 9))
    assert not eight.deprecated and nine.deprecated
    assert pick(["a"], {"a": nine}) is None
    nine.add(1.0)
    assert not nine.deprecated and pick(["a"], {"a": nine}) == "a"


def test_the_highest_weight_times_confidence_is_picked() -> None:
    known = improve([("often", 0.7)] * 50 + [("once", 1.0)])
    assert known["once"].weight < known["often"].weight or known["once"].confidence < known["often"].confidence
    assert pick(["new", "once", "often"], known) == "often"
    assert pick(["new", "newer"], known) == "new"
    assert pick([], known) is None


def test_accuracy_counts_forecasts_made_before_the_outcome() -> None:
    assert improver.accuracy([]) is None
    told = improver.accuracy(improve([("a", 1.0)] * 10 + [("b", 0.0)] * 10).values())
    assert told is not None and (told[0], told[1]) == (20, 0.95)  # only the first 0 of b was a surprise


def record(store: Store) -> None:
    """A plan in two steps: small is stopped by its tests, large is let through; and a run that nobody decided."""
    base = {"recorded_at": AT, "kind": "model", "task_kind": "fix", "plan": {"prompt": "concise"}}
    store.append("decisions", [
        base | {"record_id": "1", "decision_id": "D.0", "chosen": "small", "step": 0},
        base | {"record_id": "2", "decision_id": "D.0", "chosen": "small", "step": 0, "recorded_at": AT + timedelta(minutes=1),
                "result": {"ended": "stopped", "gates": {"lint": True, "test": False}}},
        base | {"record_id": "3", "decision_id": "D.1", "chosen": "large", "step": 1, "recorded_at": AT + timedelta(minutes=2),
                "result": {"ended": "passed", "gates": {"lint": True, "test": True}}},
        {"record_id": "4", "recorded_at": AT, "decision_id": "D.context", "kind": "context",
         "context": [{"id": "style", "included": True, "propensity": 0.5}, {"id": "api", "included": False, "propensity": 0.5}]},
        base | {"record_id": "5", "decision_id": "E.0", "chosen": "small", "step": 0},
    ])  # fmt: skip
    store.append("runs", [
        {"record_id": f"r{name}", "recorded_at": AT, "run_id": f"r{name}", "started_at": AT, "evidence": "hook", "model": "m",
         "decision_id": decision}
        for name, decision in (("0", "D.0"), ("1", "D.1"), ("2", None))
    ])  # fmt: skip
    store.append("changes", [
        {"record_id": f"c{name}", "recorded_at": AT, "change_id": f"c{name}", "committed_at": AT, "state": "live", "trust": trust,
         "run_ids": [f"r{name}"], "reward": reward}
        for name, reward, trust in (("1", 0.8, "own"), ("2", 0.3, "own"))
    ])  # fmt: skip


def test_every_type_is_rebuilt_from_the_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert improver.outcomes(store) == []
    record(store)
    assert sorted(improver.outcomes(store)) == [
        ("context style", 0.0), ("escalation large", 0.8), ("gate lint", 0.0), ("gate lint", 0.8), ("gate test", 0.8),
        ("model fix small", 0.0), ("prompt concise", 0.0), ("prompt concise", 0.8),
    ]  # fmt: skip
    assert [reward for what, reward in improver.outcomes(store) if what == "prompt concise"] == [0.0, 0.8]
    assert [what for what, _ in improver.outcomes(store, AT + timedelta(minutes=2)) if what.startswith("e")] == [
        "escalation large"
    ]


def test_stats_shows_them(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(repo().path)
    assert main(["stats", "--decisions"]) == 0
    assert "no decision has an outcome yet" in capsys.readouterr().out
    store = Store(Path(".agent/data"))
    record(store)
    assert main(["stats", "--decisions", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = {row["decision"]: row for row in told["decisions"]}
    assert told["accuracy"]["n"] == 8
    assert (rows["model fix small"]["n"], rows["model fix small"]["weight"]) == (1, pytest.approx(1 / 3, abs=1e-6))
    assert rows["gate lint"]["reward"] == 0.4 and rows["gate lint"]["trend"] is None
    assert main(["stats", "--decisions"]) == 0
    said = capsys.readouterr().out
    assert "escalation large" in said and "too few" in said
    assert main(["stats", "--decisions", "--survival"]) == 2
