"""Which change each new commit carries, written into the state: what moved, what was absorbed, what is gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from git_hone.hooks import commits as history
from git_hone.hooks import git, notes, pairs, records
from git_hone.hooks.attribution import FileLines
from git_hone.hooks.batch import Batch
from git_hone.hooks.commits import Commit
from git_hone.hooks.consent import excluded
from git_hone.hooks.history.tokens import alike
from git_hone.hooks.identity import Arrival, Known, Verdict, identify
from git_hone.hooks.ids import change_id_for
from git_hone.hooks.lines import edit_of, ranges
from git_hone.hooks.place import Place
from git_hone.hooks.state import State


def settle(batch: Batch) -> None:
    """Give each commit its change."""
    place, state, lines, word = batch.place, batch.state, batch.lines, batch.word
    by_id = {commit.id: commit for commit in batch.arrived}
    arrivals = [
        Arrival(
            commit.id,
            frozenset(origin for f in lines[commit.id] for origin in f.atoms.values()),
            commit.id not in batch.lost,
            word.linked.get(commit.id, {}),
        )
        for commit in batch.arrived
        if commit.id in lines
    ]
    gone = batch.gone | set(state.meta("limbo", []))
    known = _known(state, arrivals, gone, {old for olds in word.linked.values() for old in olds})
    noted = notes.read(place.cwd, [a.commit for a in arrivals if a.atoms])

    def fresh(commit: str) -> str:
        ids = sorted(
            {e["change_id"] for e in notes.events(noted.get(commit, "")) if e.get("commit") == commit and "change_id" in e}
        )
        return ids[0] if ids else change_id_for(commit)

    verdicts = identify(arrivals, known, batch.is_ancestor, fresh)
    settled = [(arrival, verdict) for arrival in arrivals if (verdict := verdicts.get(arrival.commit))]
    patches = patch_ids(place, [arrival.commit for arrival, _ in settled])
    for arrival, verdict in settled:
        _settle_one(batch, by_id[arrival.commit], arrival, verdict, patches.get(arrival.commit))
    _drop(batch, gone)


def _known(state: State, arrivals: Iterable[Arrival], gone: set[str], linked: set[str]) -> dict[str, Known]:
    edits = {edit_of(origin) for arrival in arrivals for origin in arrival.atoms}
    names: set[str] = set()
    for edit in edits:
        names |= {row[0] for row in state.db.execute("select distinct change from atoms where edit = ?", (edit,))}
    for commit in linked | {arrival.commit for arrival in arrivals}:
        names |= {row["change_id"] for row in state.changes("commit_id = ?", commit)}
    found = {}
    for name in names:
        row = state.get("changes", name)
        if row is None or row["state"] == "superseded":
            continue
        found[name] = Known(
            name, row["commit"], atoms_of(state, name), row["_born"], row["state"] == "live" and row["commit"] not in gone
        )
    return found


def atoms_of(state: State, change: str) -> frozenset[int]:
    found: set[int] = set()
    for edit, packed in state.db.execute("select edit, indexes from atoms where change = ?", (change,)):
        for first, last in json.loads(packed):
            found |= {edit << 20 | k for k in range(first - 1, last)}
    return frozenset(found)


def put_atoms(state: State, change: str, atoms: Iterable[int]) -> None:
    """Let these be the atoms of a change."""
    state.db.execute("delete from atoms where change = ?", (change,))
    by_edit: dict[int, list[int]] = {}
    for origin in atoms:
        by_edit.setdefault(edit_of(origin), []).append(origin & ((1 << 20) - 1))
    for edit, indexes in by_edit.items():
        state.db.execute("insert into atoms values (?, ?, ?)", (change, edit, json.dumps(ranges(indexes))))


def _settle_one(batch: Batch, commit: Commit, arrival: Arrival, verdict: Verdict, patch: str | None) -> None:
    """Write the change that a commit carries, and what it absorbs, into the state."""
    place, state, word, config = batch.place, batch.state, batch.word, batch.config
    lines = batch.lines[commit.id]
    old = state.get("changes", verdict.change)
    before = atoms_of(state, verdict.change) if old else frozenset()
    if old and old["commit"] != commit.id:
        _keep(batch, old)
    facts = records.change_facts(state, commit, lines)
    replaces = list(old["replaces"]) if old else []
    for name in (verdict.moved_from, *((state.get("changes", c) or {}).get("commit") for c in verdict.absorbs)):
        if name and name != commit.id and name not in replaces:
            replaces.append(name)
    left = {origin for f in lines for origin in f.written}  # as the runs last left the files, lines of earlier changes among them
    elsewhere = _landed_elsewhere(state, left | before | arrival.atoms, {verdict.change, *verdict.absorbs})
    written = left - elsewhere | arrival.atoms
    with git.cat_file(place.cwd) as objects:
        tree = objects.tree_of(commit.parents[0]) if commit.parents else None
    facts |= {
        "change_id": verdict.change,
        "parent_tree": tree,
        "branch": word.branch.get(commit.id) or (old or {}).get("branch"),
        "state": "live",
        "superseded_by": None,
        "kind": verdict.kind if verdict.kind != "commit" or not old else old["kind"],
        "replaces": replaces,
        "lines_written": len(written),
        "patch_id": patch,
        "_born": old["_born"] if old else commit.at,
        "_at": max(commit.at, records.after((old or {}).get("_at", 0.0))),
    } | {name: old[name] for name in ("_rewarded_at", "_noted") if old and name in old}
    state.put_change(facts)
    put_atoms(state, verdict.change, arrival.atoms)
    blobs = {c.path: c.after for c in commit.files or []}
    state.put("commits", commit.id, {"change": verdict.change, "blobs": blobs, "seen": commit.id in batch.seen,
                                   "unknown": {f.path: ranges(f.unknown) for f in lines if f.unknown}})  # fmt: skip
    batch.touched.add(verdict.change)
    for name in verdict.absorbs:
        other = state.get("changes", name)
        if other:
            _keep(batch, other)
            at = max(commit.at, records.after(other["_at"]))
            state.put_change(other | {"state": "superseded", "superseded_by": verdict.change, "_at": at})
            state.db.execute("delete from atoms where change = ?", (name,))
            batch.touched.add(name)
    first = old is None
    if first:
        batch.add_outcome(records.outcome_row(verdict.change, "committed", commit.at, config.hash, commit=commit.id))
    overridden = len(written - arrival.atoms - _laid_out(lines))
    if first and overridden and written:
        detail = {"lines": overridden, "of": len(written), "before_commit": True, "delay_s": 0, "formatter": None}
        row = records.outcome_row(verdict.change, "edited", commit.at, config.hash, commit=commit.id, cause="before commit",
                                  value=overridden / len(written), detail=detail)  # fmt: skip
        batch.add_outcome(row)
    if old and verdict.moved_from and (lost := before - arrival.atoms - elsewhere):
        detail = {
            "lines": len(lost),
            "of": len(before),
            "before_commit": False,
            "delay_s": max(0, round(commit.at - old["committed_at"])),
            "formatter": None,
        }
        batch.add_outcome(records.outcome_row(verdict.change, "edited", commit.at, config.hash, commit=commit.id,
                                              value=len(lost) / len(before), detail=detail))  # fmt: skip
    if first or verdict.moved_from:
        batch.rows.pairs += _pairs(batch, verdict.change, commit, lines)


def _keep(batch: Batch, row: dict[str, Any]) -> None:
    """The row of a change that moves on within the same drain: the commit it came by keeps its lines in the record."""
    if row["change_id"] in batch.touched:
        batch.rows.changes.append(records.change_row(row, row["_at"], batch.config.hash))


def _laid_out(lines: Iterable[FileLines]) -> set[int]:
    """The lines that stand in the commit laid out otherwise: a formatter has written nothing."""
    return {origin for f in lines for gone, old, new in f.replaced if alike(b"\n".join(old), b"\n".join(new)) for origin in gone}


def _landed_elsewhere(state: State, atoms: Iterable[int], mine: set[str]) -> set[int]:
    found: set[int] = set()
    for edit in {edit_of(origin) for origin in atoms}:
        for change, packed in state.db.execute("select change, indexes from atoms where edit = ?", (edit,)):
            if change not in mine:
                found |= {edit << 20 | k for first, last in json.loads(packed) for k in range(first - 1, last)}
    return found


def patch_ids(place: Place, commits: Sequence[str], *flags: str) -> dict[str, str]:
    """`git patch-id --stable` of each commit, two processes for a hundred of them. One with an empty diff, a merge, and one that
    cannot be read have none."""
    found: dict[str, str] = {}
    for start in range(0, len(commits), 100):
        part = commits[start : start + 100]
        args = ["diff-tree", "--stdin", "-p", "--no-ext-diff", "--no-textconv", "--root", *flags]
        patch = git.attempt(args, place.cwd, stdin="".join(f"{name}\n" for name in part).encode())
        if patch is None and len(part) > 1:  # one that cannot be read ends the whole process: find it by halves
            middle = len(part) // 2
            found |= patch_ids(place, part[:middle], *flags) | patch_ids(place, part[middle:], *flags)
        out = git.attempt(["patch-id", "--stable"], place.cwd, stdin=patch) if patch else None
        found |= {commit: patch for patch, commit in (row.split() for row in git.text(out or b"").splitlines())}
    return found


def _pairs(batch: Batch, change: str, commit: Commit, lines: Iterable[FileLines]) -> list[dict[str, Any]]:
    """What the agent wrote and what a person made of it before committing: kept for learning, redacted."""
    state, config, found = batch.state, batch.config, []
    for f in lines:
        if excluded(f.path, config.exclude_patterns):
            continue
        for atoms, old, new in f.replaced:
            rows = state.edit_rows({edit_of(atoms[0])})
            before, after = b"\n".join(old), b"\n".join(new)
            if not rows or alike(before, after):
                continue
            found.append(pairs.improved(batch, change, next(iter(rows.values()))[0], f.path, before, after, commit.at))
    return found


def _drop(batch: Batch, gone: set[str]) -> None:
    """Changes whose commit no name leads to any more. While a rebase is under way nothing is given up."""
    place, state, now = batch.place, batch.state, batch.now
    limbo: list[str] = []
    busy = _rebasing(place)
    for commit in sorted(gone):
        for row in state.changes("commit_id = ? and state = 'live'", commit):
            if not history.unreachable(place.cwd, commit, batch.tips.values()):
                continue
            if busy:
                limbo.append(commit)
                continue
            state.put_change(row | {"state": "dropped", "_at": max(now, records.after(row["_at"]))})
            batch.touched.add(row["change_id"])
            batch.add_outcome(
                records.outcome_row(row["change_id"], "dropped", now, batch.config.hash, commit=commit, source="history")
            )
    state.set_meta("limbo", limbo)


def _rebasing(place: Place) -> bool:
    homes = [place.common, *place.common.glob("worktrees/*")]
    return any((home / name).is_dir() for home in homes for name in ("rebase-merge", "rebase-apply"))
