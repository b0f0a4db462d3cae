"""One side of a Python file, and which of its statements the other side does not have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
TEST_FILE: Final = re.compile(r"(?:^test_.*|.*_tests?|^tests?)\.py$")


def is_test_file(path: str) -> bool:
    """Whether pytest and unittest look for tests there by default."""
    return bool(TEST_FILE.match(PurePosixPath(path).name))


class Side:
    """A file's path and lines. `as_test`: either side is a test file; `checker`: it belongs to what runs the tests."""

    def __init__(self, path: str, raw: bytes, as_test: bool) -> None:
        self.path = path
        self.text = raw.decode("utf-8", "replace")
        self.lines = self.text.splitlines()
        self.name = PurePosixPath(path).name
        self.is_test = is_test_file(path)
        self.as_test = as_test
        self.known: set[tuple[str, ...]] = set()  # what the other side has too
        folders = PurePosixPath(path).parts[:-1]
        self.checker = as_test or self.name == "conftest.py" or "test" in folders or "tests" in folders

    def segment(self, node: ast.stmt, prefix: str) -> tuple[str, ...]:
        """Where a statement stands, and its lines, its decorators with it."""
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        first = min(node.lineno, decorators[0].lineno) if decorators else node.lineno
        return (prefix, *self.lines[first - 1 : node.end_lineno])

    def header(self, node: ast.ClassDef, prefix: str) -> tuple[str, ...]:
        """What of a class concerns all of its members."""
        first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
        marks = [ast.unparse(child) for child in node.body if isinstance(child, ast.Assign) and _is_marking(child)]
        return (prefix, *self.lines[first - 1 : node.body[0].lineno - 1], *marks, str(starts_itself(node)))

    def segments(self, body: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, ...]]:
        """The segments of a body and of the classes in it, and the headers of these."""
        for node in body:
            yield self.segment(node, prefix)
            if isinstance(node, ast.ClassDef):
                inner = f"{prefix}{node.name}::"
                yield self.header(node, inner)
                yield from self.segments(node.body, inner)

    def changed(self, body: Iterable[ast.stmt], prefix: str) -> list[ast.stmt]:
        """The statements that the other side does not have."""
        return [node for node in body if self.segment(node, prefix) not in self.known]

    def members(self, node: ast.ClassDef, prefix: str) -> list[ast.stmt]:
        """What of a changed class is to be read: all of it when what concerns all of it has changed."""
        inner = f"{prefix}{node.name}::"
        return self.changed(node.body, inner) if self.header(node, inner) in self.known else node.body

    def statements(self, node: ast.AST, owner: str = "") -> Iterator[tuple[str, ast.AST]]:
        """Every statement below, with the qualified name of the function or class that it stands in. A main guard is passed
        over, and so is a member of a class that the other side has too."""
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            return
        yield owner, node
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            prefix = f"{owner}::" if owner else ""
            children = self.members(node, prefix) if isinstance(node, ast.ClassDef) else node.body
            owner = f"{prefix}{node.name}"
        for child in children:
            if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
                yield from self.statements(child, owner)
            elif isinstance(child, ast.IfExp) and isinstance(node, ast.Return):
                yield owner, child


def starts_itself(node: ast.ClassDef) -> bool:
    """Whether a class has an `__init__`: pytest does not collect it then."""
    return any(isinstance(child, FUNCTIONS) and child.name == "__init__" for child in node.body)


def _is_marking(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id in ("pytestmark", "__test__") for target in node.targets)
