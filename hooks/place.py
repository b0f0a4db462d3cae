"""Where things are: the git folders of a working tree, our folder in the common git dir, and `.agent/`."""

from __future__ import annotations

import os

from git_hone.learner.errors import GitError, UsageError

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from pathlib import Path
    from typing import NamedTuple
else:
    from git_hone.learner.named import NamedTuple


class Place(NamedTuple):
    """One working tree (or bare repository).

    common: the common git dir, shared by linked worktrees. git_dir: this worktree's own. top: the working tree, None when
    bare. agent: the `.agent` folder, always that of the main worktree (in a bare repository, inside the git dir).
    hone: `<common>/hone`: inbox, state, lock, log.
    """

    common: Path
    git_dir: Path
    top: Path | None
    agent: Path

    @property
    def hone(self) -> Path:
        return self.common / "hone"

    @property
    def inbox(self) -> Path:
        return self.hone / "inbox"

    @property
    def data(self) -> Path:
        return self.agent / "data"

    @property
    def cwd(self) -> Path:
        """Where git may be called: the working tree, or the git dir of a bare repository."""
        return self.top or self.git_dir


def plain(cwd: Path) -> Place | None:
    """The place of a plain repository with git-hone, found without starting git; None where git itself should be asked: a linked work
    tree, a submodule, a bare repository, an environment that names another."""
    if any(name in os.environ for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")):
        return None
    for top in (cwd, *cwd.parents):
        own = top / ".git"
        if own.is_dir():
            fits = (own / "HEAD").is_file() and (own / "hone" / "inbox").is_dir() and not (own / "commondir").exists()
            return Place(own, own, top, top / ".agent") if fits else None
        if own.exists():
            return None
    return None


def find(cwd: Path) -> Place:
    """The place that `cwd` lies in. Raises UsageError outside a repository, and passes git's refusal on
    (a repository owned by somebody else) with its remedy."""
    from pathlib import Path

    from git_hone.hooks import git

    out = git.attempt(
        [
            "rev-parse",
            "--path-format=absolute",
            "--git-common-dir",
            "--git-dir",
            "--is-bare-repository",
            "--is-inside-work-tree",
        ],
        cwd,
    )
    if out is None:
        try:
            git.run(["rev-parse", "--git-dir"], cwd)
        except GitError as error:
            if "not a git repository" in error.message:
                raise UsageError(
                    f"{cwd}: not inside a git repository", tip="run this in a repository, or `git init` first"
                ) from error
            raise
        raise UsageError(f"{cwd}: this git is too old for git-hone", tip="git 2.31 or newer is needed")
    common, git_dir, bare, inside = git.text(out).splitlines()
    common_dir, own = Path(common), Path(git_dir)
    git.OURS.update((common_dir, own))
    top = git.line(["rev-parse", "--path-format=absolute", "--show-toplevel"], cwd) if inside == "true" else None
    if top is None and bare == "false" and own.name == ".git":
        top = str(own.parent)  # called from inside .git
    return Place(common_dir, own, Path(top) if top else None, _agent(common_dir, cwd))


def not_installed(place: Place) -> UsageError:
    """To be raised where git-hone was never set up, or was taken out."""
    return UsageError(f"{place.cwd}: git-hone is not installed here", tip="run `git hone init`")


def _agent(common: Path, cwd: Path) -> Path:
    from pathlib import Path

    from git_hone.hooks import git

    first = git.attempt(["worktree", "list", "--porcelain"], cwd)
    block = git.text(first or b"").split("\n\n", 1)[0].splitlines()
    if "bare" in block or not block:
        return common / ".agent"
    main = Path(block[0].removeprefix("worktree "))
    if main.resolve() == common.resolve():  # a submodule's git dir: git lists the git dir itself
        tree = git.line(["config", "--file", str(common / "config"), "core.worktree"], common)
        return (common / tree).resolve() / ".agent" if tree else common / ".agent"
    return main / ".agent"
