"""`git hone train`: an adapter of the local model, from an export."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_hone.learner import config
from git_hone.learner.errors import UsageError

if TYPE_CHECKING:
    from git_hone.ci.training.publishing import Published
    from git_hone.ci.training.train import Plan, Step

DIFFICULTIES = ("easy", "medium", "hard")
POSITIVE = click.IntRange(min=1)


@click.command("train")
@click.option(
    "--role", type=click.Choice(["coder", "fixer", "judge"]), default="coder", show_default=True, help="Whose examples."
)
@click.option(
    "--difficulty", type=click.Choice([*DIFFICULTIES, "each"]),
    help="Only the examples of this difficulty; `each`: an adapter for each that has examples enough.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="PATH", help="An export: its folder or file. Default: .agent/sft."
)
@click.option(
    "--base", "base_name", metavar="MODEL", help="GGUF file, folder, model of Ollama's, or hub id. Default: autoTrain.baseModel."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Default: .agent/lora/ROLE.")
@click.option("--epochs", type=POSITIVE, metavar="N", help="Passes over the examples. Default: autoTrain.epochs.")
@click.option("--batch-size", type=POSITIVE, metavar="N", help="Examples in one step. Default: autoTrain.batchSize.")
@click.option("--rank", type=POSITIVE, metavar="N", help="Rank of the adapter. Default: autoTrain.loraRank.")
@click.option("--alpha", type=POSITIVE, metavar="N", help="Its scale is alpha / rank. Default: autoTrain.loraAlpha.")
@click.option(
    "--learning-rate", type=click.FloatRange(0, 1, min_open=True), metavar="RATE", help="Default: autoTrain.learningRate."
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Default: autoTrain.seed.")
@click.option("--max-tokens", type=POSITIVE, metavar="N", help="Longer examples are left out. Default: autoTrain.maxTokens.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to compute.")
@click.option(
    "--processes", type=POSITIVE, default=1, show_default=True, metavar="N", help="Share each step, with `accelerate launch`."
)
@click.option(
    "--recipe", "how", type=click.Choice(["plain", "unsloth"]), default="plain", show_default=True, help="Which script to write."
)
@click.option("--write-only", is_flag=True, help="Write the script and the rows, and do not run it.")
@click.option("--force", is_flag=True, help="Train with few examples or little memory, and again when it was done already.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    role: str, difficulty: str | None, data: Path | None, base_name: str | None, out: Path | None, how: Any, write_only: bool, force: bool,
    as_json: bool, device: Any, **changes: Any,
) -> int:  # fmt: skip
    """Train a LoRA adapter of the local model on what was exported, and convert it for llama.cpp.

    Writes the readable script `.agent/train_ROLE.py` and runs it: torch, transformers and peft, on a CPU or a GPU (install the extra:
    pip install 'git-hone[train]'). Stopped or killed, the same command goes on from the last saved step. The same examples, base, settings
    and seed give the same bytes on one machine, unless it was stopped in between. Nothing is deployed: a gate decides on that.

    \b
    Examples:
      git hone train --role coder --base model.gguf
      git hone train --role coder --difficulty each --epochs 1
      git hone train --role fixer --recipe unsloth --write-only
    """
    from git_hone.ci.training import base, dataset, recipe, train
    from git_hone.hooks.install.agent_folder import CONFIG
    from git_hone.hooks.place import find

    agent = find(Path.cwd()).agent
    own = config.load(agent / CONFIG)
    settings = recipe.Settings.of(own, device=_device(device), **changes)
    path = dataset.find(agent, role, data.resolve() if data else None)
    wanted = DIFFICULTIES if difficulty == "each" else (difficulty,)
    model = base.find(base_name or own["autoTrain.baseModel"])
    plans, problems = [], []
    for one in wanted:
        try:
            rows = dataset.read(path, role, one)
            made = train.plan(agent, role, rows, model, settings, how=how, difficulty=one, out=out.resolve() if out else None)
            train.check(made, 1 if force else own["autoTrain.minExamples"], force=force)
            plans.append(made)
        except UsageError as error:
            if difficulty != "each":
                raise
            problems.append(error.message)
    for words in problems:
        click.echo(f"left out: {words}", err=True)
    if not plans:
        raise UsageError("nothing to train on", tip="git hone export first")
    told = [_one(agent, made, write_only, force) for made in plans]
    if as_json:
        click.echo(json.dumps({"version": 1, "adapters": told, "left_out": problems}))
    return 0


def _one(agent: Path, made: Plan, write_only: bool, force: bool) -> dict[str, Any]:
    from importlib.util import find_spec

    from git_hone.ci.training import publishing, train

    if train.finished(made) and not (force or write_only):
        click.echo(f"{made.done}: trained already with these examples and settings", err=True)
        return _told(made, publishing.described(made.done))
    lacking = made.recipe == "unsloth" and not (made.part / "result.json").is_file() and find_spec("unsloth") is None
    if write_only or lacking:
        train.prepare(made)
        click.echo(f"wrote {made.script}", err=True)
        if lacking:
            click.echo(
                f"  next: in an environment with unsloth, python {shlex.quote(str(made.script))}; then this command again",
                err=True,
            )
        return {"id": made.id, "role": made.role, "difficulty": made.difficulty, "script": str(made.script), "folder": None}
    click.echo(f"training {made.base.name} on {len(made.rows.rows)} examples of {made.role}: {made.script}", err=True)
    published = train.train(agent, made, _watch() if sys.stderr.isatty() else lambda _: None)
    _say(published)
    return _told(made, published)


def _say(one: Published) -> None:
    click.echo(f"trained {one.folder}: {len(one.losses)} steps, loss {one.losses[0]:.3f} to {one.losses[-1]:.3f}", err=True)
    for reason, n in one.left_out.items():
        click.echo(f"  {n} examples left out: {reason}", err=True)
    if one.gguf is None:
        click.echo(f"  no GGUF adapter: {one.why_not}", err=True)


def _told(made: Plan, one: Published) -> dict[str, Any]:
    return {
        "id": made.id, "role": made.role, "difficulty": made.difficulty, "script": str(made.script), "folder": str(one.folder),
        "sha256": one.sha256, "gguf": str(one.gguf) if one.gguf else None, "steps": len(one.losses), "left_out": one.left_out,
        "losses": list(one.losses), "checkpoints": [path.name for path in one.checkpoints],
    }  # fmt: skip


def _watch() -> Any:
    def tell(now: Step) -> None:
        end = "\n" if now.step == now.total else ""
        click.echo(f"\r\x1b[Kstep {now.step} of {now.total}, loss {now.loss:.3f}, {now.left} left", err=True, nl=False)
        click.echo(end, err=True, nl=False)

    return tell


def _device(wanted: str) -> str:
    """cpu | cuda: what is asked for, or a GPU where one is visible."""
    if wanted != "auto":
        return wanted
    return "cuda" if any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/kfd")) else "cpu"
