"""Which tree is it that a command is about to measure? The user's index and work tree are only read.

Whatever has to be written (a copy of the index, the objects of a snapshot) goes into a folder that is then thrown away:
only the tree's id is wanted, and a commit of the same files has the same one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from git_hone.hooks import git
from git_hone.hooks.place import Place
from git_hone.learner.errors import UsageError

PASSIVE: Final = (
    b".md",
    b".txt",
    b".rst",
    b".log",
    b".tmp",
    b".bak",
    b".orig",
    b".swp",
    b".coverage",
    b".lcov",
    b".sarif",
    b".xml",
)
"""Endings of files that no compiler, linter or test depends on just because they lie around: notes, logs, reports."""


def measured_tree(place: Place, env: Mapping[str, str]) -> str:
    """The id of the tree that lies before a command started now.

    In a git hook: that of the index which git made for the commit (`env` names it in GIT_INDEX_FILE). Else, when everything
    that changed is staged: the index's own; untracked files do not count, and this is also what pre-commit leaves after it
    has put unstaged changes away. Else, when nothing changed: HEAD's. Else: that of the work tree with everything that is
    not ignored. A new file that nobody added yet is a change, as the command may read it, unless it is plainly none of its
    business (`PASSIVE`). Raises UsageError in a bare repository, GitError when git cannot say.
    """
    if place.top is None:
        raise UsageError("a bare repository has no files to measure")
    index = hook_index(place, env)
    if index is not None:
        return _tree(place, index, everything=False)
    status = git.run(
        ["status", "--porcelain=v2", "-z", "--untracked-files=normal", "--no-renames", "--ignore-submodules=dirty"], place.top
    )
    listed = [entry for entry in status.split(b"\0") if entry]
    entries = [entry for entry in listed if not entry.startswith(b"? ")]
    if not entries and any(_may_matter(entry[2:]) for entry in listed):
        return _tree(place, place.git_dir / "index", everything=True)
    if not entries and (head := git.line(["rev-parse", "--verify", "-q", "HEAD^{tree}"], place.top)):
        return head
    differs = any(entry[:2] == b"u " or entry[3:4] != b"." for entry in entries)
    return _tree(place, place.git_dir / "index", everything=differs)


def _may_matter(path: bytes) -> bool:
    """Whether a tool may read this untracked file (or folder)."""
    return not path.startswith((b".agent/", b".claude/")) and not path.lower().endswith(PASSIVE)


def hook_index(place: Place, env: Mapping[str, str]) -> Path | None:
    """The index that git hands to its hooks, None outside of one, and None when it is another repository's."""
    named = env.get("GIT_INDEX_FILE")
    if not named or place.top is None:
        return None
    if (given := env.get("GIT_DIR")) and (place.top / given).resolve() != place.git_dir.resolve():
        return None
    index = (place.top / named).resolve()
    foreign = (index.parent / "HEAD").exists() and index.parent != place.git_dir.resolve()
    return index if index.is_file() and not foreign else None


def _tree(place: Place, index: Path, *, everything: bool) -> str:
    with tempfile.TemporaryDirectory(prefix="hone-tree-") as folder:
        copy, objects = Path(folder, "index"), Path(folder, "objects")
        objects.mkdir()
        if index.exists():
            shutil.copy2(index, copy)  # with its time: git trusts a file's entry only when it is older than the index
        real = str(place.common / "objects").replace("\\", "\\\\").replace('"', '\\"')
        env = {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{real}"'}
        top = place.cwd
        if everything:
            git.add_all(top, place.git_dir, copy, **env)
        return git.text(git.run(["write-tree"], top, env={**env, "GIT_INDEX_FILE": str(copy)})).strip()
