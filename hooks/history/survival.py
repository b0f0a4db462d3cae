"""How long lines lived: the share of a commit's lines alive some days after it landed. Pure.

A commit younger than that is *missing*, never counted as alive or dead. Lines that could not be followed are left out from
the day they were lost. Intervals treat the commit as the unit: lines of one commit live and die together, so a thousand
lines of one commit are worth about one observation, not a thousand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from git_hone.hooks.history.chain import landings
from git_hone.hooks.history.walk import ALIVE, Ledger, Walk
from git_hone.learner.intervals import Interval, wilson

DAYS: Final = (1, 7, 14, 30, 90)
DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one commit's lines. `landed`: the minute it came into the default branch. `alive`: for each of DAYS
    (lines alive, lines known), None when not enough time has passed or nothing is known. `reworked`: lines that another
    commit removed within 30 days of landing, those removed before landing among them."""

    lines: int
    landed: int
    alive: tuple[tuple[int, int] | None, ...]
    before_landing: int
    reworked: int | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One share of a table: `alive` of `lines` lines of `commits` commits, with a 95 % interval; no share without lines."""

    days: int
    commits: int
    lines: int
    alive: int
    share: float | None
    interval: Interval


def fates(walk: Walk, until: datetime) -> list[Fate | None]:
    """The fate of each commit's lines; None for a commit that added none or never came into the default branch."""
    end = int(until.timestamp() // 60)
    landed_by = landings(walk.commits, walk.chain)
    found: list[Fate | None] = []
    for at in range(walk.ledger.walked):
        step = landed_by[at]
        lines = walk.ledger.lines_of(at)
        found.append(_fate(walk, at, walk.chain_minute[step], end) if step >= 0 and lines and not walk.commits[at].edge else None)
    return found


def _fate(walk: Walk, at: int, landed: int, end: int) -> Fate:
    ledger, lines = walk.ledger, walk.ledger.lines_of(at)
    alive, never = lived(ledger, lines, landed, end)
    cut = slice(lines.start, lines.stop)
    killer, died, flags = ledger.killer[cut], ledger.died[cut], ledger.landed[cut]
    month = landed + 30 * DAY
    soon = sum(k not in (at, -1) and (not f or d <= month) for k, d, f in zip(killer, died, flags, strict=True))
    return Fate(len(died), landed, alive, never, soon if month <= end else None)


def lived(ledger: Ledger, numbers: Sequence[int], landed: int, end: int) -> tuple[tuple[tuple[int, int] | None, ...], int]:
    """For each of DAYS: (lines alive, lines known), None where the time has not passed by `end` or nothing is known; and how
    many of the lines were gone before they landed (they count as known and dead). Minutes since 1970."""
    died = [ledger.died[number] for number in numbers]
    flags = [ledger.landed[number] for number in numbers]
    lost = sorted(ledger.lost[number] for number in numbers if number in ledger.lost) if ledger.lost else []
    never = flags.count(0)
    if lost:
        never = sum(not flag and number not in ledger.lost for number, flag in zip(numbers, flags, strict=True))
    deaths = sorted(minute for minute, flag in zip(died, flags, strict=True) if flag and minute != ALIVE)
    alive: list[tuple[int, int] | None] = []
    for days in DAYS:
        known = len(died) - bisect_right(lost, landed + days * DAY)
        dead = never + bisect_right(deaths, landed + days * DAY)
        alive.append((max(0, known - dead), known) if landed + days * DAY <= end and known > 0 else None)
    return tuple(alive), never


def cells(fates: Sequence[Fate | None], group: Sequence[str | None]) -> dict[str, list[Cell]]:
    """Group -> a cell for each of DAYS."""
    by_group: dict[str, list[Fate]] = {}
    for fate, name in zip(fates, group, strict=True):
        if fate is not None and name is not None:
            by_group.setdefault(name, []).append(fate)
    return {
        name: [_cell(at, days, [f.alive[at] for f in each]) for at, days in enumerate(DAYS)] for name, each in by_group.items()
    }


def _cell(at: int, days: int, counts: Sequence[tuple[int, int] | None]) -> Cell:
    pairs = [pair for pair in counts if pair is not None]
    alive, lines = sum(a for a, _ in pairs), sum(n for _, n in pairs)
    return Cell(days, len(pairs), lines, alive, alive / lines if lines else None, clustered(pairs))


def clustered(pairs: Sequence[tuple[int, int]]) -> Interval:
    """95 % interval for sum(a) / sum(n) where each (a, n) is one cluster: Wilson's, for as many independent lines as the
    clusters' spread says there are, never more than twice the clusters. (0, 1) for none.

    The spread is that of a ratio estimator (Cochran 1977, Sampling Techniques, 6.4).

    >>> [round(bound, 2) for bound in clustered([(1000, 1000)])]
    [0.21, 1.0]
    """
    total = sum(n for _, n in pairs)
    if not total:
        return 0.0, 1.0
    share = sum(a for a, _ in pairs) / total
    count = len(pairs)
    worth = float(count)
    if count > 1 and 0 < share < 1:
        spread = sum((a - share * n) ** 2 for a, n in pairs) * count / (count - 1) / total**2
        worth = min(share * (1 - share) / spread, float(total), 2.0 * count) if spread else 2.0 * count
    units = max(1, int(worth))
    return wilson(share * units, units)
