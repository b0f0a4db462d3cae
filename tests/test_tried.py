"""The table of what was tried names tests that there are, and counts what a run says."""

from __future__ import annotations

import importlib.util
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def load() -> Any:
    spec = importlib.util.spec_from_file_location("tried", ROOT / "docs" / "tried.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["tried"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_have_names_of_their_own_and_run_tests_that_exist() -> None:
    tried = load()
    names = [row.name for row in tried.ROWS]
    assert len(set(names)) == len(names)
    missing = [file for row in tried.ROWS for file in tried.files_of(row) if not (ROOT / file).is_file()]
    assert missing == []
    assert all(tried.files_of(row) for row in tried.ROWS)


def test_what_is_kept_belongs_to_a_row_and_was_tried() -> None:
    tried = load()
    held = tried.results()
    assert set(held["rows"]) <= {row.name for row in tried.ROWS}
    assert all(numbers["tried"] > 0 for numbers in held["rows"].values())


def test_counts_are_what_the_report_says() -> None:
    report = """<testsuites><testsuite>
      <testcase name="a"/>
      <testcase name="b"><failure message="no"/></testcase>
      <testcase name="c"><skipped/></testcase>
      <testcase name="d"><properties><property name="tried" value="90"/><property name="unknown" value="7"/>
        <property name="wrong" value="2"/></properties><failure message="two"/></testcase>
    </testsuite></testsuites>"""
    cases = ElementTree.fromstring(report).iter("testcase")  # noqa: S314 - our own text
    assert load().counted(cases) == {"tried": 92, "wrong": 3, "unknown": 7, "skipped": 1}


def test_a_command_keeps_its_variables_in_front() -> None:
    tried = load()
    row = next(row for row in tried.ROWS if row.name == "rebase-500")
    assert tried.command(row) == "HONE_REBASE=500 pytest -m '' tests/hooks/test_disk.py -k rebase"


def played(
    first: int, histories: int, judged: int, wrong: tuple[str, ...] = (), steps: tuple[int, ...] = (10, 20)
) -> dict[str, Any]:
    return {"first": first, "histories": histories, "steps": list(steps), "judged": judged, "wrong": list(wrong),
            "unknown": {"unknown ai": 1, "unknown human": 2}}  # fmt: skip


def test_slices_make_a_row_only_when_they_are_what_its_command_plays() -> None:
    tried = load()
    row = tried.Row("", "fuzz-x", "", "HONE_FUZZ=30 HONE_FUZZ_FIRST=100 HONE_FUZZ_STEPS=10,20 tests/hooks/test_fuzz.py -k random")
    slices = [played(120, 10, 7, ("seed 121: ...",)), played(100, 20, 50)]
    assert tried.joined(row, slices) == {"tried": 57, "wrong": 1, "unknown": 6, "skipped": 0}
    for bad in (
        slices[:1],
        slices[1:],
        [*slices, slices[0]],
        [slices[0], played(100, 21, 50)],
        [slices[0], played(100, 20, 50, (), (40,))],
    ):
        with pytest.raises(ValueError, match="fuzz-x"):
            tried.joined(row, bad)
