"""Pull requests landed as a forge does it, with plain git in a bare repository; the record must be where they landed.

The expected author of each line comes from this file's own block tags, never from git-hone's data.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes
from git_hone.hooks.drain import drain
from git_hone.hooks.ids import change_id_for
from git_hone.hooks.landing import living
from git_hone.hooks.place import find
from git_hone.hooks.reconcile import reconcile
from git_hone.hooks.relocate import Landing
from git_hone.hooks.sync import sync
from git_hone.hooks.view import show
from git_hone.learner.errors import UsageError

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


def test_of_two_changes_of_one_second_the_one_that_the_other_descends_from_lives_on(forge: Forge) -> None:
    """Neither the later one's smaller id counts, nor that only the earlier one's time has a fraction, from a hook's word."""
    p, second = forge.p, 2_000_000_000  # ahead of every hook's word, so that git's own time counts
    dates = {f"GIT_{role}_DATE": f"@{second} +0000" for role in ("AUTHOR", "COMMITTER")}

    def commit(has_id: Callable[[str], bool]) -> str:
        """With the first message of 0, 1, 2, ... that gives its change such an id."""
        p.git("add", "-A")
        tree = p.git("write-tree")
        made = ((str(k), p.git("commit-tree", tree, "-p", "HEAD", "-m", str(k), **dates)) for k in itertools.count())
        message, name = next((message, name) for message, name in made if has_id(change_id_for(name)))
        p.git("commit", "-q", "-m", message, **dates)
        assert p.git("rev-parse", "HEAD") == name
        return name

    base = p.git("rev-parse", "HEAD")
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "ai_a", 10)
    one = commit(lambda name: name > "cm")
    p.turn("src/new.py", "ai_b", 7)
    two = commit(lambda name: name < "cm")
    head = forge.push("feat", "main")
    forge.advance()
    merged = forge.squash(head)
    for fraction in ("", ".700000"):
        job = forge.job()
        told = json.dumps(note(job, one)).replace("03:33:20+", f"03:33:20{fraction}+")
        text = "\n".join(json.dumps(event) for event in json.loads(told))
        _git(job, "-c", "user.name=x", "-c", "user.email=x@x", "notes", "--ref", notes.REF, "add", "-f", "-m", text, one)
        births = [e["at"] for name in (one, two) for e in note(job, name) if e.get("kind") == "committed"]
        assert births == [f"2033-05-18T03:33:20{fraction}+00:00", "2033-05-18T03:33:20+00:00"]
        found = reconcile(job, base, head, merged)
        assert [(move.change_id, move.absorbed) for move in found.moves] == [(change_id_for(one), [change_id_for(two)])]
        assert alive(job) == {change_id_for(one): merged}
        assert lines(job, merged)["ai"] == 17


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


def test_what_stays_gets_its_outcome_in_the_developers_record_once(forge: Forge) -> None:
    base, p = three(forge.p), forge.p
    head = forge.push("feat", "main")
    merged = forge.merge(head)
    p.git("fetch", "-q", "origin", "main")
    for _ in range(2):
        reconcile(p.repo, base, head, merged)
    outcome = [o for o in p.show("feat")["outcomes"] if o["kind"] == "merged"]
    assert [(o["commit"], o["value"], o["detail"]["how"]) for o in outcome] == [(merged, None, "merge")]
    assert (p.ai("feat"), p.show("feat")["state"]) == (7, "live")


def test_squash_with_conflicts_that_the_forges_user_resolved(forge: Forge) -> None:
    p = forge.p
    base = p.git("rev-parse", "HEAD")
    p.git("checkout", "-qb", "feat")
    p.turn("src/base.py", "ai_a", 8)
    p.commit("one")
    head = forge.push("feat", "main")
    old = forge.git("show", "main:src/base.py")
    forge.advance("src/base.py", old + "\nelsewhere = 1\n")
    mine = block("ai_a", 8).splitlines(True)
    merged = forge.squash(head, files={"src/base.py": old + "\nelsewhere = 1\n" + "".join(mine[:6]) + "def resolved(): pass\n"})
    found, job = both(forge, base, head, merged)
    assert (found.how, lines(job, merged)) == ("squash", {"ai": 6, "human": 0, "unknown": 1})
    check_lines(job, merged)


def test_rebase_in_which_one_commit_met_a_conflict(forge: Forge) -> None:
    p = forge.p
    base = p.git("rev-parse", "HEAD")
    p.git("checkout", "-qb", "feat")
    for tag, path in (("ai_a", "src/new.py"), ("ai_b", "src/base.py"), ("ai_c", "src/last.py")):
        p.turn(path, tag, 6)
        p.commit(tag)
    head = forge.push("feat", "main")
    old = forge.git("show", "main:src/base.py")
    forge.advance("src/base.py", old + "\nelsewhere = 1\n")

    def resolve(tree: Path) -> None:
        kept = "".join(block("ai_b", 6).splitlines(True)[:5])
        (tree / "src/base.py").write_text(old + "\nelsewhere = 1\n" + kept + "def resolved(): pass\n")

    merged = forge.rebase(base, head, resolve=resolve)
    found, job = both(forge, base, head, merged)
    assert (found.how, found.unknown) == ("rebase", [])
    assert [lines(job, f"{merged}~{k}")["ai"] for k in (2, 1, 0)] == [6, 5, 6]
    assert lines(job, f"{merged}~1")["unknown"] == 1
    check_lines(job, f"{merged}~1")


def test_two_pull_requests_that_touch_the_same_file(forge: Forge) -> None:
    p = forge.p
    base = p.git("rev-parse", "HEAD")
    for branch, tag in (("one", "ai_a"), ("two", "ai_b")):
        p.git("checkout", "-q", "-b", branch, base)
        text = p.read("src/base.py")
        p.prompt("add")
        p.write("src/base.py", block(tag, 5) + text if branch == "one" else text + block(tag, 4))
        p.commit(branch)
    forge.push("one", "two", "main")
    heads = [p.git("rev-parse", name) for name in ("one", "two")]
    first = forge.squash(heads[0])
    second = forge.squash(heads[1])
    job = forge.job()
    assert reconcile(job, base, heads[0], first).how == "squash"
    assert reconcile(job, first, heads[1], second).how == "squash"
    assert (lines(job, first)["ai"], lines(job, second)["ai"]) == (5, 4)
    assert sorted(alive(job).values()) == sorted([first, second])
    for wrong in ((base, heads[0], second), (base, heads[1], first)):
        assert reconcile(job, *wrong).how == "unknown"
    assert sorted(alive(job).values()) == sorted([first, second])


def test_revert_of_a_landed_squash_in_the_developers_clone(forge: Forge) -> None:
    base, p = three(forge.p), forge.p
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    p.git("checkout", "-q", "main")
    p.git("pull", "-q", "--ff-only", "origin", "main")
    assert reconcile(p.repo, base, head, merged).how == "squash"
    p.git("revert", "--no-edit", merged)
    assert p.ai() == 0
    assert p.outcomes(merged).count("reverted") == 1
    again = reconcile(p.repo, base, head, merged)
    assert [move.moved for move in again.moves] == [False]
    assert p.outcomes(merged).count("merged") == 1


def test_stacked_pull_requests(forge: Forge) -> None:
    p = forge.p
    base = p.git("rev-parse", "HEAD")
    p.git("checkout", "-qb", "lower")
    p.turn("src/low.py", "ai_low", 5)
    p.commit("low")
    p.turn("src/low2.py", "ai_lower", 3)
    p.commit("low too")
    p.git("checkout", "-qb", "upper")
    p.turn("src/up.py", "ai_up", 4)
    p.commit("up")
    forge.push("upper", "lower", "main")
    lower, upper = p.git("rev-parse", "lower"), p.git("rev-parse", "upper")
    first = forge.squash(lower)
    second = forge.squash(upper)
    job = forge.job()
    wrong = reconcile(job, base, upper, first)  # half of the upper one's lines, and only files of it
    assert (wrong.how, wrong.moves) == ("unknown", [])
    assert f"only up to {lower[:10]}" in wrong.message
    assert reconcile(job, base, lower, first).how == "squash"
    found = reconcile(job, first, upper, second)
    assert (found.how, [move.sources for move in found.moves]) == ("squash", [[upper]])
    assert (lines(job, first)["ai"], lines(job, second)["ai"]) == (8, 4)
    assert sorted(alive(job).values()) == sorted([first, second])


def test_a_pull_request_into_another_pull_requests_branch(forge: Forge) -> None:
    p = forge.p
    base = p.git("rev-parse", "HEAD")
    p.git("checkout", "-qb", "lower")
    p.turn("src/low.py", "ai_low", 5)
    p.commit("low")
    p.git("checkout", "-qb", "upper")
    p.turn("src/up.py", "ai_up", 4)
    p.commit("up")
    forge.push("upper", "lower", "main")
    lower, upper = p.git("rev-parse", "lower"), p.git("rev-parse", "upper")
    inner = forge.squash(upper, into="lower")
    outer = forge.squash(inner)
    job = forge.job()
    assert reconcile(job, lower, upper, inner).moves[0].to == inner
    assert reconcile(job, base, inner, outer).moves[0].to == outer
    assert lines(job, outer)["ai"] == 9
    assert list(alive(job).values()) == [outer]


def test_the_same_patch_in_two_pull_requests_of_one_developer(forge: Forge) -> None:
    p = forge.p
    base = p.git("rev-parse", "HEAD")
    for branch in ("one", "two"):
        p.git("checkout", "-q", "-b", branch, base)
        p.turn("src/new.py", "ai_same", 6)
        p.commit(branch)
        forge.push(branch, "main")
    one, two = p.git("rev-parse", "one"), p.git("rev-parse", "two")
    first = forge.squash(one)
    empty = forge.squash(two)
    job = forge.job()
    assert reconcile(job, base, one, first).how == "squash"
    nothing = reconcile(job, first, two, empty)
    assert (nothing.how, "changes nothing" in nothing.message) == ("unknown", True)
    assert lines(job, first)["ai"] == 6
    assert sorted(alive(job).values()) == sorted([first, two])


def colleague(forge: Forge, tag: str, branch: str) -> str:
    """Another developer, in a clone of their own, makes one commit and pushes it with its notes; returns the commit."""
    from git_hone.hooks.install import setup

    p, path = forge.p, forge.folder / f"colleague-{branch}"
    p.git("clone", "-q", str(forge.path), str(path), cwd=forge.folder)
    setup.install(find(path), ("claude-code",))
    with Play(path, p.home, dict(os.environ)) as other:
        other.git("checkout", "-q", "-b", branch)
        other.turn("src/new.py", tag, 6)
        made = other.commit(branch)
        assert other.ai() == 6
    sync(find(path))
    other.git("push", "-q", "origin", branch)
    return made


def test_the_same_patch_in_two_pull_requests_of_two_developers(forge: Forge) -> None:
    forge.push("main")
    base = forge.tip()
    one, two = (colleague(forge, "ai_same", branch) for branch in ("one", "two"))
    first = forge.squash(one)
    empty = forge.squash(two)
    job = forge.job()
    assert reconcile(job, base, one, first).how == "squash"
    nothing = reconcile(job, first, two, empty)
    assert (nothing.how, "changes nothing" in nothing.message) == ("unknown", True)
    wrong = reconcile(job, base, two, first)  # a mix-up: this commit holds the other one's record
    assert wrong.moves == []
    assert "another change" in wrong.message
    assert sorted(alive(job).values()) == sorted([first, two])


@pytest.mark.parametrize(
    ("order", "says"),
    [("HBM", "base"), ("BMH", "head"), ("MHB", "nothing landed"), ("BBM", "head"), ("BHB", "nothing landed"), ("HHM", "base")],
)
def test_arguments_in_the_wrong_places(forge: Forge, order: str, says: str) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    forge.advance()
    merged = forge.squash(head)
    job = forge.job()
    before = notes_tip(job)
    given = {"B": base, "H": head, "M": merged}
    found = reconcile(job, *(given[letter] for letter in order))
    assert (found.how, says in found.message) == ("unknown", True), found.message
    assert notes_tip(job) == before


def test_unrelated_and_absent_commits(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    job = forge.job()
    before = notes_tip(job)
    orphan = _git(job, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", f"{merged}^{{tree}}", "-m", "alone")
    for given in ((orphan, head, merged), (base, orphan, merged), (base, head, orphan)):
        found = reconcile(job, *given)
        assert (found.how, bool(found.message)) == ("unknown", True)
    gone = "0123456789" * 4
    found = reconcile(job, base, gone, merged)
    assert (found.how, gone in found.message, "pull request's own ref" in found.message) == ("unknown", True, True)
    with pytest.raises(UsageError, match="no such commit"):
        reconcile(job, base, "no-such-branch", merged)
    assert notes_tip(job) == before


def test_someone_elses_commit_is_not_it(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    other = forge.advance("src/new.py", block("elsewhere", 12))
    job = forge.job()
    assert reconcile(job, base, head, other).how == "unknown"
    assert other not in alive(job).values()


def test_a_base_that_is_older_than_what_the_branch_merged(forge: Forge) -> None:
    base, p = three(forge.p), forge.p
    p.git("checkout", "-q", "main")
    p.turn("src/main.py", "ai_main", 4)
    p.commit("on main")
    p.git("checkout", "-q", "feat")
    p.git("merge", "-q", "-m", "merge main", "main")
    p.turn("src/more.py", "ai_c", 2)
    p.commit("four")
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    found, job = both(forge, base, head, merged)
    assert (found.how, lines(job, merged)["ai"]) == ("squash", 19)
    assert sorted(alive(job).values()) == sorted([merged, p.git("rev-parse", "main")])


def test_a_fork_without_notes(forge: Forge) -> None:
    base, p = three(forge.p), forge.p
    drain(p.place)
    p.git("push", "-q", "origin", "feat")
    head = p.git("rev-parse", "feat")
    merged = forge.squash(head)
    job = forge.job()
    found = reconcile(job, base, head, merged)
    assert (found.how, found.moves, found.notes, "no record" in found.message) == ("squash", [], 0, True)
    assert _git(job, "for-each-ref", "refs/notes") == ""


@pytest.mark.parametrize("options", [("--depth=1",), ("--depth=2", "--no-single-branch"), ("--filter=blob:none",)])
def test_shallow_and_partial_clones_fetch_what_they_need(forge: Forge, options: tuple[str, ...]) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    for k in range(3):
        forge.advance(text=f"{k}\n")
    merged = forge.squash(head)
    job = forge.job(*options)
    found = reconcile(job, base, head, merged)
    assert (found.how, lines(job, merged)["ai"]) == ("squash", 17), found.message
    check_lines(job, merged)


def test_a_shallow_clone_that_can_fetch_nothing_says_unknown(forge: Forge, tmp_path: Path) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    job = forge.job("--depth=2", "--no-single-branch")
    forge.path.rename(tmp_path / "away.git")
    before = notes_tip(job)
    found = reconcile(job, base, head, merged)
    assert (found.how, bool(found.message)) == ("unknown", True)
    assert notes_tip(job) == before


def test_the_branch_was_deleted_but_its_commit_can_be_fetched(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    forge.git("update-ref", "refs/pull/7/head", head)
    forge.git("update-ref", "-d", "refs/heads/feat")
    job = forge.job()
    assert not _git(job, "branch", "-r", "--contains", base).count("feat")
    found = reconcile(job, base, head, merged)
    assert (found.how, lines(job, merged)["ai"]) == ("squash", 17)


def test_two_machines_at_once_then_synced(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    jobs = [forge.job(), forge.job()]
    for job in jobs:
        reconcile(job, base, head, merged)
    one, two = (note(job, merged) for job in jobs)
    assert one == two
    assert alive(*jobs) == alive(jobs[0])
    for commit in (head, f"{head}~2"):
        name = _git(jobs[0], "rev-parse", commit)
        assert note(jobs[0], name) == note(jobs[1], name)


def test_a_record_of_which_this_clone_saw_a_part(forge: Forge, tmp_path: Path, home: Path) -> None:
    """A colleague's commit is in the pull request; the drain here finds only our part of the squash, reconcile the rest."""
    from git_hone.hooks.install import setup

    p = forge.p
    base = p.git("rev-parse", "HEAD")
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "ai_a", 10)
    p.commit("one")
    forge.push("feat", "main")
    other = tmp_path / "colleague"
    p.git("clone", "-q", "-b", "feat", str(forge.path), str(other), cwd=tmp_path)
    setup.install(find(other), ("claude-code",))
    with Play(other, home, dict(os.environ)) as colleague:
        colleague.turn("src/theirs.py", "ai_b", 7)
        colleague.commit("two")
        drain(colleague.place)
        colleague.git("push", "-q", "origin", "feat", f"{notes.REF}:refs/notes/theirs")
    p.git("pull", "-q", "--ff-only", "origin", "feat")
    p.git("fetch", "-q", "origin", "refs/notes/theirs:refs/notes/theirs")
    p.git("notes", "--ref", "hone", "merge", "-q", "-s", "cat_sort_uniq", "theirs")
    head = p.git("rev-parse", "feat")
    merged = forge.squash(head)
    p.git("checkout", "-q", "main")
    p.git("pull", "-q", "--ff-only", "origin", "main")
    assert p.ai() == 10
    found = reconcile(p.repo, base, head, merged)
    assert found.how == "squash"
    assert p.ai() == 17
    assert list(alive(p.repo).values()) == [merged]
    again = reconcile(p.repo, base, head, merged)
    assert ([move.moved for move in again.moves], p.ai()) == ([False], 17)


def test_dry_run_and_the_command(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    job = forge.job()
    before = notes_tip(job)
    args = [sys.executable, "-m", "git_hone.cli", "reconcile", "--base", base, "--head", head, "--merged", merged]
    done = subprocess.run([*args, "--json", "--dry-run"], cwd=job, capture_output=True, text=True)
    said = json.loads(done.stdout)
    assert (done.returncode, said["version"], said["how"], said["moves"][0]["lines"]["ai"]) == (0, 1, "squash", 17)
    assert notes_tip(job) == before
    assert _git(job, "status", "--porcelain") == ""
    done = subprocess.run(args, cwd=job, capture_output=True, text=True)
    assert (done.returncode, f"squash as {merged[:10]}" in done.stdout, "17 ai" in done.stdout) == (0, True, True)
    args[-1] = base
    done = subprocess.run(args, cwd=job, capture_output=True, text=True)
    assert (done.returncode, done.stdout.startswith("unknown: ")) == (0, True)


def test_a_repository_whose_agent_folder_is_not_tracked(forge: Forge) -> None:
    """Then a job has notes only, and `show` answers from them."""
    base, p = three(forge.p), forge.p
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    job = forge.job()
    shutil.rmtree(job / ".agent", ignore_errors=True)
    assert reconcile(job, base, head, merged).how == "squash"
    assert not (job / ".agent").exists()
    seen = show(find(job), merged)
    assert (seen["source"], seen["lines"]["ai"], len({run["session_id"] for run in seen["runs"]})) == ("note", 17, 2)
    old = show(find(job), head)
    assert (old["state"], old["live_commit"]) == ("moved", merged)
    assert p.ai("feat") == 7


def test_a_job_shares_what_it_found_and_a_read_only_remote_is_no_error(forge: Forge) -> None:
    base = three(forge.p)
    head = forge.push("feat", "main")
    merged = forge.squash(head)
    job = forge.job()
    reconcile(job, base, head, merged)
    (forge.path / "hooks" / "pre-receive").write_text("#!/bin/sh\nexit 1\n")
    (forge.path / "hooks" / "pre-receive").chmod(0o755)
    args = [sys.executable, "-m", "git_hone.cli", "sync"]
    done = subprocess.run(args, cwd=job, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert note(forge.path, merged) == []
    (forge.path / "hooks" / "pre-receive").unlink()
    done = subprocess.run(args, cwd=job, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert note(forge.path, merged) == note(job, merged) != []
