"""What stands here: the facts of `git hone status`. What is wrong with it is the matter of `doctor`."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from git_hone.hooks.inbox import pending
from git_hone.hooks.install import agent_folder, agents, native, setup
from git_hone.hooks.place import Place
from git_hone.learner.errors import HoneError
from git_hone.learner.tables import TABLES

STALE_S: Final = 600.0
"""An event that waits longer than this is not being worked on."""


def status(place: Place, now: float | None = None) -> dict[str, Any]:
    """What stands, as plain values. Counts are None where they could not be had."""
    moment = time.time() if now is None else now
    where = native.folder(place)
    waiting = [file for file, _ in pending(place.inbox)]
    records, damaged, store_error = _records(place)
    return {
        "installed": setup.is_installed(place),
        "hooks_folder": str(where.path),
        "hooks": [_hook_dict(native.inspect(event, where, place)) for event in native.events(place)],
        "agents": agents_here(place),
        "pending": {"events": len(waiting), "oldest_s": _age(waiting, moment)},
        "unreadable": len(unreadable(place)),
        "records": records,
        "damaged": damaged,
        "store_error": store_error,
        "last_drain": read_json(place.hone / "last-drain.json"),
        "config_warnings": agent_folder.warnings(place),
    }


def _hook_dict(hook: native.Hook) -> dict[str, Any]:
    return asdict(hook) | {"path": str(hook.path), "by": hook.by or None}


def agents_here(place: Place) -> list[dict[str, Any]]:
    """Claude Code, when its settings name us in part or in full."""
    if place.top is None:
        return []
    try:
        found = agents.configured(agents.read(agents.settings_path(place)))
    except HoneError as error:
        return [{"name": "claude-code", "complete": False, "error": error.message}]
    return [{"name": "claude-code", "complete": found == set(agents.EVENTS), "error": None}] if found else []


def _age(files: list[Path], now: float) -> float | None:
    ages = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            ages.append(now - file.lstat().st_mtime)
    return round(max(ages), 1) if ages else None


def unreadable(place: Place) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in (place.hone / "unreadable").iterdir() if path.suffix != ".reason")
    return []


def _records(place: Place) -> tuple[dict[str, int] | None, list[str] | None, str | None]:
    """(rows by table, damaged segments, why they could not be counted)."""
    if not place.data.is_dir():
        return dict.fromkeys(TABLES, 0), [], None
    try:
        from git_hone.learner.store import Store

        store = Store(place.data)
        with contextlib.closing(store.connect()) as db:
            rows = {name: int((db.execute(f'select count(*) from "{name}"').fetchone() or (0,))[0]) for name in TABLES}  # noqa: S608 - names of ours
        return rows, [f"{damage.path}: {damage.reason}" for damage in store.damaged], None
    except Exception as error:  # a broken pyarrow or duckdb raises whatever it likes
        return None, None, f"{type(error).__name__}: {error}"


def read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
