"""`git hone deploy`: serve an adapter that the gate let through."""

from __future__ import annotations

import json
from pathlib import Path

import click

from git_hone.learner.variants import ENDPOINTS


@click.command("deploy", short_help="Serve an adapter that the gate let through.")
@click.option("--role", type=click.Choice(["coder", "fixer", "judge"]), default="coder", show_default=True, help="Whose adapter.")
@click.option(
    "--adapter", type=click.Path(file_okay=False, exists=True, path_type=Path), metavar="DIR",
    help="The folder of an adapter.  [default: the newest of the role]",
)  # fmt: skip
@click.option(
    "--base", metavar="MODEL", help="The GGUF file or model of Ollama's that it is for.  [default: autoTrain.baseModel]"
)
@click.option(
    "--server", default=ENDPOINTS["ollama"], show_default=True, metavar="ADDRESS", help="Ollama, or llama.cpp's server."
)
@click.option(
    "--canary", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
    help="Serve it beside the champion as a challenger.",
)  # fmt: skip
@click.option("--settle", is_flag=True, help="Make the challenger the champion, or drop it, as its trial says.")
@click.option("--prepare", is_flag=True, help="Only make the file that would be served, to have it evaluated.")
@click.option("--force", is_flag=True, help="Without the gate's word. The ledger says so.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    role: str,
    adapter: Path | None,
    base: str | None,
    server: str,
    canary: float | None,
    settle: bool,
    prepare: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Serve an adapter that the gate let through, in place of what serves its role now.

    The server is asked what it takes: Ollama before 0.34.1 the adapter, Ollama since then only a whole model, into which the adapter is
    merged first, llama.cpp's server an adapter that it has loaded. The gate must have seen that very file: --prepare makes it. The new model
    is made ready beside the old one, then one pointer moves; what goes wrong leaves the old one in place. The model is called
    autoDeploy.modelNamePrefix and the role, and stands in model_variants.json. Each step is a line of .agent/promotions.jsonl.

    With --canary the router gives the new model that share of the decisions (`git hone route`, `run`), whatever it expects of it, and chooses
    among the others for the rest; `git hone adapters` shows what came of it, --settle acts on it.

    Exit code 0: it is served. 1: the gate did not let it through, the server did not do it, or a trial says too little yet.

    \b
    Examples:
      git hone deploy --role coder --base model.gguf --prepare
      git hone deploy --role coder --base model.gguf
      git hone deploy --role coder --base model.gguf --canary 0.1
      git hone deploy --role coder --base model.gguf --settle
    """
    from git_hone.ci.deploying import deploying
    from git_hone.hooks.place import find

    if settle:
        return _settle(role, base, as_json)
    place, asked = find(Path.cwd()), deploying.Asked(role, adapter, base, server, canary, force)
    if prepare:
        found, target, file, _ = deploying.prepare(place, asked)
        with_ = f"{file}" if target.merged else f"{found.base.at} --adapter {file}"
        click.echo(json.dumps({"version": 1, "file": str(file), "target": target.kind, "id": found.id}) if as_json else str(file))
        click.echo(f"next: git hone evaluate --model {with_} --name {found.id}", err=True)
        return 0
    done = deploying.deploy(place, asked)
    if as_json:
        told = {"model": done.name, "id": done.id, "before": done.before, "target": done.target, "file": str(done.file)}
        click.echo(json.dumps({"version": 1, **told}))
    else:
        beside = "beside" if canary is not None else "in place of"
        click.echo(f"{done.name} is adapter {done.id} ({done.target}), {beside} {done.before or 'nothing'}")
    return 0


def _settle(role: str, base: str | None, as_json: bool) -> int:
    from git_hone.ci.deploying import challenging
    from git_hone.cli.fresh import fresh_place

    trial, done = challenging.settle(fresh_place(), role, base)
    told = challenging.as_json(trial)
    if as_json:
        click.echo(json.dumps({"version": 1, "trial": told, "model": done and done.name, "id": done and done.id}))
    else:
        click.echo("\n".join(challenging.words(told)))
        if done:
            click.echo(f"{done.name} is {f'adapter {done.id}' if done.id else 'gone'}")
    return 0 if done else 1
