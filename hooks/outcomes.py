"""What the new commits and people did to the changes before them: reverted, edited, accepted, rejected, rated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from git_hone.hooks import commits as history
from git_hone.hooks import records
from git_hone.hooks.batch import Batch
from git_hone.hooks.changes import atoms_of, patch_id
from git_hone.hooks.commits import Commit
from git_hone.hooks.history.commits import REVERTS
from git_hone.hooks.ids import digest
from git_hone.hooks.inbox import Event
from git_hone.hooks.lines import edit_of
from git_hone.hooks.place import Place
from git_hone.learner.evidence import flag_key

VERDICTS: Final = ("accepted", "rejected", "rated", "cleared")
GONE_SHARE: Final = 0.9
"""Share of a change's lines that a commit must take away to count as its revert."""


def find(batch: Batch) -> None:
    """What the new commits did to the changes before them: reverted, edited."""
    place, state, lines = batch.place, batch.state, batch.lines
    for commit in batch.arrived:
        killed = {origin for f in lines.get(commit.id, ()) for origin in f.killed}
        carried = {origin for f in lines.get(commit.id, ()) for origin in f.atoms.values()}
        killed -= carried
        names: set[str] = set()
        for edit in {edit_of(origin) for origin in killed}:
            names |= {row[0] for row in state.db.execute("select distinct change from atoms where edit = ?", (edit,))}
        for name in sorted(names):
            row = state.get("changes", name)
            mine = atoms_of(state, name)
            if row is None or row["state"] != "live" or row["commit"] == commit.id or not mine:
                continue
            share = len(mine & killed) / len(mine)
            if share == 0 or not history.is_ancestor(place.cwd, row["commit"], commit.id):
                continue
            kind = "reverted" if share >= GONE_SHARE and _reverts(place, commit, row) else "edited"
            detail = {"after_s": round(commit.at - row["committed_at"]), "lines": len(mine & killed), "of": len(mine),
                      "by": "agent" if carried else "person"}  # fmt: skip
            cause = deed(commit.author_email, commit.authored)
            outcome = records.outcome_row(name, kind, commit.at, batch.config.hash, commit=commit.id, cause=cause, source="history",
                                          value=None if kind == "reverted" else share, detail=detail)  # fmt: skip
            batch.add_outcome(outcome)
            batch.touched.add(name)


def deed(email: str, authored: float, nth: int = 0) -> str:
    """What somebody did at a moment, whatever commit carries it now: amend, rebase and cherry-pick keep author and author
    date. `nth` tells two commits of one second apart."""
    return digest("deed", email, int(authored), nth)


def _reverts(place: Place, commit: Commit, row: Mapping[str, Any]) -> bool:
    """A second witness that `commit` undoes a change: its message names it, or its patch or its tree is the inverse."""
    named = {match.decode() for match in REVERTS.findall(commit.message)}
    if any(sha.startswith(name) for name in named for sha in (row["commit"], *row["replaces"])):
        return True
    return bool(
        commit.tree == row["parent_tree"]
        or patch_id(place, commit.id, "-R", "--src-prefix=b/", "--dst-prefix=a/") == row["patch_id"]
    )


def take_feedback(batch: Batch, events: Iterable[Event]) -> None:
    """What people said of a change."""
    state = batch.state
    for event in events:
        if event.kind != "feedback":
            continue
        says = event.fields
        commit = state.get("commits", str(says.get("rev")))
        if commit is None or not commit["change"] or says.get("verdict") not in VERDICTS:
            continue
        row = state.get("changes", commit["change"])
        name = (row or {}).get("superseded_by") or commit["change"]
        detail: dict[str, Any] | None = (
            {"note": batch.redactor.prose(says["note"])} if isinstance(says.get("note"), str) and says["note"] else None
        )
        if says["verdict"] == "cleared":
            flags = (state.get("changes", name) or {}).get("flags") or []
            detail = {**(detail or {}), "flags": sorted({flag_key(flag) for flag in flags})}
        outcome = records.outcome_row(name, says["verdict"], event.at, batch.config.hash, value=says.get("value"), detail=detail,
                                      source="feedback")  # fmt: skip
        batch.add_outcome(outcome)
        batch.touched.add(name)
