"""What became of a change over time, from its rows of OUTCOMES: when it fell, how long it was watched, whether it was kept. Pure.

Two questions are answered from the same rows. *Survival* (`Fate.fell`, `Fate.watched`) is for `git_hone.learner.survival`;
*kept* (`kept`) is the label that the fitted reward learns. Both count in days from the landing of the change
on the default branch, as the looks do (`start_of`).

What is known ends at the last look: the newest time at which any change of the store was looked at for lines alive. A change
that was not looked at when it was due is censored there, so one whose bad end is known early counts no sooner than its fellows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Row = Mapping[str, Any]

HORIZONS: Final = (1, 7, 14, 30, 90)
"""Days after its landing at which a change is looked at."""
ALIVE: Final = 0.8
"""A change stands while at least this share of its AI lines is alive."""
MATURE: Final = 14
CORRECTED: Final = 90
DAY: Final = 86_400.0


@dataclass(frozen=True)
class Fate:
    """`watched`: days until which it is known whether the change fell, 0 to 90. `fell`: the day it did, at most `watched`; None:
    it stood as long as it was watched. `how`: reverted | rejected | dropped | lines."""

    watched: float
    fell: float | None = None
    how: str | None = None


@dataclass(frozen=True)
class Look:
    """One row `survived`: `share` of lines alive at `day`, in 0..1; `at`: seconds since 1970."""

    day: float
    share: float
    at: float


def last_look(outcomes: Iterable[Row]) -> float | None:
    """Seconds since 1970 of the newest row `survived`; None when there is none: nothing has been watched."""
    return max((seconds(row["at"]) for row in outcomes if row["kind"] == "survived"), default=None)


def start_of(committed: float, outcomes: Iterable[Row]) -> float:
    """When a change landed, seconds since 1970: what its looks count from, else when it was merged, else `committed`, its first
    commit: one that has not landed is not looked at."""
    rows = list(outcomes)
    looked = [look.at - look.day * DAY for look in looks_of(committed, rows)]
    merged = [seconds(row["at"]) for row in rows if row["kind"] == "merged"]
    return min(looked or merged, default=committed)


def fate(start: float, outcomes: Sequence[Row], until: float) -> Fate:
    """When the change fell: the first of reverted and not landed again, rejected and not accepted since, dropped, and a look
    that found less than 80 % of its lines alive (the day of that look: when between two looks it sank is not known).

    start: `start_of` it. until: `last_look` of the whole store. Right-censored at `until`, at 90 days,
    and just before the first look that was due by then and is not there.

    >>> fate(0, [{"kind": "survived", "at": 7 * DAY, "value": 0.5, "detail": {"age_days": 7}}], 20 * DAY)
    Fate(watched=7.0, fell=7.0, how='lines')
    >>> fate(0, [{"kind": "survived", "at": 7 * DAY, "value": 0.9, "detail": {"age_days": 7}}], 10 * DAY)
    Fate(watched=10.0, fell=None, how=None)
    """
    looks = looks_of(start, outcomes)
    seen = max((look.day for look in looks), default=0.0)
    age = min((until - start) / DAY, float(CORRECTED))
    due = next((float(day) for day in HORIZONS if seen < day <= age), None)
    watched = max(0.0, age if due is None else math.nextafter(due, 0.0))
    falls = [((at - start) / DAY, how) for at, how in ends(outcomes)] + [(one.day, "lines") for one in looks if one.share < ALIVE]
    day, how = min(falls, default=(None, None))
    if day is None or day > watched:
        return Fate(watched)
    day = max(0.0, day)
    return Fate(day, day, how)


def kept(start: float, outcomes: Sequence[Row], until: float) -> bool | None:
    """The label: whether the change was kept at 14 days; None when it has not matured, which is censored, not "no".

    True: at least 80 % of its lines were alive at the first look at 14 days or later, it was not reverted, rejected or dropped,
    and no corrective change reworked it; within 90 days, as far as they have passed. Lines that adaptive changes replace after
    14 days say nothing against it. A change that failed on its third day matures on its fourteenth, like any other: otherwise
    there would be only bad news of young changes.
    """
    if start + MATURE * DAY > until:
        return None
    limit = start + CORRECTED * DAY
    faults = [at for at, _ in ends(outcomes)]
    faults += [seconds(row["at"]) for row in outcomes if row["kind"] == "reworked" and detail_of(row).get("corrective") is True]
    if any(at <= limit for at in faults):
        return False
    look = min((one for one in looks_of(start, outcomes) if one.day >= MATURE), key=lambda one: one.day, default=None)
    return None if look is None else look.share >= ALIVE


def looks_of(start: float, outcomes: Iterable[Row]) -> list[Look]:
    """The looks at a change, by their age in days (from the row's detail, else from its time)."""
    looks = []
    for row in outcomes:
        value = row.get("value")
        if row["kind"] == "survived" and value is not None and 0 <= value <= 1:
            detail = detail_of(row)
            day = detail.get("age_days", detail.get("days"))
            known = isinstance(day, (int, float)) and not isinstance(day, bool) and day >= 0
            at = seconds(row["at"])
            looks.append(Look(float(day) if known else (at - start) / DAY, value, at))
    return sorted(looks, key=lambda one: (one.day, one.share))


def ends(outcomes: Sequence[Row]) -> list[tuple[float, str]]:
    """(when, how) of each end that nothing has undone: reverted, rejected, dropped."""
    times: dict[str, list[float]] = {}
    for row in outcomes:
        if row["kind"] == "reverted" and detail_of(row).get("stands") is False:
            continue  # reverted and landed again within one history that was read
        times.setdefault(row["kind"], []).append(seconds(row["at"]))
    found = []
    for kind, undone in (("reverted", "relanded"), ("rejected", "accepted")):
        bad, good = times.get(kind, []), times.get(undone, [])
        if bad and (not good or max(bad) > max(good) or (max(bad) == max(good) and len(bad) > len(good))):
            found.append((min(at for at in bad if not good or at >= max(good)), kind))
    return [*found, (min(times["dropped"]), "dropped")] if "dropped" in times else found


def detail_of(row: Row) -> Mapping[str, Any]:
    """The row's detail; empty when it has none or it is damaged."""
    detail = row.get("detail")
    if isinstance(detail, str):
        try:
            detail = json.loads(detail)
        except ValueError:
            return {}
    return detail if isinstance(detail, Mapping) else {}


def seconds(at: datetime | float) -> float:
    return at.timestamp() if isinstance(at, datetime) else float(at)
