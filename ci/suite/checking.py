"""Whether a suite is what it was, and whether its tasks still hold on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from git_hone.ci.arena import sandbox
from git_hone.ci.arena.sealed import Arena
from git_hone.ci.suite import storing, verifying
from git_hone.ci.suite.doctor import Doctor
from git_hone.ci.suite.working import Progress
from git_hone.hooks.place import Place
from git_hone.learner.suite.tasks import Task
from git_hone.learner.suite.verdicts import judge


@dataclass(frozen=True)
class Checked:
    """hash: the suite's; ends: for each task what is wrong with it here, None for nothing."""

    hash: str
    ends: dict[str, str | None]


def check(place: Place, name: str, jobs: int, tell: Callable[[Progress], None], *, run: bool) -> Checked:
    """Load the suite, which checks all that can be checked without running anything; with `run`, try every task. Raises DataError
    for a damaged suite, UsageError where there is none."""
    suite = storing.load(storing.folder_of(place.agent, name))
    ends: dict[str, str | None] = {task.id: None for task in suite.manifest.tasks}
    if run:
        progress, doctor = Progress(len(ends)), Doctor()
        with ThreadPoolExecutor(max(1, jobs)) as pool, sandbox.stopped_together():
            waiting = {pool.submit(_wrong, suite, doctor, task): task.id for task in suite.manifest.tasks}
            try:
                for future in as_completed(waiting):
                    ends[waiting[future]] = future.result()
                    progress.done, progress.valid = progress.done + 1, progress.valid + (ends[waiting[future]] is None)
                    tell(progress)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return Checked(suite.manifest.hash, ends)


def _wrong(suite: storing.Suite, doctor: Doctor, task: Task) -> str | None:
    python = doctor.python(task.environment)
    if isinstance(python, str):
        return f"its environment cannot be made here: {python}"
    with tempfile.TemporaryDirectory(prefix="git-hone-arena-", ignore_cleanup_errors=True) as base:
        arena = Arena(Path(base) / "arena", task.files, suite.content)
        before = verifying.again(arena, task, python, solved=False)
        after = verifying.again(arena, task, python, solved=True)
    solved = judge(task.fail_to_pass, task.pass_to_pass, after.outcomes)
    if not solved.passed:
        return f"with its solution {len(solved.failed)} of its tests do not pass, {solved.failed[0]} among them"
    passing = [name for name in task.fail_to_pass if before.outcomes.get(name) == "passed"]
    return f"without its solution {passing[0]} passes" if passing else None
