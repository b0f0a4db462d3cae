"""Choosing among the checkpoints of a training, up to llama.cpp, whose numbers are played here; `tests/train` asks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.evaluating import checkpoints, evaluating
from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.learner.gating.evaluation import Attempt, Evaluation
from git_hone.learner.suite.tasks import Environment, Manifest, Origin, Task

from .deploying_bench import Bench


class Played:
    """nats: of the whole training. tried: what was asked to solve tasks."""

    def __init__(self, bench: Bench) -> None:
        self.agent, self.base, self.folder = bench.agent, bench.made.base, bench.adapter("aaa", checkpoint="step-000002")
        self.nats, self.tried = 2.04, list[str]()

    def evaluate(self, place: Any, of: evaluating.Asked, tell: Any) -> tuple[Evaluation, Path]:
        """The step of two passes the first task, the whole training all."""
        self.tried.append(str(of.name))
        tasks = storing.read_manifest(storing.folder_of(place.agent, of.suite)).tasks
        rows = tuple(Attempt(task.id, task.edit[0], of.name == "aaa" or k == 0, True, 0, 1.0) for k, task in enumerate(tasks))
        return Evaluation(str(of.name), of.suite, "0" * 64, rows), Path()

    def likelihood(self, place: Any, model: Path, adapter: Path | None) -> float:
        return 2.0 if adapter is None else 2.01 if adapter.parent.name == "step-000002" else self.nats

    def suite(self, name: str, *files: str) -> None:
        tasks = tuple(
            Task(f"{name}-{k}", "mined", "Do it", (file,), {}, {}, {}, ("{python}",), ("t::a",), (), 0, 10.0, 1.0,
                 Environment("3.11", (), (), (".",), None, "", {}, "declared"), Origin("0" * 40, "2026-01-01T00:00:00Z"))
            for k, file in enumerate(files)
        )  # fmt: skip
        storing.save(storing.folder_of(self.agent, name), Manifest(name, tasks), lambda _: b"")

    def choose(self, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["adapters", "choose", str(self.folder), "--base", str(self.base), "--json", *args])
        return code, json.loads(capsys.readouterr().out or "{}")


@pytest.fixture
def played(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Played:
    made = Played(bench)
    monkeypatch.setattr(evaluating, "evaluate", made.evaluate)
    monkeypatch.setattr(checkpoints, "_nats", made.likelihood)
    return made


def test_by_general_code_alone_the_longest_within_the_limit(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = played.choose(capsys)
    assert (code, told["id"], told["suite"]) == (0, "aaa", None)
    played.nats = 2.06
    code, told = played.choose(capsys)
    assert (code, told["id"], Path(told["folder"]).name) == (0, "aaa-step-000002", "step-000002")
    assert [(one["id"], one["nats"]) for one in told["tried"]] == [("aaa-step-000002", 2.01), ("aaa", 2.06)]
    (played.agent / "learning-config.json").write_text('{"promotion": {"maxLikelihoodRise": 0.001}}')
    code, told = played.choose(capsys)
    assert (code, told["id"], told["why"]) == (
        1,
        None,
        "general code is less likely than the gate allows to each of 2 checkpoints",
    )
    assert played.tried == [], "no task was tried for it"


def test_by_tasks_that_the_gate_does_not_decide_on(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played.suite("repository", "src/parse.py")
    played.suite("held-out", "src/new.py", "src/other.py", "tests/test_parse.py")
    code, told = played.choose(capsys)
    assert (code, told["id"], told["tasks"], told["left_out"]) == (0, "aaa", 2, 1)
    assert [(one["id"], one["passed"]) for one in told["tried"]] == [("aaa-step-000002", 1), ("aaa", 2)]
    assert played.tried == ["aaa-step-000002", "aaa"]
    played.nats = 2.06
    assert (played.choose(capsys)[1]["id"], len(played.tried)) == ("aaa-step-000002", 2), "one that is left needs no task"
    played.suite("held-out", "src/parse.py")
    assert played.choose(capsys)[1]["suite"] is None, "nothing of it counts"
    assert played.choose(capsys, "--suite", "repository")[0] == 2
    assert played.choose(capsys, "--suite", "none")[0] != 0


def test_words_and_what_is_damaged(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapters", "choose", str(played.folder), "--base", str(played.base)]) == 0
    said = capsys.readouterr().out
    assert "aaa-step-000002: general code 2.010 nats a token (+0.010)\n" in said
    assert said.endswith(
        "aaa: it was trained longest of the 2 of 2 that keep general code likely enough; there are no tasks to choose by\n"
    )
    (played.folder / "checkpoints/step-000002/adapter.gguf").write_bytes(b"")
    assert main(["adapters", "choose", str(played.folder), "--base", str(played.base)]) != 0
    assert "changed since it was published" in capsys.readouterr().err
