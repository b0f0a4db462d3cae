"""The tests and functions that a Python file defines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from git_hone.hooks.tampering.facts import Facts, Mark, Test, words
from git_hone.hooks.tampering.python import checks
from git_hone.hooks.tampering.python.literals import function_of
from git_hone.hooks.tampering.python.side import FUNCTIONS, Side, starts_itself
from git_hone.hooks.tampering.python.skips import assigns, module_skip, skipped, skips_inside


class Definitions:
    """Collects the tests and functions of one side."""

    def __init__(self, side: Side, facts: Facts) -> None:
        self.side = side
        self.facts = facts

    def hidden(self, body: Iterable[ast.stmt], prefix: str) -> None:
        """Tests that a later function of the same name hides."""
        seen: set[str] = set()
        for node in body if self.side.as_test else ():
            if isinstance(node, FUNCTIONS) and node.name.startswith("test") and not _overloads(node):
                if node.name in seen:
                    detail = f"hides the `{node.name}` before it"
                    self.facts.marks.append(Mark("test_renamed_away", f"hides {prefix}{node.name}", node.lineno, detail))
                seen.add(node.name)

    def collect(self, body: Iterable[ast.stmt], prefix: str, skip: tuple[str, int], collected: bool) -> None:
        """Functions and classes of a module or class body."""
        for node in _flat(body):
            if isinstance(node, FUNCTIONS):
                self.facts.defined.add(node.name)
                if self.side.as_test:
                    self._test(node, prefix, skip, collected)
                else:
                    self.facts.functions[prefix + node.name] = function_of(node)
            elif isinstance(node, ast.ClassDef):
                self.facts.defined.add(node.name)
                mine = skip if skip[0] else skipped(node.decorator_list)
                if not mine[0]:
                    mine = module_skip(node)
                bases = " ".join(ast.unparse(base) for base in node.bases)
                counts = node.name.startswith("Test") or "Test" in bases or "Case" in bases or "Suite" in bases
                off = any(assigns(child, "__test__", False) for child in node.body)
                no_pytest = starts_itself(node) and "Case" not in bases
                inner = f"{prefix}{node.name}::"
                self.hidden(node.body, inner)
                body = node.body if mine[0] else self.side.members(node, prefix)
                self.collect(body, inner, mine, collected and counts and not off and not no_pytest)

    def _test(self, node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str, skip: tuple[str, int], collected: bool) -> None:
        named = node.name.startswith("test")
        mine = skip if skip[0] else skipped(node.decorator_list)
        if not mine[0]:
            mine = skips_inside(node.body)
        fixture = any("fixture" in ast.unparse(d) for d in node.decorator_list)
        asserts = [] if fixture else checks.of(node.body)
        calls = checks.called(node)
        source = "\n".join(ast.unparse(child) for child in node.body)
        test = Test(
            prefix + node.name, node.lineno, asserts, words(source), frozenset(checks.names(node)), calls,
            checks.mocks(node), collected and named and not fixture, mine[0], mine[1], checks.cases(node),
        )  # fmt: skip
        (self.facts.tests if named and not fixture else self.facts.idle).append(test)
        for child in ast.walk(node):
            if child is not node and isinstance(child, FUNCTIONS) and child.name.startswith("test"):
                inner = Test(
                    f"{prefix}{node.name}.{child.name}", child.lineno, checks.of(child.body), words(ast.unparse(child)), collected=False
                )  # fmt: skip
                self.facts.idle.append(inner)


def _flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, with those under a top-level if or try."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _flat(node.body)
            yield from _flat(node.orelse)
        elif isinstance(node, ast.Try):
            for part in (node.body, node.orelse, node.finalbody, *(h.body for h in node.handlers)):
                yield from _flat(part)


def _overloads(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(re.search(r"overload|setter|register|singledispatch", ast.unparse(d)) for d in node.decorator_list)
