from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from git_hone.learner.store import Store, segments
from git_hone.learner.tables import TABLES

Row = dict[str, Any]
SAID = {"git_hone.schema": "1", "git_hone.version": "0.0.1", "git_hone.table": "changes", "git_hone.month": "2026-03"}


def put(store: Store, rows: pa.Table, said: dict[str, str] = SAID) -> Path:
    """Write a segment that another version of the program might have written."""
    content = segments.serialise(rows.replace_schema_metadata(said))
    return segments.write(store.root, TABLES["changes"], "2026-03", content)


def flip(path: Path, at: int = 100) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def link(path: Path) -> None:
    path.rename(path.with_name("kept"))
    path.symlink_to(path.with_name("kept"))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "half": (shorten, "torn"),
    "nul": (lambda path: path.write_bytes(b"\0" * path.stat().st_size), "NUL"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "magic": (lambda path: path.write_bytes(b"PK\3\4" + path.read_bytes()[4:]), "magic"),
    "flipped": (flip, "flipped"),
    "flipped in the middle": (lambda path: flip(path, path.stat().st_size // 2), "flipped"),
    "two glued": (lambda path: path.write_bytes(path.read_bytes() * 2), "does not match its name"),
    "renamed": (lambda path: path.rename(path.with_name("0" * 32 + ".parquet")), "does not match its name"),
    "foreign name": (lambda path: path.rename(path.with_name("notes.txt")), "foreign"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "foreign"),
    "link": (link, "symbolic link"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_damaged_segment_is_skipped_reported_and_set_aside(
    store: Store, run_row: Callable[..., Row], kind: str, seen_before: bool
) -> None:
    store.append("runs", [run_row(1)])
    [bad] = store.append("runs", [run_row(2)])
    store.append("runs", [run_row(3)])
    if seen_before:
        store.rows("runs")
    damage, reason = DAMAGE[kind]
    damage(bad)
    for read in (lambda: store.rows("runs"), lambda: store.history("runs")):
        assert {row["run_id"] for row in read()} == {"r1", "r3"}
        assert all(reason in each.reason or "foreign" in each.reason for each in store.damaged)
        assert any(reason in each.reason for each in store.damaged)
    assert store.connect().execute("SELECT count(*) FROM runs").fetchall() == [(2,)]
    assert store.damaged
    assert all("skipped" in each.action for each in store.check())
    repaired = store.check(repair=True)
    assert repaired == store.damaged
    quarantine = store.root.parent / "quarantine" / "runs" / "month=2026-03"
    for each in repaired:
        moved = quarantine / each.path.name
        assert each.action == f"moved to {moved}"
        assert os.path.lexists(moved)
        assert each.reason in moved.with_name(f"{moved.name}.reason.txt").read_text()
    assert store.check() == []
    assert {row["run_id"] for row in store.rows("runs")} == {"r1", "r3"}
    assert store.damaged == []


def test_a_flipped_bit_is_seen_even_when_size_and_mtime_stay(store: Store, run_row: Callable[..., Row]) -> None:
    [path] = store.append("runs", [run_row(1, tokens_in=1000)])
    assert len(store.rows("runs")) == 1
    stat = path.stat()
    flip(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Store(store.root).rows("runs") == []


def test_decay_below_the_file_system_is_seen_by_check_and_within_a_week(store: Store, run_row: Callable[..., Row]) -> None:
    [path] = store.append("runs", [run_row(1)])
    store.rows("runs")
    flip(path)
    cache = store.root / ".verified.json"
    held = json.loads(cache.read_text())
    [entry] = held["files"].values()
    stat = path.stat()
    entry["stamp"] = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]  # as if no write had happened
    entry["at"] = int(time.time()) - 8 * 86_400
    cache.write_text(json.dumps(held))
    assert Store(store.root).rows("runs") == []
    entry["at"] = int(time.time())
    cache.write_text(json.dumps(held))
    assert [each.path for each in Store(store.root).check()] == [path]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"version": 1, "files": 3}', b"\xff"])
def test_the_cache_of_verified_files_may_be_anything(store: Store, run_row: Callable[..., Row], content: bytes) -> None:
    store.append("runs", [run_row(1)])
    (store.root / ".verified.json").write_bytes(content)
    assert len(Store(store.root).rows("runs")) == 1
    assert len(json.loads((store.root / ".verified.json").read_text())["files"]) == 1


def test_a_future_schema_is_refused_politely_and_never_moved(store: Store, change_row: Callable[..., Row]) -> None:
    store.append("changes", [change_row(1)])
    ahead = pa.table({"record_id": ["z"], "recorded_at": [change_row(1)["recorded_at"]], "novelty": [1]})
    path = put(store, ahead, SAID | {"git_hone.schema": "2", "git_hone.version": "7.8.9"})
    assert len(store.rows("changes")) == 1
    [damage] = store.check(repair=True)
    assert damage.path == path
    assert path.exists()
    assert "schema version 2" in damage.reason
    assert damage.action == "left in place: install git-hone 7.8.9 or newer"


def test_old_segments_read_with_nulls_and_wider_types(store: Store, change_row: Callable[..., Row]) -> None:
    at = change_row(0)["recorded_at"]
    base = {"recorded_at": pa.array([at], pa.timestamp("us", "UTC"))}
    put(store, pa.table(base | {"record_id": ["old"], "change_id": ["old"], "reward": pa.array([1], pa.int32())}))
    odd = {"reward": pa.nulls(1), "extra": [1], "committed_at": pa.array([at], pa.timestamp("ns"))}
    put(store, pa.table(base | odd | {"record_id": ["odd"], "change_id": pa.array(["odd"]).dictionary_encode()}))
    store.append("changes", [change_row(1, reward=1.5, run_ids=["a"])])
    for _ in range(2):
        rows = {row["change_id"]: row for row in store.rows("changes")}
        assert [rows[key]["reward"] for key in ("old", "odd", "c1")] == [1.0, None, 1.5]
        assert isinstance(rows["old"]["reward"], float)
        assert rows["odd"]["committed_at"] == at
        assert rows["old"]["committed_at"] is None
        assert rows["old"]["run_ids"] is None
        assert "extra" not in rows["odd"]
        assert store.connect().execute("SELECT sum(reward), typeof(any_value(reward)) FROM changes").fetchall() == [
            (2.5, "DOUBLE")
        ]
        assert store.damaged == []
        store.compact(2)
    assert store.count_segments() == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"reward": ["high"]}, SAID),
        ({"lines_ai": [1.5]}, SAID),
        ({"run_ids": ["a"]}, SAID),
        ({}, {}),
        ({}, SAID | {"git_hone.table": "runs"}),
        ({}, SAID | {"git_hone.month": "2026-04"}),
        ({}, SAID | {"git_hone.schema": "new"}),
    ],
)
def test_a_parquet_file_that_is_not_ours_breaks_nothing(
    store: Store, change_row: Callable[..., Row], columns: dict[str, list[object]], said: dict[str, str]
) -> None:
    store.append("changes", [change_row(1, reward=0.5)])
    put(store, pa.table({"record_id": ["x"], "recorded_at": [change_row(0)["recorded_at"]]} | columns), said)
    assert [row["reward"] for row in store.rows("changes")] == [0.5]
    assert len(store.damaged) == 1


def test_strays_and_abandoned_files_are_set_aside_and_fresh_ones_left(store: Store, run_row: Callable[..., Row]) -> None:
    [path] = store.append("runs", [run_row(1)])
    fresh, old = path.with_name(".tmp-1-fresh"), path.with_name(".tmp-2-old")
    fresh.write_bytes(b"PAR1")
    old.write_bytes(b"PAR1")
    os.utime(old, (time.time() - 4000, time.time() - 4000))
    (store.root / "runs" / "README").write_text("hello")
    shutil.copy(path, store.root / "runs" / path.name)
    (store.root / "cakes").mkdir()
    found = store.check(repair=True)
    assert {each.path.name for each in found} == {"README", path.name, ".tmp-2-old"}
    assert fresh.exists()
    assert path.exists()
    assert not old.exists()
    assert (store.root.parent / "quarantine" / "runs" / "README").read_text() == "hello"


def test_a_second_damaged_file_of_the_same_name_is_kept_too(store: Store, run_row: Callable[..., Row]) -> None:
    for _ in range(2):
        [path] = store.append("runs", [run_row(1)])
        flip(path)
        store.check(repair=True)
    assert len(list((store.root.parent / "quarantine").rglob("*.parquet"))) == 2


def test_appending_again_heals_a_torn_segment(store: Store, run_row: Callable[..., Row]) -> None:
    [path] = store.append("runs", [run_row(1)])
    shorten(path)
    assert store.rows("runs") == []
    store.append("runs", [run_row(1)])
    assert len(store.rows("runs")) == 1
    assert store.damaged == []
