"""What notes say, as rows of the record: the changes that other clones saw, each once.

A note is a claim by whoever may push notes to the remote. It is checked for shape, kept apart (`evidence` "note", an
outcome's `source` "note") and never overrides what this clone saw itself of the same commit. Change ids are equal in all
clones, and a row's id is that of the note's line, so however often it arrives it is one change. What was forgotten here is not taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from git_hone.hooks import commits as history
from git_hone.hooks import git, notes
from git_hone.hooks.consent import Tombstones
from git_hone.hooks.ids import digest
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.learner.store import Store

MARK: Final = "notes-imported.json"
LINES: Final = ("ai", "human", "unknown", "written")
KINDS: Final = ("commit", "amend", "rebase", "squash", "pick", "recommit", "import")


def changes(note: str, commit: str) -> list[dict[str, Any]]:
    """The well-formed change events of the note on `commit`, oldest first.

    >>> changes('{"id":"x1","type":"change","commit":"c","lines":"many"}', "c")
    []
    """
    found = [e for e in notes.events(note) if e.get("type") == "change" and e.get("commit") == commit and _is_change(e)]
    return sorted(found, key=lambda e: (e["at"], e["id"]))


def outcomes(note: str) -> list[dict[str, Any]]:
    """The well-formed outcome events of a note, oldest first."""
    found = [e for e in notes.events(note) if e.get("type") == "outcome" and _is_outcome(e)]
    return sorted(found, key=lambda e: (e["at"], e["id"]))


def moved(note: str, change: str) -> str | None:
    """The commit that the change of this note landed in, when the note says so."""
    found = [
        e["to"] for e in notes.events(note) if e.get("type") == "moved" and e.get("change_id") == change and _is_word(e.get("to"))
    ]
    return max(found, default=None)


def _is_change(e: Mapping[str, Any]) -> bool:
    return (
        _is_time(e.get("at"))
        and all(_is_word(e.get(name)) for name in ("id", "change_id"))
        and isinstance(e.get("lines"), dict)
        and all(_is_count(e["lines"].get(name)) for name in LINES)
        and (e.get("reward") is None or (_is_number(e["reward"]) and 0 <= e["reward"] <= 1))
        and e.get("reward_mode") in ("hone", "seed", None)
        and e.get("kind") in KINDS
        and isinstance(e.get("replaces"), list)
        and all(_is_word(name) for name in e["replaces"])
        and isinstance(e.get("runs"), list)
        and all(_is_run(run) for run in e["runs"])
        and isinstance(e.get("files"), list)
        and all(_is_file(file) for file in e["files"])
    )


def _is_outcome(e: Mapping[str, Any]) -> bool:
    return (
        _is_time(e.get("at"))
        and all(_is_word(e.get(name)) for name in ("id", "change_id", "kind"))
        and (e.get("value") is None or _is_number(e["value"]))
        and (e.get("commit") is None or _is_word(e["commit"]))
    )


def _is_run(run: Any) -> bool:
    names = ("agent", "model", "session_id", "role")
    return isinstance(run, dict) and _is_word(run.get("run_id")) and all(run.get(n) is None or _is_word(run[n]) for n in names)


def _is_file(file: Any) -> bool:
    return (
        isinstance(file, dict)
        and isinstance(file.get("path"), str)
        and _is_ranges(file.get("ai_ranges"))
        and _is_ranges(file.get("human_ranges"))
        and isinstance(file.get("runs"), dict)
        and all(_is_ranges(ranges) for ranges in file["runs"].values())
    )


def _is_ranges(ranges: Any) -> bool:
    return isinstance(ranges, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(_is_count(k) and k > 0 for k in pair) and pair[0] <= pair[1]
        for pair in ranges
    )


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18  # and so no NaN


def _is_time(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def files(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files of a change event, with the number of the agents' and of people's lines in each."""
    return [
        {"path": f["path"], "ai": _total(f["ai_ranges"]), "human": _total(f["human_ranges"]),
         "ai_ranges": f["ai_ranges"], "human_ranges": f["human_ranges"], "runs": f["runs"]}
        for f in event["files"]
    ]  # fmt: skip


def _total(ranges: Iterable[list[int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def take(place: Place) -> int:
    """Append what the notes say, and the record does not know, to the record; returns how many changes that were.

    Only notes on commits that a branch or tag of this clone leads to count; others wait until one does. A change whose commit
    another one replaced (a squash, in whichever clone) is on record as superseded by it. Does nothing without `git hone init`.
    """
    if not place.hone.is_dir():
        return 0
    with locked(place.hone / "drain.lock", 30.0) as mine:
        return _take(place) if mine else 0


def _take(place: Place) -> int:
    mark = place.hone / MARK
    try:
        seen = json.loads(mark.read_bytes())
        since, waiting = dict(seen["tips"]), set(seen["waiting"])
    except (OSError, ValueError, KeyError, TypeError):
        since, waiting = {}, set()
    fresh, tips = notes.changed(place.cwd, since)
    wanted = fresh | waiting
    if not wanted:
        return 0
    here = set(history.between(place.cwd, history.tips(place.cwd).values(), ())) & wanted
    texts = notes.read(place.cwd, here)
    n_changes = _append(place, texts) if texts else 0
    part = mark.with_name(f".tmp-{MARK}")
    part.write_text(json.dumps({"tips": tips, "waiting": sorted(wanted - here)}))
    part.replace(mark)
    return n_changes


def _append(place: Place, texts: Mapping[str, str]) -> int:
    store, tombs = Store(place.data), Tombstones(place.hone)
    gone = tombs.commits(place.cwd, texts)
    texts = {commit: text for commit, text in texts.items() if commit not in gone}
    rows = store.history("changes")
    known = {row["record_id"] for row in rows}
    own = {(row["change_id"], row["commit"]) for row in rows if row["evidence"] != "note"}
    with git.cat_file(place.cwd) as objects:
        added = [
            _row(objects, event | {"files": [f for f in event["files"] if not tombs.has("path", f["path"])]})
            for commit, text in sorted(texts.items())
            for event in changes(text, commit)
            if event["id"] not in known
            and (event["change_id"], commit) not in own
            and not tombs.has("change", event["change_id"])
        ]
    added += _superseded([*rows, *added])
    held = {row["record_id"] for row in store.rows("outcomes")}
    happened = {
        event["id"]: _outcome(event)
        for text in texts.values()
        for event in outcomes(text)
        if event["id"] not in held and not tombs.has("change", event["change_id"])
    }
    if added:
        store.append("changes", added)
    if happened:
        store.append("outcomes", list(happened.values()))
    return len({row["change_id"] for row in added})


def _superseded(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """New rows for the changes known by notes alone whose commit another live change replaced."""
    latest: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["recorded_at"], row["record_id"])):
        latest[row["change_id"]] = row
    live = [row for row in latest.values() if row["state"] == "live"]
    by = {commit: row for row in live for commit in row["replaces"] or []}
    found = []
    for row in live:
        heir = by.get(row["commit"], row)
        if heir["change_id"] != row["change_id"] and row["evidence"] == "note":
            at = max(heir["recorded_at"], row["recorded_at"] + timedelta(microseconds=1))
            found.append({**row, "state": "superseded", "superseded_by": heir["change_id"], "recorded_at": at,
                          "record_id": digest("x", row["record_id"], heir["change_id"])})  # fmt: skip
    return found


def _row(objects: git.CatFile, event: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `changes`; what a note does not say is null."""
    _, raw = objects.typed(event["commit"]) or ("", b"")
    commit = history.parse(event["commit"], raw)
    first: Mapping[str, Any] = event["runs"][0] if event["runs"] else {}
    return {
        "record_id": event["id"], "recorded_at": datetime.fromisoformat(event["at"]), "config_hash": None,
        "change_id": event["change_id"], "commit": event["commit"], "tree": commit.tree,
        "committed_at": datetime.fromtimestamp(commit.at, timezone.utc), "state": "live", "superseded_by": None,
        "kind": event["kind"], "replaces": event["replaces"], "run_ids": [run["run_id"] for run in event["runs"]],
        "agent": first.get("agent"), "model": first.get("model"),
        **{f"lines_{name}": event["lines"][name] for name in LINES}, "files": files(event),
        "evidence": "note", "trust": "own", "reward": event["reward"], "reward_mode": event["reward_mode"],
    }  # fmt: skip


def _outcome(event: Mapping[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(event["at"])
    return {"record_id": event["id"], "recorded_at": at, "config_hash": None, "change_id": event["change_id"],
            "kind": event["kind"], "at": at, "commit": event.get("commit"), "value": event.get("value"), "detail": None,
            "source": "note"}  # fmt: skip
