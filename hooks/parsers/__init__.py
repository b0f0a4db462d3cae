"""Reports of tools, read: one module a format, each with `parse(data: bytes) -> Counts`, pure.

A parser raises DataError, naming the format and the place, for anything it cannot read, and nothing else. Modules load
when their format is met.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Final

from git_hone.hooks.parsers.counts import ANSI, Counts

__all__ = ["FORMATS", "Counts", "Parser", "parser", "sniff"]

Parser = Callable[[bytes], Counts]

FORMATS: Final = ("ruff_json", "sarif", "eslint_json", "mypy_json", "pyright_json", "junit", "coverage_json", "cobertura",
                  "lcov", "tap", "ruff_text", "mypy_text", "pyright_text", "eslint_text", "tsc_text", "pytest_text",
                  "unittest_text", "import_linter_text", "compileall_text", "coverage_text")  # fmt: skip
"""Modules of this package, one a format."""

KEYS: Final = (
    ("sarif", rb'"\$schema"\s*:\s*"[^"]*sarif|"runs"\s*:\s*\['),
    ("pyright_json", rb'"generalDiagnostics"\s*:'),
    ("coverage_json", rb'"percent_covered"\s*:'),
    ("mypy_json", rb'^\s*\{"file"\s*:'),
)
"""What a JSON object of each format holds; the first that fits."""

CLOSING: Final = (
    ("pytest_text", rb"(?m)^(?:=+ )?(?:\d+ (?:passed|failed|skipped|xfailed|xpassed|errors?|deselected|warnings?)\b"
                    rb"|(?:no|\d+) tests? (?:ran|collected)).* in [\d.]+s"),
    ("unittest_text", rb"(?m)^Ran \d+ tests? in [\d.]+s"),
    ("mypy_text", rb"(?m)^(?:Found \d+ errors? in \d+ files?|Success: no issues found in \d+ source)"),
    ("ruff_text", rb"(?m)^(?:Found \d+ errors?[. ]|All checks passed!|\d+ files? (?:would be reformatted|already formatted))"),
    ("pyright_text", rb"(?m)^\d+ errors?, \d+ warnings?, \d+ (?:informations?|notes?)"),
    ("eslint_text", "(?m)^✖ \\d+ problems? \\(".encode()),
    ("import_linter_text", rb"(?m)^Contracts: \d+ kept, \d+ broken"),
    ("tsc_text", rb"(?m)^(?:\S.*?(?:\(\d+,\d+\):|:\d+:\d+ -) )?error TS\d+: "),
    ("compileall_text", rb"(?m)^\*\*\* (?:Error compiling|Sorry:)"),
    ("coverage_text", rb"(?m)^TOTAL +\d+ +\d+.*%|^All files +\|"),
)  # fmt: skip
"""The line each tool's text ends with, or is known by; the first that fits."""

OF_TESTS: Final = {"pytest_text", "unittest_text", "coverage_text"}

TEXTS: Final = {
    "lint": ("ruff_text", "eslint_text"),
    "type": ("mypy_text", "pyright_text", "tsc_text"),
    "test": ("pytest_text", "unittest_text"),
    "compile": ("tsc_text", "compileall_text"),
    "coverage": ("coverage_text",),
    "schema": (),
    "boundary": ("import_linter_text",),
}
"""Which texts come first for each kind of signal; those of tests are never looked for in a linter's output, nor the
other way round, since a test may well quote a linter."""


def parser(name: str) -> Parser:
    """The parser of one of FORMATS."""
    found: Parser = importlib.import_module(f"{__name__}.{name}").parse
    return found


def sniff(data: bytes, kind: str) -> Parser | None:
    """The parser that fits what `data` looks like, None when nothing does. `kind` breaks ties among texts."""
    head = data[:65536].removeprefix(b"\xef\xbb\xbf").lstrip()
    name = _json(head, data) or _xml(head) or _lines(head, kind) or _text(data, kind)
    return parser(name) if name else None


def _json(head: bytes, data: bytes) -> str | None:
    if head.startswith(b"["):
        if re.match(rb"\[\s*\]\s*\Z", head):
            return "ruff_json"  # ESLint's empty list means the same
        if re.match(rb"\[\s*\{", head):
            return "eslint_json" if b'"filePath"' in head else "ruff_json" if b'"filename"' in data else None
        return None
    if head.startswith(b"{"):
        return next((name for name, key in KEYS if re.search(key, head) or re.search(key, data[-65536:])), None)
    return None


def _xml(head: bytes) -> str | None:
    if not head.startswith(b"<"):
        return None
    root = re.search(rb"<(?:\w+:)?(testsuites?|coverage)\b", head)
    return None if root is None else "cobertura" if root[1] == b"coverage" else "junit"


def _lines(head: bytes, kind: str) -> str | None:
    if re.match(rb"TAP version 1[34]\b", head):
        return "tap"
    if kind == "test" and re.match(rb"1\.\.\d+\s*(?:#.*)?\n|(?:not )?ok 1\b", head):
        return "tap"
    return "lcov" if re.match(rb"(?:TN:[^\n]*\r?\n)?SF:", head) else None


def _text(data: bytes, kind: str) -> str | None:
    tail = ANSI.sub(b"", data).replace(b"\r\n", b"\n")
    first = TEXTS.get(kind, ())
    family = [pair for pair in CLOSING if (pair[0] in OF_TESTS) == (kind in ("test", "coverage"))]
    ordered = sorted(family, key=lambda pair: first.index(pair[0]) if pair[0] in first else len(first))
    return next((name for name, mark in ordered if re.search(mark, tail)), None)
