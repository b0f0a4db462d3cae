"""The work tree before an attempt, and back to it. Nothing is lost: what is undone stays under `refs/hone/attempts/`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
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
    staged: the index as a tree, None where it holds a conflict; head: the commit that HEAD named, None on an unborn branch; branch: the
    name behind HEAD, None when detached."""

    tree: str
    index: bytes | None
    staged: str | None
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
        tree, index.read_bytes() if index.exists() else None, git.line(["write-tree"], place.top),
        git.line(["rev-parse", "--verify", "-q", "HEAD"], place.top), git.line(["symbolic-ref", "-q", "HEAD"], place.top),
    )  # fmt: skip


def keep(place: Place, before: Before, name: str) -> str | None:
    """Keep what was not committed under a ref, whatever an agent does to it: a commit of the work tree whose second parent is the index,
    as `git stash` makes them. None where all of it was committed."""
    committed = _committed(place, before)
    if before.tree == committed and before.staged in (committed, None):
        return None
    staged = [_commit(place, before.staged, [before.head], "the index before an attempt")] if before.staged else []
    ref = f"{notes.ATTEMPTS}{name}"
    git.run(
        ["update-ref", ref, _commit(place, before.tree, [before.head, *staged], "the work tree before an attempt")], place.cwd
    )
    return ref


def touched(place: Place, before: Before) -> list[str]:
    """The files with uncommitted work that are other than they were; empty when each is as it was, be it committed by now."""
    now = snapshot(place)
    committed = _committed(place, before)
    mine = _differ(place, committed, before.tree)
    if now is None:
        return sorted(mine)
    found = mine & _differ(place, before.tree, now)
    staged = git.line(["write-tree"], place.cwd)
    if before.staged and staged and staged != before.staged:  # what was only in the index
        found |= (
            _differ(place, before.tree, before.staged)
            & _differ(place, committed, before.staged)
            & _differ(place, before.staged, staged)
        )
    return sorted(found)


def _committed(place: Place, before: Before) -> str:
    """The tree of HEAD, the empty one on an unborn branch."""
    out = git.run(["rev-parse", f"{before.head}^{{tree}}"] if before.head else ["mktree"], place.cwd, stdin=b"")
    return git.text(out).strip()


def _differ(place: Place, one: str, other: str) -> set[str]:
    out = git.run(["diff-tree", "-r", "-z", "--no-renames", "--name-only", one, other], place.cwd)
    return {os.fsdecode(path) for path in out.split(b"\0") if path}


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
    head = git.line(["rev-parse", "--verify", "-q", "HEAD"], top)  # its parent, so that commits of the attempt stay too
    git.run(["update-ref", ref, _commit(place, after, [head], "an attempt that its gates stopped")], top)
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


def _commit(place: Place, tree: str, parents: Sequence[str | None], message: str) -> str:
    """A commit of ours that no branch holds."""
    named = [word for parent in parents if parent for word in ("-p", parent)]
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "git-hone"), ("EMAIL", "git-hone@localhost"))
    }
    return git.text(git.run(["commit-tree", tree, *named, "-m", message], place.cwd, env=who)).strip()


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
