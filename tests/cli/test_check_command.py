"""`check` and `signal` as a person calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from git_hone.cli import main
from git_hone.hooks import worker

REPORT = "<testsuite><testcase name='a' classname='c'/><testcase name='b'><failure>why</failure></testcase></testsuite>"


class Repo(Protocol):
    path: Path

    def git(self, *args: str, **env: str) -> str: ...
    def write(self, path: str, text: str) -> Path: ...
    def commit(self, message: str, *args: str) -> str: ...


@pytest.fixture
def ready(ready: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """With the current folder in it and nobody who drains the inbox."""
    monkeypatch.chdir(ready.path)
    monkeypatch.setattr(worker, "start", lambda place: None)
    return ready


def rows(repo: Repo) -> list[dict[str, Any]]:
    files = sorted((repo.path / ".git/hone/inbox").glob("*.ev"))
    return [json.loads(file.read_text().removesuffix("\n%end\n"))["row"] for file in files]


def test_check_hands_on_output_and_code(ready: Repo, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["check", "lint", "--", "sh", "-c", "echo out; echo talk >&2; exit 7"]) == 7
    assert capfdbinary.readouterr() == (b"out\n", b"talk\n")
    assert [(row["kind"], row["tool"], row["exit_code"]) for row in rows(ready)] == [("lint", "sh", 7)]


@pytest.mark.parametrize("args", [["check"], ["check", "nonsense", "--", "x"], ["check", "lint", "--fix"], ["check", "coverage"]])
def test_wrong_use_of_check_is_2(ready: Repo, args: list[str]) -> None:
    assert main(args) == 2
    assert rows(ready) == []


def test_signal_files_a_report_and_says_so(ready: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    ready.write("r.xml", REPORT)
    assert main(["signal", "--kind", "test", "--junit", "r.xml", "--tool", "ctest"]) == 0
    tree = ready.git("rev-parse", "HEAD^{tree}")
    assert capsys.readouterr().out == f"test ctest on {tree[:12]}: failed, 1 tests passed, 1 tests failed, 0 tests skipped\n"
    (row,) = rows(ready)
    assert (row["tree"], row["passed"], row["exit_code"], row["command"]) == (tree, False, None, None)


def test_signal_prints_json(ready: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    ready.write("lcov.info", "SF:a.py\nDA:1,1\nDA:2,0\nend_of_record\n")
    assert main(["signal", "--kind", "coverage", "--lcov", "lcov.info", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["version"], shown["signal"]) == (1, rows(ready)[0])
    assert shown["signal"]["coverage_pct"] == 50.0


@pytest.mark.parametrize(("code", "passed"), [("0", True), ("1", False), ("137", None)])
def test_signal_takes_an_exit_code_alone(ready: Repo, code: str, passed: bool | None) -> None:
    assert main(["signal", "--kind", "lint", "--tool", "golangci-lint", "--exit-code", code]) == 0
    assert [(row["tool"], row["passed"], row["exit_code"]) for row in rows(ready)] == [("golangci-lint", passed, int(code))]


def test_signal_joins_reports(ready: Repo) -> None:
    ready.write("r.xml", REPORT)
    ready.write("c.json", '{"totals": {"percent_covered": 81.256, "num_statements": 4}, "files": {}}')
    assert main(["signal", "--kind", "test", "--report", "r.xml", "--coverage", "c.json"]) == 0
    assert [(row["tests_total"], row["coverage_pct"]) for row in rows(ready)] == [(2, 81.26)]


def test_signal_goes_to_the_tree_that_is_named(ready: Repo) -> None:
    first = ready.git("rev-parse", "HEAD^{tree}")
    ready.write("b.py", "")
    ready.commit("two")
    for name in ("HEAD~1", first):
        assert main(["signal", "--kind", "lint", "--exit-code", "0", "--tree", name]) == 0
    assert [row["tree"] for row in rows(ready)] == [first, first]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--kind", "test", "--junit", "torn.xml"], "torn.xml: JUnit XML: line 1 column 12"),
        (["--kind", "test", "--report", "torn.txt"], "torn.txt: line 1 (byte 0): no format"),
        (["--kind", "test", "--junit", "none.xml"], "none.xml: No such file"),
        (["--kind", "test"], "nothing to record"),
        (["--kind", "test", "--exit-code", "0", "--tree", "--output=x"], "--output=x: no such commit or tree"),
        (["--kind", "test", "--exit-code", "0", "--tree", "nope"], "nope: no such commit or tree"),
    ],
)
def test_signal_names_what_is_wrong(ready: Repo, args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    ready.write("torn.xml", "<testsuite>")
    ready.write("torn.txt", "hello\n")
    assert main(["signal", *args]) == 2
    assert words in capsys.readouterr().err
    assert rows(ready) == []


def test_signal_before_init_names_the_next_step(repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(repo().path)
    assert main(["signal", "--kind", "test", "--exit-code", "0"]) == 2
    assert "git hone init" in capsys.readouterr().err
