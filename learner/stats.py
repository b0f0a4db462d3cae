"""What worked here: means over the last runs, and one line for each agent, model, prompt variant or kind of task.

DuckDB aggregates; only one row for each group comes back. Rewards are those of live changes: a change that was joined into
another one must not count twice. Nothing here prints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import stdev
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from git_hone.learner.evidence import uncleared
from git_hone.learner.intervals import share_mean_interval
from git_hone.learner.store import query
from git_hone.learner.store.columns import from_micros
from git_hone.learner.store.reading import Verified, scan
from git_hone.learner.tables import CHANGES, OUTCOMES, RUNS, Table

if TYPE_CHECKING:
    import duckdb

    from git_hone.learner.store import Store

By = Literal["agent", "model", "prompt_variant", "task_kind"]
GROUPS: Final[tuple[By, ...]] = get_args(By)
ENOUGH: Final = 5
"""A mean of fewer values than this is not shown: it would be read as if it meant something."""


@dataclass(frozen=True)
class Mean:
    """A mean of `n` known values with its 95 % interval; all None when n < ENOUGH. `low` and `high` are for rewards only."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of_rewards(cls, n: int, mean: float | None, sd: float | None) -> Mean:
        """From what DuckDB aggregates; rewards lie in 0..1."""
        if n < ENOUGH or mean is None:
            return cls(n)
        low, high = share_mean_interval(n, min(1.0, max(0.0, mean)), sd or 0.0) or (None, None)
        return cls(n, mean, low, high)

    @classmethod
    def of(cls, n: int, mean: float | None) -> Mean:
        return cls(n, mean if n >= ENOUGH else None)


@dataclass(frozen=True)
class Recent:
    """The last runs: how many there were, and their mean reward, tokens (in and out) and duration."""

    runs: int
    reward: Mean
    tokens: Mean
    duration_ms: Mean


@dataclass(frozen=True)
class Group:
    """The live changes of one agent, model, prompt variant or kind of task; `name` None: not known.

    kept_share: lines still the agent's, of the lines its runs wrote. runs_per_change: iterations a task took.
    reverted_share: changes reverted and not landed again. None where nothing is known.
    """

    name: str | None
    changes: int
    reward: Mean
    kept_share: float | None
    runs_per_change: float | None
    reverted_share: float


def recent(store: Store, n: int = 100, since: datetime | None = None) -> Recent:
    """Means over the `n` runs that started last. The reward of a run is the mean of those of its live changes."""
    with open_views(store) as engine:
        return _recent(engine, n, since)


def grouped(store: Store, by: By = "agent", since: datetime | None = None) -> list[Group]:
    """One `Group` for each value of `by` among the live AI changes committed since then, the one with most changes first."""
    with open_views(store) as engine:
        return _grouped(engine, by, since)


def both(store: Store, by: By = "agent", n: int = 100, since: datetime | None = None) -> tuple[Recent, list[Group]]:
    """`recent` and `grouped` over one connection."""
    with open_views(store) as engine:
        return _recent(engine, n, since), _grouped(engine, by, since)


def open_views(store: Store) -> duckdb.DuckDBPyConnection:
    """A connection with more views: `T_rows`, all rows of runs, changes and outcomes as they are stored, and `runs_now` and
    `changes_now`, the newest row of each key like `runs` and `changes`, but cheaper where few keys are stored twice."""
    engine = store.connect()
    verified = Verified(store.root).load()
    for table in (RUNS, CHANGES, OUTCOMES):
        segments, _ = scan(store.root, table, verified)
        engine.execute(f"CREATE TEMP VIEW {table.name}_rows AS {query.stored_rows(table, segments)}")
        if table is not OUTCOMES:
            n_rows = sum(segment.rows for segment in segments)
            engine.execute(f"CREATE TEMP VIEW {table.name}_now AS {_newest(engine, table, n_rows)}")
    return engine


def _newest(engine: duckdb.DuckDBPyConnection, table: Table, n_rows: int) -> str:
    """SQL of the newest row of each key. Only the rows of keys that are stored twice are compared, unless that is most of
    them: finding out takes a tenth of a second over a million rows, comparing them all a second with a dozen columns."""
    (key,), name = table.key, table.name
    hashes = f"SELECT hash({key}) AS h FROM {name}_rows GROUP BY 1 HAVING count(*) > 1"  # noqa: S608 - our names
    engine.execute(f"CREATE TEMP TABLE {name}_twice AS {hashes}")
    (n_twice,) = engine.execute(f"SELECT count(*) FROM {name}_twice").fetchone() or (0,)  # noqa: S608 - our names
    if not n_twice:
        return f"SELECT * FROM {name}_rows"  # noqa: S608 - our names
    if 4 * n_twice > n_rows:
        return f"SELECT * FROM {name}"  # noqa: S608 - our names
    newest = f"row_number() OVER (PARTITION BY {key} ORDER BY recorded_at DESC, record_id DESC) = 1"
    rows = f"SELECT r.* FROM {name}_rows r {{}} JOIN {name}_twice ON hash({key}) = h"  # noqa: S608 - our names
    return f"{rows.format('ANTI')} UNION ALL SELECT * FROM ({rows.format('SEMI')}) QUALIFY {newest}"  # noqa: S608 - our names


LAST: Final = """
SELECT run_id, CASE WHEN tokens_in IS NULL AND tokens_out IS NULL THEN NULL
                    ELSE coalesce(tokens_in, 0) + coalesce(tokens_out, 0) END AS tokens, duration_ms
  FROM runs_now WHERE $since IS NULL OR started_at >= make_timestamptz($since::BIGINT)
 ORDER BY started_at DESC NULLS LAST, run_id DESC LIMIT $n
"""
NAMED: Final = """
SELECT DISTINCT change_id FROM (SELECT change_id, unnest(run_ids) AS run_id FROM changes_rows)
  SEMI JOIN (SELECT unnest($runs::VARCHAR[]) AS run_id) USING (run_id)
"""
CREDIT: Final = """
SELECT avg(reward) FROM (SELECT unnest(run_ids) AS run_id, reward FROM changes_now
                          WHERE state = 'live' AND reward IS NOT NULL AND {})
  SEMI JOIN (SELECT unnest($runs::VARCHAR[]) AS run_id) USING (run_id) GROUP BY run_id
"""


def _recent(engine: duckdb.DuckDBPyConnection, n: int, since: datetime | None) -> Recent:
    runs = engine.execute(LAST, {"since": query.micros_of(since), "n": n}).fetchall()
    known = _rewards(engine, [row[0] for row in runs])
    tokens, durations = ([float(row[i]) for row in runs if row[i] is not None] for i in (1, 2))
    return Recent(
        len(runs),
        Mean.of_rewards(len(known), _mean(known), stdev(known) if len(known) > 1 else None),
        Mean.of(len(tokens), _mean(tokens)),
        Mean.of(len(durations), _mean(durations)),
    )


def _rewards(engine: duckdb.DuckDBPyConnection, runs: list[str]) -> list[float]:
    """The reward of each run that has one. Where changes are stored more than once, it is asked first which of them name
    these runs: a filter on a key is one that DuckDB can apply before it looks for the newest row of each."""
    if not runs:
        return []
    given: dict[str, Any] = {"runs": runs}
    chosen = "true"
    if engine.execute("SELECT 1 FROM changes_twice LIMIT 1").fetchone():
        changes = [name for (name,) in engine.execute(NAMED, given).fetchall()]
        given |= {f"c{i}": name for i, name in enumerate(changes)}
        chosen = f"change_id IN ({', '.join(f'$c{i}' for i in range(len(changes)))})" if changes else "false"
    return [float(reward) for (reward,) in engine.execute(CREDIT.format(chosen), given).fetchall()]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _grouped(engine: duckdb.DuckDBPyConnection, by: By, since: datetime | None) -> list[Group]:
    if by not in GROUPS:
        raise ValueError(f"by: one of {', '.join(GROUPS)}, not {by!r}")
    sql = f"""
    WITH reverted AS (
      SELECT change_id FROM (SELECT DISTINCT record_id, change_id, kind, "at" FROM outcomes_rows
                              WHERE kind IN ('reverted', 'relanded')) GROUP BY change_id
      HAVING count(*) FILTER (kind = 'reverted') > 0 AND (
        max("at") FILTER (kind = 'reverted') > coalesce(max("at") FILTER (kind = 'relanded'), '-infinity'::TIMESTAMPTZ)
        OR (max("at") FILTER (kind = 'reverted') = max("at") FILTER (kind = 'relanded')
            AND count(*) FILTER (kind = 'reverted') > count(*) FILTER (kind = 'relanded')))
    )
    SELECT c.{by}, count(*), count(c.reward), avg(c.reward), stddev_samp(c.reward),
           sum(least(c.lines_ai, c.lines_written)) FILTER (c.lines_written > 0 AND c.lines_ai IS NOT NULL)
             / nullif(sum(c.lines_written) FILTER (c.lines_written > 0 AND c.lines_ai IS NOT NULL), 0),
           avg(nullif(len(c.run_ids), 0)), count(r.change_id) / count(*)
      FROM changes_now c LEFT JOIN reverted r USING (change_id)
     WHERE c.state = 'live' AND {IS_AI} AND ($since IS NULL OR c.committed_at >= make_timestamptz($since::BIGINT))
     GROUP BY 1 ORDER BY 2 DESC, 1
    """  # noqa: S608 - `by` is one of four names
    rows: list[tuple[Any, ...]] = engine.execute(sql, {"since": query.micros_of(since)}).fetchall()
    return [
        Group(name, changes, Mean.of_rewards(n, mean, sd), kept, runs, reverted)
        for name, changes, n, mean, sd, kept, runs, reverted in rows
    ]


IS_AI: Final = "(c.agent IS NOT NULL OR c.lines_ai > 0 OR len(c.run_ids) > 0)"
"""A change with an agent's hand in it; changes by people alone may be on record too."""


def newest_changes(store: Store, n: int, agent: str | None = None) -> list[dict[str, Any]]:
    """The `n` live AI changes committed last, newest first, with the names of their outcomes in the order they happened
    (each once, "committed" left out: a live change was), and the flags that no person has cleared (None: not judged)."""
    names = (
        "change_id",
        "commit",
        "committed_at",
        "branch",
        "agent",
        "model",
        "lines_ai",
        "lines_human",
        "lines_unknown",
        "reward",
        "flags",
    )
    chosen = ", ".join(f'epoch_us(c."{name}")' if name == "committed_at" else f'c."{name}"' for name in names)
    sql = f"""
    SELECT {chosen} FROM changes_now c WHERE c.state = 'live' AND {IS_AI} AND ($agent IS NULL OR c.agent = $agent)
     ORDER BY c.committed_at DESC NULLS LAST, c.recorded_at DESC, c.change_id LIMIT $n
    """  # noqa: S608 - our names
    happened = """
    SELECT change_id, list(kind ORDER BY first, kind) FROM (
      SELECT change_id, kind, min("at") AS first FROM outcomes_rows
       WHERE list_contains($ids::VARCHAR[], change_id) AND kind <> 'committed' GROUP BY ALL) GROUP BY 1
    """
    words = """
    SELECT change_id, kind, detail FROM outcomes_rows WHERE list_contains($ids::VARCHAR[], change_id) AND kind = 'cleared'
    """
    with open_views(store) as engine:
        rows = [dict(zip(names, row, strict=True)) for row in engine.execute(sql, {"agent": agent, "n": n}).fetchall()]
        ids = {"ids": [row["change_id"] for row in rows]}
        outcomes = dict(engine.execute(happened, ids).fetchall())
        cleared = engine.execute(words, ids).fetchall()
    for row in rows:
        row["committed_at"] = None if row["committed_at"] is None else from_micros(row["committed_at"])
        row["outcomes"] = outcomes.get(row["change_id"], [])
        said = [{"kind": kind, "detail": detail} for name, kind, detail in cleared if name == row["change_id"]]
        row["flags"] = None if row["flags"] is None else uncleared(json.loads(row["flags"]), said)
    return rows
