"""What the configuration of checks asks for, and what a change made it ask for less."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

Key = tuple[str, str]


@dataclass
class Demands:
    """What one side asks for, by (tool, name).

    floors: must not sink. ceilings: must not rise. kept: sets that must not shrink. excused: sets that must not grow.
    on: switches that must stay on. where: (tool, name) -> path and words to find its line by.
    """

    floors: dict[Key, float] = field(default_factory=dict)
    ceilings: dict[Key, float] = field(default_factory=dict)
    kept: dict[Key, set[str]] = field(default_factory=dict)
    excused: dict[Key, set[str]] = field(default_factory=dict)
    on: dict[Key, bool] = field(default_factory=dict)
    where: dict[Key, tuple[str, str]] = field(default_factory=dict)
    tools: set[str] = field(default_factory=set)

    def note(self, tool: str, name: str, path: str, word: str = "") -> Key:
        self.tools.add(tool)
        key = (tool, name)
        self.where[key] = (path, word or name.rsplit(".", 1)[-1])
        return key


USUAL: Final = re.compile(
    r"TYPE_CHECKING|NotImplementedError|\.\.\.|\\\.(?:\{3\}|\\\.)|__main__|@(?:\w+\\?\.)?(?:abstractmethod|overload)|pragma: no cover"
    r"|__repr__|if False|if 0|assert_never"
)
"""What people leave out of coverage everywhere: it does nothing."""
HARMLESS: Final = re.compile(
    r"^(?:\.?/?(?:\*\*/)?(?:node_modules|dist|build|out|coverage|\.git|\.hg|\.svn|\.tox|\.nox|\.?venv|env|\.eggs|\.mypy_cache"
    r"|\.pytest_cache"
    r"|\.ruff_cache|__pycache__|site|_build|docs/_build|vendor|third_party|\.next|\.nuxt|lib|target|tmp|\.cache)(?:/.*)?|\*?\.?egg-info"
    r"|\*\.min\.js|\*\.pyc)/?$"
)
SIMILAR: Final = ({"flake8", "pylint", "ruff", "pycodestyle"}, {"mypy", "pyright", "ty"}, {"eslint", "biome", "oxlint", "tslint"},
                  {"jest", "vitest", "mocha", "ava"}, {"pytest", "nose", "unittest"})  # fmt: skip


def looser(before: Demands, after: Demands) -> Iterator[tuple[str, str, str]]:
    """(path, word, what) of each demand that was lowered."""
    replaced = {
        tool for family in SIMILAR for tool in family & before.tools - after.tools if (family & after.tools) - before.tools
    }
    spot = {**before.where, **after.where}

    def at(key: Key) -> tuple[str, str]:
        return spot[key]

    for key, floor in before.floors.items():
        now = after.floors.get(key)
        if key[0] not in replaced and (now is None or now < floor):
            yield *at(key), f"{key[0]}: {key[1]} {floor:g} -> {'gone' if now is None else f'{now:g}'}"
    for key, ceiling in before.ceilings.items():
        now = after.ceilings.get(key)
        if key[0] not in replaced and (now is None or now > ceiling):
            yield *at(key), f"{key[0]}: {key[1]} {ceiling:g} -> {'gone' if now is None else f'{now:g}'}"
    for key, kept in before.kept.items():
        left = after.kept.get(key)
        gone = kept - (left or set()) if key[0] not in replaced else set()
        gone = {one for one in gone if not any(_covers(other, one) for other in left or ())}
        if left is None and key[1] in (
            "testpaths",
            "python_files",
            "python_functions",
            "python_classes",
            "source",
            "source_pkgs",
        ):
            continue  # back to looking everywhere
        if key[1] == "testpaths" and left and any(one in (".", "") for one in left):
            continue
        if gone:
            yield *at(key), f"{key[0]}: no longer in {key[1]}: {', '.join(sorted(gone)[:6])}"
    for key, excused in after.excused.items():
        earlier = before.excused.get(key, set())
        new = {
            one
            for one in excused - earlier
            if not HARMLESS.match(one)
            and not (key[0] == "coverage" and "exclude" in key[1] and USUAL.search(one))
            and not any(_covers(other, one) for other in earlier)
        }
        fresh = key[0] not in before.tools
        if new and not fresh:
            yield *at(key), f"{key[0]}: added to {key[1]}: {', '.join(sorted(new)[:6])}"
    for key, was_on in before.on.items():
        covered = (key[0], key[1].replace("runs ", "may fail: ")) in after.excused
        if was_on and not after.on.get(key, False) and key[0] not in replaced and not covered:
            absent = key not in after.on
            umbrella = absent and after.on.get((key[0], "strict"), False) and key[1] != "strict"
            if not umbrella:
                yield *at(key), f"{key[0]}: {key[1]} {'gone' if absent else 'switched off'}"
    for key, is_on in after.on.items():
        if not is_on and key not in before.on and key[0] in before.tools:
            yield *at(key), f"{key[0]}: {key[1]} switched off"


def _covers(wide: str, narrow: str) -> bool:
    """Whether a rule prefix takes in another rule.

    >>> _covers("E", "E501"), _covers("ALL", "S101"), _covers("S1", "S101"), _covers("E5", "F401")
    (True, True, True, False)
    """
    return wide == "ALL" or (
        narrow.startswith(wide) and bool(re.fullmatch(r"[A-Z]{1,4}\d*", wide)) and bool(re.fullmatch(r"[A-Z]+\d*", narrow))
    )
