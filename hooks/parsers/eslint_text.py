"""ESLint's default ("stylish") text. It prints nothing at all when there is nothing to say."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, findings, lines_of, nothing_found

FORM = "ESLint text"
FINDING = re.compile(r"  +\d+:\d+  +(error|warning)  (.*)$")
RULE = re.compile(r".*  +(@?[\w-]+(?:/[\w-]+)*)$")
TOTAL = re.compile(r"✖ \d{1,9} problems? \((\d{1,9}) errors?, (\d{1,9}) warnings?\)$")


def parse(data: bytes) -> Counts:
    """Errors and warnings as the closing line counts them, by rule and file. Raises DataError."""
    totals: tuple[int, int] | None = None
    found: list[tuple[str, str | None, str]] = []
    path = ""
    for line in lines_of(data):
        if match := TOTAL.match(line):
            totals = (int(match[1]), int(match[2]))
        elif match := FINDING.match(line):
            rule = RULE.match(match[2])
            found.append((path, rule[1] if rule else None, match[1]))
        elif line and not line.startswith(" "):
            path = line
    if totals is None:
        raise nothing_found(FORM, data)
    return findings(found, errors=totals[0], warnings=totals[1], tool="eslint")
