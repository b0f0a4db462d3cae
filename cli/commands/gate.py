"""`git hone gate`: whether a candidate takes the incumbent's place."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("gate", short_help="Let a candidate through only when it is measurably better.")
@click.option("--candidate", required=True, metavar="MODEL", help="The model that would be served, or a file of its evaluation.")
@click.option("--incumbent", required=True, metavar="MODEL", help="The model in place, or a file of its evaluation.")
@click.option("--suite", default="repository", show_default=True, metavar="NAME", help="The target tasks.")
@click.option("--guard", metavar="NAME", help="The suite on which it must not be worse.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the report, in Markdown.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(candidate: str, incumbent: str, suite: str, guard: str | None, report: Path | None, as_json: bool) -> int:
    """Compare two models on the same tasks, and let the candidate through only when it is measurably better.

    Nothing is asked of a model here: `git hone evaluate` did that. In this order: how often this version of the suite was looked at,
    whether the files are those that were measured, better on the target tasks, not worse on the guard suite, general code, format,
    speed, leaked secrets. The thresholds stand in `promotion` of .agent/learning-config.json. Every look is a line of
    .agent/promotions.jsonl, which is committed.

    Exit code 0: promote. 1: refuse, with the reason.

    \b
    Example:
      git hone gate --candidate my-coder-tuned-coder --incumbent qwen2.5-coder:7b --guard guard
    """
    from git_hone.ci import gating
    from git_hone.hooks.place import find
    from git_hone.learner.errors import ConfigError
    from git_hone.learner.gating import report as reports

    place = find(Path.cwd())
    decision = gating.gate(place.agent.parent, place.agent, gating.Sides(candidate, incumbent, suite, guard))
    text = reports.markdown(decision)
    if report is not None:
        try:
            report.write_text(text, "utf-8")
        except OSError as error:
            raise ConfigError(f"{report}: cannot be written: {error.strerror}", tip="name another file") from None
    click.echo(reports.as_json(decision) if as_json else text, nl=False)
    return 0 if decision.promote else 1
