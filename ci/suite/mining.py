"""Tasks mined from commits: the tree before, the commit's tests, and the commit's own change as the reference solution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timezone
from typing import Final

from git_hone.ci.arena.testing import COMMAND
from git_hone.ci.suite.candidates import Candidate, is_source, is_test
from git_hone.ci.suite.doctor import Doctor
from git_hone.ci.suite.trees import Trees, Unfit, changes
from git_hone.ci.suite.verifying import NotATask, verify
from git_hone.ci.suite.working import Work
from git_hone.learner.suite.leaks import clean, instruction
from git_hone.learner.suite.tasks import File, Origin, Task

NO_WORDS: Final = "its message says nothing that could be asked"


def work(trees: Trees, doctor: Doctor, candidates: Iterable[Candidate]) -> list[Work]:
    """What there is to do for the candidates, in their order; of two that are the same change (a commit and its cherry-pick) only
    the newer."""
    made, seen = list[Work](), set[tuple[str, str]]()
    for each in candidates:
        same = (each.message.strip(), "\0".join((*each.sources, *each.test_files)))
        if same not in seen:
            seen.add(same)
            made.append(Work(("mined", each.commit), lambda each=each: mine(trees, doctor, each), each.commit))  # type: ignore[misc]  # mypy infers no type for a default of a lambda
    return made


def mine(trees: Trees, doctor: Doctor, candidate: Candidate, source: str = "mined", detail: str = "") -> Task:
    """The task that the candidate is, verified by running it. Raises NotATask with the reason, and Stopped."""
    try:
        files, after = trees.files(candidate.parent), trees.files(candidate.commit)
    except Unfit as error:
        raise NotATask(str(error)) from None
    changed = changes(files, after)
    tests = {path: file for path, file in changed.items() if is_test(path)}
    solution = {path: file for path, file in changed.items() if not is_test(path)}
    run = [path for path in candidate.test_files if path in after]
    tests |= {path: after[path] for path in run}
    edit = tuple(sorted(path for path in solution if is_source(path)))
    words = clean(
        candidate.message, tests=[path for path in tests if path.endswith(".py")], solution=_added(trees, files, solution)
    )
    if not words:
        raise NotATask(NO_WORDS)
    if not run or not edit:
        raise NotATask("no test file is left to run")
    found = verify(trees, doctor, files, tests, solution, (*COMMAND, *run), day=candidate.at.date())
    return Task(
        id=f"{source}-{candidate.commit[:12]}", source=source, prompt=instruction(words, edit), edit=edit, files=files, tests=tests,
        solution=solution, test_command=(*COMMAND, *run), fail_to_pass=found.split.fail_to_pass,
        pass_to_pass=found.split.pass_to_pass, flaky=found.split.flaky, time_limit_seconds=found.time_limit,
        reference_seconds=found.seconds, environment=found.environment,
        origin=Origin(candidate.commit, f"{candidate.at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}", detail),
    )  # fmt: skip


def _added(trees: Trees, files: Mapping[str, File], solution: Mapping[str, File | None]) -> list[str]:
    """The lines that the solution adds to code."""
    lines: list[str] = []
    for path, file in solution.items():
        if is_source(path):
            before, after = (trees.text(one) or "" for one in (files.get(path), file))
            known = set(before.splitlines())
            lines += [line for line in after.splitlines() if line not in known]
    return lines
