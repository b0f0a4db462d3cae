"""The learning loop as an object: every choice and reward is on record, and the state is nothing but the records."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from git_hone.ci import LearningPipeline
from git_hone.hooks.install import setup
from git_hone.hooks.place import find
from git_hone.hooks.recall import recall
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.experience import counts
from git_hone.learner.store import Store

ROOT = Path(__file__).parents[2]
MODELS = [
    {"id": "small", "provider": "ollama", "endpoint": "http://127.0.0.1:9", "cost_per_1k": 0},
    {"id": "other", "provider": "ollama", "endpoint": "http://127.0.0.1:9", "cost_per_1k": 0.001},
    {"id": "dear", "provider": "ollama", "endpoint": "http://127.0.0.1:9", "cost_per_1k": 0.2},
]


@pytest.fixture
def path(repo: Callable[..., Any]) -> Path:
    made = repo()
    made.write("a.py", "a = 1\n")
    made.commit("a")
    setup.install(find(made.path))
    (made.path / ".agent/model_variants.json").write_text(json.dumps(MODELS))
    return Path(made.path)


def loop(path: Path, seed: int = 0) -> LearningPipeline:
    return LearningPipeline(path, random=Random(seed))


def decisions(path: Path) -> list[dict[str, Any]]:
    return Store(path / ".agent/data").rows("decisions")


def test_a_prompt_and_a_model_are_one_choice_with_its_probabilities(path: Path) -> None:
    with loop(path) as learning:
        prompt, model = learning.select_prompt("add a reader"), learning.select_model("medium", 0.002)
    rows = {row["kind"]: row for row in decisions(path)}
    assert rows["prompt"]["chosen"] == prompt.id and rows["model"]["chosen"] == model.id
    assert rows["prompt"]["decision_id"].removesuffix(".prompt") == rows["model"]["decision_id"].removesuffix(".0")
    for row in rows.values():
        assert sum(row["propensities"].values()) == pytest.approx(1.0)
        assert row["propensity"] == pytest.approx(row["propensities"][row["chosen"]])
    assert rows["model"]["difficulty"] == "medium" and rows["prompt"]["task"] == "add a reader"


def test_the_limit_of_cost_is_kept(path: Path) -> None:
    with loop(path) as learning:
        assert {learning.select_model("hard", 0.0).id for _ in range(8)} == {"small"}
        (path / ".agent/model_variants.json").write_text(json.dumps(MODELS[2:]))
        with pytest.raises(UsageError, match="no model may be asked"):
            learning.select_model("hard", 0.002)
        assert learning.select_model("hard", 0.5).id == "dear"


def test_rewards_by_hand_move_the_choice_and_are_counted_from_the_records(path: Path) -> None:
    with loop(path) as learning:
        for _ in range(25):
            for id_ in ("default", "detailed", "concise"):
                learning.update_prompt(id_, 0.95 if id_ == "concise" else 0.1)
        chosen = Counter(learning.select_prompt().id for _ in range(20))
    assert chosen["concise"] >= 14
    of_prompts, _ = counts(Store(path / ".agent/data"))
    assert {name: (round(arm.wins, 6), arm.trials) for name, arm in of_prompts.items()} == {
        "default": (2.5, 25), "detailed": (2.5, 25), "concise": (23.75, 25),
    }  # fmt: skip
    assert Counter(past.prompt for past in recall(find(path))) == {"default": 25, "detailed": 25, "concise": 25}


def test_a_reward_belongs_to_the_choice_that_was_made(path: Path) -> None:
    with loop(path) as learning:
        prompt, model = learning.select_prompt(), learning.select_model("easy", 0.002)
        learning.update_prompt(prompt.id, 0.8)
        learning.update_model(model.id, 0.6)
    rows = {row["kind"]: row for row in decisions(path)}
    assert len(decisions(path)) == 2
    assert rows["prompt"]["result"]["reward"] == 0.8 and rows["prompt"]["policy"] == "bandit"
    assert rows["model"]["result"]["reward"] == 0.6 and rows["model"]["propensity"] < 1.0


def test_a_run_is_recorded_with_its_signals_and_its_reward(path: Path) -> None:
    result = {"compile_pass": True, "lint_errors": 2, "type_errors": 0, "tests_passed": 8, "tests_total": 10, "coverage_pct": 85,
              "human_accept": True, "tokens_in": 100, "tokens_out": 20, "duration_ms": 1500, "output": "done"}  # fmt: skip
    (path / ".agent/learning-config.json").write_text('{"reward": {"mode": "seed"}}')
    with loop(path) as learning:
        prompt, model = learning.select_prompt(), learning.select_model("easy", 0.002)
        recorded = learning.record_run("add-reader", model.id, prompt.id, result, role="fixer")
    assert recorded.reward == pytest.approx(0.945)
    store = Store(path / ".agent/data")
    (run,) = store.rows("runs")
    assert (run["model"], run["prompt_variant"], run["role"], run["task"]) == (model.id, prompt.id, "fixer", "add-reader")
    assert (run["tokens_in"], run["tokens_out"], run["output"], run["decision_id"]) == (100, 20, "done", recorded.decision_id)
    assert run["duration_ms"] == pytest.approx(1500, abs=50)
    assert {row["kind"] for row in store.rows("signals")} == {"compile", "lint", "type", "test", "coverage"}
    of_prompts, of_models = counts(store)
    assert (of_prompts[prompt.id].trials, of_models[model.id].trials) == (1, 1)
    assert of_models[model.id].wins == pytest.approx(0.945)
    (past,) = recall(find(path))
    assert (past.model, past.prompt, past.reward) == (model.id, prompt.id, pytest.approx(0.945))


def test_what_is_not_known_is_no_reward(path: Path) -> None:
    with loop(path) as learning:
        assert learning.record_run("t", "small", None).reward is None
        assert learning.record_run("t", "small", "default", {"compile_pass": True}).reward == 1.0
        assert learning.record_run("t", "small", "default", {"compile_pass": False}).reward == 0.0
        said = learning.stats()
    assert (said.runs, said.models["small"].n, said.models["small"].value) == (3, 2, None)


def test_the_stats_of_five_runs(path: Path) -> None:
    with loop(path) as learning:
        for k in range(5):
            learning.record_run(
                f"t{k}", "small", "concise", {"tests_passed": k, "tests_total": 4, "tokens_in": 10, "tokens_out": k}
            )
        said = learning.getStats()
    assert (said.runs, said.reward.n, said.tokens.value) == (5, 5, 12.0)
    assert said.reward.value is not None
    assert said.reward.value == said.models["small"].value == said.prompts["concise"].value
    assert said.prompts["concise"].n == 5
    for one in (said.reward, said.models["small"], said.prompts["concise"]):
        assert one.low is not None and one.high is not None and one.value is not None
        assert 0.0 <= one.low < one.value < one.high <= 1.0


def test_two_pipelines_learn_together(path: Path) -> None:
    with loop(path, 1) as one, loop(path, 2) as two:
        one.updatePromptVariant("default", 1.0)
        two.updateModelVariant("small", 0.5)
        one.select_prompt()
        assert two.stats().prompts["default"].n == 1
    assert len({row["decision_id"] for row in decisions(path)}) == 3


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"compile": True}, "did you mean 'compile_pass'"),
        ({"lint_errors": -1}, "lint_errors: a number from 0 up"),
        ({"compile_pass": 1}, "compile_pass: true or false"),
        ({"tests_passed": 3}, "go together"),
        ({"tests_passed": 3, "tests_total": 2}, "no more can pass"),
        ({"coverage_pct": float("nan")}, "coverage_pct: a number"),
        ({"output": 3}, "output: text"),
    ],
)
def test_a_result_that_cannot_be(path: Path, result: dict[str, Any], said: str) -> None:
    with loop(path) as learning, pytest.raises(UsageError, match=re.escape(said)):
        learning.record_run("t", "small", "default", result)
    assert decisions(path) == []


def test_what_there_is_not(path: Path, tmp_path: Path) -> None:
    with loop(path) as learning:
        for call in (lambda: learning.update_prompt("defualt", 1.0), lambda: learning.record_run("t", "smal", None)):
            with pytest.raises(ConfigError, match="did you mean"):
                call()
        for reward in (1.1, -0.1, float("nan"), True, "1"):
            with pytest.raises(UsageError, match=r"a number in 0\.\.1"):
                learning.update_model("small", reward)
        with pytest.raises(UsageError, match="none of easy, medium, hard"):
            learning.select_model("trivial")
    assert decisions(path) == []
    (tmp_path / "bare").mkdir()
    with pytest.raises(UsageError, match="git"):
        LearningPipeline(tmp_path / "bare")


def test_the_worked_example_of_the_documentation(serve: Any, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    at = serve("ollama", text="def number(line):\n    return float(line)\n")
    (path / ".agent/model_variants.json").write_text(
        json.dumps([{"id": "coder", "provider": "ollama", "endpoint": at.endpoint, "model": "coder:7b"}])
    )
    monkeypatch.chdir(path)
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/how-to/python.md").read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(code, "python.md", "exec"), {})  # noqa: S102 - our own page
    assert "Mean(n=1" in capsys.readouterr().out
    (run,) = Store(path / ".agent/data").rows("runs")
    assert (run["model"], run["tokens_in"], run["output"]) == ("coder", 11, "def number(line):\n    return float(line)\n")
    assert "reads a number from a line" in at.completions()[0]["messages"][0]["content"]
