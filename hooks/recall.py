"""The runs that have a reward, kept where a decision can read them in a millisecond: a table in `<common git dir>/hone/state.db`.

It is a cache of the record, brought up to date by every drain, so that the next choice knows the last commit. One row for a run and a
change that holds its lines; a row without a change is an attempt that its gates stopped, or a reward given by hand. No text of a task is
kept but the first words of a line, redacted; its other words are hashed.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from git_hone.hooks.place import Place
from git_hone.learner.plans import STOPPED, Gate, measured
from git_hone.learner.router.features import Task, task, words
from git_hone.learner.routing import Past

if TYPE_CHECKING:
    from git_hone.hooks.batch import Batch
    from git_hone.hooks.state import State

TITLE: Final = 72
MOST_WORDS: Final = 60
RECENT: Final = 1000
"""Runs that a decision looks at: with counts that fade by 0.99 a trial, the thousandth weighs 0.00004."""
GOOD: Final = 0.5
"""From this reward on, an attempt counts as good when gates are judged."""


def remember(batch: Batch) -> None:
    """Write the rows of every change that this drain touched."""
    state = batch.state
    for name in sorted(batch.touched):
        row = state.get("changes", name)
        state.db.execute("delete from tried where change = ?", (name,))
        if row is None or row["state"] != "live" or row.get("reward") is None or row.get("trust", "own") != "own":
            continue
        files = [file["path"] for file in row["files"]]
        for run_id in row["run_ids"]:
            run = state.get("runs", run_id)
            if run and run.get("evidence") in ("hook", "api", "capture"):
                _put(state, run, files, name, row["reward"])
    for decided in batch.rows.decisions:
        result = decided["result"] or {}
        if result.get("gates"):
            state.db.execute("insert or replace into gates values (?, ?)", (decided["decision_id"], _dumps(result["gates"])))
        reward = result.get("reward", 0.0 if result.get("ended") in STOPPED else None)
        if reward is not None and decided["kind"] in ("model", "prompt"):
            _put_attempt(state, decided, decided["recorded_at"].timestamp(), reward)


def _put(state: State, run: Mapping[str, Any], files: Iterable[str], change: str, reward: float) -> None:
    text = run.get("task") or ""
    kind = task(text, kind=run.get("task_kind"), difficulty=run.get("difficulty"), files=files)
    value = {
        "model": run.get("model"), "prompt": run.get("prompt_variant"), "path": kind.path, "cost": run.get("cost_usd"),
        "tokens": [run.get("tokens_in"), run.get("tokens_out")], "title": _title(text), "bag": _bag(kind),
    }  # fmt: skip
    state.db.execute("insert or replace into tried values (?, ?, ?, ?, ?, ?)",
                     (run["run_id"], change, run["started_at"], reward, run.get("decision_id"), _dumps(value)))  # fmt: skip


def _put_attempt(state: State, decided: Mapping[str, Any], at: float, reward: float) -> None:
    kind = task(decided.get("task") or "", kind=decided.get("task_kind"), difficulty=decided.get("difficulty"))
    plan, chosen = decided.get("plan") or {}, decided["chosen"]
    model, prompt = (chosen, plan.get("prompt")) if decided["kind"] == "model" else (None, chosen)
    value = {"model": model, "prompt": prompt, "path": kind.path, "cost": None, "tokens": [None, None],
             "title": _title(decided.get("task") or ""), "bag": _bag(kind)}  # fmt: skip
    name = decided["decision_id"]
    state.db.execute("insert or replace into tried values (?, ?, ?, ?, ?, ?)", (name, "", at, reward, name, _dumps(value)))


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _title(text: str) -> str:
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= TITLE else line[: TITLE - 1] + "…"


def _bag(kind: Task) -> dict[str, float]:
    loud = sorted(words(kind.text).items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_WORDS]
    return {str(bucket): round(weight, 3) for bucket, weight in loud}


def recall(place: Place, n: int = RECENT) -> list[Past]:
    """The last `n` runs with a reward, oldest first: the mean over the changes that hold its lines. Empty where nothing is recorded, or
    the cache cannot be read: deciding must go on."""
    rows: list[tuple[Any, ...]] = []
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(_open(place)) as db:
        rows = db.execute(
            "select run, min(change), at, avg(reward), min(decision), value from tried group by run order by at desc, run limit ?",
            (n,),
        ).fetchall()
    kept = {decision for _, change, _, _, decision, _ in rows if change and decision}
    kept |= {f"{decision.rpartition('.')[0]}.prompt" for decision in kept}
    return [
        _past(change, at, reward, _step(decision), json.loads(value))
        for run, change, at, reward, decision, value in reversed(rows)
        if change or run not in kept  # what a change says counts, and a word that was given for the same choice no more
    ]


def _step(decision: str | None) -> int:
    """Attempt k of plan D was decided as "D.k"; 0 for a run that no plan of ours asked for."""
    last = (decision or "").rpartition(".")[2]
    return int(last) if last.isdecimal() else 0


def _past(change: str, at: float, reward: float, step: int, value: Mapping[str, Any]) -> Past:
    bag = {int(bucket): weight for bucket, weight in value["bag"].items()}
    return Past(
        at,
        value["model"] or "",
        value["prompt"],
        tuple(value["path"]),
        reward,
        value["cost"],
        change or None,
        value["title"],
        bag,
        step,
    )


def gates(place: Place, kinds: Iterable[str]) -> list[Gate]:
    """What each of these gates has shown here, on top of its prior.

    Nobody knows whether an attempt that was stopped would have been good, so it counts as bad: recall is seen from above, and false
    alarms stay as the prior has them. What a gate let through is judged by the reward that came later.
    """
    seen: dict[str, list[tuple[bool, bool]]] = {}
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(_open(place)) as db:
        rows = db.execute(
            "select gates.value, avg(tried.reward) from gates join tried using (decision) group by decision"
        ).fetchall()
        for passed, reward in rows:
            for kind, ok in json.loads(passed).items():
                seen.setdefault(kind, []).append((reward >= GOOD, not ok))
    return [measured(kind, seen.get(kind, ())) for kind in kinds]


def _open(place: Place) -> sqlite3.Connection:
    name = str(place.hone / "state.db").replace("%", "%25").replace("?", "%3f").replace("#", "%23")  # as_uri() loads urllib
    return sqlite3.connect(f"file:{name}?mode=ro", uri=True, timeout=0.2)
