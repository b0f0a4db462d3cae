"""A small Python project with a history, and environments that hold this Python's own pytest, so that no index is asked."""

from __future__ import annotations

import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.arena import venvs
from git_hone.learner.suite.declared import Declared
from git_hone.learner.suite.environments import Step, steps
from git_hone.learner.suite.tasks import Environment

ADD = "def add(a, b):\n    return a + b\n"
TEST = "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
NONE = "def add(a, b):\n    if a is None:\n        return b\n    return a + b\n"
TEST_NONE = TEST + "\n\ndef test_none():\n    assert add(None, 2) == 2\n"


def make_ready(root: Path, package: str | None, step: Step) -> None:
    """An environment as the doctor would ask for it, with this Python's packages."""
    environment = Environment(venvs.PYTHON, step.requirements, step.constraints, (".",), package, "", {}, step.name)
    folder = root / environment.fingerprint
    if not folder.exists():
        venv.create(folder, symlinks=True)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (folder / venvs.READY).write_text("{}")


@pytest.fixture
def ready() -> Any:
    """`ready(root, package, step)` makes one more environment."""
    return make_ready


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("cache")
    for package in ("calc", None):
        for step in steps(Declared(package=package)):
            make_ready(base / "git-hone" / "environments", package, step)
    return base


@pytest.fixture
def project(repo: Callable[..., Any], environments: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A repository with a package `calc` and one test, in the current folder; git-hone's environments are those of the session."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(environments))
    made = repo()
    made.write("pyproject.toml", '[project]\nname = "calc"\nversion = "1"\n')
    made.write("src/calc/__init__.py", ADD)
    made.write("tests/test_calc.py", TEST)
    made.commit("first")
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture
def none_taken(project: Any) -> str:
    """A commit that changes code and its test."""
    project.write("src/calc/__init__.py", NONE)
    project.write("tests/test_calc.py", TEST_NONE)
    commit: str = project.commit("Take None for nothing (#12)\n\nFixes #12")
    return commit
