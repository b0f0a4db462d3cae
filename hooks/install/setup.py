"""Installing and uninstalling, as a list of steps. Either all of them are done, or none."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final

from git_hone.hooks import git, notes
from git_hone.hooks.install import agent_folder, agents, native, workflow
from git_hone.hooks.install.ledger import Ledger, write_atomic
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.learner.errors import GitError, UsageError

SCRIPTS: Final = ("git-event.sh", "agent-event.sh", "pre-push.sh")
NOTES: Final = ("notes.hone.mergeStrategy", "cat_sort_uniq")


@dataclass
class Report:
    """What was done, in words. `changed`: whether anything had to be; `hooks`: how each event stands now; `advice`: what
    the person has to add to another hook manager's files; `kept`: what uninstalling left, and why."""

    changed: list[str] = field(default_factory=list)
    hooks: list[native.Hook] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def install(place: Place, agent_names: tuple[str, ...] = (), *, with_workflow: bool = False) -> Report:
    """Install in the repository of `place`, and the workflow where it is asked for; installing twice changes nothing.

    Raises UsageError or DataError before anything is changed where that can be known, and undoes what was done where not.
    """
    agents.check_names(agent_names)
    agent_folder.preflight(place)
    if agent_names:
        agents.preflight(place)
    ledger, report = Ledger(place.common), Report()
    with _all_or_nothing(place, ledger):
        _make_home(place, ledger, report)
        _set_config(place, ledger, [NOTES], report)
        report.changed += [f".agent/{name}" for name in agent_folder.install(place, ledger)]
        report.changed += ["info/exclude"] if agent_folder.exclude(place, ledger) else []
        for name in dict.fromkeys(agent_names):
            report.changed += [name] if agents.install(place, ledger) else []
            report.agents.append(name)
        if with_workflow and (written := workflow.install(place, ledger)):
            report.changed.append(written)
        _install_hooks(place, ledger, report)
        ledger.save()
    report.warnings = agent_folder.warnings(place)
    return report


@contextlib.contextmanager
def _all_or_nothing(place: Place, ledger: Ledger) -> Iterator[None]:
    fresh = not place.hone.exists()
    try:
        yield
    except BaseException as error:
        ledger.rollback()
        if fresh:
            shutil.rmtree(place.hone, ignore_errors=True)
        if isinstance(error, OSError):
            tip = "nothing was changed; make it writable, then run this again"
            raise UsageError(f"{error.filename or place.common}: {error.strerror or error}", tip) from error
        if isinstance(error, GitError):
            raise UsageError(f"{place.common}: {error.message}", "nothing was changed") from error
        raise


def _make_home(place: Place, ledger: Ledger, report: Report) -> None:
    """`<common>/hone` with its inbox and the two scripts."""
    fresh = not place.inbox.exists()
    place.inbox.mkdir(parents=True, exist_ok=True)
    if fresh:
        _set_watermark(place)
    old = {name: (place.hone / name).read_bytes() for name in SCRIPTS if (place.hone / name).exists()}
    for name, text in old.items():
        ledger.on_failure(partial(write_atomic, place.hone / name, text))
    report.changed += write_scripts(place)


def write_scripts(place: Place) -> list[str]:
    """Write the scripts that are missing or differ from this version's; returns their names."""
    wanted = scripts()
    names = [name for name in SCRIPTS if not (place.hone / name).exists() or (place.hone / name).read_bytes() != wanted[name]]
    for name in names:
        write_atomic(place.hone / name, wanted[name])
    return names


def scripts() -> dict[str, bytes]:
    """The two scripts, with the Python that runs this filled in (its path as it was called: inside a virtual environment
    the link is what finds the packages)."""
    if not sys.executable:
        raise UsageError("this Python does not know its own path", "run git-hone from an ordinary installation")
    python = shlex.quote(os.path.abspath(sys.executable))  # noqa: PTH100 - Path.resolve would follow the link
    source = files("git_hone.hooks.sh")
    return {name: (source / name).read_text(encoding="utf-8").replace("@PYTHON@", python).encode() for name in SCRIPTS}


def _set_watermark(place: Place) -> None:
    """Tell the drain that the history up to now is not ours to look at."""
    with contextlib.suppress(ImportError):
        from git_hone.hooks import drain

        drain.set_watermark(place)


def _set_config(place: Place, ledger: Ledger, pairs: list[tuple[str, str]], report: Report) -> None:
    path = place.common / "config"
    for key, value in pairs:
        before = _values(place, key)
        if before == [value]:
            continue
        with ledger.watching(path):
            git.run(["config", "--file", str(path), "--replace-all", key, value], place.cwd)
        ledger.config.setdefault(key, before)
        report.changed.append(key)


def _values(place: Place, key: str) -> list[str]:
    raw = git.attempt(["config", "--file", str(place.common / "config"), "-z", "--get-all", key], place.cwd)
    return git.text(raw or b"").split("\0")[:-1]


def _install_hooks(place: Place, ledger: Ledger, report: Report) -> None:
    where = native.folder(place)
    in_config = where.kind == "foreign" and native.config_hooks_work(git.line(["version"], place.cwd) or "")
    if in_config:
        _set_config(place, ledger, native.config_hooks(native.events(place)), report)
    for event in native.events(place):
        hook = native.inspect(event, where, place)
        if where.kind == "plain" and hook.state not in native.FINE and hook.state != "no-line":
            _install_hook(event, where, ledger)
            report.changed.append(event)
            hook = native.inspect(event, where, place)
        if hook.state == "no-line":
            report.advice.append(native.advice(event, where, place))
        report.hooks.append(hook)
    if where.kind == "plain" and ledger.name(where.path) not in ledger.hook_folders:
        ledger.hook_folders.append(ledger.name(where.path))
    if where.shared:
        native.add_user(where, place.common)


def _install_hook(event: str, where: native.Folder, ledger: Ledger) -> None:
    ledger.make_folder(where.path)
    path = where.path / event
    if native.is_ours(path):
        before = path.read_bytes()
        ledger.on_failure(lambda: write_atomic(path, before))
    else:
        ledger.on_failure(lambda: native.remove(event, where.path))
    native.install(event, path)


def is_installed(place: Place) -> bool:
    """Has `init` been run here?"""
    return (place.hone / "installed.json").exists() or (place.hone / "git-event.sh").exists()


def uninstall(place: Place, purge: bool = False) -> Report:
    """Put everything back as it was before `install`; records are kept unless `purge`."""
    report = Report()
    pending = _last_drain(place, purge)
    ledger = Ledger(place.common)
    for name in dict.fromkeys([*ledger.hook_folders, ledger.name(native.folder(place).path)]):
        _remove_hooks(place, ledger.place(name), report)
    _restore_config(place, ledger)
    settings = [ledger.place(name) for name in ledger.files if name.endswith("settings.json")]
    if place.top is not None:
        settings.append(place.top / ".claude" / "settings.json")
    for path in dict.fromkeys(settings):
        if agents.uninstall(path, ledger):
            report.kept.append(f"{path}: your own settings (only git-hone's hooks were taken out)")
    report.kept += workflow.uninstall(place, ledger)
    agent_folder.include(place, ledger)
    report.kept += agent_folder.uninstall(place, ledger, purge)
    if purge:
        notes.delete(place.cwd)
        if undone := git.attempt(["for-each-ref", "--format=%(refname)", notes.ATTEMPTS], place.cwd):
            report.kept.append(f"{notes.ATTEMPTS}: {len(undone.splitlines())} undone attempt(s) of agents, which are your files")
    elif notes.existing(place.cwd):
        report.kept.append("refs/notes/hone: the notes (`--purge` deletes them)")
    _remove_home(place, pending, report)
    for name in reversed(ledger.folders):
        with contextlib.suppress(OSError):
            ledger.place(name).rmdir()
    return report


def _remove_hooks(place: Place, hooks: Path, report: Report) -> None:
    if native.drop_user(hooks, place.common):
        report.kept.append(f"{hooks}: another repository still uses git-hone's hooks there")
        return
    for event in (*native.EVENTS, native.PRE_PUSH):
        report.kept += native.remove(event, hooks)


def _restore_config(place: Place, ledger: Ledger) -> None:
    """The configuration file's old bytes; key by key when it was changed since."""
    path = place.common / "config"
    if ledger.restore(path) == "restored":
        return
    ours = dict([NOTES, *native.config_hooks()])
    for key, before in ledger.config.items():
        if _values(place, key) != [ours.get(key)]:
            continue
        git.attempt(["config", "--file", str(path), "--unset-all", key], place.cwd)
        for value in before:
            git.attempt(["config", "--file", str(path), "--add", key, value], place.cwd)


def _last_drain(place: Place, purge: bool) -> bool:
    """Turn waiting events into records before their folder goes; True when some could not be."""
    if purge or not any(place.inbox.glob("*.ev")):
        return False
    try:
        from git_hone.hooks import drain

        drain.drain(place)
    except Exception:  # noqa: S110 - whatever stops the drain (a broken library, a full disk), the events are kept and named
        pass
    return any(place.inbox.glob("*.ev"))


def _remove_home(place: Place, pending: bool, report: Report) -> None:
    _wait_for_worker(place)
    for folder in (place.common, *place.common.glob("worktrees/*")):
        for index in folder.glob("hone-index*"):  # agent-event.sh keeps one for its snapshots
            index.unlink(missing_ok=True)
    if not place.hone.is_dir():
        return
    if not pending:
        with locked(place.hone / "drain.lock", 5.0):  # a drain that is at work would write into the folder as it goes
            shutil.rmtree(place.hone, ignore_errors=True)
        return
    report.kept.append(f"{place.inbox}: events that could not be recorded (`--purge` deletes them)")
    for path in place.hone.iterdir():
        if path.name not in ("inbox", "unreadable", "state.db"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _wait_for_worker(place: Place, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(int((place.hone / "worker.pid").read_text().split()[0]), 0)
        except (OSError, ValueError, IndexError):
            return
        time.sleep(0.05)
