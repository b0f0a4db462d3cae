"""Habits of JavaScript, TypeScript and Go, read with expressions from text whose comments and strings are blanked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from git_hone.hooks.history.patterns import Tally

TOKEN: Final = re.compile(
    r"""(?P<comment>//[^\n]*|/\*[\s\S]*?\*/)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)"""
)
DECLARED: Final = re.compile(r"^\s*(?:export\s+)?(const|let|var)\s", re.M)
VALUE: Final = r"""(?:''|""|``|[\w.]+(?:\([^()\n]*\))?)"""
STATEMENT: Final = re.compile(rf"^[ \t]*(?:(?:const|let|var)\s+\w+\s*=\s*|return\s+){VALUE}(;?)[ \t]*$", re.M)
NIL: Final = re.compile(r"\breturn\s+(?:[\w.{}]+,\s*)*(fmt\.Errorf\(|errors\.(?:Wrap|Wrapf|Join)\(|err\b)")


def _at(path: str, text: str, index: int) -> str:
    return f"{path}:{text.count(chr(10), 0, index) + 1}"


def _blanked(text: str) -> str:
    """Comments gone and strings emptied, with the lines where they were."""
    return TOKEN.sub(
        lambda hit: hit[0][0] + hit[0][-1] if hit["string"] and "\n" not in hit[0] else "\n" * hit[0].count("\n"), text
    )


def script(tally: Tally, path: str, text: str) -> None:
    """Count one JavaScript or TypeScript file."""
    for hit in TOKEN.finditer(text):
        body = hit["string"]
        if body and body[0] in "'\"" and '"' not in body[1:-1] and "'" not in body[1:-1]:
            choice = "strings in double quotes" if body[0] == '"' else "strings in single quotes"
            tally.add("quotes", choice, _at(path, text, hit.start()))
    code = _blanked(text)
    _count(tally, path, code, STATEMENT, "semicolons", lambda hit: "statements end in ;" if hit[1] else "no semicolons")
    _count(tally, path, code, DECLARED, "declarations", lambda hit: "var" if hit[1] == "var" else "const and let, not var")
    _count(
        tally,
        path,
        code,
        re.compile(r"\bawait\s|\.then\("),
        "promises",
        lambda hit: ".then" if "then" in hit[0] else "async and await",
    )
    _count(tally, path, code, re.compile(r"^export\s+(default\b|\w|\{)", re.M), "exports",
           lambda hit: "default exports" if hit[1] == "default" else "named exports")  # fmt: skip
    _count(tally, path, code, re.compile(r"\brequire\(|^import\s", re.M), "modules",
           lambda hit: "require" if "require" in hit[0] else "import")  # fmt: skip


def go(tally: Tally, path: str, text: str) -> None:
    """Count one Go file."""
    for hit in NIL.finditer(text):
        line = text[hit.start() : text.find("\n", hit.start())]
        wraps = "%w" in line or "errors." in hit[1]
        choice = (
            "errors wrapped on the way up" if wraps else "errors returned as they are" if hit[1] == "err" else "errors made anew"
        )
        tally.add("errors", choice, _at(path, text, hit.start()))


def _count(
    tally: Tally, path: str, code: str, pattern: re.Pattern[str], topic: str, choose: Callable[[re.Match[str]], str]
) -> None:
    line, last = 1, 0
    for hit in pattern.finditer(code):
        line += code.count("\n", last, hit.start())
        last = hit.start()
        tally.add(topic, choose(hit), f"{path}:{line}")
