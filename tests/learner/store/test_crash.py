"""What a kill, or others at work, can do to the store: nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner.store import Store

KILLS = int(os.environ.get("HONE_KILLS", "40"))
WORKER = Path(__file__).with_name("crash_worker.py")


class Worker:
    """A process that forks children to work on the store; see crash_worker.py."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = subprocess.Popen([sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, work: str, seed: int = 0, *, die_at: int = 0, kill_after: float = -1, root: Path | None = None) -> None:
        """Start a child that dies at its touch number `die_at`, or after so many seconds of CPU time, if that is wanted."""
        assert self.process.stdin
        self.process.stdin.write(f"{work}\t{root or self.root}\t{seed}\t{die_at}\t{kill_after}\n")
        self.process.stdin.flush()

    def end(self) -> tuple[list[str], bool]:
        """Wait for the child; returns what it said, and whether it was killed."""
        assert self.process.stdout
        said: list[str] = []
        for line in self.process.stdout:
            if line.startswith("dead "):
                return said, int(line.split()[1]) in (signal.SIGKILL, signal.SIGPROF)
            said.append(line.strip())
        raise AssertionError("the worker died")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(store: Store) -> Iterator[Callable[[], Worker]]:
    workers: list[Worker] = []

    def make() -> Worker:
        workers.append(Worker(store.root))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


def acknowledged(said: list[str]) -> set[str]:
    return {line.split()[1] for line in said if line.startswith("ack ")}


def batches(store: Store) -> dict[str, int]:
    """How many events of each batch are read; fails on an event that is read twice."""
    ids = [row["record_id"] for row in store.history("runs")]
    assert len(ids) == len(set(ids)), "an event was counted twice"
    [(rows, distinct)] = store.connect().execute("SELECT count(*), count(DISTINCT record_id) FROM runs_events").fetchall()
    assert rows == distinct >= len(ids)
    found: dict[str, int] = {}
    for name in ids:
        found[name.rpartition("-")[0]] = found.get(name.rpartition("-")[0], 0) + 1
    return found


def test_no_acknowledged_record_is_lost_when_writers_are_killed(store: Store, start: Callable[[], Worker]) -> None:
    worker, dice, promised = start(), random.Random(1), set[str]()
    for seed in range(KILLS):
        worker.order("append", seed, kill_after=dice.uniform(0.005, 0.4))
        said, killed = worker.end()
        assert killed
        promised |= acknowledged(said)
        if seed % 10 == 9 or seed == KILLS - 1:
            found = batches(store)
            assert promised <= {name for name, count in found.items() if count == 3}
            assert [each for each in store.damaged if each.action != "skipped"] == []
            assert store.damaged == []
    assert len(promised) > KILLS
    assert store.check() == [], "fresh unfinished files are not damage"


def test_no_kill_at_any_touch_of_the_disk_tears_an_append(store: Store, start: Callable[[], Worker]) -> None:
    worker = start()
    for touch in range(1, 100):
        worker.order("one", touch, die_at=touch)
        said, killed = worker.end()
        found = batches(store)
        assert store.damaged == []
        for name in acknowledged(said):
            assert found[name] == 3
        if not killed:
            break
    assert touch > 5
    assert not killed


def test_no_kill_at_any_touch_of_the_disk_harms_a_compaction(
    tmp_path: Path, store: Store, start: Callable[[], Worker], run_row: Callable[..., dict[str, Any]]
) -> None:
    worker = start()
    for number in (1, 2, 2 + 60 * 24 * 30, 3 + 60 * 24 * 30):
        store.append("runs", [run_row(number, run_id="a"), run_row(number + 10)])
    want, newest = store.history("runs"), store.rows("runs")
    for touch in range(1, 200):
        copy = Store(tmp_path / str(touch) / "data")
        shutil.copytree(store.root, copy.root)
        worker.order("compact", die_at=touch, root=copy.root)
        killed = worker.end()[1]
        for _ in range(2):
            assert copy.history("runs") == want
            assert copy.rows("runs") == newest
            assert copy.damaged == []
            assert copy.compact(2).kept == 0
        assert len(list(copy.root.rglob("*.parquet"))) == 2
        if not killed:
            break
    assert touch > 15
    assert not killed


def test_compactions_killed_at_random_lose_and_double_nothing(
    store: Store, start: Callable[[], Worker], run_row: Callable[..., dict[str, Any]]
) -> None:
    worker, dice, number = start(), random.Random(2), 0
    for turn in range(KILLS):
        for _ in range(4):
            number += 1
            store.append("runs", [run_row(number)])
        worker.order("compact", turn, kill_after=dice.uniform(0, 0.04))
        worker.end()
        if turn % 5 == 4:
            assert sorted(row["tokens_in"] for row in store.history("runs")) == list(range(1, number + 1))
    store.compact(2)
    assert sorted(row["tokens_in"] for row in store.history("runs")) == list(range(1, number + 1))
    assert len(list(store.root.rglob("*.parquet"))) == 1


def test_eight_writers_two_compactors_and_a_reader_at_once(store: Store, start: Callable[[], Worker]) -> None:
    writers, compactors = [start() for _ in range(8)], [start() for _ in range(2)]
    for seed, worker in enumerate(writers):
        worker.order("write", seed)
    least = 0
    for _ in range(4):
        for worker in compactors:
            worker.order("compact")
        read = Store(store.root)
        found = sum(batches(read).values())
        assert read.damaged == []
        assert found >= least, "what was read once is read again"
        least = found
        assert [worker.end()[1] for worker in compactors] == [False, False]
    promised = set().union(*(acknowledged(worker.end()[0]) for worker in writers))
    assert len(promised) == 8 * 25
    assert batches(store) == dict.fromkeys(promised, 3)
    store.compact(2)
    assert len(list(store.root.rglob("*.parquet"))) == 2
    assert batches(store) == dict.fromkeys(promised, 3)
