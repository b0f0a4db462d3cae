"""`git hone suite hold-out`: an agent works through the real hooks, a person makes it better, the tests tell the two apart."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import find
from git_hone.hooks.player import Player

WRONG = "def add(a, b):\n    if a is None:\n        return a\n    return a + b\n"
RIGHT = WRONG.replace("return a\n", "return b\n")


@pytest.fixture
def installed(project: Any) -> Any:
    """git-hone in the project, with no worker in the background: the test drains."""
    place = find(project.path)
    setup.install(place, ("claude-code",))
    project.commit("set up git-hone")
    (place.hone / "worker.pid").write_text(f"{os.getpid()}\n")
    drain(place)
    return project


def agent(project: Any, home: Path, asked: str, text: str) -> None:
    with Player(project.path, home, dict(os.environ)) as session:
        session.prompt(asked)
        session.write("src/calc/__init__.py", text)
    assert session.failed == []


def held_out(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["suite", "hold-out", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_what_a_person_mended_before_the_commit_is_a_task(installed: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent(installed, home, "Let add take None for nothing, see #7", WRONG)
    installed.write("src/calc/__init__.py", RIGHT)
    test = (installed.path / "tests/test_calc.py").read_text()
    installed.write("tests/test_calc.py", test + "\n\ndef test_none():\n    assert add(None, 2) == 2\n")
    commit = installed.commit("None is nothing")
    told = held_out(capsys)
    assert told["counts"]["valid"] == 1
    (task,) = storing.load(Path(told["folder"])).manifest.tasks
    assert (task.source, task.origin.commit, task.fail_to_pass) == ("held-out", commit, ("tests/test_calc.py::test_none",))
    assert task.prompt.startswith("Let add take None for nothing\n")
    assert task.origin.detail


def test_a_pair_that_no_test_can_judge_is_counted(installed: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent(installed, home, "Let add take None for nothing", WRONG)
    installed.write("src/calc/__init__.py", RIGHT)
    installed.commit("None is nothing")
    told = held_out(capsys)
    assert (told["tasks"], told["counts"]) == (0, {"candidates": 1, "its tests pass without the change": 1, "valid": 0})


def test_a_record_without_pairs_gives_no_task(installed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert held_out(capsys)["counts"] == {"candidates": 0, "valid": 0}
