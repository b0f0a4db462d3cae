"""`git hone variants`: the prompts and models that there are to choose among."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_hone.learner import variants
from git_hone.learner.errors import UsageError

if TYPE_CHECKING:
    from git_hone.learner.bandit import Arm
    from git_hone.learner.config import Config

PRICE = click.FloatRange(min=0, max=1_000_000)


@click.group("variants", short_help="The prompts and models that there are to choose among.")
def command() -> None:
    """The prompts and models that there are to choose among: `.agent/prompt_variants.json` and `.agent/model_variants.json`.

    \b
    Examples:
      git hone variants list
      git hone variants add qwen3-coder:30b --provider ollama --context-length 65536
      git hone variants test qwen3-coder:30b
    """


@command.command("list")
@click.option("--refresh", is_flag=True, help="Write the counted wins and trials into the two files.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def list_(refresh: bool, as_json: bool) -> None:
    """Every variant with how often it was tried here and what came of it.

    trials: how many of its tries have a reward by now; wins: the sum of these rewards, 0..1 each. Both are counted from the records,
    whatever stands in the files; nothing decides by the numbers in the files.

    \b
    Example:
      git hone variants list --json
    """
    from git_hone.cli.fresh import fresh_place
    from git_hone.hooks.lock import variants_alone
    from git_hone.learner.experience import counts
    from git_hone.learner.store import Store

    place = fresh_place()
    prompts, models = variants.load_prompts(place.agent), variants.load_models(place.agent)
    store = Store(place.data)
    of_prompts, of_models = counts(store, models)
    if refresh:
        for file, found in ((variants.PROMPTS, of_prompts), (variants.MODELS, of_models)):
            with variants_alone(place):
                written = variants.refresh(place.agent, file, found)
            click.echo(f".agent/{file}: {'written' if written else 'nothing to change'}", err=True)
    rows = {
        "prompts": [{"id": one.id, "name": one.name or None, **_counts(of_prompts.get(one.id))} for one in prompts],
        "models": [
            {"id": one.id, "name": one.name or None, "provider": one.provider, "model": one.model, "endpoint": one.endpoint,
             "local": one.local, "input_per_1m_usd": one.input_per_1m_usd, "output_per_1m_usd": one.output_per_1m_usd,
             "context_length": one.context_length, **_counts(of_models.get(one.id))}
            for one in models
        ],
    }  # fmt: skip
    click.echo(json.dumps({"version": 1, **rows}, ensure_ascii=False) if as_json else _words(rows))
    for damage in store.damaged:
        click.echo(f"git-hone: {damage.path}: {damage.reason} ({damage.action})", err=True)


def _counts(arm: Arm | None) -> dict[str, float]:
    return {"wins": round(arm.wins, 6) if arm else 0.0, "trials": arm.trials if arm else 0}


def _words(rows: dict[str, list[dict[str, Any]]]) -> str:
    from git_hone.cli import table

    right = ("wins", "trials", "reward", "USD per 1M in", "out")
    width = table.line_width()

    def counted(row: dict[str, Any]) -> tuple[str, str, str]:
        mean = row["wins"] / row["trials"] if row["trials"] else None
        return f"{row['wins']:.1f}", f"{row['trials']:g}", table.number(mean)

    prompts = [(row["id"], *counted(row)) for row in rows["prompts"]]
    models = [
        (row["id"], row["provider"], "local" if row["local"] else row["endpoint"], f"{row['input_per_1m_usd']:g}",
         f"{row['output_per_1m_usd']:g}", *counted(row))
        for row in rows["models"]
    ]  # fmt: skip
    head = ["model", "provider", "where", "USD per 1M in", "out", "wins", "trials", "reward"]
    return (
        table.render(["prompt", "wins", "trials", "reward"], prompts, right=right, width=width)
        + "\n\n"
        + table.render(head, models, right=right, width=width)
    )


@command.command("add")
@click.argument("id_", metavar="ID")
@click.option(
    "--template", type=click.Path(path_type=Path), metavar="FILE", help="Add a prompt: its text; `-` is standard input."
)
@click.option("--provider", type=click.Choice(tuple(variants.ENDPOINTS)), help="Add a model: how to talk to it.")
@click.option("--endpoint", metavar="URL", help="Where it is; the provider's own address by default.")
@click.option("--model", "model_name", metavar="NAME", help="The model's name there; the ID by default.")
@click.option(
    "--api-key-env", metavar="NAME", help="The environment variable that holds the key. The key itself is never written."
)
@click.option("--input-per-1m", type=PRICE, default=0.0, metavar="USD", help="Price of a million tokens read.")
@click.option("--output-per-1m", type=PRICE, default=0.0, metavar="USD", help="Price of a million tokens written.")
@click.option("--context-length", type=click.IntRange(min=1), metavar="N", help="Tokens that fit into a question and its answer.")
@click.option("--name", default="", metavar="TEXT", help="A name for people.")
def add(
    id_: str,
    template: Path | None,
    provider: variants.Provider | None,
    endpoint: str | None,
    model_name: str | None,
    api_key_env: str | None,
    input_per_1m: float,
    output_per_1m: float,
    context_length: int | None,
    name: str,
) -> None:
    """Add a model (with --provider) or a prompt (with --template).

    A template has {task}, and may have {files}, {context} and {examples}. Nothing is sent to a model that is added; `git hone variants
    test ID` does that.

    \b
    Examples:
      git hone variants add codestral --provider ollama
      git hone variants add sonnet --provider anthropic --model claude-sonnet-4-5 \\
        --api-key-env ANTHROPIC_API_KEY --input-per-1m 3 --output-per-1m 15
      git hone variants add careful --template prompts/careful.txt
    """
    from git_hone.hooks.place import find

    if (template is None) == (provider is None):
        raise click.UsageError("say --provider for a model, or --template for a prompt")
    place = find(Path.cwd())
    agent, config = place.agent, _config(place.agent)

    from git_hone.hooks.lock import variants_alone

    def put(one: variants.Prompt | variants.Model) -> Path:
        with variants_alone(place):
            known = [each.id for each in variants.load_prompts(agent)] + [each.id for each in variants.load_models(agent)]
            if id_ in known:
                raise UsageError(
                    f"{id_}: there is a variant of this id already", tip=f"choose another id, or edit the file in {agent}"
                )
            return variants.add(agent, one)

    if template is not None:
        given = (endpoint, model_name, api_key_env, context_length, input_per_1m or None, output_per_1m or None)
        if any(value is not None for value in given):
            raise click.UsageError("a prompt has no endpoint, model, key, price or context length")
        path = put(variants.Prompt(id_, _template(template), name))
        if id_ not in config["promptBandit.variants"]:
            click.echo(
                f"  next: name {id_} in promptBandit.variants of {agent / 'learning-config.json'}, to have it chosen", err=True
            )
    elif provider is not None:
        where = (endpoint or variants.ENDPOINTS[provider]).rstrip("/")
        model = variants.Model(
            id_, provider, where, model_name or id_, name, api_key_env, input_per_1m, output_per_1m, context_length,
            variants.is_loopback(where),
        )  # fmt: skip
        path = put(model)
        _say_what_keeps_it_back(model, config)
    click.echo(f"{path}: {id_} added", err=True)


def _config(agent: Path) -> Config:
    from git_hone.learner import config

    return config.load(agent / "learning-config.json")


def _template(path: Path) -> str:
    if str(path) != "-" and not path.is_file():
        raise UsageError(f"{path}: no such file", tip="--template takes the file that holds the prompt's text")
    try:
        with click.open_file(str(path), encoding="utf-8") as file:
            text = str(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    if "{task}" not in text:
        raise UsageError(f"--template {path}: the text has no {{task}}, so it would never say what is to be done")
    return text


def _say_what_keeps_it_back(model: variants.Model, config: Config) -> None:
    from git_hone.learner.routing import Settings, able

    limits = Settings(max_per_1k_usd=config["modelRouter.max_cost_per_1k_usd"], local_only=bool(config["privacy.local_only"]))
    try:
        able([model], limits)
    except UsageError as error:
        reason = error.message.splitlines()[-1].strip()
        click.echo(f"git-hone: it will not be asked as the configuration stands: {reason}", err=True)


@command.command("test")
@click.argument("id_", metavar="ID")
@click.option("--timeout", default=60.0, show_default=True, type=click.FloatRange(min=0.1), metavar="S", help="Seconds to wait.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def test(id_: str, timeout: float, as_json: bool) -> int:
    """Really ask a model: whether its endpoint can be reached, whether the model is there, what it answers to a tiny prompt, in how many
    tokens and milliseconds, and what that costs. Exit code 1, with the reason, when it does not answer.

    \b
    Example:
      git hone variants test qwen2.5-coder:7b
    """
    from git_hone.ci import endpoints
    from git_hone.ci.probing import probe
    from git_hone.hooks.place import find

    agent = find(Path.cwd()).agent
    models = variants.load_models(agent)
    if id_ not in [one.id for one in models] and id_ in [one.id for one in variants.load_prompts(agent)]:
        raise UsageError(f"{id_}: a prompt; only models are asked", tip=f"known models: {', '.join(one.id for one in models)}")
    model = variants.find(models, id_, variants.MODELS)
    found = probe(model, endpoints.connect(model, local_only=bool(_config(agent)["privacy.local_only"])), timeout)
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else _told(found))
    return 0 if found["ok"] else 1


def _told(found: dict[str, Any]) -> str:
    from git_hone.cli import table

    yes = {True: "yes", False: "no", None: "not known"}
    server = f" (version {found['server']})" if found["server"] else ""
    unlisted = found["ok"] and found["model_there"] is False
    lines = [
        f"model      {found['id']}: {found['model']} at {found['endpoint']}, {found['provider']}",
        f"reachable  {yes[found['reachable']]}{server}",
        f"there      {yes[found['model_there']]}" + (", by the server's own list; it answered all the same" if unlisted else ""),
    ]
    if answer := found["answer"]:
        tokens = "not counted" if answer["tokens_in"] is None else f"{answer['tokens_in']} in, {answer['tokens_out']} out"
        cost = "not known" if answer["cost_usd"] is None else f"{answer['cost_usd']:.6f} USD"
        lines += [f"answer     {table.plain(answer['text'])[:200] or '(no text)'}", f"tokens     {tokens}",
                  f"took       {answer['duration_ms']} ms", f"cost       {cost}"]  # fmt: skip
    if problem := found["problem"]:
        lines.append(f"problem    {problem['message']}")
        lines += [f"  next: {problem['tip']}"] if problem["tip"] else []
    return "\n".join(lines)
