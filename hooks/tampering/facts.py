"""What is read from one side of one file, before it is compared with the other side."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

CONSTANT, TRUTHY, ORDER, PARTIAL, CLOSE, EXACT = range(6)
"""How much an assertion says: nothing, that something is there, a bound or a type, a part, a value within a tolerance, a value."""


class FileChange(NamedTuple):
    """One file of a diff. `old_path` is None when the path is the same; `before` is None for a new file, `after` for a deleted
    one."""

    path: str
    old_path: str | None
    before: bytes | None
    after: bytes | None


class Flag(NamedTuple):
    """A sign of tampering. `line` is a line of the file after the change, from 1; None when what is meant is gone."""

    kind: str
    path: str
    line: int | None
    detail: str


class Check(NamedTuple):
    """One assertion. `subject`: what is asserted of, as text. `slack`: its tolerance, larger is weaker, None when it has none.
    `raises`: the names of the exceptions that it expects."""

    subject: str
    strength: int
    text: str
    line: int
    slack: float | None = None
    raises: tuple[str, ...] = ()


@dataclass
class Test:
    """One test function or block. `skip`: why it does not run, "" when it does. `cases`: how often its parameters run it.
    `words`: its body's tokens, for likeness; `calls`: names it calls; `mocks`: names it replaces."""

    name: str
    line: int
    checks: list[Check]
    words: frozenset[str]
    names: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    mocks: dict[str, int] = field(default_factory=dict)
    collected: bool = True
    skip: str = ""
    skip_line: int = 0
    cases: int = 1

    __test__ = False

    @property
    def leaf(self) -> str:
        return self.name.rsplit("::", 1)[-1]

    @property
    def weight(self) -> int:
        """Assertions that say something, times the cases."""
        return self.cases * sum(check.strength > CONSTANT for check in self.checks)


class Mark(NamedTuple):
    """Something that is a flag when the diff brings more of it than it takes away. `key`: what counts as the same one;
    `owner`: the function it stands in."""

    kind: str
    key: str
    line: int
    detail: str
    owner: str = ""


class Function(NamedTuple):
    """A function of the code under test. `computes`: a return uses its parameters or calls something. `literal`: what it
    always returns, when that is a literal. `branches`: how many inputs it already treats one by one."""

    line: int
    computes: bool
    literal: str | None
    branches: int


DECLARED: Final = re.compile(r"\b(?:func|fn|def|class|struct|fun|interface|trait)\s+(?:\([^)]*\)\s*)?(\w+)")


@dataclass
class Facts:
    """One side of one file."""

    path: str
    tests: list[Test] = field(default_factory=list)
    idle: list[Test] = field(default_factory=list)  # functions of a test file that no runner collects
    marks: list[Mark] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    code: str = ""  # all of it, of a language that is read by shape
    beside: str = ""  # the code beside the tests, where one file holds both

    @cached_property
    def declared(self) -> set[str]:
        """The names of functions and types that it defines."""
        return self.defined | {match[1] for match in DECLARED.finditer(self.code)}

    @cached_property
    def names(self) -> set[str]:
        """The names in the code beside the tests."""
        return set(re.findall(r"[A-Za-z_]\w{3,}", self.beside))


WORD: Final = re.compile(r"[A-Za-z_$][\w$]*|\d+(?:\.\d+)?|[=!<>]=+|\S")


def words(text: str) -> frozenset[str]:
    """The tokens of a text, for `alike`."""
    return frozenset(WORD.findall(text))


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared tokens over all tokens, 0..1.

    >>> alike(words("a == b"), words("a != b"))
    0.5
    """
    return len(one & other) / len(one | other) if one or other else 1.0
