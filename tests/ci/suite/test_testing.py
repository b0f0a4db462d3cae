"""What a real run of pytest says of itself, as the environment doctor reads it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from git_hone.ci.arena import testing, venvs
from git_hone.ci.arena.sandbox import Limits
from git_hone.ci.arena.sealed import Arena
from git_hone.ci.arena.testing import COMMAND
from git_hone.learner.suite.tasks import Environment, File

HERE = Environment(venvs.PYTHON, (), (), (".",), None, "", {}, "declared")


@pytest.fixture
def tested(tmp_path: Path):  # type: ignore[no-untyped-def]  # a function of the text of one test file
    def run(text: str) -> testing.Tested:
        data = text.encode()
        sha256 = hashlib.sha256(data).hexdigest()
        arena = Arena(tmp_path / "arena", {"test_it.py": File(sha256)}, {sha256: data}.__getitem__)
        return testing.run_tests(arena, HERE, Path(sys.executable), (*COMMAND, "test_it.py"), Limits(seconds=60))

    return run


def test_modules_that_are_missing_in_a_test_and_in_its_file(tested) -> None:  # type: ignore[no-untyped-def]
    within = tested("def test_a():\n    import nosuch.thing\n\n\ndef test_b():\n    pass\n")
    assert (within.missing_modules, within.outcomes) == (
        ["nosuch"],
        {"test_it.py::test_a": "failed", "test_it.py::test_b": "passed"},
    )
    assert within.complaint == "ModuleNotFoundError: No module named 'nosuch'"


def test_a_file_that_cannot_be_imported(tested) -> None:  # type: ignore[no-untyped-def]
    assert tested("import nosuch.thing\n").missing_modules == ["nosuch"]


def test_names_that_an_installed_library_does_not_have(tested) -> None:  # type: ignore[no-untyped-def]
    imported = "def test_a():\n    from _pytest.config import nosuch\n"
    used = "def test_b():\n    import iniconfig\n    iniconfig.nosuch\n"
    assert tested(imported + "\n\n" + used).lost_modules == ["_pytest", "iniconfig"]


def test_a_name_that_the_standard_library_does_not_have_is_nobodys_loss(tested) -> None:  # type: ignore[no-untyped-def]
    assert tested("def test_a():\n    from json import nosuch\n").lost_modules == []


def test_a_failure_takes_one_line_and_a_warning_is_no_complaint(tested) -> None:  # type: ignore[no-untyped-def]
    """A traceback for each failure took four fifths of the time of a run in which many tests failed."""
    deep = "def deep(n):\n    return deep(n - 1) if n else 1 / 0\n\n\ndef test_a():\n    deep(50)\n"
    warns = "\n\ndef test_b():\n    import warnings\n\n    warnings.warn('old', DeprecationWarning)\n"
    done = tested(deep + warns)
    assert done.complaint == "ZeroDivisionError: division by zero"
    assert done.ran.output.count("deep(") == 0
