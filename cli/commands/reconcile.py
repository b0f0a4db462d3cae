"""`git hone reconcile`: after a pull request was merged, move its record to the commits that landed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from git_hone.hooks.relocate import Landing


@click.command("reconcile", short_help="Move a merged pull request's record to where it landed.")
@click.option("--base", required=True, metavar="SHA", help="The target branch before the merge, or the merge base.")
@click.option("--head", required=True, metavar="SHA", help="The pull request's last commit.")
@click.option("--merged", required=True, metavar="SHA", help="The commit that the forge made; after a rebase, the last one.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(base: str, head: str, merged: str, dry_run: bool, as_json: bool) -> None:
    """Tell how a pull request landed (squash, rebase, merge commit, fast-forward) and move its record there.

    Where the evidence does not hold, it says "unknown", changes nothing and exits with 0. It needs the notes, but no
    installation: a job can run it in a fresh clone.

    \b
    Example:
      git hone reconcile --base HEAD~1 --head HEAD --merged HEAD --dry-run
    """
    from git_hone.hooks.reconcile import reconcile

    found = reconcile(Path.cwd(), base, head, merged, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({"version": 1, "dry_run": dry_run, **asdict(found)}, sort_keys=True))
        return
    for row in render(found):
        click.echo(row)


def render(found: Landing) -> list[str]:
    """The lines to print."""
    if found.how == "unknown":
        return [f"unknown: {found.message}", *(f"  though: {words}" for words in found.evidence)]
    at = found.landed[-1][:10]
    out = [f"{found.how} as {at}: {'; '.join(found.evidence)}"]
    for move in found.moves:
        count = f"  {move.lines['ai']} ai, {move.lines['human']} human, {move.lines['unknown']} unknown" if move.lines else ""
        came = f" from {', '.join(name[:10] for name in move.sources)}" if move.moved and move.sources else ""
        out.append(f"  {move.change_id} {'moved to' if move.moved else 'stands at'} {move.to[:10]}{came}{count}")
    out += [f"  {name[:10]} has a record, but nobody can say which commit it became" for name in found.unknown]
    return out + ([found.message] if found.message else [])
