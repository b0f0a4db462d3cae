"""The reward of every change that a drain touched, and with it the change's row and its note."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from git_hone.hooks import records
from git_hone.hooks.batch import Batch
from git_hone.hooks.ids import digest
from git_hone.hooks.state import State
from git_hone.learner import reward_file
from git_hone.learner.evidence import Evidence
from git_hone.learner.reward import reward


def settle(batch: Batch) -> str | None:
    """Reward of every touched change, from its own signals, its parent's and its outcomes; then its row and its note.

    By the fitted reward where one is in use. Returns one line for a person when its file cannot be used."""
    state, rows, config = batch.state, batch.rows, batch.config
    model, problem = reward_file.load(batch.place.agent / reward_file.NAME)[:2]
    for name in sorted(batch.touched):
        row = state.get("changes", name)
        if row is None:
            continue
        outcomes = [o for o in state.outcomes(name) if o["kind"] != "dropped" or row["state"] != "live"]
        signals, parent = state.signals(row["tree"]), state.signals(row["parent_tree"])
        evidence = Evidence.of(row, signals, parent, outcomes)
        result = reward(evidence, config.reward_mode, config.reward_weights, model).as_json()
        latest = [o["recorded_at"] for o in outcomes] + [s["recorded_at"] for s in signals + parent]
        at = max([row["_at"], *latest])
        if row.get("_rewarded_at", 0.0) >= at:
            at = records.after(row["_rewarded_at"])
        row |= {"reward": result["value"], "reward_mode": result["mode"],
                "reward_terms": {"terms": result["terms"], "veto": result.get("veto")}, "_rewarded_at": at}  # fmt: skip
        record = records.change_row(row, at, config.hash)
        rows.changes.append(record)
        if row["state"] == "live":
            change, *others = _note_events(state, row, record, outcomes)
            says = digest("n", json.dumps(change | {"id": None, "at": None}, sort_keys=True))
            if row.get("_noted") != says:  # a note does not say the same twice, a moment apart
                others.append(change)
            row["_noted"] = says
            if others:
                rows.notes.setdefault(row["commit"], []).extend(others)
        state.put_change(row)
    return problem


def all_notes(state: State, config_hash: str) -> dict[str, list[dict[str, Any]]]:
    """The note of every live change that the state knows, by commit: what a lost notes ref is written from."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in state.changes("state = 'live'"):
        if "_rewarded_at" not in row:
            continue
        record = records.change_row(row, row["_rewarded_at"], config_hash)
        found.setdefault(row["commit"], []).extend(_note_events(state, row, record, state.outcomes(row["change_id"])))
    return found


def _note_events(
    state: State, row: Mapping[str, Any], record: Mapping[str, Any], outcomes: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    runs = []
    for run_id in row["run_ids"]:
        run = state.get("runs", run_id) or {}
        uses = sorted({str(edit["tool_use_id"]) for edit in run.get("edits", []) if edit.get("tool_use_id")})
        runs.append({"run_id": run_id, "agent": run.get("agent"), "model": run.get("model"), "session_id": run.get("session_id"),
                     "role": run.get("role"), "tool_use_ids": uses[:200]})  # fmt: skip
    files = [
        {"path": f["path"], "ai_ranges": f["ai_ranges"], "human_ranges": f["human_ranges"], "runs": f["runs"]}
        for f in row["files"]
    ]
    change = {
        "v": 1, "id": record["record_id"], "type": "change", "at": record["recorded_at"].isoformat(),
        "change_id": row["change_id"], "commit": row["commit"], "kind": row["kind"], "runs": runs, "files": files,
        "lines": {name: row[f"lines_{name}"] for name in ("ai", "human", "unknown", "written")},
        "replaces": row["replaces"], "reward": row["reward"], "reward_mode": row["reward_mode"],
    }  # fmt: skip
    return [
        change,
        *(
            {"v": 1, "id": o["record_id"], "type": "outcome", "change_id": o["change_id"], "kind": o["kind"],
             "at": records.stamp(o["at"]), "value": o["value"], "commit": o["commit"]}
            for o in outcomes
        ),
    ]  # fmt: skip
