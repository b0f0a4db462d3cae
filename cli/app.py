"""The commands as one click group. Each loads when it is called, so that each starts fast."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import click

from git_hone.cli import COMMANDS
from git_hone.learner.errors import HoneError

HELP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Lazy(click.Group):
    """A group that imports a command's module only when that command is called (or listed)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"git_hone.cli.commands.{cmd_name}").command
        command.context_settings = {**HELP, **command.context_settings}
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], COMMANDS, 1)
            if not close:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}. Did you mean '{close[0]}'?", ctx) from error


@click.group(cls=Lazy, context_settings=HELP)
@click.version_option(None, "-V", "--version", package_name="git-hone", prog_name="git-hone")
def main_group() -> None:
    """Record, inside Git, what became of every change an AI agent made, and act on it.

    \b
    First steps:
      git hone init --agent claude-code    install in this repository
      git hone show                        the last commit: who wrote it, how it measured
      git hone demo                        watch it work in a scratch repository
    """


def run(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 fine, 1 the check or gate says no, 2 wrong use, 3 our fault,
    130 interrupted."""
    try:
        code: Any = main_group.main(args=argv, prog_name="git-hone", standalone_mode=False, color=_colour())
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except HoneError as error:
        click.echo(f"git-hone: {error.message}", err=True)
        if error.tip:
            click.echo(f"  next: {error.tip}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - closed with the process
        return 0
    except Exception:
        return _our_fault()
    return code if isinstance(code, int) else 0


def _colour() -> bool | None:
    """Honour NO_COLOR and FORCE_COLOR; None lets click look at the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def _our_fault() -> int:
    """An error nobody foresaw: keep the traceback in a file, say where it is."""
    from importlib.metadata import version

    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "git-hone"
    report = (
        f"git-hone {version('git-hone')}, Python {sys.version.split()[0]}\n{' '.join(sys.argv[:2])}\n\n{traceback.format_exc()}"
    )
    try:
        base.mkdir(parents=True, exist_ok=True)
        path = base / f"crash-{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}.log"
        path.write_text(report)
        click.echo(f"git-hone: a fault of ours; the details are in {path}", err=True)
    except OSError:
        click.echo(f"git-hone: a fault of ours\n{report}", err=True)
    return 3
