"""What pyright and basedpyright print."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, findings, lines_of, nothing_found

FORM = "pyright text"
FINDING = re.compile(r" *(.+?):\d+:\d+ - (error|warning|information)\b")
RULE = re.compile(r".*\((report\w+)\)$")
TOTAL = re.compile(r"(\d{1,9}) errors?, (\d{1,9}) warnings?, \d{1,9} (?:informations?|notes?) *$")


def parse(data: bytes) -> Counts:
    """Errors and warnings as the closing line counts them; a rule may stand lines below. Raises DataError."""
    totals: tuple[int, int] | None = None
    found: list[tuple[str, str | None, str]] = []
    for line in lines_of(data):
        if match := TOTAL.match(line):
            totals = (int(match[1]), int(match[2]))
        elif match := FINDING.match(line):
            found.append((match[1], None, match[2]))
        if found and found[-1][1] is None and (match := RULE.match(line)):
            found[-1] = (found[-1][0], match[1], found[-1][2])
    if totals is None:
        raise nothing_found(FORM, data)
    return findings(found, errors=totals[0], warnings=totals[1], tool="pyright")
