"""A sealed arena: one tree, and a fresh repository with one commit that holds it, so that no later commit can be read.

Every path and every link is checked before it is written and after: nothing lands outside the folder, whatever the tree says.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from git_hone.hooks import git
from git_hone.learner.errors import DataError
from git_hone.learner.suite.tasks import File, leads_out, unsafe

Contents = Callable[[str], bytes]
"""The content with a SHA-256. Raises DataError for one that is not there."""

ENV: Final = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"} | {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "arena"), ("EMAIL", "arena@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
}
AS_IT_IS: Final = "* -text -eol -filter -ident -working-tree-encoding\n"


class Arena:
    """A tree at `folder`, which this makes and owns; its parent folder holds nothing else that matters."""

    def __init__(self, folder: Path, files: Mapping[str, File], contents: Contents, *, sealed: bool = True) -> None:
        """Writes the tree and seals it. Raises DataError for a path or link that leads out, and for a content that is not what
        its hash says."""
        self.folder, self.files, self._contents = folder, files, contents
        folder.mkdir(parents=True)
        self.fill()
        if sealed:
            self._seal()

    def fill(self) -> None:
        """Make the work tree what it was at the start: nothing is left of what a run wrote or deleted. `.git` is left alone."""
        for entry in os.scandir(self.folder):
            if entry.name != ".git":
                _remove(Path(entry.path))
        self.put(self.files)

    def put(self, files: Mapping[str, File | None]) -> None:
        """Write, replace and (None) delete files; links last, so that nothing is written through one."""
        links = {path: file for path, file in files.items() if file is not None and file.kind == "link"}
        for path, file in files.items():
            target = self._target(path)
            if file is None:
                _remove(target)
            elif file.kind != "link":
                self.write(path, self.content(file.sha256), executable=file.kind == "executable")
        for path, file in links.items():
            aim = os.fsdecode(self.content(file.sha256))
            if leads_out(path, aim):
                raise DataError(f"{path}: a link to {aim!r}, which leads out of its folder", tip="leave this task out")
            target = self._target(path)
            _remove(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(aim)
        root = self.folder.resolve()
        for path in links:
            there = Path(os.path.realpath(self._target(path)))
            if there != root and root not in there.parents:
                raise DataError(f"{path}: a link that leads out of its folder by way of others", tip="leave this task out")

    def write(self, path: str, data: bytes, *, executable: bool = False) -> None:
        """One file. Raises DataError for a path that leaves the folder, by itself or through a link."""
        target = self._target(path)
        _remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if executable:
            target.chmod(0o755)

    def content(self, sha256: str) -> bytes:
        data = self._contents(sha256)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DataError(f"content {sha256[:12]}: is not what its hash says", tip="restore the suite's folder from Git")
        return data

    def _target(self, path: str) -> Path:
        if wrong := unsafe(path):
            raise DataError(f"path {path!r} {wrong}", tip="leave this task out")
        target = self.folder / path
        for above in target.relative_to(self.folder).parents:
            step = self.folder / above
            if above.parts and (step.is_symlink() or (step.exists() and not step.is_dir())):
                raise DataError(f"path {path!r} goes through {str(above)!r}, which is no folder", tip="leave this task out")
        return target

    def _seal(self) -> None:
        where = self.folder
        git.run(["init", "-q", "--template=", "-b", "main", "."], where, env=ENV)
        (where / ".git/info").mkdir(exist_ok=True)
        (where / ".git/info/attributes").write_text(AS_IT_IS)
        git.run(["-c", "core.autocrlf=false", "add", "-A", "-f", "."], where, env=ENV)
        git.run(["commit", "-q", "--allow-empty", "--no-verify", "-m", "the state to work on"], where, env=ENV)
        if commits(where) != 1:
            raise DataError(f"{where}: the arena is not sealed: more than one commit can be read", tip="report this as a fault")


def commits(folder: Path) -> int:
    """How many commits can be reached or lie loose in the repository at `folder`; a sealed one has 1."""
    reached = git.text(git.run(["rev-list", "--all", "--count"], folder, env=ENV)).strip()
    out = git.run(["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"], folder, env=ENV)
    return max(int(reached), out.split().count(b"commit"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for folder, names, _ in os.walk(path):
            for name in (folder, *(f"{folder}/{each}" for each in names)):  # a test may have taken its own rights away
                if not Path(name).is_symlink():
                    Path(name).chmod(0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
