"""The loop as a job: one at a time in a repository, in the background by the worker or in the foreground by a person."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from git_hone.ci.deploying import challenging, champions, deploying
from git_hone.ci.watching import chain, drifting, rounds
from git_hone.ci.watching.chain import Check
from git_hone.ci.watching.rounds import Runner, Stop
from git_hone.hooks import journal, zero_touch
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner.errors import DataError, HoneError


class Outcome(NamedTuple):
    """busy: somebody else is at it. round: how it stands, as in round.json; None when none was due. alarms: of the models that got worse,
    as `drifting.look` tells them; None when nobody looked."""

    busy: bool = False
    round: dict[str, Any] | None = None
    alarms: list[dict[str, Any]] | None = None


def run(
    place: Place, tell: Callable[[str], None], *, force: bool = False, command: Sequence[str] = rounds.COMMAND, check: Check = chain.preflight,
) -> Outcome:  # fmt: skip
    """Do what is due, now: look at the served models, and go through a round. force: a round where none is due, too.

    Raises DataError where nothing can be written, ConfigError for a broken configuration. A step that says no is in the outcome.
    """
    config, now = configuration.load(place.agent / "learning-config.json"), time.time()
    home = zero_touch.folder(place)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with zero_touch.alone(home / "lock") as held:
            if held is None:
                return Outcome(busy=True)
            alarms = _look(place, config, now, tell)
            why = zero_touch.due(place, config, now)
            if not (why.start or force):
                return Outcome(alarms=alarms)
            ready = zero_touch.counted(place, lambda db: _ready(db, config))
            of = Runner(
                place, rounds.begin(place, config, ready, why.why if why.start else "a person asked", now), [held], tell, command
            )
            if force and (began := of.found.get("began")):
                began["times"] = 0
            of.save()
            _round(of, config, check)
            return Outcome(round=of.found, alarms=alarms)
    except OSError as error:
        raise DataError(f"{error.filename or home}: {error.strerror}", tip="free space or fix the rights") from None


def _ready(db: Any, config: configuration.Config) -> int:
    from git_hone.hooks import ripening

    return ripening.ready(db, config)


def _round(of: Runner, config: configuration.Config, check: Check) -> None:
    try:
        of.end("done", *chain.chain(of, config, check))
    except Stop as stop:
        of.end(stop.how, stop.reason, stop.tip)
    except HoneError as error:
        of.end("refused", error.message, error.tip)


def _look(
    place: Place, config: configuration.Config, now: float, tell: Callable[[str], None]
) -> list[dict[str, Any]] | None:  # fmt: skip
    if not config["driftDetection.enabled"] or not zero_touch.drift_due(place, config, now):
        return None
    may = drifting.rolls_back(config, on=zero_touch.why_off(place, config) is None)
    alarms = drifting.look(place, config, may_roll_back=may, rollback=_lead_back, now=now)
    for alarm in alarms:
        tell(f"{alarm['words']}: {alarm['action']}")
    if config["autoDeploy.enabled"] and zero_touch.why_off(place, config) is None:
        _settle(place, now, tell)
    return alarms


def _settle(place: Place, now: float, tell: Callable[[str], None]) -> None:
    """Let each trial of a challenger end that the evidence decides."""
    for name, role in champions.load(place.agent).items():
        if role.challenger is None or "since" not in role.challenger:
            continue
        try:
            trial, done = challenging.settle(place, name, None)
        except HoneError as error:
            action = f"failed: {error.message}"
        else:
            if done is None:
                continue
            action = {"promote": "serves now", "roll back": "dropped"}[trial.evidence.verdict]
        tell(f"challenger {role.challenger['id']} of {name}: {action}")
        told = {"event": "challenger", "role": name, "id": role.challenger["id"], "action": action.partition(":")[0]}
        journal.append(place.hone / "journal.jsonl", now, [told])


def _lead_back(place: Place, role: str) -> None:
    """Serve what was served before: a challenger that is tried beside the champion goes first, as the champion is what got worse."""
    champion = champions.load(place.agent)[role].champion
    if deploying.rollback(place, role).id == champion:
        deploying.rollback(place, role)


def step_back() -> None:
    """Let everything else on this machine go first: this process, and what it starts."""
    os.nice(19)
    if ionice := shutil.which("ionice"):
        subprocess.run([ionice, "-c", "3", "-p", str(os.getpid())], capture_output=True, check=False)
