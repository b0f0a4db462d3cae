"""The gate's report: Markdown for a job's summary, JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

from git_hone.learner.gating.verdict import Check, Decision

MARKS: Final = {"pass": "yes", "fail": "**no**", "missing": "not measured"}


def as_json(decision: Decision) -> str:
    """One object, `version` 1; a later version 1 may add fields."""
    return json.dumps({"version": 1} | asdict(decision), indent=1, sort_keys=True) + "\n"


def markdown(decision: Decision) -> str:
    """A report that says first what is to be done, then why, then every check with its number."""
    verdict = "promote" if decision.promote else "refuse"
    seen = (
        f"With {decision.tasks} tasks, a difference of {100 * decision.detectable:.0f} points is seen four times in five; a smaller "
        "one mostly is not."
        if decision.detectable is not None
        else f"With {decision.tasks} tasks, no difference of any size is seen four times in five."
    )
    lines = [
        f"# Gate: {verdict} {cell(decision.candidate)}",
        "",
        cell(decision.reason),
        "",
        f"Against {cell(decision.incumbent)}, on suite {decision.suite} ({decision.suite_hash[:12]}), look {decision.look}, level "
        f"{decision.level:g}.",
        "",
        "| target tasks | incumbent passes | incumbent fails |",
        "|---|---|---|",
        f"| candidate passes | {decision.both} | {decision.won} |",
        f"| candidate fails | {decision.lost} | {decision.neither} |",
        "",
        seen,
        "",
        "| check | holds | what was found |",
        "|---|---|---|",
        *(f"| {check.name} | {_mark(check, decision)} | {cell(check.words)} |" for check in decision.checks),
        "",
        "Intervals are percentile bootstraps over file families; the test is McNemar's, exact, one-sided. The thresholds stand in "
        "`promotion` of `.agent/learning-config.json`.",
        "",
    ]
    return "\n".join(lines)


def _mark(check: Check, decision: Decision) -> str:
    waived = check.outcome == "missing" and check.name in decision.thresholds["optional"]
    return "not measured, may be missing" if waived else MARKS[check.outcome]


def cell(text: str) -> str:
    """Foreign words as one line of Markdown, with nothing in them that ends a cell or starts a tag.

    >>> print(cell("a|b  <img>"))
    a\\|b &lt;img>
    """
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
