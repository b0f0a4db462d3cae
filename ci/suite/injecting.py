"""Tasks made by putting a fault into the newest commit, on a line that a test covers, so that a test that passed fails."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from git_hone.ci.arena import sandbox
from git_hone.ci.arena.sealed import Arena
from git_hone.ci.arena.testing import COMMAND, Tested, run_tests
from git_hone.ci.suite.candidates import is_run, is_source, is_test
from git_hone.ci.suite.doctor import Doctor, Found
from git_hone.ci.suite.trees import Trees, Unfit
from git_hone.ci.suite.verifying import UNNOTICED, NotATask, Stopped, run_once, verify
from git_hone.ci.suite.working import Work
from git_hone.hooks import git
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.suite.mutation import Fault, faults
from git_hone.learner.suite.tasks import Environment, File, Origin, Task

WHOLE_SECONDS: Final = 900.0
MAX_TEST_FILES: Final = 6
RC, DATA, REPORT = ".git-hone-coveragerc", ".git-hone-coverage", ".git-hone-coverage.json"
NOT_NOTICED: Final = "no test notices the fault"
SHOWN_TESTS: Final = 10


@dataclass(frozen=True)
class Base:
    """The commit that faults are put into: its files, an environment in which its tests run, and for each source file which
    test files cover which line."""

    commit: str
    date: str
    files: Mapping[str, File]
    environment: Environment
    covered: Mapping[str, Mapping[int, frozenset[str]]]


def work(trees: Trees, doctor: Doctor, seed: int) -> list[Work]:
    """Every fault that could be a task, in an order that `seed` decides and that goes round the files and functions."""
    base = _base(trees, doctor)
    found = [
        (path, fault) for path in sorted(base.covered) for fault in faults(trees.text(base.files[path]) or "", base.covered[path])
    ]
    return [
        Work(("injected", base.commit, path, fault.operator, str(fault.line), fault.before, fault.after),
             lambda path=path, fault=fault: _inject(trees, doctor, base, path, fault), f"{path}:{fault.line} {fault.operator}")  # type: ignore[misc]  # mypy infers no type for a default of a lambda
        for path, fault in _spread(found, seed)
    ]  # fmt: skip


def _spread(found: Iterable[tuple[str, Fault]], seed: int) -> list[tuple[str, Fault]]:
    """First one fault of each function, then a second one, and so on; within a round, as the seed's hash says."""
    rounds: dict[tuple[str, str], int] = {}
    rows = []
    for path, fault in sorted(found, key=lambda one: _rank(seed, *one)):
        key = (path, fault.where)
        rounds[key] = rounds.get(key, 0) + 1
        rows.append((rounds[key], _rank(seed, path, fault), path, fault))
    return [(path, fault) for _, _, path, fault in sorted(rows, key=lambda row: row[:2])]


def _rank(seed: int, path: str, fault: Fault) -> str:
    return hashlib.sha256(
        f"{seed}\0{path}\0{fault.line}\0{fault.operator}\0{fault.before}".encode("utf-8", "replace")
    ).hexdigest()


def _inject(trees: Trees, doctor: Doctor, base: Base, path: str, fault: Fault) -> Task:
    """The fault as a task. Raises NotATask when no test notices it, or none can be run."""
    whole = base.files[path]
    broken = {**base.files, path: trees.keep(fault.source.encode(), whole.kind)}
    run = sorted(base.covered[path][fault.line])[:MAX_TEST_FILES]
    tests = {name: file for name, file in base.files.items() if is_test(name)}
    command = (*COMMAND, *run)
    try:
        found = verify(trees, doctor, broken, tests, {path: whole}, command, base.environment)
    except NotATask as reason:
        raise NotATask(NOT_NOTICED if str(reason) == UNNOTICED else str(reason), reason.detail) from None
    mark = hashlib.sha256(
        f"{base.commit}\0{path}\0{fault.line}\0{fault.before}\0{fault.after}".encode("utf-8", "replace")
    ).hexdigest()
    return Task(
        id=f"injected-{mark[:12]}", source="injected", prompt=_prompt(path, fault, found.split.fail_to_pass), edit=(path,), files=broken,
        tests=tests, solution={path: whole}, test_command=command, fail_to_pass=found.split.fail_to_pass,
        pass_to_pass=found.split.pass_to_pass, flaky=found.split.flaky, time_limit_seconds=found.time_limit,
        reference_seconds=found.seconds, environment=found.environment,
        origin=Origin(base.commit, base.date, json.dumps({"operator": fault.operator, "path": path, "line": fault.line,
                                                          "where": fault.where, "before": fault.before, "after": fault.after})),
    )  # fmt: skip


def _prompt(path: str, fault: Fault, failing: tuple[str, ...]) -> str:
    rows = "\n".join(f"- {name}" for name in failing[:SHOWN_TESTS])
    more = f"\n- and {len(failing) - SHOWN_TESTS} more" if len(failing) > SHOWN_TESTS else ""
    return (
        f"A fault was put into {path}, in {fault.where}. These tests fail because of it:\n{rows}{more}\n\nFind it and mend it.\n"
    )


def bring(trees: Trees, files: Mapping[str, File], task: Task) -> None:
    """Make the faulty content of a remembered task readable again. Raises DataError where it does not fit."""
    detail: dict[str, Any] = json.loads(task.origin.detail)
    path = detail["path"]
    for fault in faults(trees.text(files.get(path)) or "", {detail["line"]}):
        if (fault.operator, fault.before, fault.after) == (detail["operator"], detail["before"], detail["after"]):
            trees.keep(fault.source.encode(), files[path].kind)
    if path not in task.files:
        raise DataError(f"task {task.id}: {path} is not in it", tip="delete .git/hone/suite and inject again")


def _base(trees: Trees, doctor: Doctor) -> Base:
    """HEAD, its tests run once as they are and once with coverage. Raises UsageError where that cannot be done."""
    commit, date = git.text(git.run(["log", "-1", "--format=%H %cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"], trees.cwd,
                                    env={"TZ": "UTC"})).split()  # fmt: skip
    try:
        files = trees.files(commit)
    except Unfit as error:
        raise UsageError(f"no arena can be made of this commit: {error}") from None
    tests = sorted(path for path in files if is_run(path))
    if not tests:
        raise UsageError("this commit has no test file that pytest would find", tip="test_*.py or *_test.py")
    with tempfile.TemporaryDirectory(prefix="git-hone-arena-", ignore_cleanup_errors=True) as base:
        arena = Arena(Path(base) / "arena", files, trees.content)

        def attempt(environment: Environment, python: Path) -> Tested:
            return run_once(arena, environment, python, (*COMMAND, *tests), {}, WHOLE_SECONDS)

        found = doctor.find(files, trees.text, attempt)
        if isinstance(found, str) or "passed" not in found.tested.outcomes.values():
            words = found if isinstance(found, str) else found.tested.ran.output[-1500:]
            raise UsageError(f"no test of this commit passes here:\n{words}", tip="`python -m pytest` may say why")
        covered = _covered(trees, doctor, arena, found, tests)
    sources = {path: rows for path, rows in covered.items() if is_source(path) and rows}
    if not sources:
        raise UsageError(
            "no test covers a line of a source file", tip="tests and sources are told apart by their folders and names"
        )
    return Base(commit, date, files, found.environment, sources)


def _covered(trees: Trees, doctor: Doctor, arena: Arena, found: Found, tests: list[str]) -> dict[str, dict[int, frozenset[str]]]:
    """{source file: {line: the test files that run it}}, by coverage.py, in the arena."""
    measuring = replace(found.environment, requirements=tuple(sorted({*found.environment.requirements, "coverage>=7.2"})))
    python = doctor.python(measuring)
    if isinstance(python, str):
        raise UsageError(f"coverage.py cannot be installed beside the project's tests: {python}")
    arena.fill()
    arena.write(RC, f"[run]\ndata_file = {DATA}\ndynamic_context = test_function\nsource = .\nrelative_files = true\n".encode())
    run = ("{python}", "-m", "coverage", "run", f"--rcfile={RC}", *COMMAND[1:], *tests)
    tested = run_tests(arena, measuring, python, run, sandbox.Limits(seconds=WHOLE_SECONDS))
    report = ("{python}", "-m", "coverage", "json", f"--rcfile={RC}", "--show-contexts", "-q", "-o", REPORT)
    run_tests(arena, measuring, python, report, sandbox.Limits(seconds=WHOLE_SECONDS))
    if sandbox.stopping():
        raise Stopped
    try:
        told: dict[str, Any] = json.loads((arena.folder / REPORT).read_bytes())
    except (OSError, ValueError):
        raise UsageError(f"coverage.py gave no report:\n{tested.ran.output[-1500:]}") from None
    stems: dict[str, set[str]] = {}
    for path in tests:
        stems.setdefault(path.rpartition("/")[2].removesuffix(".py"), set()).add(path)
    made = {}
    for path, rows in told.get("files", {}).items():
        lines = {
            int(line): frozenset().union(*(stems.get(part, ()) for context in contexts for part in context.split(".")))
            for line, contexts in rows.get("contexts", {}).items()
        }
        made[path] = {line: files for line, files in lines.items() if files}
    return {path: rows for path, rows in made.items() if path in arena.files}
