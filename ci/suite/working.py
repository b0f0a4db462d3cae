"""Many candidates, a few at a time, each one's end remembered: interrupted work continues where it stopped."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_hone.ci.arena import sandbox
from git_hone.ci.arena.venvs import PYTHON
from git_hone.ci.suite.verifying import NotATask, Stopped
from git_hone.learner.suite.tasks import VERSION, Task, digest, from_dict, to_dict

RULES: Final = 4
"""Raised when what makes a task changes, so that older verdicts are asked again."""
PASSING: Final = ("its environment cannot be made here",)
"""Verdicts that a better day may change, which are not remembered."""


@dataclass
class Progress:
    """done of total; reused: of those, verdicts from before; seconds: since the start."""

    total: int
    done: int = 0
    reused: int = 0
    valid: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before anything was worked on."""
        worked = self.done - self.reused
        return (time.monotonic() - self.began) / worked * (self.total - self.done) if worked else None


@dataclass(frozen=True)
class Work:
    """One candidate. key: all that its verdict depends on; make: gives the task or raises NotATask; name: what people call it (a
    commit, a place in a file)."""

    key: Sequence[str]
    make: Callable[[], Task]
    name: str = ""


class Refused(NamedTuple):
    """What is no task, and why. detail: what was seen; empty where nothing more is known."""

    name: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Worked:
    """tasks: the valid ones in the order of the work; counts: {"candidates", "valid", each reason, "environment: STEP"}; refused: the
    others, in the order of the work."""

    tasks: list[Task]
    counts: dict[str, int]
    refused: list[Refused]


def work(todo: Sequence[Work], cache: Path, jobs: int, tell: Callable[[Progress], None], enough: int | None = None) -> Worked:
    """Do the work with `jobs` threads; `tell` is called after each. With `enough`, no more are started when so many are valid.

    Ctrl-C ends every run that is going on; what was finished before is remembered.
    """
    cache.mkdir(parents=True, exist_ok=True)
    ends: dict[int, Task | Refused] = {}
    progress = Progress(len(todo))
    waiting = []
    for number, one in enumerate(todo):
        known = _recall(cache, one)
        if known is None:
            waiting.append(number)
        else:
            ends[number] = known
            progress.done, progress.reused = progress.done + 1, progress.reused + 1
            progress.valid += isinstance(known, Task)
    tell(progress)
    with ThreadPoolExecutor(max(1, jobs)) as pool, _cancelling(pool), sandbox.stopped_together():
        running = dict[Future[Task | Refused], int]()
        while waiting or running:
            while waiting and len(running) < jobs and not (enough and progress.valid >= enough):
                number = waiting.pop(0)
                running[pool.submit(_one, todo[number], cache)] = number
            if not running:
                break
            for future in wait(running, timeout=1.0, return_when=FIRST_COMPLETED).done:
                number = running.pop(future)
                ends[number] = future.result()
                progress.done += 1
                progress.valid += isinstance(ends[number], Task)
            tell(progress)
    return _told(ends, enough)


def _told(ends: Mapping[int, Task | Refused], enough: int | None) -> Worked:
    """In the order of the work, up to the last that was asked for: what ran beside it for speed is left out."""
    made, refused, counts, tried = list[Task](), list[Refused](), Counter[str](), 0
    for _, end in sorted(ends.items(), key=lambda item: item[0]):
        if enough and len(made) >= enough:
            break
        tried += 1
        if isinstance(end, Task):
            made.append(end)
            counts[f"environment: {end.environment.step}"] += 1
        else:
            refused.append(end)
            counts[end.reason] += 1
    return Worked(made, {"candidates": tried, **dict(sorted(counts.items())), "valid": len(made)}, refused)


class _cancelling:
    """Drops what has not started when the block is left by an error, so that the pool's end does not wait for it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if kind is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _one(work: Work, cache: Path) -> Task | Refused:
    try:
        made: Task | Refused = work.make()
    except NotATask as no:
        made = Refused(work.name, str(no), no.detail)
    except Stopped:
        return Refused(work.name, "interrupted")
    if isinstance(made, Task) or made.reason not in PASSING:
        _remember(cache, work.key, made)
    return made


def _file(cache: Path, key: Sequence[str]) -> Path:
    return cache / f"{digest([VERSION, RULES, PYTHON, *key])[:32]}.json"


def _recall(cache: Path, work: Work) -> Task | Refused | None:
    """The verdict of before; None when there is none or it cannot be read: then it is asked again."""
    try:
        raw: dict[str, Any] = json.loads(_file(cache, work.key).read_bytes())
        return Refused(work.name, str(raw["reason"]), str(raw.get("detail", ""))) if "reason" in raw else from_dict(raw["task"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(cache: Path, key: Sequence[str], made: Task | Refused) -> None:
    file = _file(cache, key)
    part = file.with_name(f"{file.name}.{os.getpid()}.{time.monotonic_ns()}")
    part.write_text(
        json.dumps({"task": to_dict(made)} if isinstance(made, Task) else {"reason": made.reason, "detail": made.detail})
    )
    part.replace(file)
