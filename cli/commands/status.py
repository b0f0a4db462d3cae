"""`git hone status`: what stands here, what waits, what was recorded."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from git_hone.cli import looping
from git_hone.hooks import place
from git_hone.hooks.install import health, native


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> int:
    """Say what stands here: hooks, agents, events that wait, records, and the loop that makes a better model.

    \b
    Example:
      git hone status
      git hone status --json
    """
    here = place.find(Path.cwd())
    found = health.status(here)
    found["loop"] = _loop(here) if found["installed"] else None
    if as_json:
        click.echo(json.dumps({"version": 1, **found}, sort_keys=True))
        return 0
    if not found["installed"]:
        click.echo("not installed here\n  next: git hone init")
        return 0
    for text in _lines(found):
        click.echo(text)
    return 0


def _lines(found: dict[str, Any]) -> list[str]:
    fine = [hook for hook in found["hooks"] if hook["state"] in native.FINE]
    lines = [f"git hooks   {', '.join(map(_hook, fine)) or 'none'} in {found['hooks_folder']}"]
    lines += [
        f"  {hook['event']}: {hook['state']}{' by ' + hook['by'] if hook['by'] else ''}; next: git hone doctor --repair"
        for hook in found["hooks"]
        if hook not in fine
    ]
    lines.append(f"agents      {', '.join(map(_agent, found['agents'])) or 'none; next: git hone init --agent claude-code'}")
    waiting = found["pending"]
    lines.append(f"pending     {waiting['events']} event(s)" + _oldest(waiting["oldest_s"]))
    if found["unreadable"]:
        lines.append(f"unreadable  {found['unreadable']} event(s) kept beside the inbox; next: git hone doctor")
    lines.append(f"records     {_records(found)}")
    lines += [f"damaged     {words}; next: git hone doctor --repair" for words in found["damaged"] or []]
    lines.append(f"last drain  {_drain(found['last_drain'])}")
    lines += looping.words(found["loop"])
    return lines + [f"warning     {words}" for words in found["config_warnings"]]


def _loop(here: place.Place) -> dict[str, Any]:
    """How the loop stands; by the defaults where the configuration cannot be read, which is said elsewhere."""
    from git_hone.hooks import zero_touch
    from git_hone.hooks.drain import config_of

    return zero_touch.standing(here, config_of(here)[0], time.time())


def _hook(hook: dict[str, Any]) -> str:
    words = {"chained": " (after {})", "under": " (run by {})", "line": " (a line in {})", "config": " (git configuration)"}
    return str(hook["event"]) + words.get(hook["state"], "").format(hook["by"])


def _agent(agent: dict[str, Any]) -> str:
    return str(agent["name"]) + ("" if agent["complete"] else " (incomplete; next: git hone init --agent claude-code)")


def _oldest(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", the oldest {seconds:.0f} s old" + ("; next: git hone drain" if seconds > health.STALE_S else "")


def _records(found: dict[str, Any]) -> str:
    if found["records"] is None:
        return f"cannot be counted ({found['store_error']}); next: git hone doctor"
    return ", ".join(f"{count} {table}" for table, count in found["records"].items() if count) or "none yet"


def _drain(last: dict[str, Any] | None) -> str:
    if last is None:
        return "none yet"
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(last.get("at") or 0)))
    return at + (f", failed: {last['error']}; next: git hone doctor" if last.get("error") else "")
