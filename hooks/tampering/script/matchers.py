"""How much an assertion of JavaScript asks for, by the name of its matcher."""

from __future__ import annotations

import re
from typing import Final

from git_hone.hooks.tampering.facts import CLOSE, CONSTANT, EXACT, ORDER, PARTIAL, TRUTHY, Check

WEAKER: Final = {
    TRUTHY: "toBeDefined toBeTruthy toBeFalsy exist ok isOk isDefined isNotNull exists truthy falsy pass notNull toHaveBeenCalled called"
            " toBeInTheDocument notEqual notStrictEqual notDeepEqual not isNotEmpty",
    ORDER: "toBeGreaterThan toBeGreaterThanOrEqual toBeLessThan toBeLessThanOrEqual toBeInstanceOf above below least most instanceOf"
           " instanceof isAbove isBelow a an toBeTypeOf isObject isArray isString isNumber throws greaterThan",
    PARTIAL: "toContain toMatch toMatchObject toContainEqual include includes match toHaveProperty property contain toHaveLength lengthOf"
             " toHaveBeenCalledTimes calledOnce like regex",
    CLOSE: "toBeCloseTo closeTo approximately toMatchSnapshot toMatchInlineSnapshot toHaveBeenCalledWith calledWith"
           " toHaveBeenLastCalledWith",
}  # fmt: skip
STRENGTH: Final = {name: strength for strength, names in WEAKER.items() for name in names.split()}
"""Every other matcher asserts a value."""
THROWS: Final = {"toThrow", "toThrowError", "throw", "throws", "rejects", "throwsAsync"}


def check_of(matcher: str, subject: str, given: list[str], negated: bool, text: str, line: int) -> Check:
    """An assertion by its matcher. subject: what is looked at; given: the matcher's arguments."""
    first = given[0] if given else ""
    literal = bool(re.fullmatch(r"true|false|null|undefined|-?\d[\d.]*|'[^']*'|\"[^\"]*\"", subject))
    simple = literal or bool(re.fullmatch(r"[\w$.]+", subject))
    if not negated and (
        (literal and subject == first)
        or (
            simple
            and subject == first
            and matcher in ("toBe", "toEqual", "toStrictEqual", "equal", "eql", "strictEqual", "deepEqual", "is", "same")
        )
        or (subject == "true" and matcher in ("toBeTruthy", "toBeDefined", "ok", "true", "isTrue", "truthy", "isOk"))
        or (
            literal
            and subject not in ("false", "null", "undefined", "0", "''", '""')
            and matcher in ("toBeTruthy", "toBeDefined", "ok", "truthy")
        )
        or (matcher == "ok" and (subject == "" or subject.endswith("||true")))
        or matcher == "pass"
        or subject.endswith("||true")
    ):
        return Check("", CONSTANT, text, line)
    if matcher in THROWS:
        broad = first in ("", "Error")
        return Check(f"raises {subject}", ORDER if broad else CLOSE, text, line, None, (first or "Error",))
    strength = STRENGTH.get(matcher, EXACT)
    slack = None
    if matcher == "toBeCloseTo":
        digits = given[1] if len(given) > 1 else "2"
        slack = 10.0 ** -int(digits) if re.fullmatch(r"-?\d+", digits) else None
    elif matcher in ("closeTo", "approximately") and len(given) > 1 and re.fullmatch(r"[\d.]+(?:e-?\d+)?", given[1]):
        slack = float(given[1])
    elif strength == ORDER and re.fullmatch(r"-?[\d.]+", first):
        slack = float(first) * (1 if re.search(r"[Ll]ess|below|most", matcher) else -1)
    if (
        re.search(r"expect\.any(?:thing)?\(|expect\.(?:objectContaining|stringContaining|arrayContaining|stringMatching)\(", text)
        and strength >= CLOSE
    ):
        strength = TRUTHY if re.fullmatch(r"expect\.any(?:thing)?\(.*\)", first) else PARTIAL
    if negated:
        strength = TRUTHY
    if subject.endswith(".length"):
        subject, strength = subject.removesuffix(".length"), min(strength, max(TRUTHY, strength - 1))
    if subject.startswith(("!!", "Boolean(")):
        subject, strength = subject.removeprefix("!!").removeprefix("Boolean(").removesuffix(")"), TRUTHY
    if re.match(r"(?:typeof|Array\.isArray\()", subject):
        subject, strength = re.sub(r"^(?:typeof|Array\.isArray\()|\)$", "", subject), ORDER
    if re.search(r"\.(?:includes|startsWith|some|every|has)\(", subject) and first in ("true", ""):
        subject, strength = re.split(r"\.(?:includes|startsWith|some|every|has)\(", subject)[0], min(strength, PARTIAL)
    return Check(subject, strength, text, line, slack)
