"""`git hone learn`: one job of the learning loop, as CI runs it."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

JOBS = ("export", "incumbent", "train", "evaluate", "gate", "promote")


@click.command("learn", short_help="One job of the learning loop, as CI runs it.")
@click.argument("job", type=click.Choice(JOBS))
@click.option(
    "--role",
    type=click.Choice(["coder", "fixer", "judge"]),
    default="coder",
    show_default=True,
    envvar="HONE_ROLE",
    help="Whose model.",
)
@click.option("--suite", metavar="NAME", envvar="HONE_SUITE", help="The target tasks.  [default: promotion.suite]")
@click.option(
    "--guard",
    metavar="NAME",
    envvar="HONE_GUARD",
    help="The suite on which the candidate must not be worse.  [default: promotion.guard, where it is there]",
)
@click.option(
    "--candidate",
    metavar="MODEL",
    envvar="HONE_CANDIDATE",
    help="A model or an adapter's id to judge.  [default: the adapter that was trained]",
)
@click.option(
    "--incumbent",
    metavar="MODEL",
    envvar="HONE_INCUMBENT",
    help="The model in place, where nothing that is committed serves the role yet.  [default: the base]",
)
@click.option("--base", metavar="FILE", envvar="HONE_BASE", help="The GGUF file to train an adapter for, or its https address.")
@click.option("--base-sha256", metavar="HEX", envvar="HONE_BASE_SHA256", help="What that address must hold.")
@click.option("--push/--no-push", default=True, show_default=True, help="promote: push the branch.")
@click.option("--remote", default="origin", show_default=True, metavar="NAME", help="promote: where to.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(job: str, push: bool, remote: str, as_json: bool, **settings: Any) -> int:
    """Run one job of the learning loop; the workflow that `git hone init --workflow` writes calls all six, in this order.

    \b
    export     the record's examples of the role, to .agent/sft
    incumbent  what a candidate must beat: what serves the role by the committed .agent/promotions.jsonl and champions.json
    train      an adapter from them, to .agent/lora
    evaluate   candidate and incumbent on the suite, which is mined where there is none
    gate       compare the two, a line in .agent/promotions.jsonl
    promote    ledger and evaluations as a commit on a branch hone/promote-TIME, pushed; never to another branch

    Options may be given as variables: HONE_ROLE, HONE_SUITE, HONE_GUARD, HONE_CANDIDATE, HONE_INCUMBENT, HONE_BASE,
    HONE_BASE_SHA256. In GitHub Actions
    the report goes to the job's summary, and what the next job needs to its outputs: rows, enough, incumbent,
    artifact, adapter, compare, candidate, verdict, branch, commit.

    A champion whose adapter is not here is not compared, and nothing is promoted over it. Naming another incumbent is refused.

    Exit code 1: nothing to export, or the gate refuses.

    \b
    Example:
      git hone learn gate --candidate my-coder-tuned-coder --incumbent qwen2.5-coder:7b
    """
    from git_hone.ci.learning import github, jobs, promoting
    from git_hone.ci.learning.settings import Settings, checked
    from git_hone.cli.fresh import fresh_place

    of = checked(Settings(**settings))
    place = fresh_place(aged=job == "export")
    if job == "export":
        told = jobs.export(place, of)
    elif job == "incumbent":
        told = jobs.in_place(place, of)
    elif job == "train":
        told = jobs.train(place, of, lambda now: _say(f"step {now.step} of {now.total}, {now.left} left"))
    elif job == "evaluate":
        told = jobs.evaluate(place, of, lambda done, n, one: _say(f"{done} of {n}  {one.task}"))
    elif job == "gate":
        told = jobs.gate(place, of)
    else:
        told = promoting.promote(place, remote if push else None)
    summed_up = github.tell(told)
    if as_json:
        click.echo(json.dumps({"version": 1, "job": job, "outputs": told.outputs, "report": told.text}))
    else:
        click.echo(told.text.split("\n", 1)[0].removeprefix("# ") if summed_up else told.text.rstrip("\n"))
    return int(told.no)


def _say(words: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{words}", err=True, nl=False)
