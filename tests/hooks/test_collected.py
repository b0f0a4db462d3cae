"""`git gc --prune=now` beside us: it deletes every object that no ref led to when it looked, also one written a moment ago."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes
from git_hone.hooks.drain import drain
from git_hone.hooks.install import doctor
from git_hone.learner.errors import GitError

Play = Any
WRITERS, EACH = 2, 30


class Collector(threading.Thread):
    """Collects over and over until it is told to end."""

    def __init__(self, repo: Path, *command: str) -> None:
        super().__init__()
        self.repo, self.command = repo, command
        self.over, self.runs, self.said = threading.Event(), 0, list[str]()

    def run(self) -> None:
        while not self.over.is_set():
            done = subprocess.run(["git", *self.command], cwd=self.repo, capture_output=True, text=True, check=False)
            self.runs += 1
            self.said += [done.stderr] if done.returncode else []

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def test_writers_of_notes_beside_gc_lose_nothing(
    repo: Callable[..., Any], record_property: Callable[[str, object], None]
) -> None:
    """Two writers, and gc without pause: every event is kept, no ref leads to a missing object, gc itself never fails."""
    made = repo()
    commits = [made.commit(f"c{k}") for k in range(EACH)]
    problems: list[GitError] = []

    def work(who: int) -> None:
        for k, commit in enumerate(commits):
            try:
                notes.write(made.path, {commit: [{"v": 1, "id": f"{who}-{k}", "type": "x"}]}, 1.0)
            except GitError as error:
                problems.append(error)

    writers = [threading.Thread(target=work, args=(who,)) for who in range(WRITERS)]
    with Collector(made.path, "gc", "--quiet", "--prune=now") as gc:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert (problems, gc.said) == ([], [])
    assert gc.runs > 1
    made.git("rev-list", "--objects", "--all")
    made.git("fsck", "--no-dangling")
    kept = {event["id"] for note in notes.read(made.path, commits).values() for event in notes.events(note)}
    assert kept == {f"{who}-{k}" for who in range(WRITERS) for k in range(EACH)}
    assert not list((made.path / ".git").glob("fast_import_crash*"))
    alone = [f for f in (made.path / ".git/objects/pack").glob("*.keep") if not f.with_suffix(".pack").exists()]
    assert not [f for f in alone if f.read_bytes().startswith(b"git-hone ")]  # git's own fast-import may leave one of its own
    record_property("tried", WRITERS * EACH)


def test_a_drain_beside_gc_writes_notes_that_can_be_read(p: Play) -> None:
    for k in range(6):
        p.turn(f"src/f{k}.py", f"t{k}", 3)
        p.commit(f"c{k}")
        with Collector(p.repo, "gc", "--quiet", "--prune=now") as gc:
            drain(p.place)
        assert gc.said == []
    p.git("rev-list", "--objects", "--all")
    live = p.git("rev-list", "-6", "HEAD").split()
    assert set(notes.read(p.repo, live)) <= set(live)
    assert all(p.ai(commit) in (0, 3) for commit in live)
    assert all(f.ok for f in doctor.examine(p.place))


@pytest.mark.parametrize("packed", [False, True])
def test_repair_mends_what_was_deleted_and_git_works_again(p: Play, packed: bool) -> None:
    """What a collection without our guard does: the refs stay, their objects go. `git rev-list --all` fails until then."""
    p.turn("src/new.py", "a")
    p.commit("c")
    assert p.ai() == 10
    before = notes.read(p.repo, [p.git("rev-parse", "HEAD")])
    refs = p.git("for-each-ref", "--format=delete %(refname)", "refs/notes/hone*", "refs/hone")
    tips = p.git("for-each-ref", "--format=update %(refname) %(objectname)", "refs/notes/hone*", "refs/hone")
    assert refs and before
    subprocess.run(["git", "update-ref", "--stdin"], cwd=p.repo, input=refs.encode() + b"\n", check=True)
    p.git("reflog", "expire", "--expire=now", "--all")
    p.git("gc", "--quiet", "--prune=now")
    for row in tips.splitlines():
        _, ref, tip = row.split(" ")
        (p.repo / ".git" / ref).parent.mkdir(parents=True, exist_ok=True)
        (p.repo / ".git" / ref).write_text(f"{tip}\n")
    if packed:
        p.git("pack-refs", "--all", check=False)
    with pytest.raises(RuntimeError, match="bad object"):
        p.git("rev-list", "--all")
    assert "notes-damaged" in [f.kind for f in doctor.examine(p.place) if not f.ok]
    assert all(f.ok for f in doctor.examine(p.place, repair=True))
    p.git("rev-list", "--objects", "--all")
    p.git("gc", "--quiet", "--prune=now")
    assert notes.events(notes.read(p.repo, [p.git("rev-parse", "HEAD")]).popitem()[1])[0]["id"]
    assert p.ai() == 10
