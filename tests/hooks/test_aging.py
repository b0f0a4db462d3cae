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


def kinds(p: Play, rev: str) -> dict[str, list[Any]]:
    """Kind -> (value, detail) of each outcome that a drain alone finds."""
    found: dict[str, list[Any]] = {}
    for one in p.show(rev)["outcomes"]:
        found.setdefault(one["kind"], []).append((one["value"], one["detail"]))
    return found


@pytest.mark.parametrize("at_once", [True, False])
def test_reverted_landed_again_and_reverted(p: Play, at_once: bool) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    counts = []
    for day in (55, 40, 30):
        p.git("revert", "--no-edit", "HEAD", **dated(day))
        if not at_once or day == 30:
            found = kinds(p, sha)
            counts.append((len(found.get("reverted", [])), len(found.get("relanded", []))))
            assert found["reverted"][0][0] == 1.0 and found["reverted"][0][1]["delay_s"] >= 0
    assert counts == ([(2, 1)] if at_once else [(1, 0), (1, 1), (2, 1)])
    assert p.show(sha)["reward"]["veto"] == "reverted"


def test_the_revert_of_a_merge_reverts_each_of_its_changes(p: Play) -> None:
    p.git("checkout", "-qb", "topic")
    p.turn("src/new.py", "a")
    first = commit(p, "add a", 60)
    p.turn("src/new2.py", "b")
    second = commit(p, "add b", 59)
    p.git("checkout", "-q", "main")
    p.turn("src/own.py", "c")
    own = commit(p, "add c", 55)
    p.git("merge", "-q", "--no-ff", "-m", "m", "topic", **dated(50))
    p.git("revert", "--no-edit", "-m", "1", "HEAD", **dated(40))
    assert [len(kinds(p, rev).get("reverted", [])) for rev in (first, second, own)] == [1, 1, 0]
    assert aged(p, first, "reworked") == []  # the revert is an outcome of its own


def test_the_revert_of_a_squash(p: Play) -> None:
    p.git("checkout", "-qb", "topic")
    p.turn("src/new.py", "a")
    commit(p, "add a", 60)
    p.turn("src/new2.py", "b")
    commit(p, "add b", 59)
    p.git("checkout", "-q", "main")
    p.git("merge", "-q", "--squash", "topic")
    squash = commit(p, "both", 50)
    p.git("revert", "--no-edit", "HEAD", **dated(40))
    assert [value for value, _ in kinds(p, squash)["reverted"]] == [1.0]
    assert [row["detail"]["how"] for row in aged(p, squash, "merged")] == ["squash"]


def test_a_revert_that_is_amended_counts_once(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    p.git("revert", "--no-edit", "HEAD", **dated(55))
    p.show()
    p.git("commit", "-q", "--amend", "-m", "Take it out")
    assert len(kinds(p, sha)["reverted"]) == 1
    p.human("README", "more\n")
    p.git("commit", "-qa", "--amend", "-m", "Take it out, and more")
    assert len(kinds(p, sha)["reverted"]) == 1
    assert aged(p, sha, "reworked") == []


def test_a_partial_revert_is_rework_that_mends(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    p.git("revert", "--no-commit", "HEAD")
    p.human("src/new.py", "".join(p.git("show", "HEAD:src/new.py").splitlines(True)[:5]))
    commit(p, f"Take half of it back\n\nThis reverts commit {sha}.", 50)
    assert "reverted" not in kinds(p, sha)
    (row,) = aged(p, sha, "reworked")
    assert (row["value"], row["detail"]["corrective"]) == (0.5, True)


@pytest.mark.parametrize(
    ("message", "days", "corrective"),
    [
        ("fix: the off-by-one in a", 50, True),
        ("Fixed the crash", 50, True),
        ("feat: another way", 50, False),
        ("refactor(a): shorter", 50, False),
        ("shorter", 50, None),
        ("fix: what nobody missed for months", 10, None),  # more than 30 days after the landing
        ("shorter\n\nFixes: {sha}", 50, True),
    ],
)
def test_rework_that_mends_is_told_from_other_rework(p: Play, message: str, days: float, corrective: bool | None) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    cut(p, "src/new.py", 8)
    commit(p, message.replace("{sha}", sha), days)
    assert [row["detail"]["corrective"] for row in aged(p, sha, "reworked")] == [corrective]


def test_a_large_fix_elsewhere_says_nothing_of_these_lines(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    cut(p, "src/new.py", 9)
    p.human("src/base.py", "print('all new')\n" * 50)
    commit(p, "fix: something large", 55)
    assert [row["detail"]["corrective"] for row in aged(p, sha, "reworked")] == [None]
    cut(p, "src/new.py", 8)
    p.human("tests/test_it.py", "def test_it(): pass\n" * 90)
    commit(p, "fix: tested", 50)
    assert [row["detail"]["corrective"] for row in aged(p, sha, "reworked")] == [None, True]


def test_what_a_person_made_of_a_line_is_measured_and_kept(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    p.human("src/new.py", p.read("src/new.py").replace("a_3(x): return x + 3", "a_3(x): return x * 3"))
    commit(p, "times", 55)
    (row,) = aged(p, sha, "edited")
    assert row["value"] == pytest.approx(1 / 100)  # one of ten lines of ten tokens each
    assert row["detail"] == {"delay_s": 5 * 86_400, "lines": 1, "formatter": None}
    (pair,) = Store(p.place.data).rows("pairs")
    assert (pair["output"]["text"], pair["chosen"]["text"]) == ("def a_3(x): return x + 3", "def a_3(x): return x * 3")
    assert (pair["origin"], pair["change_id"]) == ("human-improved", row["change_id"])
    runs = {run["run_id"] for run in Store(p.place.data).rows("runs")}
    assert pair["run_id"] in runs


def test_what_an_agent_makes_of_it_is_rework_and_no_edit(p: Play) -> None:
    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    p.show()
    p.prompt("times")
    p.write("src/new.py", p.read("src/new.py").replace("x + 3", "x * 3"))
    commit(p, "times", 55)
    assert aged(p, sha, "edited") == []
    assert [row["detail"]["by"] for row in aged(p, sha, "reworked")] == ["ai"]


def test_the_repositorys_own_formatter_decides_what_is_layout(p: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from pathlib import Path

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{__import__('os').environ['PATH']}")
    p.prompt("write")
    p.write("src/f.py", "x = {\n    'a': 1,\n    'b': 0xFFFF,\n}\nif (x):\n    y = 'it\\'s'\n")
    p.write("src/g.py", "def g(a):\n    return a\n")
    sha = commit(p, "add", 60)
    p.human("pyproject.toml", "[tool.ruff]\nline-length = 100\n")
    commit(p, "set up ruff", 59)
    p.human("src/f.py", "x = {\n    'a': 1,\n    'b': 0xffff,\n}\nif x:\n    y = \"it's\"\n")  # what ruff format makes the same
    commit(p, "style", 50)
    assert aged(p, sha, "edited", "reworked") == []
    p.human("src/g.py", "def g(a):\n    return (a + 1)\n")
    commit(p, "plus", 40)
    (row,) = aged(p, sha, "edited")
    assert row["detail"]["formatter"] == "ruff"
    assert row["value"] == pytest.approx(2 / 34, abs=0.03)  # "+ 1": the brackets are ruff's to take away


def test_a_formatter_before_the_commit_is_no_edit(p: Play) -> None:
    p.prompt("write")
    p.write("src/f.py", "def f(a, b):\n    return g(a, 'x', [1, 2, 3])\n")
    p.human("src/f.py", 'def f(a, b):\n    return g(\n        a,\n        "x",\n        [1, 2, 3],\n    )\n')
    sha = commit(p, "add", 60)
    assert "edited" not in kinds(p, sha)


def test_what_a_person_who_opted_out_does_is_not_kept(p: Play) -> None:
    import json

    from git_hone.hooks.consent import hash_of

    p.turn("src/new.py", "a")
    sha = commit(p, "add a", 60)
    p.show()
    p.human(".agent/learning-config.json", json.dumps({"privacy": {"optOut": [hash_of("other@example.com")]}}))
    cut(p, "src/new.py", 6)
    commit(p, "cut", 50, "--author", "Other <other@example.com>")
    assert aged(p, sha, "reworked", "edited") == []
    assert shares(p, sha)[14] == (6, 10)
