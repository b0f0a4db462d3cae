"""`git hone drain`: make all pending work visible now."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.option("--outcomes", is_flag=True, help="Also look now at what became of older changes; else once a day.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
def command(outcomes: bool, as_json: bool) -> None:
    """Make all pending work visible now.

    A background worker does this after each commit; scripts that want to be sure call it themselves.

    \b
    Examples:
      git commit -qm "a change" && git hone drain && git hone show --json
      git hone drain --outcomes
    """
    from git_hone.hooks.drain import drain
    from git_hone.hooks.place import find
    from git_hone.learner.store.lean import without_heavy

    place = find(Path.cwd())
    with without_heavy():
        done = drain(place)
    aged = None
    if outcomes:
        from git_hone.hooks.aging import age

        aged = age(place, force=True)
    if as_json:
        click.echo(json.dumps({"version": 1, **asdict(done)} | ({"outcomes": asdict(aged)} if aged else {})))
    elif done.busy:
        click.echo("another drain is still at work; try again", err=True)
    elif done.changes and sys.stderr.isatty():
        click.echo(f"recorded {done.changes} change(s) from {done.events} event(s)", err=True)
    if aged and not aged.branch and not as_json and aged.ran:
        click.echo("no default branch yet\n  next: git config hone.defaultBranch NAME, if it is not main or master", err=True)
    if done.unreadable:
        click.echo(f"{done.unreadable} event(s) could not be read; `git hone status` says why", err=True)
