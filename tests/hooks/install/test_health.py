"""`status` says what stands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from git_hone.hooks import place
from git_hone.hooks.install import doctor, health, setup

Make = Callable[..., Any]


@pytest.fixture
def where(repo: Make) -> place.Place:
    here = place.find(repo().path)
    setup.install(here, ("claude-code",))
    return here


def test_a_fresh_installation_is_healthy(where: place.Place) -> None:
    assert [finding for finding in doctor.examine(where) if not finding.ok] == []
    found = health.status(where)
    assert (found["installed"], found["pending"], found["unreadable"]) == (True, {"events": 0, "oldest_s": None}, 0)
    assert found["agents"] == [{"name": "claude-code", "complete": True, "error": None}]


def test_a_broken_library_is_a_finding(where: place.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    where.data.mkdir()
    for name in [name for name in sys.modules if name.startswith("git_hone.learner.store")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "git_hone.learner.store", None)
    (problem,) = [finding for finding in doctor.examine(where) if not finding.ok]
    assert problem.check == "store"
    assert health.status(where)["records"] is None


def test_a_wrong_configuration_and_a_failed_drain_are_shown(where: place.Place) -> None:
    (where.agent / "learning-config.json").write_text('{"enabeld": true}')
    (where.hone / "last-drain.json").write_text('{"at": 1, "events": 0, "commits": 0, "error": "disk full"}')
    problems = [finding.words for finding in doctor.examine(where) if not finding.ok]
    assert any("disk full" in words for words in problems)
    assert any("enabled" in words for words in problems)
    assert health.status(where)["config_warnings"]
