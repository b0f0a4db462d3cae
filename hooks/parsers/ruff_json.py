"""`ruff check --output-format json`: one array of diagnostics."""

from __future__ import annotations

from git_hone.hooks.parsers.counts import Counts, findings, load_json, need

FORM = "ruff JSON"


def parse(data: bytes) -> Counts:
    """Errors by rule and file; a syntax error has no code and counts as "invalid-syntax". Raises DataError."""
    found = []
    for n, entry in enumerate(need(load_json(data, FORM), list, FORM, "line 1")):
        need(entry, dict, FORM, f"entry {n}")
        path = need(entry.get("filename"), (str, type(None)), FORM, f"entry {n} filename")
        code = need(entry.get("code"), (str, type(None)), FORM, f"entry {n} code")
        found.append((path or "", code or "invalid-syntax", "warning" if entry.get("severity") == "warning" else "error"))
    return findings(found, tool="ruff")
