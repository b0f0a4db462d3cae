"""Pulled onto what others did, with work in the tree and conflicts in it; a stack moved by plumbing; files that are ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Play, block, lines, live


def no_marker(text: str) -> str:
    return "".join(line for line in text.splitlines(True) if not line.startswith(("<<<<<<<", "=======", ">>>>>>>")))


@pytest.mark.parametrize("where", ["the commit", "the stash", "both"])
def test_pull_with_autostash_and_conflicts(p: Play, tmp_path: Path, where: str) -> None:
    """Somebody else changed the end of the file to which the agent adds in a commit, in work that is not committed, or both."""
    p.git("clone", "-q", "--bare", str(p.repo), str(tmp_path / "remote.git"))
    p.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    p.git("clone", "-q", "-b", "main", str(tmp_path / "remote.git"), str(tmp_path / "other"))
    theirs = tmp_path / "other" / "src/base.py"
    theirs.write_text(theirs.read_text() + "theirs = 1\n")
    p.git("commit", "-qam", "theirs", cwd=tmp_path / "other")
    p.git("push", "-q", cwd=tmp_path / "other")
    first = "src/new.py" if where == "the stash" else "src/base.py"
    p.turn(first, "done", 5)
    p.commit("ai")
    change = p.show()["change_id"]
    p.turn("README" if where == "the commit" else "src/base.py", "open", 4)
    p.git("pull", "-q", "--rebase", "--autostash", "origin", "main", check=False)
    if where != "the stash":
        assert "<<<<<<<" in p.read("src/base.py")
        p.human("src/base.py", no_marker(p.read("src/base.py")))
        p.git("add", "-A")
        p.git("rebase", "--continue", check=False)
    if where != "the commit" and "<<<<<<<" not in p.read("src/base.py") and p.git("stash", "list"):
        p.git("stash", "pop", check=False)
    p.human("src/base.py", no_marker(p.read("src/base.py")))
    assert (p.read("src/base.py").count("theirs = 1"), "<<<" in p.read("src/base.py")) == (1, False)
    assert (lines(p), p.show()["change_id"]) == ((5, 0, 0), change)
    assert lines(p, "HEAD~1")[:2] == (0, 0)  # what others did has no record here
    p.commit("the rest")
    assert lines(p) == (4, 0, 0)
    assert len(live(p)) == 2


@pytest.mark.parametrize("drained", [True, False])
def test_a_stack_that_a_tool_moves_by_plumbing(p: Play, drained: bool) -> None:
    """Three branches on each other, each commit made anew by `commit-tree`, the names moved by `update-ref` and `branch -f`."""
    tips = []
    for name, n in (("one", 3), ("two", 4), ("three", 5)):
        p.git("checkout", "-qb", name)
        p.turn(f"src/{name}.py", name, n)
        p.human(f"src/{name}_mine.py", f"{name} = 1\n")
        tips.append(p.commit(name))
    changes = [p.show(name)["change_id"] for name in ("one", "two", "three")] if drained else []
    p.git("checkout", "-q", "main")
    p.human("README", "up\n")
    new = p.commit("up")
    p.git("checkout", "-q", "--detach")
    for name, tip in zip(("one", "two", "three"), tips, strict=True):
        tree = p.git("merge-tree", "--write-tree", new, tip)
        new = p.git("commit-tree", tree, "-p", new, "-m", f"{name}, restacked")
        p.git(*(["branch", "-f", name, new] if name == "two" else ["update-ref", f"refs/heads/{name}", new]))
    assert [lines(p, name)[0] for name in ("one", "two", "three")] == [3, 4, 5]
    assert all(
        lines(p, name)[2] in (0, 1) for name in ("one", "two", "three")
    )  # no hook saw it: the person's line may be unknown
    assert len(live(p)) == 3
    if drained:
        assert [p.show(name)["change_id"] for name in ("one", "two", "three")] == changes


def test_an_ignored_file_that_is_added_by_force(p: Play) -> None:
    """A file that git ignores, written by the agent's tool and added by a person all the same."""
    p.human(".gitignore", p.read(".gitignore") + "*.out\n")
    p.commit("ignore")
    p.turn("src/made.out", "made", 4)
    p.git("add", "-f", "src/made.out")
    p.git("commit", "-qm", "forced")
    assert lines(p) == (4, 0, 0)


def test_an_ignored_file_that_a_shell_command_wrote(p: Play) -> None:
    """No look saw it: whoever adds it, nobody can tell who wrote it. What a person adds beside it stays the person's."""
    p.human(".gitignore", p.read(".gitignore") + "*.out\n/build/\n")
    p.commit("ignore")
    p.human("before.out", block("early", 2))
    p.git("add", "-f", "before.out")
    p.git("commit", "-qm", "forced before any agent was here")
    assert lines(p) == (0, 2, 0)
    p.prompt("make it")
    p.shell("mkdir build && seq -f 'made by the agent %g' 5 > build/made.py && git add -f build/made.py")
    p.human("mine.py", block("mine", 3))
    p.git("add", "mine.py")
    p.git("commit", "-qm", "forced by the agent, committed by a person")
    assert lines(p) == (0, 3, 5)
    p.shell("seq -f 'also made by the agent %g' 4 > made.out")
    p.git("add", "-f", "made.out")
    p.git("commit", "-qm", "forced by a person")
    assert lines(p) == (0, 0, 4)
    p.human("made.out", p.read("made.out") + block("more", 2))
    p.git("commit", "-qam", "it is tracked now")
    assert lines(p) == (0, 2, 0)
    p.shell("seq -f 'tracked, so seen %g' 3 >> build/made.py")
    p.git("commit", "-qam", "a look sees it now")
    assert lines(p) == (3, 0, 0)


@pytest.mark.parametrize("by", ["person, in one commit", "person, in two commits", "agent"])
def test_a_file_that_is_ignored_no_longer(p: Play, by: str) -> None:
    """A shell command or a person wrote it while it was ignored: it is neither the agent's nor a person's for certain."""
    p.human(".gitignore", p.read(".gitignore") + "*.out\n")
    p.commit("ignore")
    p.prompt("make it")
    p.shell("seq -f 'made by somebody %g' 4 > made.out")
    plain = "printf '.claude/\\n.own-hooks/\\n' > .gitignore"
    if by == "agent":
        p.shell(plain)
    else:
        p.human(".gitignore", ".claude/\n.own-hooks/\n")
    if by == "person, in two commits":
        p.git("commit", "-qm", "ignore no more", ".gitignore")
    p.commit("add it")
    assert lines(p) == (0, 0, 4)


def test_an_amend_past_every_hook(p: Play) -> None:
    """`--no-verify` on commit and amend, with hooks of the person's that would refuse both."""
    hook = p.repo / p.git("rev-parse", "--git-path", "hooks/pre-commit")
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    p.turn("src/new.py", "a")
    p.git("add", "-A")
    p.git("commit", "-qm", "c", check=False)
    assert p.git("log", "-1", "--format=%s") != "c"
    p.commit("c", "--no-verify")
    p.turn("src/new.py", "b", 3)
    p.git("add", "-A")
    p.git("commit", "-q", "--amend", "--no-verify", "--no-edit")
    assert (lines(p), len(live(p)), p.outcomes()) == ((13, 0, 0), 1, ["committed"])
