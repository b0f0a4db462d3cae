"""A JavaScript test that both sides share is not read, and no answer changes for it."""

from __future__ import annotations

import random

import pytest

from git_hone.hooks.tampering import FileChange, Flag, judge
from git_hone.hooks.tampering.script import reading as script

PATH = "test/app.js"
HEAD = "describe('app', function () {\n"
PLAIN = "  it('case {k}', function () {{\n    var x = f({k})\n    assert.equal(x, {k})\n  }})\n"
EDITS = [
    ("assert.equal(x,", "assert.ok(x,"),
    ("    assert.equal(x,", "    return\n    assert.equal(x,"),
    ("    var x", "    this.skip()\n    var x"),
    ("it(", "it.skip("),
    ("it(", "xit("),
    ("it(", "helper("),
    ("assert.equal(x, ", "assert.equal(7, 7) // "),
    ("f(", "g("),
    ("    assert.equal", "    try {\n    assert.equal(x, 1) } catch (e) {}\n    //"),
    ("case", "other case"),
]


def flags(before: str, after: str) -> list[Flag]:
    return judge([FileChange(PATH, None, before.encode(), after.encode())])


def whole(tests: list[str]) -> str:
    return HEAD + "".join(tests) + "})\n"


TESTS = [PLAIN.format(k=k) for k in range(12)]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_left_out_changes_no_answer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    before, after = list(TESTS), list(TESTS)
    for side in (before, after):  # two of one name, too
        side.insert(chance.randrange(12), PLAIN.format(k=chance.randrange(12)).replace("f(", "h("))
    for _ in range(chance.randrange(1, 4)):
        k = chance.randrange(len(after))
        after[k] = after[k].replace(*chance.choice(EDITS))
    chance.choice([before, after]).insert(chance.randrange(12), "  // a comment moves what follows\n")
    short = flags(whole(before), whole(after))
    with monkeypatch.context() as patch:
        patch.setattr(script.Reader, "leave_out", lambda self, other: None)
        assert flags(whole(before), whole(after)) == short


def test_only_what_is_the_same_token_for_token_and_line_for_line_is_left_out() -> None:
    def left_out(before: str, after: str) -> int:
        left, right = (script.Reader(PATH, text, True) for text in (before, after))
        left.leave_out(right)
        assert left.known == right.known
        return len(left.known)

    text = whole(TESTS)
    assert left_out(text, "// moved\n\n" + text) == 12
    for edit in EDITS:
        assert left_out(text, whole([TESTS[0].replace(*edit), *TESTS[1:]])) == 11
    assert left_out(text, text.replace("var x = f(3)", "return\nf(3)")) == 11
    assert left_out(text, whole([*TESTS, TESTS[0]])) == 11  # which of the two it was, nobody knows
    assert left_out(text, text.replace("describe(", "describe.skip(")) == 0
    sides = script.read(PATH, PATH, text.encode(), text.replace("assert.equal(x, 3)", "assert.ok(x)").encode(), False)
    assert [[test.leaf for test in side.tests if test.checks] for side in sides] == [["case 3"]] * 2


def test_a_group_that_is_skipped_takes_its_shared_tests_along() -> None:
    found = flags(whole(TESTS), whole(TESTS).replace("describe(", "describe.skip("))
    assert [flag.kind for flag in found] == ["test_skipped"] * 12


@pytest.mark.parametrize(
    "line",
    [
        "results.numFailedTests = 0",
        "run.stats.failures = 0",
        "test.result.state = 'passed'",
        "process.exit(0)",
        "process.exitCode = 0",
        "globalThis.it = quiet",
        "expect.prototype.toBe = quiet",
        "assert.equal = quiet",
        "expect = quiet",
        "expect.extend({ toBe() { return { pass: true } } })",
    ],
)
def test_each_way_to_edit_the_harness_is_seen_wherever_the_statement_stands(line: str) -> None:
    for before in ("", "var a = 1\n", "if (a) {\n}\n"):
        found = judge([FileChange("jest.setup.js", None, before.encode(), f"{before}{line}\n".encode())])
        assert {flag.kind for flag in found} == {"harness_edited"}
        assert found[0].line == before.count("\n") + 1
        mention = f'{before}log("{line.replace(chr(34), chr(39))}") // {line}\n'
        assert judge([FileChange("jest.setup.js", None, before.encode(), mention.encode())]) == []
