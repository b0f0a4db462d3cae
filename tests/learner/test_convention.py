"""The convention score: what is a habit, and what is not."""

from __future__ import annotations

from git_hone.learner import convention

HOUSE = 'def read_it(name: str) -> str:\n    """Read."""\n    return f"{name}!"\n'


def test_only_what_is_done_nearly_always_is_a_habit() -> None:
    mixed = [HOUSE] * 12 + [HOUSE.replace(": str", "").replace(" -> str", "")] * 12
    names = {habit.name for habit in convention.learn(mixed)}
    assert "function: docstring" in names
    assert "function: annotated" not in names
    assert convention.learn([HOUSE] * 3) == []  # three functions are no evidence


def test_a_habit_of_leaving_out_is_one_too() -> None:
    (habit,) = [one for one in convention.learn(["def f(a):\n    return a\n"] * 30) if one.name == "function: annotated"]
    assert (habit.way, habit.share, habit.n) == (False, 1.0, 30)
    assert convention.score("def g(a: int) -> int: ...", [habit]) == 0.0


def test_each_habit_weighs_the_same() -> None:
    habits = [one for one in convention.learn([HOUSE] * 30) if one.name in ("function: docstring", "text: double quotes")]
    text = "def f():\n    '''Say.'''\n" + "    a = 'x'\n" * 9
    assert convention.score(text, habits) == 0.5


def test_only_the_narrowest_width_counts() -> None:
    habits = [one.name for one in convention.learn(["x = 1\n" * 3 + f"y = '{'a' * 84}'\n"] * 30) if one.name.startswith("line")]
    assert habits == ["line: at most 99"]


def test_what_is_no_python_says_nothing() -> None:
    assert convention.learn(["def (", "\0", "1 +"] * 30) == []
    assert convention.score("def (", convention.learn([HOUSE] * 30)) is None
