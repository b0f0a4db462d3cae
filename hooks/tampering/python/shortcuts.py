"""Signs of a shortcut in Python code: errors swallowed in silence, inputs that have their own answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from git_hone.hooks.tampering.facts import Mark
from git_hone.hooks.tampering.python.literals import compared, is_literal, returned
from git_hone.hooks.tampering.python.side import Side

UNDER_TEST: Final = re.compile(
    r"""['"]PYTEST_(?:CURRENT_TEST|VERSION|XDIST_WORKER)['"]|['"](?:pytest|unittest|_pytest|nose)['"] (?:not )?in sys\.modules"""
    r"""|sys\.argv.*(?:pytest|unittest)|environ.*['"](?:UNIT_?TEST\w*|TESTING|IS_TEST|TEST_ENV|RUNNING_TESTS)['"]"""
)
TRIVIAL: Final = {"0", "1", "-1", "2", "''", "b''", "None", "True", "False", "[]", "()", "{}", "0.0", "1.0"}


def shortcuts(side: Side, owner: str, node: ast.AST) -> Iterator[Mark]:
    """The signs in one statement, not in those under it. `owner`: the function or class that it stands in."""
    if isinstance(node, ast.Try):
        yield from _handlers(node)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            text = ast.unparse(item.context_expr)
            if re.search(r"\bsuppress\((?:.*\b)?(?:Base)?Exception\b", text) or "suppress(AssertionError" in text:
                yield Mark("swallowed_error", text, node.lineno, f"`with {text}`")
    elif isinstance(node, (ast.If, ast.IfExp)):
        yield from _special(side, node, owner)
    elif isinstance(node, ast.Match):
        yield from _cases(side, node, owner)
    elif isinstance(node, ast.Return):
        yield from _table(side, node, owner)


def _handlers(node: ast.Try) -> Iterator[Mark]:
    for handler in node.handlers:
        name = "" if handler.type is None else ast.unparse(handler.type)
        wide = name in ("", "Exception", "BaseException", "AssertionError") or re.search(
            r"\b(?:BaseException|AssertionError)\b|\(Exception,|, Exception\b", name
        )
        if wide and all(_idle(child) for child in handler.body):
            does = "; ".join(ast.unparse(child) for child in handler.body)
            yield Mark(
                "swallowed_error",
                f"except {name}: {does}"[:120],
                handler.lineno,
                f"`except{' ' * bool(name)}{name}: {does}`"[:120],
            )


def _special(side: Side, node: ast.If | ast.IfExp, owner: str) -> Iterator[Mark]:
    if side.as_test or side.name == "conftest.py":
        return
    test = ast.unparse(node.test)
    if UNDER_TEST.search(test):
        yield Mark("special_cased_input", f"under test {test}", node.lineno, f"behaves otherwise under test: `if {test}`"[:160])
        return
    result = node.body if isinstance(node, ast.IfExp) else returned(node.body)
    if result is None or not is_literal(result):
        return
    given = compared(node.test)
    if given and not all(text in TRIVIAL for text in given):
        key = f"{test} -> {ast.unparse(result)}"
        yield Mark(
            "special_cased_input",
            key,
            node.lineno,
            f"one input has its own answer: `if {test}: {ast.unparse(result)}`"[:160],
            owner,
        )


def _cases(side: Side, node: ast.Match, owner: str) -> Iterator[Mark]:
    for case in node.cases:
        result = returned(case.body)
        if (
            side.as_test
            or result is None
            or not is_literal(result)
            or not isinstance(case.pattern, (ast.MatchValue, ast.MatchSequence))
        ):
            continue
        given = ast.unparse(case.pattern)
        if given not in TRIVIAL:
            yield Mark("special_cased_input", f"case {given} -> {ast.unparse(result)}", case.body[0].lineno,
                      f"one input has its own answer: `case {given}: return {ast.unparse(result)}`"[:160], owner)  # fmt: skip


def _table(side: Side, node: ast.Return, owner: str) -> Iterator[Mark]:
    """`return {3: 9}[x]`, `return {3: 9}.get(x, ...)`: answers read from a table that stands in the way."""
    value = node.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "get":
        table: ast.expr = value.func.value
    elif isinstance(value, ast.Subscript):
        table = value.value
    else:
        return
    if not side.as_test and isinstance(table, ast.Dict) and table.keys and is_literal(table):
        yield Mark("special_cased_input", f"table {ast.unparse(table)}", node.lineno,
                  f"answers from a table: `{ast.unparse(value)}`"[:160], owner)  # fmt: skip


def _idle(node: ast.stmt) -> bool:
    """A statement that does nothing about an error."""
    if isinstance(node, (ast.Pass, ast.Continue, ast.Break)):
        return True
    if isinstance(node, ast.Return):
        return node.value is None or is_literal(node.value)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
