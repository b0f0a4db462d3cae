"""Pull requests landed as a forge does it, with plain git in a bare repository; the record must be where they landed.

The expected author of each line comes from this file's own block tags, never from git-hone's data.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes
from git_hone.hooks.drain import drain
from git_hone.hooks.landing import living
from git_hone.hooks.place import find
from git_hone.hooks.reconcile import Landing, reconcile
from git_hone.hooks.view import show

from .conftest import Play, block


class Forge:
    """A bare repository in which pull requests are merged, and the developer `p` who pushes to it."""

    def __init__(self, p: Play, folder: Path) -> None:
        self.p, self.folder, self.path, self.clones = p, folder, folder / "forge.git", 0
        p.git("clone", "-q", "--bare", str(p.repo), str(self.path), cwd=folder)
        p.git("remote", "add", "origin", str(self.path))
        p.git("config", "-f", str(self.path / "config"), "uploadpack.allowFilter", "true")

    def git(self, *args: str, when: int | None = None, who: str = "Forge", check: bool = True, cwd: Path | None = None) -> str:
        env = dict(os.environ) | {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
                                  for what, value in (("NAME", who), ("EMAIL", f"{who}@forge"))}  # fmt: skip
        env |= {"GIT_COMMITTER_DATE": f"@{when} +0000", "GIT_AUTHOR_DATE": f"@{when} +0000"} if when else {}
        done = subprocess.run(["git", *args], cwd=cwd or self.path, env=env, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"git {args}: {done.stdout} {done.stderr}")
        return done.stdout.strip()

    def push(self, *branches: str) -> str:
        """The developer pushes, notes too; returns the first branch's commit."""
        drain(self.p.place)
        has_notes = self.p.git("rev-parse", "-q", "--verify", notes.REF, check=False)
        self.p.git("push", "-q", "-f", "origin", *branches, *([notes.REF] if has_notes else []))
        return self.p.git("rev-parse", branches[0])

    def tip(self, name: str = "main") -> str:
        return self.git("rev-parse", name)

    def advance(self, path: str = "other.txt", text: str = "theirs\n", branch: str = "main") -> str:
        """Somebody else's commit on the target branch."""
        tree = self._tree(self.tip(branch), {path: text})
        return self._commit(tree, [self.tip(branch)], "elsewhere", branch)

    def _tree(self, base: str, files: dict[str, str]) -> str:
        index = {"GIT_INDEX_FILE": str(self.folder / "forge-index")}
        subprocess.run(["git", "read-tree", base], cwd=self.path, env=os.environ | index, check=True)
        for path, text in files.items():
            blob = subprocess.run(
                ["git", "hash-object", "-w", "--stdin"], cwd=self.path, input=text.encode(), capture_output=True
            )
            entry = f"100644,{blob.stdout.decode().strip()},{path}"
            subprocess.run(
                ["git", "update-index", "--add", "--cacheinfo", entry], cwd=self.path, env=os.environ | index, check=True
            )
        done = subprocess.run(["git", "write-tree"], cwd=self.path, env=os.environ | index, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def _commit(self, tree: str, parents: list[str], message: str, branch: str, when: int | None = None) -> str:
        args = [word for parent in parents for word in ("-p", parent)]
        made = self.git("commit-tree", tree, *args, "-m", message, when=when)
        self.git("update-ref", f"refs/heads/{branch}", made)
        return made

    def squash(self, head: str, into: str = "main", files: dict[str, str] | None = None) -> str:
        """One commit on the target branch; `files`: how the forge's user resolved a conflict."""
        base = self.tip(into)
        out = self.git("merge-tree", "--write-tree", base, head, check=False)
        tree = out.split("\n")[0]
        if files is not None:
            tree = self._tree(tree, files)
        return self._commit(tree, [base], "Add it (#7)\n\nedited\n\nCo-authored-by: Bot <bot@x>", into)

    def merge(self, head: str, into: str = "main") -> str:
        tree = self.git("merge-tree", "--write-tree", self.tip(into), head).split("\n")[0]
        return self._commit(tree, [self.tip(into), head], "Merge pull request #7", into)

    def rebase(self, base: str, head: str, into: str = "main", resolve: Callable[[Path], None] | None = None) -> str:
        """Cherry-picked one after the other in a temporary work tree, as rebase-and-merge does."""
        tree = self.folder / "temporary"
        self.git("worktree", "add", "-q", "--detach", str(tree), into)
        for commit in self.git("rev-list", "--reverse", "--no-merges", f"{base}..{head}").split():
            self.git("cherry-pick", "--allow-empty", commit, cwd=tree, check=False)
            if self.git("ls-files", "-u", cwd=tree):
                assert resolve is not None
                resolve(tree)
                self.git("add", "-A", cwd=tree)
                self.git("-c", "core.editor=true", "cherry-pick", "--continue", cwd=tree)
        made = self.git("rev-parse", "HEAD", cwd=tree)
        self.git("update-ref", f"refs/heads/{into}", made)
        self.git("worktree", "remove", "--force", str(tree))
        return made

    def job(self, *options: str) -> Path:
        """A fresh clone with the notes alone, as CI has it: no installation, no store, no state."""
        self.clones += 1
        path = self.folder / f"job{self.clones}"
        self.p.git("clone", "-q", *options, f"file://{self.path}", str(path), cwd=self.folder)
        self.p.git("fetch", "-q", "origin", f"{notes.REF}:{notes.REF}", cwd=path, check=False)
        return path


@pytest.fixture
def forge(p: Play, tmp_path: Path) -> Forge:
    return Forge(p, tmp_path)


def alive(*clones: Path) -> dict[str, str]:
    """Change id -> the commit that its one record counts at, over the union of the notes of these clones."""
    texts = []
    for clone in clones:
        names = [row.split(" ")[1] for row in _git(clone, "notes", "--ref", notes.REF, "list").splitlines()]
        texts += list(notes.read(clone, names).values())
    return {name: event["commit"] for name, event in living(notes.events(notes.union(*texts))).items()}


def _git(cwd: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, env=dict(os.environ), capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def note(clone: Path, commit: str) -> list[dict[str, Any]]:
    return notes.events(notes.read(clone, [commit]).get(commit, ""))


def lines(clone: Path, commit: str) -> dict[str, int]:
    """Whose lines, as `show` says."""
    return {kind: n for kind, n in show(find(clone), commit)["lines"].items() if kind != "written"}


def check_lines(clone: Path, commit: str) -> None:
    """No line that a record on `commit` calls the agent's is other than one with an agent's tag (`ai_`, any digit after)."""
    for f in show(find(clone), commit)["files"]:
        content = _git(clone, "show", f"{commit}:{f['path']}").split("\n")
        for first, last in f["ai_ranges"]:
            assert all(text.startswith("def ai_") for text in content[first - 1 : last]), (f["path"], first, last)


def notes_tip(clone: Path) -> str:
    return _git(clone, "rev-parse", notes.REF)


def three(p: Play) -> str:
    """A pull request: two commits of two sessions with a person's commit between them; returns where it branched off."""
    base = p.git("rev-parse", "HEAD")
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "ai_a", 10)
    p.commit("one")
    p.human("src/hand.py", block("hand", 3))
    p.commit("two")
    with Play(p.repo, p.home, p.env) as second:
        second.turn("src/new.py", "ai_b", 7)
    p.commit("three")
    return base


def both(forge: Forge, base: str, head: str, merged: str) -> tuple[Landing, Path]:
    """Reconcile in a job's clone and again there: the second time changes no byte."""
    job = forge.job()
    first = reconcile(job, base, head, merged)
    tip = notes_tip(job)
    again = reconcile(job, base, head, merged)
    assert notes_tip(job) == tip
    assert again.how == first.how
    assert [move.change_id for move in again.moves] == [move.change_id for move in first.moves]
    assert len(set(alive(job).values())) == len(alive(job))
    return first, job


def test_squash(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    forge.advance()
    merged = forge.squash(head)
    found, job = both(forge, base, head, merged)
    assert (found.how, len(found.moves), found.unknown) == ("squash", 1, [])
    assert lines(job, merged) == {"ai": 17, "human": 0, "unknown": 3}
    assert list(alive(job).values()) == [merged]
    runs = show(find(job), merged)["runs"]
    assert len({run["session_id"] for run in runs}) == 2
    check_lines(job, merged)
    moved = show(find(job), f"{head}")
    assert (moved["state"], moved["live_commit"]) == ("moved", merged)


def test_squash_in_the_developers_clone_and_in_a_job_is_one_record(forge: Forge) -> None:
    base, p = three(forge.p), forge.p
    head = forge.push("feat", "main")
    forge.advance()
    merged = forge.squash(head)
    found, job = both(forge, base, head, merged)
    p.git("checkout", "-q", "main")
    p.git("pull", "-q", "--ff-only", "origin", "main")
    mine = reconcile(p.repo, base, head, merged)
    assert p.ai() == 17
    assert [move.change_id for move in mine.moves] == [move.change_id for move in found.moves]
    assert alive(p.repo) == alive(job) == alive(job, p.repo) == alive(p.repo, job)
    assert p.outcomes().count("merged") == 1
    ids = [
        {e["id"] for e in note(clone, merged) if e.get("type") in ("landing",) or e.get("kind") == "merged"}
        for clone in (p.repo, job)
    ]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 2


def test_rebase_and_merge(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    forge.advance()
    merged = forge.rebase(base, head)
    found, job = both(forge, base, head, merged[:10])
    assert (found.how, found.merged, len(found.landed), found.unknown) == ("rebase", merged, 3, [])
    assert [lines(job, f"{merged}~{k}")["ai"] for k in (2, 1, 0)] == [10, 0, 7]
    assert sorted(alive(job).values()) == sorted([f"{merged}", _git(job, "rev-parse", f"{merged}~2")])


def test_merge_commit_and_fast_forward(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    forge.advance()
    merged = forge.merge(head)
    found, job = both(forge, base, head, merged)
    assert (found.how, found.landed) == ("merge", [merged])
    assert alive(job) == alive(forge.p.repo)
    outcomes = [o["kind"] for o in show(find(job), head)["outcomes"]]
    assert outcomes.count("merged") == 1
    forge.git("update-ref", "refs/heads/side", base)
    forge.git("update-ref", "refs/heads/side", head)
    assert both(forge, base, head, head)[0].how == "ff"
