"""Disks that are full, cut off or small, and a worker that is started 500 times: the commit succeeds, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes
from git_hone.hooks.drain import drain
from git_hone.hooks.install import doctor, setup
from git_hone.hooks.place import find
from git_hone.learner.errors import DataError
from git_hone.learner.store import Store

Play = Any
CUTS = int(os.environ.get("HONE_CUTS", "2"))
COMMITS = int(os.environ.get("HONE_REBASE", "60"))


def _can_mount() -> bool:
    tools = all(shutil.which(name) for name in ("mount", "umount", "losetup", "mkfs.ext4"))
    return os.geteuid() == 0 and tools and Path("/dev/loop-control").exists()


MOUNTS = pytest.mark.skipif(not _can_mount(), reason="needs root, to mount small disks")


@contextlib.contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[None]:
    """A small disk of its own in place of `folder`, with what stood there."""
    kept = folder.with_name(f"{folder.name}.kept")
    folder.rename(kept)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", str(folder)], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(folder)], check=True)
        yield
        shutil.rmtree(kept)
        subprocess.run(["cp", "-a", str(folder), str(kept)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()
        kept.rename(folder)


def fill(folder: Path, size: int) -> None:
    """Write files of that size until no more can be."""
    folder.mkdir()
    with contextlib.suppress(OSError):
        for k in range(100_000):
            (folder / str(k)).write_bytes(b"x" * size)


def commit_alone(p: Play) -> None:
    """The commit succeeds, in silence."""
    p.git("add", "-A")
    done = subprocess.run(["git", "commit", "-qm", "c"], cwd=p.repo, capture_output=True, env=p.env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@MOUNTS
@pytest.mark.parametrize("options", ["size=400k", "nr_inodes=40"])
def test_a_full_disk_under_git_hone(p: Play, options: str) -> None:
    """No byte, or no file, can be written in .git/hone: the commit succeeds, the drain says so, and later all is recorded."""
    p.show()
    p.turn("src/new.py", "a")
    p.show()
    with tmpfs(p.place.hone, options):
        fill(p.place.hone / "filler", 4096 if "size" in options else 0)
        commit_alone(p)
        with pytest.raises(DataError) as raised:
            drain(p.place)
        assert any(words in raised.value.message for words in ("space", "disk is full", "unable to open"))
        assert "drain" in (raised.value.tip or "")
        assert "disk-full" in [finding.kind for finding in doctor.examine(p.place)]
        shutil.rmtree(p.place.hone / "filler")
    assert p.ai() == 10
    assert len(Store(p.place.data).rows("changes")) == 1


@MOUNTS
@pytest.mark.parametrize("options", ["size=1m", "nr_inodes=60"])
def test_a_full_disk_under_the_records(p: Play, options: str) -> None:
    """The store cannot take a segment: a clear error, no half segment, and the events wait."""
    p.turn("src/new.py", "a")
    commit_alone(p)
    drain(p.place)
    p.turn("src/later.py", "b", 5)
    with tmpfs(p.place.data, options):
        fill(p.place.data / ".filler", 4096 if "size" in options else 0)
        commit_alone(p)
        with pytest.raises(DataError, match="space"):
            drain(p.place)
        assert not list(p.place.data.rglob(".tmp-*"))
        assert list(p.place.inbox.glob("*.ev"))
        assert len(Store(p.place.data).rows("changes")) == 1
        shutil.rmtree(p.place.data / ".filler")
    assert p.ai() == 5
    assert Store(p.place.data).check() == []
    assert len(Store(p.place.data).rows("changes")) == 2


@MOUNTS
def test_a_power_cut_right_after_the_commit(home: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """The device is copied as it is right after the commit and its record: git-hone's repository is as whole as one without.

    A worker that has ended has asked the system to write out the file system: then commit, notes and record are all there.
    """
    worse = 0
    for k in range(CUTS):
        left = {}
        for ours in (False, True):
            left[ours] = _cut(tmp_path / f"cut{k}{ours}", home, ours)
        worse += left[True] < left[False]
        assert left[True], "after the worker's sync, HEAD, its tree and its note are readable and the store opens"
    record_property("tried", CUTS)
    assert worse == 0


def _cut(folder: Path, home: Path, ours: bool) -> bool:
    """One commit on an ext4 disk of its own, the disk copied while it is mounted; whether the copy's HEAD is whole."""
    folder.mkdir()
    image, copy = folder / "disk.img", folder / "copy.img"
    with image.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
    try:
        repo = disk / "repo"
        repo.mkdir()
        git = ["git", "-C", str(repo)]
        subprocess.run([*git, "init", "-q"], check=True)
        (repo / "a.py").write_text("a = 1\n")
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "first"], check=True)
        if ours:
            setup.install(find(repo))
            (repo / ".git/hone/worker.pid").write_text(f"{os.getpid()}\n")  # the test starts the worker, and knows its end
        subprocess.run(["sync", "-f", str(repo)], check=True)
        (repo / "a.py").write_text("a = 2\n")
        subprocess.run([*git, "commit", "-qam", "second"], check=True)
        if ours:
            where = find(repo)
            subprocess.run([sys.executable, "-I", "-m", "git_hone.hooks.worker", str(where.hone)], check=True)
            assert not list(where.inbox.glob("*.ev"))
        shutil.copyfile(image, copy)  # what the device holds at this moment, nothing flushed first
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(copy), str(disk)], check=True)
    try:
        whole = subprocess.run([*git, "fsck", "--full", "--no-dangling"], capture_output=True, check=False).returncode == 0
        whole &= subprocess.run([*git, "log", "-p", "-1"], capture_output=True, check=False).returncode == 0
        if ours:
            assert Store(find(repo).data).check() == []
            drain(find(repo))
        return whole
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _wait(done: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(3600):  # three minutes: a busy machine is no fault
        if done():
            return
        pause.wait(0.05)
    raise AssertionError("the worker did not end")


def counting(p: Play) -> Path:
    """Put a shell script in place of the worker's Python: it notes each start, and whether another one was alive."""
    folder = p.repo.parent / "counted"
    folder.mkdir()
    wrapper = folder / "python"
    wrapper.write_text(
        f"#!/bin/sh\necho start >> {folder}/starts\nmkdir {folder}/alive || echo overlap >> {folder}/overlaps\n"
        f'"{sys.executable}" "$@"\nrmdir {folder}/alive\n'
    )
    wrapper.chmod(0o755)
    script = p.repo / ".git/hone/git-event.sh"
    text = script.read_text()
    assert sys.executable in text
    script.write_text(text.replace(sys.executable, str(wrapper)))
    return folder


def test_a_rebase_of_many_commits_has_one_worker_at_a_time(p: Play, record_property: Callable[[str, object], None]) -> None:
    p.git("switch", "-qc", "topic")
    one = b"commit refs/heads/topic\ncommitter D <d@x> %d +0000\ndata 2\nc\nM 100644 inline t%d\ndata 2\nx\n\n"
    stream = [b"reset refs/heads/topic\nfrom refs/heads/main^0\n\n", *(one % (1_700_000_000 + k, k) for k in range(COMMITS))]
    subprocess.run(["git", "fast-import", "--quiet"], cwd=p.repo, input=b"".join(stream), check=True)
    p.git("reset", "-q", "--hard")
    p.git("switch", "-q", "main")
    p.human("main.txt", "m\n")
    p.commit("main moves")
    p.show()
    p.awake()
    folder = counting(p)
    p.git("rebase", "-q", "main", "topic")
    _wait(lambda: not (folder / "alive").exists() and not list(p.place.inbox.glob("*.ev")))
    assert int(p.git("rev-list", "--count", "main..topic")) == COMMITS
    starts = (folder / "starts").read_text().splitlines() if (folder / "starts").exists() else []
    assert not (folder / "overlaps").exists()
    assert 1 <= len(starts) <= COMMITS // 50  # nothing is started while git rebases; afterwards, whoever finds an event
    record_property("tried", COMMITS)


def test_an_uninstalled_tool_leaves_commits_alone_and_no_hook_behind(p: Play) -> None:
    """Its Python is gone: commits are silent, doctor (of another installation) says so, and uninstall restores every hook."""
    script = p.repo / ".git/hone/git-event.sh"
    script.write_text(script.read_text().replace(sys.executable, "/gone/python"))
    p.turn("src/new.py", "a")
    commit_alone(p)
    p.git("commit", "-q", "--amend", "-m", "again")
    assert [f.kind for f in doctor.examine(p.place) if not f.ok] == ["python-gone"]
    shutil.rmtree(p.place.hone)  # and somebody cleared .git by hand
    commit_alone_empty(p)
    setup.install(p.place)
    setup.uninstall(p.place)
    own = p.repo / ".own-hooks"
    left = [f.name for folder in (p.repo / ".git/hooks", own) if folder.is_dir() for f in folder.iterdir()]
    assert [name for name in left if not name.endswith(".sample")] == []


def commit_alone_empty(p: Play) -> None:
    done = subprocess.run(["git", "commit", "-qm", "empty", "--allow-empty"], cwd=p.repo, capture_output=True, env=p.env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_pre_commit_stashes_what_is_not_staged(p: Play) -> None:
    """pre-commit takes unstaged changes away while its hooks run: they come back identical, and whose lines is still right."""
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    config = "repos:\n- repo: local\n  hooks:\n  - {id: t, name: t, language: system, entry: 'true', pass_filenames: false}\n"
    p.human(".pre-commit-config.yaml", config)
    p.commit("configure")
    subprocess.run([sys.executable, "-m", "pre_commit", "install"], cwd=p.repo, check=True, capture_output=True, env=p.env)
    p.turn("src/new.py", "a")
    p.git("add", "-A")
    p.turn("src/new.py", "b", 5)
    p.human("src/base.py", p.read("src/base.py") + "mine = 1\n")
    unstaged = {name: p.read(name) for name in ("src/new.py", "src/base.py")}
    p.git("commit", "-qm", "staged alone")
    assert {name: p.read(name) for name in unstaged} == unstaged
    assert p.ai() == 10
    p.commit("the rest")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"]) == (5, 1)


def test_a_clock_that_jumps(p: Play) -> None:
    """Commits dated in 1970, 2099 and before time zones changed: each recorded once, under the month in UTC."""
    dates = ("1970-01-01T00:00:01 +0000", "2099-12-31T23:59:59 -1200", "2026-03-29T02:30:00 +0100", "2026-10-25T02:30:00 +0200")
    for k, date in enumerate(dates):
        p.turn(f"src/f{k}.py", f"t{k}", 3)
        p.git("add", "-A")
        p.git("commit", "-qm", f"c{k}", GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
    assert [p.ai(f"HEAD~{k}") for k in range(len(dates))] == [3] * len(dates)
    rows = Store(p.place.data).rows("changes")
    assert len(rows) == len({row["commit"] for row in rows}) == len(dates)
    assert all(row["committed_at"].utcoffset().total_seconds() == 0 for row in rows)
    assert set(notes.read(p.repo, [row["commit"] for row in rows])) == {row["commit"] for row in rows}


def test_branches_that_committed_their_records_merge_without_conflict(p: Play) -> None:
    """Segments are named by their content: two clones that both commit .agent/data merge by git alone."""
    gitignore = p.repo / ".agent/.gitignore"
    gitignore.write_text(gitignore.read_text().replace("/data/\n", "!/data/\n"))
    p.turn("src/base2.py", "base", 3)
    p.commit("base")
    p.show()
    p.commit("records")
    p.show()
    made = []
    for name in ("left", "right"):
        p.git("switch", "-qc", name, "main")
        p.turn(f"src/{name}.py", name, 4)
        made.append(p.commit(name))
        assert p.ai() == 4
        p.git("add", "-A", "--", ".agent")
        p.git("commit", "-qm", f"records of {name}")
    p.git("merge", "-q", "-m", "both", "left")
    store = Store(p.place.data)
    live = {row["commit"]: row["lines_ai"] for row in store.rows("changes") if row["state"] == "live"}
    assert [live[sha] for sha in made] == [4, 4]
    assert store.check() == []
    ids = [row["record_id"] for row in store.history("changes")]
    assert len(ids) == len(set(ids))
