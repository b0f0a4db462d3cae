from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner.errors import DataError
from git_hone.learner.store import Store, export_sqlite

Row = dict[str, Any]


def read(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as base:
        return base.execute(sql).fetchall()


@pytest.fixture
def filled(store: Store, run_row: Callable[..., Row], change_row: Callable[..., Row]) -> Store:
    store.append("runs", [
        run_row(1, task="Fix the *parser*, please", model="sonnet", prompt_variant="terse", tokens_out=5, duration_ms=7),
        run_row(2, tokens_in=None, started_at=datetime(2026, 3, 1, tzinfo=timezone.utc)),
    ])  # fmt: skip
    store.append("changes", [
        change_row(1, tree="t1", run_ids=["r1", "r2"], reward=0.2, state="live"),
        change_row(2, tree="t2", run_ids=["r1"], reward=0.6, state="live"),
        change_row(3, tree="t3", run_ids=["r1"], reward=0.0, state="superseded"),
        change_row(4, tree="t4", run_ids=["r2"], state="live"),
    ])  # fmt: skip
    at = {"recorded_at": datetime(2026, 3, 10, tzinfo=timezone.utc), "tree": "t1"}
    store.append("signals", [
        at | {"record_id": "s1", "kind": "lint", "tool": "ruff", "errors": 2},
        at | {"record_id": "s2", "kind": "lint", "tool": "eslint", "errors": 3},
        at | {"record_id": "s3", "kind": "test", "tool": "pytest", "tests_failed": 1},
        at | {"record_id": "s4", "kind": "coverage", "tool": "coverage", "coverage_pct": 81.5},
        at | {"record_id": "s5", "kind": "type", "tool": "mypy", "passed": None},
    ])  # fmt: skip
    pair = {"recorded_at": at["recorded_at"], "run_id": "r1", "prompt": [{"role": "user"}], "output": "1", "label": 0.5}
    store.append("pairs", [pair | {"record_id": "p1", "pair_id": "p1", "role": "coder"},
                           pair | {"record_id": "p2", "pair_id": "p2", "role": "poet", "label": 7, "run_id": None}])  # fmt: skip
    return store


def test_the_four_tables_hold_what_the_record_knows(filled: Store, tmp_path: Path) -> None:
    target = tmp_path / "hone.db"
    target.write_text("an older export")
    assert export_sqlite(filled, target) == {"runs": 2, "signals": 2, "pairs": 2, "web_cache": 0}
    assert read(target, "SELECT * FROM runs ORDER BY id") == [
        (1, "2026-03-01 00:00:00", None, None, None, 0.2, None, None),
        (2, "2026-03-10 12:01:00", "fix-the-parser-please", "sonnet", "terse", 0.4, 6, 7),
    ]
    assert read(target, "SELECT * FROM signals") == [(1, 5, None, 1, 81.5, None, None), (2, 5, None, 1, 81.5, None, None)]
    assert read(target, "SELECT * FROM pairs") == [
        (1, "fix-the-parser-please", "coder", '[{"role":"user"}]', "1", 0.5),
        (2, None, None, '[{"role":"user"}]', "1", None),
    ]
    assert read(target, "SELECT * FROM web_cache") == []
    assert read(target, "PRAGMA integrity_check") == [("ok",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".agent", "hone.db"]


def test_the_schema_keeps_its_checks(filled: Store, tmp_path: Path) -> None:
    export_sqlite(filled, tmp_path / "hone.db")
    with closing(sqlite3.connect(tmp_path / "hone.db")) as base:
        for wrong in ("INSERT INTO runs (reward) VALUES (1.5)", "INSERT INTO pairs (role) VALUES ('poet')"):
            with pytest.raises(sqlite3.IntegrityError):
                base.execute(wrong)
        base.execute("INSERT INTO web_cache (url) VALUES ('x')")
        assert base.execute("SELECT fetched_at IS NOT NULL FROM web_cache").fetchall() == [(1,)]


def test_an_empty_store_exports_empty_tables(store: Store, tmp_path: Path) -> None:
    assert set(export_sqlite(store, tmp_path / "hone.db").values()) == {0}


def test_a_target_that_cannot_be_written_is_a_clear_error(filled: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        export_sqlite(filled, tmp_path / "nowhere" / "hone.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        export_sqlite(filled, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".agent", "folder"]
