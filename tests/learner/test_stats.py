"""Stats against a brute-force oracle in plain Python, over a random store with amended, joined and reverted changes."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from git_hone.learner import stats
from git_hone.learner.intervals import share_mean_interval
from git_hone.learner.store import Store

START = datetime(2026, 1, 15, tzinfo=timezone.utc)


def at(i: int) -> datetime:
    return START + timedelta(hours=7 * i)


def change(i: int, chance: random.Random, again: int = 0) -> dict[str, Any]:
    written = chance.choice([None, 0, 10, 40])
    return {
        "record_id": f"c{i}.{again}", "recorded_at": at(i) + timedelta(minutes=again), "change_id": f"I{i}",
        "commit": f"{i:040x}", "committed_at": at(i), "state": chance.choice(["live", "live", "live", "superseded", "dropped"]),
        "run_ids": [f"r{i}", *([f"r{i - 1}"] if i % 3 == 0 else [])] if i % 7 else [],
        "agent": chance.choice(["claude-code", "codex", None]), "model": chance.choice(["opus", "gpt-5"]),
        "prompt_variant": chance.choice([None, "default"]), "task_kind": "fix", "lines_ai": chance.choice([None, 0, 8]),
        "lines_written": written, "reward": chance.choice([None, 0.0, 0.25, 1.0]),
    }  # fmt: skip


def run(i: int, chance: random.Random, again: int = 0) -> dict[str, Any]:
    return {
        "record_id": f"e{i}.{again}", "recorded_at": at(i) + timedelta(minutes=again), "run_id": f"r{i}", "agent": "codex",
        "started_at": at(i) if i % 11 else None, "duration_ms": chance.choice([None, 1000, 2500]),
        "tokens_in": chance.choice([None, 100]), "tokens_out": chance.choice([None, 7]),
    }  # fmt: skip


def filled(root: Path, share_twice: float) -> tuple[Store, dict[str, list[dict[str, Any]]]]:
    """A store and the same facts as plain lists of the newest rows."""
    chance = random.Random(5)
    store, now = Store(root), {"changes": {}, "runs": {}}
    made: dict[str, list[dict[str, Any]]] = {"changes": [], "runs": []}
    for i in range(120):
        for again in range(2 if chance.random() < share_twice else 1):
            for name, make, key in (("changes", change, "change_id"), ("runs", run, "run_id")):
                row = make(i, chance, again)
                made[name].append(row)
                now[name][row[key]] = row
    happened = [
        {"record_id": f"o{i}", "recorded_at": at(i), "change_id": f"I{chance.randrange(120)}", "at": at(chance.randrange(20)),
         "kind": chance.choice(["committed", "reverted", "reverted", "relanded", "survived"])}
        for i in range(80)
    ]  # fmt: skip
    for name, rows in made.items():
        chance.shuffle(rows)
        store.append(name, rows[:70])
        store.append(name, rows[70:])
    store.append("outcomes", happened)
    store.append("outcomes", happened[:40] + happened[60:])  # twins of an event count once
    return store, {name: list(rows.values()) for name, rows in now.items()} | {"outcomes": happened}


def expected_groups(facts: dict[str, list[dict[str, Any]]], by: str, since: datetime | None) -> dict[str | None, dict[str, Any]]:
    groups: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for row in facts["changes"]:
        is_ai = row["agent"] or (row["lines_ai"] or 0) > 0 or row["run_ids"]
        if row["state"] == "live" and is_ai and (since is None or row["committed_at"] >= since):
            groups[row[by]].append(row)
    return {name: expected(rows, facts["outcomes"]) for name, rows in groups.items()}


def expected(rows: list[dict[str, Any]], outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    known = [row["reward"] for row in rows if row["reward"] is not None]
    written = [row for row in rows if row["lines_written"] and row["lines_ai"] is not None]
    total = sum(row["lines_written"] for row in written)
    n_runs = [len(row["run_ids"]) for row in rows if row["run_ids"]]
    return {
        "changes": len(rows),
        "n": len(known),
        "value": fmean(known) if len(known) >= 5 else None,
        "interval": share_mean_interval(len(known), fmean(known), stdev(known)) if len(known) >= 5 else (None, None),
        "kept_share": sum(min(row["lines_ai"], row["lines_written"]) for row in written) / total if total else None,
        "runs_per_change": fmean(n_runs) if n_runs else None,
        "reverted_share": sum(is_reverted(row["change_id"], outcomes) for row in rows) / len(rows),
    }


def is_reverted(change_id: str, outcomes: list[dict[str, Any]]) -> bool:
    words = {k: [o["at"] for o in outcomes if o["change_id"] == change_id and o["kind"] == k] for k in ("reverted", "relanded")}
    if not words["reverted"] or not words["relanded"]:
        return bool(words["reverted"])
    last = {kind: max(times) for kind, times in words.items()}
    if last["reverted"] == last["relanded"]:
        return len(words["reverted"]) > len(words["relanded"])
    return last["reverted"] > last["relanded"]


@pytest.mark.parametrize("share_twice", [0.0, 0.1, 0.9])
def test_stats_are_those_of_a_plain_count(tmp_path: Path, share_twice: float) -> None:
    store, facts = filled(tmp_path / "data", share_twice)
    for by in stats.GROUPS:
        for since in (None, at(60)):
            groups = stats.grouped(store, by, since)
            wanted = expected_groups(facts, by, since)
            assert {group.name for group in groups} == set(wanted)
            assert [group.changes for group in groups] == sorted((one["changes"] for one in wanted.values()), reverse=True)
            for group in groups:
                one = wanted[group.name]
                assert (group.changes, group.reward.n) == (one["changes"], one["n"])
                assert (group.reward.low, group.reward.high) == pytest.approx(one["interval"])
                for name in ("kept_share", "runs_per_change", "reverted_share"):
                    assert getattr(group, name) == pytest.approx(one[name]), name
                assert group.reward.value == pytest.approx(one["value"])


@pytest.mark.parametrize("share_twice", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("n", [3, 20, 1000])
def test_recent_is_the_last_runs(tmp_path: Path, share_twice: float, n: int) -> None:
    store, facts = filled(tmp_path / "data", share_twice)
    earliest = datetime(1970, 1, 1, tzinfo=timezone.utc)
    last = sorted(facts["runs"], key=lambda row: (row["started_at"] or earliest, row["run_id"]), reverse=True)[:n]
    rewards = []
    for row in last:
        own = [c["reward"] for c in facts["changes"] if row["run_id"] in c["run_ids"] and c["state"] == "live"]
        if known := [reward for reward in own if reward is not None]:
            rewards.append(fmean(known))
    tokens = [(r["tokens_in"] or 0) + (r["tokens_out"] or 0) for r in last if (r["tokens_in"], r["tokens_out"]) != (None, None)]
    found = stats.recent(store, n)
    assert (found.runs, found.reward.n, found.tokens.n) == (len(last), len(rewards), len(tokens))
    assert found.reward.value == pytest.approx(fmean(rewards) if len(rewards) >= 5 else None)
    assert found.tokens.value == pytest.approx(fmean(tokens) if len(tokens) >= 5 else None)
    assert stats.both(store, "agent", n)[0] == found


def test_an_empty_store_has_no_stats(tmp_path: Path) -> None:
    recent, groups = stats.both(Store(tmp_path / "data"))
    assert (recent.runs, recent.reward, groups) == (0, stats.Mean(0), [])
    assert stats.newest_changes(Store(tmp_path / "data"), 5) == []


def test_three_rewards_make_no_mean(tmp_path: Path) -> None:
    chance = random.Random(1)
    store = Store(tmp_path / "data")
    store.append("changes", [change(i, chance) | {"state": "live", "agent": "codex", "reward": 1.0} for i in range(3)])
    (group,) = stats.grouped(store)
    assert (group.changes, group.reward) == (3, stats.Mean(3))


def test_group_names_are_closed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="by: one of agent, model, prompt_variant, task_kind"):
        stats.grouped(Store(tmp_path / "data"), "1; DROP TABLE runs")


def test_newest_changes_come_first_with_their_outcomes(tmp_path: Path) -> None:
    store, facts = filled(tmp_path / "data", 0.3)
    wanted = [r for r in facts["changes"] if r["state"] == "live" and (r["agent"] or r["lines_ai"] or r["run_ids"])]
    wanted.sort(key=lambda row: row["committed_at"], reverse=True)
    found = stats.newest_changes(store, 10)
    assert [row["change_id"] for row in found] == [row["change_id"] for row in wanted[:10]]
    assert found[0]["committed_at"] == wanted[0]["committed_at"]
    for row in found:
        kinds = {o["kind"] for o in facts["outcomes"] if o["change_id"] == row["change_id"]} - {"committed"}
        assert set(row["outcomes"]) == kinds
    assert {row["agent"] for row in stats.newest_changes(store, 5, "codex")} == {"codex"}
