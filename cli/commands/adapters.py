"""`git hone adapters`: what was trained, exported and deployed; convert, merge and check one by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from git_hone.ci.training.by_hand import Cost, Written
    from git_hone.learner.config import Config

DIR = click.argument("adapter", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
BASE = click.option(
    "--base", metavar="MODEL", help="The GGUF file or model of Ollama's that it is for.  [default: autoTrain.baseModel]"
)
OUT = click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to write it.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@click.group("adapters", invoke_without_command=True, short_help="What was exported, trained and deployed.")
@AS_JSON
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int | None:
    """List the data sets that were exported, the adapters that learned from them, what the gate said, and what is deployed.

    The history has each step of a promotion with the commit that was checked out: from .agent/promotions.jsonl, and from the notes what only
    another clone's ledger holds (`git hone sync` brings them). The newest 20 are shown, all with --json.

    Of a challenger (`git hone deploy --canary`): how many decisions it and the champion got, their rewards with intervals that hold however often
    they are looked at, and what follows: promote, roll back, or not enough evidence.

    Reads `.agent` alone; no server is asked. `git hone train` and `git hone deploy` convert, merge and check by themselves; three of the commands
    below do it for an adapter that peft saved elsewhere, or to another type.

    \b
    Examples:
      git hone adapters --json
      git hone adapters convert ./my-lora --base model.gguf
      git hone adapters merge ./my-lora --base model.gguf --type F16
      git hone adapters check ./my-lora --base model.gguf
      git hone adapters choose .agent/lora/coder/ID --base model.gguf
    """
    if ctx.invoked_subcommand:
        return None
    from git_hone.ci.deploying import listing
    from git_hone.cli.fresh import fresh_place

    place = fresh_place()
    told = listing.listing(place.agent, place.data)
    click.echo(json.dumps(told, ensure_ascii=False) if as_json else listing.words(told))
    return 0


@command.command("convert")
@DIR
@BASE
@OUT
@click.option("--type", "kind", type=click.Choice(["F32", "F16"]), default="F32", show_default=True, help="Of its matrices.")
@AS_JSON
def convert(adapter: Path, base: str | None, out: Path | None, kind: Any, as_json: bool) -> None:
    """Write the adapter that peft saved in DIR as a GGUF adapter, DIR/adapter.gguf unless said otherwise.

    DoRA, ranks that differ by layer, trained embeddings, biases and whole modules are refused: a GGUF adapter cannot carry them. The base may
    be a folder of transformers too; then the file does not name the GGUF file that it belongs to, and is not deployed.

    \b
    Example:
      git hone adapters convert ./my-lora --base model.gguf --out my-lora.gguf
    """
    from git_hone.ci.training import by_hand

    _say(by_hand.to_gguf(adapter, _base(base), out, kind), as_json)


@command.command("merge")
@DIR
@BASE
@OUT
@click.option("--type", "kind", metavar="TYPE",
              help="Of the weights: F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1 or Q4_0.  [default: autoDeploy.mergeType]")  # fmt: skip
@click.option("--costs", is_flag=True, help="Write nothing; measure what each type costs.")
@click.option("--force", is_flag=True, help="Write it although most of the adapter, or too much of the base, is rounded away.")
@AS_JSON
def merge(adapter: Path, base: str | None, out: Path | None, kind: str | None, costs: bool, force: bool, as_json: bool) -> None:
    """Write the base with the adapter in DIR merged in as one whole model, DIR/merged.gguf unless said otherwise.

    Every weight that the adapter touches is rounded anew to the type, the base's own with it. Says how much of the adapter's change is left, and,
    where llama.cpp is installed, how far the new file is from base and adapter side by side, in nats a token. Less than half of the change, or more
    than promotion.maxDivergence nats, is refused. --costs says both of every type. Evaluate the file that will be served.

    \b
    Examples:
      git hone adapters merge ./my-lora --base model.gguf --costs
      git hone adapters merge ./my-lora --base model.gguf --type F16 --out merged.gguf
    """
    from git_hone.ci.training import by_hand

    if costs:
        found = by_hand.costs(adapter, _base(base), lambda one: None if as_json else click.echo(_cost(one)))
        if as_json:
            click.echo(json.dumps({"version": 1, "costs": [one._asdict() for one in found]}))
        return
    config = _config()
    most, kind = float(config["promotion.maxDivergence"]), kind or str(config["autoDeploy.mergeType"])
    _say(by_hand.merged(adapter, _base(base), out, kind, force=force, most=most), as_json)


@command.command("check")
@click.argument("adapter", metavar="ADAPTER", type=click.Path(exists=True, path_type=Path))
@BASE
@click.option("--trained", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="The folder that peft saved.  [default: ADAPTER, where that is a folder]")  # fmt: skip
@click.option("--scores", is_flag=True, help="Compare llama.cpp's scores with transformers' too.")
@AS_JSON
@click.pass_context
def check(ctx: click.Context, adapter: Path, base: str | None, trained: Path | None, scores: bool, as_json: bool) -> None:
    """Check a GGUF adapter before a server sees it: whole, for this very base, and what was trained.

    ADAPTER is the file, or the folder of peft's that holds adapter.gguf. The base's SHA-256 must stand in the adapter; with the folder each
    number is compared with what peft saved. --scores runs both programs on the same tokens and asks for a mean divergence of at most 0.0005
    nats; it needs the extras train and serve, and five times the base's size on disk and in memory.

    Exit code 1: it may not be served.

    \b
    Example:
      git hone adapters check ./my-lora --base model.gguf
    """
    from git_hone.ci.training import by_hand

    done = by_hand.checked(adapter, _base(base), trained, scores=scores)
    if as_json:
        parity = None if done.parity is None else {**done.parity._asdict(), "same": done.parity.same}
        click.echo(json.dumps({"version": 1, "file": str(done.file), "faults": list(done.faults), "scores": parity}))
    else:
        for fault in done.faults:
            click.echo(fault)
        if done.parity is not None:
            click.echo(
                f"divergence {done.parity.kl:.2g} nats (mean of {done.parity.tokens} tokens; worst {done.parity.worst:.2g})"
            )
        click.echo(f"{done.file}: {'may not be served' if done.faults else 'fits its base'}")
    ctx.exit(1 if done.faults else 0)


@command.command("choose")
@DIR
@BASE
@click.option("--incumbent", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="The GGUF adapter or merged model that serves now.  [default: the base alone]")  # fmt: skip
@click.option("--suite", metavar="NAME", help="The tasks to choose by.  [default: promotion.choice, where there is such a suite]")
@AS_JSON
@click.pass_context
def choose(ctx: click.Context, adapter: Path, base: str | None, incumbent: Path | None, suite: str | None, as_json: bool) -> None:
    """Say which checkpoint of the training in DIR should go to the gate, without a look at the tasks that the gate decides on.

    Checkpoints to which general code is less likely than the gate allows are left out. Of the others, the one that passes most tasks of a suite
    for choosing (`git hone suite hold-out --name held-out`), of which those that touch a file family of the target or the guard suite do not
    count; without such tasks, the one that was trained longest. So one candidate comes to the gate, and its test holds its level. Needs the extras
    train and serve. Can be interrupted, and continues where it stopped.

    Exit code 1: each of them forgot too much, and no look at the suite need be spent.

    \b
    Example:
      git hone adapters choose .agent/lora/coder/ID --base model.gguf
    """
    from git_hone.ci.evaluating import checkpoints
    from git_hone.hooks.place import find

    done = checkpoints.choose(find(Path.cwd()), checkpoints.Asked(adapter, _base(base), incumbent, suite), lambda *_: None)
    if as_json:
        tried = [one._asdict() for one in done.tried]
        where = {"folder": str(done.folder) if done.folder else None, "tried": tried}
        click.echo(json.dumps({"version": 1, **done._asdict(), **where}))
    else:
        for one in done.tried:
            nats = "not measured" if one.nats is None else f"{one.nats:.3f} nats a token"
            rise = "" if one.nats is None or done.incumbent is None else f" ({one.nats - done.incumbent:+.3f})"
            passed = "" if one.passed is None else f", {one.passed} of {done.tasks} tasks"
            click.echo(f"{one.id}: general code {nats}{rise}{passed}")
        if done.left_out:
            click.echo(f"{done.left_out} tasks touch what the gate decides on, and do not count")
        click.echo(f"{done.id or 'none'}: {done.why}")
    ctx.exit(0 if done.id else 1)


def _base(named: str | None) -> str:
    """The base that was named, else the configured one."""
    if named:
        return named
    return str(_config()["autoTrain.baseModel"])


def _config() -> Config:
    """That of this repository; outside of one, what holds where nothing is set."""
    from git_hone.hooks.install.agent_folder import CONFIG
    from git_hone.hooks.place import find
    from git_hone.learner import config
    from git_hone.learner.errors import UsageError

    try:
        place = find(Path.cwd())
    except UsageError:
        return config.Config(config.DEFAULTS)
    return config.load(place.agent / CONFIG)


def _cost(one: Cost) -> str:
    far = "not measured: pip install 'git-hone[serve]'"
    if one.divergence is not None:
        far = f"{one.divergence:.2g} nats a token (worst {one.worst:.2g}), the same word first at {one.top:.0%} of tokens"
    return f"{one.kind:5} {one.bytes / 1e6:7.0f} MB  {one.kept:4.0%} of the change  {far}"


def _say(done: Written, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"version": 1, **done._asdict(), "path": str(done.path)}))
        return
    kept = "" if done.kept is None else f", {done.kept:.0%} of the change is in it"
    if done.divergence is not None:
        kept += f", {done.divergence:.2g} nats a token from base and adapter"
    elif done.kept is not None:
        kept += ", how far it is from base and adapter was not measured (git-hone[serve])"
    click.echo(f"{done.path}: {done.layers} layers{kept}, SHA-256 {done.sha256[:12]}")
