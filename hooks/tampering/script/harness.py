"""Signs that a script edits the machinery of its tests: runners and matchers replaced, outcomes set, runs that end with success."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from git_hone.hooks.tampering.facts import Mark
from git_hone.hooks.tampering.script.tokens import Script

SELF: Final = ("it", "test", "describe", "expect", "assert", "chai", "jest", "vi", "process", "global", "globalThis", "window")
"""Where a statement that edits the machinery begins, unless it sets an outcome."""
OUTCOMES: Final = (
    "numFailedTests",
    "numFailedTestSuites",
    "failures",
    "failed",
    "failureCount",
    "status",
    "state",
    "outcome",
    "success",
)
ENDS: Final = re.compile(r"process\.exit\((?:0|)\)|process\.exitCode=0")
GLOBAL: Final = re.compile(r"(?:global|globalThis|window)\.(?:it|test|expect|describe|assert|xit|beforeEach|afterEach)=(?!=)")
PART: Final = re.compile(r"(?:it|test|describe|expect)=(?!=|>)")
EXTENDS: Final = re.compile(r"expect\.extend\(\{")
MEMBER: Final = re.compile(
    r"(?:expect|assert|chai|jest)(?:\.prototype|\.Assertion)?\.(?!extend|config|use|setTimeout)\w+=(?!=|>)"
)
FAILED: Final = re.compile(r"(?:\w+\.)?(?:numFailedTests|numFailedTestSuites|failures|failed|failureCount)=0")
PASSED: Final = re.compile(r"(?:\w+\.)+(?:status|state|outcome|success)=(?:'passed'|\"passed\"|'pass'|true)")
MOCKS: Final = re.compile(r"(?:jest|vi)\.(?:mock|doMock)\(")


def edits(script: Script, path: str, as_test: bool, setup: bool) -> Iterator[Mark]:
    """What replaces a part of the runner, sets an outcome or ends the run; of a test file, also the module under test replaced.
    `setup`: the file belongs to what runs the tests."""
    stem = re.split(r"[.-](?:test|spec|cy|e2e)\b", PurePosixPath(path).name)[0]
    for k in _statements(script, setup):
        said = script.text(k, k + 6)
        if setup and ENDS.match(said):
            yield script.mark("harness_edited", said[:16], k, f"ends the run with success: `{said}`")
        elif GLOBAL.match(said) or (setup and PART.match(said) and not script.is_(k - 1, "const", "let", "var", ",", "{", ".")):
            yield script.mark("harness_edited", said, k, f"replaces a part of the runner: `{said}`")
        elif EXTENDS.match(said) and k + 3 in script.match:
            inside = script.text(k + 3, script.match[k + 3])
            if re.search(r"\bto(?:Be|Equal|StrictEqual|Throw|Match|Contain)\b[:(]|pass:true", inside):
                yield script.mark(
                    "harness_edited", "expect.extend", k, "defines a matcher that always passes, or in place of another"
                )
        elif MEMBER.match(said) and setup:
            yield script.mark("harness_edited", said, k, f"replaces a part of the runner: `{said}`")
        elif (setup and FAILED.match(said)) or (setup and PASSED.match(said)):
            yield script.mark("harness_edited", said[:24], k, f"sets the outcome: `{said}`")
        elif as_test and MOCKS.match(said) and script.tokens[k + 4].kind == "string":
            module = PurePosixPath(script.tokens[k + 4].text[1:-1]).name.split(".")[0]
            if module and module == stem:
                yield script.mark("subject_mocked", f"module {module}", k, f"`{module}`, which this file tests, is replaced")


def _statements(script: Script, setup: bool) -> list[int]:
    """Names from which something may be said of the machinery: few, so that the rest costs nothing."""
    size = len(script.tokens)
    found = {k for k in script.where(0, size, *SELF) if script.is_(k + 1, ".", "=")}
    if setup:
        set_ = [k for k in script.where(0, size, *OUTCOMES) if script.is_(k + 1, "=")]
        found.update(k for at in set_ for k in range(max(0, at - 4), at + 1))
    return sorted(k for k in found if script.tokens[k].kind == "name")
