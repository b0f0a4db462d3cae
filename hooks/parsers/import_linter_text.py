"""What import-linter (`lint-imports`) prints: contracts kept and broken."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, findings, lines_of, nothing_found

FORM = "import-linter text"
TOTAL = re.compile(r"Contracts: (\d{1,9}) kept, (\d{1,9}) broken\.$")
BROKEN = re.compile(r"(.+?) BROKEN(?: \[[^\]]*\])?(?: \(.*\))?$")


def parse(data: bytes) -> Counts:
    """A broken contract is an error, under its name. Raises DataError when there is no closing line."""
    total: int | None = None
    found: list[tuple[str, str | None, str]] = []
    for line in lines_of(data):
        if match := TOTAL.match(line):
            total = int(match[2])
        elif match := BROKEN.match(line):
            found.append(("", match[1], "error"))
    if total is None:
        raise nothing_found(FORM, data)
    return findings(found, errors=total, tool="import-linter")
