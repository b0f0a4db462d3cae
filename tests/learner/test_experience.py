"""The join of runs, changes and decisions, over a real store."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from git_hone.learner.experience import tried
from git_hone.learner.store import Store
from git_hone.learner.variants import Model

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def test_a_run_has_the_mean_of_its_live_changes_the_decision_behind_it_and_a_price(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row = {"recorded_at": AT, "started_at": AT, "evidence": "hook", "model": "m"}
    store.append("runs", [
        row | {"record_id": "1", "run_id": "r1", "decision_id": "D.0", "tokens_in": 1000, "tokens_out": 100},
        row | {"record_id": "2", "run_id": "r2", "started_at": AT + timedelta(days=1), "decision_id": "E.0"},
        row | {"record_id": "3", "run_id": "r3", "evidence": "import"},
    ])  # fmt: skip
    change = {"recorded_at": AT, "committed_at": AT, "state": "live", "run_ids": ["r1"], "files": [{"path": "a/b.py", "ai": 1}]}
    store.append("changes", [
        change | {"record_id": "4", "change_id": "c1", "reward": 0.4}, change | {"record_id": "5", "change_id": "c2", "reward": 0.8},
        change | {"record_id": "6", "change_id": "c3", "reward": 0.0, "state": "dropped"},
        change | {"record_id": "7", "change_id": "c4", "reward": 0.0, "trust": "fork"},
    ])  # fmt: skip
    store.append("decisions", [
        {"record_id": "8", "recorded_at": AT, "decision_id": "D.0", "kind": "model", "chosen": "m", "propensity": 0.9, "step": 0,
         "task_kind": "fix", "difficulty": "easy"},
        {"record_id": "p", "recorded_at": AT, "decision_id": "D", "kind": "plan", "chosen": "m", "budget_usd": 0.5,
         "plan": {"gates": ["test"], "prompt": "default"}},
        {"record_id": "q", "recorded_at": AT, "decision_id": "E", "kind": "plan", "chosen": "m", "task_kind": "docs", "difficulty": "hard"},
        {"record_id": "9", "recorded_at": AT, "decision_id": "E.0", "kind": "model", "chosen": "m", "propensity": 1.0, "step": 1,
         "result": {"ended": "stopped", "gates": {"test": False}}},
    ])  # fmt: skip
    first, second = tried(store, [Model("m", "anthropic", "https://x", "m", input_per_1m_usd=3, output_per_1m_usd=15)])
    assert (first.at, round(first.reward or 0, 6), first.cost_usd) == (AT, 0.6, 0.0045)
    assert (first.task.path, first.propensity, first.step) == (("fix", "easy", "python", "a"), 0.9, 0)
    assert (first.judged_by, first.budget_usd, second.task.path[:2]) == (("test",), 0.5, ("docs", "hard"))
    assert (second.reward, second.kind, second.ended, second.gates) == (0.0, "docs", "stopped", {"test": False})
    assert [one.run_id for one in tried(store, since=AT + timedelta(hours=1))] == ["r2"]
