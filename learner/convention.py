"""The convention score: how well Python code follows the habits of the repository that it is written for.

A habit is a choice that code makes again and again (are functions annotated? do names of functions have small letters?). It is
*learned* where the repository makes the choice one way so often that the Wilson lower bound of the share is at least 0.8, and is left out
where the repository has no habit. The score of a text is the share of its own choices that follow the learned habits, 0..1; None where
the text makes no such choice, or is no Python.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from git_hone.learner.intervals import wilson
from git_hone.learner.syntax import tree_of

SURE: Final = 0.8
WIDTHS: Final = (79, 88, 99, 100, 110, 120, 130)
SMALL: Final = re.compile(r"_{0,2}[a-z0-9]+(_[a-z0-9]+)*_{0,2}")
CAPITAL: Final = re.compile(r"_?([A-Z][a-z0-9]*)+")
Choice = tuple[str, bool]


class Habit(NamedTuple):
    """name: the choice; way: how the repository makes it; share: how often, of n."""

    name: str
    way: bool
    share: float
    n: int


def learn(texts: Iterable[str]) -> list[Habit]:
    """The habits of a repository's Python files, by name. A text that is no Python says nothing.

    >>> kept = ['def f(a: int) -> int:\\n    \"\"\"Add.\"\"\"\\n    return a + 1\\n'] * 20
    >>> [(habit.name, habit.way) for habit in learn(kept) if habit.name.startswith("function")]
    [('function: annotated', True), ('function: docstring', True), ('function: mutable default', False), ('function: small letters', True)]
    """
    yes, n = Counter[str](), Counter[str]()
    for text in texts:
        for name, way in choices(text):
            n[name] += 1
            yes[name] += way
    habits = []
    for name in sorted(n):
        for way, count in ((True, yes[name]), (False, n[name] - yes[name])):
            if wilson(count, n[name])[0] >= SURE:
                habits.append(Habit(name, way, count / n[name], n[name]))
    return _narrowest(habits)


def score(text: str, habits: Iterable[Habit]) -> float | None:
    """The share of the text's choices that follow the habits; each habit counts once, by the share of its choices.

    >>> habits = [Habit("function: annotated", True, 0.95, 100), Habit("function: small letters", True, 1.0, 100)]
    >>> score("def f(a: int) -> int: ...\\ndef g(a): ...\\n", habits)
    0.75
    >>> score("x = 1", habits), score("def (", habits)
    (None, None)
    """
    ways = {habit.name: habit.way for habit in habits}
    seen: dict[str, list[bool]] = {}
    for name, way in choices(text):
        if name in ways:
            seen.setdefault(name, []).append(way == ways[name])
    shares = [sum(found) / len(found) for found in seen.values()]
    return sum(shares) / len(shares) if shares else None


def choices(text: str) -> Iterator[Choice]:
    """Every choice that a Python text makes, as (name, way)."""
    tree = tree_of(text)
    if tree is None:
        return
    for node in ast.walk(tree):
        yield from _of(node)
    yield from _quotes(text)
    longest = max((len(line) for line in text.splitlines()), default=0)
    yield from ((f"line: at most {width}", longest <= width) for width in WIDTHS)
    if tree.body:
        yield "module: docstring", ast.get_docstring(tree) is not None
        future = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
        yield "module: from __future__ import annotations", future


def _of(node: ast.AST) -> Iterator[Choice]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if not node.name.startswith("test"):
            arguments = [
                one for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if one.arg not in ("self", "cls")
            ]
            yield "function: annotated", node.returns is not None and all(one.annotation for one in arguments)
            if not node.name.startswith("_"):
                yield "function: docstring", ast.get_docstring(node) is not None
        yield "function: small letters", SMALL.fullmatch(node.name) is not None
        yield "function: mutable default", any(isinstance(one, (ast.List, ast.Dict, ast.Set)) for one in node.args.defaults)
    elif isinstance(node, ast.ClassDef):
        yield "class: capital letters", CAPITAL.fullmatch(node.name) is not None
        yield "class: docstring", ast.get_docstring(node) is not None
    elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
        yield "import: relative", node.level > 0
        yield "import: star", any(name.name == "*" for name in node.names)
    elif isinstance(node, ast.ExceptHandler):
        yield (
            "except: names what it catches",
            node.type is not None and getattr(node.type, "id", "") not in ("Exception", "BaseException"),
        )
    elif isinstance(node, ast.JoinedStr):
        yield "text: formatted by f", True
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(getattr(node.left, "value", None), str):
        yield "text: formatted by f", False
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        yield "return: a value and an error", len(node.value.elts) == 2 and _is_none(node.value.elts)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "return: a value and an error", False


def _is_none(both: list[ast.expr]) -> bool:
    return sum(isinstance(one, ast.Constant) and one.value is None for one in both) == 1


def _quotes(text: str) -> Iterator[Choice]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.STRING:
                body = token.string.lstrip("rRbBuUfF")
                if not body.startswith(("'''", '"""')) and "'" not in body[1:-1] and '"' not in body[1:-1]:
                    yield "text: double quotes", body.startswith('"')
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def _narrowest(habits: list[Habit]) -> list[Habit]:
    """Of the widths that the lines keep to, only the narrowest says something."""
    widths = [habit for habit in habits if habit.name.startswith("line:")]
    kept = [habit for habit in widths if habit.way]
    first = min(kept, key=lambda habit: int(habit.name.rpartition(" ")[2])) if kept else None
    return [habit for habit in habits if habit not in widths or habit == first]
