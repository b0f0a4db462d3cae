"""What stands in the function of a JavaScript test."""

from __future__ import annotations

import re
from typing import Final

from git_hone.hooks.tampering.facts import Test, words
from git_hone.hooks.tampering.script.blocks import Block
from git_hone.hooks.tampering.script.checks import checks_of
from git_hone.hooks.tampering.script.tokens import Script

FAKE: Final = re.compile(r"(?:jest|vi|sinon|mock)\.(?:fn|stub|fake)\(|\(?\w*\)?=>[\d'\"\[{]")


def test_of(script: Script, block: Block, collected: bool) -> Test:
    """A test with what it asserts, calls and replaces."""
    name, line, opening, cases, skip = block
    closing = script.match[opening]
    body = _body(script, opening, closing)
    if not skip and body:
        skip = _skips(script, *body)
    names = frozenset(t.text for t in script.tokens[opening:closing] if t.kind == "name")
    calls = frozenset(
        t.text for k, t in enumerate(script.tokens[opening:closing], opening) if t.kind == "name" and script.is_(k + 1, "(")
    )
    text = " ".join(script.texts[body[0] if body else opening : closing])
    return Test(
        name, line, checks_of(script, *body) if body else [], words(text), names, calls,
        _mocks(script, opening, closing), collected, skip, line, cases
    )  # fmt: skip


def _body(script: Script, opening: int, closing: int) -> tuple[int, int] | None:
    """The tokens of a test's function, behind its arrow or brace."""
    for start, end in script.arguments(opening)[1:]:
        for k in range(start, end):
            if script.is_(k, "=>"):
                return (k + 2, script.match[k + 1]) if script.is_(k + 1, "{") and k + 1 in script.match else (k + 1, end)
            if script.is_(k, "{") and k in script.match and script.is_(start, "function", "async"):
                return k + 1, script.match[k]
    return None


def _skips(script: Script, start: int, end: int) -> str:
    """The call in a body that skips the test; "" where there is none."""
    for k in script.top(start, end):
        skips = script.is_(k, "skip", "pending", "fixme") and script.is_(k + 1, "(") and k + 1 in script.match
        if skips and (script.is_(k - 1, ".") or script.is_(k, "pending")):
            said = script.text(k + 2, script.match[k + 1])
            if said in ("", "true") or script.tokens[k + 2].kind in ("string", "template"):
                return f"`{script.text(max(start, k - 2), k + 1)}()`"
    return ""


def _mocks(script: Script, start: int, end: int) -> dict[str, int]:
    """Each name that is replaced, with the line of the first time."""
    found: dict[str, int] = {}
    for k in script.where(start, end, "spyOn", "stub", "replace", "fake", "="):
        token = script.tokens[k]
        if (
            token.text in ("spyOn", "stub", "replace", "fake")
            and script.is_(k - 1, ".")
            and script.is_(k + 1, "(")
            and k + 1 in script.match
        ):
            given = script.arguments(k + 1)
            after = script.match[k + 1]
            if (
                len(given) > 1
                and script.tokens[given[1][0]].kind == "string"
                and (token.text != "spyOn" or "mock" in script.text(after, after + 3))
            ):
                found.setdefault(script.tokens[given[1][0]].text[1:-1], token.line)
        elif token.text == "=" and script.tokens[k - 1].kind == "name" and FAKE.match(script.text(k + 1, k + 8)):
            found.setdefault(script.tokens[k - 1].text, token.line)
    return found
