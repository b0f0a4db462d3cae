"""The work tree before an attempt, and back to it. Nothing is lost: what is undone stays under `refs/hone/attempts/`."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from git_hone.hooks import git, notes
from git_hone.hooks.capture import snapshot
from git_hone.hooks.place import Place
from git_hone.learner.errors import GitError, UsageError


@dataclass(frozen=True)
class Before:
    """How it stood. tree: everything in the work tree that is not ignored; index: a copy of git's index, None when there was none;
    head: the commit that HEAD named, None on an unborn branch; branch: the name behind HEAD, None when detached."""

    tree: str
    index: bytes | None
    head: str | None
    branch: str | None


def look(place: Place) -> Before:
    """Raises UsageError in a bare repository and in the middle of a merge or rebase, where going back is not ours to do."""
    if place.top is None:
        raise UsageError(f"{place.cwd}: a bare repository has no work tree", tip="run this in a work tree")
    for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"):
        if (place.git_dir / name).exists():
            raise UsageError(
                f"{place.top}: git is in the middle of something ({name})", tip="finish or abort it first; `git status` says how"
            )
    tree = snapshot(place)
    if tree is None:
        raise GitError(f"{place.top}: the work tree could not be read", tip="`git status` may say why")
    index = place.git_dir / "index"
    return Before(
        tree, index.read_bytes() if index.exists() else None, git.line(["rev-parse", "--verify", "-q", "HEAD"], place.top),
        git.line(["symbolic-ref", "-q", "HEAD"], place.top),
    )  # fmt: skip


def changed(place: Place, before: Before) -> bool:
    """Whether the work tree or HEAD is other than it was."""
    return snapshot(place) != before.tree or git.line(["rev-parse", "--verify", "-q", "HEAD"], place.cwd) != before.head


def go_back(place: Place, before: Before, name: str) -> str:
    """Make the work tree, the index and HEAD what they were; returns the ref that keeps what was undone.

    Only files that differ are written, and only files that the attempt made are deleted. Ignored files are left alone.
    """
    top = place.cwd
    after = snapshot(place)
    if after is None:
        raise GitError(f"{top}: the work tree could not be read, so nothing was undone", tip="`git status` may say why")
    ref = f"{notes.ATTEMPTS}{name}"
    git.run(["update-ref", ref, _kept(place, after)], top)
    _restore_head(place, before)
    rows = git.run(["diff-tree", "-r", "-z", "--no-renames", "--name-status", after, before.tree], top).split(b"\0")
    gone = [path for state, path in zip(rows[::2], rows[1::2], strict=False) if state == b"D"]
    wanted = [path for state, path in zip(rows[::2], rows[1::2], strict=False) if state != b"D"]
    for path in gone:
        _delete(top, path)
    if wanted:
        index = place.git_dir / f"hone-index.back.{os.getpid()}"
        env = {"GIT_INDEX_FILE": str(index)}
        try:
            git.run(["read-tree", before.tree], top, env=env)
            git.run(["checkout-index", "-f", "-z", "--stdin"], top, env=env, stdin=b"".join(path + b"\0" for path in wanted))
        finally:
            index.unlink(missing_ok=True)
    _restore_index(place, before)
    return ref


def _kept(place: Place, tree: str) -> str:
    """A commit that holds the tree, with the HEAD of that moment as its parent, so that commits of the attempt stay too."""
    head = git.line(["rev-parse", "--verify", "-q", "HEAD"], place.cwd)
    parents = ["-p", head] if head else []
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "git-hone"), ("EMAIL", "git-hone@localhost"))
    }
    made = git.run(["commit-tree", tree, *parents, "-m", "an attempt that its gates stopped"], place.cwd, env=who)
    return git.text(made).strip()


def _restore_head(place: Place, before: Before) -> None:
    now = git.line(["symbolic-ref", "-q", "HEAD"], place.cwd)
    if before.branch and now != before.branch:
        git.run(["symbolic-ref", "-m", "git-hone: back to before the attempt", "HEAD", before.branch], place.cwd)
    if before.head:
        git.run(["update-ref", "-m", "git-hone: back to before the attempt", *([] if before.branch else ["--no-deref"]), "HEAD", before.head],
                place.cwd)  # fmt: skip
    elif git.line(["rev-parse", "--verify", "-q", "HEAD"], place.cwd):
        git.run(["update-ref", "-d", "HEAD"], place.cwd)


def _restore_index(place: Place, before: Before) -> None:
    index = place.git_dir / "index"
    if before.index is None:
        index.unlink(missing_ok=True)
        return
    part = index.with_name(f"hone-index.old.{os.getpid()}")
    part.write_bytes(before.index)
    part.replace(index)
    git.attempt(["update-index", "-q", "--refresh"], place.cwd)


def _delete(top: Path, path: bytes) -> None:
    file = top / os.fsdecode(path)
    with suppress(FileNotFoundError):
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)  # a submodule or nested repository that the attempt made
        else:
            file.unlink()
    with suppress(OSError):
        for folder in file.parents:
            if folder == top:
                break
            folder.rmdir()
