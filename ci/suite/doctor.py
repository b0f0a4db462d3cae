"""The environment doctor: finds an environment in which the tests of a commit run, most faithful first.

lock file -> requirements of the commit's time -> newest -> pytest of that time -> minimum, and within each three repairs: a pin
that has no wheel for this Python is let go, a missing import is installed, a library that lost a name is taken from before. What a
repair taught holds in the later steps of the same commit, and of no other: a task's environment must not depend on what was mined
before it, because the suite's hash covers it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
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
LACKING: Final = re.compile(
    rf"({venvs.NOT_HERE}|No matching distribution found for|{venvs.CONFLICT}) (.{{1,400}}?)(?: because|$)"
)
Try = Callable[[Environment, Path], Tested]


@dataclass(frozen=True)
class Found:
    """environment: the best of those tried; python: its interpreter; tested: what the tests said in it, with the solution."""

    environment: Environment
    python: Path
    tested: Tested


@dataclass
class Learned:
    """What the tries for one commit have taught. imports: requirements that brought missing modules; older: {library: constraint} of
    those that lost a name; absent: constraints that no wheel meets here."""

    imports: set[str] = field(default_factory=set)
    older: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def applied(self, environment: Environment) -> Environment:
        """The environment of a step with all of it from the start; what the step itself sets of a library stands."""
        pins = [pin for pin in environment.constraints if pin not in self.absent]
        set_here = {normal(name_of(pin)) for pin in pins}
        bounds = [bound for name, bound in self.older.items() if name not in set_here]
        wanted = {*environment.requirements, *self.imports}
        step = environment.step
        for how, done in (
            ("unpinned", len(pins) < len(environment.constraints)),
            ("imports", len(wanted) > len(environment.requirements)),
            ("older", bool(bounds)),
        ):
            step = _repaired(step, how) if done else step
        return replace(environment, requirements=tuple(sorted(wanted)), constraints=tuple(sorted([*pins, *bounds])), step=step)

    def never(self, pins: set[str]) -> None:
        """No wheel meets these."""
        self.absent |= pins
        self.older = {name: bound for name, bound in self.older.items() if bound not in pins}


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
        seen, learned = set[str](), Learned()
        for step in steps(said, day):
            environment = learned.applied(_environment(said, step.requirements, step.constraints, step.name))
            for _ in range(REPAIRS):
                environment, python = self._unpinned(environment, learned)
                if isinstance(python, str):
                    reason = python
                    break
                if environment.fingerprint in seen:
                    break
                seen.add(environment.fingerprint)
                tested = attempt(environment, python)
                if best is None or _score(tested) > _score(best.tested):
                    best = Found(environment, python, tested)
                more = [repair(name, said) for name in tested.missing_modules if name.split(".")[0] not in modules]
                learned.imports |= {one for one in more if one}
                older = _older(environment, python, tested, learned.absent)
                learned.older |= older
                repaired = learned.applied(_without(environment, set(older)))
                if repaired.fingerprint == environment.fingerprint:
                    break
                environment = repaired
            if best and all(outcome != "failed" for outcome in best.tested.outcomes.values()) and _score(best.tested)[0]:
                break
        return best or reason

    def use(self, environment: Environment, attempt: Try) -> Found | str:
        """The environment that is already known, and what the tests say in it."""
        python = self.python(environment)
        return python if isinstance(python, str) else Found(environment, python, attempt(environment, python))

    def _unpinned(self, environment: Environment, learned: Learned) -> tuple[Environment, Path | str]:
        """The environment, without the pins that cannot be met here one by one, and its interpreter or why there is none."""
        while isinstance(python := self.python(environment, trial=True), str):
            gone, absent = _in_the_way(python, environment.requirements, environment.constraints)
            if not gone:
                break
            learned.never(absent)
            pins = tuple(pin for pin in environment.constraints if pin not in gone)
            environment = replace(environment, constraints=pins, step=_repaired(environment.step, "unpinned"))
        return environment, python

    def python(self, environment: Environment, *, trial: bool = False) -> Path | str:
        """The interpreter of the environment, which is made when there is none; words when it cannot be. trial: it may be of no use."""
        key = environment.fingerprint
        if key in self._refused:
            return self._refused[key]
        try:
            return venvs.python_of(environment, self.root, trial=trial)
        except venvs.NotInstalled as error:
            self._refused[key] = str(error)
            return self._refused[key]


def _in_the_way(words: str, requirements: Iterable[str], pins: Iterable[str]) -> tuple[set[str], set[str]]:
    """(those of the pins that the installer's words blame, those of them that no wheel meets whatever the requirements are).

    >>> _in_the_way("No wheel here for a because of this Python. ERROR: Cannot install a because it conflicts", ["a"], ["a==1", "c==3"])
    ({'a==1'}, {'a==1'})
    >>> _in_the_way("No wheel here for a because of this Python. ERROR: Cannot install a~=1.0.0 because", ["a~=1.0.0"], ["a<2"])
    ({'a<2'}, set())
    >>> _in_the_way("Cannot install a because of what else is wanted.", ["a"], ["a==1"])
    ({'a==1'}, set())
    """
    lacking = LACKING.search(words)
    if not lacking:
        return set(), set()
    names = {normal(name_of(word)) for word in re.split(r",\s*|\s+", lacking[2])}
    bound = {normal(name_of(one)) for one in requirements if re.search("[<>=~!]", one.partition(";")[0])}
    gone = {pin for pin in pins if normal(name_of(pin)) in names}
    return gone, set() if lacking[1] == venvs.CONFLICT else {pin for pin in gone if normal(name_of(pin)) not in bound}


def _repaired(step: str, how: str) -> str:
    """
    >>> _repaired("lock+imports", "older"), _repaired("lock+older", "older")
    ('lock+imports+older', 'lock+older')
    """
    return step if how in step.split("+") else f"{step}+{how}"


def _older(environment: Environment, python: Path, tested: Tested, absent: set[str]) -> dict[str, str]:
    """A constraint for each library that lost a name: below its major version, or where it was bound already, below its minor one."""
    limits = {normal(name_of(one)): one for one in environment.constraints}
    bounds = {}
    for module in tested.lost_modules:
        held = venvs.holder(python.parent.parent, module)
        numbers = re.match(r"(\d+)\.(\d+)", held[1]) if held else None
        if held is None or numbers is None:
            continue
        major, minor = int(numbers[1]), int(numbers[2])
        name = normal(held[0])
        bound = f"{name}<{major}.{minor}" if name in limits or not major else f"{name}<{major}"
        if "==" not in limits.get(name, "") and (major or minor) and bound not in absent:
            bounds[name] = bound
    return bounds


def _without(environment: Environment, names: set[str]) -> Environment:
    return replace(environment, constraints=tuple(pin for pin in environment.constraints if normal(name_of(pin)) not in names))


def _score(tested: Tested) -> tuple[int, int]:
    ended = list(tested.outcomes.values())
    return ended.count(PASSED), -ended.count("failed")


def _environment(said: Declared, requirements: tuple[str, ...], constraints: tuple[str, ...], step: str) -> Environment:
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in sorted(entries.items()))
        for group, entries in sorted(said.entry_points.items())
    )
    return Environment(
        venvs.PYTHON,
        requirements,
        tuple(sorted(constraints)),
        tuple(said.paths),
        said.package,
        points,
        dict(said.generated),
        step,
    )
