"""Which environments to try for a commit's tests, most faithful first, from what the project says that it needs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from git_hone.learner.suite.declared import Declared, name_of, normal, unique

MINIMUM: Final = re.compile(r">=\s*(\d+(?:\.\d+)*)([^,;\s]*)")
MODULES: Final = {"yaml": "pyyaml", "dotenv": "python-dotenv", "dateutil": "python-dateutil", "PIL": "pillow", "attr": "attrs",
                  "bs4": "beautifulsoup4", "sklearn": "scikit-learn", "cv2": "opencv-python-headless", "OpenSSL": "pyopenssl",
                  "git": "gitpython", "jwt": "pyjwt", "markdown_it": "markdown-it-py", "pkg_resources": "setuptools<80",
                  "setuptools": "setuptools", "mock": "mock", "hypothesis": "hypothesis", "pytest_mock": "pytest-mock",
                  "pytest_asyncio": "pytest-asyncio", "freezegun": "freezegun", "responses": "responses", "requests": "requests",
                  "numpy": "numpy", "trio": "trio", "anyio": "anyio", "distutils": "setuptools", "six": "six"}  # fmt: skip
"""Modules that the repair may install though no file of the project names them. Nothing else is: whoever registers the name of a
missing module with an index must not get code run by it."""
PYTESTS: Final = ((date(2022, 2, 4), "pytest>=6.2.5,<7"), (date(2024, 1, 27), "pytest<8"), (date(2025, 11, 8), "pytest<9"))
"""Day on which a major version of pytest came to the index, and the versions until then (those before 6.2.5 know no newer Python)."""
OF_PYTEST: Final = frozenset(
    ["atomicwrites", "attrs", "iniconfig", "importlib-metadata", "more-itertools", "packaging", "pluggy", "py", "toml"]
)
"""What pytest itself is made of."""


@dataclass(frozen=True)
class Step:
    """One thing for the environment doctor to try. name: lock | era | declared | dated | minimum."""

    name: str
    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()


def steps(found: Declared, day: date | None = None) -> list[Step]:
    """What to try for a commit of that day, most faithful first; a step that would install what one before it did is left out.

    lock: what is declared, at the versions of the lock, when it names what the project runs on. era: a requirement with a minimum
    stays below the next major version, because an old commit knew nothing of later ones, and what the lock says of the rest
    holds. declared: what is declared, newest. dated: the same with the pytest of the day, where the project sets it no upper bound:
    what pytest itself needs (pluggy, iniconfig) can be tested by no later one. minimum: the project's own requirements at their
    minimum, the rest by the lock.
    """
    testing = [*found.testing, *([] if any(normal(name_of(one)) == "pytest" for one in found.testing) else ["pytest"])]
    known = {normal(name_of(one)) for one in found.runtime}
    pins = _pins(found.pins)
    others = tuple(pin for name, pin in pins.items() if name not in known)
    plain, old, oldest = (
        tuple(sorted(unique([*map(change, found.runtime), *testing]))) for change in (str, era, minimum)
    )  # fmt: skip
    made = [Step("lock", plain, tuple(pins.values()))] if pins and (not known or known & set(pins)) else []
    bound = next((versions for until, versions in PYTESTS if day and day < until), None)
    free = "==" not in pins.get("pytest", "") and not any(
        normal(name_of(one)) == "pytest" and re.search("<|==|~=", one) for one in testing
    )
    dated = [Step("dated", plain, (bound,))] if bound and free else []
    made += [Step("era", old, others), Step("declared", plain), *dated, Step("minimum", oldest, others)]
    if not others and old == plain:
        made = [step for step in made if step.name != "era"]
    kept: list[Step] = []
    for step in made:
        if all((step.requirements, step.constraints) != (one.requirements, one.constraints) for one in kept):
            kept.append(step)
    return kept


def _pins(versions: Mapping[str, str]) -> dict[str, str]:
    """The constraints of a lock by name. A pytest that is too old for this Python is moved to the oldest that is not, and what it is made
    of is let go.

    >>> _pins({"click": "8.0.3", "pytest": "6.2.5", "py": "1.11"})
    {'click': 'click==8.0.3', 'py': 'py==1.11', 'pytest': 'pytest==6.2.5'}
    >>> _pins({"click": "8.0.3", "pytest": "6.2.4", "py": "1.10"})
    {'click': 'click==8.0.3', 'pytest': 'pytest>=6.2.5,<7'}
    """
    pins = {name: f"{name}=={version}" for name, version in sorted(versions.items())}
    if tuple(int(part) for part in versions.get("pytest", "7").split(".") if part.isdigit()) < (6, 2, 5):
        pins = {name: pin for name, pin in pins.items() if name not in OF_PYTEST} | {"pytest": PYTESTS[0][1]}
    return pins


def repair(module: str, found: Declared) -> str | None:
    """The requirement that brings a missing module: one that the project names somewhere, or a well-known one; else None.

    >>> repair("yaml", Declared()), repair("some_unknown", Declared())
    ('pyyaml', None)
    >>> repair("asgiref", Declared(named={"asgiref": "asgiref>=3.2"}))
    'asgiref>=3.2'
    """
    top = module.split(".")[0]
    for name in (normal(top), MODULES.get(top, ""), f"python-{normal(top)}"):
        if name in found.named:
            return found.named[name]
    return MODULES.get(top)


def era(requirement: str) -> str:
    """Below the next major version of its minimum; what is at 0 may go on to 1.

    >>> era("Werkzeug>=2.0.0rc1"), era("click>=7.1.2,<9"), era("six"), era("x>=0.4; python_version<'3'")
    ('Werkzeug>=2.0.0rc1,<3', 'click>=7.1.2,<9', 'six', "x>=0.4,<2; python_version<'3'")
    """
    spec, mark, condition = requirement.partition(";")
    matched = MINIMUM.search(spec)
    if not matched or "<" in spec:
        return requirement
    below = max(2, int(matched[1].split(".")[0]) + 1)
    return f"{spec.rstrip()},<{below}{mark}{condition}"


def minimum(requirement: str) -> str:
    """At its minimum, with later fixes of it.

    >>> minimum("Werkzeug>=2.0"), minimum("six")
    ('Werkzeug~=2.0.0', 'six')
    """
    spec, mark, condition = requirement.partition(";")
    matched = MINIMUM.search(spec)
    if not matched:
        return requirement
    parts = [*matched[1].split("."), "0", "0"][:3]
    head = spec[: re.search(r"[<>=!~(\s]|$", spec).start()]  # type: ignore[union-attr]  # the pattern ends in $, so it always matches
    return f"{head}~={'.'.join(parts)}{matched[2]}{mark}{condition}"
