"""The detached worker: started by a hook, drains the inbox until it is empty, and ends. Idle means no process at all.

`python -I -m git_hone.hooks.worker <common git dir>/hone`. Its pid stands in `worker.pid` while it will look at the inbox
once more; a hook that finds a living pid there starts no second one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
import traceback
from pathlib import Path

from git_hone.hooks import git
from git_hone.hooks.drain import Drained, config_of, drain, sync
from git_hone.hooks.inbox import pending
from git_hone.hooks.place import Place, find, plain
from git_hone.hooks.state import State
from git_hone.learner.store.lean import without_heavy

GATHER_S = 0.05
"""How long to wait for the events that come with the first one."""
COMPACT_EVERY = 16
DAY_S = 86_400.0


def start(place: Place) -> None:
    """Start a worker, detached, unless one is at work. Never raises: the next event or command drains as well."""
    try:
        pid = int((place.hone / "worker.pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {"GIT_HONE_OFF": "1"}
        try:
            subprocess.run(  # the shell ends at once and leaves the worker to the system: no child of ours to wait for
                ["sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh",
                 sys.executable, "-I", "-m", "git_hone.hooks.worker", str(place.hone)],
                env=env, start_new_session=True, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip
        except OSError:
            return


def drain_now(place: Place) -> Drained:
    """Drain in this process, waiting for a worker that is at it."""
    return drain(place)


def main(argv: list[str] | None = None) -> int:
    hone = Path((argv or sys.argv[1:])[0])
    os.nice(5)
    for name in [key for key in os.environ if key.startswith("GIT_")]:
        del os.environ[name]
    os.environ["GIT_HONE_OFF"] = "1"
    pid_file = hone / "worker.pid"
    git.OURS.add(hone.parent)
    try:
        place = _place(hone)
        while True:
            pid_file.write_text(f"{os.getpid()}\n")
            time.sleep(GATHER_S)
            with without_heavy():
                done = drain(place, wait_s=60.0)
            pid_file.unlink(missing_ok=True)
            if done.busy or not pending(place.inbox):
                break
            if not done.events:  # what is left is still being written
                time.sleep(1.0)
        _tidy(place)
        sync(place)
        _age(place)
        _learn(place)
        _improve(place)
    except Exception:  # the last line of defence of a background process: say it where `status` looks
        pid_file.unlink(missing_ok=True)
        log = hone / "worker.log"
        log.write_text(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n{traceback.format_exc()}", "utf-8", "replace")
        return 3
    return 0


def _place(hone: Path) -> Place:
    """Where a worker for this folder works. A plain repository of one's own is known without asking git."""
    common = hone.parent
    here = plain(common.parent) if common.name == ".git" else None
    if here and common.stat().st_uid == os.geteuid() and b"worktree" not in (common / "config").read_bytes().lower():
        return here
    return find(common)


def _tidy(place: Place) -> None:
    """Compact now and then, so that the number of segments does not grow with history."""
    from git_hone.learner.store import Store

    store = Store(place.data)
    if store.is_crowded(COMPACT_EVERY):
        store.compact(COMPACT_EVERY)


def _age(place: Place) -> None:
    """Once a day, what time did to the changes."""
    last = None
    with contextlib.suppress(sqlite3.DatabaseError), State(place.hone / "state.db") as state:
        last = state.meta("aged")
    if last is None or not 0 <= time.time() - last["at"] < DAY_S:
        from git_hone.hooks.aging import age

        age(place, wait_s=60.0)


def _learn(place: Place) -> None:
    """Once a day, what the outcomes that matured since say of the reward. With a broken configuration it waits."""
    from git_hone.hooks.fitting import fit_when_due

    config, error = config_of(place)
    if error is None:
        fit_when_due(place, config, time.time())


def _improve(place: Place) -> None:
    """Start the loop that makes a better model, where it may and should run. With a broken configuration it waits."""
    from git_hone.hooks.zero_touch import start_when_due

    config, error = config_of(place)
    if error is None and config.enabled:
        start_when_due(place, config, time.time())


if __name__ == "__main__":
    sys.exit(main())
