"""What `python -m compileall -q` prints: only what does not compile."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, findings, lines_of, nothing_found

FORM = "compileall text"
FINDING = re.compile(r"\*\*\* (?:Error compiling|Sorry:)\s*(?:'(.+)'\.\.\.)?")


def parse(data: bytes) -> Counts:
    """One error for each file that does not compile. Raises DataError when there is none to find."""
    found = [(match[1] or "", None, "error") for line in lines_of(data) if (match := FINDING.match(line))]
    if not found:
        raise nothing_found(FORM, data)
    return findings(found, tool="compileall")
