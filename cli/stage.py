"""A throw-away repository for a demonstration: git and git-hone as a person calls them there, each command shown with what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

GITCONFIG = "[user]\n\tname = Ann\n\temail = ann@example.org\n[init]\n\tdefaultBranch = main\n[commit]\n\tgpgsign = false\n"


class Stage:
    """Says each step, and does it."""

    def __init__(self, folder: Path, name: str = "shop") -> None:
        from git_hone.hooks.player import Player, clean_env

        self.repo, self.home = folder / name, folder / "home"
        self.repo.mkdir(parents=True)
        self.home.mkdir()
        (self.home / ".gitconfig").write_text(GITCONFIG)
        here = str(Path(sys.executable).parent)
        self.env = clean_env(self.home, PATH=f"{here}{os.pathsep}{os.environ['PATH']}", GIT_CONFIG_NOSYSTEM="1")
        self.agent = Player(self.repo, self.home, self.env)

    def say(self, text: str) -> None:
        click.echo(click.style(f"\n# {text}", fg="cyan"))

    def run(self, *command: str, quiet: bool = False, env: dict[str, str] | None = None) -> int:
        """A command as a person types it, shown with what it prints."""
        return self._shown(list(command), " ".join(command), quiet, env)

    def hone(self, *args: str, quiet: bool = False, live: bool = False) -> int:
        """`git hone ARGS`. live: its progress is seen while it works, on a terminal. Returns its exit code."""
        command = [sys.executable, "-I", "-m", "git_hone.cli", *args]
        return self._shown(command, f"git hone {' '.join(args)}", quiet, None, live)

    def write(self, path: str, text: str) -> None:
        (self.repo / path).parent.mkdir(parents=True, exist_ok=True)
        (self.repo / path).write_text(text)

    def _shown(self, command: list[str], words: str, quiet: bool, env: dict[str, str] | None, live: bool = False) -> int:
        if not quiet:
            click.echo(f"$ {words}")
        if live:
            sys.stdout.flush()
            return subprocess.run(command, cwd=self.repo, env=self.env | (env or {}), stdin=subprocess.DEVNULL).returncode
        done = subprocess.run(
            command, cwd=self.repo, env=self.env | (env or {}), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if not quiet:
            click.echo(done.stdout + done.stderr, nl=False)
        return done.returncode
