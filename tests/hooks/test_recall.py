"""What was tried is there for the next choice as soon as the drain has run, and the choice is on record."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import choosing
from git_hone.hooks import inbox
from git_hone.hooks import recall as recalling
from git_hone.hooks.drain import drain
from git_hone.hooks.recall import gates, lifts, nearest, recall
from git_hone.learner.errors import UsageError
from git_hone.learner.experience import tried
from git_hone.learner.router.features import task, words
from git_hone.learner.store import Store
from git_hone.learner.tables import DECISIONS

Play = Any
MODELS = [
    {"id": "small", "provider": "ollama", "cost_per_1k": 0},
    {"id": "large", "provider": "anthropic", "endpoint": "https://api.example", "input_per_1m_usd": 3, "output_per_1m_usd": 15},
]


def models(p: Play, **config: Any) -> Path:
    agent = p.place.agent
    agent.mkdir(exist_ok=True)
    (agent / "model_variants.json").write_text(json.dumps(MODELS))
    body = {"privacy": {"local_only": False}, "modelRouter": {"epsilon": 0.1, "max_cost_per_1k_usd": 1}} | config
    (agent / "learning-config.json").write_text(json.dumps(body))
    return agent


def choose(p: Play, text: str = "mend the parser", **more: Any) -> choosing.Decided:
    return choosing.choose(p.place, p.place.agent, text, random=random.Random(0), **more)


def test_a_committed_run_with_its_reward_is_recalled_and_forgotten_with_its_change(p: Play) -> None:
    p.prompt("mend the parser\nand more")
    p.write("src/parse.py", "def parse(x):\n    return x\n")
    p.commit("parse")
    drain(p.place)
    (past,) = recall(p.place)
    assert (past.title, past.path[2:], past.reward) == ("mend the parser", ("python", "src"), 1.0)
    assert past.change_id == p.show()["change_id"]
    p.git("reset", "-q", "--hard", "HEAD~1")
    p.git("reflog", "expire", "--expire=now", "--all")
    drain(p.place)
    assert not recall(p.place)


def test_two_changes_of_one_run_are_one_run_with_their_mean(p: Play) -> None:
    p.prompt("both")
    p.write("a.py", "a = 1\n")
    p.write("b.py", "b = 1\n")
    p.git("add", "a.py")
    p.git("commit", "-qm", "a")
    p.git("add", "b.py")
    p.git("commit", "-qm", "b")
    drain(p.place)
    inbox.put(p.place.inbox, {"v": 1, "type": "feedback", "at": 9e9, "rev": p.git("rev-parse", "HEAD"), "verdict": "rejected"})
    drain(p.place)
    (past,) = recall(p.place)
    assert past.reward == 0.5
    (row,) = tried(Store(p.place.data))
    assert row.reward == 0.5


def test_a_decision_leaves_its_plan_its_first_attempt_and_its_prompt(p: Play) -> None:
    models(p)
    decided = choose(p, kind="fix", budget_usd=1.0)
    assert decided.logged
    drain(p.place)
    rows = {row["decision_id"]: row for row in Store(p.place.data).rows("decisions")}
    assert sorted(rows) == [decided.id, f"{decided.id}.0", f"{decided.id}.prompt"]
    for row in rows.values():
        assert row["propensities"][row["chosen"]] == pytest.approx(row["propensity"])
        assert sum(row["propensities"].values()) == pytest.approx(1.0)
        assert set(row) >= set(DECISIONS.columns)
    assert rows[decided.id]["plan"]["prompt"] == decided.choice.prompt.id
    assert rows[f"{decided.id}.0"]["chosen"] == decided.choice.plan.models[0]


def test_secrets_in_a_task_do_not_reach_the_record(p: Play) -> None:
    models(p)
    secret = "ghp_" + "aB3xY9" * 6
    choose(p, f"use {secret} to push")
    drain(p.place)
    assert all(secret not in str(row) for row in Store(p.place.data).rows("decisions"))


def test_the_runs_of_an_attempt_are_joined_to_its_decision(p: Play) -> None:
    models(p)
    decided = choose(p)
    p.env["HONE_DECISION"] = f"{decided.id}.0"
    p.turn("a.py", "one")
    p.commit("one")
    drain(p.place)
    (row,) = tried(Store(p.place.data))
    assert (row.decision_id, row.chosen, row.prompt) == (
        f"{decided.id}.0",
        decided.choice.plan.models[0],
        decided.choice.prompt.id,
    )
    assert row.propensity == pytest.approx(decided.choice.propensity) or row.propensity == pytest.approx(1.0)


def test_an_attempt_that_its_gates_stopped_counts_as_none_and_teaches_the_gate(p: Play) -> None:
    agent = models(p)
    decided = choose(p)
    row = choosing.attempt(decided.id, decided.choice, decided.asked, 0, {"ended": "stopped", "gates": {"test": False}})
    inbox.put(p.place.inbox, {"v": 1, "type": "decision", "row": row})
    drain(p.place)
    (past,) = recall(p.place)
    assert (past.model, past.reward, past.change_id) == (decided.choice.plan.models[0], 0.0, None)
    (gate,) = gates(p.place, ["test"])
    assert gate.n == 1 and gate.recall > 0.6
    assert agent.is_dir()


def test_a_time_out_is_nobodys_bad_code(p: Play) -> None:
    models(p)
    decided = choose(p)
    row = choosing.attempt(decided.id, decided.choice, decided.asked, 0, {"ended": "timeout"})
    inbox.put(p.place.inbox, {"v": 1, "type": "decision", "row": row})
    drain(p.place)
    assert not recall(p.place)


def test_local_only_is_the_default_and_fails_closed(p: Play) -> None:
    models(p, privacy={"local_only": True})
    assert choose(p).choice.plan.models == ("small",)
    with pytest.raises(UsageError, match="local_only"):
        choose(p, only_model="large")


@pytest.mark.parametrize("text", ["{", '{"version": 9}'])
def test_a_router_that_cannot_be_used_is_said_and_the_priors_stand_in(p: Play, text: str) -> None:
    (models(p) / "router.json").write_text(text)
    decided = choose(p)
    assert decided.choice.policy == "prior"
    assert "router.json" in decided.notes[0] and "the priors stand in" in decided.notes[0]


def test_a_state_that_cannot_be_read_stops_no_decision(p: Play) -> None:
    models(p)
    (p.place.hone / "state.db").write_bytes(b"not a database" * 100)
    assert choose(p).choice.plan.models


def test_an_inbox_that_cannot_be_written_stops_no_decision(p: Play) -> None:
    models(p)
    drain(p.place)
    p.place.inbox.rmdir()
    p.place.inbox.write_text("in the way")
    assert not choose(p).logged


def test_a_task_of_a_megabyte_is_answered_and_cut_in_the_record(p: Play) -> None:
    models(p)
    choose(p, "word " * 200_000)
    drain(p.place)
    longest = max(len(row["task"] or "") for row in Store(p.place.data).rows("decisions"))
    assert longest <= choosing.TEXT_LIMIT


def test_a_lost_state_is_filled_again_from_the_record(p: Play) -> None:
    agent = models(p)
    (agent / "context.json").write_text(
        json.dumps([{"id": "rule", "items": [{"id": "r", "kind": "text", "value": "Be brief."}]}])
    )
    p.prompt("mend the parser of dates")
    p.write("src/parse.py", "def parse(x):\n    return x\n")
    p.commit("parse")
    drawn = random.Random(3)
    for k in range(24):
        decided = choosing.choose(p.place, agent, f"mend part {k}", kind="fix", random=drawn)
        ended = (
            {"ended": "stopped", "gates": {"test": False}}
            if k % 3
            else {"ended": "passed", "reward": 0.8, "gates": {"test": True}}
        )
        choosing.put(p.place, [choosing.attempt(decided.id, decided.choice, decided.asked, 0, ended)])
    drain(p.place)
    asked = task("mend the parser", kind="fix")

    def known() -> Any:
        return sorted(recall(p.place), key=str), gates(p.place, ["test"]), lifts(p.place), nearest(p.place, asked, 5)

    before = known()
    assert len(before[0]) == 25 and before[1][0].n == 24 and before[2][None]["rule"].value is not None
    (p.place.hone / "state.db").unlink()
    drain(p.place)
    assert known() == before


def test_the_nearest_runs_are_those_that_comparing_with_every_one_finds(p: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: the cosine of each past task with the words of the new one that no more than COMMON of the last RECENT runs have, and the path."""
    monkeypatch.setattr(recalling, "RECENT", 150)
    monkeypatch.setattr(recalling, "COMMON", 30)
    models(p)
    drawn = random.Random(5)
    vocabulary = [f"word{k}" for k in range(60)]
    texts = [" ".join(["mend", "the", *drawn.choices(vocabulary, range(1, 61), k=6)]) for _ in range(200)]
    kinds = [drawn.choice(["fix", "docs"]) for _ in texts]
    rows = [
        {"decision_id": f"past{k}.0", "kind": "model", "chosen": "small", "step": 0, "task": text, "task_kind": kind,
         "plan": {"prompt": "default"}, "result": {"ended": "passed", "reward": k / 200}}
        for k, (text, kind) in enumerate(zip(texts, kinds, strict=True))
    ]  # fmt: skip
    for k in range(0, 200, 50):
        choosing.put(p.place, rows[k : k + 50])
        drain(p.place)
    bags = {text: {word: round(weight, 3) for word, weight in words(text).items()} for text in texts[50:]}
    having = [word for bag in bags.values() for word in bag]
    common = {word for word in having if having.count(word) > 30}
    assert set(words("mend")) <= common
    for text, kind in [
        (texts[70], "fix"),
        ("mend the word59 word58 of word3", "docs"),
        ("mend the", "fix"),
        ("unheard", "fix"),
        ("", "docs"),
    ]:
        asked = {word: weight for word, weight in words(text).items() if word not in common}
        length = sum(weight**2 for weight in asked.values()) ** 0.5
        scores = sorted(
            (round((sum(weight * bags[past].get(word, 0.0) for word, weight in asked.items()) / (length or 1.0) + (of == kind)) / 2, 4)
             for past, of in zip(texts[50:], kinds[50:], strict=True)),
            reverse=True,
        )  # fmt: skip
        found = nearest(p.place, task(text, kind=kind), 9)
        assert [score for score, _ in found] == pytest.approx([score for score in scores[:9] if score > 0.1], abs=1e-4)
