"""`git hone route`: which model, with which prompt, behind which gates, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from git_hone.ci import choosing
from git_hone.cli.answer import words
from git_hone.hooks.place import Place, find
from git_hone.learner.errors import UsageError

LARGEST_TASK = 4 << 20
Command = TypeVar("Command", bound=Callable[..., object])


class Budget(click.FloatRange):
    """USD, 0 to a million; "nan" is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        usd = super().convert(value, param, ctx)
        return usd if usd == usd else self.fail(f"{value} is no number of USD", param, ctx)


ASKED = (
    click.option("--task", "text", required=True, metavar="TEXT", help="What is to be done; `-` reads it from standard input."),
    click.option("--file", "files", multiple=True, metavar="F", help="A file that it is about; more than one may be named."),
    click.option("--kind", type=click.Choice(choosing.KINDS), help="What kind of work it is, where known."),
    click.option("--difficulty", type=click.Choice(choosing.DIFFICULTIES), help="How hard it looks."),
    click.option(
        "--budget", type=Budget(min=0, max=1_000_000), metavar="USD", help="The most that all attempts together may cost."
    ),
)


def about_a_task(function: Command) -> Command:
    """The options that say what is to be done, of a command that decides who does it."""
    for option in reversed(ASKED):
        function = option(function)
    return function


@click.command("route")
@about_a_task
@click.option("--dry-run", is_flag=True, help="Do not put the decision on record.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    text: str,
    files: tuple[str, ...],
    kind: str | None,
    difficulty: str | None,
    budget: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Answer with a plan: who tries first, which gates its attempt must pass, whom to escalate to, and why.

    The decision goes on record with its probability. Start the agent with HONE_DECISION set to the attempt's id (or let `git hone run`
    do so), and what became of its work is credited to this choice.

    \b
    Examples:
      git hone route --task "fix the parser's off-by-one" --file src/parse.py --budget 0.20
      git hone route --task - --difficulty hard --json < task.md
    """
    text = read_task(text)
    place = find(Path.cwd())
    installed = place.hone.is_dir()
    files, unknown = from_top(place, files)
    decided = choosing.choose(
        place if installed else None, place.agent, text, files=files, kind=kind, difficulty=difficulty, budget_usd=budget,
        log=not dry_run,
    )  # fmt: skip
    near = choosing.like(place if installed else None, decided)
    click.echo(choosing.dumps(decided, near) if as_json else words(decided, near))
    for note in (*unknown, *decided.notes):
        click.echo(f"git-hone: {note}", err=True)
    if not installed:
        click.echo("git-hone: not installed here, so nothing is on record; `git hone init` changes that", err=True)


def from_top(place: Place, files: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """(the files by their names from the top of the work tree, lines about those that are not there)."""
    named, notes = [], []
    for file in files:
        full = Path(os.path.normpath(Path.cwd() / file))
        inside = place.top is not None and full.is_relative_to(place.top)
        named.append(full.relative_to(place.top).as_posix() if inside and place.top else file)
        if not inside:
            notes.append(f"--file {choosing.clean(file)}: not in this repository")
        elif not full.exists():
            notes.append(choosing.absent(file))
    return tuple(named), notes


def read_task(text: str) -> str:
    """The text, or standard input for `-`. Raises UsageError for an empty one and for one that is no task."""
    if text == "-":
        with click.open_file("-", "rb") as stream:
            raw: bytes = stream.read(LARGEST_TASK + 1)
        if len(raw) > LARGEST_TASK:
            raise UsageError(
                f"--task -: more than {LARGEST_TASK >> 20} MiB", tip="name the files with --file instead of pasting them"
            )
        text = raw.decode("utf-8", "replace")
    if "\0" in text:
        raise UsageError("--task -: holds a NUL byte, so it is no text", tip="name the files with --file instead of pasting them")
    text = choosing.clean(text)
    if not text.strip():
        raise UsageError("--task: empty", tip='say what is to be done, as in --task "fix the parser"')
    return text
