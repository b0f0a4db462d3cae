"""Python's habits, read from syntax trees."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Final

from git_hone.hooks.history.patterns import HELPER_FILES, Pattern, Tally
from git_hone.learner.syntax import tree_of

SNAKE: Final = re.compile(r"^_{0,2}[a-z][a-z0-9]*(_[a-z0-9]+)*_{0,2}$")
CAMEL: Final = re.compile(r"^_?[a-z]+[A-Z]\w*$")
GOOGLE: Final = re.compile(r"^\s*(Args|Arguments|Returns|Yields|Raises|Attributes|Examples?|Notes?):\s*$", re.M)
NUMPY: Final = re.compile(r"^\s*(Parameters|Returns|Yields|Raises|Attributes|Examples?|Notes|See Also)\n\s*-{3,}\s*$", re.M)
SPHINX: Final = re.compile(r"^\s*:(param|returns?|rtype|raises?|type)\b", re.M)
OS_PATH: Final = {
    "join",
    "exists",
    "dirname",
    "basename",
    "isfile",
    "isdir",
    "splitext",
    "abspath",
    "expanduser",
    "relpath",
    "getsize",
}
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Reader:
    """Reads files one by one; `tally` holds the choices, `helpers` the functions that many files call."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._defined: dict[str, list[str]] = {}
        self._called: dict[str, dict[str, int]] = {}  # name -> file -> line

    def read(self, path: str, raw: bytes) -> None:
        """Count one file; a file that is not this Python's syntax counts for nothing."""
        tree = tree_of(raw)
        if tree is None:
            return
        _Visitor(self.tally, path, _is_test(path), self._called).run(tree)
        _quotes(self.tally, path, raw)
        if not _is_test(path):
            for node in tree.body:
                if isinstance(node, Function):
                    self._defined.setdefault(node.name, []).append(f"{path}:{node.lineno}")

    def helpers(self, top: int = 8) -> Iterator[Pattern]:
        """Functions of this project that at least 5 files call by that name, which one file defines."""
        ranked = sorted(self._called.items(), key=lambda item: (-len(item[1]), item[0]))
        found = 0
        for name, files in ranked:
            homes = self._defined.get(name, [])
            callers = [f"{path}:{line}" for path, line in files.items() if path != homes[0].rpartition(":")[0]] if homes else []
            if len(homes) == 1 and len(callers) >= HELPER_FILES and found < top:
                found += 1
                says = f"`{name}` ({homes[0]}) is used in {len(callers)} other files"
                yield Pattern("Python", "helper", says, len(callers), len(callers), 1.0, tuple(callers[:3]))


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py" or "/tests/" in f"/{path}"


def _quotes(tally: Tally, path: str, raw: bytes) -> None:
    """Quotes of one-line strings that hold neither quote."""
    try:
        for token in tokenize.tokenize(io.BytesIO(raw).readline):
            if token.type == tokenize.STRING:
                body = token.string.lstrip("rbfuRBFU")
                if not body.startswith(('"""', "'''")) and '"' not in body[1:-1] and "'" not in body[1:-1]:
                    tally.add("quotes", "strings in double quotes" if body[0] == '"' else "strings in single quotes",
                              f"{path}:{token.start[0]}")  # fmt: skip
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


class _Visitor:
    def __init__(self, tally: Tally, path: str, is_test: bool, called: dict[str, dict[str, int]]) -> None:
        self.tally, self.path, self.is_test, self.called = tally, path, is_test, called

    def run(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            visit = getattr(self, f"_{type(node).__name__}", None)
            if visit:
                visit(node)

    def _add(self, topic: str, choice: str, node: ast.AST) -> None:
        self.tally.add(topic, choice, f"{self.path}:{getattr(node, 'lineno', 1)}")

    def _FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if SNAKE.match(node.name) or CAMEL.match(node.name):
            self._add("function names", "functions in snake_case" if SNAKE.match(node.name) else "functions in camelCase", node)
        if self.is_test:
            if any(_name(mark).endswith("fixture") for mark in node.decorator_list):
                self._add("test set-up", "pytest fixtures", node)
            elif node.name in ("setUp", "tearDown", "setUpClass", "tearDownClass"):
                self._add("test set-up", "setUp and tearDown methods", node)
            elif node.name.startswith("test"):
                method = any(arg.arg == "self" for arg in node.args.args[:1])
                self._add("tests", "tests are methods of classes" if method else "tests are plain functions", node)
            return
        arguments = [
            arg for arg in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs] if arg.arg not in ("self", "cls")
        ]
        typed = node.returns is not None and all(arg.annotation for arg in arguments)
        bare = node.returns is None and not any(arg.annotation for arg in arguments)
        self._add(
            "type hints",
            "functions fully annotated" if typed else "functions not annotated" if bare else "partly annotated",
            node,
        )
        if not node.name.startswith("_"):
            has = ast.get_docstring(node, clean=False)
            self._add("docstrings", "public functions have a docstring" if has else "public functions have no docstring", node)
        self._docstring(node)
        self._failing(node)

    _AsyncFunctionDef = _FunctionDef

    def _docstring(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        words = ast.get_docstring(node) or ""
        style = (
            "Google style" if GOOGLE.search(words) else "NumPy style" if NUMPY.search(words)
            else "Sphinx fields" if SPHINX.search(words) else "plain sentences" if words else None
        )  # fmt: skip
        if style:
            self._add("docstring style", f"docstrings in {style}", node)

    def _failing(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """How a function that can fail says so: by raising, or by returning None beside a value."""
        own = list(_own(node))
        raises = any(isinstance(each, ast.Raise) for each in own)
        returns = [each for each in own if isinstance(each, ast.Return)]
        none = [each for each in returns if isinstance(each.value, ast.Constant) and each.value.value is None]
        value = any(each.value is not None and each not in none for each in returns)
        if raises:
            self._add("errors", "functions raise when they fail", node)
        elif none and value:
            self._add("errors", "functions return None when they fail", node)

    def _ClassDef(self, node: ast.ClassDef) -> None:
        good = re.match(r"^_?[A-Z][A-Za-z0-9]*$", node.name)
        self._add("class names", "classes in CapWords" if good else "classes not in CapWords", node)
        bases = [_name(base) for base in node.bases]
        if node.name.endswith(("Error", "Exception")) and bases:
            plain = bases[0] in ("Exception", "BaseException")
            choice = (
                "errors derive from Exception itself" if plain else "errors derive from a base of their own or a specific one"
            )
            self._add("error classes", choice, node)

    def _ExceptHandler(self, node: ast.ExceptHandler) -> None:
        wide = node.type is None or _name(node.type) in ("Exception", "BaseException")
        self._add("except", "except catches everything" if wide else "except names what it catches", node)
        for each in ast.walk(node):
            if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call):
                self._add(
                    "raise in except", "raise ... from inside except" if each.cause else "raise without from inside except", each
                )

    def _ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            self._add("imports", "own modules by relative import", node)
        elif node.module and node.module.split(".")[0] in self.path.split("/")[:-1]:
            self._add("imports", "own modules by absolute import", node)

    def _Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        last = name.rpartition(".")[2]
        if self.is_test:
            return
        if isinstance(node.func, ast.Name):  # a method of the same name may be anybody's
            self.called.setdefault(last, {}).setdefault(self.path, node.lineno)
        if name == "print":
            self._add("talk", "print, not logging", node)
        elif last in ("debug", "info", "warning", "error", "exception", "critical") and re.search(
            r"log", name.rpartition(".")[0], re.I
        ):
            self._add("talk", "logging, not print", node)
        elif name.startswith("os.path.") and last in OS_PATH:
            self._add("paths", "os.path, not pathlib", node)
        elif name in ("Path", "pathlib.Path"):
            self._add("paths", "pathlib, not os.path", node)
        elif isinstance(node.func, ast.Attribute) and last == "format" and isinstance(node.func.value, ast.Constant):
            self._add("formatting", "str.format or %", node)

    def _JoinedStr(self, node: ast.JoinedStr) -> None:
        self._add("formatting", "f-strings", node)

    def _BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
            self._add("formatting", "str.format or %", node)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions inside it."""
    todo = list(ast.iter_child_nodes(node))
    while todo:
        each = todo.pop()
        yield each
        if not isinstance(each, (*Function, ast.Lambda, ast.ClassDef)):
            todo += ast.iter_child_nodes(each)


def _name(node: ast.AST) -> str:
    """A dotted name, or what is known of its end; a call's name is its function's."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        else:
            return ".".join([*([node.id] if isinstance(node, ast.Name) else [""] if parts else []), *parts[::-1]])
