"""`git hone init`: install here, and say in a few lines what stands now."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import click

from git_hone.hooks import place
from git_hone.hooks.install import native, setup, workflow


@click.command("init")
@click.option("--agent", "agents", multiple=True, metavar="NAME", help="Set up the hooks of this agent: claude-code. Repeatable.")
@click.option("--learn-from", "source", type=click.Path(path_type=Path), help="Learn from the history of this repository, once.")
@click.option(
    "--workflow", "with_workflow", is_flag=True, help="Write .github/workflows/hone-learn.yml, the learning loop in CI."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(agents: tuple[str, ...], source: Path | None, with_workflow: bool, as_json: bool) -> int:
    """Install git-hone in this repository: git hooks, notes configuration, .agent/.

    Hooks that stand here are kept and run first. Doing it twice changes nothing; `git hone uninstall` puts every byte back.

    \b
    Example:
      git hone init --agent claude-code
      git hone init --learn-from .
      git hone init --workflow
    """
    here = place.find(Path.cwd())
    if source is not None:
        place.find(source)  # no repository there: said before anything is installed
    report = setup.install(here, agents, with_workflow=with_workflow)
    if as_json and source is None:
        click.echo(json.dumps(_as_dict(here, report), sort_keys=True))
    elif not as_json:
        _tell(here, report)
        if not agents and here.top is not None and (here.top / ".claude").is_dir():
            click.echo("tip: Claude Code is used here: `git hone init --agent claude-code` records what it writes", err=True)
    return _learn(here, source, as_json) if source is not None else 0


def _tell(here: place.Place, report: setup.Report) -> None:
    click.echo("installed" if report.changed else "installed already; nothing changed")
    click.echo(f"  git hooks  {_hooks(report.hooks)}")
    if report.agents:
        click.echo(f"  agents     {', '.join(report.agents)}: .claude/settings.json")
    click.echo(f"  records    {here.agent}")
    if (name := workflow.FILE.as_posix()) in report.changed:
        click.echo(f"  workflow   {name}: commit it; docs/how-to/ci.md says what to set")
    for warning in report.warnings:
        click.echo(f"  warning: {warning}", err=True)
    for text in report.advice:
        click.echo(f"another hook manager owns this hook; add to {text}\n")
    click.echo("next: let your agent work, commit, then `git hone show`")


def _hooks(hooks: list[native.Hook]) -> str:
    words = {
        "ours": "",
        "chained": " (after {})",
        "under": " (run by {})",
        "line": " (a line in {})",
        "config": " (git configuration)",
    }
    told = [hook.event + words[hook.state].format(hook.by) for hook in hooks if hook.state in native.FINE]
    waiting = [f"{hook.event} waits for you, see below" for hook in hooks if hook.state not in native.FINE]
    return ", ".join(told + waiting)


def _as_dict(here: place.Place, report: setup.Report) -> dict[str, object]:
    return {
        "version": 1,
        "changed": report.changed,
        "hooks": [{"event": h.event, "path": str(h.path), "state": h.state, "by": h.by or None} for h in report.hooks],
        "agents": report.agents,
        "agent_folder": str(here.agent),
        "advice": report.advice,
        "warnings": report.warnings,
    }


def _learn(here: place.Place, source: Path, as_json: bool) -> int:
    """Read a history once. Interrupted, it goes on from there the next time."""
    from datetime import datetime, timezone

    from git_hone.hooks.history.learn import dumps, learn_from
    from git_hone.hooks.history.report import render
    from git_hone.learner.store import Store

    own = place.find(source).common == here.common
    cache = here.hone / "history"
    cache.mkdir(exist_ok=True)
    try:
        learned = learn_from(
            source, cache=cache, store=Store(here.data) if own else None, progress=_progress(), now=datetime.now(timezone.utc)
        )
    except KeyboardInterrupt:
        again = shlex.join(["git", "hone", "init", "--learn-from", str(source)])
        click.echo(f"\nstopped; `{again}` goes on from here", err=True)
        return 130
    click.echo(dumps(learned) if as_json else render(learned, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
    if not own:
        click.echo(f"{source} is another repository: reported, not recorded here", err=True)
    return 0


def _progress() -> Callable[[str, int, int], None]:
    """A line that is written over, on a terminal only."""

    def tell(what: str, done: int, total: int) -> None:
        share = f" {done} of {total}" if total else ""
        click.echo(f"\r\033[K{what}{share}", nl=False, err=True)

    return tell if sys.stderr.isatty() else lambda *_: None
