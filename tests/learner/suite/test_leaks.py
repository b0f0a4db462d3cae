"""Instructions say what, never how."""

from __future__ import annotations

import pytest

from git_hone.learner.suite.leaks import clean, instruction

SAID = {
    "Fix crash (#123)": "Fix crash",
    "Fix crash, closes #9 and #10": "Fix crash",
    "Allow None as a name\n\nReviewed-by: A B <a@b.c>\nSee: https://x.y/z": "Allow None as a name",
    "Revert to the old order\n\nThis reverts commit 1234567890abcdef.": "Revert to the old order",
    "Keep order since 1a2b3c4d5e of the rows": "Keep order since of the rows",
    "Accept two words\n\n```python\nreturn secret\n```\nin any order": "Accept two words\n\nin any order",
    "Read a file\n\n(cherry picked from commit abcdef1234567)": "Read a file",
    "Take owner/repo#12 away from the text": "Take away from the text",
}


@pytest.mark.parametrize("message", SAID)
def test_what_leads_to_the_solution_is_taken_out(message: str) -> None:
    assert clean(message) == SAID[message]


def test_words_that_only_look_like_hashes_stay() -> None:
    assert clean("Handle defaced and 1234567 rows") == "Handle defaced and 1234567 rows"


def test_names_of_test_files_and_code_of_the_solution_go() -> None:
    message = "Sort the rows\n\ncovered by test_rows\nuses  sorted(rows, key=len) now\nand is stable"
    assert (
        clean(message, tests=["tests/test_rows.py"], solution=["    sorted(rows, key=len)"]) == "Sort the rows\n\nand is stable"
    )


@pytest.mark.parametrize("message", ["", "wip", "(#12)", "Add tests", "add more unit tests", "fix #3", "\n\n"])
def test_a_message_that_asks_nothing_is_empty(message: str) -> None:
    assert clean(message) == ""


def test_a_short_line_of_code_does_not_silence_the_message() -> None:
    assert clean("Let return work twice", solution=["return", "x = 1", ""]) == "Let return work twice"


def test_the_instruction_names_the_files_and_has_an_end() -> None:
    made = instruction("x" * 50_000, ["a.py", "b.py"])
    assert made.endswith("Change these files:\n- a.py\n- b.py\n")
    assert len(made) <= 20_000
