"""`git hone check`: run a tool as it is, and file what it measured under the tree it measured.

The main path is `check`: look at the tree, run, count, file. The tool's output and exit code are handed on unchanged;
whatever goes wrong with the recording costs one line on stderr and nothing else. Reward and meaning are decided elsewhere.
"""

from __future__ import annotations

import json
import os
import posixpath
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_hone.hooks import git, inbox
from git_hone.hooks.parsers import Counts, Parser, parser, sniff
from git_hone.hooks.place import Place, find
from git_hone.hooks.reports import pytest_report
from git_hone.hooks.reports.passthrough import Ran, run
from git_hone.hooks.reports.tools import Tool, config_of, tool_of, version_of
from git_hone.hooks.reports.trees import measured_tree
from git_hone.learner.errors import DataError, HoneError, UsageError

KINDS: Final = ("lint", "type", "test", "compile", "coverage", "schema", "boundary")
DEFAULTS: Final = {"lint": ("ruff", "check", "."), "type": ("mypy", "."), "test": ("pytest",), "boundary": ("lint-imports",)}
"""What runs where no command is given; compile and schema have their own ways, coverage has none."""
BROKEN: Final = {"ruff": {2}, "mypy": {2}, "eslint": {2}, "pyright": {2, 3, 4}, "basedpyright": {2, 3, 4}, "pytest": {2, 3, 4}}
"""Exit codes that say "I could not run" rather than "your code is wrong", unless findings came with them."""
STOPPED: Final = {128 + n for n in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGPIPE, signal.SIGTERM)}
SILENT: Final = {"ruff", "mypy", "eslint", "tsc", "compileall", "flake8"}
"""Tools that may say nothing when there is nothing to say."""
REPORT_LIMIT: Final = 256 << 20
COLUMNS: Final = ("passed", "errors", "warnings", "tests_passed", "tests_failed", "tests_skipped", "tests_total", "coverage_pct")


class Report(NamedTuple):
    """A file that the command writes. form: one of `parsers.FORMATS`, or None to recognise it by its content."""

    path: Path
    form: str | None = None


class Target(NamedTuple):
    """Where a signal will be filed, and under which tree."""

    place: Place
    tree: str


def check(kind: str, command: Sequence[str], reports: Sequence[Report] = ()) -> int:
    """Run `command` (or the default of `kind`) and return its exit code; file one signal when this repository records."""
    return judged(kind, command, reports)[0]


def judged(kind: str, command: Sequence[str], reports: Sequence[Report] = ()) -> tuple[int, bool | None]:
    """As `check`; beside the exit code whether it passed, None when the tool could not run, which judges nobody (`verdict`)."""
    cwd, env = Path.cwd(), dict(os.environ)
    target = _target(cwd, env)
    if not command and kind == "schema":
        code = _schema(target, cwd)
        return code, code == 0
    with tempfile.TemporaryDirectory(prefix="hone-check-") as name:
        scratch = Path(name)
        if not command:
            command = _compileall(cwd, env, scratch) if kind == "compile" else DEFAULTS.get(kind, ())
            if not command:
                return 0, True
        tool = tool_of(command)
        outcomes = _listen_to_pytest(env, scratch) if target and kind in ("test", "coverage") else None
        old = {report.path: _stamp(report.path) for report in reports}
        ran = _run(kind, tool, command, env, is_recorded=target is not None, has_report=bool(reports))
        if target is None:
            return ran.returncode, verdict(kind, tool.name, ran.returncode, Counts())
        fresh = [report for report in reports if _is_fresh(report, old)]
        counts = _count(kind, tool, ran, fresh, outcomes)
    shown = redacted(target.place, shlex.join(DEFAULT_COMPILE if _is_ours(command, name) else command))
    values = row(target, kind, tool, counts, ran, shown, cwd, dict(os.environ))
    _file(target, values)
    return ran.returncode, values["passed"]


DEFAULT_COMPILE: Final = ("python", "-m", "compileall", "-q")


def say(words: str) -> None:
    """One line of talk."""
    print(f"git-hone: {words}", file=sys.stderr, flush=True)


def redacted(place: Place, text: str) -> str:
    """`text` as it may be stored."""
    from git_hone.hooks.redaction import gazetteer

    return gazetteer.redactor(place).prose(text)[:2000]


def _target(cwd: Path, env: Mapping[str, str]) -> Target | None:
    """Where to file; None, with one line that says why, when nothing will be recorded."""
    if env.get("GIT_HONE_OFF"):
        return None
    try:
        place = find(cwd)
        if not place.hone.is_dir():
            say("not recorded: run `git hone init` here first")
            return None
        return Target(place, measured_tree(place, env))
    except (HoneError, OSError) as error:
        say(f"not recorded: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        return None


def _run(kind: str, tool: Tool, command: Sequence[str], env: dict[str, str], *, is_recorded: bool, has_report: bool) -> Ran:
    """Run it. A terminal is given to the tool itself where its output is not needed; else it is told to keep its colours."""
    terminal = os.isatty(1)
    keep = is_recorded and not (terminal and (has_report or (kind == "test" and tool.name == "pytest")))
    if keep and terminal and not env.get("NO_COLOR"):
        env = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "MYPY_FORCE_COLOR": "1", "PYTHONUNBUFFERED": "1"} | env
    try:
        return run(command, env, keep=keep)
    except FileNotFoundError:
        own = f"; to run a tool of your own: git hone check {kind} -- COMMAND" if tuple(command) == DEFAULTS.get(kind) else ""
        say(f"{command[0]}: command not found{own}")
        return Ran(127, 0)
    except (OSError, ValueError) as error:
        say(f"{command[0]}: {getattr(error, 'strerror', None) or error}")
        return Ran(126, 0)


PLUGIN: Final = """\
import sys
if sys.version_info >= (3, 8):
    try:
        from git_hone_outcomes import pytest_configure
    except Exception:
        pass
"""
"""What pytest loads: words that any Python can read, so that one too old for our plugin runs its tests without us."""


def _listen_to_pytest(env: dict[str, str], scratch: Path) -> Path:
    """Lay our plugin where a pytest below this command will find it; its file of outcomes is the answer."""
    folder = scratch / "pytest"
    info = folder / "git_hone_report-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: git-hone-report\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[pytest11]\ngit_hone_report = git_hone_report\n")
    shutil.copyfile(pytest_report.__file__, folder / "git_hone_outcomes.py")
    (folder / "git_hone_report.py").write_text(PLUGIN)
    outcomes = scratch / "outcomes.jsonl"
    env["GIT_HONE_REPORT"] = str(outcomes)
    env["PYTHONPATH"] = os.pathsep.join([*filter(None, [env.get("PYTHONPATH")]), str(folder)])
    return outcomes


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _is_fresh(report: Report, old: Mapping[Path, tuple[int, int, int] | None]) -> bool:
    now = _stamp(report.path)
    if now is None or now == old[report.path]:
        say(f"{report.path}: {'not written' if now is None else 'left from an earlier run'}, so not read")
        return False
    return True


def read_report(report: Report, kind: str) -> Counts:
    """The counts in a report's file. Raises DataError that names the file, UsageError when there is none."""
    try:
        if report.path.stat().st_size > REPORT_LIMIT:
            raise DataError(f"{report.path}: larger than {REPORT_LIMIT >> 20} MiB")
        data = report.path.read_bytes()
    except OSError as error:
        raise UsageError(f"{report.path}: {error.strerror}", tip="give the file that the tool wrote") from error
    parse: Parser | None = parser(report.form) if report.form else sniff(data, kind)
    if parse is None:
        raise DataError(f"{report.path}: line 1 (byte 0): no format that git-hone knows", tip="name it, as with --junit FILE")
    try:
        return parse(data)
    except DataError as error:
        raise DataError(f"{report.path}: {error.message}") from error


def _count(kind: str, tool: Tool, ran: Ran, reports: Iterable[Report], outcomes: Path | None) -> Counts:
    """What is known: from the reports, then from our plugin, then from the output, else nothing."""
    if ran.returncode in STOPPED | {126, 127}:
        return Counts()
    counts: Counts | None = None
    for report in reports:
        try:
            found = read_report(report, kind)
        except HoneError as error:
            say(f"not read: {error.message}")
        else:
            counts = found if counts is None else counts | found
    if outcomes is not None and outcomes.exists() and (counts is None or counts.tests_total is None):
        seen = _attempt(parser("pytest_outcomes"), outcomes.read_bytes())
        if seen is not None and seen.tests_total:
            counts = seen if counts is None else counts | seen
    if counts is None or (kind == "coverage" and counts.coverage_pct is None):
        found = _from_output(kind, tool, ran)
        counts = found if counts is None else counts | found
    return counts


def _from_output(kind: str, tool: Tool, ran: Ran) -> Counts:
    for data in (ran.stdout, ran.stderr):
        if data and (parse := sniff(data, kind)) and (found := _attempt(parse, data)):
            return found
    if ran.returncode == 0 and tool.name in SILENT and not ran.stdout.strip():
        return Counts(passed=True, errors=0, warnings=0)
    if tool.name == "pytest" and ran.returncode == 5:
        return Counts(passed=False, tests_passed=0, tests_failed=0, tests_skipped=0, tests_total=0)
    return Counts()


def _attempt(parse: Parser, data: bytes) -> Counts | None:
    try:
        return parse(data)
    except DataError:
        return None


def verdict(kind: str, tool: str, code: int, counts: Counts) -> bool | None:
    """Did it pass? The exit code says so, with three exceptions. Null when the tool could not run, which blames nobody;
    False for tests of which none ran or one failed, whatever the exit code is.

    >>> verdict("test", "pytest", 0, Counts(tests_total=3, tests_passed=0, tests_failed=0))
    False
    >>> verdict("lint", "ruff", 2, Counts()) is None
    True
    """
    found = bool(counts.errors or counts.tests_failed)
    if code in STOPPED | {126, 127} or (code in BROKEN.get(tool, ()) and not found):
        return None
    if tool == "import-linter" and code and counts.errors is None:
        return None
    if code == 0 and kind == "test" and counts.tests_total is not None:
        return not counts.tests_failed and bool(counts.tests_passed)
    return code == 0


def row(
    target: Target, kind: str, tool: Tool, counts: Counts, ran: Ran | None, command: str | None, cwd: Path, env: Mapping[str, str]
) -> dict[str, Any]:
    """A row of the table of signals, without the columns that every table has."""
    place = target.place
    named = tool.name
    return {
        **{name: getattr(counts, name) for name in COLUMNS},
        "passed": verdict(kind, named, ran.returncode, counts) if ran else counts.passed,
        "tree": target.tree,
        "kind": kind,
        "tool": named,
        "tool_version": counts.tool_version or version_of(tool, env, place.hone / "tool-versions.json"),
        "tool_config": config_of(named, place.top) if place.top else None,
        "exit_code": ran.returncode if ran else None,
        "duration_ms": ran.duration_ms if ran and command is not None else None,
        "details": _canonical(_from_top(counts.details, place.top, cwd)),
        "command": command,
    }


def _canonical(details: Mapping[str, Any] | None) -> str | None:
    return json.dumps(details, sort_keys=True, separators=(",", ":")) if details else None


def _from_top(details: Mapping[str, Any] | None, top: Path | None, cwd: Path) -> dict[str, Any] | None:
    """`details` with paths from the top of the repository; of a file outside of it, only the name is kept."""
    if not details:
        return None
    out = dict(details)
    if "files" in out:
        files: dict[str, int] = {}
        for path, n in out["files"].items():
            name = _relative(path, top, cwd)
            files[name] = files.get(name, 0) + n
        out["files"] = files
    for key in ("failed", "passed"):
        if key in out:
            ids = ((name.partition("::"), name) for name in out[key])
            out[key] = [_relative(file, top, cwd) + sep + rest if file[:1] == "/" else name for (file, sep, rest), name in ids]
    return out


def _relative(path: str, top: Path | None, cwd: Path) -> str:
    if top is None:
        return posixpath.basename(path)
    full = os.path.realpath(cwd / path)
    base = os.path.realpath(top)
    return full[len(base) + 1 :] if full.startswith(base + os.sep) else posixpath.basename(path)


def file_signal(place: Place, row: Mapping[str, Any]) -> Path:
    """Leave one signal in the inbox and start the worker that takes it to the store; returns the inbox file.

    Raises OSError when the inbox cannot be written. Nothing is synced: the worker does that before it acknowledges.
    """
    left = inbox.put(place.inbox, {"v": 1, "type": "signal", "at": time.time(), "row": dict(row)})
    try:
        from git_hone.hooks import worker
    except ImportError:
        return left
    worker.start(place)
    return left


def _file(target: Target, values: Mapping[str, Any]) -> None:
    try:
        file_signal(target.place, values)
    except (OSError, HoneError) as error:
        say(f"not recorded: {getattr(error, 'strerror', None) or error}")


def _is_ours(command: Sequence[str], scratch: str) -> bool:
    return any(word.startswith(scratch) for word in command)


def _tracked(top: Path) -> list[str]:
    return [git.text(path) for path in git.run(["ls-files", "-z"], top).split(b"\0") if path]


def _top(cwd: Path) -> Path:
    top = find(cwd).top
    if top is None:
        raise UsageError("a bare repository has no files to check")
    return top


def _compileall(cwd: Path, env: dict[str, str], scratch: Path) -> tuple[str, ...]:
    """`python -m compileall` over the tracked Python files, its cache thrown away; empty when there are none."""
    top = _top(cwd)
    files = [str(top / path) for path in _tracked(top) if path.endswith(".py") and "\n" not in path and (top / path).is_file()]
    if not files:
        say("no tracked .py files: nothing to compile")
        return ()
    (scratch / "files").write_text("\n".join(files) + "\n", errors="surrogateescape")
    env["PYTHONPYCACHEPREFIX"] = str(scratch / "cache")
    python = shutil.which("python3") or shutil.which("python") or sys.executable
    return (python, *DEFAULT_COMPILE[1:], "-i", str(scratch / "files"))


def _schema(target: Target | None, cwd: Path) -> int:
    """The check of the repository's own data files: one line a finding, 1 when one is an error."""
    from importlib.metadata import version

    from git_hone.hooks.parsers.counts import findings
    from git_hone.hooks.reports import schema

    began = time.monotonic()
    top = _top(cwd)
    found = list(schema.findings(top, _tracked(top)))
    for one in found:
        print(str(one).encode("utf-8", "backslashreplace").decode(), flush=True)
    code = int(any(not one.is_warning for one in found))
    if target:
        counts = findings((one.path, None, "warning" if one.is_warning else "error") for one in found)
        counts = replace(counts, tool_version=version("git-hone"))
        ran = Ran(code, round((time.monotonic() - began) * 1000))
        _file(target, row(target, "schema", Tool("git-hone", None), counts, ran, "git hone check schema", top, {}))
    return code
