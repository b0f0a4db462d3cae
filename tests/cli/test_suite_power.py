"""`git hone suite power`: what a number of tasks can show, by the thresholds of the configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.learner.gating import paired


@pytest.fixture
def power(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    top = repo()
    monkeypatch.chdir(top.path)

    def call(*words: str, promotion: dict[str, Any] | None = None) -> Any:
        top.write(".agent/learning-config.json", json.dumps({"version": 1, "promotion": promotion or {}}))
        assert main(["suite", "power", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def test_it_says_what_the_gate_would(power: Callable[..., Any]) -> None:
    told = power("--tasks", "120", "--tasks", "4", "--lost", "0.02")
    assert [one["tasks"] for one in told["sizes"]] == [4, 120]
    assert told["sizes"][0]["detects"] is None
    assert told["sizes"][1]["detects"] == paired.detectable(120, 0.02, 0.025)
    assert told["sizes"][1]["passes"] == paired.passes_guard(120, 0.04, 0.03)


def test_it_goes_by_the_thresholds_of_the_repository(power: Callable[..., Any]) -> None:
    usual, strict = power("--tasks", "60"), power("--tasks", "60", promotion={"alpha": 0.01, "maxLooks": 5, "guardMargin": 0.01})
    assert (strict["level"], strict["margin"]) == (0.002, 0.01)
    assert strict["sizes"][0]["detects"] > usual["sizes"][0]["detects"]
    assert strict["sizes"][0]["passes"] < usual["sizes"][0]["passes"]
    none = power("--tasks", "60", promotion={"guardMargin": 0})
    assert none["sizes"][0]["passes"] is None


def test_for_people_it_is_a_table(power: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    power()
    assert main(["suite", "power"]) == 0
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["tasks", "30", "60", "120", "250", "500"]
    assert "level 0.025 a look" in said.err
