"""Work that is interrupted goes on where it stopped; what is remembered is asked no second time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from git_hone.ci.suite.verifying import NotATask
from git_hone.ci.suite.working import PASSING, Progress, Work, work
from git_hone.learner.suite.tasks import Environment, File, Origin, Task


def task(name: str) -> Task:
    environment = Environment("3.11", ("pytest",), (), (".",), None, "", {}, "declared")
    return Task(name, "mined", "Do it", ("a.py",), {"a.py": File("a" * 64)}, {}, {"a.py": None}, ("{python}",), ("t::a",), (), 0,
                10.0, 1.0, environment, Origin("0" * 40, "2026-01-01T00:00:00Z"))  # fmt: skip


class Todo:
    """Numbered candidates, of which the odd ones are tasks; `asked` notes which were worked on."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.stop_at: int | None = None
        self._lock = threading.Lock()

    def make(self, number: int) -> Task:
        with self._lock:
            self.asked.append(number)
        if number == self.stop_at:
            raise KeyboardInterrupt
        if number % 2 == 0:
            raise NotATask("it is even")
        return task(f"task-{number}")

    def works(self, count: int) -> list[Work]:
        return [Work((str(n),), lambda n=n: self.make(n)) for n in range(count)]


def quiet(progress: Progress) -> None:
    return None


def test_interrupted_work_goes_on_where_it_stopped(tmp_path: Path) -> None:
    todo = Todo()
    todo.stop_at = 4
    with pytest.raises(KeyboardInterrupt):
        work(todo.works(8), tmp_path, 1, quiet)
    assert todo.asked == [0, 1, 2, 3, 4]
    todo.asked, todo.stop_at = [], None
    done = work(todo.works(8), tmp_path, 1, quiet)
    assert todo.asked == [4, 5, 6, 7]
    assert [one.id for one in done.tasks] == ["task-1", "task-3", "task-5", "task-7"]
    assert done.counts == {"candidates": 8, "environment: declared": 4, "it is even": 4, "valid": 4}


def test_enough_is_enough_and_does_not_depend_on_how_many_work(tmp_path: Path) -> None:
    found = [work(Todo().works(40), tmp_path / str(jobs), jobs, quiet, enough=3) for jobs in (1, 7)]
    assert found[0] == found[1]
    assert [one.id for one in found[0].tasks] == ["task-1", "task-3", "task-5"]
    assert found[0].counts["candidates"] == 6


def test_a_damaged_memory_is_asked_again(tmp_path: Path) -> None:
    work(Todo().works(2), tmp_path, 1, quiet)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-5])
    todo = Todo()
    assert work(todo.works(2), tmp_path, 1, quiet).counts["valid"] == 1
    assert todo.asked == [0, 1]


def test_what_a_better_day_may_change_is_not_remembered(tmp_path: Path) -> None:
    def refuse() -> Task:
        raise NotATask(PASSING[0])

    for _ in range(2):
        assert work([Work(("x",), refuse)], tmp_path, 1, quiet).counts == {"candidates": 1, PASSING[0]: 1, "valid": 0}
    assert list(tmp_path.iterdir()) == []


def test_progress_says_how_long_it_will_take(tmp_path: Path) -> None:
    told: list[tuple[int, int, bool]] = []
    work(
        Todo().works(3), tmp_path, 1, lambda progress: told.append((progress.done, progress.valid, progress.seconds_left is None))
    )
    assert told[0] == (0, 0, True)
    assert told[-1] == (3, 1, False)
    told.clear()
    work(
        Todo().works(4), tmp_path, 1, lambda progress: told.append((progress.done, progress.valid, progress.seconds_left is None))
    )
    assert told[0] == (3, 1, True)
