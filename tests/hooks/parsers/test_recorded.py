"""True reports of true tools (recorded once), and what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from git_hone.hooks.parsers import Counts, sniff

RECORDED = Path(__file__).parent / "recorded"
FILES = "/home/dev/project/"


def counts(data: bytes, kind: str) -> tuple[str, Counts]:
    parse = sniff(data, kind)
    assert parse is not None
    return parse.__module__.rpartition(".")[2], parse(data)


@pytest.mark.parametrize(
    ("name", "kind", "form", "expected"),
    [
        ("eslint.json", "lint", "eslint_json", {"errors": 2, "warnings": 1, "passed": False}),
        ("eslint.txt", "lint", "eslint_text", {"errors": 2, "warnings": 1, "passed": False}),
        ("pyright.json", "type", "pyright_json", {"errors": 2, "warnings": 0, "tool_version": "1.1.414"}),
        ("pyright.txt", "type", "pyright_text", {"errors": 2, "warnings": 0}),
        ("tsc.txt", "type", "tsc_text", {"errors": 2, "passed": False}),
        ("tsc-pretty.txt", "compile", "tsc_text", {"errors": 2, "passed": False}),
        ("node.tap", "test", "tap", {"tests_passed": 2, "tests_failed": 1, "tests_skipped": 2, "tests_total": 5}),
        ("pytest-junit.xml", "test", "junit", {"tests_passed": 5, "tests_failed": 5, "tests_skipped": 2, "passed": False}),
        ("unittest.txt", "test", "unittest_text", {"tests_passed": 0, "tests_failed": 4, "tests_skipped": 2, "tests_total": 6}),
        ("coverage.json", "coverage", "coverage_json", {"coverage_pct": 80.0, "passed": None}),
        ("cobertura.xml", "coverage", "cobertura", {"coverage_pct": 80.0, "passed": None}),
        ("lcov.info", "coverage", "lcov", {"coverage_pct": 80.0, "passed": None}),
        ("coverage.txt", "coverage", "coverage_text", {"coverage_pct": 80.0}),
    ],
)
def test_report_says(name: str, kind: str, form: str, expected: dict[str, object]) -> None:
    found, got = counts((RECORDED / name).read_bytes(), kind)
    assert found == form
    assert {key: getattr(got, key) for key in expected} == expected


@pytest.mark.parametrize("name", ["eslint.json", "eslint.txt"])
def test_eslint_is_counted_alike_in_both_forms(name: str) -> None:
    details = counts((RECORDED / name).read_bytes(), "lint")[1].details
    assert details is not None
    assert details["files"] == {FILES + "src/a.js": 2, FILES + "src/b.js": 1}
    assert details["rules"]["no-console"] == 1


@pytest.mark.parametrize("name", ["tsc.txt", "tsc-pretty.txt"])
def test_tsc_is_counted_alike_in_both_forms(name: str) -> None:
    got = counts((RECORDED / name).read_bytes(), "type")[1]
    assert got.details == {"rules": {"TS2304": 1, "TS2322": 1}, "files": {"a.ts": 2}}


@pytest.mark.parametrize("name", ["pyright.json", "pyright.txt"])
def test_pyright_is_counted_alike_in_both_forms(name: str) -> None:
    got = counts((RECORDED / name).read_bytes(), "type")[1]
    assert got.details == {"rules": {"reportAssignmentType": 1, "reportMissingImports": 1}, "files": {FILES + "p.py": 2}}


def test_no_source_and_no_host_name_are_kept() -> None:
    eslint = json.dumps(vars(counts((RECORDED / "eslint.json").read_bytes(), "lint")[1]))
    junit = json.dumps(vars(counts((RECORDED / "pytest-junit.xml").read_bytes(), "test")[1]))
    assert "secret" not in eslint and "console.log" not in eslint
    assert "builder-7" not in junit and "ValueError" not in junit


@pytest.mark.parametrize(
    "options", [[], ["--output-format", "concise"], ["--output-format", "json"], ["--output-format", "sarif"]], ids=" ".join
)
@pytest.mark.parametrize(("source", "errors"), [("import os\nx = 1\n", 1), ("x = 1\n", 0), ("x = 1 +\n", 1)])
def test_ruff_is_counted_alike_in_all_forms(options: list[str], source: str, errors: int, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(source)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F", *options, "a.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    got = counts(done.stdout, "lint")[1]
    assert (got.errors, got.warnings, got.passed) == (errors, 0, errors == 0)
    if errors:
        assert got.details is not None
        assert got.details["rules"] == {"F401" if "import" in source else "invalid-syntax": 1}
        assert [Path(path).name for path in got.details["files"]] == ["a.py"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--output", "json"]], ids=" ".join)
def test_mypy_is_counted_alike_in_all_forms(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('x: int = "a"\nreveal_type(x)\n')
    command = [sys.executable, "-m", "mypy", "--cache-dir=/dev/null", *options, "a.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    got = counts(done.stdout, "type")[1]
    assert (got.errors, got.details) == (1, {"rules": {"assignment": 1}, "files": {"a.py": 1}})
