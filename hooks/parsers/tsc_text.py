"""What the TypeScript compiler prints, plain and --pretty. It prints nothing at all when all is well."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, findings, lines_of, nothing_found

FORM = "tsc text"
FINDING = re.compile(r"(?:(\S.*?)(?:\(\d+,\d+\):|:\d+:\d+ -) )?error (TS\d+): ")


def parse(data: bytes) -> Counts:
    """Errors by code and file. Raises DataError when there is none to find."""
    found = [(match[1] or "", match[2], "error") for line in lines_of(data) if (match := FINDING.match(line))]
    if not found:
        raise nothing_found(FORM, data)
    return findings(found, tool="tsc")
