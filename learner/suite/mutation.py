"""Faults put into Python source: small, syntactically right, of the kinds that people make.

The text around a fault stays byte for byte what it was; only the changed expression or statement is written anew.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from git_hone.learner.syntax import tree_of

COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
OPERATORS: Final = ("comparison", "arithmetic", "connective", "negation", "constant", "returned", "dropped", "arguments")
"""comparison: < and <=, == and !=, is and is not, in and not in. arithmetic: + and -, * and //. connective: and, or. negation: of a
condition, or its not taken away. constant: a whole number one higher, True and False. returned: None instead of the value. dropped: a
call or an augmented assignment that stands alone. arguments: the first two of a call exchanged."""


@dataclass(frozen=True)
class Fault:
    """operator: one of OPERATORS; line: where it begins, from 1; where: the function it is in, with its classes, "" outside;
    before, after: the code; source: the whole file with it."""

    operator: str
    line: int
    where: str
    before: str
    after: str
    source: str


def faults(source: str, lines: Collection[int]) -> Iterator[Fault]:
    """Every fault that can be put into `source` on the lines in `lines`, in the order of the file; none where it does not parse.

    Nothing is done to docstrings, annotations, decorators, f-strings and constants outside functions.

    >>> [(each.operator, each.before, each.after) for each in faults("def f(a):\\n    return a < 2\\n", {2})]
    [('returned', 'return a < 2', 'return None'), ('comparison', 'a < 2', 'a <= 2'), ('constant', '2', '3')]
    """
    tree = tree_of(source)
    if tree is None:
        return
    text = _Text(source)
    for node, where in _walk(tree, "", False):
        if node.lineno not in lines:
            continue
        for operator, old, made in _mutants(node):
            after = f"({ast.unparse(made)})" if operator == "connective" else ast.unparse(made)
            changed = text.with_(old, after)
            if tree_of(changed) and changed != source:
                yield Fault(operator, old.lineno, where, text.of(old), after, changed)


class _Text:
    """The source, addressed as `ast` does: lines from 1, columns in bytes."""

    def __init__(self, source: str) -> None:
        self._raw = source.encode()
        self._starts = [0, *(match.end() for match in re.finditer(rb"\r\n|\r|\n", self._raw))]

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end

    def of(self, node: ast.expr | ast.stmt) -> str:
        first, last = self._span(node)
        return self._raw[first:last].decode()

    def with_(self, node: ast.expr | ast.stmt, after: str) -> str:
        first, last = self._span(node)
        return (self._raw[:first] + after.encode() + self._raw[last:]).decode()


def _walk(node: ast.AST, where: str, inside: bool) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """The nodes that may be changed, with the function that they are in."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.arguments | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                here = f"{where}.{child.name}" if where else child.name
                yield from _walk(child, here, inside or not isinstance(child, ast.ClassDef))
                continue
            if inside and isinstance(child, ast.expr | ast.stmt):
                yield child, where
            yield from _walk(child, where, inside)


def _mutants(node: ast.expr | ast.stmt) -> Iterator[tuple[str, ast.expr | ast.stmt, ast.expr | ast.stmt]]:
    """(operator, what is replaced, by what)."""
    made = copy.deepcopy(node)
    if isinstance(made, ast.Compare) and type(made.ops[0]) in COMPARED:
        made.ops[0] = COMPARED[type(made.ops[0])]()
        yield "comparison", node, made
    elif isinstance(made, ast.BinOp) and type(made.op) in COUNTED and not _is_text(made.left) and not _is_text(made.right):
        made.op = COUNTED[type(made.op)]()
        yield "arithmetic", node, made
    elif isinstance(made, ast.BoolOp):
        made.op = ast.Or() if isinstance(made.op, ast.And) else ast.And()
        yield "connective", node, made
    elif isinstance(made, ast.UnaryOp) and isinstance(made.op, ast.Not):
        yield "negation", node, made.operand
    elif isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(node.test, ast.Name | ast.Call | ast.Attribute):
        yield "negation", node.test, ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(made, ast.Constant) and isinstance(made.value, int):  # bool is one too
        yield "constant", node, ast.Constant(not made.value if isinstance(made.value, bool) else made.value + 1)
    elif isinstance(made, ast.Return) and made.value is not None and not _is_none(made.value):
        yield "returned", node, ast.Return(ast.Constant(None))
    elif isinstance(made, ast.AugAssign) or (isinstance(made, ast.Expr) and isinstance(made.value, ast.Call)):
        yield "dropped", node, ast.Pass()
    elif isinstance(made, ast.Call) and len(made.args) > 1 and not any(isinstance(one, ast.Starred) for one in made.args[:2]):
        made.args[:2] = made.args[1::-1]
        if ast.dump(made) != ast.dump(node):
            yield "arguments", node, made


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
