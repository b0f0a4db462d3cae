"""`git hone demo`: a scratch repository, a real session through the real hooks, real tools, plain git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

GITCONFIG = "[user]\n\tname = Ann\n\temail = ann@example.org\n[init]\n\tdefaultBranch = main\n[commit]\n\tgpgsign = false\n"
READER = '''"""Read the shop's price list."""


def prices(text):
    rows = [line.split(",") for line in text.splitlines()]
    return {name: float(price) for name, price in rows}


def total(text, names):
    known = prices(text)
    return sum(known[name] for name in names)
'''
TESTS = """from shop import prices, total

TEXT = "pear,0.5\\napple,0.25"


def test_prices():
    assert prices(TEXT) == {"pear": 0.5, "apple": 0.25}


def test_total():
    assert total(TEXT, ["pear", "apple"]) == 0.75


def test_an_unknown_name_costs_nothing():
    assert total(TEXT, ["plum"]) == 0
"""


class Stage:
    """Says each step, and does it."""

    def __init__(self, folder: Path) -> None:
        from git_hone.hooks.player import Player, clean_env

        self.repo = folder / "shop"
        home = folder / "home"
        self.repo.mkdir(parents=True)
        home.mkdir()
        (home / ".gitconfig").write_text(GITCONFIG)
        here = str(Path(sys.executable).parent)
        self.env = clean_env(home, PATH=f"{here}{os.pathsep}{os.environ['PATH']}", GIT_CONFIG_NOSYSTEM="1")
        self.agent = Player(self.repo, home, self.env)

    def say(self, text: str) -> None:
        click.echo(click.style(f"\n# {text}", fg="cyan"))

    def run(self, *command: str, quiet: bool = False, env: dict[str, str] | None = None) -> int:
        """A command as a person types it, shown with what it prints."""
        if not quiet:
            click.echo(f"$ {' '.join(command)}")
        done = subprocess.run(
            command, cwd=self.repo, env=self.env | (env or {}), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if not quiet:
            click.echo(done.stdout + done.stderr, nl=False)
        return done.returncode

    def hone(self, *args: str) -> int:
        click.echo(f"$ git hone {' '.join(args)}")
        command = [sys.executable, "-I", "-m", "git_hone.cli", *args]
        done = subprocess.run(command, cwd=self.repo, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        click.echo(done.stdout + done.stderr, nl=False)
        return done.returncode

    def write(self, path: str, text: str) -> None:
        (self.repo / path).write_text(text)


@click.command()
@click.option("--keep", type=click.Path(path_type=Path, exists=False), help="Play in this new folder and leave it there.")
def command(keep: Path | None) -> int:
    """Watch it work: a scratch repository, an agent's session through the real hooks, lint and tests by real tools.

    Nothing is canned: what you see is what the recorded session came to.

    \b
    Example:
      git hone demo
      git hone demo --keep /tmp/shop
    """
    folder = keep or Path(tempfile.mkdtemp(prefix="git-hone-demo-"))
    if keep is not None and keep.exists():
        raise click.UsageError(f"{keep}: is there already; name a new folder")
    try:
        return play(Stage(folder))
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def play(stage: Stage) -> int:
    """The session. Returns 0 when every step of git-hone did its part."""
    wrong = 0
    stage.say("a repository with one file, and git-hone installed in it")
    stage.write("README.md", "# shop\n")
    stage.write(".gitignore", ".claude/\n__pycache__/\n.pytest_cache/\n.ruff_cache/\n")
    stage.run("git", "init", "-q", ".", quiet=True)
    wrong += stage.hone("init", "--agent", "claude-code")
    stage.run("git", "add", "-A", quiet=True)
    stage.run("git", "commit", "-qm", "Start the shop", quiet=True)

    stage.say("the agent is asked for a price list; it writes two files, and lint and tests are measured")
    with stage.agent as agent:
        agent.prompt("Read a price list and sum a basket; unknown names cost nothing. With tests.")
        agent.write("shop.py", READER)
        agent.write("test_shop.py", TESTS)
    stage.run("git", "add", "-A")
    checks = _checks(stage)
    stage.run("git", "commit", "-qm", "Read prices and sum a basket")
    wrong += stage.hone("show")

    stage.say("a person fixes what the agent got wrong, and amends")
    stage.write("shop.py", READER.replace("known[name] for", "known.get(name, 0.0) for"))
    stage.run("git", "add", "-A")
    if checks:
        _checks(stage)
    stage.run("git", "commit", "-q", "--amend", "--no-edit")
    wrong += stage.hone("show")

    stage.say("main moves on, the work is rebased: the change keeps its id")
    stage.run("git", "checkout", "-qb", "prices")
    stage.run("git", "branch", "-qf", "main", "HEAD~1")
    stage.run("git", "checkout", "-q", "main")
    stage.write("README.md", "# shop\n\nPrices and baskets.\n")
    stage.run("git", "commit", "-qam", "Say what it is")
    stage.run("git", "checkout", "-q", "prices")
    stage.run("git", "rebase", "-q", "main")
    if checks:
        _checks(stage)
    wrong += stage.hone("show")
    wrong += stage.hone("feedback", "--accept")
    wrong += stage.hone("log")
    wrong += stage.hone("stats")
    if stage.agent.failed:
        click.echo(f"hooks that failed: {stage.agent.failed}", err=True)
    return 1 if wrong or stage.agent.failed else 0


def _checks(stage: Stage) -> bool:
    """Lint and test with the tools that are here; says so when there are none."""
    found = False
    for kind, tool, args in (
        ("lint", "ruff", ["check", "-q", "."]),
        ("test", "pytest", ["-q", "--no-header", "-p", "no:cacheprovider"]),
    ):
        if shutil.which(tool, path=stage.env["PATH"]):
            stage.hone("check", kind, "--", tool, *args)
            found = True
    if not found:
        click.echo("(neither ruff nor pytest is on the PATH: nothing to measure with)")
    return found
