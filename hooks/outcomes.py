"""What the new commits and people did to the changes before them: reverted, landed again, accepted, rejected, rated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from git_hone.hooks import commits as history
from git_hone.hooks import git, records
from git_hone.hooks.batch import Batch
from git_hone.hooks.changes import atoms_of, patch_ids
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
    """Which changes the new commits took out again, and which they brought back."""
    for commit in batch.arrived:
        lines = batch.lines.get(commit.id, ())
        carried = {origin for f in lines for origin in f.atoms.values()}
        killed = {origin for f in lines for origin in f.killed} - carried
        for row, share in _touched(batch, commit, killed):
            if _reverts(batch, commit, row):
                _add(batch, row, "reverted", commit, share, row["committed_at"])
        for row, share in _touched(batch, commit, carried):
            said = [one for one in batch.state.outcomes(row["change_id"]) if one["kind"] in ("reverted", "relanded")]
            reverts = [one["at"] for one in said if one["kind"] == "reverted"]
            if 2 * len(reverts) > len(said):
                _add(batch, row, "relanded", commit, share, max(reverts))


def _touched(batch: Batch, commit: Commit, lines: set[int]) -> list[tuple[dict[str, Any], float]]:
    """The changes in the history of `commit` that nearly all of their lines are among `lines`: (row, share of the lines)."""
    state, found = batch.state, []
    names: set[str] = set()
    for edit in {edit_of(origin) for origin in lines}:
        names |= {row[0] for row in state.db.execute("select distinct change from atoms where edit = ?", (edit,))}
    for name in sorted(names):
        row, mine = state.get("changes", name), atoms_of(state, name)
        if row is None or row["state"] != "live" or row["commit"] == commit.id or not mine:
            continue
        share = len(mine & lines) / len(mine)
        if share >= GONE_SHARE and batch.is_ancestor(row["commit"], commit.id):
            found.append((row, share))
    return found


def _add(batch: Batch, row: Mapping[str, Any], kind: str, commit: Commit, share: float, since: float) -> None:
    detail = {"delay_s": max(0, round(commit.at - since)), "of": len(atoms_of(batch.state, row["change_id"]))}
    batch.add_outcome(records.outcome_row(row["change_id"], kind, commit.at, batch.config.hash, commit=commit.id, source="history",
                                          cause=deed(commit.author_email, commit.authored), value=share, detail=detail))  # fmt: skip
    batch.touched.add(row["change_id"])


def deed(email: str, authored: float, nth: int = 0) -> str:
    """What somebody did at a moment, whatever commit carries it now: amend, rebase and cherry-pick keep author and author
    date. `nth` tells two commits of one second apart."""
    return digest("deed", email, int(authored), nth)


def _reverts(batch: Batch, commit: Commit, row: Mapping[str, Any]) -> bool:
    """A second witness that `commit` undoes a change: its message names it or the merge that brought it in, or its patch or
    its tree is the inverse."""
    place, named = batch.place, {match.decode() for match in REVERTS.findall(commit.message)}
    if any(sha.startswith(name) for name in named for sha in (row["commit"], *row["replaces"])):
        return True
    if any(_brought(place, name, row["commit"]) for name in named):
        return True
    if commit.tree == row["parent_tree"]:
        return True
    if commit.id not in batch.inverses:
        batch.inverses |= {commit.id: None, **patch_ids(place, [commit.id], "-R", "--src-prefix=b/", "--dst-prefix=a/")}
    return bool(batch.inverses[commit.id] == row["patch_id"])


def _brought(place: Place, merge: str, commit: str) -> bool:
    """Whether `merge` is a merge that brought `commit` into its first parent's history."""
    parents = (git.line(["rev-list", "--parents", "-n", "1", merge], place.cwd) or "").split(" ")[1:]
    return (
        len(parents) > 1
        and history.is_ancestor(place.cwd, commit, merge)
        and not history.is_ancestor(place.cwd, commit, parents[0])
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
            {"note": batch.prose(says["note"])} if isinstance(says.get("note"), str) and says["note"] else None
        )
        if says["verdict"] == "cleared":
            flags = (state.get("changes", name) or {}).get("flags") or []
            detail = {**(detail or {}), "flags": sorted({flag_key(flag) for flag in flags})}
        outcome = records.outcome_row(name, says["verdict"], event.at, batch.config.hash, value=says.get("value"), detail=detail,
                                      source="feedback")  # fmt: skip
        batch.add_outcome(outcome)
        batch.touched.add(name)
