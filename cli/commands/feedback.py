"""`git hone feedback`: a person's word on a change."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import click

from git_hone.hooks import git, inbox, place
from git_hone.learner.errors import HoneError, UsageError
from git_hone.learner.store import Store

MAX_NOTE = 4_000


@click.command("feedback")
@click.argument("rev", default="HEAD")
@click.option("--accept", "verdict", flag_value="accepted", help="The change is good.")
@click.option("--reject", "verdict", flag_value="rejected", help="The change is bad: its reward becomes 0.")
@click.option("--clear-flags", "verdict", flag_value="cleared", help="Its signs of tampering are none: its reward counts again.")
@click.option("--rating", type=click.FloatRange(1, 5), metavar="N", help="1 (bad) to 5 (good) stars.")
@click.option("--note", "--reason", default="", metavar="TEXT", help="Why; secrets and names are removed before it is written.")
def command(rev: str, verdict: str | None, rating: float | None, note: str) -> None:
    """Say what you think of the change at REV (HEAD when left out). The newest word counts.

    Stars become a number in 0..1: 1 star is 0, 3 are 0.5, 5 are 1.

    \b
    Example:
      git hone feedback --accept
      git hone feedback HEAD~1 --rating 4 --note "right idea, clumsy names"
      git hone feedback --clear-flags --reason "the feature and its test are gone on purpose"
    """
    if (verdict is None) == (rating is None):
        raise click.UsageError("say one of --accept, --reject, --rating N and --clear-flags")
    if rating is not None and math.isnan(rating):
        raise click.UsageError("--rating: a number from 1 to 5")
    here = place.find(Path.cwd())
    commit = _commit(here, rev)
    _drain(here)  # the commit may be a moment old
    change = _change(here, commit)
    if change is None:
        raise UsageError(
            f"{rev} ({commit[:8]}): no AI change is recorded for this commit, so there is nothing to judge",
            tip="`git hone log` lists the changes that are",
        )
    value = None if rating is None else (rating - 1) / 4
    _file(here, {"v": 1, "type": "feedback", "at": time.time(), "rev": commit, "verdict": verdict or "rated", "value": value,
                 "note": _redacted(here, note[:MAX_NOTE])})  # fmt: skip
    drained = _drain(here)
    click.echo(f"{commit[:8]} {verdict or f'rated {value:.2f}'}", err=True)
    if not drained:
        click.echo("git-hone: filed; it shows after the next drain", err=True)


def _redacted(here: place.Place, note: str) -> str:
    from git_hone.hooks.redaction import gazetteer

    return gazetteer.redactor(here).prose(note) if note else note


def _commit(here: place.Place, rev: str) -> str:
    found = git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"], here.cwd)
    if not found:
        raise UsageError(f"{rev}: no such commit", tip="name a commit as `git show` would take it")
    return found


def _change(here: place.Place, commit: str) -> dict[str, Any] | None:
    """The AI change that the commit carries, or once carried."""
    store = Store(here.data)
    rows = store.rows("changes", where={"commit": commit})
    if not rows:  # a hash from before a rebase
        with store.connect() as engine:
            found = engine.execute("SELECT change_id FROM changes WHERE list_contains(replaces, ?)", [commit]).fetchall()
        rows = [row for (change_id,) in found for row in store.rows("changes", where={"change_id": change_id})]
    return next((row for row in rows if row["agent"] or row["lines_ai"] or row["run_ids"]), None)


def _file(here: place.Place, body: dict[str, Any]) -> None:
    try:
        here.inbox.mkdir(parents=True, exist_ok=True)
        inbox.put(here.inbox, body)
    except OSError as error:
        raise HoneError(
            f"{here.inbox}: cannot be written: {error.strerror}", tip="check the rights and the free space there"
        ) from error


def _drain(here: place.Place) -> bool:
    """Take in what lies in the inbox; False where the worker is not there."""
    try:
        from git_hone.hooks import worker
    except ImportError:
        return False
    worker.drain_now(here)
    return True
