"""The four tables of the first designs (runs, signals, pairs, web_cache) as one SQLite file, for tools that read that.

A cache, made from the store each time and replaced as a whole; nothing is ever read back from it. What the record does not
know is NULL there too.
"""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from git_hone.learner.errors import DataError

if TYPE_CHECKING:
    import sqlite3

    import duckdb

    from git_hone.learner.store import Store

SCHEMA: Final = """
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  ts DATETIME DEFAULT CURRENT_TIMESTAMP,
  task_slug TEXT,
  model_name TEXT,
  prompt_id TEXT,
  reward REAL CHECK(reward >= 0 AND reward <= 1),
  cost_tokens INT,
  duration_ms INT
);
CREATE TABLE signals (
  run_id INTEGER REFERENCES runs(id),
  lint_errors INT,
  type_errors INT,
  tests_failed INT,
  coverage_pct REAL,
  schema_errors INT,
  boundary_errors INT
);
CREATE TABLE pairs (
  id INTEGER PRIMARY KEY,
  task_slug TEXT,
  role TEXT CHECK(role IN ('coder','fixer','judge')),
  prompt_json TEXT,
  output_json TEXT,
  label REAL CHECK(label >= 0 AND label <= 1)
);
CREATE TABLE web_cache (
  url TEXT PRIMARY KEY,
  html TEXT,
  fetched_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
"""
RUNS: Final = """
CREATE TEMP TABLE numbered AS
  SELECT row_number() OVER (ORDER BY coalesce(started_at, recorded_at), run_id) AS id, run_id, task,
         strftime(coalesce(started_at, recorded_at), '%Y-%m-%d %H:%M:%S') AS ts, model, prompt_variant,
         CASE WHEN tokens_in IS NOT NULL OR tokens_out IS NOT NULL
              THEN coalesce(tokens_in, 0) + coalesce(tokens_out, 0) END AS cost_tokens, duration_ms
  FROM runs;
CREATE TEMP TABLE credited AS
  SELECT DISTINCT unnest(run_ids) AS run_id, change_id, tree, reward FROM changes WHERE state IS DISTINCT FROM 'superseded';
SELECT n.id, n.ts, n.task, n.model, n.prompt_variant, r.reward, n.cost_tokens, n.duration_ms
  FROM numbered n LEFT JOIN (SELECT run_id, avg(reward) AS reward FROM credited GROUP BY run_id) r USING (run_id) ORDER BY n.id
"""
SIGNALS: Final = """
SELECT n.id, s.lint, s.type, s.tests, s.coverage, s.schema, s.boundary
  FROM (SELECT DISTINCT run_id, tree FROM credited) c JOIN numbered n USING (run_id)
  JOIN (SELECT tree, CAST(sum(errors) FILTER (kind = 'lint') AS BIGINT) AS lint,
               CAST(sum(errors) FILTER (kind = 'type') AS BIGINT) AS type,
               CAST(sum(tests_failed) FILTER (kind = 'test') AS BIGINT) AS tests,
               avg(coverage_pct) FILTER (kind = 'coverage') AS coverage,
               CAST(sum(errors) FILTER (kind = 'schema') AS BIGINT) AS schema,
               CAST(sum(errors) FILTER (kind = 'boundary') AS BIGINT) AS boundary
        FROM signals GROUP BY tree) s USING (tree) ORDER BY n.id, c.tree
"""
PAIRS: Final = """
SELECT row_number() OVER (ORDER BY p.recorded_at, p.pair_id), n.task,
       CASE WHEN p.role IN ('coder', 'fixer', 'judge') THEN p.role END, p.prompt, p.output,
       CASE WHEN p.label BETWEEN 0 AND 1 THEN p.label END
  FROM pairs p LEFT JOIN numbered n USING (run_id) ORDER BY 1
"""


WEB_CACHE: Final = """
SELECT url, html, strftime(fetched_at, '%Y-%m-%d %H:%M:%S') FROM web_cache ORDER BY url
"""


def export_sqlite(store: Store, target: Path) -> dict[str, int]:
    """Write the SQLite file and return how many rows each table got.

    The reward of a run is the mean of those of its changes that have one, without changes that were joined into another. A run
    has one row of signals for each tree it led to that was measured: errors and failed tests summed over the tools.
    Raises DataError when the file cannot be written; one that stood there before then still stands.
    """
    import sqlite3

    beside = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    try:
        with store.connect() as engine, closing(sqlite3.connect(beside)) as base:
            base.executescript(SCHEMA)
            counts = {
                "runs": _copy(engine, RUNS, base, "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", slug_at=2),
                "signals": _copy(engine, SIGNALS, base, "INSERT INTO signals VALUES (?, ?, ?, ?, ?, ?, ?)"),
                "pairs": _copy(engine, PAIRS, base, "INSERT INTO pairs VALUES (?, ?, ?, ?, ?, ?)", slug_at=1),
                "web_cache": _copy(engine, WEB_CACHE, base, "INSERT INTO web_cache VALUES (?, ?, ?)"),
            }
            base.commit()
        beside.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise DataError(
            f"{target}: cannot be written ({error})", tip="choose a file in a folder that you may write to"
        ) from error
    finally:
        for leftover in (beside, beside.with_name(f"{beside.name}-journal")):
            leftover.unlink(missing_ok=True)
    return counts


def _copy(engine: duckdb.DuckDBPyConnection, sql: str, base: sqlite3.Connection, into: str, slug_at: int | None = None) -> int:
    got, total = engine.execute(sql), 0
    while rows := got.fetchmany(10_000):
        base.executemany(into, rows if slug_at is None else [_with_slug(row, slug_at) for row in rows])
        total += len(rows)
    return total


def _with_slug(row: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return (*row[:at], None if row[at] is None else slug(row[at]), *row[at + 1 :])


def slug(task: str) -> str:
    """A short name for a task: its first words, at most 60 letters.

    >>> slug("Add a *parser* for TAP!")
    'add-a-parser-for-tap'
    """
    return "-".join(re.findall(r"\w+", task[:400].casefold()))[:60].strip("-")
