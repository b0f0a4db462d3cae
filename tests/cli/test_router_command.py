"""`git hone router`: learned from a real record with a known truth, judged, adopted, refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.learner.router import exported
from git_hone.learner.store import Store

AT = datetime(2026, 2, 2, tzinfo=timezone.utc)
Hone = Callable[..., tuple[int, str, str]]
MODELS = [
    {"id": "small", "provider": "ollama", "local": True},
    {"id": "large", "provider": "anthropic", "input_per_1m_usd": 30, "output_per_1m_usd": 150},
]
TRUE = {("docs", "small"): 0.9, ("docs", "large"): 0.9, ("fix", "small"): 0.2, ("fix", "large"): 0.9}
"""The small model is as good at docs, and bad at fixes: a router that knows it beats each of them."""


@pytest.fixture
def hone(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hone:
    """`hone("train", ...)` in a repository with two models: exit code, stdout, stderr."""
    top = repo()
    monkeypatch.chdir(top.path)
    top.write(".agent/model_variants.json", json.dumps(MODELS))
    settings = {"version": 1, "privacy": {"local_only": False}, "modelRouter": {"max_cost_per_1k_usd": 1.0}}
    top.write(".agent/learning-config.json", json.dumps(settings))

    def call(*args: str) -> tuple[int, str, str]:
        code = main(["router", *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def fill(
    n: int = 400,
    *,
    propensity: float | None = 0.5,
    models: tuple[str, ...] = ("small", "large"),
    days: int = 60,
    kind_known: bool = True,
) -> None:
    """n runs over `days`, half of them docs; the model is drawn with `propensity`, and logged unless that is None. kind_known: whether the
    record says which are docs; if not, only the tasks' words do."""
    drawn = random.Random(1)
    runs: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    for i in range(n):
        at = AT + timedelta(days=days * i / n)
        kind, model = drawn.choice(("docs", "fix")), drawn.choice(models)
        reward = min(1.0, max(0.0, drawn.gauss(TRUE[kind, model], 0.1)))
        runs.append({"record_id": f"e{i}", "recorded_at": at, "run_id": f"r{i}", "agent": "claude-code", "model": model,
                     "started_at": at, "task": f"{kind} number {i}", "task_kind": kind if kind_known else "fix", "tokens_in": 2000, "tokens_out": 800,
                     "evidence": "hook", "decision_id": None if propensity is None else f"D{i}.0"})  # fmt: skip
        folder = drawn.choice(("a", "b", "c", "d"))
        changes.append({"record_id": f"c{i}", "recorded_at": at, "change_id": f"I{i}", "commit": f"{i:040x}", "committed_at": at,
                        "state": "live", "run_ids": [f"r{i}"], "trust": "own", "reward": reward,
                        "files": [{"path": f"{folder}/x.py", "ai": 5}]})  # fmt: skip
        if propensity is not None:
            decisions.append({"record_id": f"d{i}", "recorded_at": at, "decision_id": f"D{i}.0", "kind": "model", "policy": "prior",
                              "chosen": model, "propensity": propensity, "step": 0, "task_kind": kind if kind_known else "fix",
                              "propensities": dict.fromkeys(models, 1 / len(models))})  # fmt: skip
    store = Store(Path(".agent/data"))
    store.append("runs", runs)
    store.append("changes", changes)
    if decisions:
        store.append("decisions", decisions)


def test_train_writes_a_candidate_and_shows_the_dumb_choices_beside_it(hone: Hone) -> None:
    fill()
    code, said, errors = hone("train", "--json")
    told = json.loads(said)
    assert (code, errors) == (0, "")
    assert not Path(".agent/router.json").exists()
    assert (told["examples"], told["left_out"], told["models"]) == (400, {}, ["large", "small"])
    assert set(told["beside"]) == {"best single", "always local", "always strong", "random mix"}
    assert told["beside"]["always local"]["beaten"] and told["beside"]["random mix"]["beaten"]
    assert told["beside"]["always local"]["reward"]["value"] == pytest.approx(0.55, abs=0.05)
    assert told["beside"]["always strong"]["reward"]["value"] == pytest.approx(0.9, abs=0.03)
    assert told["out_of_fold"]["reward"]["value"] == pytest.approx(0.9, abs=0.03)
    code, said, _ = hone("show", "--candidate", "--json")
    held = json.loads(said)
    assert (code, held["router"], held["arms"]) == (0, told["router"], ["large", "small"])
    assert held["about"]["beside"]["random mix"]["beaten"] is True


def test_a_budget_sends_the_docs_to_the_model_that_costs_nothing(hone: Hone) -> None:
    fill()
    assert hone("train", "--target", "budget:0.1")[0] == 0
    own = json.loads(hone("show", "--candidate", "--json")[1])["price_of_reward_usd"]
    (note,) = json.loads(hone("evaluate", "--json")[1])["notes"]
    assert note.endswith(f"; `--price {own:.4g}` judges it there")
    assert not json.loads(hone("evaluate", "--json", "--price", f"{own:.4g}")[1])["notes"]
    half = json.loads(hone("show", "--candidate", "--json")[1])["about"]["out_of_fold"]
    assert half["reward"] == pytest.approx(0.9, abs=0.03)
    assert half["cost_usd"] == pytest.approx(0.09, abs=0.02)  # 0.18 USD an attempt of the large one, for every second task
    assert hone("train", "--target", "budget:0")[0] == 0
    held = json.loads(hone("show", "--candidate", "--json")[1])
    assert min(cost for node in (held["all"], *held["kinds"].values()) for cost in node["cost_usd"]) == 0.0
    assert all(cost == 0.0 or cost > 1e-9 for node in held["kinds"].values() for cost in node["cost_usd"])
    assert json.loads(hone("show", "--candidate", "--json")[1])["about"]["out_of_fold"]["cost_usd"] == pytest.approx(0, abs=0.03)


def test_what_is_left_out_is_said(hone: Hone) -> None:
    fill()
    at = AT + timedelta(days=1)
    row = {"recorded_at": at, "started_at": at, "evidence": "hook"}
    Store(Path(".agent/data")).append("runs", [
        row | {"record_id": "x1", "run_id": "x1", "model": "gone"}, row | {"record_id": "x2", "run_id": "x2"},
        row | {"record_id": "x3", "run_id": "x3", "model": "small"},
        row | {"record_id": "x4", "run_id": "x4", "model": "small", "evidence": "import"},
    ])  # fmt: skip
    told = json.loads(hone("train", "--json")[1])
    assert told["examples"] == 400
    assert told["left_out"] == {
        "gone is not in model_variants.json": 1, "the agent never named its model": 1, "no reward yet": 1,
    }  # fmt: skip
    _, words, _ = hone("train", "--since", "2026-02-20")
    assert "left out" not in words and "learned from 2" in words


@pytest.mark.parametrize(
    ("given", "says"),
    [({"n": 0}, "no run has both a reward and a known model"), ({"n": 12}, "12 runs with a reward; 30 are needed"),
     ({"n": 60, "models": ("small",)}, "only small was tried")],
)  # fmt: skip
def test_too_little_is_said_and_nothing_is_written(hone: Hone, given: dict[str, Any], says: str) -> None:
    if given["n"]:
        fill(**given)
    code, said, _ = hone("train")
    assert code == 1 and says in said
    assert not Path(".agent/router.candidate.json").exists()
    assert says in json.loads(hone("train", "--json")[1])["error"]


@pytest.mark.parametrize("target", ["budget:x", "budget:-1", "cheap", "as-good-as:", "as-good-as:nobody"])
def test_a_target_that_makes_no_sense_is_wrong_use(hone: Hone, target: str) -> None:
    fill(60)
    code, _, errors = hone("train", "--target", target)
    assert code == 2 and target in errors


def test_without_logged_choices_the_probabilities_are_estimated_and_that_is_said(hone: Hone) -> None:
    fill(propensity=None)
    _, said, _ = hone("train")
    assert "400 of the runs were chosen by others" in said


def worse(text: str) -> str:
    """A router with every model's rewards the other way round, as a file with a hash that fits."""
    body = json.loads(text)
    del body["hash"]
    for node in [body["all"], *body["kinds"].values()]:
        node["reward"].reverse()
    body["words"] = {}
    body["about"] = {}
    return json.dumps(body | {"hash": exported._hash(body)})


def test_a_better_candidate_is_adopted_with_a_line_in_the_ledger_and_a_worse_one_is_not(hone: Hone) -> None:
    """The words tell the tasks apart, which a router learns and the count of what was seen of a kind does not."""
    fill(400, kind_known=False)
    assert hone("train")[0] == 0
    code, said, errors = hone("evaluate", "--json", "--price", "1.5")
    told = json.loads(said)
    assert (code, told["verdict"], errors) == (0, "better", ""), told
    assert told["current"] is None and told["choices"] == 400
    assert told["better_by"]["low"] > 0
    low, high = (told["policies"]["candidate"]["reward"][end] for end in ("low", "high"))
    assert low < 0.9 * 0.9 + 0.1 * (0.9 + 0.2) / 2 < high  # every tenth task goes to the other model, to keep learning
    assert hone("evaluate", "--price", "1.5")[1].endswith("\n  next: git hone router adopt --price 1.5\n")
    good = Path(".agent/router.candidate.json").read_text()
    assert hone("adopt", "--price", "1.5")[0] == 0
    assert Path(".agent/router.json").read_text() == good
    assert not Path(".agent/router.candidate.json").exists()

    Path(".agent/router.candidate.json").write_text(worse(good))
    code, said, _ = hone("evaluate")
    assert code == 1 and "worse" in said and "does not say how it was trained" in said
    code, said, _ = hone("adopt")
    assert code == 1 and f"not adopted: {told['candidate']} stays in use" in said
    assert Path(".agent/router.json").read_text() == good
    code, _, errors = hone("adopt", "--force")
    assert code == 2 and "--reason" in errors
    code, said, _ = hone("adopt", "--price", "2.5", "--force", "--reason", "to see what happens")
    assert code == 0 and "adopted" in said
    assert Path(".agent/router.previous.json").read_text() == good

    first, second = (json.loads(line) for line in Path(".agent/promotions.jsonl").read_text().splitlines())
    assert (first["from"], first["to"], first["verdict"], first["reason"]) == (None, told["candidate"], "better", None)
    assert (second["from"], second["verdict"], second["reason"]) == (told["candidate"], "worse", "to see what happens")
    assert first["numbers"]["price_of_reward_usd"] != second["numbers"]["price_of_reward_usd"] == 2.5
    assert first["numbers"]["better_by"]["low"] > 0 > second["numbers"]["better_by"]["high"]


def test_few_choices_are_not_enough_and_the_number_needed_is_told(hone: Hone) -> None:
    fill(80)
    assert hone("train")[0] == 0
    code, said, _ = hone("evaluate")
    assert code == 1 and "not enough evidence; about " in said and "choices would tell" in said
    code, said, _ = hone("adopt")
    assert code == 1 and "not adopted: the shipped priors stay in use" in said and not Path(".agent/router.json").exists()


def test_choices_that_nobody_logged_are_no_evidence(hone: Hone) -> None:
    fill(propensity=None)
    assert hone("train")[0] == 0
    code, said, _ = hone("evaluate")
    assert code == 1 and "no logged choice has both a reward" in said


def test_a_router_edited_by_hand_or_of_another_version_is_refused_by_name(hone: Hone) -> None:
    fill(kind_known=False)
    assert hone("train")[0] == 0
    candidate = Path(".agent/router.candidate.json")
    good = candidate.read_text()
    candidate.write_text(good.replace('"reward": [', '"reward": [1.0, ', 1))
    code, _, errors = hone("evaluate")
    assert code == 2 and "edited by hand" in errors and "router.candidate.json" in errors
    candidate.write_text(json.dumps({"version": 9}))
    assert "version 9" in hone("adopt")[2]
    candidate.write_text(good)
    Path(".agent/router.json").write_text("{")
    code, _, errors = hone("evaluate", "--price", "1.5")
    assert code == 0 and "the priors stand in" in errors
    assert "cannot be read" in hone("show")[2]
    candidate.unlink()
    code, _, errors = hone("evaluate")
    assert code == 2 and "there is no router" in errors and "git hone router train" in errors


def test_context_shows_lifts_and_what_was_never_offered(hone: Hone) -> None:
    assert "no context bundles" in hone("context")[1]
    fill(200)
    item = {"id": "one", "kind": "text", "value": "Be brief."}
    Path(".agent/context.json").write_text(json.dumps([{"id": "style", "items": [item]}, {"id": "new", "items": [item]}]))
    Store(Path(".agent/data")).append("decisions", [
        {"record_id": f"x{i}", "recorded_at": AT, "decision_id": f"D{i}.context", "kind": "context",
         "context": [{"id": "style", "included": i % 2 == 0, "propensity": 0.5}]}
        for i in range(200)
    ])  # fmt: skip
    code, said, _ = hone("context")
    assert code == 0 and "style" in said and "too few" in said
    style, new = json.loads(hone("context", "--json")[1])["context"]
    assert (style["id"], style["n_with"], style["n_without"]) == ("style", 100, 100)
    assert style["low"] < 0 < style["high"] and style["with"] == pytest.approx(0.72, abs=0.1)
    assert (new["id"], new["n_with"], new["value"]) == ("new", 0, None)
    Path(".agent/context.json").write_text("[{}]")
    assert "id is missing" in hone("context")[2]
