"""`git hone suite inject` and `verify`, on a real repository with real runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.arena import venvs
from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.learner.suite.declared import Declared
from git_hone.learner.suite.environments import steps


@pytest.fixture
def measured(project: Any, environments: Path, ready: Any) -> Any:
    """The project, with an environment that has coverage.py too."""
    (step,) = steps(Declared(package="calc"))
    more = tuple(sorted({*step.requirements, "coverage>=7.2"}))
    ready(environments / "git-hone" / "environments", "calc", replace(step, requirements=more))
    return project


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["suite", *words, "--json"]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_a_fault_on_a_covered_line_becomes_a_task_that_holds(
    measured: Any, none_taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    measured.write("src/calc/extra.py", "def unused(a):\n    return a < 3\n")
    measured.commit("Nothing tests this")
    told = run(capsys, "inject", "--limit", "2", "--jobs", "2")
    assert (told["tasks"], told["counts"]["valid"]) == (2, 2)
    suite = storing.load(Path(told["folder"]))
    for task in suite.manifest.tasks:
        detail = json.loads(task.origin.detail)
        assert (task.source, task.edit, detail["path"]) == ("injected", ("src/calc/__init__.py",), "src/calc/__init__.py")
        broken, whole = (suite.content(part["src/calc/__init__.py"].sha256) for part in (task.files, task.solution))
        assert broken != whole == (measured.path / "src/calc/__init__.py").read_bytes()
        assert detail["after"].encode() in broken
        assert all(name in task.prompt for name in task.fail_to_pass)
        assert detail["before"] not in task.prompt
    assert run(capsys, "verify", "--run", "--jobs", "2")["wrong"] == {}
    again = run(capsys, "inject", "--limit", "2", "--jobs", "2")
    assert (again["hash"], again["changed"]) == (told["hash"], False)


def test_a_task_that_no_longer_holds_is_named(measured: Any, none_taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(capsys, "mine")
    folder = Path(told["folder"])
    suite = storing.load(folder)
    (task,) = suite.manifest.tasks
    wrong = replace(task, solution={"src/calc/__init__.py": task.files["src/calc/__init__.py"]})
    storing.save(folder, replace(suite.manifest, tasks=(wrong,)), suite.content)
    assert run(capsys, "verify")["wrong"] == {}
    (words,) = run(capsys, "verify", "--run", code=1)["wrong"].values()
    assert "with its solution 1 of its tests do not pass, tests/test_calc.py::test_none" in words


def test_no_tests_to_inject_for_is_told(
    repo: Any, environments: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(environments))
    made = repo()
    made.write("a.py", "def f(a):\n    return a < 1\n")
    made.commit("first")
    monkeypatch.chdir(made.path)
    assert main(["suite", "inject"]) == 2
    assert "no test file that pytest would find" in capsys.readouterr().err
    made.write("test_a.py", "def test_f():\n    assert False\n")
    made.commit("second")
    assert main(["suite", "inject"]) == 2
    assert "no test of this commit passes here" in capsys.readouterr().err
    assert venvs.cache().is_dir()
