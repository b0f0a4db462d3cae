"""Files that no look at the work tree sees, because git is told to ignore them. A shell command may have written such a file
as well as a person, so that what stands in it when it is first committed, or first seen, is nobody's for certain. Runs git.

The look around a shell command leaves ignored files aside: they may be gigabytes. An agent's edit tool names its file and is seen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from git_hone.hooks import git
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.lines import HUMAN
from git_hone.hooks.paths import quote, unquote
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

MOST: Final = 40
"""How many versions of `.gitignore` files are remembered that stood here since the first shell command."""
RULES: Final = ".gitignore"


def looked(state: State, at: float, tree: str) -> None:
    """Say that a shell command was at work at this moment, and left this tree."""
    if state.meta("shell-since") is None:
        state.set_meta("shell-since", at)
    state.set_meta("shell-tree", [tree, at])


def remember(state: State, changes: Iterable[FileChange]) -> None:
    """Keep the former versions of the `.gitignore` files among these: what they hid may come to light."""
    old = [[c.old or c.path, c.before] for c in changes if c.before and _is_rules(c)]
    if old:
        kept = [row for row in state.meta("ignored-by", []) if row not in old]
        state.set_meta("ignored-by", [*kept, *old][-MOST:])


def unseen(place: Place, state: State, commits: Sequence[Commit], default: dict[str, int]) -> set[tuple[str, str]]:
    """(commit, path) of the files of persons' commits that no look has seen and a shell command may have written: added while
    ignored, or once added so and still not in what the looks see.

    One call of git for all of them, and none where no shell command was seen or no commit adds a file."""
    since = state.meta("shell-since")
    if since is None:
        return set()
    forced: dict[str, float] = state.meta("forced", {})
    added, changed = [], []
    for commit in commits:
        remember(state, commit.files or ())
        for change in commit.files or () if default[commit.id] == HUMAN and commit.at >= since else ():
            if change.is_file and change.status == "A":
                added.append((commit.id, change.path))
            elif change.is_file and change.path in forced and not _seen(place, state, change.path, forced[change.path]):
                changed.append((commit.id, change.path))
    veiled = ignored(place, state, {path for _, path in added}) if added else set()
    new = {path: commit.at for commit in commits for name, path in added if name == commit.id and path in veiled}
    if new:
        state.set_meta("forced", forced | new)
        for index in (place.common / "hone-index", *place.common.glob("worktrees/*/hone-index")):
            index.unlink(missing_ok=True)  # the next look begins with git's own, and so sees what is tracked now
    return {(commit, path) for commit, path in added if path in veiled} | {*changed}


def brought_to_light(place: Place, state: State, changes: Sequence[FileChange]) -> set[str]:
    """Those of the files that a shell command seems to have added that may have stood there before it: it changed a `.gitignore`,
    or they came to be tracked meanwhile."""
    added = [c.path for c in changes if c.status == "A"]
    found = {*state.meta("forced", {})}.intersection(added)
    if any(c.before and _is_rules(c) for c in changes):
        remember(state, changes)
        found |= ignored(place, state, added)
    return found


def _is_rules(change: FileChange) -> bool:
    return (change.old or change.path).rsplit("/", 1)[-1] == RULES


def _seen(place: Place, state: State, path: str, since: float) -> bool:
    """Whether the last look at the work tree saw a file that is tracked since then, or no shell command was at work since."""
    tree, at = state.meta("shell-tree")
    name = f"{tree}:{git.text(unquote(path))}"
    return at <= since or git.attempt(["rev-parse", "--verify", "--quiet", name], place.common) is not None


def ignored(place: Place, state: State, paths: Iterable[str]) -> set[str]:
    """Those of the paths that git ignores now, or would by a `.gitignore` that stood here once."""
    asked = {unquote(path) for path in paths}
    found = _asked(["check-ignore"], place.cwd, asked) if place.top else set()
    for name, blob in state.meta("ignored-by", []):
        content = git.attempt(["cat-file", "blob", blob], place.common) if asked - found else None
        if content is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            rules = Path(folder) / git.text(unquote(name))
            rules.parent.mkdir(parents=True, exist_ok=True)
            rules.write_bytes(content)
            found |= _asked(
                [f"--git-dir={place.common.absolute()}", f"--work-tree={folder}", "check-ignore"], Path(folder), asked - found
            )
    return {quote(path) for path in found}


def _asked(words: list[str], cwd: Path, paths: set[bytes]) -> set[bytes]:
    """What check-ignore says of the paths, tracked or not. It ends with 1 where it names none, with 128 where it cannot tell."""
    names = b"".join(b"./" + path + b"\0" for path in sorted(paths))  # a name that begins with ":" is a name, not a pathspec
    out = git.run(["--no-literal-pathspecs", *words, "--no-index", "-z", "--stdin"], cwd, stdin=names, ok=(0, 1, 128))
    return {path.removeprefix(b"./") for path in out.split(b"\0") if path}
