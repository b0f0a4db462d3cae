"""`git hone watch`: the loop that makes a better local model; with a FILE, what a person makes of it while they do it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_hone.learner.errors import UsageError

if TYPE_CHECKING:
    from git_hone.ci.watching.watching import Outcome
    from git_hone.hooks.place import Place


@click.command("watch", short_help="Run the loop that makes a better local model, or watch a file.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Do what is due now, and end. Exit code 1: a step said no.")
@click.option("--force", is_flag=True, help="Begin a round now, due or not.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done and why, and what stands in its way.")
@click.option("--on/--off", "agreed", default=None, help="Let it start by itself after a drain, in this clone; or no longer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, of the loop.")
@click.option("--every", default=5.0, show_default=True, type=click.FloatRange(min=0.05), help="Seconds between two looks.")
@click.option("--until", default=None, type=click.FloatRange(min=0.0), help="Stop after so many seconds; else Ctrl-C stops.")
def command(
    files: tuple[Path, ...],
    once: bool,
    force: bool,
    dry_run: bool,
    agreed: bool | None,
    as_json: bool,
    every: float,
    until: float | None,
) -> int:
    """Run the loop in the foreground: export, train, evaluate, gate, deploy, each when it is due, and watch what is served.

    By itself it runs in the background after a drain, at low priority, one round at a time, where `learning.mode` is active in
    .agent/learning-config.json and this clone has agreed (--on). It begins when enough good runs are on record, stops at the first step
    that says no, and goes on where it was when it was killed. `git hone status` says how it stands.

    With FILES: look at them every few seconds instead, and note each state that no agent's tool call left. Between an agent's edit and the
    commit a person may change a line twice; the commit shows only the last state.

    \b
    Examples:
      git hone watch --dry-run
      git hone watch --once --json
      git hone watch src/io.py src/table.py
    """
    from git_hone.hooks.place import find, not_installed

    place = find(Path.cwd())
    if not place.inbox.is_dir():
        raise not_installed(place)
    if files:
        if once or force or dry_run or agreed is not None or as_json:
            raise UsageError(
                "FILES are watched without options of the loop", tip="leave out FILES, or the options but --every and --until"
            )
        return _files(place, files, every, until)
    if agreed is not None:
        return _agree(place, agreed, as_json)
    if dry_run:
        return _say(place, as_json)
    if once or force or as_json:
        return _once(place, force, as_json)
    return _follow(place, every, until)


def _say(place: Place, as_json: bool) -> int:
    from git_hone.cli import looping
    from git_hone.hooks import zero_touch
    from git_hone.learner import config as configuration

    told = zero_touch.standing(place, configuration.load(place.agent / "learning-config.json"), time.time())
    click.echo(json.dumps({"version": 1, **told}, sort_keys=True) if as_json else "\n".join(looping.words(told, whole=True)))
    return 0


def _agree(place: Place, agreed: bool, as_json: bool) -> int:
    from git_hone.hooks import git, zero_touch

    git.run(["config", "--local", zero_touch.KEY, "true" if agreed else "false"], place.cwd)
    return _say(place, as_json)


def _once(place: Place, force: bool, as_json: bool) -> int:
    from git_hone.ci.watching import watching
    from git_hone.cli.fresh import fresh_place

    fresh_place(aged=True)
    done = watching.run(place, _tell, force=force)
    if done.busy:
        click.echo("a round is at work already; `git hone status` says which step", err=True)
    _say(place, as_json)
    return _code(done)


def _code(done: Outcome) -> int:
    return int(done.round is not None and done.round["how"] in ("refused", "failed"))


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _follow(place: Place, every: float, until: float | None) -> int:
    """The loop in the foreground: drain, and do what is due, until somebody stops it."""
    from git_hone.ci.watching import watching
    from git_hone.cli.fresh import fresh_place
    from git_hone.hooks import zero_touch
    from git_hone.learner import config as configuration

    _say(place, False)
    end = None if until is None else time.monotonic() + until
    code = 0
    try:
        while True:
            fresh_place(aged=True)
            config, now = configuration.load(place.agent / "learning-config.json"), time.time()
            if zero_touch.due(place, config, now).start or zero_touch.drift_due(place, config, now):
                code = _code(watching.run(place, _tell))
            left = every if end is None else min(every, end - time.monotonic())
            if left <= 0:
                return code
            time.sleep(left)
    except KeyboardInterrupt:
        return code


def _files(place: Place, files: tuple[Path, ...], every: float, until: float | None) -> int:
    from git_hone.hooks import inbox
    from git_hone.hooks.capture import blobs_of
    from git_hone.hooks.worker import drain_now

    names = [str(file) for file in files]
    last = blobs_of(place, Path.cwd(), names)
    if not last:
        raise click.UsageError("none of these files lies in this repository's work tree")
    end = None if until is None else time.monotonic() + until
    seen = 0
    try:
        while end is None or time.monotonic() < end:
            time.sleep(every if end is None else max(0.0, min(every, end - time.monotonic())))
            now = blobs_of(place, Path.cwd(), names)
            changed = {path: blob for path, blob in now.items() if blob != last.get(path)}
            last = now
            if changed:
                seen += len(changed)
                body = {"event": "state", "source": "watch"}
                fields = {"root": str(place.top), "git": str(place.git_dir), "blobs": json.dumps(changed), "tree": ""}
                inbox.put_payload(place.inbox, "generic", fields, json.dumps(body).encode())
                drain_now(place)
                for path in changed:
                    click.echo(f"changed  {path}")
    except KeyboardInterrupt:
        pass
    click.echo(f"{seen} change(s) noted", err=True)
    return 0
