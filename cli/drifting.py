"""What `git hone stats --drift` prints: for each model and kind of task, whether it got worse, and how often the test is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import click

from git_hone.cli import table
from git_hone.hooks.place import Place
from git_hone.learner import drift, experience
from git_hone.learner.config import load
from git_hone.learner.drift import Drift
from git_hone.learner.store import Store

HEAD = ("model", "kind", "runs", "before", "recent", "statistic", "alarms at", "false alarms", "")


def tell(place: Place, store: Store, since: datetime | None, *, as_json: bool) -> None:
    """Print every stream of the record. Raises ConfigError for a broken configuration."""
    config = load(place.agent / "learning-config.json")
    drop, window = float(config["driftDetection.minPerformanceDrop"]), int(config["driftDetection.evaluationRuns"])
    runs = experience.tried(store, since=since)
    found = drift.watch(runs, drop=drop, window=window, rule=config["driftDetection.rule"])
    if as_json:
        rule = {
            "rule": config["driftDetection.rule"],
            "drop": drop,
            "window": window,
            "budget": drift.BUDGET,
            "horizon": drift.HORIZON,
        }
        click.echo(json.dumps({"version": 1, **rule, "drift": [asdict(one) for one in found]}, default=datetime.isoformat))
    elif not found:
        click.echo("no run names its model yet\n  next: commit something with an agent, then look again")
    else:
        click.echo(_words(found, drop, window))


def _words(found: Sequence[Drift], drop: float, window: int) -> str:
    rows = [
        (one.model, one.kind or "(not known)", f"{one.runs:,}", _known(one.reference), _known(one.recent), _known(one.statistic),
         _known(one.threshold), _false_alarms(one), _verdict(one, window))
        for one in found
    ]  # fmt: skip
    said = {
        "cusum": f"cusum: alarms in at most {100 * drift.BUDGET:.0f} % of {drift.HORIZON} runs in which nothing changed",
        "seed": f"seed: alarms when the mean of the last {window} rewards lies more than {drop:g} below the one before",
    }
    return (
        f"{table.render(HEAD, rows, right=HEAD[2:8], width=table.line_width())}\n{said[found[0].rule]}\n"
        f"false alarms: share of healthy streams of {drift.HORIZON} runs that alarm, by the rule in use (by the other one)"
    )


def _known(value: float | None) -> str:
    return "" if value is None else table.number(value)


def _false_alarms(one: Drift) -> str:
    if one.false_alarms is None:
        return ""
    other: drift.Rule = "seed" if one.rule == "cusum" else "cusum"
    return f"{100 * one.false_alarms[one.rule]:.0f} % ({other} {100 * one.false_alarms[other]:.0f} %)"


def _verdict(one: Drift, window: int) -> str:
    if one.reference is None:
        return f"too few ({one.known} of {drift.LOOKS * window} rewards)"
    if one.alarm:
        return f"WORSE: alarm at run {one.alarm.run:,}, {one.alarm.at:%Y-%m-%d}"
    if not one.watched:
        return "nothing to watch yet"
    return "stands again" if one.raised else "stands"
