"""`git hone forget`: take a person, a path, a change or everything out of the records, and prove it."""

from __future__ import annotations

import json

import click


@click.command("forget", short_help="Remove a person, a path, a change or everything, and prove it.")
@click.option("--person", metavar="NAME|EMAIL", help="Their name and addresses, and the changes in commits of theirs.")
@click.option("--path", metavar="GLOB", help="The files that fit this shell pattern, or lie in this folder.")
@click.option("--change", metavar="ID|COMMIT", help="One change, with its runs, outcomes and pairs.")
@click.option("--all", "everything", is_flag=True, help="Every record of this repository.")
@click.option("--dry-run", is_flag=True, help="Say where it is mentioned, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    person: str | None,
    path: str | None,
    change: str | None,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove it from the store, the state, the notes, the journal, the inbox and the exports; then read all of them again.

    A hash of what was forgotten is kept, so that it does not come back. The repository's own history stays as it is, and so do
    the notes of other clones and remotes. Exit code 1: something is left; the output says where.

    \b
    Example:
      git hone forget --all --dry-run
    """
    if sum(map(bool, (person, path, change, everything))) != 1:
        raise click.UsageError("say one of --person, --path, --change and --all")
    from git_hone.cli.fresh import fresh_place
    from git_hone.hooks import forget
    from git_hone.hooks.target import target

    place = fresh_place()
    what = target(place, person=person or "", path=path or "", change=change or "", everything=everything)
    if dry_run:
        report = forget.search(place, what)
    else:
        if not yes:
            found = f"{len(forget.search(place, what).found)} place(s)"
            click.confirm(f"Remove it from {found} for good?", abort=True, err=True)
        report = forget.forget(place, what)
    left = bool(report.found) and not dry_run
    if as_json:
        click.echo(json.dumps({"version": 1, "dry_run": dry_run, "removed": dict(report.removed), "looked_at": dict(report.looked_at),
                               "found": report.found, "clean": not report.found}))  # fmt: skip
    else:
        for kind, n in report.removed.items():
            click.echo(f"removed   {n:6} {kind}")
        for kind, n in report.looked_at.items():
            click.echo(f"looked at {n:6} {kind}")
        for where in report.found:
            click.echo(f"found     {where}")
        click.echo("nothing is left" if not report.found else f"{len(report.found)} place(s) mention it")
        if not dry_run:
            click.echo(
                "notes that were pushed stay at the remote: git push --force REMOTE refs/notes/hone replaces them", err=True
            )
    ctx.exit(1 if left else 0)
