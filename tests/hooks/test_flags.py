"""Signs of tampering on their way: from a commit to the record, the reward and a person's word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from git_hone.hooks import flags as flagging
from git_hone.hooks import inbox

TESTED = "from src.base import base_1\n\n\ndef test_one():\n    assert base_1(1) == 2\n\n\ndef test_two():\n    assert base_1(2) == 3\n"


def kinds(view: Any) -> list[tuple[str, str, str]]:
    return [(flag["kind"], flag["path"], flag["by"]) for flag in view["flags"]]


def hone(repo: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("git-hone")), *words]
    return subprocess.run(command, cwd=repo, capture_output=True, text=True, check=True)


def with_tests(p: Any) -> None:
    p.human("tests/test_base.py", TESTED)
    p.commit("tests, by a person")


def test_a_clean_change_is_judged_and_clean(p: Any) -> None:
    with_tests(p)
    p.prompt("one more")
    p.write("tests/test_base.py", TESTED + "\n\ndef test_three():\n    assert base_1(3) == 4\n")
    p.commit("add a test")
    view = p.show()
    assert view["flags"] == []
    assert view["reward"]["veto"] is None


def test_an_agent_that_weakens_a_test_is_vetoed_until_a_person_clears_it(p: Any) -> None:
    with_tests(p)
    p.prompt("make it pass")
    p.write("tests/test_base.py", TESTED.replace("base_1(1) == 2", "base_1(1) is not None"))
    p.commit("fix the test")
    view = p.show()
    assert kinds(view) == [("assertion_weakened", "tests/test_base.py", "agent")]
    assert view["flags"][0]["line"] == 5
    assert (view["reward"]["value"], view["reward"]["veto"]) == (0.0, "tampered")
    assert "flagged" in hone(p.repo, "log").stdout
    assert "assertion_weakened  tests/test_base.py:5" in hone(p.repo, "show").stdout

    hone(p.repo, "feedback", "--clear-flags", "--reason", "any value will do")
    view = json.loads(hone(p.repo, "show", "--json").stdout)
    assert view["flags"][0]["cleared"] is True
    assert view["reward"]["veto"] is None
    assert view["reward"]["value"] is not None
    word = next(o for o in view["outcomes"] if o["kind"] == "cleared")
    assert word["detail"]["note"] == "any value will do"
    assert "flagged" not in hone(p.repo, "log").stdout


def test_a_cleared_flag_does_not_clear_what_is_amended_in_later(p: Any) -> None:
    with_tests(p)
    p.prompt("make it pass")
    weak = TESTED.replace("base_1(1) == 2", "base_1(1) is not None")
    p.write("tests/test_base.py", weak)
    p.commit("fix the test")
    p.show()
    hone(p.repo, "feedback", "--clear-flags")
    p.write("tests/test_base.py", weak.replace("base_1(2) == 3", "base_1(2)"))
    p.commit("fix the tests", "--amend")
    view = p.show()
    assert sorted(flag["cleared"] for flag in view["flags"]) == [False, True]
    assert view["reward"]["veto"] == "tampered"


def test_what_a_person_did_in_the_same_commit_vetoes_nothing(p: Any) -> None:
    with_tests(p)
    p.turn("src/new.py", "one")
    p.human("tests/test_base.py", TESTED.replace("base_1(1) == 2", "base_1(1) is not None"))
    p.commit("an agent's code, a person's test")
    view = p.show()
    assert kinds(view) == [("assertion_weakened", "tests/test_base.py", "human")]
    assert view["reward"]["veto"] is None


def test_tests_that_are_gone_are_laid_to_who_had_a_hand_in_the_file(p: Any) -> None:
    with_tests(p)
    p.turn("src/new.py", "one")
    p.write("tests/test_base.py", TESTED.split("\n\n\ndef test_two")[0] + "\n")
    p.commit("the agent drops one")
    assert kinds(p.show()) == [("test_deleted", "tests/test_base.py", "agent")]
    p.turn("src/new.py", "two")
    p.git("rm", "-q", "tests/test_base.py")
    p.commit("a person drops the other")
    assert kinds(p.show()) == [("test_file_deleted", "tests/test_base.py", "human")]


def test_what_is_too_large_is_not_judged_and_said_so(p: Any) -> None:
    with_tests(p)
    p.human("tests/test_large.py", TESTED + "x = 1\n" * 200_000)
    p.turn("src/new.py", "one")
    p.commit("a large file beside")
    view = p.show()
    assert kinds(view) == [("not_judged", "tests/test_large.py", None)]
    assert view["reward"]["veto"] is None


def test_only_the_first_files_of_a_huge_commit_are_judged(p: Any) -> None:
    p.turn("src/new.py", "one")
    for k in range(flagging.MAX_FILES + 1):
        p.human(f"many/f{k:03}.txt", f"{k}\n")
    p.commit("a great many")
    view = p.show()
    assert [(flag["kind"], flag["detail"]) for flag in view["flags"]] == [("not_judged", "2 of 302 files are not judged")]


def test_a_rebase_keeps_the_flags(p: Any) -> None:
    with_tests(p)
    p.git("checkout", "-q", "-b", "topic")
    p.prompt("make it pass")
    p.write("tests/test_base.py", TESTED.replace("base_1(1) == 2", "base_1(1) is not None"))
    p.commit("fix the test")
    before = p.show()["flags"]
    p.git("checkout", "-q", "-")
    p.human("README", "more\n")
    p.commit("elsewhere")
    p.git("checkout", "-q", "topic")
    p.git("rebase", "-q", "@{-1}")
    assert p.show()["flags"] == before


def test_a_commit_without_an_agent_is_not_judged(p: Any) -> None:
    with_tests(p)
    assert p.show()["flags"] is None


def test_clearing_what_has_no_flag_is_taken_for_what_it_is(p: Any) -> None:
    p.turn("src/new.py", "one")
    sha = p.commit("clean")
    p.show()
    inbox.put(p.place.inbox, {"v": 1, "type": "feedback", "at": 4e9, "rev": sha, "verdict": "cleared", "value": None, "note": ""})
    view = p.show()
    assert view["flags"] == []
    assert [o["detail"] for o in view["outcomes"] if o["kind"] == "cleared"] == [{"flags": []}]
