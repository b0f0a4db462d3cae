"""New commits since the last look, and what each one changed. The hook is a hint; this is the history."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from git_hone.hooks import git
from git_hone.hooks.paths import quote

NULL = re.compile(r"^0+$")
_PERSON = re.compile(rb"^(.*?) ?<(.*?)> (-?\d+) [+-]\d{4}$")


class FileChange(NamedTuple):
    """One file of a commit. `old` and `before` are "" for a new file; `after` is "" for a deleted one."""

    status: str
    old: str
    path: str
    before: str
    after: str
    mode: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file that still stands there: no link, no submodule, not deleted."""
        return self.mode.startswith("100") and self.after != ""


@dataclass
class Commit:
    """One commit. `at`, `authored`: committer's and author's date, UTC seconds.

    files: None when it could not be read (missing objects, shallow edge)."""

    id: str
    tree: str
    parents: list[str]
    at: float
    author: str
    author_email: str
    committer_email: str
    message: bytes
    files: list[FileChange] | None = field(default=None)
    authored: float = 0.0

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


def tips(cwd: Path) -> dict[str, str]:
    """What is reachable: branches, remote branches, tags and each work tree's HEAD, name -> commit."""
    out = git.attempt(
        ["for-each-ref", "--format=%(objectname) %(*objectname) %(refname)", "refs/heads", "refs/remotes", "refs/tags"], cwd
    )
    found: dict[str, str] = {}
    for row in git.text(out or b"").splitlines():
        words = row.split(" ", 2)
        found[words[2]] = words[1] or words[0]
    if (known := _only_head(cwd, found)) is not None:
        return found | known
    trees = git.text(git.attempt(["worktree", "list", "--porcelain", "-z"], cwd) or b"").split("\0\0")
    for block in trees:
        lines = dict(line.partition(" ")[::2] for line in block.split("\0") if line)
        if (head := lines.get("HEAD")) and not NULL.match(head):
            found[f"HEAD {lines.get('worktree', '')}"] = head
    head = git.line(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], cwd)
    if head:
        found.setdefault("HEAD", head)
    return found


def _only_head(cwd: Path, refs: Mapping[str, str]) -> dict[str, str] | None:
    """What git would say of the HEAD of a repository with one work tree, from its file; None where git has to be asked."""
    own = cwd / ".git"
    try:
        head = (own / "HEAD").read_bytes().decode("ascii").strip()
        if (own / "commondir").exists() or any((own / "worktrees").glob("*")):
            return None
    except (OSError, ValueError):
        return None
    name = head.removeprefix("ref: ")
    if name != head and name not in refs and (not name.startswith("refs/heads/") or name == "refs/heads/.invalid"):
        return None
    commit = refs.get(name) if name != head else head if re.fullmatch("[0-9a-f]{40,64}", head) else None
    if commit is None:
        return {} if name != head else None
    return {f"HEAD {os.path.realpath(cwd)}": commit, "HEAD": commit}


def left(cwd: Path, old: Iterable[str], new: Iterable[str], behind: Iterable[str]) -> list[str]:
    """Commits reachable from `old` and not from `new`. `behind`: some that are known to be reachable from `new`; where these are all
    the old ones, as when branches only grew, git is not asked."""
    return between(cwd, set(old) - set(behind), new)


def between(cwd: Path, new: Iterable[str], old: Iterable[str]) -> list[str]:
    """Commits reachable from `new` and not from `old`, parents first. Names that are gone are left out."""
    wanted, known = sorted(set(new)), sorted(set(old))
    if not wanted or set(wanted) <= set(known):
        return []
    rows = "".join(f"{name}\n" for name in [*wanted, *(f"^{name}" for name in known)])
    out = git.attempt(["rev-list", "--topo-order", "--reverse", "--ignore-missing", "--stdin"], cwd, stdin=rows.encode())
    return git.text(out or b"").split()


def beside(cwd: Path, commit: str, new: Iterable[str], limit: int = 200) -> list[str]:
    """The newest commits that a name leads to and that are not behind `commit`; merges left out."""
    rows = "".join(f"{name}\n" for name in [*sorted(set(new)), f"^{commit}"])
    out = git.attempt(["rev-list", "--no-merges", "--ignore-missing", f"-{limit}", "--stdin"], cwd, stdin=rows.encode())
    return git.text(out or b"").split()


def in_order(commits: list[Commit]) -> list[Commit]:
    """Parents first, and otherwise by time: what was made first comes first, whatever branch it is on."""
    by_id = {commit.id: (k, commit) for k, commit in enumerate(commits)}
    waits = {commit.id: sum(parent in by_id for parent in set(commit.parents)) for commit in commits}
    children: dict[str, list[str]] = {}
    for commit in commits:
        for parent in set(commit.parents):
            children.setdefault(parent, []).append(commit.id)
    ready = [(commit.at, by_id[commit.id][0], commit.id) for commit in commits if not waits[commit.id]]
    heapq.heapify(ready)
    out: list[Commit] = []
    while ready:
        commit = by_id[heapq.heappop(ready)[2]][1]
        out.append(commit)
        for child in children.get(commit.id, ()):
            waits[child] -= 1
            if not waits[child]:
                heapq.heappush(ready, (by_id[child][1].at, by_id[child][0], child))
    return out


def is_ancestor(cwd: Path, old: str, new: str) -> bool:
    return git.attempt(["merge-base", "--is-ancestor", old, new], cwd) is not None


def unreachable(cwd: Path, commit: str, new: Iterable[str]) -> bool:
    """Whether no name leads to `commit` any more (or it is gone altogether)."""
    rows = "".join(f"{name}\n" for name in [commit, *(f"^{name}" for name in sorted(set(new)))])
    out = git.attempt(["rev-list", "-1", "--stdin"], cwd, stdin=rows.encode())
    return out is None or bool(out.strip())


def read(cwd: Path, ids: Iterable[str], common: Path) -> list[Commit]:
    """The commits of these ids, in the same order, with their files. Ids that are not commits here are left out."""
    found = []
    with git.cat_file(cwd) as objects:
        for name in ids:
            got = objects.typed(name)
            if got and got[0] == "commit":
                found.append(parse(name, got[1]))
    shallow = common / "shallow"
    edges = set(shallow.read_text().split()) if shallow.is_file() else set()
    _fill(cwd, [commit for commit in found if not commit.is_merge and commit.id not in edges])
    return found


def parse(name: str, raw: bytes) -> Commit:
    """A commit object. A damaged header line is read as empty, never an error."""
    head, _, message = raw.partition(b"\n\n")
    tree, parents = "", []
    author: tuple[str, str, float] = ("", "", 0.0)
    committer = author
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"tree":
            tree = value.decode("ascii", "replace")
        elif key == b"parent":
            parents.append(value.decode("ascii", "replace"))
        elif key == b"author":
            author = _person(value)
        elif key == b"committer":
            committer = _person(value)
    return Commit(name, tree, parents, committer[2], author[0], author[1], committer[1], message, authored=author[2])


def _person(value: bytes) -> tuple[str, str, float]:
    match = _PERSON.match(value)
    if not match:
        return "", "", 0.0
    return match[1].decode("utf-8", "replace"), match[2].decode("utf-8", "replace"), float(match[3])


def _fill(cwd: Path, commits: list[Commit]) -> None:
    """Give each commit its files: one process for all; a commit with a missing object is left without and passed over."""
    todo = commits
    while todo:
        rows = "".join(f"{commit.id}\n" for commit in todo).encode()
        args = ["diff-tree", "--stdin", "-r", "-z", "--root", "-M", "--no-ext-diff", "--full-index"]
        done = git.attempt(args, cwd, stdin=rows)
        if done is not None:
            _parse_raw(done, {commit.id: commit for commit in todo})
            return
        if len(todo) == 1:
            return  # unreadable: stays None
        middle = len(todo) // 2
        _fill(cwd, todo[:middle])
        todo = todo[middle:]


class Resolved(NamedTuple):
    """A file of a merge that equals none of its parents' files. befores: the parents' blobs, "" where there is none."""

    path: str
    befores: list[str]
    after: str


def resolved(cwd: Path, merges: Iterable[str]) -> dict[str, list[Resolved]]:
    """For each of these merge commits, the files that git or somebody put together anew. Empty where that cannot be read."""
    names = list(merges)
    rows = "".join(f"{name}\n" for name in names).encode()
    out = (
        git.attempt(["diff-tree", "--stdin", "-r", "-c", "-z", "--no-renames", "--full-index"], cwd, stdin=rows)
        if names
        else None
    )
    found: dict[str, list[Resolved]] = {}
    current: list[Resolved] = []
    parts = iter((out or b"").split(b"\0"))
    for part in parts:
        if part.startswith(b"::"):
            n = len(part) - len(part.lstrip(b":"))
            words = part.decode("ascii").lstrip(":").split(" ")
            path = quote(next(parts))
            if words[n].startswith("100") and not NULL.match(words[2 * n + 1]):
                befores = ["" if NULL.match(name) else name for name in words[n + 1 : 2 * n + 1]]
                current.append(Resolved(path, befores, words[2 * n + 1]))
        elif part:
            current = found.setdefault(part.decode("ascii", "replace"), [])
    return found


def _parse_raw(out: bytes, commits: dict[str, Commit]) -> None:
    for commit in commits.values():
        commit.files = []
    current: Commit | None = None
    parts = iter(out.split(b"\0"))
    for part in parts:
        if not part:
            continue
        if not part.startswith(b":"):
            current = commits.get(part.decode("ascii", "replace"))
            continue
        change = _entry(part, parts)
        if current is not None and current.files is not None:
            current.files.append(change)


def _entry(part: bytes, parts: Iterable[bytes]) -> FileChange:
    following = iter(parts)
    _, mode, before, after, status = part.decode("ascii").split(" ")
    path = quote(next(following))
    old = path
    if status[0] in "RC":
        path = quote(next(following))
    blank = "" if NULL.match(before) else before
    return FileChange(status[0], old if blank else "", path, blank, "" if NULL.match(after) else after, mode)


def tree_changes(cwd: Path, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], list[FileChange]]:
    """What changed between each pair of trees, renames followed. A pair that cannot be read is left out."""
    found: dict[tuple[str, str], list[FileChange]] = {}
    for before, after in dict.fromkeys(pairs):
        if before == after:
            found[before, after] = []
            continue
        out = git.attempt(["diff-tree", "-r", "-z", "-M", "--no-ext-diff", "--full-index", before, after], cwd)
        if out is not None:
            parts = iter(out.split(b"\0"))
            found[before, after] = [_entry(part, parts) for part in parts if part.startswith(b":")]
    return found
