"""The environment doctor: finds an environment in which the tests of a commit run, most faithful first.

lock file -> requirements of the commit's time -> newest -> pytest of that time -> minimum, and within each three repairs: a pin
that has no wheel for this Python is let go, a missing import is installed, a library that lost a name is taken from before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from git_hone.ci.arena import venvs
from git_hone.ci.arena.testing import Tested
from git_hone.learner.suite.declared import Declared, declared, name_of, normal
from git_hone.learner.suite.environments import repair, steps
from git_hone.learner.suite.tasks import Environment, File
from git_hone.learner.suite.verdicts import PASSED

REPAIRS: Final = 3
UNPINNED: Final = 8
NO_WHEEL: Final = re.compile(
    rf"(?:{venvs.NOT_HERE}|No matching distribution found for|Cannot install) (.{{1,400}}?)(?: because|$)"
)
Try = Callable[[Environment, Path], Tested]


@dataclass(frozen=True)
class Found:
    """environment: the best of those tried; python: its interpreter; tested: what the tests said in it, with the solution."""

    environment: Environment
    python: Path
    tested: Tested


@dataclass
class Doctor:
    """Remembers, for one run of the program, which environments cannot be made here. Shared by threads."""

    root: Path | None = None

    def __post_init__(self) -> None:
        self._refused: dict[str, str] = {}

    def find(
        self, files: Mapping[str, File], text: Callable[[File | None], str | None], attempt: Try, day: date | None = None
    ) -> Found | str:
        """The first environment in which every test passes, else the one in which most do; words when none could be made.

        `attempt` runs the tests with the solution in place; day: of the commit.
        """
        said = declared(lambda path: text(files.get(path)), files)
        modules = {path.removesuffix(".py").split("/")[-1] for path in files} | {
            part for path in files for part in path.split("/")[:-1]
        }
        best: Found | None = None
        reason = "no environment"
        seen = set[tuple[tuple[str, ...], tuple[str, ...]]]()
        for step in steps(said, day):
            environment = _environment(said, step.requirements, step.constraints, step.name)
            for _ in range(REPAIRS):
                environment, python = self._unpinned(environment)
                if isinstance(python, str):
                    reason = python
                    break
                if (asked := (environment.requirements, environment.constraints)) in seen:
                    break
                seen.add(asked)
                tested = attempt(environment, python)
                if best is None or _score(tested) > _score(best.tested):
                    best = Found(environment, python, tested)
                more = [repair(name, said) for name in tested.missing_modules if name.split(".")[0] not in modules]
                wanted = {one for one in more if one} - set(environment.requirements)
                older = _older(environment, python, tested)
                if wanted:
                    environment = replace(environment, requirements=tuple(sorted({*environment.requirements, *wanted})),
                                          step=_repaired(environment.step, "imports"))  # fmt: skip
                elif older != environment.constraints:
                    environment = replace(environment, constraints=older, step=_repaired(environment.step, "older"))
                else:
                    break
            if best and all(outcome != "failed" for outcome in best.tested.outcomes.values()) and _score(best.tested)[0]:
                break
        return best or reason

    def use(self, environment: Environment, attempt: Try) -> Found | str:
        """The environment that is already known, and what the tests say in it."""
        python = self.python(environment)
        return python if isinstance(python, str) else Found(environment, python, attempt(environment, python))

    def _unpinned(self, environment: Environment) -> tuple[Environment, Path | str]:
        """The environment, without the pins that cannot be met here one by one, and its interpreter or why there is none."""
        for _ in range(UNPINNED):
            python = self.python(environment)
            lacking = NO_WHEEL.search(python) if isinstance(python, str) else None
            names = {normal(name_of(word)) for word in re.split(r",\s*|\s+", lacking[1])} if lacking else set()
            pins = [pin for pin in environment.constraints if normal(name_of(pin)) not in names]
            if len(pins) == len(environment.constraints):
                break
            environment = replace(environment, constraints=tuple(pins), step=_repaired(environment.step, "unpinned"))
        return environment, python

    def python(self, environment: Environment) -> Path | str:
        """The interpreter of the environment, which is made when there is none; words when it cannot be."""
        key = environment.fingerprint
        if key in self._refused:
            return self._refused[key]
        try:
            return venvs.python_of(environment, self.root)
        except venvs.NotInstalled as error:
            self._refused[key] = str(error)
            return self._refused[key]


def _repaired(step: str, how: str) -> str:
    """
    >>> _repaired("lock+imports", "older"), _repaired("lock+older", "older")
    ('lock+imports+older', 'lock+older')
    """
    return step if how in step.split("+") else f"{step}+{how}"


def _older(environment: Environment, python: Path, tested: Tested) -> tuple[str, ...]:
    """The constraints, with each library that lost a name below its major version, or where it was bound already, below its minor one."""
    limits = {normal(name_of(one)): one for one in environment.constraints}
    for module in tested.lost_modules:
        held = venvs.holder(python.parent.parent, module)
        numbers = re.match(r"(\d+)\.(\d+)", held[1]) if held else None
        if held is None or numbers is None:
            continue
        major, minor = int(numbers[1]), int(numbers[2])
        name = normal(held[0])
        if "==" not in limits.get(name, "") and (major or minor):
            limits[name] = f"{name}<{major}.{minor}" if name in limits or not major else f"{name}<{major}"
    return tuple(sorted(limits.values())) if tested.lost_modules else environment.constraints


def _score(tested: Tested) -> tuple[int, int]:
    ended = list(tested.outcomes.values())
    return ended.count(PASSED), -ended.count("failed")


def _environment(said: Declared, requirements: tuple[str, ...], constraints: tuple[str, ...], step: str) -> Environment:
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in sorted(entries.items()))
        for group, entries in sorted(said.entry_points.items())
    )
    return Environment(
        venvs.PYTHON, requirements, constraints, tuple(said.paths), said.package, points, dict(said.generated), step
    )
