"""`git hone sync`: the notes of all clones, in all clones."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command()
@click.option("--remote", metavar="NAME", help="The remote to sync with.  [default: the branch's own, else origin]")
@click.option("--push/--no-push", default=True, show_default=True, help="Send this clone's notes too, or only receive.")
@click.option(
    "--budget", type=click.FloatRange(min=0.1), default=60.0, show_default=True, metavar="SECONDS", help="Time at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
@click.pass_context
def command(ctx: click.Context, remote: str | None, push: bool, budget: float, as_json: bool) -> None:
    """Fetch the notes of other clones, join them with these, and push them.

    A note is a set of lines, so joining is a union: nothing is overwritten, on no side, and nothing is forced. A remote
    without notes, or one that takes none, is no error. Exit code 1: the remote gave no answer.

    \b
    Example:
      git hone sync --no-push
    """
    from git_hone.cli.fresh import fresh_place
    from git_hone.hooks.sync import sync

    report = sync(fresh_place(), remote, push=push, budget_s=budget)
    if as_json:
        click.echo(json.dumps({"version": 1, **asdict(report)}))
    else:
        for problem in report.problems:
            click.echo(f"{problem['what']}\n  next: {problem['next']}", err=True)
        if report.state in ("synced", "not-pushed"):
            sent = f"sent {', '.join(sorted(set(report.sent)))}" if report.sent else "nothing to send"
            sent = "notes wait to be sent" if report.state == "not-pushed" else sent
            click.echo(f"{report.remote}: {report.received} note(s) received, {sent}", err=True)
    if report.state == "unreachable":
        ctx.exit(1)
