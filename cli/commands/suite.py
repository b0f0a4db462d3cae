"""`git hone suite`: tasks made from this repository, to try models with."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from git_hone.cli import table

if TYPE_CHECKING:
    from git_hone.ci.suite.working import Progress

NAME = click.option(
    "--name", default="repository", show_default=True, metavar="NAME", help="The suite, a folder of .agent/suite."
)
JOBS = click.option(
    "--jobs", type=click.IntRange(min=1, max=64), metavar="N", help="Candidates at a time.  [default: one a core]"
)
SIZES = (30, 60, 120, 250, 500)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
WHY = click.option("--why", is_flag=True, help="A line for each candidate that is no task: the reason, and what was seen.")


@click.group("suite")
def command() -> None:
    """Make tasks from this repository, to try models with, and keep them frozen by their hash.

    Each task is a state of this repository, an instruction, and tests that fail in that state and pass with the reference solution,
    which was seen three times, in a sealed copy without network. A suite is a folder: manifest.json and contents.tar.gz.

    \b
    Examples:
      git hone suite list
      git hone suite mine --commits 1000
      git hone suite inject --limit 20
      git hone suite verify
      git hone suite power
    """


@command.command("mine")
@NAME
@click.option(
    "--commits", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N", help="How many commits to look at."
)
@click.option("--since", metavar="DATE", help="Only commits after it, as git reads dates.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Try at most so many candidates, newest first.")
@JOBS
@WHY
@AS_JSON
def mine(name: str, commits: int, since: str | None, limit: int | None, jobs: int | None, why: bool, as_json: bool) -> None:
    """Tasks from commits that change code and tests.

    Can be interrupted, and continues where it stopped.

    \b
    Example:
      git hone suite mine --since 2024-01-01 --limit 60
      git hone suite mine --limit 60 --why
    """
    from git_hone.ci.suite import making

    _say(making.mine(_place(), name, _jobs(jobs), _teller(), commits=commits, since=since, limit=limit), as_json, why)


@command.command("inject")
@NAME
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many tasks to make.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Which faults: another number, other faults.")
@JOBS
@WHY
@AS_JSON
def inject(name: str, limit: int, seed: int, jobs: int | None, why: bool, as_json: bool) -> None:
    """Tasks from faults that are put into the newest commit, on lines that tests cover.

    The instruction names the tests that fail. A fault that no test notices makes no task.

    \b
    Example:
      git hone suite inject --limit 10
    """
    from git_hone.ci.suite import making

    _say(making.inject(_place(), name, _jobs(jobs), _teller(), limit=limit, seed=seed), as_json, why)


@command.command("hold-out")
@NAME
@JOBS
@WHY
@AS_JSON
def hold_out(name: str, jobs: int | None, why: bool, as_json: bool) -> None:
    """Tasks from the record's pairs: what people made of an agent's work, where tests tell the two apart.

    \b
    Example:
      git hone suite hold-out
    """
    from git_hone.ci.suite import making

    _say(making.hold_out(_place(), name, _jobs(jobs), _teller()), as_json, why)


@command.command("set-aside")
@NAME
@click.option("--to", default="held-out", show_default=True, metavar="NAME", help="The new suite.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.25, show_default=True, metavar="P",
              help="Of the tasks, at most.")  # fmt: skip
@AS_JSON
def set_aside(name: str, to: str, share: float, as_json: bool) -> None:
    """Move a part of a suite to one of its own, by which the checkpoints of a training are chosen among (`promotion.choice`).

    What chooses must not judge, so tasks that share a file family go together. Which ones is decided by their hashes. Only before the gate looked at
    the suite: afterwards it would be a way to look again.

    \b
    Example:
      git hone suite set-aside --share 0.2
    """
    from git_hone.ci.suite import parting

    done = parting.set_aside(_place(), name, to, share)
    if as_json:
        click.echo(json.dumps({"version": 1, "name": name, "to": to, **done._asdict()}))
    else:
        click.echo(f"{to}: {done.aside} tasks, hash {done.aside_hash[:12]}; {name}: {done.kept} left, hash {done.kept_hash[:12]}")


@command.command("verify")
@NAME
@click.option(
    "--run/--no-run", default=False, show_default=True, help="Run each task's tests too, with and without its solution."
)
@JOBS
@AS_JSON
@click.pass_context
def verify(ctx: click.Context, name: str, run: bool, jobs: int | None, as_json: bool) -> None:
    """Check a suite: every hash, path and link; with --run, that every task still holds here.

    Exit code 1: a task does not hold here.

    \b
    Example:
      git hone suite verify --run
    """
    from git_hone.ci.suite import checking

    checked = checking.check(_place(), name, _jobs(jobs) if run else 1, _teller(), run=run)
    wrong = {name: words for name, words in checked.ends.items() if words}
    if as_json:
        click.echo(
            json.dumps({"version": 1, "name": name, "hash": checked.hash, "tasks": len(checked.ends), "ran": run, "wrong": wrong})
        )
    else:
        for task, words in wrong.items():
            click.echo(table.plain(f"{task}: {words}"))
        what = "hold, run with and without their solutions" if run else "fit their hashes"
        click.echo(
            f"suite {name}: {len(checked.ends) - len(wrong)} of {len(checked.ends)} tasks {what}, hash {checked.hash[:12]}"
        )
    ctx.exit(1 if wrong else 0)


@command.command("list")
@NAME
@AS_JSON
def list_(name: str, as_json: bool) -> None:
    """The tasks of a suite.

    \b
    Example:
      git hone suite list --json
    """
    from git_hone.ci.suite import storing

    place = _place()
    if not storing.names(place.agent):
        click.echo("no suite yet; `git hone suite mine` makes one", err=True)
        if as_json:
            click.echo(json.dumps({"version": 1, "suites": [], "tasks": []}))
        return
    manifest = storing.read_manifest(storing.folder_of(place.agent, name))
    if as_json:
        rows = [
            {"id": task.id, "source": task.source, "edit": list(task.edit), "fail_to_pass": len(task.fail_to_pass),
             "pass_to_pass": len(task.pass_to_pass), "seconds": task.reference_seconds, "origin": task.origin.commit,
             "date": task.origin.date, "hash": task.hash} for task in manifest.tasks
        ]  # fmt: skip
        click.echo(
            json.dumps({"version": 1, "suites": storing.names(place.agent), "name": name, "hash": manifest.hash, "tasks": rows})
        )
        return
    cells = [
        (task.id, str(len(task.fail_to_pass)), str(len(task.pass_to_pass)), f"{task.reference_seconds:.1f}", task.origin.date[:10],
         task.prompt.split("\n", 1)[0]) for task in manifest.tasks
    ]  # fmt: skip
    head = ("task", "to fix", "to keep", "seconds", "date", "asked")
    click.echo(table.render(head, cells, right=head[1:4], width=table.line_width()))
    click.echo(f"{len(cells)} tasks, suite {name}, hash {manifest.hash[:12]}", err=True)


@command.command("power")
@click.option("--tasks", "sizes", multiple=True, type=click.IntRange(min=1, max=2000), metavar="N",
              help="A number of tasks; may be given again.  [default: 30, 60, 120, 250, 500]")  # fmt: skip
@click.option("--lost", type=click.FloatRange(min=0, max=0.45, min_open=True), default=0.05, show_default=True, metavar="SHARE",
              help="Of the tasks: lost by chance, to a candidate that is better all in all.")  # fmt: skip
@AS_JSON
def power(sizes: tuple[int, ...], lost: float, as_json: bool) -> None:
    """What suites of so many tasks can show, by the gate's own arithmetic and the thresholds in `promotion` of the configuration.

    detects: the smallest gain on the target suite that the gate sees four times in five, in points of 100 tasks. passes: the chance that a
    candidate which is no worse gets through the guard suite, where the two pass different tasks twice as often as --lost says.

    \b
    Example:
      git hone suite power --tasks 60 --tasks 200
    """
    from git_hone.hooks.install.agent_folder import CONFIG
    from git_hone.learner import config
    from git_hone.learner.gating import paired, verdict

    limits = verdict.thresholds(config.load(_place().agent / CONFIG))
    rows = [
        (n, paired.detectable(n, lost, limits.level), paired.passes_guard(n, 2 * lost, limits.guard_margin) if limits.guard_margin else None)
        for n in sorted(set(sizes)) or SIZES
    ]  # fmt: skip
    if as_json:
        told = [{"tasks": n, "detects": detects, "passes": passes} for n, detects, passes in rows]
        click.echo(json.dumps({"version": 1, "level": limits.level, "margin": limits.guard_margin, "lost": lost, "sizes": told}))
        return
    cells = [
        (str(n), "nothing" if detects is None else f"+{100 * detects:.0f} points", "" if passes is None else f"{passes:.0%}")
        for n, detects, passes in rows
    ]
    click.echo(
        table.render(("tasks", "detects", "passes"), cells, right=("tasks", "detects", "passes"), width=table.line_width())
    )
    click.echo(
        f"level {limits.level:g} a look, guard margin {limits.guard_margin:.0%}, {lost:.0%} of the tasks lost by chance", err=True
    )


def _place() -> Any:
    from git_hone.cli.fresh import fresh_place

    return fresh_place()


def _jobs(asked: int | None) -> int:
    """How many at a time; where tests would reach the network, a word about it."""
    import os

    from git_hone.ci.arena import sandbox

    if not sandbox.namespaces():
        click.echo("git-hone: this kernel gives users no namespaces, so tests that run can reach the network", err=True)
    return asked or len(os.sched_getaffinity(0))


def _teller() -> Callable[[Progress], None]:
    """One line that is written over, on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        return lambda progress: None
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        if progress.done < progress.total and time.monotonic() - last < 0.5:
            return
        last, left = time.monotonic(), progress.seconds_left
        rest = "" if left is None else f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"
        click.echo(f"\r\x1b[K{progress.done} of {progress.total} tried, {progress.valid} are tasks{rest}", nl=False, err=True)
        if progress.done == progress.total:
            click.echo("\r\x1b[K", nl=False, err=True)

    return tell


def _say(made: Any, as_json: bool, why: bool) -> None:
    if as_json:
        click.echo(json.dumps({"version": 1, "name": made.name, "hash": made.hash, "tasks": made.tasks, "source": made.source,
                               "counts": made.counts,
                               "refused": [one._asdict() for one in made.refused], "folder": str(made.folder), "changed": made.changed}))  # fmt: skip
        return
    counts = dict(made.counts)
    tried, valid = counts.pop("candidates", 0), counts.pop("valid", 0)
    share = f" ({100 * valid / tried:.0f} %)" if tried else ""
    click.echo(f"{made.source}: {valid} of {tried} candidates are tasks{share}")
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        click.echo(f"  {count:>4}  {reason}")
    for one in made.refused if why else ():
        name = one.name[:12] if re.fullmatch("[0-9a-f]{40,64}", one.name) else one.name
        click.echo(table.plain(f"{name}: {one.reason}{f' ({one.detail})' if one.detail else ''}"))
    state = "now" if made.changed else "unchanged,"
    click.echo(f"suite {made.name}: {state} {made.tasks} tasks, hash {made.hash[:12]}, in {made.folder}")
