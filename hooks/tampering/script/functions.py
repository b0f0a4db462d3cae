"""The functions that a script defines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_hone.hooks.tampering.facts import Function
from git_hone.hooks.tampering.script.literals import branches, is_literal, returned
from git_hone.hooks.tampering.script.tokens import Script


class Signature(NamedTuple):
    """Where a function is named, the names among its parameters, and where its body stands."""

    at: int
    name: str
    given: set[str]
    body: tuple[int, int]


def signatures(script: Script) -> Iterator[Signature]:
    """Functions and methods by declaration, assignment or arrow, in order."""
    for k, token in enumerate(script.tokens):
        if token.kind != "name" or (script.texts[k + 1] not in ("(", "=") and script.texts[k - 1] not in ("function", "*")):
            continue
        name, at = token.text, k + 1
        if script.is_(k - 1, "function") or (script.is_(k - 1, "*") and script.is_(k - 2, "function")):
            pass
        elif (script.is_(at, "=") and script.is_(at + 1, "async", "function", "(")) or (
            script.is_(at, "=") and script.is_(at + 2, "=>")
        ):
            at += 1
            while script.is_(at, "async", "function", "*"):
                at += 1
        elif (
            not script.is_(at, "(")
            or script.is_(k - 1, ".", "new", "function")
            or name in ("if", "for", "while", "switch", "catch", "function", "return")
        ):
            continue
        given, body = signature(script, at)
        if body is None:
            continue
        yield Signature(k, name, given, body)


def signature(script: Script, at: int) -> tuple[set[str], tuple[int, int] | None]:
    """The parameters of a function, and where its body stands."""
    if script.is_(at, "("):
        if at not in script.match:
            return set(), None
        given = {t.text for t in script.tokens[at : script.match[at]] if t.kind == "name"}
        after = script.match[at] + 1
    else:
        given, after = {script.tokens[at].text} if at < len(script.tokens) else set(), at + 1
    if script.is_(after, ":"):  # a return type
        stop = next((k for k in range(after, min(after + 40, len(script.tokens))) if script.is_(k, "=>", "{", ";")), after)
        after = stop
    if script.is_(after, "=>"):
        after += 1
        if not script.is_(after, "{"):
            end = after
            while end < len(script.tokens) and not script.is_(end, ";", ",", ")", "}"):
                if script.tokens[end].line > script.tokens[after].line and script.tokens[end].kind == "name":
                    break
                end = script.match[end] + 1 if end in script.match else end + 1
            return given, (after, end)
    if script.is_(after, "{") and after in script.match:
        return given, (after, script.match[after] + 1)
    return given, None


def function_of(script: Script, one: Signature) -> Function:
    """Whether a function computes what it returns, or always returns the same."""
    start, end = one.body
    inner = script.tokens[start:end]
    block = script.is_(start, "{")
    returns = [returned(script, k + 1, end) for k in script.where(start, end, "return")] if block else [(start, end)]
    texts = [script.text(*place) for place in returns]
    plain = [text for place, text in zip(returns, texts, strict=True) if is_literal(script, *place)]
    fixed = {
        script.tokens[k - 1].text: script.text(k + 1, k + 2)
        for k in script.where(start, end, "=")
        if is_literal(script, k + 1, k + 2) and script.is_(k + 2, ";")
    }
    used = any(t.kind == "name" and t.text in one.given for t in inner)
    calls = any(
        t.kind == "name" and script.is_(k + 1, "(") and t.text not in ("if", "for", "while", "switch", "catch")
        for k, t in enumerate(inner, start)
    )
    always = None
    if len(returns) == 1 and not used and not calls:
        value = fixed.get(texts[0], texts[0])
        always = value if plain or texts[0] in fixed else None
    line = script.tokens[one.at].line
    return Function(line, len(plain) < len(returns) and (used or calls), always, sum(1 for _ in branches(script, start, end)))
