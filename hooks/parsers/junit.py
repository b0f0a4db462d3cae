"""JUnit XML, in the dialects of pytest, Surefire, Gradle, Jest, GoogleTest, go-junit-report and others.

The host's name, the output and the messages are left behind.
"""

from __future__ import annotations

import re
from typing import Any

from git_hone.hooks.parsers.counts import Counts, of_tests
from git_hone.hooks.parsers.markup import walk
from git_hone.learner.errors import DataError

FORM = "JUnit XML"
OUTCOME = {"failure": "failed", "error": "failed", "skipped": "skipped", "disabled": "skipped"}


def parse(data: bytes) -> Counts:
    """One outcome for each `testcase`, however deep its suite; a failure outweighs a skip. Raises DataError.

    A suite that holds no test but says it failed (a class that could not be set up) counts as that many failures.
    """
    reader = _Reader()
    walk(data, FORM, reader.start, reader.end)
    return of_tests(reader.outcomes, also_failed=reader.also_failed)


def outcomes(data: bytes) -> dict[str, str]:
    """{test id: passed | failed | skipped} of every test; of one that stands there twice, the worse. Raises DataError.

    >>> outcomes(b'<testsuite><testcase file="t.py" classname="t" name="a"/><testcase name="b"><failure/></testcase></testsuite>')
    {'t.py::a': 'passed', 'b': 'failed'}
    """
    reader = _Reader()
    walk(data, FORM, reader.start, reader.end)
    found: dict[str, str] = {}
    for name, outcome in reader.outcomes:
        if found.get(name) != "failed":
            found[name] = outcome
    return found


class _Reader:
    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.also_failed = 0
        self._suites: list[dict[str, Any]] = []
        self._case: tuple[str, str] | None = None
        self._open: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag not in ("testsuites", "testsuite"):
            raise DataError(f"{FORM}: line 1: the root is <{tag[:40]}>, expected <testsuites> or <testsuite>")
        self._open.append(tag)
        if tag == "testsuite":
            for above in self._suites:
                above["filled"] = True
            self._suites.append({"attributes": attributes, "filled": False})
        elif tag == "testcase" and self._case is None:
            for above in self._suites:
                above["filled"] = True
            self._case = (self._id(attributes), "skipped" if _did_not_run(attributes) else "passed")
        elif tag in OUTCOME and self._case is not None and self._open[-2:-1] == ["testcase"]:
            name, outcome = self._case
            self._case = (name, "failed" if outcome == "failed" else OUTCOME[tag])

    def end(self, tag: str) -> None:
        self._open.pop()
        if tag == "testcase" and self._case is not None and "testcase" not in self._open:
            self.outcomes.append(self._case)
            self._case = None
        elif tag == "testsuite":
            suite = self._suites.pop()
            if not suite["filled"]:
                self.also_failed += sum(_number(suite["attributes"].get(key)) for key in ("failures", "errors"))

    def _id(self, attributes: dict[str, str]) -> str:
        files = [attributes.get("file"), *(suite["attributes"].get("file") for suite in reversed(self._suites))]
        file = next((file for file in files if file), "").removeprefix("./")
        return test_id(file, attributes.get("classname", ""), attributes.get("name", ""))


def test_id(file: str, classname: str, name: str) -> str:
    """path::class::name, as far as known; a class that repeats its file's path as a module loses that part.

    >>> test_id("tests/test_a.py", "tests.test_a.TestX", "test_y[1]")
    'tests/test_a.py::TestX::test_y[1]'
    >>> test_id("", "com.x.FooTest", "works")
    'com.x.FooTest::works'
    """
    module = re.sub(r"\.\w+$", "", file).replace("/", ".").replace("\\", ".")
    if module and (classname == module or classname.startswith(module + ".")):
        classname = "::".join(classname[len(module) + 1 :].split("."))
    return "::".join(part for part in (file.replace("\\", "/"), classname, name) if part) or "?"


def _did_not_run(attributes: dict[str, str]) -> bool:
    return attributes.get("status") in ("notrun", "skipped", "disabled") or attributes.get("result") == "suppressed"


def _number(words: str | None) -> int:
    return int(words) if words and re.fullmatch(r"[0-9]{1,9}", words) else 0
