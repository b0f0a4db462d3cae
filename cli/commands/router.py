"""`git hone router`: train a router from the record, judge it on the log, adopt it on evidence."""

from __future__ import annotations

import json
import math
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import click

from git_hone.cli import table
from git_hone.cli.fresh import fresh_place
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner import experience, variants
from git_hone.learner.context import Lift
from git_hone.learner.errors import UsageError
from git_hone.learner.router import exported, promotion
from git_hone.learner.router.promotion import CANDIDATE, ROUTER
from git_hone.learner.routing import Settings
from git_hone.learner.store import Store

FILE: Final = click.Path(path_type=Path)


@click.group("router", short_help="Train, judge and adopt the model router.")
def command() -> None:
    """Train a router from what was tried here, judge it on the log of choices, and adopt it when it is better.

    A trained router is a candidate: nothing uses it before `adopt`, which asks `evaluate`.

    \b
    Examples:
      git hone router train --target keep-reward
      git hone router evaluate
      git hone router adopt
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
        + f"wrote {told['file']} ({told['router']}); nothing uses it yet\n  next: git hone router evaluate"
    )


def _cells(one: dict[str, Any]) -> tuple[str, str, str]:
    return _number(one["reward"]["value"]), _interval(one["reward"]), _number(one["cost_usd"]["value"], digits=4)


def _number(value: float | None, sign: str = "", digits: int = 3) -> str:
    return "not known" if value is None else f"{value:{sign}.{digits}f}"


def _interval(one: dict[str, float | None], digits: int = 3) -> str:
    return "not known" if one["low"] is None or one["high"] is None else f"{one['low']:.{digits}f} to {one['high']:.{digits}f}"


@command.command("evaluate", short_help="Is the candidate better? From the log of choices.")
@click.option("--candidate", type=FILE, help="Another file than .agent/router.candidate.json.")
@click.option("--current", type=FILE, help="Another file than .agent/router.json.")
@click.option("--price", type=click.FloatRange(min=0, min_open=True), metavar="USD",
              help="What a whole point of reward is worth; else as the router in use has it.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def evaluate(candidate: Path | None, current: Path | None, price: float | None, as_json: bool) -> int:
    """Judge the candidate against the router in use (without one: the shipped priors), on the choices that git-hone logged.

    Off-policy: inverse propensity (IPS, SNIPS) and doubly robust (DR) estimates with 95 % intervals; the verdict is that of DR.
    Exit code 0 when the candidate is better, 1 when it is not or when there is not enough evidence.

    \b
    Examples:
      git hone router evaluate
      git hone router evaluate --candidate other.json --price 0.5 --json
    """
    place = fresh_place()
    told = _evaluated(place, candidate or place.agent / CANDIDATE, current, price)
    click.echo(json.dumps(told) if as_json else _judged(told, price))
    return 0 if told["verdict"] == "better" else 1


def _evaluated(place: Place, candidate: Path, current: Path | None, price: float | None) -> dict[str, Any]:
    from git_hone.learner.offpolicy import WEIGHT_CAP
    from git_hone.learner.router import judging

    new = exported.load(candidate)
    old, line = (exported.load(current), None) if current else exported.in_use(place.agent / ROUTER)
    if line:
        click.echo(f"git-hone: {line}", err=True)
    models = variants.load_models(place.agent)
    rows = experience.tried(Store(place.data), models)
    config = configuration.load(place.agent / "learning-config.json")
    settings = Settings(
        config["modelRouter.epsilon"], config["modelRouter.max_cost_per_1k_usd"], bool(config["privacy.local_only"])
    )
    judged = judging.judge(rows, models, new, old, settings, None if price is None else 1 / price)
    told: dict[str, Any] = {"version": 1, "candidate": new.version, "current": old.version if old else None}
    if isinstance(judged, str):
        return told | {"verdict": "not enough evidence", "why": judged}
    policies = zip(("candidate", "current"), (judged.candidate, judged.current), strict=True)
    estimates = {
        name: _worth(worth) | {
            "capped": round(judged.estimators["worth"][k].capped, 4),
            "worth": {one: _estimate(getattr(judged.estimators["worth"][k], one)) for one in ("ips", "snips", "dr")},
        }
        for k, (name, worth) in enumerate(policies)
    }  # fmt: skip
    return told | {
        "verdict": judged.verdict, "needed": judged.needed, "choices": judged.n, "left_out": judged.left_out,
        "price_of_reward_usd": _finite(1 / judged.price) if judged.price else None, "better_by": _estimate(judged.better_by),
        "reward_by": _estimate(judged.reward), "cost_usd_by": _estimate(judged.cost), "unsupported": round(judged.unsupported, 4),
        "weight_cap": WEIGHT_CAP, "policies": estimates, "notes": [*judged.notes, *_priced_otherwise(new, judged.price)],
    }  # fmt: skip


def _priced_otherwise(candidate: exported.Router, price: float) -> list[str]:
    """A line where the candidate was trained at another price (reward per USD) than it is judged at."""
    own = candidate.price_of_reward
    if own is None or (price and abs(own * price - 1) < 0.01):
        return []
    return [
        f"the candidate was trained where a whole point of reward is worth {own:.4g} USD; `--price {own:.4g}` judges it there"
    ]


def _price(price: float | None) -> str:
    return "" if price is None else f" --price {price:g}"


def _judged(told: dict[str, Any], price: float | None = None) -> str:
    against = told["current"] or "the shipped priors"
    if "why" in told:
        return f"candidate {told['candidate']} against {against}: not enough evidence: {told['why']}"
    rows = []
    for name, one in told["policies"].items():
        told_by = (f"{_number(one['worth'][key]['value'])} [{_interval(one['worth'][key])}]" for key in ("ips", "snips", "dr"))
        rows.append((name, *_cells(one), *told_by, f"{one['effective_sample']:.0f}", table.percent(one["capped"])))
    head = ("policy", "reward", "95 %", "USD a task", "worth: IPS", "SNIPS", "DR", "effective", "capped")
    at = told["price_of_reward_usd"]
    worth = "cost does not matter" if at is None else f"a whole point of reward is worth {at:.4g} USD"
    parts = [f"{what} {_number(told[key]['value'], '+', digits)} [{_interval(told[key], digits)}]"
             for what, key, digits in (("worth", "better_by", 3), ("reward", "reward_by", 3), ("USD a task", "cost_usd_by", 5))]  # fmt: skip
    needed = f"; about {told['needed']:,} choices would tell" if told["needed"] else ""
    return (
        f"candidate {told['candidate']} against {against}, on {told['choices']:,} logged choices; {worth}\n\n"
        + table.render(head, rows, right=head[1:], width=table.line_width())
        + f"\n\ncandidate less current: {', '.join(parts)}\n"
        + "".join(f"note: {note}\n" for note in told["notes"])
        + f"{told['verdict']}{needed}"
        + (f"\n  next: git hone router adopt{_price(price)}" if told["verdict"] == "better" else "")
    )


@command.command("adopt", short_help="Use the candidate from now on, when it is better.")
@click.option("--price", type=click.FloatRange(min=0, min_open=True), metavar="USD",
              help="What a whole point of reward is worth, as in `evaluate`; kept in the ledger.")  # fmt: skip
@click.option("--force", is_flag=True, help="Adopt it whatever the verdict; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why; kept in the ledger.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def adopt(price: float | None, force: bool, reason: str | None, as_json: bool) -> int:
    """Make the candidate `.agent/router.json`, when `evaluate` says that it is better than the one in use (or, as the first
    one, than the shipped priors). The one before is kept as `.agent/router.previous.json`, and a line of
    `.agent/promotions.jsonl` says what was adopted, on which numbers. Exit code 1 when it is not adopted.

    \b
    Examples:
      git hone router adopt
      git hone router adopt --price 0.5
      git hone router adopt --force --reason "the priors do not know our local model"
    """
    if force and not (reason or "").strip():
        raise UsageError("--force needs --reason", tip="the reason is kept in .agent/promotions.jsonl, for whoever asks later")
    place = fresh_place()
    told = _evaluated(place, place.agent / CANDIDATE, None, price)
    adopted = force or told["verdict"] == "better"
    if adopted:
        from git_hone.ci import promotions

        promotions.note(place.agent, promotion.adopt(place.agent, told, reason))
    if as_json:
        click.echo(json.dumps(told | {"adopted": adopted}))
    else:
        said = (
            f"adopted: .agent/{ROUTER} is now {told['candidate']}"
            if adopted
            else f"not adopted: {told['current'] or 'the shipped priors'} stay{'s' if told['current'] else ''} in use"
        )
        click.echo(f"{_judged(told).partition(chr(10) + '  next:')[0]}\n{said}")
    return 0 if adopted else 1


@command.command("context", short_help="Which context helps: lifts on the reward.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only choices from this day on (UTC).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def context(since: datetime | None, as_json: bool) -> None:
    """Print what each bundle of `.agent/context.json`, each item of it, and the few-shot examples (`*examples`) do for the reward of the
    tasks they were offered for.

    \b
    Example:
      git hone router context
    """
    from git_hone.learner import context as shaping

    place = fresh_place()
    bundles = shaping.load(place.agent)
    names = [name for one in bundles for name in (one.id, *(f"{one.id}/{item.id}" for item in one.items if len(one.items) > 1))]
    found = shaping.lifts(shaping.shown(Store(place.data), since and since.replace(tzinfo=timezone.utc)))
    rows = [found.get(name, shaping.Lift(name, 0, 0)) for name in [*names, *(name for name in found if name not in names)]]
    if as_json:
        told = [one._asdict() | {"with": one.with_, "offered_now": one.id in (*names, shaping.EXAMPLES)} for one in rows]
        click.echo(json.dumps({"version": 1, "context": [{key: v for key, v in one.items() if key != "with_"} for one in told]}))
    elif not rows:
        click.echo("no context bundles, and none on record\n  next: docs/how-to/context.md shows a .agent/context.json")
    else:
        head = ("context", "with", "without", "reward with", "without it", "lift", "95 %")
        click.echo(table.render(head, [_lift(one) for one in rows], right=head[1:], width=table.line_width()))
        click.echo("lift: weighted by inverse propensity; too few: fewer than five effective choices with it, or without")


def _lift(one: Lift) -> tuple[str, ...]:
    counts = (one.id, f"{one.n_with:,}", f"{one.n_without:,}")
    if one.value is None:
        return (*counts, "", "", "too few", "")
    return (
        *counts,
        table.number(one.with_),
        table.number(one.without),
        f"{one.value:+.3f}",
        f"{one.low:+.3f} to {one.high:+.3f}",
    )


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
        (name, arm, f"{node.rewards[k]:.3f}", f"{round(node.costs[k], 4) + 0:.4f}", f"{node.tried[k]:,}")
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
