"""`git hone stats`: what worked here."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import click

from git_hone.cli import table
from git_hone.cli.fresh import fresh_place
from git_hone.learner import histories, stats
from git_hone.learner.errors import UsageError
from git_hone.learner.fates import HORIZONS
from git_hone.learner.store import Store
from git_hone.learner.survival import Curve, Point

RIGHT = ("changes", "reward", "95 %", "kept", "runs/change", "reverted")


@click.command("stats")
@click.option("--by", type=click.Choice(stats.GROUPS), default="agent", show_default=True, help="One line for each of these.")
@click.option("--last", "n", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Means over N runs.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only from this day on (UTC).")
@click.option("--survival", is_flag=True, help="How long changes stand instead: Kaplan-Meier, with 95 % intervals.")
@click.option("--calibration", is_flag=True, help="How good the rewards are instead: predicted against what came true.")
@click.option(
    "--fit", is_flag=True, help="With --calibration: write the verdict to .agent/reward.json, which decides from now on."
)
@click.option("--decisions", is_flag=True, help="Which decisions work instead: weight, confidence and trend of each type.")
@click.option("--drift", is_flag=True, help="Whether a model got worse instead: a change-point test for each kind of task.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    by: stats.By,
    n: int,
    since: datetime | None,
    survival: bool,
    calibration: bool,
    fit: bool,
    decisions: bool,
    drift: bool,
    as_json: bool,
) -> None:
    """What worked here: means over the last runs, and one line for each agent (or model, ...).

    Rewards lie in 0..1; a mean of fewer than five known ones is not shown. kept: lines still the agent's of the lines its
    runs wrote.

    --survival: share of changes that still stand 1, 7, 14, 30 and 90 days after they landed on the default branch. A change
    falls when it is reverted, rejected or dropped, or when fewer than 80 % of its lines are alive.

    --calibration: the reward as a forecast that a change is kept for 14 days, judged on the newer part of the record.

    --decisions: models by kind of task, prompts, context, gates and escalations that git-hone chose, by what came of them.

    --drift: each model on each kind of task against its own past, with how often the test alarms where nothing changed.

    \b
    Examples:
      git hone stats --by model
      git hone stats --survival
      git hone stats --decisions
      git hone stats --calibration
      git hone stats --drift
    """
    if survival + decisions + drift + (calibration or fit) > 1:
        raise UsageError("--survival, --calibration, --decisions and --drift answer different questions", tip="ask one at a time")
    start = since and since.replace(tzinfo=timezone.utc)
    place = fresh_place(aged=True)
    store = Store(place.data)
    if calibration or fit:
        from git_hone.cli.calibration import tell

        tell(place, store, fit=fit, as_json=as_json)
    elif drift:
        from git_hone.cli.drifting import tell as tell_drift

        tell_drift(place, store, start, as_json=as_json)
    elif decisions:
        _decisions(store, start, as_json)
    elif survival:
        _survival(by, histories.survival(store, by, start), as_json)
    else:
        _means(by, *stats.both(store, by, n, start), as_json)
    for damage in store.damaged:
        click.echo(f"git-hone: {damage.path}: {damage.reason} ({damage.action})", err=True)


def _decisions(store: Store, since: datetime | None, as_json: bool) -> None:
    from git_hone.learner import improver

    known = improver.improve(improver.outcomes(store, since))
    right = improver.accuracy(known.values())
    if as_json:
        rows = [
            {"decision": name, "weight": round(one.weight, 6), "confidence": round(one.confidence, 6), "n": one.n,
             "reward": round(one.total / one.n, 6), "trend": None if one.trend is None else round(one.trend, 6),
             "accuracy": round(one.n_right / one.n, 6), "deprecated": one.deprecated}
            for name, one in sorted(known.items())
        ]  # fmt: skip
        told = dict(zip(("n", "value", "low", "high"), right, strict=True)) if right else None
        click.echo(json.dumps({"version": 1, "accuracy": told, "decisions": rows}))
        return
    if right is None:
        click.echo("no decision has an outcome yet\n  next: let `git hone route` choose, commit, and look again")
        return
    ranked = sorted(known.items(), key=lambda item: (item[1].deprecated, -item[1].weight * item[1].confidence, item[0]))
    head = ("decision", "weight", "confidence", "outcomes", "reward", "trend", "accuracy")
    cells = [
        (name, table.number(one.weight), table.number(one.confidence), f"{one.n:,}", table.number(one.total / one.n),
         "too few" if one.trend is None else f"{one.trend:+.2f}", table.percent(one.n_right / one.n), "deprecated" if one.deprecated else "")
        for name, one in ranked
    ]  # fmt: skip
    click.echo(table.render([*head, ""], cells, right=head[1:], width=table.line_width()))
    n, share, low, high = right
    click.echo(
        f"accuracy: of {n:,} outcomes {100 * share:.0f} % [{100 * low:.0f} to {100 * high:.0f}] came as the weight before said\n"
        f"trend: the newest {improver.RECENT} outcomes less those before; deprecated: weight below {improver.DEPRECATED}"
    )


def _means(by: str, recent: stats.Recent, groups: list[stats.Group], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_object(by, recent, groups)))
    elif not recent.runs and not groups:
        click.echo(
            "nothing recorded yet\n  next: commit something with an agent, then look again; `git hone status` says what is wired"
        )
    else:
        click.echo(_words(by, recent, groups))


def _survival(by: str, curves: list[Curve], as_json: bool) -> None:
    if as_json:
        groups = [{by: one.name} | {key: value for key, value in asdict(one).items() if key != "name"} for one in curves]
        click.echo(json.dumps({"version": 1, "by": by, "survival": groups}))
        return
    if not curves:
        click.echo(
            "no change has been looked at yet\n  next: look again a day after an agent's commit; `git hone log` lists the changes"
        )
        return
    days = ("changes", *(f"{day} d" for day in HORIZONS))
    rows = [(one.name or "(not known)", f"{one.changes:,}", *map(_point, one.points)) for one in curves]
    click.echo(table.render([by.replace("_", " "), *days], rows, right=days, width=table.line_width()))
    click.echo("still standing, 95 % interval, changes watched until then; too few: fewer than five were")


def _point(point: Point) -> str:
    if point.share is None or point.low is None or point.high is None:
        return f"too few ({point.at_risk})"
    return f"{100 * point.share:.0f} % [{100 * point.low:.0f} to {100 * point.high:.0f}] n {point.at_risk:,}"


def _object(by: str, recent: stats.Recent, groups: list[stats.Group]) -> dict[str, Any]:
    return {
        "version": 1,
        "by": by,
        "recent": {"runs": recent.runs, "reward": asdict(recent.reward), "tokens": _mean(recent.tokens),
                   "duration_ms": _mean(recent.duration_ms)},
        "groups": [{by: group.name} | {key: value for key, value in asdict(group).items() if key != "name"} for group in groups],
    }  # fmt: skip


def _mean(mean: stats.Mean) -> dict[str, Any]:
    return {"n": mean.n, "value": mean.value}


def _words(by: str, recent: stats.Recent, groups: list[stats.Group]) -> str:
    seconds = recent.duration_ms.value
    head = (
        f"last {recent.runs:,} run{'s' * (recent.runs != 1)}: reward {_reward(recent.reward)}{_interval(recent.reward, ' [{}]')}, "
        f"tokens {_known(recent.tokens, 0)}, "
        f"duration {_known(recent.duration_ms, 0) if seconds is None else f'{seconds / 1000:,.1f} s'}"
    )
    if not groups:
        return head
    rows = [
        (
            group.name or "(not known)",
            f"{group.changes:,}",
            _reward(group.reward),
            _interval(group.reward, "{}"),
            table.percent(group.kept_share),
            table.number(group.runs_per_change, 1),
            table.percent(group.reverted_share),
        )
        for group in groups
    ]
    name = by.replace("_", " ")
    return f"{head}\n\n{table.render([name, *RIGHT], rows, right=RIGHT, width=table.line_width())}"


def _reward(mean: stats.Mean) -> str:
    return _known(mean, 2)


def _known(mean: stats.Mean, digits: int) -> str:
    """The mean, or why there is none."""
    if mean.value is not None:
        return table.number(mean.value, digits)
    return f"too few ({mean.n})" if mean.n else "not known"


def _interval(mean: stats.Mean, form: str) -> str:
    return "" if mean.low is None else form.format(f"{mean.low:.2f} to {mean.high:.2f}")
