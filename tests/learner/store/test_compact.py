from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner.errors import DataError
from git_hone.learner.store import Compaction, Segment, Store, segments
from git_hone.learner.store.columns import encode_rows
from git_hone.learner.store.compact import FULL, batches
from git_hone.learner.tables import TABLES

Row = dict[str, Any]


@pytest.fixture
def scattered(store: Store, run_row: Callable[..., Row]) -> Store:
    """Four segments with three events of one run and one of another, one of them twice."""
    for numbers in ([1], [2], [3], [2, 9]):
        store.append("runs", [run_row(n, run_id="a" if n < 9 else "b") for n in numbers])
    return store


def files(store: Store) -> list[Path]:
    return sorted(store.root.rglob("*.parquet"))


def test_history_is_kept_and_twins_are_dropped(scattered: Store) -> None:
    history, rows = scattered.history("runs"), scattered.rows("runs")
    assert scattered.compact(min_files=4) == Compaction(merged=4, written=1, duplicates=1, removed=4, kept=0)
    assert len(files(scattered)) == scattered.count_segments() == 1
    assert scattered.history("runs") == history
    assert scattered.rows("runs") == rows
    assert [row["record_id"] for row in rows] == ["e3", "e9"]


def test_fewer_files_than_asked_are_left_alone(scattered: Store) -> None:
    before = files(scattered)
    assert scattered.compact(min_files=5) == scattered.compact() == Compaction()
    assert files(scattered) == before


def test_one_file_is_never_rewritten(scattered: Store) -> None:
    scattered.compact(1)
    before = files(scattered)
    assert scattered.compact(1) == Compaction()
    assert files(scattered) == before


def test_the_same_rows_compact_to_the_same_bytes(scattered: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other" / "data")
    for path in files(scattered):
        target = other.root / path.relative_to(scattered.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    scattered.compact(2)
    other.compact(2)
    assert [path.name for path in files(scattered)] == [path.name for path in files(other)]


def test_months_and_tables_stay_apart(store: Store, run_row: Callable[..., Row], change_row: Callable[..., Row]) -> None:
    for number in range(3):
        store.append("runs", [run_row(number), run_row(number + 60 * 24 * 31)])
        store.append("changes", [change_row(number)])
    assert store.compact(3).written == 3
    assert [str(path.parent.relative_to(store.root)) for path in files(store)] == [
        "changes/month=2026-03",
        "runs/month=2026-03",
        "runs/month=2026-04",
    ]


def test_files_stay_while_somebody_reads_and_are_not_counted_twice(scattered: Store) -> None:
    reader = scattered.connect()
    assert scattered.compact(2) == Compaction(merged=4, written=1, duplicates=1, removed=0, kept=4)
    assert len(files(scattered)) == 5
    assert scattered.count_segments() == 1
    assert reader.execute("SELECT count(*) FROM runs_events").fetchall() == [(4,)]
    assert len(scattered.history("runs")) == 4
    del reader
    assert scattered.compact() == Compaction(removed=4)
    assert len(files(scattered)) == 1


def test_rows_arriving_meanwhile_merge_with_what_a_reader_holds(scattered: Store, run_row: Callable[..., Row]) -> None:
    reader = scattered.connect()
    scattered.compact(2)
    scattered.append("runs", [run_row(20)])
    assert scattered.compact(2).kept == 5 + 1
    assert scattered.count_segments() == 1
    del reader
    assert scattered.compact(2).removed == 6
    assert len(scattered.history("runs")) == 5


def test_damage_is_never_copied_under_a_fresh_name(scattered: Store) -> None:
    bad = scattered.append("runs", [scattered.history("runs")[0] | {"record_id": "bad"}])[0]
    scattered.rows("runs")
    stamp = bad.stat()
    content = bytearray(bad.read_bytes())
    content[200] ^= 4
    bad.write_bytes(content)
    os.utime(bad, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert scattered.compact(2).merged == 4
    assert bad.exists()
    assert len(scattered.history("runs")) == 4
    assert [each.path for each in scattered.damaged] == [bad]


def test_what_a_segment_claims_to_replace_is_neither_hidden_nor_removed(scattered: Store, tmp_path: Path) -> None:
    victim = tmp_path / "victim.parquet"
    victim.write_text("not in the store")
    names = [path.name for path in files(scattered)]
    table = TABLES["runs"]
    rows = [scattered.history("runs")[0] | {"record_id": "liar"}]
    said = segments.metadata(table, "2026-03", [*names, "../../../../victim.parquet", str(victim)])
    content = segments.serialise(segments.arrow_rows(table, encode_rows(table, rows), said))
    segments.write(scattered.root, table, "2026-03", content)
    assert len(scattered.history("runs")) == 5
    assert scattered.compact(2) == Compaction()
    assert len(scattered.history("runs")) == 5
    assert len(files(scattered)) == 5
    assert victim.exists()


def test_old_unfinished_files_are_swept(scattered: Store) -> None:
    folder = files(scattered)[0].parent
    for name, age_s in ((".tmp-old", 4000), (".tmp-new", 0)):
        (folder / name).write_bytes(b"PAR1")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    scattered.compact()
    assert [path.name for path in folder.glob(".tmp-*")] == [".tmp-new"]


def test_without_locks_compaction_says_so_and_reading_goes_on(scattered: Store) -> None:
    (scattered.root / ".compact.lock").mkdir()
    with pytest.raises(DataError, match="cannot be locked"):
        scattered.compact(2)
    assert len(scattered.history("runs")) == 4


def segment(name: str, size: int) -> Segment:
    return Segment(Path(name), "2026-03", size, 1, (), (0, 0), ())


@pytest.mark.parametrize(
    ("sizes", "min_files", "want"),
    [
        ([], 1, []),
        ([1], 1, []),
        ([1, 1], 2, [[1, 1]]),
        ([1, 1], 3, []),
        ([FULL, 1, 2], 2, [[1, 2]]),
        ([FULL, FULL], 2, []),
        ([FULL - 1] * 3, 2, [[FULL - 1, FULL - 1]]),
        ([5, 3, 4], 2, [[3, 4, 5]]),
    ],
)
def test_batches_are_bounded(sizes: list[int], min_files: int, want: list[list[int]]) -> None:
    found = batches([segment(str(number), size) for number, size in enumerate(sizes)], min_files)
    assert [[each.size for each in batch] for batch in found] == want
