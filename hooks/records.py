"""From what the drain knows to rows of the record's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from git_hone.hooks.attribution import FileLines
from git_hone.hooks.commits import Commit
from git_hone.hooks.ids import digest
from git_hone.hooks.lines import edit_of, ranges
from git_hone.hooks.state import State, dumps

STRONGEST = ("hook", "api", "capture", "import", "trailer")


def when(at: float | None) -> datetime | None:
    """UTC, microseconds."""
    return None if at is None else datetime.fromtimestamp(at, timezone.utc)


def after(at: float) -> float:
    """A moment that the record's columns, which hold microseconds, show as later: near today a float's own step is a quarter of one, so
    that one more microsecond would at times be rounded away, and which of two rows is newer would be left to their ids.

    >>> when(after(1795285844.5658655)) > when(1795285844.5658655) == when(1795285844.5658655 + 1e-6)
    True
    """
    return at + 2e-6


def stamp(at: float) -> str:
    """The same, as text."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat()


def event(kind: str, row: dict[str, Any], at: float, config_hash: str | None) -> dict[str, Any]:
    """`row` with the columns that every table has; the id is made of the content, so the same fact has the same id."""
    return {**row, "record_id": digest("x", kind, at, dumps(_plain(row))), "recorded_at": when(at), "config_hash": config_hash}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def run_row(run: Mapping[str, Any], config_hash: str | None) -> dict[str, Any]:
    """A row of `runs`."""
    ended = run.get("ended_at")
    row = {
        name: run.get(name)
        for name in ("run_id", "agent", "session_id",
                     "model", "prompt_variant", "role", "difficulty", "task_kind", "task", "output",
                     "tokens_in", "tokens_out", "tokens_cache_read", "tokens_cache_write", "cost_usd", "evidence", "source")
    }  # fmt: skip
    row |= {
        "decision_id": run.get("decision_id"),
        "started_at": when(run["started_at"]),
        "ended_at": when(ended),
        "duration_ms": None if ended is None else max(0, round((ended - run["started_at"]) * 1000)),
        "edits": run.get("edits", []),
        "context": run.get("context"),
    }
    return event("run", row, run.get("last_at") or run["started_at"], config_hash)


def change_facts(state: State, commit: Commit, lines: Iterable[FileLines]) -> dict[str, Any]:
    """The columns of `changes` that follow from a commit's lines: counts, files, runs, agent and model."""
    files, by_run = [], dict[str, int]()
    lines = list(lines)
    edits = state.edit_rows({edit_of(origin) for f in lines for origin in f.atoms.values()})
    totals = dict.fromkeys(("ai", "human", "unknown"), 0)
    for f in lines:
        per_run: dict[str, list[int]] = {}
        for k, origin in f.atoms.items():
            run = edits[edit_of(origin)][0]
            per_run.setdefault(run, []).append(k)
            by_run[run] = by_run.get(run, 0) + 1
        if f.atoms or f.human or f.unknown:
            files.append({
                "path": f.path, "ai": len(f.atoms), "human": len(f.human), "unknown": len(f.unknown),
                "ai_ranges": ranges(f.atoms),
                "human_ranges": ranges(f.human), "runs": {run: ranges(where) for run, where in sorted(per_run.items())},
                "how": sorted({str(edits[edit_of(origin)][1]["how"]) for origin in f.atoms.values()}),
            })  # fmt: skip
        totals["ai"] += len(f.atoms)
        totals["human"] += len(f.human)
        totals["unknown"] += len(f.unknown)
    order = sorted(by_run, key=lambda run: (-by_run[run], run))
    rows = {run: state.get("runs", run) or {} for run in order}
    first = rows[order[0]] if order else {}
    evidence = {str(row.get("evidence")) for row in rows.values()}
    return {
        "commit": commit.id,
        "tree": commit.tree,
        "committed_at": commit.at,
        "run_ids": order,
        **{name: first.get(name) for name in ("agent", "model", "prompt_variant", "task_kind", "difficulty")},
        **{f"lines_{name}": total for name, total in totals.items()},
        "files": files,
        "evidence": next((kind for kind in STRONGEST if kind in evidence), None),
        "trust": "own",
    }


def change_row(facts: Mapping[str, Any], at: float, config_hash: str | None) -> dict[str, Any]:
    """A row of `changes` from what the state keeps of it (times as UTC seconds, our own keys with a leading underscore)."""
    row = {key: value for key, value in facts.items() if not key.startswith("_")}
    return event("change", row | {"committed_at": when(facts["committed_at"])}, at, config_hash)


def outcome_row(change: str, kind: str, at: float, config_hash: str | None, **more: Any) -> dict[str, Any]:
    """A row of `outcomes`. Of one kind, a change has one outcome for each `cause` (by default the commit that made it so),
    however often it is found."""
    row = {"change_id": change, "kind": kind, "at": when(at), "commit": more.get("commit"), "value": more.get("value"),
           "detail": more.get("detail"), "source": more.get("source", "hook")}  # fmt: skip
    return {
        **row,
        "record_id": digest("o", change, kind, more.get("cause") or more.get("commit") or at),
        "recorded_at": when(at),
        "config_hash": config_hash,
    }
