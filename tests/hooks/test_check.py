"""A tool under `check`: nothing of it changes, and what it measured is filed under the right tree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.hooks import inbox
from git_hone.hooks.check import KINDS, STOPPED, file_signal, verdict
from git_hone.hooks.parsers import Counts
from git_hone.hooks.place import find
from git_hone.hooks.reports.tools import config_of, tool_of, version_of
from git_hone.hooks.reports.trees import measured_tree
from git_hone.learner.errors import UsageError
from git_hone.learner.tables import SIGNALS

START = """
import sys
from git_hone.hooks import inbox, worker
worker.start = lambda place: None
from git_hone.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The command line, with no worker that would take the inbox file away before the test has read it."""


class Repo(Protocol):
    path: Path

    def git(self, *args: str, **env: str) -> str: ...
    def write(self, path: str, text: str) -> Path: ...
    def commit(self, message: str, *args: str) -> str: ...


class Done(NamedTuple):
    code: int
    out: bytes
    err: bytes
    rows: list[dict[str, Any]]

    @property
    def row(self) -> dict[str, Any]:
        assert len(self.rows) == 1, (self.rows, self.err)
        return self.rows[0]

    @property
    def details(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.row["details"] or "{}")
        return found


def hone(where: Path, *args: str, stdin: bytes = b"", joined: bool = False, **env: str) -> Done:
    """`git-hone ARGS` in `where`, and the signals that it left."""
    ours = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **env}
    done = subprocess.run(
        [sys.executable, "-c", START, *args], cwd=where, input=stdin, env=ours, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if joined else subprocess.PIPE,
    )  # fmt: skip
    try:
        place = find(where)
        files = sorted(place.inbox.glob("*.ev"))
    except UsageError:
        files = []
    rows = [json.loads(file.read_bytes().removesuffix(inbox.END))["row"] for file in files]
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
    return Done(done.returncode, done.stdout, done.stderr or b"", rows)


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


# --- what goes through


@pytest.mark.parametrize("code", [0, 1, 2, 3, 77, 130, 255])
def test_exit_code_is_handed_on(ready: Repo, code: int) -> None:
    done = hone(ready.path, "check", "lint", "--", *python(f"raise SystemExit({code})"))
    assert (done.code, done.row["exit_code"], done.row["passed"]) == (code, code, None if code in STOPPED else code == 0)


def test_output_is_handed_on_byte_for_byte(ready: Repo) -> None:
    code = r"import os; os.write(1, b'\xff\x00\x1b[31mred\r\n no newline'); os.write(2, b'\xfe talk')"
    done = hone(ready.path, "check", "lint", "--", *python(code))
    assert (done.out, done.err) == (b"\xff\x00\x1b[31mred\r\n no newline", b"\xfe talk")


def test_ten_megabytes_are_handed_on(ready: Repo) -> None:
    done = hone(ready.path, "check", "lint", "--", *python("import os\nfor n in range(160): os.write(1, bytes([n]) * 65536)"))
    assert done.out == b"".join(bytes([n]) * 65536 for n in range(160))


def test_order_is_kept_where_both_streams_are_one(ready: Repo) -> None:
    code = "import os\nfor n in range(200): os.write(1 + n % 2, b'%d ' % n)"
    done = hone(ready.path, "check", "lint", "--", *python(code), joined=True)
    assert done.out == b"".join(b"%d " % n for n in range(200))


def test_standard_input_is_the_commands(ready: Repo) -> None:
    done = hone(ready.path, "check", "lint", "--", "cat", stdin=b"a\xff\nb")
    assert done.out == b"a\xff\nb"


def test_output_is_live(ready: Repo) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", START, "check", "lint", "--", *python("print('now', flush=True); input()")],
        cwd=ready.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == b"now\n"
    process.communicate(b"\n")
    assert process.returncode == 0


def test_arguments_are_not_read_by_a_shell_nor_by_us(ready: Repo) -> None:
    words = ("$(x)", "a b", "*", "--", "--json", "-h", "")
    done = hone(ready.path, "check", "lint", "--", *python("import sys; print(sys.argv[1:])"), *words)
    assert done.out.decode() == f"{list(words)}\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_killed_command_is_128_plus_n(ready: Repo, number: signal.Signals) -> None:
    done = hone(
        ready.path,
        "check",
        "test",
        "--",
        *python(f"import os; print('1 passed in 0.1s', flush=True); os.kill(os.getpid(), {number})"),
    )
    blamed = number == signal.SIGSEGV
    assert (done.code, done.row["passed"]) == (128 + number, False if blamed else None)
    assert blamed or done.row["tests_total"] is None


def test_command_that_is_not_there_is_127(ready: Repo) -> None:
    done = hone(ready.path, "check", "lint", "--", "no-such-tool", "x")
    assert (done.code, done.err, done.row["passed"]) == (127, b"git-hone: no-such-tool: command not found\n", None)


def test_default_tool_that_is_not_there_says_how_to_name_another(ready: Repo, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    done = hone(ready.path, "check", "lint", PATH=str(tmp_path / "bin"))
    words = b"git-hone: ruff: command not found; to run a tool of your own: git hone check lint -- COMMAND\n"
    assert (done.code, done.err, done.row["passed"]) == (127, words, None)


def test_command_that_may_not_run_is_126(ready: Repo) -> None:
    done = hone(ready.path, "check", "lint", "--", str(ready.write("tool", "#!/bin/sh\n")))
    assert (done.code, done.row["passed"]) == (126, None)


def test_background_child_does_not_hold_us(ready: Repo) -> None:
    began = time.monotonic()
    done = hone(ready.path, "check", "lint", "--", "sh", "-c", "sleep 20 & echo done")
    assert (done.out, time.monotonic() - began < 15) == (b"done\n", True)


def test_reader_that_goes_away_is_noticed_by_the_command(ready: Repo) -> None:
    quoted = " ".join(f"'{word}'" for word in (sys.executable, "-c", START, "check", "lint", "--", "yes"))
    done = subprocess.run(["sh", "-c", quoted + " | head -1"], cwd=ready.path, capture_output=True, timeout=60)
    assert done.stdout == b"y\n"


def test_termination_is_handed_on(ready: Repo) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", START, "check", "lint", "--", *python("print('up', flush=True); import time; time.sleep(60)")],
        cwd=ready.path, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM


# --- where nothing can be recorded


def test_outside_of_a_repository_the_command_still_runs(tmp_path: Path) -> None:
    done = hone(tmp_path, "check", "lint", "--", "sh", "-c", "echo hi; exit 4")
    assert (done.code, done.out, done.err.count(b"\n")) == (4, b"hi\n", 1)
    assert b"not recorded" in done.err


def test_before_init_the_command_still_runs(repo: Callable[..., Repo]) -> None:
    made = repo()
    done = hone(made.path, "check", "lint", "--", "sh", "-c", "echo hi; exit 4")
    assert (done.code, done.out) == (4, b"hi\n")
    assert done.err == b"git-hone: not recorded: run `git hone init` here first\n"
    assert not (made.path / ".git/hone").exists()


def test_in_a_bare_repository_the_command_still_runs(repo: Callable[..., Repo]) -> None:
    made = repo("bare.git", "--bare")
    (made.path / "hone/inbox").mkdir(parents=True)
    done = hone(made.path, "check", "lint", "--", "echo", "hi")
    assert (done.code, done.out, done.rows, b"bare repository" in done.err) == (0, b"hi\n", [], True)


def test_inbox_that_cannot_be_written_costs_one_line(ready: Repo) -> None:
    (ready.path / ".git/hone/inbox").rmdir()
    (ready.path / ".git/hone/inbox").write_text("in the way")
    done = hone(ready.path, "check", "lint", "--", "sh", "-c", "exit 5")
    assert (done.code, done.err.count(b"\n"), b"not recorded" in done.err) == (5, 1, True)


def test_recursion_guard_records_nothing(ready: Repo) -> None:
    done = hone(ready.path, "check", "lint", "--", "echo", "hi", GIT_HONE_OFF="1")
    assert (done.out, done.err, done.rows) == (b"hi\n", b"", [])


# --- what is measured


def test_row_has_the_columns_of_the_table(ready: Repo) -> None:
    row = hone(ready.path, "check", "lint", "--", "true").row
    assert set(row) == set(SIGNALS.columns)
    assert row["tree"] == ready.git("rev-parse", "HEAD^{tree}")


def test_ruff_is_counted(ready: Repo) -> None:
    ready.write("pkg/b.py", "import os\n")
    ready.write("pyproject.toml", "[tool.ruff]\n")
    ready.commit("two")
    done = hone(ready.path / "pkg", "check", "lint", "--", sys.executable, "-m", "ruff", "check", "--no-cache", ".")
    assert (done.code, done.row["tool"], done.row["errors"], done.row["passed"]) == (1, "ruff", 1, False)
    assert done.details == {"files": {"pkg/b.py": 1}, "rules": {"F401": 1}}
    assert done.row["tool_version"][0].isdigit() and len(done.row["tool_config"]) == 12


def test_paths_of_the_machine_are_not_stored(ready: Repo) -> None:
    ready.write("b.py", "import os\n")
    done = hone(ready.path, "check", "lint", "--", "ruff", "check", "--no-cache", "--output-format=json", ".")
    assert done.details["files"] == {"b.py": 1}


def test_silent_tool_without_findings_has_zero_errors(ready: Repo) -> None:
    row = hone(ready.path, "check", "lint", "--", "ruff", "check", "--quiet", "--no-cache", ".").row
    assert (row["passed"], row["errors"]) == (True, 0)


def test_tool_that_could_not_run_blames_nobody(ready: Repo) -> None:
    row = hone(ready.path, "check", "lint", "--", "ruff", "check", "--no-such-option").row
    assert (row["exit_code"], row["passed"], row["errors"]) == (2, None, None)


def test_secrets_are_not_stored(ready: Repo) -> None:
    row = hone(ready.path, "check", "lint", "--", "true", "TOKEN=" + "ghp_" + "Ab1xY9" * 6).row
    assert "Ab1xY9" not in row["command"]


TESTS = """
import pytest
def test_ok(): print("hello")
def test_bad(): assert 0
@pytest.mark.skip
def test_skip(): pass
@pytest.mark.xfail
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.parametrize("v", [1, "a b"])
def test_param(v): pass
@pytest.fixture
def boom():
    yield
    raise ValueError
def test_teardown(boom): pass
class TestC:
    def test_setup(self, nofix): pass
"""


def pytest_here(*options: str) -> tuple[str, ...]:
    return "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *options


def test_pytest_is_recorded_test_by_test(ready: Repo) -> None:
    ready.write("test_x.py", TESTS)
    done = hone(ready.path, "check", "test", "--", *pytest_here("-q", "--tb=no"))
    row = done.row
    assert (done.code, row["tool"], row["passed"]) == (1, "pytest", False)
    assert [row[f"tests_{name}"] for name in ("passed", "failed", "skipped", "total")] == [4, 3, 2, 9]
    assert done.details == {
        "failed": ["test_x.py::TestC::test_setup", "test_x.py::test_bad", "test_x.py::test_teardown"],
        "passed": ["test_x.py::test_ok", "test_x.py::test_param[1]", "test_x.py::test_param[a b]", "test_x.py::test_xpass"],
    }


def same(out: bytes) -> bytes:
    import re

    return re.sub(rb"in \d+\.\d+s", b"in Ns", out).replace(b"=", b"")


@pytest.mark.parametrize("options", [("-q", "--tb=no"), ("-v", "--tb=no"), ("--tb=no",)], ids=" ".join)
def test_output_of_pytest_is_the_same_with_us(ready: Repo, options: tuple[str, ...]) -> None:
    ready.write("test_x.py", TESTS)
    command = (sys.executable, "-m", *pytest_here(*options))
    plain = subprocess.run(command, cwd=ready.path, capture_output=True)
    done = hone(ready.path, "check", "test", "--", *command)
    assert same(done.out) == same(plain.stdout)
    assert (done.err, done.code) == (plain.stderr, plain.returncode)


def test_pytest_below_other_programs_is_recorded(ready: Repo) -> None:
    ready.write("test_x.py", "def test_a(): pass\n")
    ready.write("test_y.py", "def test_b(): pass\n")
    done = hone(ready.path, "check", "test", "--", "sh", "-c", "pytest -q test_x.py >/dev/null; pytest -q test_y.py >/dev/null")
    assert (done.row["tool"], done.details) == ("pytest", {"passed": ["test_x.py::test_a", "test_y.py::test_b"]})


def test_tests_see_nothing_of_us(ready: Repo) -> None:
    ready.write("test_x.py", "import os, sys\ndef test_a():\n"
                "    assert 'PYTHONPATH' not in os.environ\n    assert 'GIT_HONE_REPORT' not in os.environ\n"
                "    assert not [p for p in sys.path if 'hone-check' in p]\n")  # fmt: skip
    assert hone(ready.path, "check", "test", "--", *pytest_here("-q")).row["passed"] is True


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-I", "-m", "pytest", "-q", "test_x.py"),
        (sys.executable, "-E", "-m", "pytest", "-q", "test_x.py"),
        ("env", "-u", "PYTHONPATH", "pytest", "-q"),
        ("env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", "pytest", "-q"),
        ("env", "GIT_HONE_REPORT=/nonexistent/file", "pytest", "-q"),
    ],
    ids=["-I", "-E", "no PYTHONPATH", "no plugins", "no file"],
)
def test_pytest_that_cannot_load_us_still_runs_and_is_counted(ready: Repo, command: tuple[str, ...]) -> None:
    ready.write("test_x.py", "def test_a(): pass\n")
    row = hone(ready.path, "check", "test", "--", *command).row
    assert (row["exit_code"], row["passed"], row["tests_total"]) == (0, True, 1)


@pytest.mark.parametrize(
    ("source", "code", "passed", "total"),
    [
        ("", 5, False, 0),
        ("import nope\n", 2, False, 1),
        ("import pytest\npytest.skip('x', allow_module_level=True)\n", 5, False, 1),
        ("import pytest\n@pytest.mark.skip\ndef test_a(): pass\n", 0, False, 1),
        ("import os\ndef test_a(): pass\ndef test_b(): os._exit(3)\n", 3, None, 1),
    ],
    ids=["no tests", "collection error", "module skipped", "all skipped", "hard exit"],
)
def test_what_is_no_pass(ready: Repo, source: str, code: int, passed: bool | None, total: int) -> None:
    ready.write("test_x.py", source)
    row = hone(ready.path, "check", "test", "--", *pytest_here("-q")).row
    assert (row["exit_code"], row["passed"], row["tests_total"]) == (code, passed, total)


def test_collecting_is_no_pass(ready: Repo) -> None:
    ready.write("test_x.py", "def test_a(): pass\n")
    row = hone(ready.path, "check", "test", "--", *pytest_here("-q", "--collect-only")).row
    assert (row["exit_code"], row["passed"], row["tests_total"]) == (0, False, 0)


def test_masked_failure_is_no_pass(ready: Repo) -> None:
    ready.write("test_x.py", "def test_a(): assert 0\n")
    row = hone(ready.path, "check", "test", "--", "sh", "-c", "pytest -q || true").row
    assert (row["exit_code"], row["passed"], row["tests_failed"]) == (0, False, 1)


def test_unittest_is_counted_from_its_talk(ready: Repo) -> None:
    ready.write(
        "test_u.py",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.fail()\n    def test_b(self): pass\n",
    )
    done = hone(ready.path, "check", "test", "--", sys.executable, "-m", "unittest")
    assert (done.row["tool"], done.row["tests_passed"], done.details) == ("unittest", 1, {"failed": ["test_u.T::test_a"]})


REPORT = "<testsuite><testcase name='a' classname='c'/><testcase name='b'><failure/></testcase></testsuite>"


def test_report_that_the_command_writes_is_read(ready: Repo) -> None:
    write = python(f"open('r.xml', 'w').write({REPORT!r}); raise SystemExit(1)")
    row = hone(ready.path, "check", "test", "--junit", "r.xml", "--", *write).row
    assert (row["tests_passed"], row["tests_failed"], row["passed"]) == (1, 1, False)


def test_report_of_an_earlier_run_is_not_read(ready: Repo) -> None:
    ready.write("r.xml", REPORT)
    done = hone(ready.path, "check", "test", "--junit", "r.xml", "--", "true")
    assert (done.row["tests_total"], done.row["passed"]) == (None, True)
    assert done.err == b"git-hone: r.xml: left from an earlier run, so not read\n"


def test_damaged_report_leaves_the_exit_code(ready: Repo) -> None:
    done = hone(ready.path, "check", "test", "--report", "r.xml", "--", *python("open('r.xml', 'w').write('<testsuite>')"))
    assert (done.code, done.row["passed"], done.row["tests_total"]) == (0, True, None)
    assert b"r.xml: JUnit XML: line 1" in done.err


def test_coverage_and_tests_make_one_signal(ready: Repo) -> None:
    ready.write("test_x.py", "import a\ndef test_a(): pass\n")
    done = hone(ready.path, "check", "coverage", "--", *pytest_here("-q", "--cov=a"), COVERAGE_FILE="/dev/null/x")
    assert done.row["kind"] == "coverage"
    done = hone(
        ready.path, "check", "coverage", "--coverage", "c.json", "--", *pytest_here("-q", "--cov=a", "--cov-report=json:c.json")
    )
    assert (done.row["coverage_pct"], done.row["tests_passed"], done.row["passed"]) == (100.0, 1, True)


# --- which tree


def test_clean_work_tree_is_heads(ready: Repo) -> None:
    assert measured_tree(find(ready.path), {}) == ready.git("rev-parse", "HEAD^{tree}")


def test_unstaged_changes_make_a_snapshot_and_touch_nothing(ready: Repo) -> None:
    ready.write("a.py", "x = 2\n")
    ready.write("new.py", "y = 1\n")
    ready.write(".gitignore", "*.log\n")
    ready.write("x.log", "ignored\n")
    index, objects = (ready.path / ".git/index").read_bytes(), ready.git("count-objects")
    tree = measured_tree(find(ready.path), {})
    assert ((ready.path / ".git/index").read_bytes(), ready.git("count-objects")) == (index, objects)
    ready.commit("all of it")
    assert tree == ready.git("rev-parse", "HEAD^{tree}")


def test_a_new_file_is_measured_and_never_charged_to_the_commit_before(ready: Repo) -> None:
    ready.write("new.py", "y = 1\n")
    tree = measured_tree(find(ready.path), {})
    assert tree != ready.git("rev-parse", "HEAD^{tree}")
    ready.commit("new")
    assert tree == ready.git("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("name", ["notes.txt", "TODO.md", "run.log", ".claude/settings.json", ".agent/learning-config.json"])
def test_files_that_no_tool_reads_do_not_count(ready: Repo, name: str) -> None:
    ready.write(name, "1\n")
    assert measured_tree(find(ready.path), {}) == ready.git("rev-parse", "HEAD^{tree}")


def test_staged_changes_are_the_indexs_tree(ready: Repo) -> None:
    ready.write("a.py", "x = 3\n")
    ready.git("add", "a.py")
    before = (ready.path / ".git/index").read_bytes()
    tree = measured_tree(find(ready.path), {})
    assert (ready.path / ".git/index").read_bytes() == before
    assert tree == ready.git("write-tree")


def test_repository_without_a_commit_and_odd_names(repo: Callable[..., Repo]) -> None:
    made = repo('odd: "name"')
    made.write("a\nb.txt", "1")
    made.git("add", "-A")
    (made.path / "a\nb.txt").write_text("2")
    tree = measured_tree(find(made.path), {})
    made.commit("all")
    assert tree == made.git("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("commit", [("-qm", "two"), ("-qam", "two"), ("-qm", "two", "a.py")], ids=" ".join)
def test_in_a_hook_the_tree_is_that_of_the_commit(ready: Repo, commit: tuple[str, ...]) -> None:
    ready.write("b.py", "staged = 1\n")
    ready.git("add", "b.py")
    ready.write("a.py", "x = 4\n")
    hook = ready.write(".git/hooks/pre-commit", f"#!/bin/sh\nexec {sys.executable} - check lint -- true <<'E'\n{START}\nE\n")
    hook.chmod(0o755)
    ready.git("commit", *commit)
    rows = [
        json.loads(file.read_bytes().removesuffix(inbox.END))["row"] for file in (ready.path / ".git/hone/inbox").glob("*.ev")
    ]
    assert [row["tree"] for row in rows] == [ready.git("rev-parse", "HEAD^{tree}")]


def test_index_of_another_repository_is_ignored(ready: Repo, repo: Callable[..., Repo]) -> None:
    other = repo("other")
    other.write("z", "z")
    other.commit("z")
    own = ready.git("rev-parse", "HEAD^{tree}")
    assert measured_tree(find(ready.path), {"GIT_INDEX_FILE": str(other.path / ".git/index")}) == own
    assert measured_tree(find(ready.path), {"GIT_INDEX_FILE": ".git/index", "GIT_DIR": str(other.path / ".git")}) == own


def test_linked_worktree_has_its_own_tree(ready: Repo, tmp_path: Path) -> None:
    ready.git("worktree", "add", "-q", str(tmp_path / "linked"))
    (tmp_path / "linked/a.py").write_text("x = 9\n")
    place = find(tmp_path / "linked")
    tree = measured_tree(place, {})
    assert tree != ready.git("rev-parse", "HEAD^{tree}")
    assert hone(tmp_path / "linked", "check", "lint", "--", "true").row["tree"] == tree


# --- without a command


def test_compile_counts_the_files_that_do_not(ready: Repo) -> None:
    assert hone(ready.path, "check", "compile").row["passed"] is True
    ready.write("b.py", "def f(:\n")
    ready.write("with space.py", "1 +\n")
    ready.write("untracked.py", "1 +\n")
    ready.git("add", "b.py", "with space.py")
    done = hone(ready.path, "check", "compile")
    assert (done.code, done.row["errors"], done.row["tool"]) == (1, 2, "compileall")
    assert done.details["files"] == {"b.py": 1, "with space.py": 1}
    assert done.row["command"] == "python -m compileall -q"
    assert not list(ready.path.rglob("__pycache__"))


def test_compile_of_nothing_is_no_signal(repo: Callable[..., Repo]) -> None:
    made = repo()
    (made.path / ".git/hone/inbox").mkdir(parents=True)
    done = hone(made.path, "check", "compile")
    assert (done.code, done.rows) == (0, [])


FILES = {
    "ok.json": ('{"a": 1}', None),
    "bad.json": ('{"a": 1,}', "not JSON"),
    "nan.json": ("[NaN]", "not JSON: NaN"),
    "tsconfig.json": ("// comment\n{}", None),
    "d.json": ('{"n": "x"}', "$.n: 'x' is not of type 'integer'"),
    "d.schema.json": ('{"properties": {"n": {"type": "integer"}, "m": {"$ref": "part.json"}}}', None),
    "part.json": ('{"type": "string"}', None),
    "sub/e.json": ('{"$schema": "../d.schema.json", "m": 3}', "$.m: 3 is not of type 'string'"),
    "far.json": ('{"$schema": "https://example.com/x.json", "n": "x"}', None),
    "out.json": ('{"$schema": "../../../etc/passwd"}', None),
    "w.json": ("{}", "refers to https://example.com/no.json"),
    "w.schema.json": ('{"$ref": "https://example.com/no.json"}', None),
    "v.json": ("{}", "is no JSON Schema"),
    "v.schema.json": ('{"type": 3}', None),
    "ok.yaml": ("a: !custom [1]\n---\nb: 2\n", None),
    "bad.yml": ("a: [1\n", "not YAML: line 2 column 1"),
    "bomb.yaml": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", None),
    "chart/templates/x.yaml": ("{{ if }}\n  - {{ x }}: [", None),
}


def test_schema_names_each_file_and_fault(ready: Repo) -> None:
    for path, (text, _) in FILES.items():
        ready.write(path, text)
    ready.write("untracked.json", "{")
    ready.git("add", *FILES)
    done = hone(ready.path, "check", "schema")
    found = dict(line.split(": ", 1) for line in done.out.decode().splitlines())
    expected = {path: words for path, (_, words) in FILES.items() if words}
    assert found.keys() == expected.keys()
    assert {path for path, words in expected.items() if words not in found[path]} == set()
    assert (done.code, done.row["errors"], done.row["tool"], done.row["passed"]) == (1, len(expected), "git-hone", False)


def test_schema_checks_our_own_configuration(ready: Repo) -> None:
    ready.write(".agent/learning-config.json", '{"autoExport": {"minRuns": "many"}}')
    ready.git("add", "-A")
    done = hone(ready.path, "check", "schema")
    assert done.code == 1 and done.out.startswith(b".agent/learning-config.json: ") and b"minRuns" in done.out


def test_boundary_counts_broken_contracts(ready: Repo) -> None:
    ready.write("pkg/__init__.py", "")
    ready.write("pkg/low.py", "from pkg import high\n")
    ready.write("pkg/high.py", "")
    ready.write(".importlinter", "[importlinter]\nroot_package = pkg\n[importlinter:contract:1]\nname = Low knows no high\n"
                "type = forbidden\nsource_modules = pkg.low\nforbidden_modules = pkg.high\n")  # fmt: skip
    done = hone(ready.path, "check", "boundary")
    assert (done.code, done.row["tool"], done.row["errors"], done.row["passed"]) == (1, "import-linter", 1, False)
    assert done.details["rules"] == {"Low knows no high": 1}


# --- tools


@pytest.mark.parametrize(
    ("command", "name", "call"),
    [
        (["ruff", "check"], "ruff", ("ruff",)),
        (["/x/bin/mypy", "."], "mypy", ("/x/bin/mypy",)),
        (["python3.12", "-X", "dev", "-m", "pytest"], "pytest", ("python3.12", "-X", "dev", "-m", "pytest")),
        (["python", "manage.py", "test"], "manage.py", None),
        (["python", "-m", "coverage", "run", "-m", "pytest"], "pytest", None),
        (["uv", "run", "--with", "x", "mypy", "."], "mypy", ("uv", "run", "--with", "x", "mypy")),
        (["env", "A=1", "python", "-m", "mypy"], "mypy", ("env", "A=1", "python", "-m", "mypy")),
        (["npx", "--yes", "eslint", "."], "eslint", ("npx", "--yes", "eslint")),
        (["sh", "-c", "cd x && ruff check ."], "ruff", None),
        (["sh", "-c", "echo '"], "sh", None),
        (["lint-imports"], "import-linter", ("lint-imports",)),
        (["./run-tests.sh"], "run-tests.sh", None),
        (["make", "pytest"], "make", None),
        (["python"], "python", None),
    ],
)
def test_tool_is_recognised(command: list[str], name: str, call: tuple[str, ...] | None) -> None:
    assert tuple(tool_of(command)) == (name, call)


def test_version_is_asked_once(tmp_path: Path) -> None:
    tool = tmp_path / "ruff"
    tool.write_text(f"#!/bin/sh\necho x >>{tmp_path}/calls\necho ruff 1.2.3\n")
    tool.chmod(0o755)
    for _ in range(3):
        assert version_of(tool_of(["ruff"]), {"PATH": f"{tmp_path}:/usr/bin:/bin"}, tmp_path / "v.json") == "1.2.3"
    assert (tmp_path / "calls").read_text() == "x\n"
    (tmp_path / "v.json").write_text("torn {")
    assert version_of(tool_of(["ruff"]), {"PATH": f"{tmp_path}:/usr/bin:/bin"}, tmp_path / "v.json") == "1.2.3"


def test_configuration_hash_follows_the_files(tmp_path: Path) -> None:
    assert config_of("ruff", tmp_path) is None
    (tmp_path / "ruff.toml").write_text("line-length = 100\n")
    one = config_of("ruff", tmp_path)
    (tmp_path / "ruff.toml").write_text("line-length = 101\n")
    assert one is not None and one != config_of("ruff", tmp_path)


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 255), st.builds(Counts))
def test_no_failing_exit_code_is_a_pass(kind: str, code: int, counts: Counts) -> None:
    assert verdict(kind, "ruff", code, counts) is not True


def test_inbox_file_is_one_line_and_an_end(ready: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from git_hone.hooks import worker

    monkeypatch.setattr(worker, "start", lambda place: None)
    left = file_signal(find(ready.path), {"kind": "lint", "tool": "ünï"})
    line, end, rest = left.read_bytes().split(b"\n")
    assert json.loads(line) | {"at": 0} == {"v": 1, "type": "signal", "at": 0, "row": {"kind": "lint", "tool": "ünï"}}
    assert (end, rest, left.suffix, left.stat().st_mode & 0o777) == (b"%end", b"", ".ev", 0o600)


def test_check_loads_nothing_heavy(ready: Repo) -> None:
    code = "import sys; from git_hone.hooks import worker; worker.start = lambda place: None\n" \
           "from git_hone.cli import main; main(['check', 'lint', '--', 'true'])\n" \
           "print(sorted(set(sys.modules) & {'pyarrow', 'duckdb', 'jsonschema', 'yaml', 'referencing', 'numpy'}))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=ready.path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
