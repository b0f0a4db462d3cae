"""`git hone run`: carry a plan out around a command-line agent."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from git_hone.ci import attempts, choosing
from git_hone.cli.answer import words
from git_hone.cli.commands.route import about_a_task, from_top, read_task
from git_hone.hooks.place import find, not_installed
from git_hone.learner import config


@click.command("run", short_help="Carry a plan out around any command-line agent.")
@about_a_task
@click.option(
    "--gate", "gates", multiple=True, metavar="KIND=COMMAND", help="A command that judges an attempt: compile, lint, type, test."
)
@click.option("--model", metavar="ID", help="Only this model, whatever the router thinks.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=1800.0,
    show_default=True,
    metavar="S",
    help="Of one attempt, and of each gate.",
)
@click.option(
    "--retries", type=click.IntRange(min=0), default=1, show_default=True, help="When the command fails and changed nothing."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; all else goes to standard error.")
@click.argument("command_words", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    text: str, files: tuple[str, ...], kind: str | None, difficulty: str | None, budget: float | None, gates: tuple[str, ...],
    model: str | None, timeout: float, retries: int, as_json: bool, command_words: tuple[str, ...],
) -> int:  # fmt: skip
    """Let the planned model try; where a gate stops its work, undo it and let the next one try.

    {model}, {prompt} and {task} in COMMAND are filled in; HONE_MODEL, HONE_PROMPT and HONE_TASK say the same, but for a text of more than
    100 kB. Without {prompt} and {task} the prompt comes on standard input. The context and the examples that were chosen are in the prompt;
    {context}, {examples}, HONE_CONTEXT and HONE_EXAMPLES hold them alone.

    Gates are those of `.agent/learning-config.json` (key `gates`; they run at the top of the work tree) and of --gate (they run where you
    are, as COMMAND does); they are recorded as `git hone check` does. What is undone stays under refs/hone/attempts/, and so does
    uncommitted work of yours that an attempt changed. Exit code 0: an attempt passed; 1: none did.

    \b
    Examples:
      git hone run --task "fix the parser" --gate "test=pytest -q" -- claude -p "{prompt}" --model "{model}"
      git hone run --task - --budget 0.50 -- aider --model "{model}" --message "{prompt}" < task.md
    """
    place = find(Path.cwd())
    if not place.hone.is_dir():
        raise not_installed(place)
    text = read_task(text)
    files, unknown = from_top(place, files)
    judges = attempts.gates_of(place, config.load(place.agent / "learning-config.json").values, gates)
    orders = attempts.Orders(
        text, command_words, files, judges, timeout, retries, named=frozenset(word.partition("=")[0] for word in gates), cwd=Path.cwd()
    )  # fmt: skip
    attempts.commands_are_there(place, orders)
    decided = choosing.choose(
        place, place.agent, text, files=files, kind=kind, difficulty=difficulty, budget_usd=budget,
        gate_kinds=tuple(judges), only_model=model,
    )  # fmt: skip
    for note in (*unknown, *decided.notes):
        click.echo(f"git-hone: {note}", err=True)
    near = choosing.like(place, decided)
    if not as_json:
        click.echo(words(decided, near), err=True)
    done = attempts.carry_out(place, decided, orders, lambda said: click.echo(f"git-hone: {said}", err=True), quiet=as_json)
    ended = done[-1].ended
    if as_json:
        body = {"version": 1, **choosing.as_json(decided, near), "attempts": [asdict(one) for one in done], "ended": ended}
        click.echo(json.dumps(body, ensure_ascii=False))
    elif ended != "passed":
        left = "the last one's work is in the work tree, as it left it" if done[-1].changed else "the work tree is as it was"
        click.echo(f"git-hone: no attempt passed; {left}", err=True)
        if ended == "unreachable":
            asked = (
                f"`git hone variants test {done[-1].model}` says what answers"
                if done[-1].exit_code is None
                else "its output says why"
            )
            click.echo(f"  next: {asked}; --model ID names another one", err=True)
    return 0 if ended == "passed" else 1
