"""When the loop of export, train, evaluate, gate and deploy should run by itself, from counts alone. Pure, and light: asked after every drain.

The first round starts at `autoExport.minRuns` good runs, each later one at `learning.threshold` more, or `learning.everyDays` after the last
one with a single good run more. What counts as a good run is `learning.rule`:

    hone  its change stood for 14 days, is untampered and unreverted, and has a reward of at least `autoExport.minReward`
    seed  a reward of at least `autoExport.minReward`, from the first moment on

A round that was killed goes on. One that was refused starts again when the configuration was changed, and, for anything but the gate's verdict,
a day later: what was missing may be there. The gate's verdict stands until there is something new to learn from.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from git_hone.learner.config import Config

DAY_S: Final = 86_400.0
STEPS: Final = ("export", "train", "evaluate", "gate", "deploy")
OPEN: Final = ("running", "waiting")
"""How a round stands that is to go on: it was killed, or the machine was taken."""


@dataclass(frozen=True)
class Round:
    """What is known of the last round. at: when it began, seconds since 1970; ready: good runs then; config: hash of the configuration;
    how: running | waiting | done | refused | failed; step: the last one that it came to, None before the first."""

    at: float
    ready: int
    config: str
    how: str
    step: str | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Due:
    """start: whether a round should begin, or go on, now. why: in words. have, want: good runs, of those that are wanted; at: from when on
    one more is enough, seconds since 1970, None where time alone changes nothing."""

    start: bool
    why: str
    have: int
    want: int
    at: float | None = None


def due(config: Config, ready: int, last: Round | None, now: float) -> Due:
    """Whether the loop should run. ready: good runs in the record, by `learning.rule`. last: None when none ran yet.

    >>> from git_hone.learner.config import DEFAULTS, Config
    >>> due(Config(DEFAULTS), 37, None, 0.0)
    Due(start=False, why='37 of 100 good runs', have=37, want=100, at=None)
    >>> due(Config(DEFAULTS), 151, Round(at=0.0, ready=100, config="x", how="done"), 10.0).why
    '51 of 50 good runs since the last round'
    """
    first = int(config["autoExport.minRuns"])
    if last is None:
        return Due(ready >= first, f"{ready} of {first} good runs", ready, first)
    have, want = max(0, ready - last.ready), int(config["learning.threshold"])
    if last.how in OPEN:
        goes = "was broken off" if last.how == "running" else "waits"
        return Due(True, f"the round of {iso(last.at)} {goes}{f' at {last.step}' if last.step else ''}", have, want)
    if ready < first:
        return Due(False, f"{ready} of {first} good runs", ready, first)
    every = float(config["learning.everyDays"])
    at = last.at + every * DAY_S if every else None
    if have >= want:
        return Due(True, f"{have} of {want} good runs since the last round", have, want, at)
    if at is not None and have and now >= at:
        return Due(True, f"{every:g} days since the last round, and {have} good runs", have, want, at)
    if last.how in ("refused", "failed"):
        if last.config != config.hash:
            return Due(True, f"the configuration was changed since {last.step or 'the last round'} was refused", have, want, at)
        if last.step != "gate" and now >= (last.ended or last.at) + DAY_S:
            return Due(True, f"a day since {last.step or 'the last round'} was refused", have, want, at)
    return Due(False, f"{have} of {want} good runs since the last round", have, want, at)


def iso(at: float) -> str:
    """Seconds since 1970 as people read them.

    >>> iso(0)
    '1970-01-01T00:00:00Z'
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
