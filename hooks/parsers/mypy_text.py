"""What mypy prints."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, findings, lines_of, nothing_found

FORM = "mypy text"
FINDING = re.compile(r"(.+?):\d+(?::\d+)*: error: .*?(?:  \[([a-z0-9-]+)\])?$")
TOTAL = re.compile(r"Found (\d{1,9}) errors? in \d+ files? \((?:checked \d+ source files?|errors prevented further checking)\)$")
CLEAN = re.compile(r"Success: no issues found in \d+ source files?$")


def parse(data: bytes) -> Counts:
    """Errors as the closing line counts them, by code and file. Raises DataError when there is no closing line."""
    total: int | None = None
    found: list[tuple[str, str | None, str]] = []
    for line in lines_of(data):
        if match := FINDING.match(line):
            found.append((match[1], match[2], "error"))
        elif match := TOTAL.match(line):
            total = (total or 0) + int(match[1])
        elif CLEAN.match(line):
            total = total or 0
    if total is None:
        raise nothing_found(FORM, data)
    return findings(found, errors=total, tool="mypy")
