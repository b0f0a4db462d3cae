"""What people do with git between an agent's edit and the record. Each: play it for real, ask whose lines."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from git_hone.hooks import notes

from .conftest import Play, block, live


def plain(p: Play) -> str:
    p.turn("src/new.py", "a")
    return str(p.commit("c"))


def test_plain_commit_names_session_model_and_tool_calls_and_has_a_note(p: Play) -> None:
    sha = plain(p)
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"], seen["lines"]["unknown"]) == (10, 0, 0)
    (run,) = seen["runs"]
    assert (run["agent"], run["session_id"], run["model"]) == ("claude-code", p.id, p.model)
    assert len(run["tool_use_ids"]) == 1
    assert seen["files"][0]["path"] == "src/new.py"
    assert seen["files"][0]["ai_ranges"] == [[1, 10]]
    (event, outcome) = sorted(notes.events(notes.read(p.repo, [sha])[sha]), key=lambda e: e["type"])
    assert (event["commit"], event["lines"]["ai"], event["runs"][0]["session_id"]) == (sha, 10, p.id)
    assert outcome["kind"] == "committed"
    assert "add a" not in str(event)  # no prompt in a note
    assert p.failed == []


def test_tokens_of_a_turn_are_counted_once(p: Play) -> None:
    p.prompt("two edits")
    p.write("src/new.py", block("a"))
    p.write("src/other.py", block("b"))
    p.fire("Stop", stop_hook_active=False, last_assistant_message="done")
    p.commit("one")
    (run,) = p.show()["runs"]
    assert (run["tokens_in"], run["tokens_out"]) == (200, 40)
    assert run["task"] == "two edits"
    assert run["duration_ms"] is not None


def test_amend_of_the_message_moves_the_record(p: Play) -> None:
    old = plain(p)
    before = p.show()["change_id"]
    p.git("commit", "-q", "--amend", "-m", "other words")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["change_id"], seen["replaces"]) == (10, before, [old])
    assert len(live(p)) == 1
    assert p.outcomes().count("committed") == 1


def test_amend_that_drops_half(p: Play) -> None:
    plain(p)
    p.human("src/new.py", "".join(p.read("src/new.py").splitlines(True)[:5]))
    p.git("commit", "-qa", "--amend", "--no-edit")
    assert p.ai() == 5
    assert p.show()["lines"]["written"] == 10


def test_amend_without_post_rewrite(p: Play) -> None:
    plain(p)
    p.git("commit", "-q", "--amend", "--no-post-rewrite", "-m", "other")
    assert (p.ai(), len(live(p))) == (10, 1)


def test_human_edits_before_the_commit_are_human_and_kept_as_a_pair(p: Play) -> None:
    p.turn("src/new.py", "a")
    lines = p.read("src/new.py").splitlines(True)
    lines[2:4] = ["def by_hand(): pass\n", "def by_hand_too(): pass\n"]
    p.human("src/new.py", "".join(lines))
    p.commit("c")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"]) == (8, 2)
    assert seen["lines"]["written"] == 10
    assert "edited" in p.outcomes()
    from git_hone.learner.store import Store

    (pair,) = Store(p.place.data).rows("pairs")
    assert "by_hand()" in pair["chosen"]["text"]
    assert "a_2" in pair["output"]["text"]


def test_whitespace_only_changes_by_a_formatter_do_not_take_lines_away(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.human("src/new.py", "".join("    " + line for line in p.read("src/new.py").splitlines(True)))
    p.commit("formatted")
    assert p.ai() == 10


def test_a_note_says_a_change_once_however_late_the_hooks_word_of_it_is(p: Play) -> None:
    p.turn("src/new.py", "a")
    hook = Path(p.git("rev-parse", "--path-format=absolute", "--git-path", "hooks")) / "post-commit"
    aside = hook.rename(hook.with_name("aside"))
    sha = p.commit("before its hook")
    first = p.show()["lines"]
    time.sleep(1.1)  # a second of git's own time
    subprocess.run([aside.rename(hook)], cwd=p.repo, check=True)
    assert p.show()["lines"] == first
    said = [event["type"] for event in notes.events(notes.read(p.repo, [sha])[sha])]
    assert sorted(said) == ["change", "outcome"]


@pytest.mark.parametrize("how", ["drained each time", "drained at the end", "no hook's word"])
def test_a_second_change_to_a_file_has_written_only_its_own_lines(p: Play, how: str) -> None:
    for tag in ("a", "b"):
        p.turn("src/new.py", tag)
        p.git("add", "-A")
        p.git("commit", "-qm", tag, **({"GIT_HONE_OFF": "1"} if how == "no hook's word" else {}))
        if how == "drained each time":
            p.show()
    assert [p.show(rev)["lines"]["written"] for rev in ("HEAD~1", "HEAD")] == [10, 10]
    assert [p.outcomes(rev) for rev in ("HEAD~1", "HEAD")] == [["committed"], ["committed"]]  # nobody edited anything


def test_a_human_commit_in_a_live_session_has_no_record(p: Play) -> None:
    plain(p)
    p.human("README", "hello\nworld\n")
    sha = p.commit("by hand")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"], seen["runs"]) == (0, 1, [])
    assert notes.read(p.repo, [sha]) == {}


def test_a_reviewing_agent_writes_nothing(p: Play) -> None:
    p.prompt("review")
    p.use("Read", {"file_path": str(p.repo / "README")}, lambda: None)
    p.human("src/base.py", p.read("src/base.py") + "by = 'hand'\n")
    p.commit("mine")
    assert (p.ai(), p.show()["runs"]) == (0, [])


def test_partial_staging_by_file(p: Play) -> None:
    p.turn("src/one.py", "a")
    p.turn("src/two.py", "b", 7)
    p.git("add", "src/one.py")
    p.git("commit", "-qm", "one")
    p.commit("two")
    assert (p.ai("HEAD~1"), p.ai()) == (10, 7)
    assert len({r["run_id"] for rev in ("HEAD", "HEAD~1") for r in p.show(rev)["runs"]}) == 2


def test_partial_staging_by_hunk(p: Play) -> None:
    old = p.read("src/base.py")
    p.prompt("two places")
    p.write("src/base.py", block("top", 3) + old + block("end", 4))
    patch = p.git("diff", "-U0", "src/base.py") + "\n"
    head, first, _ = patch.partition("@@ -")
    hunks = (first + _).split("@@ -")[1:]
    subprocess.run(
        ["git", "apply", "--cached", "--unidiff-zero", "-"], cwd=p.repo, input=(head + "@@ -" + hunks[0]).encode(), check=True
    )
    p.git("commit", "-qm", "top")
    p.git("commit", "-qam", "end")
    assert (p.ai("HEAD~1"), p.ai()) == (3, 4)


def test_one_run_in_several_commits_and_several_runs_in_one(p: Play) -> None:
    p.turn("src/a.py", "a", 3)
    p.turn("src/b.py", "b", 4)
    p.commit("both")
    assert (p.ai(), len(p.show()["runs"])) == (7, 2)
    p.prompt("two commits")
    p.write("src/c.py", block("c", 2))
    p.commit("c")
    p.write("src/d.py", block("d", 5))
    p.commit("d")
    assert (p.ai("HEAD~1"), p.ai()) == (2, 5)
    assert p.show("HEAD~1")["runs"][0]["run_id"] == p.show()["runs"][0]["run_id"]


def _feature(p: Play, then: Callable[[], None] | None = None) -> None:
    """A branch `feat` with one AI commit; main moved on."""
    p.git("checkout", "-qb", "feat")
    plain(p)
    if then:
        then()
    p.git("checkout", "-q", "main")
    p.human("README", "x\n")
    p.commit("up")


def test_rebase(p: Play) -> None:
    _feature(p)
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", "main")
    assert (p.ai(), len(live(p))) == (10, 1)


def test_rebase_drained_in_the_middle(p: Play) -> None:
    _feature(p)
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", "-i", "main", GIT_SEQUENCE_EDITOR="sed -i '1s/^pick/edit/'")
    assert p.ai() == 10
    p.git("rebase", "--continue")
    assert (p.ai(), len(live(p)), p.show()["state"]) == (10, 1, "live")


def test_rebase_abort_changes_nothing(p: Play) -> None:
    plain(p)
    before = p.show()
    p.turn("src/more.py", "b", 7)
    p.commit("c2")
    p.git("rebase", "-q", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR="sed -i '1s/^pick/edit/'")
    p.git("commit", "-q", "--amend", "-m", "in between")
    p.git("rebase", "--abort")
    assert (p.ai("HEAD~1"), p.ai()) == (10, 7)
    assert p.show("HEAD~1")["change_id"] == before["change_id"]
    assert len(live(p)) == 2


def test_interactive_squash(p: Play) -> None:
    plain(p)
    p.turn("src/more.py", "b", 7)
    p.commit("c2")
    first = p.show("HEAD~1")["change_id"]
    p.git("rebase", "-q", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR="sed -i '2s/^pick/squash/'")
    assert (p.ai(), len(live(p)), p.show()["change_id"], p.show()["kind"]) == (17, 1, first, "squash")


def test_interactive_drop(p: Play) -> None:
    old = plain(p)
    p.turn("src/more.py", "b", 7)
    p.commit("c2")
    p.show()
    p.git("rebase", "-q", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR="sed -i 1d")
    assert (p.ai(), len(live(p))) == (7, 1)
    assert p.show(old)["state"] == "dropped"
    assert "dropped" in p.outcomes(old)


def test_interactive_reorder(p: Play) -> None:
    plain(p)
    p.turn("src/more.py", "b", 7)
    p.commit("c2")
    p.git("rebase", "-q", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR="sed -i '1{h;d};2G'")
    assert (p.ai("HEAD~1"), p.ai(), len(live(p))) == (7, 10, 2)


def test_rebase_conflict_resolved_by_rewriting(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.turn("src/base.py", "mine", 6)
    p.commit("ai")
    p.git("checkout", "-q", "main")
    p.human("src/base.py", p.read("src/base.py") + "other = 2\n")
    p.commit("conflicting")
    p.git("checkout", "-q", "feat")
    p.git("rebase", "main", check=False)
    kept = block("mine", 6).splitlines(True)[:4]
    p.human("src/base.py", p.git("show", "main:src/base.py") + "\n" + "".join(kept) + "def rewritten(): pass\n")
    p.git("add", "-A")
    p.git("rebase", "--continue")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"], seen["lines"]["unknown"]) == (4, 1, 0)


def test_pull_with_rebase_and_autostash(p: Play, tmp_path: Path) -> None:
    p.git("clone", "-q", "--bare", str(p.repo), str(tmp_path / "remote.git"))
    p.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    p.git("clone", "-q", str(tmp_path / "remote.git"), str(tmp_path / "other"))
    (tmp_path / "other" / "README").write_text("theirs\n")
    p.git("-C", str(tmp_path / "other"), "commit", "-qam", "theirs")
    p.git("-C", str(tmp_path / "other"), "push", "-q")
    plain(p)
    p.turn("src/dirty.py", "d", 4)
    p.git("add", "-A")
    p.git("pull", "-q", "--rebase", "--autostash", "origin", "main")
    p.commit("later")
    assert (p.ai("HEAD~1"), p.ai()) == (10, 4)


def test_merge_squash(p: Play) -> None:
    def more() -> None:
        p.turn("src/more.py", "b", 7)
        p.commit("c2")

    _feature(p, more)
    p.git("merge", "-q", "--squash", "feat")
    p.git("commit", "-qm", "squashed")
    assert (p.ai(), len(live(p))) == (17, 1)


def test_true_merge_and_fast_forward_record_nothing_twice(p: Play) -> None:
    _feature(p)
    p.git("merge", "-q", "--no-ff", "-m", "merge", "feat")
    assert (p.ai(), p.ai("HEAD^2"), len(live(p))) == (0, 10, 1)


def test_cherry_pick(p: Play) -> None:
    _feature(p)
    change = p.show("feat")["change_id"]
    p.git("cherry-pick", "feat")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["change_id"], len(live(p))) == (10, change, 1)
    assert p.ai("feat") == 10


def test_cherry_pick_without_commit_and_more_edits(p: Play) -> None:
    _feature(p)
    p.git("cherry-pick", "--no-commit", "feat")
    p.human("src/new.py", "".join(p.read("src/new.py").splitlines(True)[:6]) + "mine = 1\n")
    p.commit("half of it")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"]) == (6, 1)


@pytest.mark.parametrize("how", ["--soft", "--mixed"])
def test_reset_and_recommit(p: Play, how: str) -> None:
    plain(p)
    change = p.show()["change_id"]
    p.git("reset", "-q", how, "HEAD~1")
    p.show()  # drained in between: dropped for now
    p.commit("again")
    assert (p.ai(), p.show()["change_id"], len(live(p))) == (10, change, 1)
    assert "dropped" not in p.outcomes()


def test_hard_reset_and_other_code(p: Play) -> None:
    old = plain(p)
    p.git("reset", "-q", "--hard", "HEAD~1")
    p.human("src/new.py", "class Mine:\n    def a(self):\n        return 1\n")
    p.commit("mine")
    assert (p.ai(), p.show()["runs"]) == (0, [])
    assert p.show(old)["state"] == "dropped"


def test_stash_and_pop(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.git("add", "-A")
    p.git("stash")
    p.human("README", "x\n")
    p.commit("by hand")
    p.git("stash", "pop")
    p.commit("ai")
    assert (p.ai("HEAD~1"), p.ai()) == (0, 10)


def test_stash_pop_merged_into_a_changed_file(p: Play) -> None:
    p.turn("src/base.py", "end")
    p.git("stash")
    p.human("src/base.py", "import os\n" + p.read("src/base.py"))
    p.commit("by hand")
    p.git("stash", "pop")
    p.commit("ai")
    assert (p.ai("HEAD~1"), p.ai()) == (0, 10)
    assert p.show()["lines"]["human"] == 0


def test_new_branch_with_dirty_work(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.git("checkout", "-qb", "topic")
    p.commit("on topic")
    assert p.ai() == 10


def test_shell_edits_in_a_subfolder(p: Play) -> None:
    p.human("src/base.py", p.read("src/base.py") + "by = 'hand'\n")
    p.prompt("number the lines")
    p.shell('cd src && for k in 1 2 3 4 5; do echo "y$k = $k" >> base.py; done')
    p.commit("by shell")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"]) == (5, 1)
    assert seen["files"][0]["how"] == ["shell"]


def test_shell_that_creates_copies_and_deletes(p: Play) -> None:
    p.prompt("generate")
    p.shell("mkdir -p gen && printf 'one = 1\\ntwo = 2\\n' > gen/out.py && rm README && cp gen/out.py gen/copy.py")
    p.commit("generated")
    assert p.ai() == 4


def test_an_agent_that_commits_inside_its_own_shell_call(p: Play) -> None:
    p.prompt("do it all")
    p.shell(
        "echo 'k = 1' > src/k.py && git add -A && git commit -qm one && echo 'l = 1' > src/l.py && git add -A && git commit -qm two"
    )
    assert (p.ai("HEAD~1"), p.ai()) == (1, 1)
    assert len(live(p)) == 2


def test_an_agent_that_commits_and_is_drained_before_its_call_ends(p: Play) -> None:
    p.prompt("commit, then go on")

    def act() -> None:
        (p.repo / "src/k.py").write_text("k = 1\n")
        p.git("add", "-A")
        p.git("commit", "-qm", "one")
        assert p.show()["lines"]["human"] == 0  # not known yet, and not said to be a person's

    p.use("Bash", {"command": "make commit"}, act)
    assert p.ai() == 1


def test_an_agent_that_pops_a_persons_stash_has_not_written_it(p: Play) -> None:
    p.human("src/mine.py", block("mine", 5))
    p.git("add", "-A")
    p.git("stash")
    p.prompt("restore it")
    p.shell("git stash pop")
    p.commit("restored")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["runs"]) == (0, [])


def test_an_agent_that_checks_out_and_cherry_picks_human_work_has_not_written_it(p: Play) -> None:
    p.git("checkout", "-qb", "feat")
    p.human("src/mine.py", block("mine", 5))
    p.commit("by hand")
    p.git("checkout", "-q", "main")
    p.prompt("bring it over")
    p.shell("git cherry-pick feat")
    assert p.ai() == 0


def test_moved_after_the_edit(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.git("add", "-A")
    p.git("mv", "src/new.py", "src/moved.py")
    p.commit("moved")
    assert p.ai() == 10


def test_moved_and_edited_before_the_commit(p: Play) -> None:
    p.turn("src/new.py", "a")
    (p.repo / "src/new.py").rename(p.repo / "src/moved.py")
    p.human("src/moved.py", p.read("src/moved.py") + "by = 'hand'\n")
    p.commit("moved")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"]) == (10, 1)


def test_rename_of_a_committed_file_with_an_agents_edit(p: Play) -> None:
    p.git("mv", "src/base.py", "src/renamed.py")
    p.turn("src/renamed.py", "r", 3)
    p.commit("renamed")
    assert p.ai() == 3


def test_a_copy_by_hand_is_not_the_agents(p: Play) -> None:
    plain(p)
    p.human("src/copy.py", p.read("src/new.py"))
    p.commit("copy")
    assert p.ai() == 0


def test_linked_worktree(p: Play, tmp_path: Path) -> None:
    main, tree = p.repo, tmp_path / "linked"
    p.git("worktree", "add", "-q", "-b", "other", str(tree))
    import shutil

    shutil.copytree(main / ".claude", tree / ".claude")
    p.repo = tree
    plain(p)
    assert p.ai() == 10
    assert not (tree / ".agent" / "data").exists()
    sha = p.git("rev-parse", "HEAD")
    p.repo = main
    p.git("worktree", "remove", "--force", str(tree))
    assert p.ai(sha) == 10


def test_revert_and_its_outcome(p: Play) -> None:
    plain(p)
    p.git("revert", "--no-edit", "HEAD")
    assert p.ai() == 0
    seen = p.show("HEAD~1")
    assert "reverted" in [o["kind"] for o in seen["outcomes"]]
    assert (seen["reward"]["value"], seen["reward"]["veto"]) == (0.0, "reverted")


def test_revert_with_other_words(p: Play) -> None:
    plain(p)
    p.human("README", "x\n")
    p.commit("between")
    p.git("revert", "--no-commit", "HEAD~1")
    p.git("commit", "-qm", "take it out again")
    assert "reverted" in p.outcomes("HEAD~2")


def test_no_verify_still_records(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("c", "--no-verify")
    assert p.ai() == 10


def test_root_commit_on_an_unborn_branch(fresh: Callable[..., Play]) -> None:
    p = fresh(base=False)
    p.turn("new.py", "a")
    p.commit("root")
    assert p.ai() == 10
    assert notes.read(p.repo, [p.git("rev-parse", "HEAD")])


def test_detached_head_and_empty_commit(p: Play) -> None:
    p.git("checkout", "-q", "--detach")
    plain(p)
    assert p.ai() == 10
    p.git("commit", "-q", "--allow-empty", "-m", "nothing")
    assert p.ai() == 0


@pytest.mark.parametrize(
    "name",
    ["with space.py", 'quo"te.py', "emoji-😀.py", "tab\tname.py", "new\nline.py", "-dash.py", "a => b.py", "nfd-e\u0301.py"],
)
def test_odd_names(p: Play, name: str) -> None:
    p.turn(f"src/{name}", "a", 4)
    p.commit("odd")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["files"][0]["path"]) == (4, f"src/{name}" if not name.startswith('"') else None)


def test_a_name_that_is_not_utf8(p: Play) -> None:
    p.prompt("odd")
    p.shell("printf 'a = 1\\n' > \"$(printf 'src/\\377.py')\"")
    p.commit("odd")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["files"][0]["path"]) == (1, '"src/\\377.py"')


def test_binary_symlink_mode_and_crlf(p: Play) -> None:
    p.prompt("odd files")
    p.shell("printf 'a\\0b\\n' > bin.dat; ln -s README link; chmod +x src/base.py; printf 'one\\r\\ntwo\\r\\n' > crlf.txt")
    p.commit("odd")
    seen = p.show()
    assert (seen["lines"]["ai"], [f["path"] for f in seen["files"]]) == (2, ["crlf.txt"])


def test_line_endings_alone_are_nobodys_work(p: Play) -> None:
    p.prompt("convert")
    p.shell("sed -i 's/$/\\r/' src/base.py && echo 'z = 1' >> src/base.py")
    p.commit("crlf")
    assert p.ai() == 1


def test_a_missing_newline_at_the_end_does_not_change_hands(p: Play) -> None:
    p.human("src/tail.py", "first = 1\nlast = 2")
    p.commit("no newline")
    p.turn("src/tail.py", "a", 0)
    p.write("src/tail.py", "first = 1\nlast = 2\nmore = 3\n")
    p.commit("more")
    assert p.ai() == 1


def test_a_large_file(p: Play) -> None:
    p.turn("src/big.py", "big", 50_000)
    p.commit("big")
    assert p.ai() == 50_000


def test_the_agent_overwrites_a_persons_uncommitted_lines(p: Play) -> None:
    p.human("src/base.py", p.read("src/base.py") + "".join(f"h{k} = {k}\n" for k in range(5)))
    p.turn("src/base.py", "mine", 3)
    p.commit("both")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"]) == (3, 5)


def test_the_agent_undoes_its_own_work(p: Play) -> None:
    old = p.read("src/base.py")
    p.turn("src/base.py", "mine", 3)
    p.write("src/base.py", old)
    p.human("README", "x\n")
    p.commit("nothing left")
    assert p.ai() == 0


def test_a_session_that_crashed(fresh: Callable[..., Play]) -> None:
    p = fresh()
    p.turn("src/new.py", "a")
    p.fire("PreToolUse", tool_name="Bash", tool_input={"command": "sleep 100"}, tool_use_id="toolu_lost")
    p.start()  # the next session of the same agent
    p.commit("later")
    assert p.ai() == 10


def test_payloads_of_agents_that_load_claudes_hooks_are_counted_once(p: Play) -> None:
    base = {"tool_name": "Write", "tool_input": {"file_path": str(p.repo / "src/new.py"), "content": "x"}, "tool_use_id": "t1"}
    p.fire("PreToolUse", cursor_version="1.7", **base)
    p.human("src/new.py", block("a"))
    p.fire("PostToolUse", cursor_version="1.7", **base)
    p.commit("by cursor")
    assert p.ai() == 0


def test_commit_msg_hook_that_rewrites_the_subject(p: Play) -> None:
    hook = p.repo / p.git("rev-parse", "--git-path", "hooks/commit-msg")
    hook.write_text('#!/bin/sh\necho "[X-1] $(cat "$1")" > "$1.new" && mv "$1.new" "$1"\n')
    hook.chmod(0o755)
    plain(p)
    assert p.git("log", "-1", "--format=%s").startswith("[X-1]")
    assert p.ai() == 10


def test_filter_branch_keeps_the_record(p: Play) -> None:
    plain(p)
    change = p.show()["change_id"]
    p.git("filter-branch", "-f", "--msg-filter", "sed s/^c/C/", "HEAD~1..HEAD", FILTER_BRANCH_SQUELCH_WARNING="1")
    assert p.ai() == 10
    assert change in [row["change_id"] for row in live(p)]


def test_garbage_collection_after_the_fact(p: Play) -> None:
    plain(p)
    p.show()
    p.git("commit", "-q", "--amend", "-m", "again")
    p.git("reflog", "expire", "--expire=now", "--all")
    p.git("gc", "-q", "--prune=now")
    assert p.ai() == 10


def test_split_of_one_commit_into_two(p: Play) -> None:
    p.prompt("both")
    p.write("src/a.py", block("a", 6))
    p.write("src/b.py", block("b", 4))
    p.commit("both")
    change = p.show()["change_id"]
    p.git("reset", "-q", "HEAD~1")
    p.git("add", "src/a.py")
    p.git("commit", "-qm", "a")
    p.commit("b")
    assert (p.ai("HEAD~1"), p.ai()) == (6, 4)
    assert p.show("HEAD~1")["change_id"] == change != p.show()["change_id"]
    assert len(live(p)) == 2


def test_a_commit_with_words_of_history_in_it_is_still_the_agents(p: Play) -> None:
    p.prompt("write and commit")
    p.shell("echo 'k = 1' > src/k.py && git add -A && git commit -am 'merge: rebase, stash and am'")
    assert p.ai() == 1


@pytest.mark.undrained
def test_blobs_that_are_gone_before_the_drain_make_unknown_not_human(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.human("src/new.py", p.read("src/new.py") + "by = 'hand'\n")
    p.commit("c")
    p.git("reflog", "expire", "--expire=now", "--all")
    p.git("gc", "-q", "--prune=now")
    assert p.show()["lines"] == {"ai": 0, "human": 0, "unknown": 11, "written": 0}


@pytest.mark.undrained
def test_a_blob_that_was_gone_and_is_written_again_by_the_commit_is_unknown(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.git("gc", "-q", "--prune=now")
    p.show()
    p.commit("c")
    assert p.show()["lines"]["unknown"] == 10


def test_text_that_was_gone_before_it_was_read_is_unknown_under_any_name(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.git("gc", "-q", "--prune=now")
    (p.repo / "src/new.py").rename(p.repo / "src/other.py")
    p.commit("c")
    assert p.show()["lines"]["human"] == 0


@pytest.mark.undrained
def test_text_that_was_gone_before_it_was_read_is_unknown_where_the_next_tool_call_finds_it(p: Play) -> None:
    p.turn("src/base.py", "known", 2)
    p.commit("known")
    p.show()
    p.turn("src/new.py", "a")
    p.git("gc", "-q", "--prune=now")
    p.show()
    p.human("src/base.py", p.read("src/base.py") + p.read("src/new.py"))
    p.write("src/base.py", "import os\n" + p.read("src/base.py"))
    p.commit("c")
    seen = p.show()
    assert (seen["lines"]["human"], seen["lines"]["ai"]) == (0, 1)


def test_a_file_that_the_agents_shell_brings_back_as_it_was_keeps_its_authors(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("c")
    p.git("revert", "--no-edit", "HEAD")
    p.use("Bash", {"command": "git cherry-pick HEAD~1"}, lambda: p.git("cherry-pick", "HEAD~1"))
    assert (p.ai(), p.ai("HEAD~2")) == (10, 10)


def test_moved_and_formatted_by_a_person(p: Play) -> None:
    p.turn("src/new.py", "a", 3)
    (p.repo / "src/new.py").unlink()
    p.human("src/moved.py", "".join("    " + line for line in block("a", 3).splitlines(True)))
    p.commit("moved and indented")
    assert p.ai() == 3


def test_a_moved_file_of_unknown_authors_stays_unknown(p: Play) -> None:
    p.human("src/mine.py", block("mine", 5))
    p.git("add", "-A")
    p.git("stash")
    p.prompt("restore it")
    p.shell("git stash pop")
    p.git("mv", "src/mine.py", "src/moved.py")
    p.turn("src/moved.py", "a", 2)
    p.commit("c")
    seen = p.show()["lines"]
    assert (seen["ai"], seen["human"], seen["unknown"]) == (2, 0, 5)


def test_an_agents_lines_that_git_brought_back_between_two_looks_are_not_a_persons(p: Play) -> None:
    p.turn("src/base.py", "end", 3)
    p.git("stash")
    p.human("src/base.py", "import os\n" + p.read("src/base.py"))
    p.commit("by hand")
    p.git("stash", "pop")
    p.prompt("one more")
    p.write("src/base.py", "import sys\n" + p.read("src/base.py"))
    p.commit("ai")
    assert (p.show()["lines"]["human"], p.ai() >= 1) == (0, True)
