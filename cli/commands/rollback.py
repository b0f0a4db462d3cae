"""`git hone rollback`: serve what was served before."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("rollback", short_help="Serve again what was served before.")
@click.option("--role", type=click.Choice(["coder", "fixer", "judge"]), default="coder", show_default=True, help="Whose model.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(role: str, as_json: bool) -> int:
    """Serve again what was served before the last deployment of a role: one pointer moves back.

    A challenger that is served beside the champion goes first. Where nothing was served before, the model's name goes from the server and from
    the model variants. Asks the server that the deployment went to; the line in .agent/promotions.jsonl says what came in place of what.

    \b
    Example:
      git hone rollback --role coder
    """
    from git_hone.ci.deploying import deploying
    from git_hone.hooks.place import find

    done = deploying.rollback(find(Path.cwd()), role)
    if as_json:
        click.echo(json.dumps({"version": 1, "model": done.name, "id": done.id, "before": done.before, "target": done.target}))
    else:
        click.echo(f"{done.name} is {f'adapter {done.id}' if done.id else 'gone'}, in place of {done.before}")
    return 0
