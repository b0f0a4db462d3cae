"""What a forge did with a pull request, asked of git, and the record moved to the commits that landed.

Works on notes alone (a clone that a job made, without store or state) and, where git-hone is installed, on state and store too.
What is written follows from the commits and notes only, so two machines write the same lines; what is there is not written again.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import commits as history
from git_hone.hooks import drain as drainer
from git_hone.hooks import git, notes, records, rewards
from git_hone.hooks.batch import Batch, GitWord
from git_hone.hooks.carried import Carrier, note_files
from git_hone.hooks.changes import patch_id, put_atoms
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.ids import digest
from git_hone.hooks.landing import Decision, Facts, Pair, Piece, decide, living, newest, unknown
from git_hone.hooks.lines import edit_of, squeeze, unpack
from git_hone.hooks.lock import locked
from git_hone.hooks.paths import unquote
from git_hone.hooks.place import Place, find
from git_hone.hooks.state import State
from git_hone.learner.errors import UsageError
from git_hone.learner.store import Store

HEX: Final = re.compile(r"[0-9a-fA-F]{4,64}")
MAX_COMMITS: Final = 2000
"""Commits of one pull request that are looked at."""
RUN_COLUMNS: Final = ("run_id", "agent", "model", "session_id", "role")
"""What a note says of a run."""
DEEPEN: Final = (100, 1000)
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


def reconcile(where: Place | Path, base: str, head: str, merged: str, *, dry_run: bool = False) -> Landing:
    """Move the record of the pull request `head` to where it landed. base: the target branch before the merge (or the merge
    base); merged: the commit that the forge made. Names, or commit ids, abbreviated or not.

    Where the evidence does not hold, nothing is written and `how` is `unknown`. Raises UsageError for a name that is no commit
    id and means nothing here.
    """
    place = where if isinstance(where, Place) else find(where)
    names = {"base": base, "head": head, "merged": merged}
    given = {option: _resolve(place, option, name) for option, name in names.items()}
    lacking = [f"--{option} {names[option]}" for option, commit in given.items() if commit is None]
    if lacking:
        reason = f"{' and '.join(lacking)}: not in this clone, and the remote does not give it"
        tip = "; for a deleted branch, fetch the pull request's own ref first" if given["head"] is None else ""
        return Landing("unknown", "unknown", base, head, merged, message=reason + tip)
    full = {option: commit or "" for option, commit in given.items()}
    if not dry_run and place.hone.is_dir():
        drainer.drain(place)
    complete = _complete(place, **full)
    decision, landed = _decide(place, **full) if complete else (unknown("the history between these commits is not here"), [])
    ids = full["base"], full["head"], full["merged"]
    found = Landing(decision.how, decision.certainty, *ids, list(decision.evidence), landed)
    if decision.how == "unknown":
        found.message = decision.reason or ""
        return found
    plan = _Plan(place, found)
    plan.make(decision)
    if not dry_run:
        plan.write()
    return found


# -- what git says ---------------------------------------------------------------------------------------------------------


def _commit(place: Place, name: str) -> str | None:
    return git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], place.cwd) or None


def _resolve(place: Place, option: str, name: str) -> str | None:
    """The commit that `name` means; asked of the remote when it is a whole id that is not here."""
    if found := _commit(place, name):
        return found
    if not HEX.fullmatch(name):
        raise UsageError(f"--{option} {name}: no such commit here", tip="give a commit id, as the forge shows it")
    remote = _remote(place)
    if remote and len(name) in (40, 64):
        depth = ["--depth=1"] if _shallow(place) else []
        git.attempt(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *depth, remote, name], place.cwd)
    return _commit(place, name)


def _remote(place: Place) -> str | None:
    names = (git.line(["remote"], place.cwd) or "").split("\n")
    return "origin" if "origin" in names else names[0] or None


def _shallow(place: Place) -> set[str]:
    file = place.common / "shallow"
    return set(file.read_text().split()) if file.is_file() else set()


def _complete(place: Place, base: str, head: str, merged: str) -> bool:
    """Whether all that lies between these commits is here; what a shallow or partial clone lacks is fetched."""
    remote = _remote(place)
    for depth in (*(f"--deepen={n}" for n in DEEPEN), "--unshallow"):
        edges = _shallow(place)
        if not edges or _closed(place, edges, base, head, merged) or remote is None:
            break
        args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", depth, remote]
        if git.attempt([*args, base, head, merged], place.cwd) is None and git.attempt(args, place.cwd) is None:
            break
    edges = _shallow(place)
    if edges and not _closed(place, edges, base, head, merged):
        return False
    if git.attempt(["config", "--get-regexp", r"^remote\..*\.promisor$"], place.cwd) is not None:
        spans = [f"{base}..{head}", f"{base}..{merged}"]
        lazy = {"GIT_NO_LAZY_FETCH": "0"}
        for span in spans:
            git.attempt(["log", "-p", "-m", "--no-ext-diff", "--no-textconv", span], place.cwd, env=lazy)
        git.attempt(["diff-tree", "-r", "-p", "-M", "--no-ext-diff", "--no-textconv", head, merged], place.cwd, env=lazy)
    return True


def _closed(place: Place, edges: set[str], base: str, head: str, merged: str) -> bool:
    if _merge_base(place, base, head) is None or _merge_base(place, base, merged) is None:
        return False
    between = history.between(place.cwd, [head, merged], [base])
    return not edges & set(between)


def _merge_base(place: Place, a: str, b: str) -> str | None:
    return (git.line(["merge-base", a, b], place.cwd) or "").split("\n")[0] or None


def _rev_list(place: Place, *args: str) -> list[str]:
    return git.text(git.attempt(["rev-list", *args], place.cwd) or b"").split()


def _decide(place: Place, base: str, head: str, merged: str) -> tuple[Decision, list[str]]:
    """How it landed, and the landed commits, oldest first."""
    short = {name: name[:10] for name in (base, head, merged)}
    if len(set(_rev_list(place, "--max-count=1", f"{base}..{merged}"))) == 0:
        return unknown(f"merged {short[merged]} is part of base {short[base]}: nothing landed between them"), []
    if not history.is_ancestor(place.cwd, base, merged):
        return unknown(
            f"base {short[base]} is not an ancestor of merged {short[merged]}: is --base the target branch before the merge?"
        ), []
    if history.is_ancestor(place.cwd, head, base):
        return unknown(f"head {short[head]} is part of base {short[base]} already: are they swapped?"), []
    if _merge_base(place, base, head) is None:
        return unknown(f"base {short[base]} and head {short[head]} share no history"), []
    if history.is_ancestor(place.cwd, head, merged):
        return _contained(place, base, head, merged)
    first, *others = history.read(place.cwd, [merged], place.common)[0].parents
    if others:
        return unknown(f"merged {short[merged]} is a merge that does not hold head {short[head]}"), []
    pr = _rev_list(place, "--no-merges", "--reverse", "--topo-order", head, f"^{base}", f"^{first}")
    if len(pr) > MAX_COMMITS:
        return unknown(f"{len(pr)} commits lie between base and head, more than {MAX_COMMITS}"), []
    chain = _rev_list(place, "--no-merges", "--first-parent", f"--max-count={max(1, len(pr))}", f"{base}..{merged}")[::-1]
    pieces = _pieces(place, [*pr, *chain])
    origin = _merge_base(place, first, head) or base
    whole = _piece(place, _raw(place, head), history.tree_changes(place.cwd, [(f"{origin}^{{tree}}", f"{head}^{{tree}}")]))
    tried = git.attempt(["merge-tree", "--write-tree", "--no-messages", first, head], place.cwd)
    facts = Facts(
        [pieces[name] for name in pr],
        [pieces[name] for name in chain],
        whole,
        git.text(tried).split("\n")[0].strip() if tried else None,
        git.line(["rev-parse", f"{first}^{{tree}}"], place.cwd),
    )
    decision = decide(facts)
    if decision.how == "rebase":
        became = [pair.new for pair in decision.pairs if pair.new and pair.certainty == "proven"]
        return decision, became if merged in became else [*became, merged]
    return decision, [merged] if decision.how == "squash" else []


def _contained(place: Place, base: str, head: str, merged: str) -> tuple[Decision, list[str]]:
    """The head can be reached from the landed commit: the oldest commit of the target branch from which it can be is it."""
    line = _rev_list(place, "--first-parent", "--reverse", f"{base}..{merged}")
    low, high = 0, len(line) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if history.is_ancestor(place.cwd, head, line[middle]) else (middle + 1, high)
    landed = line[low]
    if landed == head:
        if history.is_ancestor(place.cwd, base, head):
            return Decision("ff", "proven", ("the landed commit is the head", "base is an ancestor of the head")), [head]
        return unknown("the head stands on the target branch and does not come from base"), []
    parents = history.read(place.cwd, [landed], place.common)[0].parents
    if any(history.is_ancestor(place.cwd, head, parent) for parent in parents[1:]):
        return Decision("merge", "proven", (f"{len(parents)} parents", "the head is an ancestor of a parent after the first")), [
            landed
        ]
    return unknown("the head was part of the target branch before"), []


def _raw(place: Place, name: str) -> Commit:
    return history.read(place.cwd, [name], place.common)[0]


def _pieces(place: Place, names: Sequence[str]) -> dict[str, Piece]:
    found = history.read(place.cwd, dict.fromkeys(names), place.common)
    pairs = [(f.before, f.after) for commit in found for f in commit.files or ()]
    hunks = diff_pairs(place.common, pairs)
    when = _author_dates(place, [commit.id for commit in found])
    return {commit.id: _of(commit, commit.files or [], hunks, when.get(commit.id, "")) for commit in found}


def _piece(place: Place, commit: Commit, changes: Mapping[tuple[str, str], list[FileChange]]) -> Piece:
    files = [f for found in changes.values() for f in found]
    return _of(commit, files, diff_pairs(place.common, [(f.before, f.after) for f in files]), "")


def _of(commit: Commit, files: Iterable[FileChange], hunks: Mapping[Any, Any], when: str) -> Piece:
    """A commit as evidence. Its patch: for each file, what goes and what comes, whatever stands around it."""
    said = hashlib.sha256()
    lines: set[tuple[str, str]] = set()
    paths: set[str] = set()
    for f in sorted(files, key=lambda f: (f.path, f.old)):
        paths |= {f.path, f.old}
        steps = hunks.get((f.before, f.after))
        said.update(f"{f.status}\0{f.old}\0{f.path}\0{f.mode}\0".encode("utf-8", "surrogateescape"))
        if steps is None:
            said.update(f"{f.before} {f.after}".encode())
            continue
        for hunk in steps:
            for sign, text in ((b"-", hunk.old), (b"+", hunk.new)):
                said.update(b"".join(sign + line + b"\n" for line in text))
            lines |= {(f.path, squeeze(line).hex()) for line in hunk.new if len(squeeze(line)) > 3}
    by = (commit.author, commit.author_email, when)
    patch = said.hexdigest() if paths else None
    return Piece(commit.id, tuple(commit.parents), commit.tree, by, patch, frozenset(paths), frozenset(lines))


def _author_dates(place: Place, names: Sequence[str]) -> dict[str, str]:
    rows = "".join(f"{name}\n" for name in names).encode()
    out = git.attempt(["log", "--no-walk=unsorted", "--stdin", "--format=%H %at"], place.cwd, stdin=rows) if names else None
    rows_out = (row.partition(" ") for row in git.text(out or b"").splitlines())
    return {name: at for name, _, at in rows_out}


# -- what becomes of the record --------------------------------------------------------------------------------------------


class _Plan:
    """What is to be written, worked out before anything is."""

    def __init__(self, place: Place, found: Landing) -> None:
        self.place, self.found = place, found
        self.notes: dict[str, list[Event]] = {}
        self.records: list[tuple[Move, Event, list[Event]]] = []  # move, its new change event, the events that it comes from
        self.files: dict[str, list[dict[str, Any]]] = {}  # event id -> its files, with counts

    def make(self, decision: Decision) -> None:
        place, found = self.place, self.found
        before = [] if found.how == "ff" else [f"^{found.landed[-1]}^1"]  # what the target branch had, newer than base perhaps
        self.range = _rev_list(place, "--reverse", "--topo-order", found.head, f"^{found.base}", *before)
        origin = _merge_base(place, found.base, found.head) or found.base
        around = _rev_list(place, "--max-count=5000", f"{origin}..{found.merged}")
        texts = notes.read(place.cwd, {*self.range, *around})
        self.events = [e for text in texts.values() for e in notes.events(text)]
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
                if row and (row["commit"] != event["commit"] or row["state"] == "superseded"):
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
        eldest = sorted(group, key=lambda name: (self._born(name), name))[0]
        sources = sorted({e["commit"] for e in came} | {c for e in mine for c in e.get("replaces") or () if c in before})
        standing = next((e for e in mine if e["change_id"] == eldest), None)
        if standing and not came and len(mine) == 1:
            lines = {name: int(standing["lines"].get(name) or 0) for name in ("ai", "human", "unknown")}
            move = Move(eldest, landed, sources, moved=False, lines=lines)
            self.records.append((move, standing, []))
            self.found.moves.append(move)
            return
        event = self._event(eldest, [*came, *mine], landed, tip, span, how)
        absorbed = sorted(set(group) - {eldest})
        move = Move(eldest, landed, sources, absorbed, lines={name: event["lines"][name] for name in ("ai", "human", "unknown")})
        self.records.append((move, event, came))
        self.found.moves.append(move)

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
        at = max(commits[landed].at, *(_seconds(e["at"]) + 1e-6 for e in came))
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
            for old in move.sources:
                for name in sorted({e["change_id"] for (_, commit), e in self.latest.items() if commit == old}):
                    gone = {
                        "v": 1,
                        "type": "moved",
                        "at": at,
                        "change_id": name,
                        "commit": old,
                        "to": move.to,
                        "into": move.change_id,
                    }
                    self._add(old, gone | {"id": digest("m", name, old, move.to)})
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
            move.change_id, "merged", last.at, config_hash, commit=landed, cause="landed", detail=detail, source="history"
        )

    def _write_rows(self, commits: Mapping[str, Commit], last: Commit) -> None:
        """Without a state: rows made of what the notes say."""
        config, _ = drainer.config_of(self.place)
        changes = [row for move, event, came in self.records if move.moved for row in self._rows(move, event, came, commits)]
        outcomes = [self._outcome(move, last, config.hash) for move in self.found.moves if self._merged(move, last)]
        store = Store(self.place.data)
        told = {run["run_id"]: (run, event) for move, event, _ in self.records if move.moved for run in event["runs"]}
        runs = [
            records.event("run", {k: run.get(k) for k in RUN_COLUMNS} | {"source": "note"}, _seconds(event["at"]), None)
            for name, (run, event) in sorted(told.items())
            if not store.rows("runs", where={"run_id": name})
        ]
        for table, rows in (("runs", runs), ("outcomes", outcomes), ("changes", changes)):
            if rows:
                store.append(table, [row | {"config_hash": config.hash} for row in rows])

    def _rows(self, move: Move, event: Event, came: list[Event], commits: Mapping[str, Commit]) -> list[dict[str, Any]]:
        facts = self._facts(move, event, commits[move.to])
        rows = [records.change_row(facts, _seconds(event["at"]), None) | {"record_id": event["id"]}]
        for old in came:
            if old["change_id"] != move.change_id:
                body = {"change_id": old["change_id"], "commit": old["commit"], "state": "superseded", "superseded_by": move.change_id,
                        "committed_at": records.when(_seconds(old["at"])), "run_ids": sorted(_runs(old)), "trust": "own",
                        **{f"lines_{kind}": old["lines"].get(kind) for kind in ("ai", "human", "unknown", "written")}}  # fmt: skip
                rows.append(records.event("change", body, max(_seconds(event["at"]), _seconds(old["at"]) + 1e-6), None))
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
            "patch_id": patch_id(place, commit.id), "trust": "own",
        }  # fmt: skip

    def _write_state(self, commits: Mapping[str, Commit], last: Commit) -> None:
        """With a state: the change moves there as the drain moves it, and its reward is settled anew."""
        place = self.place
        config, _ = drainer.config_of(place)
        with State(place.hone / "state.db") as state:
            batch = Batch(place, state, config, time.time(), GitWord())
            for move, event, came in self.records:
                if move.moved:
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
            batch.rows.changes += self._rows(move, event, came, commits)[:1]
        else:
            facts = self._facts(move, event, commit)
            kept = set()
            for f in facts["files"]:
                blob = git.line(
                    [b"rev-parse", b"--verify", b"--quiet", commit.id.encode() + b":" + unquote(f["path"])], self.place.cwd
                )
                origins = unpack(state.node(f["path"], blob or "") or [])
                kept |= {origins[k - 1] for a, b in f["ai_ranges"] for k in range(a, b + 1) if k <= len(origins)}
            at = max(commit.at, old["_at"] + 1e-6)
            state.put_change(old | facts | {"trust": old["trust"], "_at": at})
            put_atoms(state, move.change_id, {origin for origin in kept if edit_of(origin)})
            state.put("commits", commit.id, {"change": move.change_id, "blobs": {f.path: f.after for f in commit.files or []}})
            if self._known(state, move.change_id):
                batch.touched.add(move.change_id)
            else:
                batch.rows.changes.append(records.change_row(old | facts, at, batch.config.hash))
        for name in move.absorbed:
            if row := state.get("changes", name):
                at = max(commit.at, row["_at"] + 1e-6)
                state.put_change(row | {"state": "superseded", "superseded_by": move.change_id, "_at": at})
                put_atoms(state, name, ())
                batch.touched.add(name)


def _runs(event: Mapping[str, Any]) -> set[str]:
    return {str(run["run_id"]) for run in event.get("runs") or () if isinstance(run, dict) and "run_id" in run}


def _seconds(at: Any) -> float:
    return datetime.fromisoformat(str(at)).timestamp()
