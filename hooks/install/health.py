"""What stands, and what is wrong: the facts of `git hone status` and the checks of `git hone doctor`.

Each check answers with one finding, or one for each thing that is wrong, and its next step; with `repair` it mends what it
can. Whatever cannot be looked at (a broken library, an unreadable file) is a finding too, never a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git
from git_hone.hooks.inbox import TORN_AFTER_S, pending
from git_hone.hooks.install import agent_folder, agents, native, setup
from git_hone.hooks.install.ledger import Ledger
from git_hone.hooks.place import Place
from git_hone.learner.errors import HoneError
from git_hone.learner.tables import TABLES

STALE_S: Final = 600.0
"""An event that waits longer than this is not being worked on."""


@dataclass(frozen=True)
class Finding:
    """One check: `ok` or a problem, in one line, with the next step. `repaired`: it was a problem until now."""

    check: str
    ok: bool
    words: str
    next: str = ""
    repaired: bool = False


def status(place: Place, now: float | None = None) -> dict[str, Any]:
    """What stands, as plain values. Counts are None where they could not be had."""
    moment = time.time() if now is None else now
    where = native.folder(place)
    waiting = [file for file, _ in pending(place.inbox)]
    records, damaged, store_error = _records(place)
    return {
        "installed": setup.is_installed(place),
        "hooks_folder": str(where.path),
        "hooks": [_hook_dict(native.inspect(event, where, place)) for event in native.EVENTS],
        "agents": _agents(place),
        "pending": {"events": len(waiting), "oldest_s": _age(waiting, moment)},
        "unreadable": len(_unreadable(place)),
        "records": records,
        "damaged": damaged,
        "store_error": store_error,
        "last_drain": _json(place.hone / "last-drain.json"),
        "config_warnings": agent_folder.warnings(place),
    }


def _hook_dict(hook: native.Hook) -> dict[str, Any]:
    return asdict(hook) | {"path": str(hook.path), "by": hook.by or None}


def _agents(place: Place) -> list[dict[str, Any]]:
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


def _unreadable(place: Place) -> list[Path]:
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
            rows = {name: int((db.execute(f'select count(*) from "{name}"').fetchone() or (0,))[0]) for name in TABLES}  # noqa: S608
        return rows, [f"{damage.path}: {damage.reason}" for damage in store.damaged], None
    except Exception as error:  # a broken pyarrow or duckdb raises whatever it likes
        return None, None, f"{type(error).__name__}: {error}"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def doctor(place: Place, repair: bool = False, now: float | None = None) -> list[Finding]:
    """Every check's findings, in the order in which an event travels."""
    moment = time.time() if now is None else now
    if not setup.is_installed(place):
        return [Finding("installation", False, "git-hone is not installed here", "git hone init")]
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("scripts", lambda: _check_scripts(place, repair)),
        ("agents", lambda: _check_agents(place)),
        ("inbox", lambda: _check_inbox(place, repair, moment)),
        ("worker", lambda: _check_worker(place, repair)),
        (".agent", lambda: _check_agent_folder(place, repair)),
        ("git hooks", lambda: _check_hooks(place, repair)),
        ("configuration", lambda: _check_config(place)),
        ("store", lambda: _check_store(place, repair)),
    ]
    found: list[Finding] = []
    for name, check in checks:
        try:
            told = list(check())
        except HoneError as error:
            told = [Finding(name, False, error.message, error.tip or "")]
        except Exception as error:  # whatever cannot be looked at is a finding
            told = [Finding(name, False, f"{type(error).__name__}: {error}", "mend what it names, then run this again")]
        found += told or [Finding(name, True, "fine")]
    return found


def _check_scripts(place: Place, repair: bool) -> Iterator[Finding]:
    """The two scripts are this version's and their Python is there."""
    for name, text in setup.scripts().items():
        path = place.hone / name
        problem = _script_problem(path, text)
        if problem is None:
            continue
        if repair:
            setup.write_scripts(place)
            yield Finding("scripts", True, f"{name}: {problem}; written anew", repaired=True)
        else:
            yield Finding("scripts", False, f"{path}: {problem}", "git hone doctor --repair")


def _script_problem(path: Path, wanted: bytes) -> str | None:
    if not path.exists():
        return "missing"
    text = path.read_text(encoding="utf-8", errors="replace")
    called = re.search(r"^\s*GIT_HONE_OFF=1 (.+?) -I -m git_hone", text, re.MULTILINE)
    python = shlex.split(called[1])[0] if called else None
    if python is not None and not os.access(python, os.X_OK):
        return f"its Python is gone ({python})"
    ours = re.sub(rb"GIT_HONE_OFF=1 .+? -I -m", b"", wanted)
    return None if re.sub(rb"GIT_HONE_OFF=1 .+? -I -m", b"", path.read_bytes()) == ours else "from another version of git-hone"


def _check_hooks(place: Place, repair: bool) -> Iterator[Finding]:
    where = native.folder(place)
    for hook in [native.inspect(event, where, place) for event in native.EVENTS]:
        event = hook.event
        if hook.state in native.FINE:
            continue
        if repair and hook.state != "no-line":
            setup.install(place)
            again = native.inspect(event, where, place)
            yield Finding("git hooks", again.state in native.FINE, f"{event}: was {hook.state}, now {again.state}", repaired=True)
        elif hook.state == "no-line":
            yield Finding("git hooks", False, f"{event}: {hook.by} runs no git-hone", native.advice(event, where, place))
        else:
            by = f" by {hook.by}" if hook.by and hook.state == "taken-over" else ""
            yield Finding("git hooks", False, f"{event}: {hook.state}{by}", "git hone doctor --repair")


def _check_agents(place: Place) -> Iterator[Finding]:
    for agent in _agents(place):
        if not agent["complete"]:
            words = agent["error"] or "claude-code: some of its events do not reach git-hone"
            yield Finding("agents", False, words, "git hone init --agent claude-code")


def _check_inbox(place: Place, repair: bool, now: float) -> Iterator[Finding]:
    if not place.inbox.is_dir():
        if place.inbox.exists() or not repair:
            what = "a file is in the way" if place.inbox.exists() else "missing"
            yield Finding("inbox", False, f"{place.inbox}: {what}", "move it away, then git hone doctor --repair")
            return
        place.inbox.mkdir(parents=True)
        yield Finding("inbox", True, "missing; made anew", repaired=True)
    if not os.access(place.inbox, os.W_OK):
        yield Finding("inbox", False, f"{place.inbox}: cannot be written", f"chmod u+w {shlex.quote(str(place.inbox))}")
    torn = [file for file in place.inbox.iterdir() if _is_torn(file, now)]
    if torn and repair:
        (place.hone / "unreadable").mkdir(exist_ok=True)
        for file in torn:
            file.replace(place.hone / "unreadable" / file.name)
        yield Finding("inbox", True, f"{len(torn)} torn event file(s) moved to {place.hone / 'unreadable'}", repaired=True)
    elif torn:
        yield Finding("inbox", False, f"{len(torn)} torn event file(s), such as {torn[0]}", "git hone doctor --repair")
    old = [file for file, at in pending(place.inbox) if now - at / 1e9 > STALE_S]
    if old:
        yield Finding("inbox", False, f"{len(old)} event(s) wait for more than {STALE_S / 60:.0f} minutes", "git hone drain")


def _is_torn(file: Path, now: float) -> bool:
    if now - file.lstat().st_mtime < TORN_AFTER_S or not file.is_file():
        return False
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 6))
        return opened.read() != b"\n%end\n"


def _check_worker(place: Place, repair: bool) -> Iterator[Finding]:
    """A pid file whose process is gone; what the last drain could not do."""
    pid_file = place.hone / "worker.pid"
    if pid_file.exists() and not _alive(pid_file):
        if repair:
            pid_file.unlink(missing_ok=True)
            yield Finding("worker", True, "its pid file was left behind; removed", repaired=True)
        else:
            yield Finding("worker", False, f"{pid_file}: its process is gone", "git hone doctor --repair")
    last = _json(place.hone / "last-drain.json") or {}
    if last.get("error"):
        yield Finding("worker", False, f"the last drain: {last['error']}", "mend what it names, then git hone drain")
    log = place.hone / "worker.log"
    if log.exists() and log.stat().st_mtime > float(last.get("at") or 0):
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        yield Finding("worker", False, f"it failed: {words[-1] if words else 'no words'}", f"git hone drain; details: {log}")


def _alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text().split()[0]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, IndexError):
        return False
    return True


def _check_agent_folder(place: Place, repair: bool) -> Iterator[Finding]:
    gone = agent_folder.missing(place)
    if gone and repair:
        ledger = Ledger(place.common)
        agent_folder.install(place, ledger)
        ledger.save()
        yield Finding(".agent", True, f"{', '.join(gone)}: missing; made anew", repaired=True)
    elif gone:
        yield Finding(".agent", False, f"{place.agent}: lacks {', '.join(gone)}", "git hone doctor --repair")
    elif _in_tree(place) and git.attempt(["ls-files", "--others", "--exclude-standard", "--", "data"], place.agent):
        yield Finding(".agent", False, f"{place.data}: git does not ignore it", f"restore {place.agent / '.gitignore'}")


def _in_tree(place: Place) -> bool:
    return not place.agent.is_relative_to(place.common)


def _check_config(place: Place) -> Iterator[Finding]:
    for words in agent_folder.warnings(place):
        yield Finding("configuration", False, words, f"edit {place.agent / agent_folder.CONFIG}")


def _check_store(place: Place, repair: bool) -> Iterator[Finding]:
    if not place.data.is_dir():
        return
    try:
        from git_hone.learner.store import Store

        damages = Store(place.data).check(repair=repair)
    except ImportError as error:
        yield Finding("store", False, f"cannot be opened: {error}", "reinstall git-hone's dependencies (pyarrow, duckdb)")
        return
    for damage in damages:
        set_aside = damage.action != "skipped"
        words = f"{damage.path}: {damage.reason}" + (f"; {damage.action}" if set_aside else "")
        yield Finding("store", set_aside, words, "" if set_aside else "git hone doctor --repair", repaired=set_aside)
