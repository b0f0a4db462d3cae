"""`git hone generate FILE`: have the chosen model write a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_hone.learner.errors import UsageError

if TYPE_CHECKING:
    from git_hone.ci.generating import Generated


@click.command("generate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", metavar="TEXT", help="What the file is to do; by default, to write it, or to finish it.")
@click.option("--model", metavar="ID", help="Ask this model instead of the one that would be chosen.")
@click.option("--prompt", metavar="ID", help="Use this prompt variant.")
@click.option("--force", is_flag=True, help="Overwrite changes in the file that are not committed.")
@click.option("--feedback", is_flag=True, help="Ask afterwards how good it is, 1 to 5 stars.")
@click.option("--timeout", default=300.0, show_default=True, type=click.FloatRange(min=0.1), metavar="S", help="Seconds to wait.")
@click.option(
    "--max-tokens", default=8192, show_default=True, type=click.IntRange(min=1), metavar="N", help="Most tokens to write."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    file: Path,
    task: str | None,
    model: str | None,
    prompt: str | None,
    force: bool,
    feedback: bool,
    timeout: float,
    max_tokens: int,
    as_json: bool,
) -> int:
    """Have a model write FILE: chosen as `git hone route` chooses, asked with the chosen prompt, its lines recorded as its own.

    The file as it stands is shown to the model. Changes in it that are not committed are a person's, and are not overwritten without
    --force; what an agent left there may be. When the model does not answer, or its answer holds no file, nothing is written and the exit
    code is 1.

    \b
    Examples:
      git hone generate src/reader.py --task "a function that reads a number from a line"
      git hone generate src/reader.py --model qwen2.5-coder:7b --feedback
    """
    from git_hone.ci import generating
    from git_hone.hooks.place import find, not_installed

    if feedback and as_json:
        raise UsageError("--feedback asks, and --json is for machines", tip="say one of them")
    if task is not None and not task.strip():
        raise UsageError("--task: empty")
    here = find(Path.cwd())
    if not here.inbox.is_dir():
        raise not_installed(here)
    done = generating.generate(
        here, file, task=task, model=model, prompt=prompt, force=force, timeout_s=timeout, max_tokens=max_tokens
    )
    for note in done.decided.notes:
        click.echo(f"git-hone: {note}", err=True)
    click.echo(json.dumps(_object(done), ensure_ascii=False) if as_json else _words(done))
    if feedback:
        stars = click.prompt("how good is it, 1 (bad) to 5 (good)", type=click.IntRange(1, 5), err=True)
        generating.end(here, done.decided, done.task, {"ended": "passed", "reward": (stars - 1) / 4})
    return 0


def _object(done: Generated) -> dict[str, Any]:
    return {
        "version": 1, "path": done.path, "added": done.added, "deleted": done.deleted, "decision_id": done.decided.id,
        "model": done.decided.choice.plan.models[0], "prompt": done.decided.choice.prompt.id, "tokens_in": done.answer.tokens_in,
        "tokens_out": done.answer.tokens_out, "duration_ms": done.answer.duration_ms, "cost_usd": done.cost_usd,
        "notes": list(done.decided.notes),
    }  # fmt: skip


def _words(done: Generated) -> str:
    answer = done.answer
    tokens = "tokens not counted" if answer.tokens_in is None else f"{answer.tokens_in} tokens in, {answer.tokens_out} out"
    cost = "" if done.cost_usd is None else f", {done.cost_usd:.4g} USD"
    return (
        f"{done.path} | +{done.added} -{done.deleted}\n"
        f"written by {done.decided.choice.plan.models[0]} with the prompt {done.decided.choice.prompt.id}, "
        f"{answer.duration_ms / 1000:.1f} s, {tokens}{cost}; decision {done.decided.id}"
    )
