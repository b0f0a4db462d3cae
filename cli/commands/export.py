"""`git hone export`: hand the record on to other tools."""

from __future__ import annotations

from pathlib import Path

import click

from git_hone.cli.fresh import fresh_place
from git_hone.learner.store import Store, export_sqlite


@click.command("export")
@click.option(
    "--sqlite",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="Write runs, signals, pairs and web_cache as one SQLite file; an older FILE is replaced.",
)
def command(target: Path) -> None:
    """Hand the record on to other tools.

    \b
    Example:
      git hone export --sqlite hone.db
    """
    counts = export_sqlite(Store(fresh_place().data), target)
    click.echo(f"{target}: {', '.join(f'{n} {name}' for name, n in counts.items())}", err=True)
