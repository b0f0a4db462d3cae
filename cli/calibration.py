"""What `git hone stats --calibration` prints: how good the rewards are as forecasts, which one is in use, and why."""

from __future__ import annotations

import json
import time

import click

from git_hone.cli import table
from git_hone.hooks import fitting
from git_hone.hooks.place import Place
from git_hone.learner import reward_file
from git_hone.learner.config import load
from git_hone.learner.fitted import RULES, Score, Verdict
from git_hone.learner.store import Store

WORDS = {
    "fitted": "fitted",
    "hone": "written prior (hone)",
    "seed": "seed formula",
    "tests": "tests only",
    "base": "share of kept changes",
}


def tell(place: Place, store: Store, *, fit: bool, as_json: bool) -> None:
    """Print the verdict on the record as it stands; with `fit`, write it to `.agent/reward.json` first. Raises ConfigError for a
    broken configuration, OSError where the file cannot be written."""
    config = load(place.agent / "learning-config.json")
    verdict = fitting.judge(store, config)
    path = place.agent / reward_file.NAME
    kept = reward_file.load(path)
    if fit and not kept.newer:
        reward_file.save(path, verdict, time.time())
        kept = reward_file.load(path)
    version = None if kept.model is None else kept.model.version
    in_use = "seed" if config.reward_mode == "seed" else "fitted" if kept.model else "hone"
    if as_json:
        click.echo(json.dumps({"version": 1, "in_use": in_use, "model": version, **verdict.as_json()}))
    else:
        click.echo(_words(verdict, in_use, version))
    if kept.problem:
        click.echo(f"git-hone: {kept.problem}", err=True)


def _words(verdict: Verdict, in_use: str, version: str | None) -> str:
    out = [
        f"in use: {WORDS[in_use]}" + (f" {version}" if in_use == "fitted" else ""),
        f"the fitted reward: {'is to be used' if verdict.adopted else 'is not to be used'}: {verdict.why}",
        f"matured changes: {verdict.counts.matured:,}, censored: {verdict.counts.censored:,}, with nothing measured: {verdict.counts.unmeasured:,}",
    ]
    if verdict.adopted != (in_use == "fitted") and verdict.scores and in_use != "seed":
        out.append("next: git hone stats --calibration --fit puts this verdict to use; the worker looks once a day")
    if not verdict.scores:
        return "\n".join(out)
    head = ("reward", "Brier", "calibration error", "fitted is better by", "95 %")
    rows = [(WORDS[rule], *_score(verdict.scores[rule])) for rule in RULES]
    out += [
        "",
        f"fitted on {verdict.counts.older:,} older changes, judged on the {verdict.counts.newer:,} newest; Brier: 0 is best",
    ]
    out += [table.render(head, rows, right=head[1:], width=table.line_width()), ""]
    bins = ("changes", "predicted", "kept", "95 %")
    lines = [(f"{b.n:,}", f"{b.predicted:.2f}", f"{b.observed:.2f}", f"{b.low:.2f} to {b.high:.2f}") for b in verdict.reliability]
    out += ["of the fitted reward:", table.render(bins, lines, right=bins, width=table.line_width())]
    return "\n".join(out)


def _score(one: Score) -> tuple[str, str, str, str]:
    gain = one.gain
    better = ("", "") if gain is None else (f"{gain.mean:+.4f}", f"{gain.low:+.4f} to {gain.high:+.4f}")
    return (f"{one.brier:.4f}", f"{one.calibration_error:.4f}", *better)
