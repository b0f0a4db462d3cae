"""What a Python test asserts, and how much each assertion says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Final

from git_hone.hooks.tampering.facts import CLOSE, CONSTANT, EXACT, ORDER, PARTIAL, TRUTHY, Check

UNITTEST: Final = {
    **dict.fromkeys(("assertNotEqual", "assertIsNotNone", "assertIsNot", "assertNotIn", "assertNotIsInstance", "assertNotAlmostEqual"), TRUTHY),
    **dict.fromkeys(("assertGreater", "assertGreaterEqual", "assertLess", "assertLessEqual", "assertIsInstance"), ORDER),
    **dict.fromkeys(("assertIn", "assertRegex", "assertRegexpMatches", "assertDictContainsSubset", "assertLogs", "assertWarns"), PARTIAL),
    **dict.fromkeys(("assertAlmostEqual", "assertCountEqual", "assertItemsEqual"), CLOSE),
}  # fmt: skip
MOCKS: Final = {
    "assert_called_once_with": EXACT, "assert_called_with": CLOSE, "assert_has_calls": CLOSE, "assert_any_call": PARTIAL,
    "assert_awaited_once_with": EXACT, "assert_awaited_with": CLOSE, "assert_not_called": EXACT, "assert_called_once": ORDER,
    "assert_called": TRUTHY, "assert_awaited_once": ORDER, "assert_awaited": TRUTHY,
}  # fmt: skip
ARRAYS: Final = {"assert_allclose": CLOSE, "assert_almost_equal": CLOSE, "assert_array_almost_equal": CLOSE, "assert_array_less": ORDER,
                 "assert_approx_equal": CLOSE}  # fmt: skip
WRAPPERS: Final = {"len", "type", "bool", "set", "any", "all"}
SAME: Final = {"sorted", "list", "tuple", "str", "dict", "repr", "round", "int", "float"}
RAISES: Final = re.compile(r"(?:pytest\.)?(?:raises|warns)$|self\.assert(?:Raises|Warns)(?:Regex(?:p)?)?$")


def of(body: Iterable[ast.stmt]) -> list[Check]:
    """The assertions that a body reaches, in order. What stands after a return, under `if False`, or where a handler takes
    the failure in silence asserts nothing."""
    found: list[Check] = []
    for node in body:
        if isinstance(node, ast.Assert):
            found += _condition(node.test, node)
        elif isinstance(node, ast.Expr):
            value = node.value.value if isinstance(node.value, ast.Await) else node.value
            if isinstance(value, ast.Call):
                found += _call(value, node)
        elif isinstance(node, (ast.Return, ast.Continue, ast.Break)):
            break
        elif isinstance(node, ast.Raise):
            if node.exc is not None and "AssertionError" in ast.unparse(node.exc):
                found.append(Check("raise", EXACT, ast.unparse(node), node.lineno))
            break
        elif isinstance(node, ast.If):
            known = truth(node.test)
            found += of(node.body) if known is not False else []
            found += of(node.orelse) if known is not True else []
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            contexts = [item.context_expr for item in node.items]
            silent = any(
                re.search(r"\bsuppress\(.*(?:AssertionError|\bException|BaseException)", ast.unparse(c)) for c in contexts
            )
            for context in contexts:
                if (
                    isinstance(context, ast.Call)
                    and RAISES.match(ast.unparse(context.func))
                    and "None" not in map(ast.unparse, context.args)
                ):
                    found.append(_raises(context, "; ".join(ast.unparse(child) for child in node.body), node))
            found += [] if silent else of(node.body)
        elif isinstance(node, ast.Try):
            taken = any(_takes(handler) for handler in node.handlers)
            found += [] if taken else of(node.body)
            for part in (*(handler.body for handler in node.handlers), node.orelse, node.finalbody):
                found += of(part)
        elif isinstance(node, ast.While):
            found += [] if truth(node.test) is False else of(node.body)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            empty = isinstance(node.iter, (ast.List, ast.Tuple)) and not node.iter.elts
            found += [] if empty else of(node.body)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found += of(node.body)
    return found


def _takes(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes an AssertionError and lets nobody know."""
    name = "" if handler.type is None else ast.unparse(handler.type)
    if name and not re.search(r"\b(?:AssertionError|Exception|BaseException)\b", name):
        return False
    return not any(isinstance(node, (ast.Raise, ast.Assert)) or "fail(" in ast.unparse(node) for node in handler.body)


def truth(node: ast.expr) -> bool | None:
    """What a condition is whatever the names in it mean, or None.

    >>> truth(ast.parse("x or True", mode="eval").body), truth(ast.parse("x", mode="eval").body)
    (True, None)
    """
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, (ast.Tuple, ast.List)):
        return bool(node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = truth(node.operand)
        return None if inner is None else not inner
    if isinstance(node, ast.BoolOp):
        known = [truth(part) for part in node.values]
        if isinstance(node.op, ast.Or):
            if True in known or any(f"not {ast.unparse(p)}" in map(ast.unparse, node.values) for p in node.values):
                return True
            return False if all(k is False for k in known) else None
        return False if False in known else True if all(k is True for k in known) else None
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, op, right = node.left, node.ops[0], node.comparators[0]
        if ast.dump(left) == ast.dump(right) and not isinstance(left, ast.Call):
            if isinstance(op, (ast.Eq, ast.Is, ast.LtE, ast.GtE)):
                return True
            return False if isinstance(op, (ast.NotEq, ast.IsNot, ast.Lt, ast.Gt)) else None
        if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
            return _constants(left.value, op, right.value)
        if ast.unparse(left).startswith("len(") and ast.unparse(right) in ("0", "-1") and isinstance(op, (ast.GtE, ast.Gt)):
            return True if isinstance(op, ast.GtE) or ast.unparse(right) == "-1" else None
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and len(node.args) == 2:
        return True if ast.unparse(node.args[1]) == "object" else None
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "bool" and len(node.args) == 1:
        return truth(node.args[0])
    return None


def _constants(left: object, op: ast.cmpop, right: object) -> bool | None:
    if isinstance(op, (ast.Eq, ast.Is)):
        return left == right
    if isinstance(op, (ast.NotEq, ast.IsNot)):
        return left != right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return {ast.Lt: left < right, ast.LtE: left <= right, ast.Gt: left > right, ast.GtE: left >= right}.get(type(op))
    return None


def _condition(test: ast.expr, node: ast.stmt) -> list[Check]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) and truth(test) is None:
        return [check for part in test.values for check in _condition(part, node)]
    text = ast.unparse(test)
    if truth(test) is True:
        return [Check("", CONSTANT, text, node.lineno)]
    if isinstance(test, ast.BoolOp):
        inner = [check for part in test.values for check in _condition(part, node)]
        return [inner[0]._replace(strength=max(TRUTHY, min(c.strength for c in inner) - 1), text=text)]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _condition(test.operand, node)
        subject = inner[0].subject if inner else text
        return [Check(subject, ORDER, text, node.lineno)]
    if isinstance(test, ast.Compare):
        return [_compare(test.left, test.ops[0], test.comparators[0], text, node)]
    if isinstance(test, ast.Call):
        name = ast.unparse(test.func)
        if name in ("isinstance", "issubclass", "hasattr", "callable") and test.args:
            return [Check(_root(test.args[0])[0], ORDER, text, node.lineno)]
        if name.rsplit(".", 1)[-1] in ("isclose", "allclose") and test.args:
            return [Check(_root(test.args[0])[0], CLOSE, text, node.lineno, _slack(test))]
        if name in ("all", "any"):
            return [Check(text, PARTIAL if name == "all" else ORDER, text, node.lineno)]
        if isinstance(test.func, ast.Attribute) and name.rsplit(".", 1)[-1] in (
            "startswith",
            "endswith",
            "issubset",
            "issuperset",
            "match",
        ):
            return [Check(_root(test.func.value)[0], PARTIAL, text, node.lineno)]
        if name in ("re.match", "re.search", "re.fullmatch") and len(test.args) > 1:
            return [Check(_root(test.args[1])[0], PARTIAL, text, node.lineno)]
        if name == "bool" and test.args:
            return [Check(_root(test.args[0])[0], TRUTHY, text, node.lineno)]
    return [Check(_root(test)[0], TRUTHY, text, node.lineno)]


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, text: str, node: ast.stmt) -> Check:
    if isinstance(op, (ast.In, ast.NotIn)):
        literal = isinstance(right, (ast.Tuple, ast.List, ast.Set))
        subject = _root(left if literal else right)[0]
        return Check(subject, PARTIAL if isinstance(op, ast.In) else ORDER, text, node.lineno)
    if isinstance(left, ast.Constant) and not isinstance(right, ast.Constant):
        left, right = right, left
    subject, loss = _root(left)
    if isinstance(op, (ast.NotEq, ast.IsNot)):
        return Check(subject, TRUTHY, text, node.lineno)
    if isinstance(op, (ast.Eq, ast.Is)):
        side = right if "approx" in ast.unparse(right) else left if "approx(" in ast.unparse(left) else None
        if side is not None:
            call = next((n for n in ast.walk(side) if isinstance(n, ast.Call) and "approx" in ast.unparse(n.func)), None)
            return Check(subject, CLOSE, text, node.lineno, _slack(call) if call else None)
        if re.search(r"\bANY\b", ast.unparse(right)):
            return Check(subject, TRUTHY if ast.unparse(right).endswith("ANY") else PARTIAL, text, node.lineno)
        rounded = isinstance(left, ast.Call) and ast.unparse(left.func) in ("round", "int")
        digits = left.args[1] if rounded and isinstance(left, ast.Call) and len(left.args) > 1 else None
        slack = (
            10.0 ** -int(digits.value)
            if isinstance(digits, ast.Constant) and isinstance(digits.value, int)
            else 1.0
            if rounded
            else None
        )
        return Check(subject, (CLOSE if rounded else EXACT) - loss, text, node.lineno, slack)
    bound = _number(right)
    slack = None
    if bound is not None:
        slack = bound if isinstance(op, (ast.Lt, ast.LtE)) else -bound
    return Check(subject, ORDER, text, node.lineno, slack)


def _root(node: ast.expr) -> tuple[str, int]:
    """What is asserted of, without the calls around it, and how much these leave out."""
    loss = 0
    while (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args and node.func.id in WRAPPERS | SAME | {"abs"}
    ):
        loss += node.func.id in WRAPPERS
        node = node.args[0]
    if isinstance(node, ast.Await):
        return _root(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and loss == 0:
        return _root(node.left)  # abs(x - 3) < 0.1
    return ast.unparse(node), loss


def _number(node: ast.expr | None) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left), _number(node.right)
        if left is not None and right is not None and isinstance(node.op, ast.Mult):
            return left * right
    return None


def _slack(call: ast.Call) -> float | None:
    """The tolerance that a call names: the largest of rel, abs, rtol, atol, delta; 10 to the minus places."""
    name = ast.unparse(call.func).rsplit(".", 1)[-1]
    found = []
    for keyword in call.keywords:
        value = _number(keyword.value)
        if value is None:
            continue
        if keyword.arg in ("rel", "abs", "rtol", "atol", "rel_tol", "abs_tol", "delta", "tol"):
            found.append(value)
        elif keyword.arg in ("places", "decimal", "digits", "significant", "ndigits"):
            found.append(10.0**-value)
    place = {"approx": 1, "isclose": 2, "allclose": 2, "assert_allclose": 2, "assertAlmostEqual": 2, "assert_almost_equal": 2,
             "assert_array_almost_equal": 2}.get(name)  # fmt: skip
    if place is not None and len(call.args) > place and (value := _number(call.args[place])) is not None:
        found.append(10.0**-value if "lmost" in name or "almost" in name else value)
    default = {"approx": 1e-6, "isclose": 1e-9, "allclose": 1e-5, "assert_allclose": 1e-7}.get(name, 1e-7)
    return max(found, default=default)


def _call(call: ast.Call, node: ast.stmt) -> list[Check]:
    name = ast.unparse(call.func)
    leaf = name.rsplit(".", 1)[-1]
    text = ast.unparse(call)
    if RAISES.match(name):
        return [_raises(call, " ".join(ast.unparse(arg) for arg in call.args[1:]), node)]
    if leaf in MOCKS and isinstance(call.func, ast.Attribute):
        loose = " ANY" in text or ".ANY" in text or "(ANY" in text
        return [Check(ast.unparse(call.func.value), max(TRUTHY, MOCKS[leaf] - 2 * loose), text, node.lineno)]
    if leaf in ARRAYS and call.args:
        return [Check(_root(call.args[0])[0], ARRAYS[leaf], text, node.lineno, _slack(call) if ARRAYS[leaf] == CLOSE else None)]
    if not leaf.startswith("assert"):
        helper = re.match(r"_?(?:check|verify|expect|validate|ensure)(?:_|$)", leaf)
        fails = leaf == "fail" and name in ("pytest.fail", "self.fail")
        return [Check(text if helper else "fail", PARTIAL, text, node.lineno)] if helper or fails else []
    if leaf in ("assertTrue", "assert_") and call.args:
        return _condition(call.args[0], node)
    if leaf == "assertFalse" and call.args:
        if truth(call.args[0]) is False:
            return [Check("", CONSTANT, text, node.lineno)]
        return [Check(_root(call.args[0])[0], ORDER, text, node.lineno)]
    if (
        len(call.args) >= 2
        and leaf in ("assertEqual", "assertEquals", "assertIs", "assertAlmostEqual")
        and (ast.dump(call.args[0]) == ast.dump(call.args[1]) and not isinstance(call.args[0], ast.Call))
    ):
        return [Check("", CONSTANT, text, node.lineno)]
    if not call.args:
        return [Check(text, PARTIAL, text, node.lineno)]
    strength = UNITTEST.get(leaf, EXACT)
    first = call.args[0]
    if leaf in ("assertIn", "assertNotIn", "assertRegex") and len(call.args) > 1:
        first = call.args[1] if leaf != "assertRegex" else first
    elif isinstance(first, ast.Constant) and len(call.args) > 1:
        first = call.args[1]
    subject, loss = _root(first)
    slack = _slack(call) if leaf == "assertAlmostEqual" else None
    if strength == ORDER and len(call.args) > 1 and (bound := _number(call.args[1])) is not None:
        slack = bound if "Less" in leaf else -bound
    return [Check(subject, max(TRUTHY, strength - loss), text, node.lineno, slack)]


def _raises(call: ast.Call, does: str, node: ast.stmt) -> Check:
    kind = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "expected_exception"), None)
    each = kind.elts if isinstance(kind, ast.Tuple) else [kind] if kind is not None else []
    names = tuple(ast.unparse(one) for one in each)
    matched = any(k.arg == "match" for k in call.keywords) or "Regex" in ast.unparse(call.func)
    wide = not names or any(name in ("Exception", "BaseException") for name in names)
    return Check(f"raises in {does}", ORDER if wide else EXACT if matched else CLOSE, ast.unparse(call), node.lineno, None, names)


def called(node: ast.AST) -> frozenset[str]:
    """The last part of each name that is called, without what is called to replace something."""
    return frozenset(
        child.func.attr if isinstance(child.func, ast.Attribute) else child.func.id
        for child in ast.walk(node)
        if isinstance(child, ast.Call) and isinstance(child.func, (ast.Attribute, ast.Name))
    )


def names(node: ast.AST) -> Iterable[str]:
    """Every identifier in a tree."""
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            yield child.id
        elif isinstance(child, ast.Attribute):
            yield child.attr


def mocks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, int]:
    """Name -> line of what a test replaces: patch, patch.object, monkeypatch.setattr, an assignment of a lambda or mock."""
    found: dict[str, int] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            name = ast.unparse(child.func)
            leaf = None
            if re.search(r"(?:^|\.)patch$", name) and child.args and isinstance(child.args[0], ast.Constant):
                leaf = str(child.args[0].value).rsplit(".", 1)[-1]
            elif (
                re.search(r"(?:patch\.object|\.setattr|^setattr)$", name)
                and len(child.args) > 1
                and isinstance(child.args[1], ast.Constant)
            ):
                leaf = str(child.args[1].value)
            elif re.search(r"monkeypatch\.setattr$", name) and child.args and isinstance(child.args[0], ast.Constant):
                leaf = str(child.args[0].value).rsplit(".", 1)[-1]
            if leaf:
                found.setdefault(leaf, child.lineno)
        elif isinstance(child, ast.Assign) and len(child.targets) == 1:
            value = ast.unparse(child.value)
            if isinstance(child.value, ast.Lambda) or re.match(
                r"(?:mock\.|unittest\.mock\.)?(?:Magic|Async)?Mock\(|create_autospec\(", value
            ):
                found.setdefault(ast.unparse(child.targets[0]).rsplit(".", 1)[-1], child.lineno)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and child in node.body and not child.decorator_list:
            returned = [c for c in child.body if isinstance(c, ast.Return)]
            if len(child.body) == 1 and returned and isinstance(returned[0].value, ast.Constant):
                found.setdefault(child.name, child.lineno)
    return found


def cases(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many times its parametrize decorators run a test, as far as they are written out; at least 1."""
    total = 1
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(("parametrize", "expand")):
            values = decorator.args[1] if len(decorator.args) > 1 else decorator.args[0] if decorator.args else None
            values = next((k.value for k in decorator.keywords if k.arg == "argvalues"), values)
            if isinstance(values, (ast.List, ast.Tuple)):
                live = [item for item in values.elts if not re.search(r"mark\.(?:skip|xfail)\b", ast.unparse(item))]
                total *= max(1, len(live))
    return total
