"""The loop that improves the local model by itself, seen from here: whether it may run, whether it is time, how it stands, and its start.

What it does is the matter of another wing (`git_hone.ci.watching`), which nothing here imports: the worker starts it as a process of its own
(`JOB`), detached, when the counts in `state.db` say so (`git_hone.learner.loop`). Two words are needed before anything starts by itself: the
repository's (`learning.mode` active, in the committed configuration) and this clone's (`git config hone.watch true`, by `git hone watch --on`):
a configuration that was pulled must not take somebody's machine.

In `<common git dir>/hone/loop/`:

    lock        held, with the pid in it, as long as a round or one of its steps runs; the system lets go when they end, however they end
    round.json  the last round: when, why, each step with its result, how it ended and what to do
    drift.json  the last look at the served models, and the alarms that stand
    STEP.log    what a step said the last time, at most 1 MiB
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from git_hone.hooks import git, ripening
from git_hone.hooks.consent import NO
from git_hone.hooks.lock import held
from git_hone.hooks.place import Place
from git_hone.learner import loop

if TYPE_CHECKING:
    from git_hone.learner.config import Config

JOB: Final = "git_hone.ci.watching"
"""The module that the worker starts with the path of `hone` as its one argument."""
FOLDER: Final = "loop"
KEY: Final = "hone.watch"
VERSION: Final = 1
SWITCHES: Final = {
    "export": "autoExport",
    "train": "autoTrain",
    "evaluate": "autoTrain",
    "gate": "autoTrain",
    "deploy": "autoDeploy",
}
DRIFT_S: Final = 3600.0
"""Least time between two looks at the served models; between them a few runs at most have got a reward."""


def folder(place: Place) -> Path:
    return place.hone / FOLDER


def why_off(place: Place, config: Config) -> tuple[str, str] | None:
    """(why nothing starts by itself here, what to do about it); None when it may."""
    if not config.enabled:
        return "enabled is false", "set it to true in .agent/learning-config.json"
    said = dict(git.configured(place.cwd, r"hone\.(watch|enabled|optout)"))
    agreed = said.get(KEY, "no").lower() not in NO
    if said.get("hone.enabled", "yes").lower() in NO or said.get("hone.optout", "no").lower() not in NO:
        return "this clone keeps no record", "git config hone.enabled true"
    if config["learning.mode"] != "active":
        what = "learning.mode is passive" + ("" if agreed else ", and this clone has not agreed")
        return what, "set learning.mode to active in .agent/learning-config.json" + (
            "" if agreed else ", then git hone watch --on"
        )
    return None if agreed else ("this clone has not agreed", "git hone watch --on")


def last_round(place: Place) -> dict[str, Any] | None:
    """The last round as it stands in the file; None without one, or where it is damaged or of another version: then a new one begins."""
    found = read(folder(place) / "round.json")
    fits = found is not None and found.get("version") == VERSION and isinstance(found.get("steps"), list)
    return found if fits and _round(found or {}) is not None else None


def read(file: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is none."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _round(found: Mapping[str, Any]) -> loop.Round | None:
    try:
        ended = found["ended"]
        return loop.Round(
            float(found["at"]), int(found["ready"]), str(found["config"]), str(found["how"]), found["step"],
            None if ended is None else float(ended),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None


def due(place: Place, config: Config, now: float) -> loop.Due:
    """Whether a round should begin or go on now, from counts alone; whether it may is `why_off`'s to say."""
    found = last_round(place)
    return loop.due(config, counted(place, lambda db: ripening.ready(db, config)), _round(found) if found else None, now)


def counted(place: Place, ask: Any) -> int:
    """What `ask` counts in the state; 0 where there is none that can be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{(place.hone / 'state.db').absolute().as_uri()}?mode=ro", uri=True)) as db:
            return int(ask(db))
    except sqlite3.DatabaseError:
        return 0


def served(place: Place, config: Config) -> dict[str, str]:
    """Model -> role, of what a deployment of ours serves now (`.agent/champions.json`)."""
    found = read(place.agent / "champions.json") or {}
    roles = found.get("roles")
    known = roles.items() if isinstance(roles, dict) else ()
    return {f"{config['autoDeploy.modelNamePrefix']}-{name}": name for name, role in known if _is_ours(role)}


def _is_ours(role: Any) -> bool:
    """Whether the champion is a file of ours, and not what stood there before."""
    try:
        return bool(role["deployments"][role["champion"]]["file"])
    except (KeyError, TypeError):
        return False


def drift_due(place: Place, config: Config, now: float) -> bool:
    """Whether a served model has got rewards since the last look, an hour ago or more."""
    names = served(place, config) if config["driftDetection.enabled"] else {}
    if not names:
        return False
    last = read(folder(place) / "drift.json") or {}
    if 0 <= now - float(last.get("at") or 0) < DRIFT_S:
        return False
    known = last.get("rewards") or {}
    return any(counted(place, lambda db, name=name: ripening.rewarded(db, name)) != known.get(name) for name in names)


@contextmanager
def alone(file: Path) -> Iterator[int | None]:
    """Holds a lock that children may inherit (`lock.held`), with the pid of who took it in the file. Whoever only looks holds it for an
    instant, so that long is waited. Raises OSError where it cannot be written."""
    with held(file, 0.2) as handle:
        if handle is not None:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield handle


def is_running(place: Place) -> bool:
    """Whether a round, or a step that outlived it, is at work."""
    try:
        handle = os.open(folder(place) / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def start_when_due(place: Place, config: Config, now: float) -> bool:
    """Start the loop in the background when it may and should run; whether it was started. For the worker, after a drain."""
    if config["learning.mode"] != "active" or not (due(place, config, now).start or drift_due(place, config, now)):
        return False
    if why_off(place, config) is not None or is_running(place):
        return False
    start(place)
    return True


def start(place: Place) -> None:
    """Start it detached: no child of ours to wait for."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key == "GIT_HONE_OFF"}
    with contextlib.suppress(OSError):
        subprocess.run(
            ["sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", sys.executable, "-I", "-m", JOB, str(place.hone.absolute())],
            env=env, start_new_session=True, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=place.cwd,
        )  # fmt: skip


def standing(place: Place, config: Config, now: float) -> dict[str, Any]:
    """How the loop stands, as plain values: `on`, `off_because` and `next` (null when on), `due`, which steps are switched on, what is
    `running` (null: nothing), how the `last` round ended (null: none yet), alarms of `drift`."""
    off = why_off(place, config)
    last, running = last_round(place), is_running(place)
    now_due = due(place, config, now)
    if running:
        now_due = replace(now_due, start=False, why="a round is at work")
    return {
        "on": off is None,
        "off_because": off and off[0],
        "next": off and off[1],
        "due": {"start": now_due.start, "why": now_due.why, "have": now_due.have, "want": now_due.want,
                "at": None if now_due.at is None else loop.iso(now_due.at)},
        "switches": {step: bool(config[f"{key}.enabled"]) for step, key in SWITCHES.items()},
        "running": _running(place, last) if running else None,
        "last": None if last is None or running else _ended(last),
        "drift": (read(folder(place) / "drift.json") or {}).get("alarms") or [],
    }  # fmt: skip


def _running(place: Place, last: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        pid = int((folder(place) / "lock").read_text())
    except (OSError, ValueError):
        pid = None
    began = (last or {}).get("began") or {}
    step = began.get("step")
    log = folder(place) / f"{step}.log"
    since = None if began.get("at") is None else loop.iso(began["at"])
    return {"step": step, "what": began.get("key"), "since": since, "pid": pid, "log": str(log) if step else None}


def _ended(last: Mapping[str, Any]) -> dict[str, Any]:
    how, step = last["how"], last.get("step")
    return {
        "at": loop.iso(last["at"]), "ended": None if last["ended"] is None else loop.iso(last["ended"]),
        "how": "broken off" if how == "running" else how, "step": step, "reason": last.get("reason"), "tip": last.get("tip"),
        "steps": [{"step": one["key"], "seconds": round(one["ended"] - one["began"], 1)} for one in last["steps"]],
    }  # fmt: skip
