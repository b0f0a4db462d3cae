"""`git hone signal`: file a report that something else made."""

from __future__ import annotations

import json
import os
import time
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, Final

import click

from git_hone.hooks import git
from git_hone.hooks.check import KINDS, Report, Target, file_signal, read_report, row
from git_hone.hooks.parsers import Counts
from git_hone.hooks.place import Place, find
from git_hone.hooks.reports.passthrough import Ran
from git_hone.hooks.reports.tools import Tool
from git_hone.hooks.reports.trees import measured_tree
from git_hone.learner.errors import UsageError

FILE: Final = click.Path(path_type=Path)
OPTIONS: Final = {"junit": "junit", "sarif": "sarif", "coverage": None, "lcov": "lcov", "cobertura": "cobertura",
                  "ruff": "ruff_json", "eslint": "eslint_json", "mypy": "mypy_json", "pyright": "pyright_json", "tap": "tap",
                  "report": None}  # fmt: skip
"""The option for each format; None: recognised by content."""


def _reports(given: click.Command) -> click.Command:
    for name, form in reversed(OPTIONS.items()):
        words = f"A report in the format {form}." if form else "A report; its format is recognised."
        given.params.append(click.Option([f"--{name}"], type=FILE, metavar="FILE", multiple=True, help=words))
    return given


@click.command("signal", short_help="File a report that something else made.")
@click.option("--kind", required=True, type=click.Choice(KINDS), help="What was measured.")
@click.option("--exit-code", type=click.IntRange(0, 255), help="The exit code of the tool.")
@click.option("--tree", metavar="REV", help="What was measured, when it is not what lies here now: a commit or a tree.")
@click.option("--tool", metavar="NAME", help="The tool's name, when the report does not say.")
@click.option("--json", "as_json", is_flag=True, help="Print the recorded row as JSON.")
def command(kind: str, exit_code: int | None, tree: str | None, tool: str | None, as_json: bool, **files: Any) -> int:
    """Record a tool's report, or only its exit code, under the tree that was measured.

    \b
    Examples:
      git hone signal --kind test --junit report.xml
      git hone signal --kind coverage --lcov lcov.info --tree HEAD
      git hone signal --kind lint --tool golangci-lint --exit-code 0
    """
    reports = [Report(path, OPTIONS[name]) for name, paths in files.items() for path in paths]
    if not reports and exit_code is None:
        raise click.UsageError("nothing to record: give a report, as with --junit FILE, or --exit-code N")
    place = find(Path.cwd())
    if not place.hone.is_dir():
        raise UsageError("git-hone is not set up here", tip="git hone init")
    counts = reduce(or_, [read_report(report, kind) for report in reports] or [Counts()])
    named = Tool(tool or counts.tool or "unknown", None)
    ran = None if exit_code is None else Ran(exit_code, 0)
    values = row(Target(place, _tree(place, tree)), kind, named, counts, ran, None, Path.cwd(), {})
    try:
        file_signal(place, values)
    except OSError as error:
        raise UsageError(f"{place.inbox}: {error.strerror}", tip="git hone doctor") from error
    click.echo(json.dumps({"version": 1, "at": time.time(), "signal": values}, sort_keys=True) if as_json else _words(values))
    return 0


def _tree(place: Place, rev: str | None) -> str:
    if rev is None:
        return measured_tree(place, os.environ)
    found = git.line(["rev-parse", "--verify", "-q", "--end-of-options", rev + "^{tree}"], place.cwd)
    if not found:
        raise UsageError(f"{rev}: no such commit or tree here", tip="git log --oneline shows the commits")
    return found


def _words(values: dict[str, Any]) -> str:
    verdict = {True: "passed", False: "failed", None: "no verdict"}[values["passed"]]
    numbers = [f"{values[name]} {name.replace('_', ' ')}" for name in ("errors", "warnings", "tests_passed", "tests_failed",
               "tests_skipped") if values[name] is not None]  # fmt: skip
    if values["coverage_pct"] is not None:
        numbers.append(f"coverage {values['coverage_pct']:g} %")
    return f"{values['kind']} {values['tool']} on {values['tree'][:12]}: {', '.join([verdict, *numbers])}"


command = _reports(command)
