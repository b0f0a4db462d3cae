"""From inbox events to runs, edits and line maps: what each tool call left in each file.

Three passes, so that a thousand events cost a handful of git processes: read which pairs of blobs and trees matter, ask git
for all their differences at once, then follow the lines (`following`) in the order in which things happened.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from git_hone.hooks import commits as history
from git_hone.hooks import hidden
from git_hone.hooks.consent import excluded
from git_hone.hooks.diffs import Pair
from git_hone.hooks.following import STALE_S, Transition, follow, lose
from git_hone.hooks.ids import digest
from git_hone.hooks.inbox import Event
from git_hone.hooks.lines import UNKNOWN
from git_hone.hooks.paths import quote
from git_hone.hooks.payloads import claude_code, generic
from git_hone.hooks.payloads.observation import Observation
from git_hone.hooks.place import Place
from git_hone.hooks.state import State

MOVES_HISTORY: Final = re.compile(
    r"\bgit(?:\s+-[cC]\s*(?:'[^']*'|\"[^\"]*\"|\S+)|\s+--?[\w.=/-]+)*\s+"
    r"(?:checkout|switch|stash|merge|pull|rebase|cherry-pick|reset|restore|apply|am|revert|read-tree|checkout-index|worktree|clean"
    r"|mergetool|submodule|bisect|sparse-checkout|filter-branch)\b"
    r"|\bgh\s+(?:pr|co)\b|\bpatch\s"
)
PROMPT_LIMIT: Final = 64 << 10


def moves_history(command: str | None) -> bool:
    """Whether a shell command brings in lines which somebody else wrote: what it leaves in the work tree is then not its own.
    Only git's own subcommand counts: a message that speaks of a merge brings nothing in.

    >>> [moves_history(c) for c in ("git commit -am 'merge'", "git -C sub --no-pager stash pop", "make; git am x")]
    [False, True, True]
    """
    return bool(command and MOVES_HISTORY.search(command))


class Unreadable(Exception):
    """A payload that says nothing we can use; the message is the reason."""


@dataclass
class Taken:
    """What the events came to: the runs touched, and the time spans in which a shell tool was at work."""

    runs: set[str] = field(default_factory=set)
    closed: list[tuple[str, float, float]] = field(default_factory=list)  # (root, from, to)
    unreadable: list[tuple[Event, str]] = field(default_factory=list)
    sessions: int = 0
    withheld: set[str] = field(default_factory=set)  # runs whose words must go from the record as well


class Keep(NamedTuple):
    """What may be kept. path: whether anything of a file may be; excluded: patterns of files whose contents may not."""

    path: Callable[[str], bool]
    excluded: tuple[str, ...]


def observations(event: Event) -> list[Observation]:
    """The observations in one agent event. Raises Unreadable with a reason."""
    try:
        payload = json.loads(event.payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{event.name} payload is not JSON: {error}") from error
    if not isinstance(payload, dict):
        raise Unreadable(f"{event.name} payload is not an object")
    tree = event.fields.get("tree") or None
    try:
        if event.name == "claude-code":
            return claude_code.observe(payload, _blobs(event), tree)
        if payload.get("type") and "event" not in payload:
            return generic.observe_agent_v1(payload, _blobs(event), tree)
        return generic.observe(payload, _blobs(event), tree)
    except ValueError as error:
        raise Unreadable(f"{event.name}: {error}") from error


def _blobs(event: Event) -> dict[str, str]:
    """Path inside the repository -> blob, from the header that the hook wrote. "" is a file that is not there."""
    if "blobs" in event.fields:
        return {str(k): str(v) for k, v in json.loads(event.fields["blobs"]).items()}
    path, blob, root = (event.fields.get(key, "") for key in ("path", "blob", "root"))
    if not path or not root or (blob != "none" and not re.fullmatch(r"[0-9a-f]{40,64}", blob)):
        return {}
    inside = os.path.relpath(os.path.normpath(path), os.path.normpath(root))
    return {} if inside.startswith("..") else {quote(os.fsencode(inside)): "" if blob == "none" else blob}


def take(place: Place, state: State, events: Iterable[Event], now: float, prose: Callable[[str], str], keep: Keep) -> Taken:
    """Follow the agents' events, in order. Everything learned goes into `state`, texts through `prose`."""
    taken = Taken()
    steps: list[tuple[Event, Observation]] = []
    for event in events:
        try:
            steps += [(event, seen) for seen in observations(event)]
        except Unreadable as error:
            taken.unreadable.append((event, str(error)))
    windows: list[tuple[Event, Observation, dict[str, Any] | None, dict[str, Any] | None]] = []
    for event, seen in steps:
        windows.append((event, seen, *_session(state, event, seen, taken, prose)))
    trees = history.tree_changes(place.cwd, [pair for w in windows if (pair := _trees(w[1], w[2]))])
    for event, seen, use, _ in windows:
        if (pair := _trees(seen, use)) and pair not in trees:  # gone before they were read: what the tool wrote may be anywhere
            lose(state, event.at)
    transitions = [t for w in windows for t in _transitions(state, place, w, trees, taken) if keep.path(t.path)]
    follow(place, state, transitions)
    _finish_runs(state, taken, now)
    _withhold(state, taken, keep)
    return taken


def _session(
    state: State, event: Event, seen: Observation, taken: Taken, prose: Callable[[str], str]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Keep sessions and runs up to date; returns (the open tool call that `seen` closes, the run it belongs to)."""
    if seen.kind == "state":
        return None, None
    key = f"{seen.agent}\0{seen.session}"
    session = state.get("sessions", key) or {"run": None, "model": None, "transcript": None}
    session["model"] = seen.model or session["model"]
    session["transcript"] = seen.transcript or session["transcript"]
    use, run = None, None
    if seen.kind == "session":
        taken.sessions += 1
    elif seen.kind == "prompt":
        _close_uses(state, key)
        session["run"] = _new_run(state, event, seen, session, prose)
        taken.runs.add(session["run"])
    else:
        if not session["run"] and seen.kind in ("before", "after", "failed"):
            session["run"] = _new_run(state, event, seen, session, prose)
        if session["run"]:
            taken.runs.add(session["run"])
            run = _touch_run(state, event, seen, session, prose)
        if seen.kind == "before":
            state.db.execute(
                "insert or replace into uses values (?, ?, ?)",
                (f"{key}\0{seen.use_id}", event.at, json.dumps(
                    {"at": event.at, "root": event.fields.get("root", ""), "blobs": seen.blobs, "tree": seen.tree}
                )),
            )  # fmt: skip
        elif seen.kind in ("after", "failed"):
            use = state.get("uses", f"{key}\0{seen.use_id}")
            state.forget("uses", f"{key}\0{seen.use_id}")
        elif seen.kind in ("stop", "end"):
            _close_uses(state, key)
            session["run"] = None
    state.put("sessions", key, session)
    return use, run


def _close_uses(state: State, key: str) -> None:
    state.db.execute("delete from uses where substr(key, 1, ?) = ?", (len(key) + 1, key + "\0"))


def _new_run(state: State, event: Event, seen: Observation, session: dict[str, Any], prose: Callable[[str], str]) -> str:
    run_id = digest("r", seen.agent, seen.session or event.id, seen.turn or f"{event.at!r}")
    state.put("runs", run_id, (state.get("runs", run_id) or {}) | {
        "run_id": run_id, "agent": seen.agent, "session_id": seen.session, "model": session["model"],
        "role": seen.role or "coder", "difficulty": seen.difficulty, "task_kind": seen.task_kind,
        "prompt_variant": seen.variant, "decision_id": seen.decision or event.fields.get("decision") or None,
        "task": prose(seen.text)[:PROMPT_LIMIT] if seen.kind == "prompt" and seen.text else None,
        "started_at": event.at, "last_at": event.at, "ended_at": None, "edits": [],
        "evidence": seen.evidence, "source": seen.source, "transcript": session["transcript"],
    })  # fmt: skip
    return run_id


def _touch_run(
    state: State, event: Event, seen: Observation, session: dict[str, Any], prose: Callable[[str], str]
) -> dict[str, Any]:
    run = state.get("runs", session["run"]) or {}
    run["model"] = run.get("model") or session["model"]
    run["transcript"] = run.get("transcript") or session["transcript"]
    run["last_at"] = event.at
    for name, value in (
        ("difficulty", seen.difficulty),
        ("task_kind", seen.task_kind),
        ("prompt_variant", seen.variant),
        ("decision_id", seen.decision),
    ):
        run[name] = value or run.get(name)
    if seen.kind in ("stop", "end"):
        run["ended_at"] = event.at
        run["output"] = prose(seen.text)[:PROMPT_LIMIT] if seen.text else run.get("output")
    if seen.usage:
        usage = seen.usage
        run |= {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "tokens_cache_read": usage.cache_read,
                "tokens_cache_write": usage.cache_write, "cost_usd": usage.cost_usd}  # fmt: skip
    state.put("runs", session["run"], run)
    return run


def _trees(seen: Observation, use: dict[str, Any] | None) -> Pair | None:
    if seen.kind in ("after", "failed") and seen.tree and use and use.get("tree"):
        return use["tree"], seen.tree
    return None


def _transitions(
    state: State,
    place: Place,
    window: tuple[Event, Observation, dict[str, Any] | None, dict[str, Any] | None],
    trees: dict[Pair, list[history.FileChange]],
    taken: Taken,
) -> list[Transition]:
    event, seen, use, run = window
    root = str(event.fields.get("root", ""))
    if seen.kind in ("before", "state"):
        return [Transition(event.at, root, path, path, "?", blob, None) for path, blob in seen.blobs.items()]
    if seen.kind not in ("after", "failed") or run is None:
        return []
    pair = _trees(seen, use)
    if use:
        taken.closed.append((root, use["at"], event.at))
    elif seen.tree:
        return []  # a shell tool whose beginning nobody saw: no evidence
    moves = moves_history(seen.command)
    base = {"run": run["run_id"], "use": seen.use_id, "tool": seen.tool, "how": "shell" if pair else "edit",
            "began": use["at"] if use else None}  # fmt: skip
    found = []
    if pair:
        hidden.looked(state, event.at, pair[1])
        changes = trees.get(pair, ())
        veiled = hidden.brought_to_light(place, state, changes)
        for change in changes:
            if change.mode.startswith("100") or not change.after:
                edit = None if moves or change.path in veiled else base
                found.append(
                    Transition(
                        event.at,
                        root,
                        change.path,
                        change.old or change.path,
                        change.before,
                        change.after,
                        edit,
                        UNKNOWN,
                        pair[0],
                    )
                )
        return found
    for path, after in seen.blobs.items():
        before = use["blobs"].get(path) if use else None
        if before is None and seen.source == "agent-v1":
            before = "="  # its checkpoints come in pairs, without a name that joins them: from the last state seen
        edit = base if before is not None else None
        found.append(Transition(event.at, root, path, path, "?" if before is None else before, after, edit, UNKNOWN))
    return found


def _finish_runs(state: State, taken: Taken, now: float) -> None:
    """Ask the agent's transcript for model and tokens, where the events did not say."""
    for run_id in taken.runs:
        run = state.get("runs", run_id)
        if run and run.get("source") == "claude-code" and run.get("transcript") and (run["ended_at"] or not run.get("model")):
            model, usage = claude_code.usage(run["transcript"], run["started_at"], run["ended_at"] or now)
            run["model"] = run.get("model") or model
            if usage:
                run |= {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "tokens_cache_read": usage.cache_read,
                        "tokens_cache_write": usage.cache_write}  # fmt: skip
            state.put("runs", run_id, run)
    state.db.execute("delete from uses where at < ?", (now - STALE_S,))


def _withhold(state: State, taken: Taken, keep: Keep) -> None:
    """A run that touched an excluded file keeps its numbers and loses its words, which may say what stands in the file."""
    for run_id in taken.runs:
        run = state.get("runs", run_id)
        if run and any(excluded(edit["path"], keep.excluded) for edit in run["edits"]):
            if not run.get("withheld"):
                taken.withheld.add(run_id)
            state.put("runs", run_id, run | {"task": None, "output": None, "withheld": True})


def open_since(state: State) -> float | None:
    """When the oldest tool call that is still open began; None when none is."""
    row = state.db.execute("select min(at) from uses").fetchone()
    return float(row[0]) if row and row[0] is not None else None
