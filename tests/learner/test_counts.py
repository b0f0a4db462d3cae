"""How often each variant was tried and what came of it, counted from the records."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner.bandit import Arm
from git_hone.learner.experience import counts, tried
from git_hone.learner.store import Store
from git_hone.learner.variants import Model

AT = datetime(2026, 3, 5, tzinfo=timezone.utc)
MODELS = [Model("small", "ollama", "http://127.0.0.1:1", "qwen:7b")]


def run(k: int, **more: Any) -> dict[str, Any]:
    base = {
        "record_id": f"r{k}",
        "recorded_at": AT,
        "run_id": f"r{k}",
        "agent": "a",
        "evidence": "hook",
        "started_at": AT + timedelta(hours=k),
    }
    return base | more


def change(k: int, reward: float | None, *runs: str) -> dict[str, Any]:
    return {"record_id": f"c{k}", "recorded_at": AT, "change_id": f"I{k}", "committed_at": AT, "state": "live", "trust": "own",
            "run_ids": list(runs), "reward": reward}  # fmt: skip


def decision(name: str, kind: str, chosen: str, reward: float | None, at: int = 0) -> dict[str, Any]:
    return {"record_id": f"{name}{kind}{reward}{at}", "recorded_at": AT + timedelta(hours=at), "decision_id": name, "kind": kind, "chosen": chosen,
            "result": None if reward is None else {"ended": "passed", "reward": reward}}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_nothing_recorded_counts_nothing(store: Store) -> None:
    assert counts(store, MODELS) == ({}, {})


def test_runs_count_once_their_change_has_a_reward(store: Store) -> None:
    store.append("runs", [run(0, model="qwen:7b", prompt_variant="default"), run(1, model="small", prompt_variant="concise"),
                          run(2, model="large"), run(3, model="large")])  # fmt: skip
    store.append("changes", [change(0, 0.5, "r0"), change(1, 1.0, "r1"), change(2, 0.25, "r2"), change(3, None, "r3")])
    prompts, models = counts(store, MODELS)
    assert prompts == {"default": Arm(0.5, 1), "concise": Arm(1.0, 1)}
    assert models == {"small": Arm(1.5, 2), "large": Arm(0.25, 1)}


def test_a_reward_by_hand_counts_for_what_was_chosen_and_the_newest_word_holds(store: Store) -> None:
    store.append("decisions", [decision("d1.prompt", "prompt", "default", None), decision("d1.prompt", "prompt", "default", 0.9, 1),
                               decision("d1.prompt", "prompt", "default", 0.4, 2), decision("d2.0", "model", "small", 1.0)])  # fmt: skip
    assert counts(store, MODELS) == ({"default": Arm(0.4, 1)}, {"small": Arm(1.0, 1)})


def test_a_reward_by_hand_stands_in_until_the_change_has_its_own_and_never_counts_twice(store: Store) -> None:
    store.append("runs", [run(0, model="small", prompt_variant="default", decision_id="d1.0")])
    store.append("decisions", [decision("d1.0", "model", "small", 0.8), decision("d1.prompt", "prompt", "default", 0.8)])
    assert counts(store, MODELS) == ({"default": Arm(0.8, 1)}, {"small": Arm(0.8, 1)})
    assert [one.reward for one in tried(store, MODELS)] == [0.8]
    store.append("changes", [change(0, 0.3, "r0")])
    assert counts(store, MODELS) == ({"default": Arm(0.3, 1)}, {"small": Arm(0.3, 1)})
