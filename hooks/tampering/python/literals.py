"""Answers that are written down in Python code, and what computes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from git_hone.hooks.tampering.facts import Function


def is_literal(node: ast.AST) -> bool:
    """Whether an expression is written down rather than computed: constants, and containers, numbers and dates made of them.

    >>> [is_literal(ast.parse(text, mode="eval").body) for text in ("-1", "{'a': [2]}", "set()", "a", "f(1)")]
    [True, True, True, False, False]
    """
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return is_literal(node.operand)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(is_literal(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(k is not None and is_literal(k) for k in node.keys) and all(is_literal(v) for v in node.values)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Decimal", "set", "frozenset", "date", "datetime")
        and all(is_literal(arg) for arg in node.args)
    )


def compared(test: ast.expr) -> list[str]:
    """The literals that a condition asks its names to equal; [] when it asks for anything else."""
    if isinstance(test, ast.BoolOp):
        found = [compared(part) for part in test.values]
        return [text for part in found for text in part] if all(found) else []
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return []
    left, right = test.left, test.comparators[0]
    if isinstance(test.ops[0], (ast.Eq, ast.Is)):
        if is_literal(left) and not is_literal(right):
            left, right = right, left
        return [ast.unparse(right)] if is_literal(right) and not is_literal(left) else []
    if isinstance(test.ops[0], ast.In) and isinstance(right, (ast.Tuple, ast.List, ast.Set)) and is_literal(right) and right.elts:
        return [ast.unparse(item) for item in right.elts]
    return []


def returned(body: list[ast.stmt]) -> ast.expr | None:
    """What a branch returns, when that is all it does."""
    rest = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if len(rest) == 1 and isinstance(rest[0], ast.Return):
        return rest[0].value
    return None


def function_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    """Whether a function computes what it returns, or always returns the same."""
    arguments = {a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]}
    arguments |= {a.arg for a in (node.args.vararg, node.args.kwarg) if a}
    returns, branches, used, calls = [], 0, False, False
    fixed: dict[str, ast.expr] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Return) and child.value is not None:
            returns.append(child.value)
        elif isinstance(child, (ast.If, ast.IfExp)):
            result = child.body if isinstance(child, ast.IfExp) else returned(child.body)
            branches += result is not None and is_literal(result) and bool(compared(child.test))
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load) and child.id in arguments:
            used = True
        elif isinstance(child, (ast.Call, ast.Yield, ast.YieldFrom, ast.Await)):
            calls = calls or child not in node.decorator_list
        elif (
            isinstance(child, ast.Assign)
            and len(child.targets) == 1
            and isinstance(child.targets[0], ast.Name)
            and is_literal(child.value)
        ):
            fixed[child.targets[0].id] = child.value
    values = [fixed.get(value.id, value) if isinstance(value, ast.Name) else value for value in returns]
    always = len(values) == 1 and is_literal(values[0]) and not used and isinstance(node.body[-1], ast.Return)
    literal = (
        ast.unparse(values[0])
        if always and not any(isinstance(c, (ast.Call, ast.For, ast.While)) for c in _inside(node))
        else None
    )
    abstract = any("abstract" in ast.unparse(d) or "overload" in ast.unparse(d) for d in node.decorator_list)
    computes = not abstract and any(not is_literal(value) for value in returns) and (used or calls)
    return Function(node.lineno, computes, literal, branches)


def _inside(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    for child in node.body:
        yield from ast.walk(child)
