"""Tables fit the terminal and never let a record act on it."""

from __future__ import annotations

from git_hone.cli import table


def test_numbers_are_flush_right_and_nothing_trails() -> None:
    out = table.render(["agent", "n"], [["codex", "1"], ["a", "1,000"]], right=["n"])
    assert out.splitlines() == ["agent      n", "codex      1", "a      1,000"]


def test_the_widest_column_is_cut_to_the_terminal() -> None:
    out = table.render(["agent", "n"], [["x" * 200, "1"]], right=["n"], width=40)
    assert [table.columns(line) for line in out.splitlines()][1] == 40
    assert "…" in out


def test_a_pipe_gets_everything() -> None:
    assert "x" * 200 in table.render(["agent"], [["x" * 200]])


def test_control_characters_are_shown_not_obeyed() -> None:
    assert table.render(["a"], [["\x1b[31mred\n\udcff"]]).splitlines()[1] == "?[31mred??"


def test_wide_letters_count_twice() -> None:
    lines = table.render(["a", "n"], [["日本", "1"], ["abcd", "2"]]).splitlines()
    assert lines[1:] == ["日本  1", "abcd  2"]
