"""Pairs for learning: what an agent wrote, and what a person made of it."""

from __future__ import annotations

from typing import Any

from git_hone.hooks import records
from git_hone.hooks.batch import Batch
from git_hone.hooks.ids import digest


def improved(batch: Batch, change: str, run_id: str, path: str, before: bytes, after: bytes, at: float) -> dict[str, Any]:
    """The record of one pair, redacted. before: the agent's lines; after: what stands there now; at: seconds since 1970."""
    run = batch.state.get("runs", run_id) or {}
    old, new = (batch.redactor.code(text.decode("utf-8", "replace"), path) for text in (before, after))
    row = {"pair_id": digest("p", change, path, old, new), "change_id": change, "run_id": run_id,
           "role": run.get("role") or "coder", "prompt": {"task": run.get("task"), "path": path},
           "output": {"text": old}, "chosen": {"text": new}, "label": None, "origin": "human-improved"}  # fmt: skip
    return records.event("pair", row, at, batch.config.hash)
