"""Why a Python test does not run, or does not count when it does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Final

from git_hone.hooks.tampering.python import checks
from git_hone.hooks.tampering.python.side import FUNCTIONS

PLATFORM: Final = re.compile(
    r"\bsys\.|\bos\.name|platform|version|Version|which\(|find_spec|importlib|\bHAS_|\bhas_|\bHAVE|\bIS_|\bis_(?:win|mac|linux|pypy)"
    r"|PY\d|WIN|MAC|LINUX|PYPY|is None|not \w+$|available|installed|supports|getoption|geteuid|cuda"
)
IN_CI: Final = re.compile(r"""environ\b.*['"](?:CI|GITHUB_ACTIONS|TRAVIS|GITLAB_CI|JENKINS\w*|CI_\w+)['"]""")


def skipped(decorators: Iterable[ast.expr]) -> tuple[str, int]:
    """Why decorators or marks keep a test from running or from counting; ("", 0) when they do not."""
    for node in decorators:
        text = ast.unparse(node)
        call = node if isinstance(node, ast.Call) else None
        name = ast.unparse(call.func) if call else text
        leaf = name.rsplit(".", 1)[-1]
        given = [*call.args, *(k.value for k in call.keywords if k.arg in ("condition", "reason"))] if call else []
        if (
            leaf in ("skipif", "xfail")
            and given
            and isinstance(given[0], ast.Constant)
            and isinstance(given[0].value, str)
            and call
            and call.args
        ):
            given[0] = _expression(given[0].value) or given[0]
        condition = next(
            (arg for arg in given if not (isinstance(arg, ast.Constant) and isinstance(arg.value, str) and leaf != "skipif")),
            None,
        )
        if (leaf in ("skip", "Skip") and "." in name) or leaf in ("skip_test", "disabled"):
            return f"`@{text}`"[:120], node.lineno
        if leaf == "expectedFailure" or (leaf == "xfail" and (condition is None or checks.truth(condition) is True)):
            return f"`@{text}`"[:120], node.lineno
        if leaf in ("skipif", "skipIf", "skipUnless", "xfail") and condition is not None:
            truth = checks.truth(condition)
            said = ast.unparse(condition)
            if (
                truth is (leaf != "skipUnless")
                or IN_CI.search(said)
                or (truth is None and not PLATFORM.search(said) and leaf == "xfail")
            ):
                return f"`@{text}`"[:120], node.lineno
    return "", 0


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None


def skips_inside(body: Iterable[ast.stmt]) -> tuple[str, int]:
    """An unconditional skip in a body: as a statement, under `if True`, or in a broad exception handler."""
    for node in body:
        value: ast.expr | None = node.value if isinstance(node, ast.Expr) else node.exc if isinstance(node, ast.Raise) else None
        if value is not None and re.match(
            r"(?:pytest\.(?:skip|xfail)|self\.skipTest|(?:unittest\.)?SkipTest|skip)\b", text := ast.unparse(value)
        ):
            return f"`{text}`"[:120], node.lineno
        found = ("", 0)
        if (isinstance(node, ast.If) and (checks.truth(node.test) is True or IN_CI.search(ast.unparse(node.test)))) or isinstance(
            node, (ast.With, ast.AsyncWith)
        ):
            found = skips_inside(node.body)
        elif isinstance(node, ast.Try):
            found = skips_inside(node.body)
            for handler in node.handlers:
                if not found[0] and (
                    handler.type is None or re.search(r"\b(?:Base)?Exception\b|AssertionError", ast.unparse(handler.type))
                ):
                    found = skips_inside(handler.body)
        if found[0]:
            return found
    return "", 0


def module_skip(tree: ast.Module | ast.ClassDef) -> tuple[str, int]:
    """A skip that holds for the whole module or class."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            value = node.value
            found = skipped(value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value])
            if found[0]:
                return found
        if isinstance(tree, ast.Module):
            if assigns(node, "__test__", False):
                return "__test__ = False", node.lineno
            found = skips_inside([node])
            if found[0] and not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                return found
    return "", 0


def assigns(node: ast.stmt, name: str, value: object) -> bool:
    """Whether a statement gives this name this constant."""
    return (
        isinstance(node, ast.Assign)
        and any(ast.unparse(t) == name for t in node.targets)
        and isinstance(node.value, ast.Constant)
        and node.value.value is value
    )
