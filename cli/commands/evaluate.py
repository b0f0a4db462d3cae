"""`git hone evaluate`: try a model on a suite."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from git_hone.learner.gating.evaluation import Attempt, Evaluation


@click.command("evaluate", short_help="Try a model on a suite of tasks.")
@click.option("--model", required=True, metavar="MODEL", help="An id of model_variants.json, or a GGUF file.")
@click.option(
    "--adapter",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="A GGUF adapter for that file.",
)
@click.option("--suite", default="repository", show_default=True, metavar="NAME", help="The tasks.")
@click.option("--name", metavar="NAME", help="What to call the result.  [default: the model's name]")
@click.option("--max-tokens", type=click.IntRange(min=1), default=2048, show_default=True, metavar="N", help="Of one answer.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True, metavar="S", help="For one answer, in seconds."
)
@click.option("--again", is_flag=True, help="Ask even where an answer to the same question is remembered.")
@click.option("--no-likelihood", is_flag=True, help="Leave out how likely the model finds general code; the gate asks for it.")
@click.option("--json", "as_json", is_flag=True, help="The evaluation on stdout.")
def command(
    model: str, adapter: Path | None, suite: str, name: str | None, max_tokens: int, timeout: float, again: bool,
    no_likelihood: bool, as_json: bool,
) -> int:  # fmt: skip
    """Try a model on every task of a suite: ask it, put its answer into a sealed copy, run the tests there.

    The answers come from Ollama, an OpenAI-compatible server, Anthropic, or from a GGUF file through llama.cpp in a process of its own
    (`pip install 'git-hone[serve]'`). Can be interrupted, and continues where it stopped. The result is
    .agent/evaluations/SUITE/NAME.json, and the attempts beside it as Parquet; `git hone gate` compares two of them. A GGUF file beside the
    adapter that it was made from is compared with it, which the gate asks for too (`pip install 'git-hone[train]'`).

    \b
    Examples:
      git hone evaluate --model qwen2.5-coder:7b
      git hone evaluate --model base.gguf --adapter .agent/lora/coder/adapter.gguf --name tuned
    """
    from git_hone.ci.evaluating import evaluating
    from git_hone.ci.evaluating.trying import Settings
    from git_hone.hooks.place import find
    from git_hone.learner.gating import evaluation

    asked = evaluating.Asked(model, suite, adapter, name, Settings(0.0, max_tokens, timeout), again, not no_likelihood)
    made, file = evaluating.evaluate(find(Path.cwd()), asked, _tell)
    if as_json:
        click.echo(evaluation.dump(made), nl=False)
    else:
        click.echo("\n".join(_words(made)))
    click.echo(f"written to {file}", err=True)
    return 0


def _tell(done: int, of: int, one: Attempt) -> None:
    if sys.stderr.isatty():
        ended = "passed" if one.passed else one.error or f"{len(one.failed)} tests do not pass"
        click.echo(f"\r\x1b[K{done} of {of}  {one.task}: {ended[:60]}", nl=done == of, err=True)


def _words(made: Evaluation) -> list[str]:
    n = len(made.attempts)
    passed, usable = sum(one.passed for one in made.attempts), sum(one.usable for one in made.attempts)
    lines = [f"{made.model} on {made.suite}: {passed} of {n} tasks passed, {usable} answers could be used"]
    scores = [one.convention for one in made.attempts if one.convention is not None]
    if scores:
        lines.append(f"follows the repository's habits: {sum(scores) / len(scores):.2f} (0..1, {len(scores)} answers)")
    tokens = [one.tokens_out for one in made.attempts if one.tokens_out is not None]
    seconds = sorted(one.seconds for one in made.attempts)
    counted = f", {sum(tokens)} tokens written" if tokens else ""
    lines.append(f"{seconds[n // 2]:.1f} s a task (median){counted}")
    if made.likelihood is not None:
        lines.append(f"general code: {made.likelihood.nats:.3f} nats a token ({made.likelihood.tokens} tokens)")
    if made.divergence is not None:
        lines.append(f"served against trained: {made.divergence:.2g} nats a token")
    reasons = json.dumps(sorted({one.error for one in made.attempts if one.error})[:3])
    return [*lines, f"no use: {reasons}"] if usable < n else lines
