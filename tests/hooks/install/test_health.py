"""`status` says what stands; `doctor` finds each fault and mends what can be mended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import place
from git_hone.hooks.install import health, setup

Make = Callable[..., Any]


@pytest.fixture
def where(repo: Make) -> place.Place:
    here = place.find(repo().path)
    setup.install(here, ("claude-code",))
    return here


def test_a_fresh_installation_is_healthy(where: place.Place) -> None:
    assert [finding for finding in health.doctor(where) if not finding.ok] == []
    found = health.status(where)
    assert (found["installed"], found["pending"], found["unreadable"]) == (True, {"events": 0, "oldest_s": None}, 0)
    assert found["agents"] == [{"name": "claude-code", "complete": True, "error": None}]


def test_nothing_installed_is_one_problem(repo: Make) -> None:
    (finding,) = health.doctor(place.find(repo().path))
    assert (finding.ok, finding.next) == (False, "git hone init")


def lose_python(where: place.Place) -> None:
    path = where.hone / "git-event.sh"
    path.write_text(path.read_text().replace("GIT_HONE_OFF=1 /", "GIT_HONE_OFF=1 /gone/"))


def tear(where: place.Place) -> None:
    (where.inbox / "1-0.ev").write_text("%hone 1 git post-commit\nroot=")
    os.utime(where.inbox / "1-0.ev", (time.time() - 60, time.time() - 60))


FAULTS: dict[str, Callable[[place.Place], object]] = {
    "a moved virtual environment": lose_python,
    "a script that is gone": lambda where: (where.hone / "agent-event.sh").unlink(),
    "a hook that is gone": lambda where: (where.common / "hooks/post-commit").unlink(),
    "a hook without its bit": lambda where: (where.common / "hooks/post-merge").chmod(0o644),
    "an older hook": lambda where: (where.common / "hooks/post-commit").write_text("#!/bin/sh\n# git-hone hook v0: old\n"),
    "a torn event": tear,
    "an inbox that is gone": lambda where: where.inbox.rmdir(),
    "a worker that died": lambda where: (where.hone / "worker.pid").write_text("999999999\n"),
    "no configuration": lambda where: (where.agent / "learning-config.json").unlink(),
    "no .gitignore": lambda where: (where.agent / ".gitignore").unlink(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_doctor_finds_and_mends(where: place.Place, fault: str) -> None:
    FAULTS[fault](where)
    problems = [finding for finding in health.doctor(where) if not finding.ok]
    assert len(problems) == 1
    assert problems[0].next
    mended = health.doctor(where, repair=True)
    assert all(finding.ok for finding in mended)
    assert any(finding.repaired for finding in mended)
    assert all(finding.ok for finding in health.doctor(where))


def test_a_damaged_segment_is_set_aside(where: place.Place) -> None:
    bad = where.data / "runs/month=2026-01" / f"{'0' * 64}.parquet"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"PAR1 and nothing")
    assert any("parquet" in finding.words for finding in health.doctor(where) if not finding.ok)
    health.doctor(where, repair=True)
    assert all(finding.ok for finding in health.doctor(where))
    assert any(path.name == bad.name for path in (where.agent / "quarantine").rglob("*"))


def test_a_broken_library_is_a_finding(where: place.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    where.data.mkdir()
    for name in [name for name in sys.modules if name.startswith("git_hone.learner.store")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "git_hone.learner.store", None)
    (problem,) = [finding for finding in health.doctor(where) if not finding.ok]
    assert problem.check == "store"
    assert health.status(where)["records"] is None


def test_a_wrong_configuration_and_a_failed_drain_are_shown(where: place.Place) -> None:
    (where.agent / "learning-config.json").write_text('{"enabeld": true}')
    (where.hone / "last-drain.json").write_text('{"at": 1, "events": 0, "commits": 0, "error": "disk full"}')
    problems = [finding.words for finding in health.doctor(where) if not finding.ok]
    assert any("disk full" in words for words in problems)
    assert any("enabled" in words for words in problems)
    assert health.status(where)["config_warnings"]


def test_settings_of_somebody_else_are_no_problem(where: place.Place) -> None:
    settings = Path(str(where.top)) / ".claude/settings.json"
    settings.write_text("{}")
    assert all(finding.ok for finding in health.doctor(where))
