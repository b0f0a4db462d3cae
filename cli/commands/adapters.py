"""`git hone adapters`: what was trained, exported and deployed."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("adapters", short_help="What was exported, trained and deployed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(as_json: bool) -> int:
    """List the data sets that were exported, the adapters that learned from them, what the gate said, and what is deployed.

    Reads `.agent` alone; no server is asked.

    \b
    Example:
      git hone adapters --json
    """
    from git_hone.ci.deploying import listing
    from git_hone.hooks.place import find

    told = listing.listing(find(Path.cwd()).agent)
    click.echo(json.dumps(told, ensure_ascii=False) if as_json else listing.words(told))
    return 0
