"""The commands that make a suite: each finds its candidates, works on them, and freezes what it got with what stood there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_hone.ci.suite import candidates, holding_out, injecting, mining, storing, working
from git_hone.ci.suite.doctor import Doctor
from git_hone.ci.suite.trees import Trees, Unfit
from git_hone.ci.suite.working import Progress, Refused, Worked
from git_hone.hooks import git
from git_hone.hooks.place import Place
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.suite.tasks import Manifest, Task

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Made:
    """What became of a suite. tasks: how many it has now; counts: of this source; refused: its candidates that are no tasks, and why;
    changed: whether its hash is another one."""

    name: str
    source: str
    hash: str
    tasks: int
    counts: Mapping[str, int]
    refused: Sequence[Refused]
    folder: Path
    changed: bool


def mine(
    place: Place,
    name: str,
    jobs: int,
    tell: Tell,
    *,
    commits: int | None = 1000,
    since: str | None = None,
    limit: int | None = None,
) -> Made:
    """Tasks from the newest `commits` commits of HEAD, of at most `limit` candidates."""
    folder = storing.folder_of(place.agent, name)
    with Trees(_cwd(place)) as trees:
        found = list(candidates.find(place.cwd, commits=commits, since=since))
        todo = mining.work(trees, Doctor(), found)[:limit]
        worked = working.work(todo, cache(place), jobs, tell)
        return freeze(folder, "mined", worked, trees)


def inject(place: Place, name: str, jobs: int, tell: Tell, *, limit: int, seed: int = 0) -> Made:
    """Up to `limit` tasks from faults put into HEAD, chosen by `seed`."""
    folder = storing.folder_of(place.agent, name)
    with Trees(_cwd(place)) as trees:
        todo = injecting.work(trees, Doctor(), seed)
        return freeze(folder, "injected", working.work(todo, cache(place), jobs, tell, enough=limit), trees)


def hold_out(place: Place, name: str, jobs: int, tell: Tell) -> Made:
    """Tasks from what people made of agents' work, as far as tests can judge it."""
    folder = storing.folder_of(place.agent, name)
    with Trees(_cwd(place)) as trees:
        todo = holding_out.work(place, trees, Doctor())
        return freeze(folder, "held-out", working.work(todo, cache(place), jobs, tell), trees)


def cache(place: Place) -> Path:
    """Where verdicts are remembered."""
    return place.hone / "suite"


def freeze(folder: Path, source: str, worked: Worked, trees: Trees) -> Made:
    """Put the tasks of one source in the place of those that the suite had of it; tasks of other sources stay.
    A suite whose tasks stay the same is not written, so that its hash stays."""
    old = _old(folder)
    others = [task for task in old.manifest.tasks if task.source != source] if old else []
    counts = {**(old.manifest.counts if old else {}), source: worked.counts}
    manifest = Manifest(folder.name, tuple(sorted([*others, *worked.tasks], key=lambda task: task.id)), counts)
    if old and [task.hash for task in old.manifest.tasks] == [task.hash for task in manifest.tasks]:
        return Made(folder.name, source, old.manifest.hash, len(manifest.tasks), worked.counts, worked.refused, folder, False)
    for task in worked.tasks:
        _bring(trees, task)

    def content(sha256: str) -> bytes:
        return old.contents[sha256] if old and sha256 in old.contents else trees.content(sha256)

    storing.save(folder, manifest, content)
    return Made(folder.name, source, manifest.hash, len(manifest.tasks), worked.counts, worked.refused, folder, True)


def _old(folder: Path) -> storing.Suite | None:
    if not (folder / storing.MANIFEST).exists():
        return None
    try:
        return storing.load(folder)
    except DataError as error:
        raise DataError(error.message, tip="restore the folder from Git, or delete it and make the suite again") from None


def _bring(trees: Trees, task: Task) -> None:
    """Make the contents of a task readable whose verdict was remembered."""
    commit = task.origin.commit
    for revision in (commit,) if task.source == "injected" else (f"{commit}^", commit):
        try:
            files = trees.files(revision)
        except Unfit as error:
            raise DataError(f"task {task.id}: {error}", tip="`git fsck` may say why") from None
    if task.source == "injected":
        injecting.bring(trees, files, task)


def _cwd(place: Place) -> Path:
    if git.line(["rev-parse", "--verify", "-q", "HEAD"], place.cwd) is None:
        raise UsageError(f"{place.cwd}: no commit yet, so there is nothing to make tasks from", tip="commit something first")
    return place.cwd
