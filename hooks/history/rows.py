"""The record of a learned history: rows for `changes` and `outcomes`, the same on every machine and at every call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from git_hone.hooks.history.survival import DAY, DAYS
from git_hone.hooks.ids import change_id_for, digest

if TYPE_CHECKING:
    from git_hone.hooks.history.learn import Learned
    from git_hone.learner.store import Store


def write(learned: Learned, store: Store) -> dict[str, int]:
    """Append the rows, one batch a table; returns how many of each. Only agents' commits become changes: the others are the
    baseline of the report, and nobody chose a model for them."""
    changes, outcomes = list(change_rows(learned)), list(outcome_rows(learned))
    for table, rows in (("changes", changes), ("outcomes", outcomes)):
        if rows:
            store.append(table, rows)
    return {"changes": len(changes), "outcomes": len(outcomes)}


def _at(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, timezone.utc)


def change_rows(learned: Learned) -> Iterator[dict[str, Any]]:
    """One row a commit that an agent is named in."""
    for at, claims in sorted(learned.claims.items()):
        commit, note = learned.commits[at], learned.notes.get(at)
        if learned.group[at] is None or not claims:
            continue
        when = datetime.fromtimestamp(commit.time, timezone.utc)
        by_note = note is not None and claims[0].kind == "note"
        change = change_id_for(commit.sha)
        yield {
            "record_id": digest("h", "change", change, claims[0].agent, claims[0].model or "", by_note),
            "recorded_at": when,
            "change_id": change,
            "commit": commit.sha,
            "tree": commit.tree,
            "parent_tree": None,
            "committed_at": when,
            "state": "live",
            "kind": "import",
            "replaces": [],
            "run_ids": [],
            "agent": claims[0].agent,
            "model": next((claim.model for claim in claims if claim.agent == claims[0].agent and claim.model), None),
            "lines_ai": note.lines_ai if note and by_note else None,
            "lines_human": sum(map(len, note.human.values())) if note and by_note else None,
            "evidence": "import" if claims[0].kind in ("note", "trace") else "trailer",
            "trust": "import",
        }


def outcome_rows(learned: Learned) -> Iterator[dict[str, Any]]:
    """What became of them: `survived` for each horizon that has passed, `reworked` after 30 days, `reverted`."""
    agents = {at for at, claims in learned.claims.items() if claims and learned.group[at] is not None}
    for at in sorted(agents):
        fate = learned.fates[at]
        if fate is None:
            continue
        for days, counts in zip(DAYS, fate.alive, strict=True):
            of = counts[1] - fate.before_landing if counts is not None else 0
            if counts is not None and of > 0:
                ages = {"age_days": days, "alive": counts[0], "of": of}
                yield _outcome(learned, at, "survived", fate.landed + days * DAY, counts[0] / of, ages)
        if fate.reworked:
            detail = {"corrective": None, "lines": fate.reworked, "by": "unknown", "within_days": 30}
            yield _outcome(learned, at, "reworked", fate.landed + 30 * DAY, fate.reworked / fate.lines, detail)
    for revert in learned.reverts:
        if revert.of in agents:
            by = learned.commits[revert.by]
            kind = _outcome(learned, revert.of, "reverted", by.time // 60, None, {"stands": revert.stands}, by.sha)
            yield kind


def _outcome(
    learned: Learned, at: int, kind: str, minute: int, value: float | None, detail: dict[str, Any], commit: str | None = None
) -> dict[str, Any]:
    change = change_id_for(learned.commits[at].sha)
    return {
        "record_id": digest("h", "outcome", change, kind, detail.get("age_days", detail.get("within_days", "")), commit or ""),
        "recorded_at": _at(minute),
        "change_id": change,
        "kind": kind,
        "at": _at(minute),
        "commit": commit,
        "value": value,
        "detail": detail,
        "source": "history",
    }
