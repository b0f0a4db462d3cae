"""Notes between clones: real remotes, real processes, real `git notes` beside ours."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes
from git_hone.hooks.place import find
from git_hone.hooks.sync import Report, sync

HONE = str(Path(sys.executable).with_name("git-hone"))


class Clones:
    """A bare remote, and clones of it."""

    def __init__(self, folder: Path, form: str = "sha1") -> None:
        self.folder, self.remote, self.form = folder, folder / "remote.git", form
        self.git(folder, "init", "-q", "--bare", f"--object-format={form}", str(self.remote))
        first = folder / "first"
        self.git(folder, "init", "-q", f"--object-format={form}", str(first))
        self.git(first, "remote", "add", "origin", self.remote.as_uri())
        self.commits = []
        for k in range(12):
            (first / "f").write_text(f"{k}\n")
            self.git(first, "add", "f")
            self.git(first, "commit", "-q", "-m", f"c{k}")
            self.commits.append(self.git(first, "rev-parse", "HEAD"))
        self.git(first, "push", "-q", "origin", "HEAD:main")
        self.git(self.remote, "symbolic-ref", "HEAD", "refs/heads/main")

    def git(self, cwd: Path, *args: str, **env: str) -> str:
        done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, env=os.environ | env)
        if done.returncode:
            raise RuntimeError(f"git {args}: {done.stdout!r} {done.stderr!r}")
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def clone(self, name: str, *options: str) -> Path:
        self.git(self.folder, "clone", "-q", *options, self.remote.as_uri(), str(self.folder / name))
        return self.folder / name

    def tree(self, cwd: Path, ref: str = notes.REF) -> str:
        return self.git(cwd, "rev-parse", f"{ref}^{{tree}}")

    def raw(self, cwd: Path, note: str, commit: str, ref: str = notes.REF) -> None:
        """A note as `git notes` writes it."""
        self.git(cwd, "notes", f"--ref={ref}", "add", "-f", "-m", note, commit)


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path)


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "test", **more}


def put(cwd: Path, *rows: tuple[str, str], shards: int = 1) -> None:
    for commit, name in rows:
        notes.write(cwd, {commit: [event(name)]}, 1_700_000_000.0, shards)


def ids(cwd: Path, commits: Iterable[str]) -> set[str]:
    return {e["id"] for text in notes.read(cwd, commits).values() for e in notes.events(text)}


def go(cwd: Path, **options: Any) -> Report:
    return sync(find(cwd), **options)


def fine(cwd: Path, **options: Any) -> Report:
    report = go(cwd, **options)
    assert (report.state, report.problems) == ("synced", [])
    return report


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_two_clones_end_with_the_same_lines_and_the_same_tree(tmp_path: Path, form: str) -> None:
    clones = Clones(tmp_path, form)
    a, b = clones.clone("a"), clones.clone("b")
    put(a, (clones.commits[0], "a0"), (clones.commits[1], "a1"))
    put(b, (clones.commits[1], "b1"), (clones.commits[2], "b2"))
    assert fine(a).sent == [notes.REF]
    assert fine(b).received == 2
    assert fine(a).received == 2
    for cwd in (a, b, clones.remote):
        assert ids(cwd, clones.commits) == {"a0", "a1", "b1", "b2"}
    assert clones.tree(a) == clones.tree(b) == clones.tree(clones.remote)
    assert clones.git(a, "notes", "--ref=hone", "show", clones.commits[1]).count("\n") == 1
    assert fine(a).sent == fine(b).sent == []
    assert clones.git(a, "fsck", "--strict") == ""


def test_any_order_of_joining_gives_the_same_tree(clones: Clones) -> None:
    rng = random.Random(7)
    tips = []
    cwd = clones.clone("a")
    for k in range(5):
        put(cwd, *((rng.choice(clones.commits), f"{k}-{j}") for j in range(6)))
        tips.append(clones.git(cwd, "rev-parse", notes.REF))
        clones.git(cwd, "update-ref", "-d", notes.REF)
        clones.git(cwd, "update-ref", "-d", f"{notes.WRITTEN}hone")
    trees, commits = set(), set()
    for _ in range(6):
        rng.shuffle(tips)
        for tip in tips:
            notes.join(cwd, notes.REF, {}, [tip])
        trees.add(clones.tree(cwd))
        clones.git(cwd, "update-ref", "-d", notes.REF)
        clones.git(cwd, "update-ref", "-d", f"{notes.WRITTEN}hone")
        notes.join(cwd, notes.REF, {}, tips)
        commits.add(clones.git(cwd, "rev-parse", notes.REF))
        trees.add(clones.tree(cwd))
        clones.git(cwd, "update-ref", "-d", notes.REF)
        clones.git(cwd, "update-ref", "-d", f"{notes.WRITTEN}hone")
    assert len(trees) == len(commits) == 1


WRITER = """
import sys
from pathlib import Path
from git_hone.hooks import notes
from git_hone.hooks.place import find
from git_hone.hooks.sync import sync
cwd, who, commits, push = Path(sys.argv[1]), sys.argv[2], sys.argv[4:], sys.argv[3] == "push"
sys.stdin.read()
for k in range(5):
    notes.write(cwd, {commits[(k + int(who)) % len(commits)]: [{"id": f"{who}-{k}", "type": "test"}]}, 1_700_000_000.0)
    if push:
        report = sync(find(cwd))
        if report.state != "synced":
            sys.exit(str(report))
"""


def at_once(places: list[Path], mode: str, commits: list[str]) -> None:
    """Five notes from each of these clones, all at the same time."""
    command = [sys.executable, "-c", WRITER]
    running = [
        subprocess.Popen([*command, str(cwd), str(k), mode, *commits], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for k, cwd in enumerate(places)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
    for process in running:
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        assert process.wait() == 0, said


def test_eight_clones_that_push_at_once_lose_nothing(clones: Clones) -> None:
    places = [clones.clone(f"c{k}") for k in range(8)]
    at_once(places, "push", clones.commits)
    everything = {f"{k}-{j}" for k in range(8) for j in range(5)}
    assert ids(clones.remote, clones.commits) == everything
    for cwd in places:
        fine(cwd)
        assert ids(cwd, clones.commits) == everything
    assert len({clones.tree(cwd) for cwd in [*places, clones.remote]}) == 1


def test_eight_processes_that_write_in_one_clone_lose_nothing(clones: Clones) -> None:
    cwd = clones.clone("a")
    at_once([cwd] * 8, "write", clones.commits)
    assert ids(cwd, clones.commits) == {f"{k}-{j}" for k in range(8) for j in range(5)}
