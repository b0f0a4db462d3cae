"""`pyright --outputjson` (and basedpyright's): diagnostics and a summary."""

from __future__ import annotations

from git_hone.hooks.parsers.counts import Counts, count, findings, load_json, need

FORM = "pyright JSON"


def parse(data: bytes) -> Counts:
    """Errors and warnings as the summary counts them, rules and files from the diagnostics. Raises DataError."""
    report = need(load_json(data, FORM), dict, FORM, "line 1")
    summary = need(report.get("summary"), dict, FORM, "summary")
    found = []
    for n, entry in enumerate(need(report.get("generalDiagnostics"), list, FORM, "generalDiagnostics")):
        need(entry, dict, FORM, f"diagnostic {n}")
        path = need(entry.get("file", ""), str, FORM, f"diagnostic {n} file")
        rule = need(entry.get("rule"), (str, type(None)), FORM, f"diagnostic {n} rule")
        found.append((path, rule, str(entry.get("severity"))))
    version = need(report.get("version"), (str, type(None)), FORM, "version")
    errors = count(summary.get("errorCount"), FORM, "summary errorCount")
    warnings = count(summary.get("warningCount"), FORM, "summary warningCount")
    return findings(found, errors=errors, warnings=warnings, tool="pyright", tool_version=version)
