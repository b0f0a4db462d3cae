"""One task, one model: ask, put the answer into an arena, run the tests."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_hone.ci.arena import venvs
from git_hone.ci.arena.sandbox import Limits
from git_hone.ci.arena.sealed import Arena
from git_hone.ci.arena.testing import run_tests
from git_hone.ci.endpoints import EndpointError, Message
from git_hone.ci.evaluating.engines import Engine
from git_hone.ci.suite.storing import Suite
from git_hone.hooks.redaction import secrets
from git_hone.learner import convention
from git_hone.learner.convention import Habit
from git_hone.learner.gating.evaluation import Attempt
from git_hone.learner.suite import answers, verdicts
from git_hone.learner.suite.tasks import Task


@dataclass(frozen=True)
class Settings:
    """How a model is asked. temperature 0 is greedy; max_tokens: of one answer; timeout_s: for one answer."""

    temperature: float = 0.0
    max_tokens: int = 2048
    timeout_s: float = 600.0


def attempt(
    engine: Engine,
    suite: Suite,
    task: Task,
    settings: Settings,
    habits: Sequence[Habit],
    python: Callable[[Task], Path] | None = None,
) -> tuple[Attempt, str]:
    """What came of it, and the answer. A model that gives no answer has failed the task; only a missing environment is an error of ours
    (DataError from `python`, which finds a task's interpreter)."""
    texts = {path: _text(suite, task, path) for path in task.edit}
    asked = answers.messages(task, texts)
    began, group = time.monotonic(), task.edit[0] if task.edit else task.id
    try:
        said = engine.ask(
            [Message(role=one["role"], content=one["content"]) for one in asked],  # type: ignore[typeddict-item]  # `messages` writes only the roles that are allowed
            temperature=settings.temperature, max_tokens=settings.max_tokens, timeout_s=settings.timeout_s,
        )  # fmt: skip
    except EndpointError as error:
        if error.kind in ("local_only", "missing"):
            raise
        spent = round(time.monotonic() - began, 3)
        return Attempt(task.id, group, False, False, 0, spent, error=error.message), ""
    seconds = round(time.monotonic() - began, 3)
    change = answers.read(said.text, task.edit) if said.finish == "stop" else answers.Said({}, "was cut at the limit of tokens")
    failed = _failed(suite, task, change, (python or _python)(task))
    known = "\n".join(one["content"] for one in asked).encode()
    leaked = sum(said.text.encode()[span.start : span.end] not in known for span in secrets.find(said.text.encode()))
    scores = [convention.score(text, habits) for path, text in change.files.items() if path.endswith(".py")]
    scored = [one for one in scores if one is not None]
    return Attempt(
        task.id, group, passed=not failed and change.wrong is None, usable=change.wrong is None, leaked=leaked, seconds=seconds,
        tokens_in=said.tokens_in, tokens_out=said.tokens_out, convention=sum(scored) / len(scored) if scored else None,
        failed=tuple(failed), error=change.wrong and f"the answer {change.wrong}",
    ), said.text  # fmt: skip


def _failed(suite: Suite, task: Task, change: answers.Said, python: Path) -> list[str]:
    """The tests that do not pass with the answer. The task's own tests are put over it, so that no answer can change them."""
    expected = [*task.fail_to_pass, *task.pass_to_pass]
    if change.wrong is not None:
        return expected
    with tempfile.TemporaryDirectory(prefix="git-hone-arena-", ignore_cleanup_errors=True) as base:
        arena = Arena(Path(base) / "arena", task.files, suite.content)
        for path, text in change.files.items():
            arena.write(path, text.encode("utf-8", "surrogatepass"))
        arena.put(task.tests)
        tested = run_tests(arena, task.environment, python, task.test_command, Limits(seconds=task.time_limit_seconds))
    return list(verdicts.judge(task.fail_to_pass, task.pass_to_pass, tested.outcomes).failed)


def _text(suite: Suite, task: Task, path: str) -> str | None:
    file = task.files.get(path)
    return None if file is None else suite.content(file.sha256).decode("utf-8", "replace")


def _python(task: Task) -> Path:
    return venvs.python_of(task.environment)
