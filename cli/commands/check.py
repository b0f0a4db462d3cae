"""`git hone check`: run a tool, record its signal, pass its exit code on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from git_hone.hooks.check import DEFAULTS, KINDS, Report, check

FILE: Final = click.Path(path_type=Path)


@click.command("check", short_help="Run a tool, record its signal, pass its exit code on.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("arguments", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--report", "reports", multiple=True, type=FILE, help="A report that the command writes; its format is recognised.")
@click.option("--junit", multiple=True, type=FILE, help="A JUnit XML report that the command writes.")
@click.option("--sarif", multiple=True, type=FILE, help="A SARIF report that the command writes.")
@click.option("--coverage", multiple=True, type=FILE, help="A coverage report (coverage.py JSON, Cobertura, LCOV).")
def command(
    kind: str,
    arguments: tuple[str, ...],
    reports: tuple[Path, ...],
    junit: tuple[Path, ...],
    sarif: tuple[Path, ...],
    coverage: tuple[Path, ...],
) -> int:
    """Run COMMAND, without a shell, and record what it measured under the tree it measured.

    Output and exit code are the command's own, byte for byte. Without a COMMAND: lint runs `ruff check .`, type `mypy .`,
    test `pytest`, boundary `lint-imports`, compile `python -m compileall` on the tracked files, and schema checks the
    repository's own JSON, TOML and YAML.

    \b
    Examples:
      git hone check lint -- ruff check .
      git hone check test -- pytest -q
      git hone check test --junit report.xml -- make test
      git hone check schema
    """
    if not arguments and kind not in (*DEFAULTS, "compile", "schema"):
        raise click.UsageError(f"{kind} has no default: name the command, as in `git hone check {kind} -- pytest --cov`")
    found = [Report(path) for path in (*reports, *coverage)]
    found += [Report(path, "junit") for path in junit] + [Report(path, "sarif") for path in sarif]
    return check(kind, arguments, found)
