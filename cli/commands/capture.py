"""`git hone capture AGENT`: one agent event on standard input."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("agent", type=click.Choice(["generic", "agent-v1", "claude-code"]))
def command(agent: str) -> None:
    """File one agent event, read from standard input as JSON.

    `generic` is the form that any tool can send (schema: hooks/payloads/generic.schema.json); git-ai's agent-v1 checkpoint
    payload is accepted as it is. Send `before` and `after` around each edit.

    \b
    Example:
      echo '{"event":"before","agent":"my-agent","session_id":"1","files":["a.py"]}' | git hone capture generic
      echo 'print(1)' >> a.py
      echo '{"event":"after","agent":"my-agent","session_id":"1","files":["a.py"]}' | git hone capture generic
    """
    from git_hone.hooks.capture import capture

    capture(Path.cwd(), agent, sys.stdin.buffer.read())
