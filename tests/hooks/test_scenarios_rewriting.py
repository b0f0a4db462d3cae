"""Conflicts, mails, pulls, reverts, restacking: each played for real, and asked whose lines."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_hone.hooks.aging import age

from .conftest import Play, block, lines, live


def no_marker(text: str) -> str:
    return "".join(line for line in text.splitlines(True) if not line.startswith(("<<<<<<<", "=======", ">>>>>>>")))


def diverge(p: Play, n: int = 6) -> None:
    """On `feat` the agent appends `n` lines to src/base.py; on `main` a person appends one at the same place."""
    p.git("checkout", "-qb", "feat")
    p.turn("src/base.py", "mine", n)
    p.commit("ai")
    p.git("checkout", "-q", "main")
    p.human("src/base.py", p.read("src/base.py") + "other = 2\n")
    p.commit("conflicting")
    p.show()


def settle(p: Play, how: str) -> None:
    """End the conflict in src/base.py."""
    path = "src/base.py"
    if how in ("ours", "theirs"):
        p.git("checkout", "-q", f"--{how}", "--", path)
    elif how == "both":
        p.human(path, no_marker(p.read(path)))
    elif how == "by hand":
        p.human(path, no_marker(p.read(path)).replace(block("mine", 6), block("mine", 4) + "by = 'hand'\n"))
    else:
        p.prompt("resolve it")
        p.write(path, no_marker(p.read(path)).replace(block("mine", 6), block("mine", 4) + "by = 'agent'\n"))
    p.git("add", "-A")


# in a rebase and a cherry-pick, "theirs" is the commit that is applied, "ours" is where it lands
PICKED = {"ours": None, "theirs": (6, 0, 0), "both": (6, 0, 0), "by hand": (4, 1, 0), "by agent": (5, 0, 0)}


@pytest.mark.parametrize("how", PICKED)
@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_rebase_with_a_conflict(p: Play, how: str, backend: str) -> None:
    diverge(p)
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", backend, "main", check=False)
    settle(p, how)
    if PICKED[how] is None:
        p.git("rebase", "--skip")
        assert (p.git("rev-parse", "feat"), live(p)) == (p.git("rev-parse", "main"), [])
    else:
        p.git("rebase", "--continue")
        assert (lines(p), len(live(p))) == (PICKED[how], 1)


@pytest.mark.parametrize("how", PICKED)
def test_cherry_pick_with_a_conflict(p: Play, how: str) -> None:
    diverge(p)
    p.git("cherry-pick", "feat", check=False)
    settle(p, how)
    if PICKED[how] is None:
        p.git("cherry-pick", "--skip")
        assert p.ai("feat") == 6
    else:
        p.git("cherry-pick", "--continue")
        assert (lines(p), len(live(p))) == (PICKED[how], 1)


@pytest.mark.parametrize("how", ["ours", "theirs", "both", "by hand"])
def test_merge_with_a_conflict_credits_nobody_twice(p: Play, how: str) -> None:
    diverge(p)
    p.git("merge", "-q", "feat", check=False)
    settle(p, how)
    p.git("commit", "-q", "--no-edit")
    assert (p.ai(), p.ai("HEAD^2"), len(live(p))) == (0, 6, 1)


def test_merge_whose_conflict_an_agent_rewrote(p: Play) -> None:
    diverge(p)
    p.git("merge", "-q", "feat", check=False)
    settle(p, "by agent")
    p.git("commit", "-q", "--no-edit")
    assert (p.ai(), p.ai("HEAD^2"), len(live(p))) == (1, 6, 2)


def test_merge_whose_conflict_a_person_rewrote_beside_an_agent(p: Play) -> None:
    diverge(p)
    p.git("merge", "-q", "feat", check=False)
    settle(p, "by agent")
    p.human("src/base.py", p.read("src/base.py") + "by = 'hand'\n")
    p.git("commit", "-qa", "--no-edit")
    assert lines(p)[:2] == (1, 1)


@pytest.mark.parametrize("command", ["rebase", "cherry-pick", "merge", "am"])
def test_aborts_change_nothing(p: Play, command: str) -> None:
    diverge(p)
    before = (p.show("feat")["change_id"], p.git("rev-parse", "feat", "main"))
    if command == "rebase":
        p.git("checkout", "-q", "feat")
        p.git("rebase", "main", check=False)
    elif command == "am":
        (p.repo.parent / "mail").write_text(p.git("format-patch", "-1", "--stdout", "feat") + "\n")
        p.git("am", "-3", str(p.repo.parent / "mail"), check=False)
    else:
        p.git(command, "feat", check=False)
    assert p.git("ls-files", "-u")
    p.show()
    p.git(command, "--abort")
    assert (p.show("feat")["change_id"], p.git("rev-parse", "feat", "main")) == before
    assert (p.ai("feat"), lines(p, "main"), len(live(p))) == (6, (0, 1, 0), 1)


@pytest.mark.parametrize("flags", [[], ["-3"], ["--committer-date-is-author-date"]])
def test_am_of_an_agents_commit(p: Play, flags: list[str]) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    change = p.show()["change_id"]
    (p.repo.parent / "mail").write_text(p.git("format-patch", "-1", "--stdout") + "\n")
    p.git("checkout", "-q", "main")
    p.git("branch", "-qD", "feat")
    p.human("README", "moved on\n")
    p.commit("up")
    p.git("am", "-q", *flags, str(p.repo.parent / "mail"))
    assert (p.ai(), p.show()["change_id"], len(live(p))) == (10, change, 1)


def test_am_of_somebody_elses_commit_is_unknown(p: Play, tmp_path: Path) -> None:
    p.git("clone", "-q", str(p.repo), str(tmp_path / "other"))
    (tmp_path / "other" / "theirs.py").write_text(block("t", 4))
    p.git("add", "-A", cwd=tmp_path / "other")
    p.git("commit", "-qm", "theirs", cwd=tmp_path / "other")
    (tmp_path / "mail").write_text(p.git("format-patch", "-1", "--stdout", cwd=tmp_path / "other") + "\n")
    p.git("am", "-q", str(tmp_path / "mail"))
    assert lines(p) == (0, 0, 4)


@pytest.mark.parametrize("how", ["option", "configured", "alias", "autostash"])
def test_pull_with_rebase(p: Play, tmp_path: Path, how: str) -> None:
    p.git("clone", "-q", "--bare", str(p.repo), str(tmp_path / "remote.git"))
    p.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    p.git("fetch", "-q")
    p.git("branch", "-q", "--set-upstream-to=origin/main", "main")
    p.git("clone", "-q", "-b", "main", str(tmp_path / "remote.git"), str(tmp_path / "other"))
    for k in range(2):
        (tmp_path / "other" / "README").write_text(f"theirs {k}\n")
        p.git("commit", "-qam", f"theirs {k}", cwd=tmp_path / "other")
    p.git("checkout", "-qb", "side", "HEAD~1", cwd=tmp_path / "other")
    (tmp_path / "other" / "side").write_text("side\n")
    p.git("add", "-A", cwd=tmp_path / "other")
    p.git("commit", "-qm", "side", cwd=tmp_path / "other")
    p.git("checkout", "-q", "main", cwd=tmp_path / "other")
    p.git("merge", "-q", "--no-ff", "-m", "theirs merged", "side", cwd=tmp_path / "other")
    p.git("push", "-q", cwd=tmp_path / "other")
    p.turn("src/new.py", "a")
    p.commit("ai")
    change = p.show()["change_id"]
    if how == "option":
        p.git("pull", "-q", "--rebase")
    elif how == "alias":
        p.git("config", "alias.up", "pull -q --rebase=merges")
        p.git("up")
    else:
        p.git("config", "pull.rebase", "true")
        if how == "autostash":
            p.git("config", "rebase.autoStash", "true")
            p.turn("src/dirty.py", "d", 4)
            p.git("add", "-A")
        p.git("pull", "-q")
    assert (lines(p), p.show()["change_id"], len(live(p))) == ((10, 0, 0), change, 1)
    assert lines(p, "HEAD~2")[:2] == (0, 0)  # upstream's own commits have no record
    assert p.show("HEAD~1")["source"] == "git"
    if how == "autostash":
        p.commit("later")
        assert lines(p) == (4, 0, 0)


def test_a_revert_of_a_revert_lands_the_agents_lines_again(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("ai")
    change = p.show()["change_id"]
    p.git("revert", "--no-edit", "HEAD")
    assert (p.ai(), p.outcomes("HEAD~1").count("reverted")) == (0, 1)
    p.git("revert", "--no-edit", "HEAD")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"]) == (10, 0)
    assert change in {row["change_id"] for row in live(p)}
    p.git("revert", "--no-edit", "HEAD")
    assert p.ai() == 0


def test_a_partial_revert_counts_what_is_left(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("revert", "--no-commit", "HEAD")
    p.git("reset", "-q")
    p.human("src/new.py", block("a", 4))
    p.commit("most of it back")
    assert p.ai() == 0
    age(p.place, force=True)
    (edited,) = [o for o in p.show("HEAD~1")["outcomes"] if o["kind"] == "edited"]
    assert edited["value"] == pytest.approx(0.6)


# -- restacking tools: plumbing, no hook of git's fires -----------------------------


@pytest.mark.parametrize("drained", [True, False])
def test_restack_by_commit_tree_and_update_ref(p: Play, drained: bool) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("checkout", "-q", "main")
    p.human("README", "up\n")
    p.commit("up")
    if drained:
        p.show()
    tree = p.git("merge-tree", "--write-tree", "main", "feat")
    new = p.git("commit-tree", tree, "-p", "main", "-m", "restacked")
    p.git("update-ref", "refs/heads/feat", new)
    assert (lines(p, "feat"), len(live(p))) == ((10, 0, 0), 1)


def test_branch_moved_by_force(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = p.commit("ai")
    p.git("branch", "topic")
    p.git("reset", "-q", "--hard", "HEAD~1")
    p.git("branch", "-f", "topic", "HEAD")
    p.show()
    p.git("branch", "-f", "topic", sha)
    assert (p.ai("topic"), len(live(p)), p.show("topic")["state"]) == (10, 1, "live")


def test_rebase_with_update_refs_moves_a_stack(p: Play) -> None:
    for name, n in (("one", 3), ("two", 4), ("three", 5)):
        p.git("checkout", "-qb", name)
        p.turn(f"src/{name}.py", name, n)
        p.commit(name)
    p.git("checkout", "-q", "main")
    p.human("README", "up\n")
    p.commit("up")
    p.git("checkout", "-q", "three")
    p.git("rebase", "-q", "--update-refs", "main")
    assert [p.ai(name) for name in ("one", "two", "three")] == [3, 4, 5]
    assert len(live(p)) == 3
    assert {row["commit"] for row in live(p)} == set(p.git("rev-parse", "one", "two", "three").split())


def fixed_up(p: Play, *how: str) -> str:
    """An agent's commit, a person's, and the agent's mend of the first, with these options of `commit`; the first one's change."""
    p.turn("src/new.py", "a")
    p.commit("ai")
    change = str(p.show()["change_id"])
    p.human("README", "between\n")
    p.commit("between")
    p.turn("src/new.py", "b", 3)
    p.git("add", "-A")
    p.git("commit", "-q", *how)
    return change


@pytest.mark.parametrize(
    "how", [("--fixup=HEAD~1", "--no-edit"), ("--squash=HEAD~1", "--no-edit"), ("--fixup=amend:HEAD~1", "-q")]
)
def test_autosquash(p: Play, how: tuple[str, ...]) -> None:
    change = fixed_up(p, *how)
    p.show()
    p.git("rebase", "-q", "-i", "--autosquash", "HEAD~3", GIT_SEQUENCE_EDITOR=":")
    assert (lines(p, "HEAD~1"), p.show("HEAD~1")["change_id"], len(live(p))) == ((13, 0, 0), change, 1)
    assert lines(p) == (0, 1, 0)


def test_autosquash_where_it_stands(p: Play) -> None:
    """`--keep-base`, while the main branch has gone on."""
    p.git("checkout", "-qb", "feat")
    change = fixed_up(p, "--fixup=HEAD~1")
    p.git("checkout", "-q", "main")
    p.human("other", "up\n")
    p.commit("up")
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", "-i", "--autosquash", "--keep-base", "main", GIT_SEQUENCE_EDITOR=":")
    assert p.git("rev-list", "--count", "main..feat") == "2"
    assert (lines(p, "HEAD~1"), p.show("HEAD~1")["change_id"], len(live(p))) == ((13, 0, 0), change, 1)
    assert lines(p) == (0, 1, 0)


@pytest.mark.parametrize(
    "how", [("--reset-author",), ("--date=2001-02-03T04:05:06Z",), ("--author=Else Where <else@where.test>",)]
)
def test_amended_in_name_or_time_alone(p: Play, how: tuple[str, ...]) -> None:
    p.turn("src/new.py", "fresh", 5)
    p.commit("ai")
    change = p.show()["change_id"]
    p.git("commit", "-q", "--amend", "--no-edit", *how)
    assert (lines(p), p.show()["change_id"]) == ((5, 0, 0), change)


def test_interactive_reword_edit_and_break(p: Play) -> None:
    for name in "abc":
        p.turn(f"src/{name}.py", name, 3)
        p.commit(name)
    ids = [p.show(f"HEAD~{k}")["change_id"] for k in range(3)]
    p.git("rebase", "-q", "-i", "HEAD~3", GIT_SEQUENCE_EDITOR="sed -i '1s/^pick/reword/;2s/^pick/edit/'")
    p.human("src/b.py", p.read("src/b.py") + "by = 'hand'\n")
    p.git("commit", "-qa", "--amend", "--no-edit")
    p.git("rebase", "--continue")
    assert [p.show(f"HEAD~{k}")["change_id"] for k in range(3)] == ids
    assert [p.ai(f"HEAD~{k}") for k in range(3)] == [3, 3, 3]
    assert lines(p, "HEAD~1")[1:] in ((0, 1), (1, 0))
    assert len(live(p)) == 3


def test_interactive_split(p: Play) -> None:
    p.prompt("two files")
    p.write("src/a.py", block("a", 6))
    p.write("src/b.py", block("b", 4))
    p.commit("both")
    change = p.show()["change_id"]
    p.human("README", "later\n")
    p.commit("later")
    p.git("rebase", "-q", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR="sed -i '1s/^pick/edit/'")
    p.git("reset", "-q", "HEAD~1")
    p.git("add", "src/a.py")
    p.git("commit", "-qm", "a")
    p.git("add", "-A")
    p.git("commit", "-qm", "b")
    p.git("rebase", "--continue")
    assert [p.ai(f"HEAD~{k}") for k in range(3)] == [0, 4, 6]
    assert p.show("HEAD~2")["change_id"] == change
    assert len(live(p)) == 2


def test_split_of_one_file_by_hunks(p: Play) -> None:
    old = p.read("src/base.py")
    p.prompt("two places")
    p.write("src/base.py", block("top", 3) + old + block("end", 4))
    p.commit("both")
    p.show()
    p.git("reset", "-q", "--soft", "HEAD~1")
    p.git("restore", "--staged", "src/base.py")
    p.human("src/half.py", block("top", 3) + old)
    blob = p.git("hash-object", "-w", "src/half.py")
    (p.repo / "src/half.py").unlink()
    p.git("update-index", "--cacheinfo", f"100644,{blob},src/base.py")
    p.git("commit", "-qm", "top")
    p.commit("end")
    assert (p.ai("HEAD~1"), p.ai(), len(live(p))) == (3, 4, 2)


def test_checkout_and_restore_of_single_files_and_hunks(p: Play) -> None:
    old = p.read("src/base.py")
    p.prompt("two places")
    p.write("src/base.py", block("top", 3) + old + block("end", 4))
    p.write("src/gone.py", block("gone", 2))
    p.git("add", "-A")
    p.git("restore", "--staged", "--worktree", "src/gone.py", check=False)
    p.git("rm", "-qf", "--cached", "src/gone.py", check=False)
    (p.repo / "src/gone.py").unlink(missing_ok=True)
    import subprocess

    p.git("reset", "-q")
    subprocess.run(["git", "checkout", "-p", "--", "src/base.py"], cwd=p.repo, input=b"y\nn\n", check=True, capture_output=True)
    p.commit("what is left")
    assert lines(p) == (4, 0, 0)


def test_restore_from_another_branch_brings_no_new_author(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("checkout", "-q", "main")
    p.git("restore", "--source=feat", "--staged", "--worktree", "src/new.py")
    p.git("commit", "-qm", "brought over")
    assert lines(p)[1] == 0


def test_stash_with_untracked_files(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.turn("src/base.py", "b", 3)
    p.git("stash", "-u")
    p.human("README", "x\n")
    p.commit("by hand")
    p.git("stash", "pop")
    p.commit("ai")
    assert (lines(p, "HEAD~1"), lines(p)) == ((0, 1, 0), (13, 0, 0))


def test_stash_branch(p: Play) -> None:
    p.turn("src/base.py", "b", 3)
    p.git("stash")
    p.human("src/base.py", "top = 1\n" + p.read("src/base.py"))
    p.commit("by hand")
    p.git("stash", "branch", "rescued")
    p.commit("ai")
    assert lines(p) == (3, 0, 0)


@pytest.mark.parametrize("how", ["both", "theirs", "ours"])
def test_stash_pop_with_a_conflict(p: Play, how: str) -> None:
    p.turn("src/base.py", "mine", 6)
    p.git("stash")
    p.human("src/base.py", p.read("src/base.py") + "other = 2\n")
    p.commit("by hand")
    p.git("stash", "pop", check=False)
    settle(p, how)
    if how == "ours":
        assert p.git("status", "--porcelain") == ""
    else:
        p.commit("popped")
        assert lines(p) == (6, 0, 0)


def test_octopus_merge(p: Play) -> None:
    for name in "abc":
        p.git("checkout", "-qb", name, "main")
        p.turn(f"src/{name}.py", name, 3)
        p.commit(name)
    p.git("checkout", "-q", "main")
    p.git("merge", "-q", "-m", "octopus", "a", "b", "c")
    assert (lines(p), [p.ai(name) for name in "abc"], len(live(p))) == ((0, 0, 0), [3, 3, 3], 3)


def test_merge_ours_strategy_and_subtree_of_nothing(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("checkout", "-q", "main")
    p.git("merge", "-q", "-s", "ours", "-m", "not taken", "feat")
    assert (lines(p), p.ai("feat")) == ((0, 0, 0), 10)


def test_orphan_branch_with_the_agents_work(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("checkout", "-q", "--orphan", "alone")
    p.git("commit", "-qm", "all of it anew")
    seen = p.show()
    assert seen["lines"]["ai"] == 10
    assert len(live(p)) == 1


def test_only_a_tag_leads_there(p: Play) -> None:
    p.git("checkout", "-q", "--detach")
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("tag", "-a", "-m", "v1", "v1")
    p.git("checkout", "-q", "main")
    assert (p.ai("v1"), p.show("v1")["state"]) == (10, "live")
    p.git("tag", "-d", "v1")
    p.git("reflog", "expire", "--expire=now", "--all")
    assert live(p) == []


def test_filter_branch_that_moves_the_tree(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.show()
    p.git("filter-branch", "-f", "--subdirectory-filter", "src", "HEAD", FILTER_BRANCH_SQUELCH_WARNING="1")
    seen = p.show()["lines"]
    assert (seen["ai"], seen["human"]) in ((10, 0), (0, 0))
    assert len(live(p)) == 1


def test_replace_and_grafts_do_not_mislead(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("ai")
    other = p.git("commit-tree", "HEAD~1^{tree}", "-p", "HEAD~1", "-m", "replaced")
    p.git("replace", "HEAD", other)
    assert p.ai() == 10
    p.git("replace", "-d", p.git("rev-parse", "HEAD"))
    p.git("replace", "--graft", "HEAD", "HEAD~2")
    p.turn("src/more.py", "b", 3)
    p.commit("on top of a graft")
    assert (p.ai(), p.ai("HEAD~1"), len(live(p))) == (3, 10, 2)


def test_notes_of_others_stay_as_they_are(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("notes", "add", "-m", "mine", "HEAD")
    p.git("notes", "--ref=ai", "add", "-m", "somebody else's", "HEAD")
    p.git("config", "notes.rewriteRef", "refs/notes/*")
    before = p.git("rev-parse", "refs/notes/commits", "refs/notes/ai")
    p.show()
    assert p.git("rev-parse", "refs/notes/commits", "refs/notes/ai") == before
    p.git("commit", "-q", "--amend", "-m", "again")
    assert (p.ai(), len(live(p))) == (10, 1)
    p.git("notes", "--ref=hone", "show", "HEAD")


def test_worktrees_added_moved_and_removed(p: Play, tmp_path: Path) -> None:
    here, tree, moved = p.repo, tmp_path / "first place", tmp_path / "second place"
    p.git("worktree", "add", "-q", "-b", "other", str(tree))
    shutil.copytree(here / ".claude", tree / ".claude")
    p.repo = tree
    p.turn("src/new.py", "a")
    p.repo = here
    p.git("worktree", "move", str(tree), str(moved))
    p.repo = moved
    p.commit("ai")
    assert p.ai() == 10
    p.turn("src/more.py", "b", 3)
    sha = p.commit("again")
    p.repo = here
    p.git("worktree", "remove", "--force", str(moved))
    assert (p.ai(sha), p.ai("other~1"), len(live(p))) == (3, 10, 2)


def test_two_worktrees_commit_the_same_path(p: Play, tmp_path: Path) -> None:
    here, tree = p.repo, tmp_path / "tree"
    p.git("worktree", "add", "-q", "-b", "other", str(tree))
    shutil.copytree(here / ".claude", tree / ".claude")
    p.repo = tree
    p.turn("src/base.py", "there", 4)
    p.repo = here
    p.human("src/base.py", p.read("src/base.py") + "by = 'hand'\n")
    p.commit("by hand")
    p.repo = tree
    p.commit("ai")
    assert (lines(p), lines(p, "HEAD")) == ((4, 0, 0), (4, 0, 0))
    p.repo = here
    assert lines(p) == (0, 1, 0)


def test_an_agent_that_moves_a_file_with_git(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.prompt("rename it")
    p.shell("git add -A && git mv src/new.py src/moved.py")
    p.commit("moved")
    assert lines(p) == (10, 0, 0)


def test_forge_squash_with_another_message_and_the_branch_deleted(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/a.py", "a", 5)
    p.commit("one")
    p.turn("src/b.py", "b", 4)
    p.commit("two")
    p.show()
    new = p.git("commit-tree", "feat^{tree}", "-p", "main", "-m", "All of it (#12)")
    p.git("update-ref", "refs/heads/main", new)
    p.git("checkout", "-q", "main")
    p.git("branch", "-qD", "feat")
    assert (lines(p), len(live(p)), p.show()["kind"]) == ((9, 0, 0), 1, "squash")


def test_a_rebase_onto_merges_notes_nothing_upstream(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    for name in ("one", "two"):
        p.git("checkout", "-qb", name, "main")
        p.human(f"{name}.txt", f"{name}\n")
        p.commit(name)
        p.git("checkout", "-q", "main")
        p.git("merge", "-q", "--no-ff", "-m", f"merge {name}", name)
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", "main")
    assert (lines(p), len(live(p))) == ((10, 0, 0), 1)
    noted = {row.split()[1] for row in p.git("notes", "--ref=hone", "list").splitlines()}
    assert noted <= {p.git("rev-parse", name) for name in ("feat", "ORIG_HEAD")}


def test_rebase_merges_keeps_a_branchy_history(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/a.py", "a", 5)
    p.commit("ai")
    p.git("checkout", "-qb", "side", "HEAD~1")
    p.turn("src/b.py", "b", 4)
    p.commit("ai too")
    p.git("checkout", "-q", "feat")
    p.git("merge", "-q", "--no-ff", "-m", "joined", "side")
    p.git("checkout", "-q", "main")
    p.human("README", "up\n")
    p.commit("up")
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", "--rebase-merges", "main")
    assert (lines(p), p.ai("HEAD^1"), p.ai("HEAD^2")) == ((0, 0, 0), 5, 4)
    assert len(live(p)) == 2


def test_cherry_pick_of_a_range_and_a_mainline(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    for name, n in (("a", 2), ("b", 3), ("c", 4)):
        p.turn(f"src/{name}.py", name, n)
        p.commit(name)
    p.git("checkout", "-q", "main")
    p.git("cherry-pick", "main..feat")
    assert [p.ai(f"HEAD~{k}") for k in (2, 1, 0)] == [2, 3, 4]
    assert len(live(p)) == 3


def test_revert_of_a_merge(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.git("checkout", "-q", "main")
    p.git("merge", "-q", "--no-ff", "-m", "merged", "feat")
    p.show()
    p.git("revert", "--no-edit", "-m", "1", "HEAD")
    assert p.ai() == 0
    assert {"reverted", "edited"} & set(p.outcomes("feat"))


def test_a_change_that_only_deletes(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("ai")
    change = p.show()["change_id"]
    p.prompt("take it out")
    p.write("src/new.py", block("a", 4))
    p.commit("cut by the agent")
    seen = p.show()
    assert (lines(p), seen["runs"]) == ((0, 0, 0), [])
    age(p.place, force=True)
    before = p.show("HEAD~1")
    (reworked,) = [o for o in before["outcomes"] if o["kind"] == "reworked"]
    assert (reworked["value"], reworked["detail"]["by"], before["change_id"]) == (pytest.approx(0.6), "ai", change)
    assert "edited" not in [o["kind"] for o in before["outcomes"]]  # no person did that


def test_a_squash_of_somebody_elses_branch_is_unknown(p: Play, tmp_path: Path) -> None:
    p.git("clone", "-q", str(p.repo), str(tmp_path / "other"))
    other = tmp_path / "other"
    p.git("checkout", "-qb", "feat", cwd=other)
    (other / "theirs.py").write_text(block("t", 4))
    p.git("add", "-A", cwd=other)
    p.git("commit", "-qm", "theirs", cwd=other)
    p.git("fetch", "-q", str(other), "feat:refs/remotes/o/feat")
    p.show()
    p.git("merge", "-q", "--squash", "o/feat")
    p.git("commit", "-qm", "squashed")
    assert lines(p) == (0, 0, 4)
    p.human("README", "by hand\n")
    p.commit("mine")
    assert lines(p) == (0, 1, 0)


def test_a_squash_of_ones_own_branch_keeps_every_class(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.human("src/mine.py", block("mine", 4))
    p.commit("by hand")
    p.git("checkout", "-q", "main")
    p.git("merge", "-q", "--squash", "feat")
    p.git("commit", "-qm", "squashed")
    assert (lines(p), len(live(p))) == ((10, 4, 0), 1)


def test_a_persons_commit_stays_a_persons_when_it_is_rebased(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/new.py", "a")
    p.commit("ai")
    p.human("src/mine.py", block("mine", 4))
    p.commit("by hand")
    p.git("checkout", "-q", "main")
    p.human("README", "up\n")
    p.commit("up")
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", "main")
    assert (lines(p), lines(p, "HEAD~1")) == ((0, 4, 0), (10, 0, 0))
    p.git("rebase", "-q", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR="sed -i '2s/^pick/squash/'")
    assert (lines(p), len(live(p))) == ((10, 4, 0), 1)
    p.git("commit", "-q", "--amend", "-m", "other words")
    p.git("rebase", "-q", "--force-rebase", "HEAD~1")
    assert lines(p) == (10, 4, 0)


def test_what_a_person_types_to_settle_a_rebase_is_the_persons(p: Play) -> None:
    p.turn("src/new.py", "a", 4)
    p.commit("ai")
    p.git("checkout", "-q", "-b", "topic", "HEAD~1")
    p.human("src/new.py", "mine = 1\nother = 2\n")
    p.commit("by hand")
    p.git("rebase", "main", check=False)
    p.human("src/new.py", block("a", 4) + "mine = 1\nsettled = 3\n")
    p.git("add", "-A")
    p.git("rebase", "--continue")
    assert p.show()["lines"] == {"ai": 0, "human": 2, "unknown": 0, "written": 0}


def test_agents_lines_that_a_conflict_brings_back_are_not_the_persons_who_settles_it(p: Play) -> None:
    p.human("src/one.py", "one = 1\n")
    p.commit("one")
    p.turn("src/one.py", "a", 4)
    p.commit("ai")
    p.git("checkout", "-q", "-b", "topic")
    p.human("src/one.py", p.read("src/one.py") + "mine = 1\n")
    p.commit("by hand")
    p.git("checkout", "-q", "main")
    p.human("src/one.py", "one = 2\n")
    p.commit("without")
    p.git("checkout", "-q", "topic")
    p.git("rebase", "main", check=False)
    p.git("checkout", "--theirs", "--", "src/one.py")
    p.git("add", "-A")
    p.git("rebase", "--continue")
    seen = p.show()
    mine = [k for first, last in seen["files"][0]["human_ranges"] for k in range(first, last + 1)]
    assert not set(mine) & {2, 3, 4, 5}
    assert 6 in mine


def test_a_persons_commit_that_is_split_while_git_rebases_stays_the_persons(p: Play) -> None:
    p.human("src/one.py", block("one", 3))
    p.human("src/two.py", block("two", 3))
    p.commit("by hand")
    p.git("rebase", "-i", "HEAD~1", GIT_SEQUENCE_EDITOR="sed -i s/^pick/edit/")
    p.git("reset", "-q", "HEAD~1")
    p.git("add", "src/one.py")
    p.git("commit", "-qm", "one")
    p.human("src/two.py", block("two", 3) + "late = 1\n")
    p.commit("two")
    p.git("rebase", "--continue")
    assert [p.show(rev)["lines"]["human"] for rev in ("HEAD~1", "HEAD")] == [3, 4]


@pytest.mark.parametrize("drained", [True, False])
def test_a_persons_lines_in_a_commit_made_anew_by_plumbing_are_never_an_agents(p: Play, drained: bool) -> None:
    """The person's, where the first commit was looked at before the second was made; else nobody can tell which of them came first."""
    p.turn("src/base.py", "a", 2)
    p.commit("ai")
    p.human("src/one.py", block("one", 3))
    p.commit("by hand")
    if drained:
        p.show()
    new = p.git("commit-tree", p.git("rev-parse", "HEAD^{tree}"), "-p", "HEAD~1", "-m", "again")
    p.git("update-ref", "HEAD", new)
    found = p.show()["lines"]
    assert (found["ai"], found["human"] + found["unknown"]) == (0, 3)
    assert found["human"] == 3 or not drained


def test_a_file_mostly_anew_that_is_moved_in_the_same_commit_is_its_authors(p: Play) -> None:
    p.human("src/one.py", block("one", 4))
    p.commit("by hand")
    p.write("src/one.py", block("a", 10))
    p.git("mv", "src/one.py", "src/moved.py")
    p.commit("moved")
    p.human("src/moved.py", "".join("    " + line for line in p.read("src/moved.py").splitlines(True)))
    p.commit("indented")
    assert p.ai("HEAD~1") == 10
    assert p.show()["lines"]["human"] == 0


def test_what_an_agent_wrote_again_after_a_commit_is_no_evidence_for_the_commit(p: Play) -> None:
    p.human("src/one.py", "mine = compute(1)\n")
    p.commit("by hand")
    p.human("src/one.py", "other = compute(2)\n")
    p.commit("otherwise")
    p.write("src/one.py", "mine = compute(1)\nmore = compute(3)\n")
    p.commit("ai")
    assert (p.ai("HEAD~2"), p.ai()) == (0, 2)


def test_a_clock_set_back_between_edit_and_commit_makes_no_line_a_persons(p: Play) -> None:
    p.turn("src/new.py", "a")
    edited = set(p.place.inbox.iterdir())
    p.git("add", "-A")
    p.git("commit", "-qm", "c", GIT_COMMITTER_DATE="1000000000 +0000")
    for file in set(p.place.inbox.iterdir()) - edited:
        os.utime(file, (1e9, 1e9))
    assert p.show()["lines"]["human"] == 0


def test_what_a_shell_wrote_and_was_gone_before_it_was_read_is_unknown(p: Play) -> None:
    p.turn("src/base.py", "known", 2)
    p.commit("known")
    p.show()
    p.prompt("more")
    p.shell("echo 'generated = compute(1)' > src/gen.py")
    p.git("gc", "-q", "--prune=now")
    p.human("src/base.py", p.read("src/base.py") + p.read("src/gen.py"))
    p.write("src/base.py", "import os\n" + p.read("src/base.py"))
    (p.repo / "src/gen.py").unlink()
    p.commit("c")
    assert p.show()["lines"]["human"] == 0


def test_a_squash_is_not_known_by_the_commit_that_amends_it(p: Play, tmp_path: Path) -> None:
    p.git("clone", "-q", str(p.repo), str(tmp_path / "other"))
    (tmp_path / "other" / "theirs.py").write_text(block("t", 4))
    p.git("add", "-A", cwd=tmp_path / "other")
    p.git("commit", "-qm", "theirs", cwd=tmp_path / "other")
    p.git("fetch", "-q", str(tmp_path / "other"), "main:theirs")
    p.git("merge", "-q", "--squash", "theirs")
    p.git("commit", "-qm", "squashed")
    p.git("branch", "kept")
    p.git("commit", "-q", "--amend", "-m", "amended")
    assert lines(p, "kept") == (0, 0, 4)
