"""`git hone router`: train a router from the record, judge it on the log, adopt it on evidence."""

from __future__ import annotations

import json
import math
import time
from datetime import datetime, timezone
from typing import Any, Final

import click

from git_hone.cli import table
from git_hone.cli.fresh import fresh_place
from git_hone.learner import experience, variants
from git_hone.learner.router import exported
from git_hone.learner.store import Store

ROUTER: Final = "router.json"
CANDIDATE: Final = "router.candidate.json"


@click.group("router", short_help="Train, judge and adopt the model router.")
def command() -> None:
    """Train a router from what was tried here, and look at it.

    A trained router is a candidate: nothing uses it on its own.

    \b
    Examples:
      git hone router train --target keep-reward
      git hone router show
    """


@command.command("train", short_help="Learn a candidate from the record.")
@click.option("--target", default="keep-reward", show_default=True, metavar="TARGET",
              help="keep-reward, as-good-as:MODEL, or budget:USD (mean cost of a task).")  # fmt: skip
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only runs from this day on (UTC).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def train(target: str, since: datetime | None, as_json: bool) -> int:
    """Learn which model does which task well, and write `.agent/router.candidate.json`.

    Every run of this repository's own record counts that has a reward and a model of model_variants.json. The choices that learn
    nothing (best single, always local, always strong, random mix) stand beside the router, judged on the same runs, out of fold.
    Exit code 1 when there is too little to learn from.

    \b
    Examples:
      git hone router train
      git hone router train --target as-good-as:MODEL --since 2026-01-01
      git hone router train --target budget:0.02 --json
    """
    from git_hone.learner.router import learning

    wanted = learning.Target.read(target)
    place = fresh_place()
    models = variants.load_models(place.agent)
    start = since and since.replace(tzinfo=timezone.utc)
    known = learning.lessons(experience.tried(Store(place.data), models, start), models)
    says = learning.too_few(known)
    if says:
        _refuse(says, known.left_out, as_json)
        return 1
    about = {"trained_at": round(time.time(), 3), "since": start.isoformat() if start else None}
    learned = learning.learn(known, models, wanted, about)
    path = place.agent / CANDIDATE
    exported.save(path, learned.router)
    told = {
        "version": 1, "router": learned.router.version, "file": str(path), "target": str(wanted), "examples": len(known.examples),
        "left_out": known.left_out, "models": list(known.arms), "settings": learned.router.about["settings"],
        "price_of_reward_usd": learned.router.price_of_reward, "estimated_propensities": learned.estimated,
        "out_of_fold": _worth(learned.own), "beside": {name: _worth(one) for name, one in learned.beside.items()},
    }  # fmt: skip
    click.echo(json.dumps(told) if as_json else _trained(told))
    return 0


def _refuse(says: str, left_out: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"version": 1, "error": says, "left_out": left_out}))
    else:
        click.echo(f"nothing was trained: {says}{_left_out(left_out)}")


def _left_out(reasons: Any) -> str:
    return "".join(f"\n  left out: {n:,} runs: {reason}" for reason, n in sorted(reasons.items(), key=lambda item: -item[1]))


def _worth(one: Any) -> dict[str, Any]:
    """A `learning.Worth` as JSON: a number that cannot be told is null."""
    found = {"reward": _estimate(one.reward), "cost_usd": _estimate(one.cost), "effective_sample": _finite(one.ess)}
    if one.less is not None:
        found |= {"router_better_by": _estimate(one.less), "beaten": one.beaten, "verdict": one.verdict, "needed": one.needed}
    return found


def _estimate(one: Any) -> dict[str, float | None]:
    return {"value": _finite(one.value), "low": _finite(one.low), "high": _finite(one.high)}


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _trained(told: dict[str, Any]) -> str:
    settings, price = told["settings"], told["price_of_reward_usd"]
    words = "words left out" if settings["alpha"] is None else f"words shrunk by {settings['alpha']:g}"
    worth = "cost does not matter" if price is None else f"a whole point of reward is worth {price:.4g} USD"
    rows = [("router", *_cells(told["out_of_fold"]), "", "", "")]
    for name, one in told["beside"].items():
        verdict = "beaten" if one["beaten"] else one["verdict"] + (f", about {one['needed']:,} runs" if one["needed"] else "")
        rows.append(
            (name, *_cells(one), _number(one["router_better_by"]["value"], "+"), _interval(one["router_better_by"]), verdict)
        )
    head = ("out of fold", "reward", "95 %", "USD a task", "router better by", "95 % ", "verdict")
    shown = table.render(head, rows, right=head[1:4], width=table.line_width())
    estimated = told["estimated_propensities"]
    return (
        f"learned from {told['examples']:,} runs of {', '.join(told['models'])}{_left_out(told['left_out'])}\n"
        f"settings: shrinkage {settings['shrinkage']:g}, contrast {settings['contrast']:g}, {words}; {worth} ({told['target']})\n\n"
        f"{shown}\n\n"
        "better by: in reward, with cost at the price above; beaten: the whole interval is above 0\n"
        + (
            f"{estimated:,} of the runs were chosen by others, so their probability is estimated by kind of task\n"
            if estimated
            else ""
        )
        + f"wrote {told['file']} ({told['router']}); nothing uses it yet\n  next: git hone router show --candidate"
    )


def _cells(one: dict[str, Any]) -> tuple[str, str, str]:
    return _number(one["reward"]["value"]), _interval(one["reward"]), _number(one["cost_usd"]["value"], digits=4)


def _number(value: float | None, sign: str = "", digits: int = 3) -> str:
    return "not known" if value is None else f"{value:{sign}.{digits}f}"


def _interval(one: dict[str, float | None]) -> str:
    return "not known" if one["low"] is None or one["high"] is None else f"{one['low']:.3f} to {one['high']:.3f}"


@command.command("show", short_help="What the router holds.")
@click.option("--candidate", is_flag=True, help="The candidate instead of the one in use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def show(candidate: bool, as_json: bool) -> None:
    """Print what the router in use holds: what each model is expected to do, by kind of task, and how it was trained.

    \b
    Examples:
      git hone router show
      git hone router show --candidate --json
    """
    place = fresh_place()
    path = place.agent / (CANDIDATE if candidate else ROUTER)
    if not candidate and not path.exists():
        click.echo(json.dumps({"version": 1, "router": None}) if as_json else
                   "no router is in use: choices rest on the shipped priors and what was seen here\n  next: git hone router train")  # fmt: skip
        return
    router = exported.load(path)
    if as_json:
        click.echo(json.dumps({"version": 1, "router": router.version} | json.loads(router.dump())))
        return
    click.echo(_held(router))


def _held(router: exported.Router) -> str:
    price = router.price_of_reward
    rows = [
        (name, arm, f"{node.rewards[k]:.3f}", f"{node.costs[k]:.4f}", f"{node.tried[k]:,}")
        for name, node in [("all", router.root), *sorted(router.kinds.items())]
        for k, arm in enumerate(router.arms)
        if node.tried[k]
    ]
    head = ("tasks", "model", "reward", "USD", "runs")
    worth = "cost does not matter" if price is None else f"a whole point of reward is worth {price:.4g} USD"
    about = router.about
    trained = datetime.fromtimestamp(float(about.get("trained_at") or 0), timezone.utc)
    when = f"{trained:%Y-%m-%d %H:%M} UTC" if about.get("trained_at") else "not known when"
    return (
        f"router {router.version}, trained {when} from {about.get('examples', 'an unknown number of')} runs "
        f"({about.get('target', 'no target')}); {worth}; {len(router.weights):,} hashed words\n\n"
        + table.render(head, rows, right=head[2:], width=table.line_width())
    )
