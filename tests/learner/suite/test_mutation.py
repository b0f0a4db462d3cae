"""Faults: one place changes, the rest stays as it was, and the result is Python."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.learner.suite.mutation import OPERATORS, faults

SOURCE = '''"""A module."""
LIMIT = 10


@cached(1)
def total(rows, start=0, strict=False):  # é
    """Sum of 3 rows."""
    if not rows or rows[0] is None:
        return None
    for row in rows:
        start += row * 2
        log(f"{start + 1} of {len(rows)}")
        pair(start, row)
    while strict:
        strict = False
    return start if strict else start - 1
'''


def every(source: str) -> list[tuple[str, str, str]]:
    return [(one.operator, one.before, one.after) for one in faults(source, range(10_000))]


def test_each_operator_makes_its_fault() -> None:
    made = every(SOURCE)
    assert {operator for operator, _, _ in made} == set(OPERATORS)
    for expected in [("comparison", "rows[0] is None", "rows[0] is not None"), ("arithmetic", "row * 2", "row // 2"),
                     ("connective", "not rows or rows[0] is None", "(not rows and rows[0] is None)"), ("negation", "not rows", "rows"),
                     ("negation", "strict", "not strict"), ("constant", "False", "True"), ("dropped", "start += row * 2", "pass"),
                     ("arguments", "pair(start, row)", "pair(row, start)"),
                     ("returned", "return start if strict else start - 1", "return None")]:  # fmt: skip
        assert expected in made


def test_docstrings_decorators_f_strings_and_what_is_outside_functions_stay() -> None:
    assert not any(
        "10" in before or "Sum" in before or before == "start + 1" or "cached" in before for _, before, _ in every(SOURCE)
    )


def test_one_place_changes_and_the_rest_stays() -> None:
    for fault in faults(SOURCE, range(10_000)):
        ast.parse(fault.source)
        assert fault.where == "total"
        places = [match.start() for match in re.finditer(re.escape(fault.before), SOURCE)]
        assert fault.source in [SOURCE[:at] + fault.after + SOURCE[at + len(fault.before) :] for at in places]


def test_only_the_lines_asked_for() -> None:
    assert {fault.line for fault in faults(SOURCE, {8, 11})} == {8, 11}


@pytest.mark.parametrize("source", ["def f(:\n", "\0", "x = 1\n", ""])
def test_what_does_not_parse_or_has_no_function_gives_none(source: str) -> None:
    assert every(source) == []


def test_line_ends_and_form_feeds_do_not_shift_the_place() -> None:
    source = "x = 1\r\n\x0cdef f(a):\r\n    s = 'é\u2028'\r\n    return a < 2\r\n"
    assert [one.source for one in faults(source, {4}) if one.operator == "comparison"] == [source.replace("a < 2", "a <= 2")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a < b", "a and not b", "f(a, b)", "a + 1", "g(x, y=h(a, True))", "[i for i in a if i]"]), min_size=1
    )
)
def test_whatever_is_made_parses_and_differs(expressions: list[str]) -> None:
    source = "def f(a, b):\n" + "".join(f"    if {one}:\n        return {one}\n" for one in expressions)
    for fault in faults(source, range(1000)):
        assert ast.dump(ast.parse(fault.source)) != ast.dump(ast.parse(source))
