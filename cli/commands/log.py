"""`git hone log`: the AI changes, newest first, one line each."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import click

from git_hone.cli import table
from git_hone.cli.fresh import fresh_place
from git_hone.learner import stats
from git_hone.learner.store import Store

HEAD = ("commit", "age", "agent/model", "ai", "human", "unknown", "reward", "outcomes")


@click.command("log")
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many changes.")
@click.option("--agent", metavar="A", help="Only changes by this agent.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(limit: int, agent: str | None, as_json: bool) -> None:
    """The changes with an agent's hand in them, newest first: whose lines, which reward, what became of them; `flagged` where
    the commit shows signs of tampering (`git hone show` lists them).

    \b
    Example:
      git hone log -n 5
    """
    store = Store(fresh_place().data)
    changes = stats.newest_changes(store, limit, agent)
    if as_json:
        click.echo(json.dumps({"version": 1, "changes": [_object(change) for change in changes]}))
    elif changes:
        now = datetime.now(timezone.utc)
        rows = [_row(change, now) for change in changes]
        click.echo(table.render(HEAD, rows, right=("age", "ai", "human", "unknown", "reward"), width=table.line_width()))
    else:
        whose = f" by {table.plain(agent)}" if agent else ""
        click.echo(f"no change{whose} recorded yet\n  next: commit something with an agent, then look again")


def _object(change: dict[str, Any]) -> dict[str, Any]:
    at = change["committed_at"]
    return change | {"committed_at": at and at.astimezone(timezone.utc).isoformat()}


def _row(change: dict[str, Any], now: datetime) -> list[str]:
    return [
        (change["commit"] or "-")[:8],
        table.age(change["committed_at"], now),
        "/".join(filter(None, (change["agent"], change["model"]))) or "(not known)",
        *(table.number(change[f"lines_{kind}"], 0) for kind in ("ai", "human", "unknown")),
        table.number(change["reward"]),
        " ".join([*change["outcomes"], *(["flagged"] if change["flags"] else [])]),
    ]
