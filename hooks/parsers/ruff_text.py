"""What ruff prints: `ruff check` (full, concise, grouped) and `ruff format --check`."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, findings, lines_of, nothing_found

FORM = "ruff text"
TOTAL = re.compile(r"Found (\d{1,9}) errors?(?: \(\d+ fixed, (\d{1,9}) remaining\))?\.$")
FORMAT = re.compile(
    r"(?:(\d{1,9}) files? would be reformatted(?:, )?)?(?:(\d{1,9}) files? (?:already formatted|left unchanged))?$"
)
CLEAN = re.compile(r"All checks passed!$")
CONCISE = re.compile(r"(\S.*?):(\d+):(\d+): ([A-Z]+\d+|[a-z]+(?:-[a-z]+)+|SyntaxError)\b")
HEAD = re.compile(r"([A-Z]+\d+|[a-z]+(?:-[a-z]+)+)(?: \[[*-]\])?:? ")
ARROW = re.compile(r" *--> (.+?):\d+:\d+$")


def parse(data: bytes) -> Counts:
    """Errors as the last "Found N errors" says (those that remain after --fix), rules and files from the findings.

    Raises DataError when no closing line is there (`--quiet` prints none).
    """
    total: int | None = None
    found: list[tuple[str, str | None, str]] = []
    rule: str | None = None
    for line in lines_of(data):
        if match := TOTAL.match(line):
            total = (total or 0) + int(match[2] or match[1])
        elif CLEAN.match(line):
            total = total or 0
        elif line and (match := FORMAT.match(line)) and (match[1] or match[2]):
            total = (total or 0) + int(match[1] or 0)
        elif match := CONCISE.match(line):
            found.append((match[1], match[4], "error"))
        elif match := ARROW.match(line):
            found.append((match[1], rule, "error"))
            rule = None
        elif match := HEAD.match(line):
            rule = match[1]
    if total is None:
        raise nothing_found(FORM, data)
    return findings(found, errors=total, tool="ruff")
