"""ESLint's `--format json`: one entry a file. It carries the whole source, of which nothing is kept."""

from __future__ import annotations

from git_hone.hooks.parsers.counts import Counts, findings, load_json, need

FORM = "ESLint JSON"


def parse(data: bytes) -> Counts:
    """Errors and warnings by rule and file; a parsing error has no rule. Raises DataError."""
    found = []
    for n, entry in enumerate(need(load_json(data, FORM), list, FORM, "line 1")):
        need(entry, dict, FORM, f"entry {n}")
        path = need(entry.get("filePath"), str, FORM, f"entry {n} filePath")
        for m, message in enumerate(need(entry.get("messages"), list, FORM, f"entry {n} messages")):
            need(message, dict, FORM, f"entry {n} message {m}")
            rule = need(message.get("ruleId"), (str, type(None)), FORM, f"entry {n} message {m} ruleId")
            severity = need(message.get("severity"), int, FORM, f"entry {n} message {m} severity")
            found.append((path, rule or "fatal", {1: "warning", 2: "error"}.get(severity, "note")))
    return findings(found, tool="eslint")
