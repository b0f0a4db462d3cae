"""The table that `coverage report` and pytest-cov print, and Istanbul's: only its total."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, lines_of, nothing_found

FORM = "coverage text"
TOTAL = re.compile(r"TOTAL +(\d+) +\d+(?: +\d+ +\d+)? +(\d{1,3}(?:\.\d+)?)%")
ISTANBUL = re.compile(r"All files +\|(?: +[\d.]+ \|){2,3} +(\d{1,3}(?:\.\d+)?) \|")


def parse(data: bytes) -> Counts:
    """The total in percent, rounded as the tool prints it; null for no statement. Raises DataError when there is no total."""
    for line in reversed(lines_of(data)):
        if match := TOTAL.match(line):
            return Counts(coverage_pct=min(100.0, float(match[2])) if int(match[1][:15]) else None, tool="coverage")
        if match := ISTANBUL.match(line):
            return Counts(coverage_pct=min(100.0, float(match[1])))
    raise nothing_found(FORM, data)
