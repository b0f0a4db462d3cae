"""How many runs may be learned from by now, counted where it costs nothing: the table `ripe` of `state.db`, kept by every drain.

A row stands for a run and a change of it that would be exported: matured, untampered, unreverted (`choosing.judge`), whatever its reward.
What an export leaves out besides (a person who opted out, a file that is private, a near-duplicate) is not looked at here: the count says
when it is worth looking, the export says what there is. Touches the state alone, and the record once, when the state is new.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from git_hone.learner.dataset import choosing
from git_hone.learner.fates import kept, last_look, seconds, start_of

if TYPE_CHECKING:
    import sqlite3

    from git_hone.hooks.batch import Batch
    from git_hone.hooks.state import State
    from git_hone.learner.config import Config

FILLED: Final = "ripened"


def note(batch: Batch, changes: Iterable[str]) -> None:
    """Bring the rows of these changes up to date; of all, where the table is new."""
    state = batch.state
    if state.meta(FILLED) is None:
        _fill(batch)
        state.set_meta(FILLED, True)
    for name in changes:
        row = state.get("changes", name)
        state.db.execute("delete from ripe where change = ?", (name,))
        if row is not None:
            _put(state, row, state.outcomes(name))


def ready(db: sqlite3.Connection, config: Config) -> int:
    """Good runs, by `learning.rule` and `autoExport.minReward`."""
    table = "past where change <> '' and" if config["learning.rule"] == "seed" else "ripe where"
    asked = f"select count(distinct run) from {table} reward >= ?"  # noqa: S608 - names of ours
    return int(db.execute(asked, (float(config["autoExport.minReward"]),)).fetchone()[0])


def rewarded(db: sqlite3.Connection, model: str) -> int:
    """Runs of a model whose reward is known."""
    return int(db.execute("select count(distinct run) from past where model = ?", (model,)).fetchone()[0])


def is_ripe(change: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an export would take the change, its reward aside."""
    committed = seconds(change["committed_at"])
    until = last_look(outcomes)
    stood = None if until is None else kept(start_of(committed, outcomes), outcomes, until)
    terms = change.get("reward_terms") or {}
    veto = (json.loads(terms) if isinstance(terms, str) else terms).get("veto")
    found = choosing.judge(
        change, outcomes, stood, (change.get("reward"), veto), min_reward=0.0, since=None, allowed=True
    )  # fmt: skip
    return found.verdict == choosing.STANDS


def _put(state: State, row: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> None:
    if row.get("reward") is not None and is_ripe(row, outcomes):
        rows = [(run, row["change_id"], row["reward"]) for run in row["run_ids"]]
        state.db.executemany("insert or replace into ripe values (?, ?, ?)", rows)


def _fill(batch: Batch) -> None:
    """From the record: the state is a cache, and may be lost."""
    if not any((batch.place.data / "outcomes").glob("month=*")):
        return
    from git_hone.learner.store import Store

    store = Store(batch.place.data)
    by: dict[str, list[Mapping[str, Any]]] = {}
    for outcome in store.rows("outcomes"):
        by.setdefault(str(outcome["change_id"]), []).append(outcome)
    for row in store.rows("changes"):
        if row["change_id"] in by:
            _put(batch.state, row, by[row["change_id"]])
