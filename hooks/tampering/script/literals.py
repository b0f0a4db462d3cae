"""Answers that are written down in a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from git_hone.hooks.tampering.script.tokens import Script

TRIVIAL: Final = {"0", "1", "-1", "2", "''", '""', "``", "null", "undefined", "true", "false", "[]", "{}"}


def returned(script: Script, start: int, end: int) -> tuple[int, int]:
    """Where the value of a `return` stands that begins at `start`: up to its semicolon, brace or line's end."""
    k = start
    while k < end and not script.is_(k, ";", "}", "case", "default"):
        if (
            k > start
            and script.tokens[k].line > script.tokens[k - 1].line
            and script.tokens[k - 1].text not in "({[,+-*/&|?:=."
            and script.tokens[k].text not in ".?:+-*/&|"
        ):
            break
        k = script.match[k] + 1 if k in script.match else k + 1
    return start, min(k, end)


def is_literal(script: Script, start: int, end: int) -> bool:
    """Whether these tokens are written down rather than computed: constants, and arrays and objects of them."""
    inner = script.tokens[start:end]
    if not inner:
        return False
    return all(
        t.kind in ("string", "number")
        or t.text in ("true", "false", "null", "undefined", "[", "]", "{", "}", ",", "-", "as", "const", ":")
        or (t.kind == "name" and script.is_(k + 1, ":") and not script.is_(k - 1, "?"))
        or (t.kind == "template" and "${" not in t.text)
        for k, t in enumerate(inner, start)
    )


def branches(script: Script, start: int, end: int) -> Iterator[tuple[int, str, str]]:
    """(position, input, answer) of each branch that answers one literal by another."""
    for k in script.where(start, end, "if", "===", "==", "case"):
        if script.is_(k, "if") and script.is_(k + 1, "(") and k + 1 in script.match:
            given = _compared(script, k + 2, script.match[k + 1])
            at = script.match[k + 1] + 1
            at += script.is_(at, "{")
            if given and script.is_(at, "return"):
                answer = returned(script, at + 1, end)
                if is_literal(script, *answer):
                    yield k, given, script.text(*answer)
        elif script.is_(k, "===", "==") and script.is_(k + 2, "?") and is_literal(script, k + 1, k + 2):
            colon = next((j for j in range(k + 3, min(end, k + 20)) if script.is_(j, ":")), None)
            if colon and is_literal(script, k + 3, colon):
                yield k, script.text(k + 1, k + 2), script.text(k + 3, colon)
        elif (
            script.is_(k, "case") and script.is_(k + 2, ":") and script.is_(k + 3, "return") and is_literal(script, k + 1, k + 2)
        ):
            answer = returned(script, k + 4, end)
            if is_literal(script, *answer):
                yield k, script.text(k + 1, k + 2), script.text(*answer)


def _compared(script: Script, start: int, end: int) -> str:
    """The literals that a condition asks for, or "" for another condition."""
    text = script.text(start, end)
    found = []
    for part in re.split(r"&&|\|\|", text):
        match = re.fullmatch(r"\(*([\w$.\[\]]+)={2,3}(-?\d[\d.]*|'[^']*'|\"[^\"]*\"|`[^`$]*`)\)*", part)
        swapped = re.fullmatch(r"\(*(-?\d[\d.]*|'[^']*'|\"[^\"]*\")={2,3}([\w$.\[\]]+)\)*", part)
        member = re.fullmatch(r"\[((?:-?\d[\d.]*|'[^']*'|\"[^\"]*\"|,)+)\]\.includes\([\w$.]+\)", part)
        deep = re.fullmatch(r"JSON\.stringify\([\w$.]+\)={2,3}('[^']*'|\"[^\"]*\"|`[^`$]*`)", part)
        if match:
            found.append(match[2])
        elif swapped:
            found.append(swapped[1])
        elif member or deep:
            found.append((member or deep)[1])  # type: ignore[index]  # the branch says that one of them matched
        else:
            return ""
    return "" if all(one in TRIVIAL for one in found) else ",".join(found)
