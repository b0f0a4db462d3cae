"""TAP 13 and 14, from prove, node --test, tape, bats and others."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, of_tests
from git_hone.learner.errors import DataError

FORM = "TAP"
POINT = re.compile(r"(not )?ok\b(?: +(\d{1,9}))?(?: +-)?(?: +| *$)(.*)")
PLAN = re.compile(r"1\.\.(\d{1,9})(?:\s*#\s*(.*))?\s*$")
DIRECTIVE = re.compile(r"(?:^|[^\\])#\s*(skip|todo)\S*", re.IGNORECASE)


def parse(data: bytes) -> Counts:
    """Outcomes of the test points at the top level, as the specification has a harness count. Raises DataError.

    A test that was planned and not seen is a failed test; a failing TODO is an expected failure and counts as skipped.
    """
    outcomes: list[tuple[str, str]] = []
    plan: int | None = None
    bailed = False
    for n, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        if found := PLAN.match(line):
            if plan is not None:
                raise DataError(f"{FORM}: line {n}: a second plan")
            plan = int(found[1])
        elif found := POINT.match(line):
            outcomes.append(_outcome(found, len(outcomes) + 1))
        elif line.startswith("Bail out!"):
            bailed = True
    if plan is None and not bailed:
        raise DataError(f"{FORM}: line {data.count(10) + 1}: no plan (1..N)")
    missing = max(0, (plan or 0) - len(outcomes))
    counts = of_tests(outcomes, also_failed=missing)
    return Counts(**vars(counts) | {"passed": False}) if bailed else counts


def _outcome(found: re.Match[str], number: int) -> tuple[str, str]:
    words = found[3]
    directive = DIRECTIVE.search(" " + words)
    name = words[: max(0, directive.start() - 1)].rstrip(" #") if directive else words.strip()
    failed = found[1] is not None
    what = directive[1].lower() if directive else ""
    if what == "skip" or (what == "todo" and failed):
        return name or f"test {number}", "skipped"
    return name or f"test {number}", "failed" if failed else "passed"
