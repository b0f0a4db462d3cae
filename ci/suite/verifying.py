"""Whether something is a task: its tests run with and without the solution, three times, in an arena of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from git_hone.ci.arena import sandbox
from git_hone.ci.arena.sealed import Arena
from git_hone.ci.arena.testing import Tested, run_tests
from git_hone.ci.suite.doctor import Doctor, Found
from git_hone.ci.suite.trees import Trees
from git_hone.learner.errors import DataError
from git_hone.learner.suite.tasks import Environment, File, Task
from git_hone.learner.suite.verdicts import PASSED, Split, split

RUNS: Final = 3
MULTIPLE: Final = 5.0
LEAST_SECONDS: Final = 10.0
FIRST_LIMIT: Final = 120.0
UNNOTICED: Final = "its tests pass without the change"
Overlay = Mapping[str, "File | None"]


class NotATask(Exception):
    """Why a candidate is none: a reason, in words that are counted, and in `detail` what was seen of it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class Stopped(Exception):
    """The run was ended by us, so that it says nothing."""


@dataclass(frozen=True)
class Verified:
    """split: the tests; environment, seconds: of the reference run, the slowest of three."""

    split: Split
    environment: Environment
    seconds: float

    @property
    def time_limit(self) -> float:
        return max(LEAST_SECONDS, round(MULTIPLE * self.seconds, 1))


def verify(
    trees: Trees,
    doctor: Doctor,
    files: Mapping[str, File],
    tests: Overlay,
    solution: Overlay,
    command: tuple[str, ...],
    known: Environment | None = None,
    day: date | None = None,
) -> Verified:
    """Run `command` with and without the solution until it is known which tests it makes pass. Raises NotATask, Stopped.

    known: the environment, where it was found before; else the doctor looks for one that fits the day of the commit.
    """
    with tempfile.TemporaryDirectory(prefix="git-hone-arena-", ignore_cleanup_errors=True) as base:
        arena = _arena(Path(base) / "arena", files, trees, {**solution, **tests})
        whole = {path: file for path, file in {**files, **solution, **tests}.items() if file is not None}

        def after(environment: Environment, python: Path) -> Tested:
            return run_once(arena, environment, python, command, {**solution, **tests}, FIRST_LIMIT)

        found = doctor.use(known, after) if known else doctor.find(whole, trees.text, after, day)
        if isinstance(found, str):
            raise NotATask("its environment cannot be made here", found)
        _passes(found)
        doctor.python(found.environment)  # no trial any more
        limit = max(LEAST_SECONDS, MULTIPLE * found.tested.ran.seconds)
        befores, afters = [run_once(arena, found.environment, found.python, command, tests, limit)], [found.tested]
        if not split([one.outcomes for one in befores], [one.outcomes for one in afters]).fail_to_pass:
            raise NotATask(UNNOTICED, f"{list(found.tested.outcomes.values()).count(PASSED)} tests pass with and without it")
        for _ in range(RUNS - 1):
            befores.append(run_once(arena, found.environment, found.python, command, tests, limit))
            afters.append(run_once(arena, found.environment, found.python, command, {**solution, **tests}, limit))
    told = split([one.outcomes for one in befores], [one.outcomes for one in afters])
    if not told.fail_to_pass:
        raise NotATask("its tests are flaky")
    return Verified(told, found.environment, round(max(one.ran.seconds for one in afters), 3))


def _arena(folder: Path, files: Mapping[str, File], trees: Trees, over: Overlay) -> Arena:
    """The arena, in which the reference can be put too. Raises NotATask for paths and links that lead out only together."""
    try:
        arena = Arena(folder, files, trees.content)
        arena.put(over)
    except DataError:
        raise NotATask("a path or link that leads out of the arena") from None
    return arena


def _passes(found: Found) -> None:
    tested = found.tested
    if tested.ran.timed_out:
        raise NotATask("its tests take too long")
    if not tested.outcomes:
        raise NotATask("no test ran", tested.complaint)
    if PASSED not in tested.outcomes.values():
        raise NotATask("no test passes with the change", tested.complaint)


def run_once(
    arena: Arena, environment: Environment, python: Path, command: tuple[str, ...], over: Overlay, seconds: float
) -> Tested:
    """The tests in the arena as it was made, with `over` put on it. Raises Stopped."""
    arena.fill()
    arena.put(over)
    tested = run_tests(arena, environment, python, command, sandbox.Limits(seconds=seconds))
    if sandbox.stopping():
        raise Stopped
    return tested


def again(arena: Arena, task: Task, python: Path, *, solved: bool) -> Tested:
    """One run of a task's tests, with or without its solution."""
    over = {**(task.solution if solved else {}), **task.tests}
    return run_once(arena, task.environment, python, task.test_command, over, task.time_limit_seconds)
