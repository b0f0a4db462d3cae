"""Watching what is served: the test of `git_hone.learner.drift` over the record, told when each model was deployed; and what an alarm does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from git_hone.ci.watching.rounds import write
from git_hone.hooks import journal, ripening, zero_touch
from git_hone.hooks.place import Place
from git_hone.learner import drift, experience, ledger, variants
from git_hone.learner.config import Config
from git_hone.learner.drift import Drift
from git_hone.learner.errors import HoneError
from git_hone.learner.store import Store

Rollback = Callable[[Place, str], object]


def look(place: Place, config: Config, *, may_roll_back: bool, rollback: Rollback, now: float) -> list[dict[str, Any]]:
    """Look at every model, write `drift.json`, and lead back a served one that got worse, where the configuration says so.

    Alarms as plain values: model, kind, at (of the alarm), role (null: not served by us), words, action (warned | rolled back | failed: WHY).
    Raises DataError where the record or the ledger cannot be read.
    """
    served, lines = zero_touch.served(place, config), ledger.read(place.agent)
    deployed = {model: since for model, role in served.items() if (since := _since(lines, role)) is not None}
    runs = experience.tried(Store(place.data), variants.load_models(place.agent))
    away = {model: _away(lines, role) for model, role in served.items()}
    seen = [run for run in runs if not any(low <= run.at < high for low, high in away.get(run.model or "", ()))]
    rule, drop = config["driftDetection.rule"], float(config["driftDetection.minPerformanceDrop"])
    found = drift.watch(seen, drop=drop, window=int(config["driftDetection.evaluationRuns"]), rule=rule, deployed=deployed)
    alarms = [_told(one, served.get(one.model)) for one in found if one.alarm is not None]
    gone = set[str]()
    for alarm in alarms:
        role = alarm["role"]
        if role is not None and may_roll_back and role not in gone and _after(alarm, deployed.get(alarm["model"])):
            gone.add(role)
            try:
                rollback(place, role)
                alarm["action"] = "rolled back"
            except HoneError as error:
                alarm["action"] = f"failed: {error.message}"
        told = {"event": "drift", "model": alarm["model"], "action": alarm["action"].partition(":")[0]}
        journal.append(place.hone / "journal.jsonl", now, [told])
    rewards = {name: zero_touch.counted(place, lambda db, name=name: ripening.rewarded(db, name)) for name in served}
    write(zero_touch.folder(place) / "drift.json", {"version": 1, "at": now, "rewards": rewards, "alarms": alarms})
    return alarms


def rolls_back(config: Config, *, on: bool) -> bool:
    """Whether an alarm leads back. on: whether the loop runs by itself here."""
    action = config["driftDetection.action"]
    return bool(action == "rollback" or (action == "auto" and on and config["autoDeploy.enabled"]))


def _told(one: Drift, role: str | None) -> dict[str, Any]:
    assert one.alarm is not None  # noqa: S101 - for the type checker; the caller looked
    kind = f" on {one.kind}" if one.kind else ""
    words = f"{one.model}{kind} got worse: rewards around {_mean(one.recent)}, before {_mean(one.reference)}"
    return {
        "model": one.model, "kind": one.kind, "at": one.alarm.at.isoformat(), "role": role, "words": words, "action": "warned",
    }  # fmt: skip


def _mean(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _after(alarm: dict[str, Any], deployed: datetime | None) -> bool:
    """An alarm about runs of another deployment says nothing of this one."""
    return deployed is None or datetime.fromisoformat(alarm["at"]) >= deployed


def _since(lines: Sequence[dict[str, Any]], role: str) -> datetime | None:
    """When what serves a role now began to."""
    moves = _moves(lines, role)
    return datetime.fromisoformat(moves[-1]["at"]) if moves else None


def _moves(lines: Sequence[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """The lines by which another model came to serve a role."""
    moves = [one for one in lines if one.get("role") == role and one.get("what") in ("deploy", "rollback")]
    return [one for one in moves if one.get("pointer") != "challenger"]


def _away(lines: Sequence[dict[str, Any]], role: str) -> list[tuple[datetime, datetime]]:
    """From when to when a deployment served that was led back: no measure for what serves now."""
    spells = _moves(lines, role)
    return [
        (datetime.fromisoformat(one["at"]), datetime.fromisoformat(then["at"]))
        for one, then in pairwise(spells)
        if one["what"] == "deploy" and then["what"] == "rollback" and then.get("from") == one.get("to")
    ]
