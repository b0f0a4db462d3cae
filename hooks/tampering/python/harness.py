"""Signs that a Python file edits the machinery of its tests: hooks, patched runners, runs that end with success."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final

from git_hone.hooks.tampering.facts import Mark
from git_hone.hooks.tampering.python.side import FUNCTIONS, Side
from git_hone.hooks.tampering.python.skips import PLATFORM

HOOKED: Final = (
    (
        re.compile(
            r"outcome\s*=\s*'passed'|force_result\(|excinfo\s*=\s*None|\.wasxfail\s*=|longrepr\s*=\s*None|\.passed\s*=\s*True"
        ),
        "changes outcomes",
    ),
    (re.compile(r"exitstatus\s*=|testsfailed\s*=|os\._exit\(|sys\.exit\(0?\)|returncode\s*=\s*0"), "changes how the run ends"),
    (re.compile(r"items\[:\]\s*=|items\.clear\(|del items|items\.remove\(|items\.pop\(|pytest_deselected"), "drops tests"),
    (re.compile(r"mark\.(?:skip|xfail)|\.add_marker\(['\"](?:skip|xfail)|pytest\.skip\("), "skips tests"),
    (
        re.compile(r"def pytest_(?:runtest_protocol|pyfunc_call|runtest_call|collect_file|ignore_collect)\b[\s\S]*return True"),
        "stands in for the run",
    ),
    (re.compile(r"def pytest_report_teststatus\b[\s\S]*return \('passed'"), "reports success"),
)


def edits(side: Side, node: ast.AST) -> Iterator[Mark]:
    """The signs in one statement, not in those under it."""
    if isinstance(node, FUNCTIONS):
        yield from _hooks(side, node)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _patched(side, target, node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _exits(side, node.value)
    elif isinstance(node, ast.Raise) and side.checker and node.exc is not None and _ends_well(node.exc):
        yield Mark("harness_edited", "SystemExit(0)", node.lineno, "ends the run with success: `raise SystemExit(0)`")


def _hooks(side: Side, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mark]:
    returned = [child.value for child in ast.walk(node) if isinstance(child, ast.Return)]
    always = len(returned) == 1 and isinstance(node.body[-1], ast.Return) and isinstance(returned[0], ast.Constant)
    if always and isinstance(returned[0], ast.Constant):
        answer = returned[0].value
        if (node.name == "__eq__" and answer is True) or (node.name == "__ne__" and answer is False):
            yield Mark("harness_edited", node.name, node.lineno, f"`{node.name}` always answers {answer}")
    if node.name.startswith("pytest_") and (side.name == "conftest.py" or side.checker or "plugin" in side.name):
        source = ast.unparse(node)
        for token, what in HOOKED:
            if token.search(source) and not (
                what == "skips tests" and re.search(r"getoption|getvalue|keywords|get_closest|sys\.", source)
            ):
                yield Mark("harness_edited", f"{node.name} {what}", node.lineno, f"`{node.name}` {what}")
    elif side.checker and any("fixture" in ast.unparse(d) and "autouse" in ast.unparse(d) for d in node.decorator_list):
        source = ast.unparse(node)
        if re.search(r"pytest\.(?:skip|xfail)\(", source) and not PLATFORM.search(source):
            yield Mark("harness_edited", f"autouse {node.name}", node.lineno, f"`{node.name}`, used by every test, skips")


def _patched(side: Side, target: ast.expr, node: ast.Assign) -> Iterator[Mark]:
    text = ast.unparse(target)
    if re.match(
        r"(?:pytest|_pytest[\w.]*|unittest|unittest\.\w+|TestCase|builtins|np\.testing|numpy\.testing|doctest)\.\w+$", text
    ) and ("." in text and not text.endswith("__test__")):
        yield Mark("harness_edited", text, node.lineno, f"replaces `{text}`")
    elif text.endswith((".exitstatus", ".testsfailed")) or (text.endswith(".outcome") and "passed" in ast.unparse(node.value)):
        if side.checker:
            yield Mark("harness_edited", text.rsplit(".", 1)[-1], node.lineno, f"sets `{text}`")
    elif text in ("sys.exit", "os._exit"):
        yield Mark("harness_edited", text, node.lineno, f"replaces `{text}`")
    elif text in ("collect_ignore", "collect_ignore_glob") and side.name == "conftest.py":
        yield Mark(
            "harness_edited",
            f"{text} {ast.unparse(node.value)}",
            node.lineno,
            f"tests are no longer collected: `{ast.unparse(node)}`"[:160],
        )


def _exits(side: Side, call: ast.Call) -> Iterator[Mark]:
    text = ast.unparse(call)
    zero = re.match(r"(?:sys\.exit|os\._exit|exit|quit|pytest\.exit)\((?:0|code=0|None|)\)$", text) or re.match(
        r"pytest\.exit\(.*returncode=0", text
    )
    if zero and (side.checker or text.startswith("os._exit")):
        yield Mark("harness_edited", text, call.lineno, f"ends the run with success: `{text}`")
    elif re.match(r"atexit\.register\(.*_exit", text):
        yield Mark("harness_edited", "atexit", call.lineno, f"ends the run with success: `{text}`"[:160])
    elif re.match(r"setattr\((?:pytest|unittest\S*|builtins|TestCase|_pytest\S*|sys, 'exit)", text):
        yield Mark("harness_edited", text[:80], call.lineno, f"replaces a part of the runner: `{text}`"[:160])


def module_edits(side: Side, body: Iterable[ast.stmt]) -> Iterator[Mark]:
    """The signs that only a statement of the module itself can be."""
    for node in body:
        if isinstance(node, ast.AugAssign) and ast.unparse(node.target) in ("collect_ignore", "collect_ignore_glob"):
            yield Mark(
                "harness_edited", ast.unparse(node), node.lineno, f"tests are no longer collected: `{ast.unparse(node)}`"[:160]
            )
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            text = ast.unparse(node.value)
            if re.match(r"collect_ignore(?:_glob)?\.(?:append|extend)\(", text):
                yield Mark("harness_edited", text, node.lineno, f"tests are no longer collected: `{text}`"[:160])
            elif not side.checker and re.match(r"(?:sys\.)?exit\(0?\)$", text):
                yield Mark("harness_edited", text, node.lineno, f"ends the run with success: `{text}`")


def _ends_well(error: ast.expr) -> bool:
    return ast.unparse(error) in ("SystemExit", "SystemExit()", "SystemExit(0)")
