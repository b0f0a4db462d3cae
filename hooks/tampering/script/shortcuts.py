"""Signs of a shortcut in a script: errors swallowed in silence, inputs that have their own answers."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Final

from git_hone.hooks.tampering.facts import Mark
from git_hone.hooks.tampering.script.functions import signature
from git_hone.hooks.tampering.script.literals import branches, is_literal
from git_hone.hooks.tampering.script.tokens import Script

UNDER_TEST: Final = re.compile(
    r"""process\.env\.NODE_ENV===?['"]test['"]|process\.env\.(?:JEST_WORKER_ID|VITEST|MOCHA|VITEST_WORKER_ID|CYPRESS)\b"""
    r"""|typeof(?:jest|describe|vi)!==?['"]undefined['"]"""
    r"""|(?:globalThis|global|window)\.(?:jest|__vitest\w*|Cypress)\b|['"](?:JEST_WORKER_ID|VITEST)['"]inprocess\.env"""
)


def special(script: Script, functions: Container[str]) -> Iterator[Mark]:
    """Code that answers some inputs by a literal or from a table, or behaves otherwise under test."""
    spans: list[tuple[int, int, str]] = []
    opened = {closing: opening for opening, closing in script.match.items()}
    for k, token in enumerate(script.tokens):
        if token.kind == "name" and token.text in functions:
            at = k + 1
            if script.is_(at, "="):
                at += 1
                while script.is_(at, "async", "function", "*"):
                    at += 1
            body = signature(script, at)[1] if script.is_(at, "(") or script.is_(at + 1, "=>") else None
            if body:
                spans.append((body[0], body[1], token.text))
    for k, given, answer in branches(script, 0, len(script.tokens)):
        owner = max(((a, b, name) for a, b, name in spans if a <= k < b), default=(0, 0, ""))[2]
        yield script.mark(
            "special_cased_input",
            f"{given} -> {answer}",
            k,
            f"one input has its own answer: `{given}` gives `{answer}`",
            owner,
        )
    for k, token in enumerate(script.tokens):
        if script.is_(k, "}") and script.is_(k + 1, "[", ")"):
            opening = opened.get(k)
            access = k + 1 if script.is_(k + 1, "[") else k + 2 if script.is_(k + 2, "[") else None
            if opening and access and is_literal(script, opening, k + 1) and script.is_(k - 1, ",") | (k - opening > 3):
                owner = max(((a, b, name) for a, b, name in spans if a <= k < b), default=(0, 0, ""))[2]
                table = script.text(opening, k + 1)
                yield script.mark("special_cased_input", f"table {table}", k, f"answers from a table: `{table}`", owner)
        if token.text in ("process", "typeof", "globalThis", "global", "window") or token.kind == "string":
            said = UNDER_TEST.match(script.text(k, k + 8))
            if said:
                yield script.mark(
                    "special_cased_input", f"under test {said.group()}", k, f"behaves otherwise under test: `{said.group()}`"
                )


def swallowed(script: Script) -> Iterator[Mark]:
    """Handlers that do nothing about an error."""
    for k in script.where(0, len(script.tokens), "catch"):
        if script.is_(k - 1, ".") and script.is_(k + 1, "(") and k + 1 in script.match:
            said = script.text(k + 2, script.match[k + 1])
            if re.fullmatch(
                r"(?:\(?\w*\)?=>(?:\{(?:return(?:null|undefined|false|''|\[\])?;?)?\}|null|undefined|void0|false|\[\]|''|\(\{\}\))"
                r"|function\(\w*\)\{\}|noop|\w+\.noop)",
                said,
            ):
                yield script.mark("swallowed_error", f".catch({said})", k, f"`.catch({said})`")
        elif script.is_(k - 1, "}"):
            brace = script.match.get(k + 1, k) + 1 if script.is_(k + 1, "(") else k + 1
            if script.is_(brace, "{") and brace in script.match:
                inside = script.text(brace + 1, script.match[brace])
                if re.fullmatch(r"(?:return(?:null|undefined|false|true|''|\"\"|\[\]|\{\}|-?\d+)?|continue|break)?;?", inside):
                    yield script.mark("swallowed_error", f"catch {{{inside}}}", k, f"`catch {{ {inside} }}`")
