"""`git hone gate` from files on disk: which evaluations, whether their files are still those, the ledger of looks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import gating
from git_hone.ci.evaluating.llama import portable
from git_hone.ci.gating import Sides
from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.learner import ledger
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.gating import evaluation
from git_hone.learner.gating.evaluation import Attempt, Evaluation, Likelihood
from git_hone.learner.suite.tasks import Manifest


class Bench:
    """A repository with two suites and evaluations of two models."""

    def __init__(self, root: Path) -> None:
        self.root, self.agent = root, root / ".agent"
        self.agent.mkdir()
        self.settings({"optional": ["divergence"]})
        self.suites = {name: Manifest(name, ()) for name in ("repository", "guard")}
        for name, manifest in self.suites.items():
            storing.save(storing.folder_of(self.agent, name), manifest, lambda _: b"")
        self.put("old", [False] * 12 + [True] * 8)
        self.put("new", [True] * 18 + [False] * 2)

    def settings(self, values: dict[str, Any]) -> None:
        (self.agent / "learning-config.json").write_text(json.dumps({"version": 1, "promotion": values}))

    def evaluation(self, model: str, passed: list[bool], suite: str) -> Evaluation:
        weights = self.root / f"{model}.gguf"
        weights.write_bytes(model.encode())
        rows = tuple(Attempt(f"t{k}", f"f{k}.py", good, True, 0, 1.0) for k, good in enumerate(passed))
        return Evaluation(
            model, suite, self.suites[suite].hash, rows, files={weights.name: hashlib.sha256(model.encode()).hexdigest()},
            likelihood=Likelihood(1.7, 100, "c" * 64), settings={"temperature": 0.0},
        )  # fmt: skip

    def put(self, model: str, passed: list[bool]) -> None:
        for suite, results in (("repository", passed), ("guard", [True] * 30)):
            self.write(self.evaluation(model, results, suite))

    def write(self, of: Evaluation) -> Path:
        file = gating.file_of(self.agent, of.suite, of.model)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(evaluation.dump(of))
        return file

    def gate(self, candidate: str = "new", incumbent: str = "old") -> Any:
        return gating.gate(self.root, self.agent, Sides(candidate, incumbent, "repository", "guard"))


@pytest.fixture
def bench(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = repo()
    monkeypatch.chdir(made.path)
    return Bench(made.path)


def test_a_better_candidate_passes_and_the_ledger_says_so(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["gate", "--candidate", "new", "--incumbent", "old", "--guard", "guard", "--report", "gate.md"]
    assert main(call) == 0
    assert capsys.readouterr().out == (bench.root / "gate.md").read_text()
    (line,) = ledger.read(bench.agent)
    assert (line["what"], line["verdict"], line["to"], line["from"], line["look"]) == ("gate", "promote", "new", "old", 1)
    assert line["numbers"]["won"] == 12


def test_a_worse_one_is_refused_with_exit_code_1(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--candidate", "old", "--incumbent", "new", "--guard", "guard", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["promote"], told["won"], told["lost"]) == (False, 2, 12)


def test_looks_are_counted_by_what_was_looked_at(bench: Bench) -> None:
    assert [bench.gate().look for _ in range(3)] == [1, 1, 1]
    assert len(ledger.read(bench.agent)) == 1
    bench.put("second", [True] * 17 + [False] * 3)
    assert bench.gate("second").look == 2
    bench.put("third", [True] * 20)
    refused = bench.gate("third")
    assert (refused.promote, refused.look) == (False, 3)
    assert refused.reason.startswith("looks: look 3 of 2")
    assert bench.gate().promote  # what was decided stays as it was
    bench.suites["repository"] = Manifest("repository", (), {"mined": {"candidates": 1}})
    storing.save(storing.folder_of(bench.agent, "repository"), bench.suites["repository"], lambda _: b"")
    for model in ("old", "third"):
        bench.put(model, [model == "third"] * 20)
    assert bench.gate("third").look == 1


def test_thresholds_stand_before_the_first_look(bench: Bench) -> None:
    assert bench.gate().promote
    bench.settings({"optional": ["divergence"], "maxLooks": 50})
    bench.put("second", [True] * 17 + [False] * 3)
    assert "the thresholds were changed after the first look" in bench.gate("second").reason


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: (b.root / "new.gguf").write_bytes(b"other"), "new.gguf: was changed after it was measured"),
        (lambda b: (b.root / "new.gguf").unlink(), "new.gguf: is gone"),
    ],
)
def test_the_very_files_that_were_measured(bench: Bench, spoil: Callable[[Bench], Any], words: str) -> None:
    spoil(bench)
    assert bench.gate().reason == f"integrity: {words}"


def test_a_file_in_the_home_folder_is_named_without_the_home(bench: Bench) -> None:
    file = Path.home() / "models" / "new.gguf"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    assert [portable(f, bench.root) for f in (file, bench.root / "a" / "b.gguf")] == ["~/models/new.gguf", "a/b.gguf"]
    of = bench.evaluation("new", [True] * 20, "repository")
    bench.write(replace(of, files={portable(file, bench.root): hashlib.sha256(b"weights").hexdigest()}))
    assert "was changed" not in bench.gate().reason
    file.write_bytes(b"other")
    bench.write(replace(of, files={portable(file, bench.root): hashlib.sha256(b"weights").hexdigest()}))
    assert "integrity: ~/models/new.gguf: was changed after it was measured" in bench.gate().reason


def test_a_pickle_is_refused(bench: Bench) -> None:
    (bench.root / "adapter.bin").write_bytes(b"x")
    of = bench.evaluation("new", [True] * 20, "repository")
    bench.write(replace(of, files={**of.files, "adapter.bin": hashlib.sha256(b"x").hexdigest()}))
    assert "adapter.bin: is a pickle" in bench.gate().reason


def test_what_was_not_evaluated_says_how(bench: Bench) -> None:
    with pytest.raises(UsageError, match=r"nobody\.json: no such evaluation") as error:
        bench.gate("nobody")
    assert "git hone evaluate --model nobody --suite repository" in str(error.value.tip)
    storing.save(storing.folder_of(bench.agent, "repository"), Manifest("repository", (), {"mined": {"valid": 2}}), lambda _: b"")
    with pytest.raises(UsageError, match="another version of repository"):
        bench.gate()


def test_a_damaged_ledger_is_named_and_kept(bench: Bench) -> None:
    (bench.agent / ledger.FILE).write_text('{"what": "router"}\n{"what": \n')
    with pytest.raises(DataError, match=r"promotions\.jsonl: line 2"):
        bench.gate()
    assert (bench.agent / ledger.FILE).read_text() == '{"what": "router"}\n{"what": \n'
