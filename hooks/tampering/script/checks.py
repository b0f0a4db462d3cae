"""The assertions that a JavaScript test reaches."""

from __future__ import annotations

import re

from git_hone.hooks.tampering.facts import CONSTANT, EXACT, Check
from git_hone.hooks.tampering.script.matchers import check_of
from git_hone.hooks.tampering.script.tokens import Script


def checks_of(script: Script, start: int, end: int) -> list[Check]:
    """The assertions between two positions, in order."""
    silent = _silent(script, start, end)
    found: list[Check] = []
    for k in script.where(start, end, "expect", "assert", "t", "should"):
        token = script.tokens[k]
        if any(a <= k < b for a, b in silent):
            continue
        check = None
        if token.text == "expect" and script.is_(k + 1, "(") and k + 1 in script.match:
            check = _expect(script, k)
        elif token.text in ("assert", "t", "should") and not script.is_(k - 1, ".") and script.is_(k + 1, ".", "("):
            check = _assert(script, k)
        elif token.text == "should" and script.is_(k - 1, ".") and script.is_(k + 1, "(", "."):
            check = Check(
                script.text(max(start, k - 4), k - 1), EXACT, script.text(max(start, k - 4), min(end, k + 12)), token.line
            )
        if check is not None:
            found.append(check)
    return found


def _silent(script: Script, start: int, end: int) -> list[tuple[int, int]]:
    """Stretches whose assertions count for nothing: after a return, under `if (false)`, in a try whose catch is silent."""
    found = []
    for k in script.top(start, end):
        if (
            script.is_(k, "return")
            and not script.is_(k - 1, ")", "=>")
            and not script.is_(k + 1, "expect", "await", "Promise", "new")
        ):
            close = next(
                (
                    j
                    for j in range(k, end)
                    if script.tokens[j].text in (";", "}") or script.tokens[j].line > script.tokens[k].line
                ),
                end,
            )
            found.append((close, end))
            break
    for k in script.where(start, end, "if", "while", "try"):
        if (
            script.is_(k, "if", "while")
            and script.is_(k + 1, "(")
            and script.text(k + 2, script.match.get(k + 1, k + 2)) in ("false", "0", "!1", "!true")
        ):
            body = script.match[k + 1] + 1
            found.append((body, script.match.get(body, body + 12)))
        if script.is_(k, "try") and script.is_(k + 1, "{") and k + 1 in script.match:
            after = script.match[k + 1] + 1
            if script.is_(after, "catch"):
                brace = script.match.get(after + 1, after) + 1 if script.is_(after + 1, "(") else after + 1
                inside = script.text(brace, script.match.get(brace, brace))
                if not re.search(r"throw|expect|fail|reject|assert|done\(", inside):
                    found.append((k + 1, script.match[k + 1]))
    return found


def _expect(script: Script, k: int) -> Check | None:
    closing = script.match[k + 1]
    subject = script.text(k + 2, closing)
    at, chain, opening = closing + 1, list[str](), -1
    while script.is_(at, ".") and at + 1 < len(script.tokens) and script.tokens[at + 1].kind == "name":
        chain.append(script.tokens[at + 1].text)
        at += 2
        if script.is_(at, "(") and at in script.match:
            opening = at
            at = script.match[at] + 1
    line = script.tokens[k].line
    if script.is_(k - 1, ".") and set(chain) <= {
        "expect",
        "end",
        "then",
        "catch",
    }:  # supertest: what is asserted of is the request
        return Check(subject, EXACT, f"expect({subject})", line)
    if not chain:
        return Check(subject, CONSTANT, f"expect({subject})", line) if script.is_(at, ";", ")", "}") else None
    text = script.text(k, at)
    matcher = chain[-1]
    given = [script.text(*argument) for argument in script.arguments(opening)] if opening >= 0 else []
    return check_of(matcher, subject, given, "not" in chain, text, line)


def _assert(script: Script, k: int) -> Check | None:
    if script.is_(k + 1, "("):
        matcher, opening = "ok", k + 1
    elif k + 2 < len(script.tokens) and script.tokens[k + 2].kind == "name" and script.is_(k + 3, "("):
        matcher, opening = script.tokens[k + 2].text, k + 3
    else:
        return None
    if opening not in script.match or (
        script.is_(k, "t") and matcher in ("plan", "log", "teardown", "timeout", "context", "end", "test", "skip", "todo")
    ):
        return None
    given = [script.text(*argument) for argument in script.arguments(opening)]
    text = script.text(k, script.match[opening] + 1)
    return check_of(matcher, given[0] if given else "", given[1:], False, text, script.tokens[k].line)
