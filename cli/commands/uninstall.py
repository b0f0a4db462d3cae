"""`git hone uninstall`: put everything back as it was."""

from __future__ import annotations

import json
from pathlib import Path

import click

from git_hone.hooks import place
from git_hone.hooks.install import setup


@click.command("uninstall")
@click.option("--purge", is_flag=True, help="Delete the records and the notes too. There is no way back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(purge: bool, as_json: bool) -> int:
    """Take git-hone out of this repository: hooks, settings and configuration stand as before.

    The records (.agent/data) and the notes stay, unless --purge is given.

    \b
    Example:
      git hone uninstall
    """
    here = place.find(Path.cwd())
    was_installed = setup.is_installed(here)
    report = setup.uninstall(here, purge)
    if as_json:
        click.echo(json.dumps({"version": 1, "was_installed": was_installed, "kept": report.kept}, sort_keys=True))
        return 0
    click.echo("uninstalled" if was_installed else "git-hone was not installed here")
    for words in report.kept:
        click.echo(f"  kept {words}")
    return 0
