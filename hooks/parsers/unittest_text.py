"""What Python's unittest prints (on stderr)."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, lines_of, nothing_found, of_tests

FORM = "unittest text"
RAN = re.compile(r"Ran (\d{1,9}) tests? in [\d.]+s$")
END = re.compile(r"(OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$")
NAMED = re.compile(r"(?:FAIL|ERROR|UNEXPECTED SUCCESS): (\S+) \(([\w.]+)\)")


def parse(data: bytes) -> Counts:
    """Counts of the closing lines. Raises DataError when they are not there.

    failures counts subtests too, so failed tests are the named ones; an error outside a test (a class's setup) is not in
    "Ran N", and is added.
    """
    ran: int | None = None
    end: re.Match[str] | None = None
    failed: set[str] = set()
    for line in lines_of(data):
        if match := RAN.match(line):
            ran, end = int(match[1]), None
        elif ran is not None and (match := END.match(line)):
            end = match
        elif match := NAMED.match(line):
            name, where = match[1], match[2]
            failed.add(f"{where.removesuffix('.' + name)}::{name}")
    if ran is None or end is None:
        raise nothing_found(FORM, data)
    said = {key: int(n) for key, n in re.findall(r"([a-z][a-z ]*)=(\d{1,9})", end[2] or "")}
    skipped = said.get("skipped", 0) + said.get("expected failures", 0)
    bad = len(failed) or said.get("failures", 0) + said.get("errors", 0) + said.get("unexpected successes", 0)
    good = max(0, ran - bad - skipped)
    return of_tests(
        [(name, "failed") for name in failed], passed=end[1] == "OK" and good > 0, tests_passed=good, tests_failed=bad,
        tests_skipped=skipped, tests_total=good + bad + skipped, tool="unittest",
    )  # fmt: skip
