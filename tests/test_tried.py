"""The table of what was tried names tests that there are, and counts what a run says."""

from __future__ import annotations

import importlib.util
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

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
    assert tried.command(row) == "HONE_REBASE=500 pytest tests/hooks/test_disk.py -k rebase"
