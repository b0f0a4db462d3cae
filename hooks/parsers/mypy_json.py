"""`mypy --output json`: one object a line."""

from __future__ import annotations

from git_hone.hooks.parsers.counts import Counts, findings, load_json, need
from git_hone.learner.errors import DataError

FORM = "mypy JSON"


def parse(data: bytes) -> Counts:
    """Errors by code and file; notes count nowhere. No line at all means no error. Raises DataError."""
    found = []
    for n, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = load_json(line, FORM)
        except DataError as error:
            raise DataError(f"{FORM}: line {n}: {error.message.rpartition(': ')[2]}") from error
        need(entry, dict, FORM, f"line {n}")
        path = need(entry.get("file"), str, FORM, f"line {n} file")
        code = need(entry.get("code"), (str, type(None)), FORM, f"line {n} code")
        found.append((path, code, str(entry.get("severity"))))
    return findings(found, tool="mypy")
