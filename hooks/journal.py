"""What git-hone did, one JSON object a line, in `<common git dir>/hone/journal.jsonl`: for people and their tools to follow.

    change_recorded          a change's row was written: change_id, commit, state, reward
    signal_recorded          a measurement was filed: tree, kind, tool, passed
    outcome_recorded         something became of a change: change_id, kind
    training_data_logged     pairs kept for learning: pairs
    events_unreadable        payloads set aside: count
    loop_step, loop_ended    the loop that runs by itself (zero_touch): step, what; how, step
    drift                    a model got worse: model, action
    challenger               the trial of one ended: role, id, action
    learning_loop_complete   a drain ended: events, commits, changes

No prompt, no code, no path. The file is turned over at 1 MiB; one older file is kept. Losing it loses nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from git_hone.hooks.batch import Rows
from git_hone.hooks.records import stamp

LIMIT_BYTES: Final = 1 << 20


def entries(rows: Rows) -> list[dict[str, Any]]:
    """What a drain's rows say, in the order above."""
    named = ("change_id", "commit", "state")
    found: list[dict[str, Any]] = [
        {"event": "change_recorded", **{name: row[name] for name in named}, "reward": row.get("reward")} for row in rows.changes
    ]
    found += [
        {"event": "signal_recorded", **{name: row.get(name) for name in ("tree", "kind", "tool", "passed")}}
        for row in rows.signals
    ]
    found += [{"event": "outcome_recorded", "change_id": row["change_id"], "kind": row["kind"]} for row in rows.outcomes]
    if rows.pairs:
        found.append({"event": "training_data_logged", "pairs": len(rows.pairs)})
    return found


def append(file: Path, at: float, events: Iterable[Mapping[str, Any]]) -> None:
    """Add lines. A journal that cannot be written stops nothing."""
    lines = "".join(json.dumps({"at": stamp(at), **event}, separators=(",", ":")) + "\n" for event in events)
    with contextlib.suppress(OSError):
        if lines and file.exists() and file.stat().st_size > LIMIT_BYTES:
            file.replace(file.with_suffix(".jsonl.1"))
        if lines:
            with file.open("a", encoding="utf-8") as out:
                out.write(lines)
