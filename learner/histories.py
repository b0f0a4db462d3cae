"""The store's AI changes, each with what became of it: what survival and the fitted reward are computed from.

Reads the store. A change that joined another one is left out: its lines live on there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from git_hone.learner.evidence import ROW_COLUMNS, Evidence
from git_hone.learner.fates import Fate, fate, kept, last_look, start_of
from git_hone.learner.fitted import Example
from git_hone.learner.stats import GROUPS, IS_AI, By, open_views
from git_hone.learner.store import query
from git_hone.learner.survival import Curve, curve

if TYPE_CHECKING:
    from git_hone.learner.store import Store

COLUMNS: Final = (
    "change_id",
    "state",
    "tree",
    "parent_tree",
    *GROUPS,
    "lines_ai",
    "lines_human",
    "lines_unknown",
    "lines_written",
    "flags",
)
KINDS: Final = ("merged", "survived", "reverted", "relanded", "rejected", "accepted", "dropped", "reworked", "cleared")


@dataclass(frozen=True)
class History:
    """One change. `row`: its newest row, the columns `COLUMNS`. `start`: when it landed, seconds since 1970 (`fates.start_of`). `outcomes`: rows
    of OUTCOMES with kind, at (seconds since 1970), value and detail, oldest first."""

    row: dict[str, Any]
    start: float
    outcomes: list[dict[str, Any]]


@dataclass(frozen=True)
class Histories:
    """`until`: the newest look of the store, seconds since 1970; None: no change was ever looked at."""

    changes: list[History]
    until: float | None

    def fates(self) -> list[tuple[History, Fate]]:
        return [(one, fate(one.start, one.outcomes, self.until)) for one in self.changes] if self.until is not None else []

    def labels(self) -> list[tuple[History, bool | None]]:
        """Each change with whether it was kept; None has not matured."""
        return [(one, None if self.until is None else kept(one.start, one.outcomes, self.until)) for one in self.changes]


def read(store: Store, since: datetime | None = None) -> Histories:
    """The AI changes that no other change superseded, committed since then, oldest first."""
    chosen = ", ".join(f'c."{name}"' for name in COLUMNS)
    changes = f"""
    WITH first AS (SELECT change_id, min("at") AS "at" FROM outcomes_rows WHERE kind = 'committed' GROUP BY 1)
    SELECT {chosen}, epoch_us(least(c.committed_at, f."at")) AS start FROM changes_now c LEFT JOIN first f USING (change_id)
     WHERE c.state IN ('live', 'dropped') AND c.committed_at IS NOT NULL AND {IS_AI}
       AND ($since IS NULL OR c.committed_at >= make_timestamptz($since::BIGINT))
     ORDER BY start, c.change_id
    """  # noqa: S608 - our names
    happened = """
    SELECT change_id, kind, epoch_us("at"), value, detail FROM outcomes_events
     WHERE list_contains($kinds::VARCHAR[], kind) AND "at" IS NOT NULL ORDER BY "at", record_id
    """
    with open_views(store) as engine:
        rows = engine.execute(changes, {"since": query.micros_of(since)}).fetchall()
        outcomes = engine.execute(happened, {"kinds": list(KINDS)}).fetchall()
    known: dict[str, list[dict[str, Any]]] = {row[0]: [] for row in rows}
    dropped = {row[0] for row in rows if row[COLUMNS.index("state")] == "dropped"}
    for change, kind, at, value, detail in outcomes:
        if change in known and (kind != "dropped" or change in dropped):
            known[change].append({"kind": kind, "at": at / 1e6, "value": value, "detail": detail})
    looked = [{"kind": kind, "at": at / 1e6} for _, kind, at, _, _ in outcomes if kind == "survived"]
    return Histories([_history(row, known[row[0]]) for row in rows], last_look(looked))


def _history(row: tuple[Any, ...], outcomes: list[dict[str, Any]]) -> History:
    columns = dict(zip(COLUMNS, row, strict=False))
    columns["flags"] = None if columns["flags"] is None else json.loads(columns["flags"])
    return History(columns, start_of(row[-1] / 1e6, outcomes), outcomes)


def examples(store: Store, since: datetime | None = None) -> tuple[list[Example], int]:
    """One example for each matured change, and how many have not matured."""
    labels = read(store, since).labels()
    known = [(one, label) for one, label in labels if label is not None]
    signals = signals_of(store, {tree for one, _ in known for tree in (one.row["tree"], one.row["parent_tree"]) if tree})
    made = []
    for one, label in known:
        of_tree, of_parent = signals.get(one.row["tree"], []), signals.get(one.row["parent_tree"], [])
        cleared = [row for row in one.outcomes if row["kind"] == "cleared"]
        made.append(Example.of(one.start, label, Evidence.of(one.row, of_tree, of_parent, cleared)))
    return made, len(labels) - len(known)


def signals_of(store: Store, trees: set[str]) -> dict[str | None, list[dict[str, Any]]]:
    """The newest measurements of these trees."""
    names = ("tree", "kind", "tool", *ROW_COLUMNS, "details", "record_id")
    chosen = ", ".join(f'"{name}"' for name in names)
    sql = f"""
    SELECT {chosen}, epoch_us(recorded_at) / 1e6 FROM signals SEMI JOIN (SELECT unnest($trees::VARCHAR[]) AS tree) USING (tree)
    """  # noqa: S608 - our names
    found: dict[str | None, list[dict[str, Any]]] = {}
    with store.connect() as engine:
        for row in engine.execute(sql, {"trees": sorted(trees)}).fetchall():
            found.setdefault(row[0], []).append(dict(zip((*names, "recorded_at"), row, strict=True)))
    return found


def survival(store: Store, by: By = "agent", since: datetime | None = None) -> list[Curve]:
    """How long changes stand, one curve for each value of `by`, the one with most changes first.

    Raises ValueError for another `by`.
    """
    if by not in GROUPS:
        raise ValueError(f"by: one of {', '.join(GROUPS)}, not {by!r}")
    groups: dict[str | None, list[Fate]] = {}
    for one, its in read(store, since).fates():
        groups.setdefault(one.row[by], []).append(its)
    return sorted(
        (curve(name, fates) for name, fates in groups.items()), key=lambda one: (-one.changes, one.name is None, one.name)
    )
