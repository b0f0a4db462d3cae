"""What is wrong, what it means, and the next step: the checks of `git hone doctor`.

Each check answers with a finding for each damage, or with one that says all is fine; with `repair` it mends what it can.
Whatever cannot be looked at (a broken library, an unreadable file) is a finding too, never a crash. Repairing deletes
nothing: what is replaced moves to `.git/hone/set-aside/`, torn events to `.git/hone/unreadable/`, segments to `.agent/quarantine/`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from git_hone.hooks import git, notes, rewards, salvage
from git_hone.hooks import state as state_file
from git_hone.hooks.drain import drain
from git_hone.hooks.inbox import TORN_AFTER_S, pending
from git_hone.hooks.install import agent_folder, agents, native, setup
from git_hone.hooks.install.damages import KINDS, Finding, mended, problem
from git_hone.hooks.install.health import STALE_S, agents_here, read_json, unreadable
from git_hone.hooks.install.ledger import Ledger
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner.errors import DataError, HoneError

FREE_BYTES: Final = 16 << 20
"""With less room than this on the disk, records may not be written."""


def examine(place: Place, repair: bool = False, now: float | None = None) -> list[Finding]:
    """Every check's findings, in the order in which an event travels."""
    moment = time.time() if now is None else now
    if not setup.is_installed(place):
        return [problem("not-installed", "git-hone is not installed here", "git hone init")]
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("installation", lambda: _check_installation(place, repair)),
        ("scripts", lambda: _check_scripts(place, repair)),
        ("agents", lambda: _check_agents(place, repair)),
        ("inbox", lambda: _check_inbox(place, repair, moment)),
        (".agent", lambda: _check_agent_folder(place, repair)),
        ("git hooks", lambda: _check_hooks(place, repair)),
        ("configuration", lambda: _check_config(place)),
        ("state", lambda: _check_state(place, repair)),
        ("store", lambda: _check_store(place, repair)),
        ("notes", lambda: _check_notes(place, repair)),
        ("worker", lambda: _check_worker(place, repair, moment)),
    ]
    found: list[Finding] = []
    for name, check in checks:
        try:
            told = list(check())
        except HoneError as error:
            told = [_not_checked(name, error.message, error.tip)]
        except Exception as error:  # whatever cannot be looked at is a finding
            told = [_not_checked(name, f"{type(error).__name__}: {error}", None)]
        found += told or [Finding(name, True, "fine")]
    return found


def _not_checked(check: str, words: str, tip: str | None) -> Finding:
    step = tip or "mend what it names, then run this again"
    return Finding(check, False, words, step, False, "not-checked", "error", KINDS["not-checked"].means)


def set_aside(place: Place, path: Path, *, copy: bool = False) -> Path:
    """Move (or copy) a file or folder of ours to `.git/hone/set-aside/`, under a name that is free; returns where it is now."""
    folder = place.hone / "set-aside"
    folder.mkdir(mode=0o700, exist_ok=True)
    target, k = folder / path.name.lstrip("."), 1
    while os.path.lexists(target):
        target, k = folder / f"{path.name.lstrip('.')}.{k}", k + 1
    if copy:
        shutil.copy2(path, target)
    else:
        path.rename(target)
    return target


def _check_installation(place: Place, repair: bool) -> Iterator[Finding]:
    """The ledger, the room on the disk, and whether the folder may be written to."""
    ledger_file = place.common / "hone" / "installed.json"
    try:
        Ledger(place.common)
    except DataError as error:
        if "newer" in error.message:
            yield problem("ledger-newer", error.message, error.tip or "")
        elif repair:
            kept = set_aside(place, ledger_file)
            setup.install(place)
            yield mended("ledger-damaged", f"{error.message}; kept as {kept}, written anew")
        else:
            yield problem("ledger-damaged", error.message)
    room = os.statvfs(place.hone)
    if room.f_bavail * room.f_frsize < FREE_BYTES or (room.f_files and not room.f_favail):
        left = f"{room.f_bavail * room.f_frsize >> 10} KB and {room.f_favail} files"
        yield problem("disk-full", f"{place.hone}: room for {left} is left", "free space, then git hone drain")
    yield from _check_writable(place.hone, "hone-unwritable", repair)


def _check_writable(folder: Path, kind: str, repair: bool) -> Iterator[Finding]:
    """Whether the owner may list, enter and write a folder. Judged by its mode, as a superuser may do all."""
    wanted = stat.S_IRWXU
    mode = folder.stat().st_mode
    if mode & wanted == wanted and os.access(folder, os.W_OK):
        return
    with contextlib.suppress(OSError):
        if repair:
            folder.chmod(stat.S_IMODE(mode) | wanted)
            if os.access(folder, os.W_OK):
                yield mended(kind, f"{folder}: could not be written; its owner may again")
                return
    yield problem(
        kind, f"{folder}: cannot be written", f"chmod u+rwx {shlex.quote(str(folder))} (as its owner)" if repair else ""
    )


def _check_scripts(place: Place, repair: bool) -> Iterator[Finding]:
    """The two scripts are this version's and their Python is there."""
    for name, text in setup.scripts().items():
        path = place.hone / name
        found = _script_problem(path, text)
        if found is None:
            continue
        kind, words = found
        if repair:
            kept = f"; the old one is {set_aside(place, path)}" if path.exists() else ""
            setup.write_scripts(place)
            yield mended(kind, f"{name}: {words}; written anew{kept}")
        else:
            yield problem(kind, f"{path}: {words}")


def _script_problem(path: Path, wanted: bytes) -> tuple[str, str] | None:
    if not path.is_file():
        return "script-missing", "missing"
    text = path.read_text(encoding="utf-8", errors="replace")
    called = re.search(r"^\s*GIT_HONE_OFF=1 (.+?) -I -m git_hone", text, re.MULTILINE)
    python = shlex.split(called[1])[0] if called else None
    if python is not None and not os.access(python, os.X_OK):
        return "python-gone", f"its Python is gone ({python})"
    ours = re.sub(rb"GIT_HONE_OFF=1 .+? -I -m", b"", wanted)
    same = re.sub(rb"GIT_HONE_OFF=1 .+? -I -m", b"", path.read_bytes()) == ours
    return None if same else ("script-outdated", "from another version of git-hone")


def _check_agents(place: Place, repair: bool) -> Iterator[Finding]:
    for agent in agents_here(place):
        if agent["complete"]:
            continue
        if agent["error"]:
            yield problem("agent-settings", agent["error"], "mend the file, then git hone init --agent claude-code")
        elif repair:
            set_aside(place, agents.settings_path(place), copy=True)
            setup.install(place, (agent["name"],))
            yield mended("agent-incomplete", f"{agent['name']}: some of its events did not reach git-hone; its hooks were added")
        else:
            yield problem("agent-incomplete", f"{agent['name']}: some of its events do not reach git-hone")


def _check_inbox(place: Place, repair: bool, now: float) -> Iterator[Finding]:
    if not place.inbox.is_dir():
        blocked = os.path.lexists(place.inbox)
        kind, words = ("inbox-blocked", "a file is in the way") if blocked else ("inbox-missing", "missing")
        if not repair:
            yield problem(kind, f"{place.inbox}: {words}")
            return
        kept = f"; it is {set_aside(place, place.inbox)} now" if blocked else ""
        place.inbox.mkdir(parents=True)
        yield mended(kind, f"{words}; made anew{kept}")
    yield from _check_writable(place.inbox, "inbox-unwritable", repair)
    torn = [file for file in place.inbox.iterdir() if _is_torn(file, now)]
    if torn and repair:
        (place.hone / "unreadable").mkdir(exist_ok=True)
        for file in torn:
            file.replace(place.hone / "unreadable" / file.name)
        yield mended("event-torn", f"{len(torn)} torn event file(s) moved to {place.hone / 'unreadable'}")
    elif torn:
        yield problem("event-torn", f"{len(torn)} torn event file(s), such as {torn[0]}")
    if kept_apart := unreadable(place):
        yield problem(
            "events-unreadable", f"{len(kept_apart)} event(s) could not be read and are kept in {place.hone / 'unreadable'}"
        )


def _is_torn(file: Path, now: float) -> bool:
    if now - file.lstat().st_mtime < TORN_AFTER_S or not file.is_file():
        return False
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 6))
        return opened.read() != b"\n%end\n"


def _check_agent_folder(place: Place, repair: bool) -> Iterator[Finding]:
    try:
        agent_folder.preflight(place)
    except HoneError as error:
        yield problem("agent-folder-link", error.message, error.tip or "")
        return
    gone = agent_folder.missing(place)
    if gone and repair:
        ledger = Ledger(place.common)
        agent_folder.install(place, ledger)
        ledger.save()
        yield mended("agent-folder", f"{', '.join(gone)}: missing; made anew")
    elif gone:
        yield problem("agent-folder", f"{place.agent}: lacks {', '.join(gone)}")
    elif not place.agent.is_relative_to(place.common) and not _ignored(place):
        path = place.agent / ".gitignore"
        if not repair:
            yield problem("data-not-ignored", f"{place.data}: git does not ignore it")
            return
        set_aside(place, path, copy=True)
        text = path.read_text("utf-8", "surrogateescape")
        lines = "".join(f"/{name}/\n" for name in agent_folder.LOCAL)
        path.write_text(f"{text.rstrip()}\n{lines}".lstrip("\n"), "utf-8", "surrogateescape")
        yield mended("data-not-ignored", f"{path}: the local folders were added")


def _ignored(place: Place) -> bool:
    """Whether git leaves the records that are there alone."""
    return not git.attempt(["ls-files", "--others", "--exclude-standard", "--", *agent_folder.LOCAL], place.agent)


def _check_hooks(place: Place, repair: bool) -> Iterator[Finding]:
    where = native.folder(place)
    for hook in [native.inspect(event, where, place) for event in native.events(place)]:
        event, kind = hook.event, f"hook-{hook.state}"
        if hook.state in native.FINE:
            continue
        if hook.state == "no-line":
            yield problem(kind, f"{event}: {hook.by} runs no git-hone", native.advice(event, where, place))
        elif repair:
            if hook.state == "outdated":
                set_aside(place, hook.path, copy=True)
            setup.install(place)
            again = native.inspect(event, where, place)
            words = f"{event}: was {hook.state}, now {again.state}"
            yield mended(kind, words) if again.state in native.FINE else problem(kind, words, f"look at {hook.path}")
        else:
            by = f" by {hook.by}" if hook.by and hook.state == "taken-over" else ""
            yield problem(kind, f"{event}: {hook.state}{by}")
    key, value = setup.NOTES
    if git.line(["config", "--get", key], place.cwd) != value:
        if repair:
            setup.install(place)
            yield mended("notes-config", f"{key}: was not {value}; set")
        else:
            yield problem("notes-config", f"{key} is not {value}")


def _check_config(place: Place) -> Iterator[Finding]:
    for words in agent_folder.warnings(place):
        yield problem("config-wrong", words, f"edit the file that is named, in {place.agent}")


def _check_state(place: Place, repair: bool) -> Iterator[Finding]:
    """Read every page of the state; it is a cache, so what is damaged is set aside and made again."""
    file = place.hone / "state.db"
    if not os.path.lexists(file):
        return
    with locked(place.hone / "drain.lock", 30.0) as mine:
        if not mine:
            yield problem("state-locked", f"{file}: a drain is at work", "run this again when it has ended")
            return
        kind, words = _state_problem(file)
        if kind == "state-damaged" and repair:
            yield mended(kind, f"{file}: {words}; kept as {state_file.set_aside(file).name}, made anew by the next drain")
        elif kind:
            yield problem(
                kind, f"{file}: {words}", "end the process that holds it, then git hone drain" if kind == "state-locked" else ""
            )


def _state_problem(file: Path) -> tuple[str, str]:
    if not file.is_file():
        return "state-damaged", "not a file"
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", timeout=2.0, uri=True)) as db:
            version = db.execute("pragma user_version").fetchone()[0]
            verdict = db.execute("pragma quick_check").fetchone()[0]
            db.execute("begin immediate")
            db.rollback()
    except sqlite3.OperationalError as error:
        return ("state-damaged", str(error)) if state_file.is_damage(error) else ("state-locked", str(error))
    except sqlite3.DatabaseError as error:
        return "state-damaged", str(error)
    if verdict != "ok":
        return "state-damaged", verdict.splitlines()[0]
    if version not in (0, state_file.VERSION):
        return "state-version", f"of version {version}; this git-hone's is {state_file.VERSION}"
    return "", ""


def _check_store(place: Place, repair: bool) -> Iterator[Finding]:
    if not place.data.is_dir():
        return
    try:
        from git_hone.learner.store import Store

        damages = Store(place.data).check(repair=repair)
    except ImportError as error:
        yield problem("store-unreadable", f"cannot be opened: {error}", "reinstall git-hone's dependencies (pyarrow, duckdb)")
        return
    except DataError as error:
        yield problem("store-unreadable", error.message, error.tip or "")
        return
    for damage in damages:
        words = f"{damage.path}: {damage.reason}"
        if damage.action.startswith("left in place"):
            yield problem("segment-newer", words, damage.action.partition(": ")[2])
        elif damage.action == "skipped":
            yield problem("segment-damaged", words)
        else:
            yield mended("segment-damaged", f"{words}; {damage.action}")


def _check_notes(place: Place, repair: bool) -> Iterator[Finding]:
    """Every note can be read. A new ref gets those that can be, and what the state knows of the live changes."""
    found = salvage.damaged(place.cwd, place.common)
    for wreck in found:
        what = "its list cannot be read" if wreck.n_lost is None else f"{wreck.n_lost} note(s) cannot be read"
        if not repair:
            yield problem("notes-damaged", f"{wreck.ref}: {what}")
            continue
        if (place.common / wreck.ref).exists():
            set_aside(place, place.common / wreck.ref, copy=True)
        salvage.begin_anew(place.cwd, place.common, wreck, time.time())
        yield mended("notes-damaged", f"{wreck.ref}: {what}; {len(wreck.texts)} were saved; the old tip was {wreck.tip}")
    if found and repair:
        config = configuration.load(place.agent / agent_folder.CONFIG)
        with locked(place.hone / "drain.lock", 30.0), state_file.State(place.hone / "state.db") as state:
            recorded = rewards.all_notes(state, config.hash)
        notes.write(place.cwd, recorded, time.time(), config["notes.shards"])


def _check_worker(place: Place, repair: bool, now: float) -> Iterator[Finding]:
    """A pid file whose process is gone; what the last drain could not do; what waits. Last, as all that stopped it is mended."""
    pid_file = place.hone / "worker.pid"
    if pid_file.exists() and not _alive(pid_file):
        if repair:
            pid_file.unlink(missing_ok=True)
            yield mended("worker-stale", "its pid file was left behind; removed")
        else:
            yield problem("worker-stale", f"{pid_file}: its process is gone")
    for lock in (place.git_dir / "hone-index.lock", *place.common.glob("worktrees/*/hone-index.lock")):
        if lock.exists() and now - lock.stat().st_mtime > STALE_S:
            if repair:
                yield mended("snapshot-lock", f"{lock}: left behind; it is {set_aside(place, lock)} now")
            else:
                yield problem("snapshot-lock", f"{lock}: left behind by a process that was killed")
    last = read_json(place.hone / "last-drain.json") or {}
    if last.get("error"):
        yield problem("drain-failed", f"the last drain: {last['error']}", "mend what it names, then git hone drain")
    log = place.hone / "worker.log"
    failed = log.exists() and log.stat().st_mtime > float(last.get("at") or 0)
    old = [file for file, at in pending(place.inbox) if now - at / 1e9 > STALE_S and not _is_torn(file, now)]
    if repair and (failed or old):
        drain(place)  # what it raises is told as the finding of this check
    if failed:
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        told = f"it failed: {words[-1] if words else 'no words'}"
        if repair:
            yield mended("worker-failed", f"{told}; drained, the log is {set_aside(place, log)}")
        else:
            yield problem("worker-failed", f"{told}; details: {log}")
    if old:
        told = f"{len(old)} event(s) waited for more than {STALE_S / 60:.0f} minutes"
        yield mended("events-waiting", f"{told}; drained") if repair else problem("events-waiting", told)


def _alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text().split()[0]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, IndexError, OverflowError):
        return False
    return True
