"""A Python file, read from its syntax tree; comments from its tokens."""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from git_hone.hooks.tampering import lexer, shared
from git_hone.hooks.tampering import python_checks as checks
from git_hone.hooks.tampering.facts import Facts, Function, Mark, Test, words
from git_hone.hooks.tampering.suppressions import PYTHON
from git_hone.hooks.tampering.suppressions import marks as suppressions

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
TEST_FILE: Final = re.compile(r"(?:^test_.*|.*_tests?|^tests?)\.py$")
PLATFORM: Final = re.compile(
    r"\bsys\.|\bos\.name|platform|version|Version|which\(|find_spec|importlib|\bHAS_|\bhas_|\bHAVE|\bIS_|\bis_(?:win|mac|linux|pypy)"
    r"|PY\d|WIN|MAC|LINUX|PYPY|is None|not \w+$|available|installed|supports|getoption|geteuid|cuda"
)
IN_CI: Final = re.compile(r"""environ\b.*['"](?:CI|GITHUB_ACTIONS|TRAVIS|GITLAB_CI|JENKINS\w*|CI_\w+)['"]""")
UNDER_TEST: Final = re.compile(
    r"""['"]PYTEST_(?:CURRENT_TEST|VERSION|XDIST_WORKER)['"]|['"](?:pytest|unittest|_pytest|nose)['"] (?:not )?in sys\.modules"""
    r"""|sys\.argv.*(?:pytest|unittest)|environ.*['"](?:UNIT_?TEST\w*|TESTING|IS_TEST|TEST_ENV|RUNNING_TESTS)['"]"""
)
TRIVIAL: Final = {"0", "1", "-1", "2", "''", "b''", "None", "True", "False", "[]", "()", "{}", "0.0", "1.0"}


def is_test_file(path: str) -> bool:
    """Whether pytest and unittest look for tests there by default."""
    return bool(TEST_FILE.match(PurePosixPath(path).name))


def parse(raw: bytes) -> ast.Module | None:
    """The syntax tree, or None for what is not this Python's syntax."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(raw)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def comments(text: str) -> list[tuple[int, str]]:
    """(line, comment) of each comment.

    >>> comments("x = '# no'  # yes")
    [(1, '# yes')]
    """
    return lexer.comments(text, lexer.PYTHON)


def read(old: str, new: str, before: bytes, after: bytes, silenced: bool) -> tuple[Facts, Facts] | None:
    """The facts of both sides of a file. `silenced`: read the comments too. Statements that stand in both at the same
    place are passed over. None when the new side does not parse; an old side that does not parse is read as empty."""
    as_test = is_test_file(old) or is_test_file(new)
    parts = shared.without(before, after, as_test) if is_test_file(old) == is_test_file(new) else None
    sides = [parse(raw) for raw in parts or ()]
    if not parts or None in sides:
        sides = [parse(before), parse(after)]
    if sides[1] is None:
        return None
    trees = [tree or ast.Module([], []) for tree in sides]
    readers = [Reader(path, raw, as_test) for path, raw in ((old, before), (new, after))]
    texts = [set(reader.segments(tree.body, "")) for reader, tree in zip(readers, trees, strict=True)]
    skips = [reader.module_skip(tree) if as_test else ("", 0) for reader, tree in zip(readers, trees, strict=True)]
    whole = any(why for why, _ in skips) or is_test_file(old) != is_test_file(new)  # it concerns every test
    for reader, tree, other, skip in zip(readers, trees, reversed(texts), skips, strict=True):
        reader.known = set() if whole else other
        reader.read(tree, skip, silenced)
    return readers[0].facts, readers[1].facts


class Reader:
    """Collects the facts of one tree."""

    def __init__(self, path: str, raw: bytes, as_test: bool) -> None:
        self.facts = Facts(path)
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
        starts = any(isinstance(child, FUNCTIONS) and child.name == "__init__" for child in node.body)
        return (prefix, *self.lines[first - 1 : node.body[0].lineno - 1], *marks, str(starts))

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

    def read(self, tree: ast.Module, skip: tuple[str, int], silenced: bool) -> None:
        """Collect from the statements of `tree` that are not `known`."""
        facts = self.facts
        if silenced:
            facts.marks += suppressions(comments(self.text), PYTHON)
        body = self.changed(tree.body, "")
        self._hidden(tree.body, "")
        self._scope(body, "", skip, self.is_test)
        for node in body:
            self._marks(node)
        self._module_level(body)
        if self.name in ("sitecustomize.py", "usercustomize.py") and tree.body:
            facts.marks.append(Mark("harness_edited", self.name, 1, f"{self.name} runs before every Python program"))

    # tests

    def _hidden(self, body: Iterable[ast.stmt], prefix: str) -> None:
        """Tests that a later function of the same name hides."""
        seen: set[str] = set()
        for node in body if self.as_test else ():
            if isinstance(node, FUNCTIONS) and node.name.startswith("test") and not _overloads(node):
                if node.name in seen:
                    self._add("test_renamed_away", f"hides {prefix}{node.name}", node, f"hides the `{node.name}` before it")
                seen.add(node.name)

    def _scope(self, body: Iterable[ast.stmt], prefix: str, skip: tuple[str, int], collected: bool) -> None:
        """Functions and classes of a module or class body."""
        for node in _flat(body):
            if isinstance(node, FUNCTIONS):
                self.facts.defined.add(node.name)
                if self.as_test:
                    self._test(node, prefix, skip, collected)
                else:
                    self.facts.functions[prefix + node.name] = _function(node)
            elif isinstance(node, ast.ClassDef):
                self.facts.defined.add(node.name)
                mine = skip if skip[0] else _skipped(node.decorator_list)
                if not mine[0]:
                    mine = self.module_skip(node)
                bases = " ".join(ast.unparse(base) for base in node.bases)
                counts = node.name.startswith("Test") or "Test" in bases or "Case" in bases or "Suite" in bases
                off = any(_assigns(child, "__test__", False) for child in node.body)
                starts = any(isinstance(child, FUNCTIONS) and child.name == "__init__" for child in node.body)
                no_pytest = starts and "Case" not in bases
                inner = f"{prefix}{node.name}::"
                self._hidden(node.body, inner)
                body = node.body if mine[0] else self.members(node, prefix)
                self._scope(body, inner, mine, collected and counts and not off and not no_pytest)

    def _test(self, node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str, skip: tuple[str, int], collected: bool) -> None:
        named = node.name.startswith("test")
        mine = skip if skip[0] else _skipped(node.decorator_list)
        if not mine[0]:
            mine = _skips_inside(node.body)
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

    def module_skip(self, tree: ast.Module | ast.ClassDef) -> tuple[str, int]:
        """A skip that holds for the whole module or class."""
        for node in tree.body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
                value = node.value
                found = _skipped(value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value])
                if found[0]:
                    return found
            if isinstance(tree, ast.Module):
                if _assigns(node, "__test__", False):
                    return "__test__ = False", node.lineno
                found = _skips_inside([node])
                if found[0] and not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                    return found
        return "", 0

    # marks

    def _add(self, kind: str, key: str, node: ast.AST, detail: str, owner: str = "") -> None:
        self.facts.marks.append(Mark(kind, key, getattr(node, "lineno", 0), detail, owner))

    def _marks(self, top: ast.stmt) -> None:
        for owner, node in self._owned(top, ""):
            if isinstance(node, ast.Try):
                self._handlers(node)
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                for item in node.items:
                    text = ast.unparse(item.context_expr)
                    if re.search(r"\bsuppress\((?:.*\b)?(?:Base)?Exception\b", text) or "suppress(AssertionError" in text:
                        self._add("swallowed_error", text, node, f"`with {text}`")
            elif isinstance(node, (ast.If, ast.IfExp)):
                self._special(node, owner)
            elif isinstance(node, ast.Match):
                self._cases(node, owner)
            elif isinstance(node, ast.Return):
                self._table(node, owner)
            elif isinstance(node, FUNCTIONS):
                self._hooks(node)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    self._patched(target, node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._exits(node.value, owner)
            elif isinstance(node, ast.Raise) and self.checker and node.exc is not None and _ends_well(node.exc):
                self._add("harness_edited", "SystemExit(0)", node, "ends the run with success: `raise SystemExit(0)`")

    def _owned(self, node: ast.AST, owner: str) -> Iterator[tuple[str, ast.AST]]:
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
                yield from self._owned(child, owner)
            elif isinstance(child, ast.IfExp) and isinstance(node, ast.Return):
                yield owner, child

    def _handlers(self, node: ast.Try) -> None:
        for handler in node.handlers:
            name = "" if handler.type is None else ast.unparse(handler.type)
            wide = name in ("", "Exception", "BaseException", "AssertionError") or re.search(
                r"\b(?:BaseException|AssertionError)\b|\(Exception,|, Exception\b", name
            )
            if wide and all(_idle(child) for child in handler.body):
                does = "; ".join(ast.unparse(child) for child in handler.body)
                self._add(
                    "swallowed_error", f"except {name}: {does}"[:120], handler, f"`except{' ' * bool(name)}{name}: {does}`"[:120]
                )

    def _special(self, node: ast.If | ast.IfExp, owner: str) -> None:
        if self.as_test or self.name == "conftest.py":
            return
        test = ast.unparse(node.test)
        if UNDER_TEST.search(test):
            self._add("special_cased_input", f"under test {test}", node, f"behaves otherwise under test: `if {test}`"[:160])
            return
        result = node.body if isinstance(node, ast.IfExp) else _returned(node.body)
        if result is None or not _literal(result):
            return
        given = _compared(node.test)
        if given and not all(text in TRIVIAL for text in given):
            key = f"{test} -> {ast.unparse(result)}"
            self._add(
                "special_cased_input", key, node, f"one input has its own answer: `if {test}: {ast.unparse(result)}`"[:160], owner
            )

    def _cases(self, node: ast.Match, owner: str) -> None:
        for case in node.cases:
            result = _returned(case.body)
            if (
                self.as_test
                or result is None
                or not _literal(result)
                or not isinstance(case.pattern, (ast.MatchValue, ast.MatchSequence))
            ):
                continue
            given = ast.unparse(case.pattern)
            if given not in TRIVIAL:
                self._add("special_cased_input", f"case {given} -> {ast.unparse(result)}", case.body[0],
                          f"one input has its own answer: `case {given}: return {ast.unparse(result)}`"[:160], owner)  # fmt: skip

    def _table(self, node: ast.Return, owner: str) -> None:
        """`return {3: 9}[x]`, `return {3: 9}.get(x, ...)`: answers read from a table that stands in the way."""
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "get":
            table: ast.expr = value.func.value
        elif isinstance(value, ast.Subscript):
            table = value.value
        else:
            return
        if not self.as_test and isinstance(table, ast.Dict) and table.keys and _literal(table):
            self._add("special_cased_input", f"table {ast.unparse(table)}", node,
                      f"answers from a table: `{ast.unparse(value)}`"[:160], owner)  # fmt: skip

    def _hooks(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        returned = [child.value for child in ast.walk(node) if isinstance(child, ast.Return)]
        always = len(returned) == 1 and isinstance(node.body[-1], ast.Return) and isinstance(returned[0], ast.Constant)
        if always and isinstance(returned[0], ast.Constant):
            answer = returned[0].value
            if (node.name == "__eq__" and answer is True) or (node.name == "__ne__" and answer is False):
                self._add("harness_edited", node.name, node, f"`{node.name}` always answers {answer}")
        if node.name.startswith("pytest_") and (self.name == "conftest.py" or self.checker or "plugin" in self.name):
            source = ast.unparse(node)
            for token, what in HOOKED:
                if token.search(source) and not (
                    what == "skips tests" and re.search(r"getoption|getvalue|keywords|get_closest|sys\.", source)
                ):
                    self._add("harness_edited", f"{node.name} {what}", node, f"`{node.name}` {what}")
        elif self.checker and any("fixture" in ast.unparse(d) and "autouse" in ast.unparse(d) for d in node.decorator_list):
            source = ast.unparse(node)
            if re.search(r"pytest\.(?:skip|xfail)\(", source) and not PLATFORM.search(source):
                self._add("harness_edited", f"autouse {node.name}", node, f"`{node.name}`, used by every test, skips")

    def _patched(self, target: ast.expr, node: ast.Assign) -> None:
        text = ast.unparse(target)
        if re.match(
            r"(?:pytest|_pytest[\w.]*|unittest|unittest\.\w+|TestCase|builtins|np\.testing|numpy\.testing|doctest)\.\w+$", text
        ) and ("." in text and not text.endswith("__test__")):
            self._add("harness_edited", text, node, f"replaces `{text}`")
        elif text.endswith((".exitstatus", ".testsfailed")) or (
            text.endswith(".outcome") and "passed" in ast.unparse(node.value)
        ):
            if self.checker:
                self._add("harness_edited", text.rsplit(".", 1)[-1], node, f"sets `{text}`")
        elif text in ("sys.exit", "os._exit"):
            self._add("harness_edited", text, node, f"replaces `{text}`")
        elif text in ("collect_ignore", "collect_ignore_glob") and self.name == "conftest.py":
            self._add(
                "harness_edited",
                f"{text} {ast.unparse(node.value)}",
                node,
                f"tests are no longer collected: `{ast.unparse(node)}`"[:160],
            )

    def _exits(self, call: ast.Call, owner: str) -> None:
        text = ast.unparse(call)
        zero = re.match(r"(?:sys\.exit|os\._exit|exit|quit|pytest\.exit)\((?:0|code=0|None|)\)$", text) or re.match(
            r"pytest\.exit\(.*returncode=0", text
        )
        if zero and (self.checker or text.startswith("os._exit")):
            self._add("harness_edited", text, call, f"ends the run with success: `{text}`")
        elif re.match(r"atexit\.register\(.*_exit", text):
            self._add("harness_edited", "atexit", call, f"ends the run with success: `{text}`"[:160])
        elif re.match(r"setattr\((?:pytest|unittest\S*|builtins|TestCase|_pytest\S*|sys, 'exit)", text):
            self._add("harness_edited", text[:80], call, f"replaces a part of the runner: `{text}`"[:160])

    def _module_level(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.AugAssign) and ast.unparse(node.target) in ("collect_ignore", "collect_ignore_glob"):
                self._add(
                    "harness_edited", ast.unparse(node), node, f"tests are no longer collected: `{ast.unparse(node)}`"[:160]
                )
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                text = ast.unparse(node.value)
                if re.match(r"collect_ignore(?:_glob)?\.(?:append|extend)\(", text):
                    self._add("harness_edited", text, node, f"tests are no longer collected: `{text}`"[:160])
                elif not self.checker and re.match(r"(?:sys\.)?exit\(0?\)$", text):
                    self._add("harness_edited", text, node, f"ends the run with success: `{text}`")


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


def _ends_well(error: ast.expr) -> bool:
    return ast.unparse(error) in ("SystemExit", "SystemExit()", "SystemExit(0)")


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


def _is_marking(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id in ("pytestmark", "__test__") for target in node.targets)


def _assigns(node: ast.stmt, name: str, value: object) -> bool:
    return (
        isinstance(node, ast.Assign)
        and any(ast.unparse(t) == name for t in node.targets)
        and isinstance(node.value, ast.Constant)
        and node.value.value is value
    )


def _skipped(decorators: Iterable[ast.expr]) -> tuple[str, int]:
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


def _skips_inside(body: Iterable[ast.stmt]) -> tuple[str, int]:
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
            found = _skips_inside(node.body)
        elif isinstance(node, ast.Try):
            found = _skips_inside(node.body)
            for handler in node.handlers:
                if not found[0] and (
                    handler.type is None or re.search(r"\b(?:Base)?Exception\b|AssertionError", ast.unparse(handler.type))
                ):
                    found = _skips_inside(handler.body)
        if found[0]:
            return found
    return "", 0


def _idle(node: ast.stmt) -> bool:
    """A statement that does nothing about an error."""
    if isinstance(node, (ast.Pass, ast.Continue, ast.Break)):
        return True
    if isinstance(node, ast.Return):
        return node.value is None or _literal(node.value)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _literal(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return _literal(node.operand)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(_literal(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(k is not None and _literal(k) for k in node.keys) and all(_literal(v) for v in node.values)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Decimal", "set", "frozenset", "date", "datetime")
        and all(_literal(arg) for arg in node.args)
    )


def _compared(test: ast.expr) -> list[str]:
    """The literals that a condition asks its names to equal; [] when it asks for anything else."""
    if isinstance(test, ast.BoolOp):
        found = [_compared(part) for part in test.values]
        return [text for part in found for text in part] if all(found) else []
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return []
    left, right = test.left, test.comparators[0]
    if isinstance(test.ops[0], (ast.Eq, ast.Is)):
        if _literal(left) and not _literal(right):
            left, right = right, left
        return [ast.unparse(right)] if _literal(right) and not _literal(left) else []
    if isinstance(test.ops[0], ast.In) and isinstance(right, (ast.Tuple, ast.List, ast.Set)) and _literal(right) and right.elts:
        return [ast.unparse(item) for item in right.elts]
    return []


def _returned(body: list[ast.stmt]) -> ast.expr | None:
    """What a branch returns, when that is all it does."""
    rest = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if len(rest) == 1 and isinstance(rest[0], ast.Return):
        return rest[0].value
    return None


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    arguments = {a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]}
    arguments |= {a.arg for a in (node.args.vararg, node.args.kwarg) if a}
    returns, branches, used, calls = [], 0, False, False
    fixed: dict[str, ast.expr] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Return) and child.value is not None:
            returns.append(child.value)
        elif isinstance(child, (ast.If, ast.IfExp)):
            result = child.body if isinstance(child, ast.IfExp) else _returned(child.body)
            branches += result is not None and _literal(result) and bool(_compared(child.test))
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load) and child.id in arguments:
            used = True
        elif isinstance(child, (ast.Call, ast.Yield, ast.YieldFrom, ast.Await)):
            calls = calls or child not in node.decorator_list
        elif (
            isinstance(child, ast.Assign)
            and len(child.targets) == 1
            and isinstance(child.targets[0], ast.Name)
            and _literal(child.value)
        ):
            fixed[child.targets[0].id] = child.value
    values = [fixed.get(value.id, value) if isinstance(value, ast.Name) else value for value in returns]
    always = len(values) == 1 and _literal(values[0]) and not used and isinstance(node.body[-1], ast.Return)
    literal = (
        ast.unparse(values[0])
        if always and not any(isinstance(c, (ast.Call, ast.For, ast.While)) for c in _inside(node))
        else None
    )
    abstract = any("abstract" in ast.unparse(d) or "overload" in ast.unparse(d) for d in node.decorator_list)
    computes = not abstract and any(not _literal(value) for value in returns) and (used or calls)
    return Function(node.lineno, computes, literal, branches)


def _inside(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    for child in node.body:
        yield from ast.walk(child)


def broader(old: str, new: str) -> bool:
    """Whether the exception named `new` catches more than `old`, as far as their names say.

    >>> broader("KeyError", "LookupError"), broader("Exception", "ValueError"), broader("ConfigError", "Exception")
    (True, False, True)
    """
    if old == new:
        return False
    if new in ("Exception", "BaseException"):
        return old not in ("Exception", "BaseException") or new == "BaseException"
    if new == "Error":
        return True  # JavaScript's
    one, other = getattr(builtins, old, None), getattr(builtins, new, None)
    return isinstance(one, type) and isinstance(other, type) and issubclass(one, other)
