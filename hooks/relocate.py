"""The record of a landed pull request, moved to the commits that landed: worked out from notes, then written.

Notes are enough, and what is written follows from commits and notes alone, so that two machines write the same lines. Where there
is a store, rows are written too; where there is a state, it is told, as the drain would have told it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from git_hone.hooks import commits as history
from git_hone.hooks import drain as drainer
from git_hone.hooks import git, noted, notes, records, rewards
from git_hone.hooks.batch import Batch, GitWord
from git_hone.hooks.carried import Carrier, note_files
from git_hone.hooks.changes import patch_ids, put_atoms
from git_hone.hooks.commits import Commit
from git_hone.hooks.ids import digest
from git_hone.hooks.landing import Decision, Pair, living, newest
from git_hone.hooks.lines import edit_of, unpack
from git_hone.hooks.lock import locked
from git_hone.hooks.partial import fetch_notes, is_partial
from git_hone.hooks.paths import unquote
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.learner.errors import UsageError
from git_hone.learner.store import Store

Event = dict[str, Any]


@dataclass
class Move:
    """One record and where it went. sources: the commits that carried it (and what it absorbed) before. moved: False when it
    stood there already. lines: ai, human, unknown on the commit `to`; None where the record stays on its own commit."""

    change_id: str
    to: str
    sources: list[str]
    absorbed: list[str] = field(default_factory=list)
    moved: bool = True
    lines: dict[str, int] | None = None


@dataclass
class Landing:
    """How a pull request landed (`squash`, `rebase`, `merge`, `ff`, `unknown`), by which evidence, and what became of its
    records. landed: the commits of the target branch that carry it, oldest first. unknown: commits of the pull request with a
    record that nobody can place. notes: how many notes were changed."""

    how: str
    certainty: str
    base: str
    head: str
    merged: str
    evidence: list[str] = field(default_factory=list)
    landed: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    message: str = ""
    notes: int = 0


def merge_base(place: Place, a: str, b: str) -> str | None:
    return (git.line(["merge-base", a, b], place.cwd) or "").split("\n")[0] or None


def rev_list(place: Place, *args: str) -> list[str]:
    return git.text(git.attempt(["rev-list", *args], place.cwd) or b"").split()


class Plan:
    """What is to be written, worked out before anything is."""

    def __init__(self, place: Place, found: Landing) -> None:
        self.place, self.found = place, found
        self.notes: dict[str, list[Event]] = {}
        self.records: list[tuple[Move, Event, list[Event]]] = []  # move, its new change event, the events that it comes from
        self.files: dict[str, list[dict[str, Any]]] = {}  # event id -> its files, with counts

    def make(self, decision: Decision) -> None:
        place, found = self.place, self.found
        before = [] if found.how == "ff" else [f"^{found.landed[-1]}^1"]  # what the target branch had, newer than base perhaps
        self.range = rev_list(place, "--reverse", "--topo-order", found.head, f"^{found.base}", *before)
        origin = merge_base(place, found.base, found.head) or found.base
        around = rev_list(place, "--max-count=5000", f"{origin}..{found.merged}")
        if is_partial(place):
            fetch_notes(place, {*self.range, *around})
        texts = notes.read(place.cwd, {*self.range, *around})
        self.events = [e for commit, text in texts.items() for e in _well_formed(text, commit)]
        self.latest = newest(self.events)
        self.alive = living(self.events)
        self._heed_state()
        mine = set(self.range)
        own = [event for name, event in self.alive.items() if event["commit"] in mine]
        if found.how in ("merge", "ff"):
            for event in own:
                found.moves.append(Move(event["change_id"], event["commit"], [event["commit"]], moved=False))
        elif decision.how == "squash":
            self._squash(own, found.landed[-1])
        else:
            self._rebase(own, decision.pairs)
        if found.message:
            return
        if not found.moves:
            found.message = "this pull request has no record here: nothing to do"
        elif not any(move.moved for move in found.moves) and found.how in ("squash", "rebase"):
            found.message = "the record stands there already"

    def _heed_state(self) -> None:
        """Where this clone's own state knows of a later move, that counts."""
        if not (self.place.hone / "state.db").is_file():
            return
        with State(self.place.hone / "state.db") as state:
            for name, event in list(self.alive.items()):
                row = state.get("changes", name)
                if row is None or (row["commit"] == event["commit"] and row["state"] != "superseded"):
                    continue
                if row["state"] == "superseded" or history.is_ancestor(self.place.cwd, row["commit"], self.found.merged):
                    there = self.latest.get((name, row["commit"])) if row["state"] != "superseded" else None
                    if there:
                        self.alive[name] = there
                    else:
                        del self.alive[name]

    def _squash(self, own: list[Event], landed: str) -> None:
        self._land(own, landed, self.found.head, "squash")

    def _rebase(self, own: list[Event], pairs: Sequence[Pair]) -> None:
        placed = {pair.old: pair.new for pair in pairs if pair.certainty == "proven" and pair.new}
        waiting = {event["commit"] for event in own}
        self.found.unknown = [name for name in self.range if name in waiting and name not in placed]
        for old, new in placed.items():
            self._land([event for event in own if event["commit"] == old], new, old, "rebase")

    def _land(self, came: list[Event], landed: str, tip: str, how: str) -> None:
        """One record on `landed` for the changes of the events `came`, whose lines stand at `tip`."""
        there = [event for event in self.alive.values() if event["commit"] == landed]
        span = [tip] if how == "rebase" else self.range
        before = set(span)
        known = {run for event in came for run in _runs(event)}
        mine = [e for e in there if before & set(e.get("replaces") or ()) or (_runs(e) and _runs(e) <= known)]
        if [event for event in there if event not in mine]:
            self.found.message = f"{landed[:10]} carries the record of another change already: nothing moved"
            self.found.unknown += sorted({event["commit"] for event in came})
            return
        group = {event["change_id"]: event for event in [*came, *mine]}
        if not group:
            return
        order = {commit: k for k, commit in enumerate(span)}  # within a second: git's own time has no fraction of it
        ages = {name: (self._born(name), order.get(event["commit"], -1)) for name, event in group.items()}
        eldest = min(group, key=lambda name: (ages[name][0][:19], ages[name][1], ages[name][0], name))
        sources = sorted({e["commit"] for e in came} | {c for e in mine for c in e.get("replaces") or () if c in before})
        absorbed = sorted({name for c in (*sources, landed) for name in self._at(c, landed)} | set(group))
        standing = next((e for e in mine if e["change_id"] == eldest), None)
        event = self._event(eldest, [*came, *mine], landed, tip, span, how)
        stands = standing is not None and not came and len(mine) == 1
        if standing is not None and stands:
            self.files[standing["id"]] = self.files.pop(event["id"])
            event = standing
        lines = {name: int(event["lines"].get(name) or 0) for name in ("ai", "human", "unknown")}
        move = Move(eldest, landed, sources, [name for name in absorbed if name != eldest], not stands, lines)
        self.records.append((move, event, came))
        self.found.moves.append(move)

    def _at(self, commit: str, landed: str) -> list[str]:
        """The changes that the notes name at a commit, without those that live elsewhere than there and on `landed`."""
        names = {name for name, at in self.latest if at == commit}
        return sorted(n for n in names if n not in self.alive or self.alive[n]["commit"] in (commit, landed))

    def _born(self, name: str) -> str:
        """When a change first came into a commit, as far as the notes say."""
        told = [e for e in self.events if e.get("change_id") == name]
        first = [str(e.get("at")) for e in told if e.get("type") == "outcome" and e.get("kind") == "committed"]
        return min(first or [str(e.get("at")) for e in told if e.get("type") == "change"])

    def _event(self, name: str, came: list[Event], landed: str, tip: str, span: list[str], how: str) -> Event:
        place = self.place
        commits = {c.id: c for c in history.read(place.cwd, [*span, tip, landed], place.common)}
        sources = [event for (_, commit), event in self.latest.items() if commit in set(span)]
        named = {commit: [e for e in sources if e["commit"] == commit] for commit in span}
        carrier = Carrier(place)
        maps = carrier.along([commits[commit] for commit in span], named)
        parents = commits[landed].parents
        parent_tree = git.line(["rev-parse", f"{parents[0]}^{{tree}}"], place.cwd) if parents else None
        files = note_files(carrier.land(maps[tip], commits[tip].tree, commits[landed], parent_tree))
        totals = {kind: sum(f[kind] for f in files) for kind in ("ai", "human", "unknown")}
        told = {run["run_id"]: run for e in [*sources, *came] for run in e.get("runs") or () if isinstance(run, dict)}
        counts: dict[str, int] = {}
        for f in files:
            for run, spans in f["runs"].items():
                counts[run] = counts.get(run, 0) + sum(b - a + 1 for a, b in spans)
        order = sorted({*told, *counts}, key=lambda run: (-counts.get(run, 0), run))
        replaces = [c for e in sorted(came, key=lambda e: str(e["at"])) for c in (*(e.get("replaces") or ()), e["commit"])]
        at = max(commits[landed].at, *(records.after(_seconds(e["at"])) for e in came))
        body: Event = {
            "v": 1, "type": "change", "at": records.stamp(at), "change_id": name, "commit": landed,
            "kind": "squash" if how == "squash" else "rebase",
            "runs": [told.get(run, {"run_id": run}) for run in order],
            "files": [{key: f[key] for key in ("path", "ai_ranges", "human_ranges", "runs")} for f in files],
            "lines": totals | {"written": sum(int(e["lines"].get("written") or 0) for e in came)},
            "replaces": [c for c in dict.fromkeys(replaces) if c != landed], "reward": None, "reward_mode": None,
        }  # fmt: skip
        event = body | {"id": digest("x", "landed", json.dumps(body, sort_keys=True))}
        self.files[event["id"]] = files
        return event

    # -- writing -----------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        place, found = self.place, self.found
        commits = {c.id: c for c in history.read(place.cwd, {*found.landed, *(m.to for m in found.moves)}, place.common)}
        if not found.moves:
            return
        last = commits[found.landed[-1]]
        body = {"v": 1, "type": "landing", "at": records.stamp(last.at), "commit": last.id, "head": found.head, "how": found.how}
        self._add(last.id, body | {"id": digest("l", found.head, last.id), "evidence": found.evidence})
        for move, event, _ in self.records:
            at = records.stamp(commits[move.to].at)
            if move.moved:
                self._add(move.to, event, *self._told(move.change_id))
            gone = {(name, old) for old in move.sources for name in self._at(old, move.to)}
            gone |= {(name, move.to) for name in move.absorbed if (name, move.to) in self.latest}
            for name, old in sorted(gone):
                body = {
                    "v": 1,
                    "type": "moved",
                    "at": at,
                    "change_id": name,
                    "commit": old,
                    "to": move.to,
                    "into": move.change_id,
                }
                self._add(old, body | {"id": digest("m", name, old, move.to)})
        for move in found.moves:
            self._add(move.to, *self._merged(move, last))
        if place.hone.is_dir():
            with locked(place.hone / "drain.lock", 30.0) as got:
                if not got:
                    raise UsageError("another drain is still at work", tip="run this again")
                self._write_state(commits, last)
        elif place.agent.is_dir():
            self._write_rows(commits, last)
        shards = drainer.config_of(place)[0]["notes.shards"]
        found.notes = notes.write(place.cwd, self.notes, last.at, shards)

    def _add(self, commit: str, *events: Event) -> None:
        self.notes.setdefault(commit, []).extend(events)

    def _told(self, name: str) -> list[Event]:
        """The outcomes of a change, which go with it."""
        return list({e["id"]: e for e in self.events if e.get("type") == "outcome" and e.get("change_id") == name}.values())

    def _merged(self, move: Move, last: Commit) -> list[Event]:
        """The outcome `merged`, once for a change wherever it lands again."""
        if any(e.get("kind") == "merged" for e in self._told(move.change_id)):
            return []
        row = self._outcome(move, last)
        return [{"v": 1, "id": row["record_id"], "type": "outcome", "change_id": move.change_id, "kind": "merged",
                 "at": records.stamp(last.at), "value": None, "commit": row["commit"]}]  # fmt: skip

    def _outcome(self, move: Move, last: Commit, config_hash: str | None = None) -> dict[str, Any]:
        landed = last.id if self.found.how in ("merge", "ff") else move.to
        detail = {"how": self.found.how, "evidence": self.found.evidence}
        return records.outcome_row(
            move.change_id, "merged", last.at, config_hash, commit=landed, cause="merged", detail=detail, source="history"
        )

    def _write_rows(self, commits: Mapping[str, Commit], last: Commit) -> None:
        """Without a state: rows made of what the notes say."""
        config, _ = drainer.config_of(self.place)
        changes = [row for move, event, came in self.records if move.moved for row in self._rows(move, event, came, commits)]
        outcomes = [self._outcome(move, last, config.hash) for move in self.found.moves if self._merged(move, last)]
        store = Store(self.place.data)
        for table, rows in (("outcomes", outcomes), ("changes", changes)):
            if rows:
                store.append(table, [row | {"config_hash": config.hash} for row in rows])

    def _rows(self, move: Move, event: Event, came: list[Event], commits: Mapping[str, Commit]) -> list[dict[str, Any]]:
        facts = self._facts(move, event, commits[move.to])
        rows = [records.change_row(facts, _seconds(event["at"]), None) | {"record_id": event["id"]}]
        for old in came:
            if old["change_id"] != move.change_id:
                body = {"change_id": old["change_id"], "commit": old["commit"], "state": "superseded",
                        "superseded_by": move.change_id, "evidence": "note",
                        "committed_at": records.when(_seconds(old["at"])), "run_ids": sorted(_runs(old)), "trust": "own",
                        **{f"lines_{kind}": old["lines"].get(kind) for kind in ("ai", "human", "unknown", "written")}}  # fmt: skip
                rows.append(records.event("change", body, max(_seconds(event["at"]), records.after(_seconds(old["at"]))), None))
        return rows

    def _facts(self, move: Move, event: Event, commit: Commit) -> dict[str, Any]:
        """The columns of `changes` that the landed commit and its lines decide."""
        place = self.place
        parent = commit.parents[0] if commit.parents else None
        first = event["runs"][0] if event["runs"] else {}
        return {
            "change_id": move.change_id, "commit": commit.id, "tree": commit.tree, "committed_at": commit.at,
            "parent_tree": git.line(["rev-parse", "--verify", "--quiet", f"{parent}^{{tree}}"], place.cwd) if parent else None,
            "state": "live", "superseded_by": None, "kind": event["kind"], "replaces": event["replaces"],
            "run_ids": [run["run_id"] for run in event["runs"]], "agent": first.get("agent"), "model": first.get("model"),
            **{f"lines_{kind}": count for kind, count in event["lines"].items()}, "files": self.files[event["id"]],
            "patch_id": patch_ids(place, [commit.id]).get(commit.id), "evidence": "note", "trust": "own",
        }  # fmt: skip

    def _write_state(self, commits: Mapping[str, Commit], last: Commit) -> None:
        """With a state: the change moves there as the drain moves it, and its reward is settled anew."""
        place = self.place
        config, _ = drainer.config_of(place)
        with State(place.hone / "state.db") as state:
            batch = Batch(place, state, config, time.time(), GitWord())
            for move, event, came in self.records:
                self._move_in(batch, move, event, came, commits)
            for move in self.found.moves:
                row = self._outcome(move, last, config.hash)
                if state.get("changes", move.change_id) is None:
                    batch.rows.outcomes += [row] if self._merged(move, last) else []
                    continue
                before = len(batch.rows.outcomes)
                batch.add_outcome(row)
                if len(batch.rows.outcomes) > before and self._known(state, move.change_id):
                    batch.touched.add(move.change_id)
            rewards.settle(batch)
            for commit, events in batch.rows.notes.items():
                self._add(commit, *events)
            batch.rows.notes = {}
            drainer.write_rows(place, batch.rows, batch.config["notes.shards"])
            state.commit()

    def _known(self, state: State, name: str) -> bool:
        """Whether the state knows every run of a change, so that what it writes of it is whole."""
        row = state.get("changes", name) or {}
        return all(state.get("runs", run) for run in row.get("run_ids", ()))

    def _move_in(self, batch: Batch, move: Move, event: Event, came: list[Event], commits: Mapping[str, Commit]) -> None:
        state, commit = batch.state, commits[move.to]
        old = state.get("changes", move.change_id)
        if old is None:
            batch.rows.changes += self._rows(move, event, came, commits)[:1] if move.moved else []
        elif move.moved or (old["commit"] != move.to and old["commit"] in self.range):
            facts = self._facts(move, event, commit)
            kept = set()
            for f in facts["files"]:
                blob = git.line(
                    [b"rev-parse", b"--verify", b"--quiet", commit.id.encode() + b":" + unquote(f["path"])], self.place.cwd
                )
                origins = unpack(state.node(f["path"], blob or "") or [])
                kept |= {origins[k - 1] for a, b in f["ai_ranges"] for k in range(a, b + 1) if k <= len(origins)}
            at = max(commit.at, records.after(old["_at"]))
            state.put_change(old | facts | {"trust": old["trust"], "evidence": old["evidence"], "_at": at})
            put_atoms(state, move.change_id, {origin for origin in kept if edit_of(origin)})
            state.put("commits", commit.id, {"change": move.change_id, "blobs": {f.path: f.after for f in commit.files or []}})
            if self._known(state, move.change_id):
                batch.touched.add(move.change_id)
            else:
                batch.rows.changes.append(records.change_row(old | facts | {"evidence": old["evidence"]}, at, batch.config.hash))
        for name in move.absorbed:
            row = state.get("changes", name)
            if row and row["state"] != "superseded" and row["commit"] in (move.to, *self.range):
                at = max(commit.at, records.after(row["_at"]))
                state.put_change(row | {"state": "superseded", "superseded_by": move.change_id, "_at": at})
                put_atoms(state, name, ())
                batch.touched.add(name)


def _well_formed(text: str, commit: str) -> list[Event]:
    """The events of a note that can be relied on; a note is a claim by whoever may push notes."""
    return [*noted.changes(text, commit), *noted.outcomes(text), *(e for e in notes.events(text) if e.get("type") == "moved")]


def _runs(event: Mapping[str, Any]) -> set[str]:
    return {str(run["run_id"]) for run in event.get("runs") or () if isinstance(run, dict) and "run_id" in run}


def _seconds(at: Any) -> float:
    return datetime.fromisoformat(str(at)).timestamp()
