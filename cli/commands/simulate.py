"""`git hone simulate`: the learning cycle against a world whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from git_hone.cli import table
from git_hone.learner import chart
from git_hone.learner.errors import UsageError

NAMES = ("steady", "drift", "delays", "new-model", "degrading-local", "seed-criterion")
PLOTS = {"regret": "cumulative regret (reward)", "spend": "spend (USD)", "paid": "paid calls", "reward": "reward so far"}


@click.command("simulate")
@click.option("--scenario", type=click.Choice(NAMES), default="steady", show_default=True, help="The world that is played.")
@click.option(
    "--tasks", "n", type=click.IntRange(min=1, max=100_000), metavar="N", help="Tasks of a run; by default the scenario's own."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the first run; the others follow it.")
@click.option(
    "--runs", type=click.IntRange(min=1, max=1000), default=3, show_default=True, metavar="N", help="Runs to take means over."
)
@click.option("--plot", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write SVG plots there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(scenario: str, n: int | None, seed: int, runs: int, plot: Path | None, as_json: bool) -> None:
    """Play the learning cycle against a made-up world whose truth is known, beside policies that it must beat.

    Nothing of this repository is read or written. The choices are those of `git hone route`: plans, gates, prompts, a router that
    is trained as the record grows and adopted only on evidence. Regret is what the best plan was truly worth less what the chosen
    one was, reward with its cost at the scenario's price. Every policy meets the same tasks with the same luck.

    \b
    Scenarios:
      steady           rewards at once; nothing changes
      drift            a model gets worse, another better
      delays           rewards after days, three in ten never
      new-model        on day 30 a better and cheaper model
      degrading-local  on day 15 the local model loses most of what it can
      seed-criterion   are paid calls down by half after 100 tasks, and the reward not lower?

    \b
    Examples:
      git hone simulate --tasks 60 --runs 2
      git hone simulate --scenario drift --plot plots
      git hone simulate --scenario seed-criterion --runs 20 --json
    """
    from git_hone.learner.simulation import playing, world

    chosen = world.scenario(scenario)
    tasks = n or chosen.tasks
    played = playing.simulate(chosen, tasks, runs, seed)
    told = playing.told(chosen, played)
    files = []
    if plot:
        try:
            plot.mkdir(parents=True, exist_ok=True)
            for what, up in PLOTS.items():
                drawn = chart.svg(playing.over_time(played, what), title=f"{scenario}: {up}", across="task", up=up)
                files.append(plot / f"{scenario}-{what}.svg")
                files[-1].write_text(drawn, "utf-8")
        except OSError as error:
            raise UsageError(f"--plot {plot}: {error.strerror}", tip="name a folder that can be written") from None
    if as_json:
        head = {"version": 1, "scenario": scenario, "tasks": tasks, "runs": runs, "seed": seed}
        head |= {"price_of_reward_usd": chosen.price_of_reward, "plots": [str(file) for file in files]}
        click.echo(json.dumps(head | told))
        return
    click.echo(f"{scenario}: {chosen.about}\n{tasks:,} tasks, {runs:,} runs from seed {seed}\n")
    click.echo(_table(told["players"]))
    click.echo(
        "\ncumulative regret\n" + chart.text(playing.over_time(played, "regret"), width=min(72, (table.line_width() or 82) - 10))
    )
    if told["criterion"]:
        click.echo("\n" + _criterion(told["criterion"], asked=scenario == "seed-criterion"))
    for file in files:
        click.echo(f"wrote {file}")


def _table(players: dict[str, Any]) -> str:
    head = ("policy", "reward", "spend USD", "paid calls", "regret")
    rows = [
        (name, _cell(one["reward"], 3), _cell(one["spend_usd"], 2), _cell(one["paid_calls"], 0), _cell(one["regret"], 1))
        for name, one in players.items()
    ]
    ours = players["git-hone"]
    note = "reward: mean of a task; the rest are sums of a run; in brackets the 95 % interval of the mean over runs"
    return (
        table.render(head, rows, right=head[1:], width=table.line_width())
        + f"\n{note}\ngit-hone trained {ours['routers_trained']} routers and adopted {ours['routers_adopted']} on evidence"
    )


def _cell(one: dict[str, float | None], digits: int) -> str:
    between = "" if one["low"] is None else f" [{one['low']:.{digits}f}, {one['high']:.{digits}f}]"
    return f"{one['mean']:.{digits}f}{between}"


def _criterion(one: dict[str, Any], asked: bool) -> str:
    """What became of the seeds' criterion; the verdict only in the scenario that asks it, as others have a cheap model whose calls count."""
    less = one["reward_less"]
    return (
        f"tasks 101 to 200 against always paid: paid calls down by {100 * one['paid_calls_down']['mean']:.0f} %, "
        f"spend by {100 * one['spend_down']['mean']:.0f} %, "
        f"reward {less['mean']:+.3f}" + ("" if less["low"] is None else f" [{less['low']:+.3f}, {less['high']:+.3f}]")
        + (f"\ncalls down by at least half, and reward not lower within the interval: {'yes' if one['met'] else 'no'}" if asked else "")
    )  # fmt: skip
