"""`git hone doctor`: every check in one line, with its next step; `--repair` mends."""

from __future__ import annotations

import json
from pathlib import Path

import click

from git_hone.hooks import place
from git_hone.hooks.install import damages, doctor


@click.command("doctor")
@click.option("--repair", is_flag=True, help="Mend what can be mended; nothing is deleted, damaged files are set aside.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(repair: bool, as_json: bool) -> int:
    """Check the installation and the records; exit 1 when something is wrong.

    \b
    Example:
      git hone doctor
      git hone doctor --repair
    """
    found = doctor.examine(place.find(Path.cwd()), repair)
    told = damages.as_dict(found)
    if as_json:
        click.echo(json.dumps(told, sort_keys=True))
    else:
        for finding in found:
            mark = "repaired" if finding.repaired and finding.ok else "ok" if finding.ok else "problem"
            click.echo(f"{mark:8}  {finding.check}: {finding.words}")
            if finding.means and not finding.ok:
                click.echo(f"          {finding.severity}: {finding.means}")
            if finding.next and not finding.ok:
                click.echo(f"          next: {finding.next}")
    return 0 if told["ok"] else 1
