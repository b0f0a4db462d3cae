"""The calls of `it`, `test` and `describe` in a script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from git_hone.hooks.tampering.facts import Mark
from git_hone.hooks.tampering.script.tokens import Script

TESTS: Final = {"it", "test", "specify", "xit", "xtest", "xspecify", "fit", "ftest"}
GROUPS: Final = {"describe", "context", "suite", "xdescribe", "xcontext", "fdescribe", "fcontext"}
SKIPPING: Final = {"skip", "todo", "failing", "fails", "fixme", "skipIf", "runIf"}
CALLED: Final = tuple(TESTS | GROUPS)


class Block(NamedTuple):
    """A call of `it` or `test`: the path of its titles, its line, where its bracket opens, how often it runs, why it is skipped."""

    name: str
    line: int
    opening: int
    cases: int
    skip: str


def blocks(script: Script) -> tuple[list[Block], list[Mark]]:
    """The tests in their order, and a mark for each test or group that leaves all others out."""
    found: list[Block] = []
    marks: list[Mark] = []
    groups: list[tuple[int, int, str, str]] = []  # start, end, title, why skipped
    for k, name, modifiers, opening, cases in _calls(script):
        first = script.arguments(opening)[0]
        token = script.tokens[first[0]]
        line = script.tokens[k].line
        inside = [group for group in groups if group[0] < k < group[1]]
        if token.kind not in ("string", "template") and name == "test" and modifiers in (["skip"], ["fixme"]):
            continue  # Playwright: a condition inside a test
        said = f"`{name}{''.join('.' + m for m in modifiers)}`"
        skip = said if name.startswith("x") or set(modifiers) & SKIPPING else next((group[3] for group in inside if group[3]), "")
        if "only" in modifiers or name.startswith("f"):
            marks.append(script.mark("test_skipped", f"only {said}", k, f"{said} leaves every other test out"))
        title = token.text[1:-1] if token.kind in ("string", "template") else script.text(*first)
        if name in GROUPS:
            groups.append((opening, script.match[opening], title, skip))
            continue
        path = "::".join([*(group[2] for group in inside), title])
        found.append(Block(path, line, opening, cases, skip))
    return found, marks


def _calls(script: Script) -> Iterator[tuple[int, str, list[str], int, int]]:
    """(index, name, modifiers, opening bracket, cases) of each call of it, test, describe and the like."""
    for k in script.where(0, len(script.tokens), *CALLED):
        if script.is_(k - 1, ".", "function", "?."):
            continue
        token = script.tokens[k]
        at, modifiers, cases = k + 1, list[str](), 1
        while script.is_(at, ".") and at + 1 < len(script.tokens) and script.tokens[at + 1].kind == "name":
            modifiers.append(script.tokens[at + 1].text)
            at += 2
        if modifiers and modifiers[-1] in ("each", "for") and at < len(script.tokens):
            if script.tokens[at].kind == "template":
                cases = max(1, script.tokens[at].text.count("\n") - 1)
                at += 1
            elif script.is_(at, "(") and at in script.match:
                inner = at + 1
                cases = max(1, len(script.arguments(inner))) if script.is_(inner, "[") else 1
                at = script.match[at] + 1
        elif modifiers and modifiers[-1] in ("skipIf", "runIf") and at in script.match:
            said = script.text(at + 1, script.match[at])
            if said not in ("true", "!0", "1") if modifiers[-1] == "skipIf" else said not in ("false", "!1", "0"):
                modifiers[-1] = "conditional"
            at = script.match[at] + 1
        if script.is_(at, "(") and at in script.match and script.arguments(at):
            yield k, token.text, modifiers, at, cases
