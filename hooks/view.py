"""What `git hone show` answers about a commit: from the record, else from the commit's note, else what git alone says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

from git_hone.hooks import commits as history
from git_hone.hooks import git, noted, notes, promoted
from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.ids import change_id_for
from git_hone.hooks.lines import added_lines, ranges
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.learner.errors import UsageError
from git_hone.learner.evidence import flag_key, uncleared
from git_hone.learner.store import Store

VERSION = 1


class View(TypedDict):
    """`show --json`, version 1; the published schema is `cli/show.schema.json`."""

    version: int
    change_id: str
    commit: str
    live_commit: str
    state: str
    kind: str | None
    source: str
    runs: list[dict[str, Any]]
    lines: dict[str, int]
    files: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    reward: dict[str, Any]
    flags: list[dict[str, Any]] | None
    claims: list[dict[str, Any]]
    promotions: list[dict[str, Any]]
    replaces: list[str]
    notice: str | None


def show(place: Place, rev: str) -> View:
    """The view of the commit that `rev` names. Raises UsageError for a name that means no commit."""
    commit = git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"], place.cwd)
    if not commit:
        unborn = rev == "HEAD" and git.line(["rev-parse", "--verify", "--quiet", "HEAD"], place.cwd) is None
        raise UsageError(
            "no commit yet" if unborn else f"{rev}: no such commit here", tip="name a commit, e.g. `git hone show HEAD~1`"
        )
    store = Store(place.data)
    events = store.history("changes", where={"commit": commit})
    own = [event for event in events if event["evidence"] != "note"]
    view = _recorded(store, commit, own[-1]) if own else _noted(place, commit) or _plain(place, commit)
    view["claims"] = _claims(place, commit)
    view["promotions"] = promoted.steps(notes.read(place.cwd, [commit]).get(commit, ""))
    if own and view["lines"]["ai"] == 0:
        view["runs"] = []
    return view


def _recorded(store: Store, commit: str, row: Mapping[str, Any]) -> View:
    latest: Mapping[str, Any] = row
    name = row["change_id"]
    for _ in range(50):  # follow what superseded it; a damaged chain must not loop
        found = store.rows("changes", where={"change_id": name})
        latest = found[0] if found else latest
        if latest["state"] != "superseded" or not latest["superseded_by"]:
            break
        name = latest["superseded_by"]
    wanted = set(row["run_ids"] or [])
    runs = {run["run_id"]: run for name in wanted for run in store.rows("runs", where={"run_id": name})}
    outcomes = sorted(store.rows("outcomes", where={"change_id": latest["change_id"]}), key=lambda o: (o["at"], o["kind"]))
    if row["change_id"] != latest["change_id"]:
        outcomes += store.rows("outcomes", where={"change_id": row["change_id"]})
    live = latest["state"] == "live"
    return View(
        version=VERSION,
        change_id=latest["change_id"],
        commit=commit,
        live_commit=latest["commit"],
        state=latest["state"] if latest["commit"] == commit or not live else "moved",
        kind=row["kind"],
        source="record",
        runs=[_run(runs[run_id]) for run_id in row["run_ids"] or [] if run_id in runs],
        lines={name: row[f"lines_{name}"] for name in ("ai", "human", "unknown", "written")},
        files=row["files"] or [],
        signals=[_signal(s) for s in store.rows("signals", where={"tree": row["tree"]})],
        outcomes=[_outcome(o) for o in outcomes if o["kind"] != "dropped" or not live],
        reward={"value": latest["reward"], "mode": latest["reward_mode"] or "hone", **(latest["reward_terms"] or {"terms": {}})},
        flags=_flags(latest, outcomes),
        claims=[],
        promotions=[],
        replaces=row["replaces"] or [],
        notice=None,
    )


def _flags(row: Mapping[str, Any], outcomes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """The signs of tampering, each with whether a person has cleared it; None when the commit was not judged."""
    if row.get("flags") is None:
        return None
    left = {flag_key(flag) for flag in uncleared(row["flags"], outcomes)}
    return [{**flag, "cleared": flag_key(flag) not in left} for flag in row["flags"]]


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    names = ("run_id", "agent", "session_id", "model", "role", "prompt_variant", "decision_id", "difficulty", "task_kind", "task", "started_at",
             "ended_at", "duration_ms", "tokens_in", "tokens_out", "cost_usd", "evidence", "source")  # fmt: skip
    uses = sorted({edit["tool_use_id"] for edit in run.get("edits") or [] if edit.get("tool_use_id")})
    return {name: _text(run.get(name)) for name in names} | {"tool_use_ids": uses}


def _signal(row: Mapping[str, Any]) -> dict[str, Any]:
    dropped = ("record_id", "config_hash", "recorded_at", "details")
    return {k: _text(v) for k, v in row.items() if k not in dropped and v is not None} | {"at": _text(row["recorded_at"])}


def _outcome(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(row[name]) for name in ("kind", "at", "commit", "value", "detail", "source")}


def _text(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _noted(place: Place, commit: str) -> View | None:
    """From the note alone: another clone made the record."""
    text = notes.read(place.cwd, [commit]).get(commit, "")
    changes = noted.changes(text, commit)
    if not changes:
        return None
    row = next((event for event in reversed(changes) if not noted.moved(text, event["change_id"])), changes[-1])
    gone = noted.moved(text, row["change_id"])
    outcomes = [e for e in noted.outcomes(text) if e["change_id"] == row["change_id"]]
    return View(
        version=VERSION, change_id=row["change_id"], commit=commit,
        live_commit=gone or commit, state="moved" if gone else "live", kind=row["kind"], source="note",
        runs=row["runs"] if row["lines"]["ai"] else [],
        lines={name: row["lines"][name] for name in noted.LINES}, files=noted.files(row), signals=[],
        outcomes=[{k: e.get(k) for k in ("kind", "at", "commit", "value")} for e in outcomes],
        reward={"value": row["reward"], "mode": row["reward_mode"] or "hone", "terms": {}}, flags=None,
        claims=[], promotions=[], replaces=row["replaces"], notice=None,
    )  # fmt: skip


def _plain(place: Place, commit: str) -> View:
    """No record: nobody's lines, or a person's where this clone saw the commit being made."""
    found = history.read(place.cwd, [commit], place.common)
    files: list[dict[str, Any]] = []
    doubts = _seen(place, commit)
    seen = doubts is not None
    doubts = doubts or {}
    total = human = 0
    if found and found[0].files:
        changed = [f for f in found[0].files if f.mode.startswith("100") and f.after]
        hunks = diff_pairs(place.common, [(f.before, f.after) for f in changed])
        for f in changed:
            added = added_lines(hunks.get((f.before, f.after)) or [])
            unknown = {k for first, last in doubts.get(f.path, ()) for k in range(first - 1, last)} if seen else set(added)
            mine = [k for k in added if k not in unknown]
            total += len(added)
            human += len(mine)
            kinds = {"human": len(mine), "unknown": len(added) - len(mine)}
            files.append({"path": f.path, "ai": 0, **kinds, "ai_ranges": [], "human_ranges": ranges(mine), "runs": {}})
    return View(
        version=VERSION, change_id=change_id_for(commit), commit=commit, live_commit=commit, state="none", kind=None,
        source="git", runs=[], files=files, outcomes=[],
        lines={"ai": 0, "human": human, "unknown": total - human, "written": 0},
        signals=[_signal(s) for s in Store(place.data).rows("signals", where={"tree": found[0].tree})] if found else [],
        reward={"value": None, "mode": "hone", "terms": {}}, flags=None, claims=[], promotions=[], replaces=[],
        notice=_how_to_fetch(place) if not seen else None,
    )  # fmt: skip


def _seen(place: Place, commit: str) -> dict[str, list[list[int]]] | None:
    """Where this clone saw a person make the commit: path -> ranges (from 1) of the lines that are unknown all the same."""
    if not (place.hone / "state.db").exists():
        return None
    with State(place.hone / "state.db") as state:
        row = state.get("commits", commit)
        return row.get("unknown", {}) if row is not None and row["change"] is None else None


def _how_to_fetch(place: Place) -> str | None:
    """In a clone without our notes, how to get them."""
    if notes.existing(place.cwd) or not (remotes := git.line(["remote"], place.cwd)):
        return None
    return f"no notes of git-hone in this clone; if {remotes.splitlines()[0]} has them: git hone sync --no-push"


def _claims(place: Place, commit: str) -> list[dict[str, Any]]:
    """What the commit says of itself: trailers and bot identities. The weakest evidence; it names no line."""
    from git_hone.hooks.history.claims import claims

    raw = git.attempt(["cat-file", "commit", commit], place.cwd)
    if raw is None:
        return []
    it = history.parse(commit, raw)
    return [
        {"agent": claim.agent, "model": claim.model, "kind": claim.kind}
        for claim in claims(it.message, it.author, it.author_email, it.committer_email)
    ]
