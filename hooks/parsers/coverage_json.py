"""coverage.py's `coverage json`."""

from __future__ import annotations

from git_hone.hooks.parsers.counts import Counts, bounded, count, load_json, need

FORM = "coverage JSON"


def parse(data: bytes) -> Counts:
    """The total in percent (with branches when they were measured), missing lines by file. Raises DataError.

    No statement at all is nothing measured: null, although coverage.py calls it 100.
    """
    report = need(load_json(data, FORM), dict, FORM, "line 1")
    totals = need(report.get("totals"), dict, FORM, "totals")
    share = float(need(totals.get("percent_covered"), (int, float), FORM, "totals percent_covered"))
    statements = count(totals.get("num_statements"), FORM, "totals num_statements")
    files = {}
    for path, entry in need(report.get("files", {}), dict, FORM, "files").items():
        summary = need(need(entry, dict, FORM, "files entry").get("summary"), dict, FORM, "files summary")
        files[path] = count(summary.get("missing_lines"), FORM, "files missing_lines")
    meta = need(report.get("meta", {}), dict, FORM, "meta")
    version = need(meta.get("version"), (str, type(None)), FORM, "meta version")
    return Counts(
        coverage_pct=round(min(100.0, max(0.0, share)), 2) if statements else None,
        details=bounded({"files": {path: n for path, n in files.items() if n}}),
        tool="coverage",
        tool_version=version,
    )
