"""What time and later commits do to a change: dated commits, real git."""

from __future__ import annotations

import time
from typing import Any

import pytest

from git_hone.hooks.aging import age, default_branch
from git_hone.learner.store import Store

Play = Any
NOW = time.time()


def dated(days: float) -> dict[str, str]:
    """The environment of a commit made `days` ago."""
    when = f"{int(NOW - days * 86_400)} +0000"
    return {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}


def commit(p: Play, message: str, days: float, *args: str) -> str:
    p.git("add", "-A")
    p.git("commit", "-q", "--allow-empty", "-m", message, *args, **dated(days))
    return str(p.git("rev-parse", "HEAD"))


def aged(p: Play, rev: str, *kinds: str, now: float = NOW) -> list[dict[str, Any]]:
    """The outcomes of these kinds of the change of `rev`, oldest first."""
    name = p.show(rev)["change_id"]
    age(p.place, now=now, force=True)
    rows = Store(p.place.data).rows("outcomes", where={"change_id": name})
    return sorted((row for row in rows if row["kind"] in kinds), key=lambda row: (row["at"], str(row["detail"])))


def shares(p: Play, rev: str, now: float = NOW) -> dict[int, tuple[int, int]]:
    """Age in days -> (alive, of)."""
    rows = aged(p, rev, "survived", now=now)
    assert all(row["value"] == row["detail"]["alive"] / row["detail"]["of"] for row in rows)
    return {row["detail"]["age_days"]: (row["detail"]["alive"], row["detail"]["of"]) for row in rows}


def cut(p: Play, path: str, keep: int) -> None:
    p.human(path, "".join(p.read(path).splitlines(True)[:keep]))


def test_lines_are_counted_at_each_age_that_has_passed(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 40)
    cut(p, "src/new.py", 6)
    fixed = commit(p, "Fix the end", 30)
    assert shares(p, sha) == {1: (10, 10), 7: (10, 10), 14: (6, 10), 30: (6, 10)}  # 90 days have not passed: no row
    (row,) = aged(p, sha, "reworked")
    assert (row["commit"], row["value"], row["detail"]["lines"], row["detail"]["by"]) == (fixed, 0.4, 4, "human")
    assert row["detail"]["delay_s"] == 10 * 86_400


def test_a_later_call_adds_only_what_matured(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 3)
    assert list(shares(p, sha)) == [1]
    assert list(shares(p, sha, now=NOW + 5 * 86_400)) == [1, 7]
    cut(p, "src/new.py", 5)
    commit(p, "cut", -6)  # dated after NOW: nine days after the landing
    assert shares(p, sha, now=NOW + 12 * 86_400) == {1: (10, 10), 7: (10, 10), 14: (5, 10)}
    assert len(Store(p.place.data).rows("outcomes", where={"kind": "survived"})) == 3


def test_once_a_day_unless_asked(p: Play) -> None:
    p.turn("src/new.py", "a")
    commit(p, "add a", 3)
    p.show()
    assert age(p.place, now=NOW, force=True).ran
    assert not age(p.place, now=NOW + 3600).ran
    assert age(p.place, now=NOW + 90_000).ran


def test_the_same_rows_come_of_a_lost_working_copy(p: Play) -> None:
    import shutil

    from git_hone.hooks.state import State

    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 40)
    cut(p, "src/new.py", 6)
    commit(p, "fix", 30)
    before = aged(p, sha, "survived", "reworked", "merged")
    shutil.rmtree(p.place.hone / "aging")
    with State(p.place.hone / "state.db") as state:
        state.db.execute("delete from aged")
        state.db.execute("delete from outcomes")
        state.db.execute("delete from meta where key like 'ag%'")
        state.commit()
    again = aged(p, sha, "survived", "reworked", "merged")
    assert again == before and len(before) == 6


def test_merged_by_a_merge_commit_with_lines_that_left_the_branch_before(p: Play) -> None:
    p.git("checkout", "-qb", "topic")
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 50)
    assert aged(p, sha, "merged", "survived") == []  # not there yet
    cut(p, "src/new.py", 8)
    fix = commit(p, "shorter", 45)
    p.git("checkout", "-q", "main")
    p.git("merge", "-q", "--no-ff", "-m", "merge topic", "topic", **dated(20))
    (row,) = aged(p, sha, "merged")
    assert (row["commit"], row["detail"]["how"]) == (p.git("rev-parse", "main"), "merge")
    assert row["detail"]["delay_s"] == 30 * 86_400
    assert shares(p, sha) == {1: (8, 8), 7: (8, 8), 14: (8, 8)}  # days count from the landing, lines that landed
    (row,) = aged(p, sha, "reworked")
    assert (row["commit"], row["detail"]["lines"], row["detail"]["delay_s"]) == (fix, 2, 0)


def test_renamed_moved_and_deleted_files(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.turn("src/gone.py", "b")
    sha = commit(p, "add both", 60)
    p.git("mv", "src/new.py", "src/better.py")
    commit(p, "rename", 50)
    cut(p, "src/better.py", 9)
    (p.repo / "src/gone.py").unlink()
    commit(p, "remove", 40)
    assert shares(p, sha) == {1: (20, 20), 7: (20, 20), 14: (20, 20), 30: (9, 20)}


def test_an_amended_rework_is_counted_once(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 40)
    cut(p, "src/new.py", 6)
    commit(p, "Fix the end", 30)
    assert len(aged(p, sha, "reworked")) == 1
    p.git("commit", "-q", "--amend", "-m", "Fix the end, told better")
    assert len(aged(p, sha, "reworked")) == 1
    p.human("README", "other\n")
    p.git("stash", "-q")
    p.git("reset", "-q", "--hard", "HEAD~1")
    p.human("other.py", "x = 1\n")
    commit(p, "something between", 29)
    p.git("cherry-pick", "ORIG_HEAD")
    assert len(aged(p, sha, "reworked")) == 1


def test_a_clock_that_runs_backwards_gives_no_negative_delay(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 40)
    cut(p, "src/new.py", 6)
    commit(p, "cut", 400)
    (row,) = aged(p, sha, "reworked")
    assert row["detail"]["delay_s"] == 0
    assert shares(p, sha)[1] == (6, 10)


def test_the_default_branch_is_the_remotes_where_there_is_one(p: Play, tmp_path: Any) -> None:
    assert default_branch(p.place) == ("refs/heads/main", p.git("rev-parse", "main"))
    p.git("init", "-q", "--bare", str(tmp_path / "hub"))
    p.git("remote", "add", "origin", str(tmp_path / "hub"))
    p.git("push", "-q", "origin", "main")
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 40)
    found = default_branch(p.place)
    assert found is not None and found[0] == "refs/remotes/origin/main"
    assert aged(p, sha, "merged") == []  # nobody else has it yet
    p.git("push", "-q", "origin", "main")
    assert [row["detail"]["how"] for row in aged(p, sha, "merged")] == ["direct"]
    p.git("branch", "trunk", "HEAD~1")
    p.git("config", "hone.defaultBranch", "trunk")
    found = default_branch(p.place)
    assert found is not None and found[0] == "refs/heads/trunk"


@pytest.mark.parametrize("days", [0.5, 91])
def test_a_change_is_watched_for_ninety_days(p: Play, days: float) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", days)
    assert len(shares(p, sha)) == (0 if days < 1 else 5)


def test_a_formatter_kills_no_line(p: Play) -> None:
    p.prompt("write")
    p.write("src/f.py", "def f(a, b):\n    return g(a, 'x', [1, 2, 3])\n\n\ndef k(x):\n    return x\n")
    sha = commit(p, "add", 60)
    p.human(
        "src/f.py",
        'def f(\n    a,\n    b,\n):\n    return g(\n        a,\n        "x",\n        [1, 2, 3],\n    )\n\n\ndef k(x):\n  return x\n',
    )
    commit(p, "format", 50)
    assert aged(p, sha, "reworked", "edited") == []
    assert shares(p, sha)[30] == (6, 6)
    p.human("src/f.py", "def f(a, b):\n    return g(a, 'x', [1, 2, 3])\n\n\ndef k(x): return x\n")
    commit(p, "format again", 40)
    p.human("src/f.py", "def f(a, b):\n    return g(a, 'y', [1, 2, 3])\n\n\ndef k(x): return x\n")
    commit(p, "change one line of it", 20)
    p.human("src/f.py", "def f(a, b):\n    return g(a, 'y', [1, 2, 3])\n")
    commit(p, "k was of no use", 15)
    (one, two) = aged(p, sha, "reworked")
    assert (one["detail"]["lines"], two["detail"]["lines"]) == (1, 4)  # two blank lines, and two that had become one


def test_a_revert_of_the_revert_brings_the_lines_back(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    p.git("revert", "--no-edit", "HEAD", **dated(55))
    p.git("revert", "--no-edit", "HEAD", **dated(40))
    assert shares(p, sha)[30] == (10, 10)
    cut(p, "src/new.py", 9)
    gone = commit(p, "one less", 20)
    (row,) = aged(p, sha, "reworked")
    assert (row["commit"], row["detail"]["lines"]) == (gone, 1)
