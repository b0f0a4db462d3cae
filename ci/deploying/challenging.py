"""What the record says of a challenger beside its champion, and what is done about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_hone.ci import promotions
from git_hone.ci.deploying import champions, deploying
from git_hone.hooks.place import Place
from git_hone.learner import canary_evidence, experience, ledger
from git_hone.learner.canary_evidence import Evidence
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.store import Store

_DRAWN: Final = """
SELECT chosen, count(*) FROM decisions WHERE kind = 'model' AND step = 0 AND recorded_at >= make_timestamptz($since::BIGINT) GROUP BY chosen
"""


class Trial(NamedTuple):
    """drawn: how many decisions since it began chose the challenger, the champion, and another model; evidence: of those with a reward."""

    drawn: tuple[int, int, int]
    evidence: Evidence


def look(data: Path, challenger: Mapping[str, Any]) -> Trial | None:
    """Of a challenger as `champions.json` holds it; None where it was deployed before it was given a share. One reward a decision, the mean of
    its runs'. Raises DataError where the record cannot be read."""
    from git_hone.learner.store.query import micros_of

    if not {"model", "beside", "since"} <= challenger.keys():
        return None
    since = datetime.fromisoformat(str(challenger["since"]))
    mine, theirs = str(challenger["model"]), str(challenger["beside"])
    store = Store(data)
    with store.connect() as engine:
        drawn: dict[str, int] = dict(engine.execute(_DRAWN, {"since": micros_of(since)}).fetchall())
    rewards: dict[tuple[str, str], list[float]] = {}
    weights: dict[str, float] = {}
    for one in experience.tried(store, since=since):
        if (
            one.decided != "model"
            or one.step
            or one.decision_id is None
            or one.chosen not in (mine, theirs)
            or one.reward is None
        ):
            continue
        rewards.setdefault((one.chosen, one.decision_id), []).append(one.reward)
        shares = one.propensities or {}
        weights[one.decision_id] = 1.0 if one.chosen == theirs else float(shares.get(theirs, 0.0))
    rows: dict[str, list[tuple[float, float]]] = {mine: [], theirs: []}
    for (chosen, decision), found in rewards.items():
        rows[chosen].append((sum(found) / len(found), weights[decision]))
    counted = drawn.pop(mine, 0), drawn.pop(theirs, 0), sum(drawn.values())
    return Trial(counted, canary_evidence.compare(rows[mine], rows[theirs]))


def as_json(trial: Trial) -> dict[str, Any]:
    """For the listing and the ledger."""
    of = trial.evidence
    return {
        "decisions": dict(zip(("challenger", "champion", "others"), trial.drawn, strict=True)),
        "challenger": of.challenger._asdict(), "champion": of.champion._asdict(), "difference": of.difference, "low": of.low,
        "high": of.high, "verdict": of.verdict,
    }  # fmt: skip


def words(told: Mapping[str, Any]) -> list[str]:
    """`as_json` for a person."""
    n, lines = told["decisions"], []
    lines.append(f"decisions since: {n['challenger']} challenger, {n['champion']} champion, {n['others']} other models")
    for who in ("challenger", "champion"):
        one = told[who]
        mean = "" if one["mean"] is None else f", reward {one['mean']:.2f} ({one['low']:.2f} to {one['high']:.2f})"
        lines.append(f"{who}: {one['n']} rewards{mean}")
    if told["difference"] is not None:
        lines.append(f"difference {told['difference']:+.2f} ({told['low']:+.2f} to {told['high']:+.2f})")
    return [*lines, told["verdict"]]


def settle(place: Place, role_name: str, base: str | None) -> tuple[Trial, deploying.Done | None]:
    """Make the challenger of a role the champion, or drop it, as the evidence says; None where it does not say enough. A line of the ledger
    holds the numbers. Raises UsageError without a challenger, and whatever `deploying.deploy` and `rollback` raise."""
    role = champions.load(place.agent).get(role_name, champions.Role())
    trial = look(place.data, role.challenger) if role.challenger else None
    if role.challenger is None or trial is None:
        raise UsageError(f"no challenger of {role_name} is being tried", tip=f"git hone deploy --role {role_name} --canary 0.1")
    id_ = str(role.challenger["id"])
    if trial.evidence.verdict == "not enough evidence":
        return trial, None
    line = {"what": "evidence", "role": role_name, "from": role.champion, "to": id_, "numbers": as_json(trial)}
    try:
        promotions.record(place.agent, line)
    except OSError as error:
        raise ConfigError(
            f"{place.agent / ledger.FILE}: cannot be written: {error.strerror}", tip="nothing was changed"
        ) from None
    if trial.evidence.verdict == "roll back":
        return trial, deploying.rollback(place, role_name)
    entry = role.deployments[id_]
    asked = deploying.Asked(role_name, place.agent.parent / entry["adapter"], base, str(entry["server"]))
    return trial, deploying.deploy(place, asked)
