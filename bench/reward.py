"""How well the rewards forecast what is kept, on simulated repositories whose truth is known, and when the fitted one is adopted.

    python -m bench.reward [REPOSITORIES]

SIMULATED: nothing here was measured in a real repository. In each of REPOSITORIES (default 20) made-up repositories for each line,
changes come over 180 days with tests, lint, types and rewritten lines drawn at random; whether one is kept is drawn from a known
chance. "as believed": the written prior of the coefficients is the truth. "otherwise": lint matters much, rewritten code is kept.
"chance": nothing matters. "turns": as "otherwise", and all relations turn round before the newest 30 %, on which is judged.
"truth" is the known chance itself: no rule can do better, and its calibration error is what chance alone makes.
Means over the repositories with their 95 % intervals; Brier score and calibration error of the newest 30 %, fitted on the older.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean, stdev

from git_hone.learner.calibration import brier, calibration_error, reliability
from git_hone.learner.evidence import Evidence, Lines, Measured
from git_hone.learner.fates import DAY
from git_hone.learner.fitted import NEWER, RULES, Example, judge
from git_hone.learner.intervals import share_mean_interval, wilson
from git_hone.learner.logistic import sigmoid
from git_hone.learner.model import PRIOR_MODEL

OTHER = {**PRIOR_MODEL.coefficients, "base": 0.3, "lint_new": -1.2, "type_new": 0.0, "kept_lost": 1.5, "size": -0.6}
SIZES = (200, 1000)
DAYS = 180
Truth = Callable[[dict[str, float], bool], float]


def odds(coefficients: dict[str, float], features: dict[str, float]) -> float:
    return sum(coefficients[name] * value for name, value in features.items())


WORLDS: dict[str, Truth] = {
    "as believed": lambda features, newer: sigmoid(odds(dict(PRIOR_MODEL.coefficients), features)),
    "otherwise": lambda features, newer: sigmoid(odds(OTHER, features)),
    "chance": lambda features, newer: 0.7,
    "turns": lambda features, newer: sigmoid((-1 if newer else 1) * odds(OTHER, features)),
}


def measured(kind: str, tool: str, errors: int) -> Measured:
    return Measured(kind, tool, errors == 0, errors=errors)


def suite(passed: int, failed: int) -> Measured:
    return Measured("test", "pytest", failed == 0, tests_passed=passed, tests_failed=failed, tests_total=passed + failed)


def evidence(chance: random.Random) -> Evidence:
    """The signals of one change and of its parent's tree; one change in twenty breaks a test."""
    now, parent = [], []
    if chance.random() < 0.8:
        now.append(suite(40, 1 if chance.random() < 0.06 else 0))
        parent.append(suite(40, 0))
    for kind, tool, counts in (("lint", "ruff", (0, 0, 0, 1, 2, 6)), ("type", "mypy", (0, 0, 0, 0, 1, 3))):
        if chance.random() < 0.7:
            now.append(measured(kind, tool, 3 + chance.choice(counts)))
            parent.append(measured(kind, tool, 3))
    written = chance.choice((10, 30, 80, 250))
    lines = Lines(
        ai=round(written * chance.choice((1, 1, 1, 0.8, 0.5))), human=chance.choice((0, 0, 5)), unknown=0, written=written
    )
    return Evidence(lines, now, parent)


def repository(world: Truth, n: int, seed: int) -> tuple[list[Example], list[float]]:
    """n matured changes, oldest first, and the true chance of each to be kept."""
    chance = random.Random(seed)
    made, truth = [], []
    while len(made) < n:
        example = Example.of(len(made) * DAYS / n * DAY, False, evidence(chance))
        if example.features is not None:
            newer = len(made) >= round((1 - NEWER) * n)
            p = 0.0 if example.veto else world(example.features, newer)
            made.append(replace(example, kept=chance.random() < p))
            truth.append(p)
    return made, truth


def shown(values: list[float]) -> str:
    low, high = share_mean_interval(len(values), fmean(values), stdev(values)) or (0.0, 1.0)
    return f"{fmean(values):.4f} [{low:.4f} to {high:.4f}]"


def study(name: str, n: int, repositories: int) -> list[str]:
    """One paragraph: the scores of each rule, and how often the fitted model was adopted."""
    scores: dict[str, list[tuple[float, float]]] = {}
    adopted = 0
    for seed in range(repositories):
        examples, truth = repository(WORLDS[name], n, seed)
        verdict = judge(examples)
        adopted += verdict.adopted
        chances, kept = truth[-verdict.counts.newer :], [one.kept for one in examples[-verdict.counts.newer :]]
        for rule in RULES:
            one = verdict.scores[rule]
            scores.setdefault(rule, []).append((one.brier, one.calibration_error))
        scores.setdefault("truth", []).append((brier(chances, kept), calibration_error(reliability(chances, kept))))
    low, high = wilson(adopted, repositories)
    out = [f"{name}, {n} matured changes: fitted adopted in {adopted} of {repositories} [{low:.0%} to {high:.0%}]"]
    for rule, pairs in scores.items():
        both = [shown([pair[at] for pair in pairs]) for at in (0, 1)]
        out.append(f"  {rule:7} Brier {both[0]}  calibration error {both[1]}")
    return out


def main(argv: list[str]) -> int:
    repositories = max(2, int(argv[0])) if argv else 20
    print(f"SIMULATED, {repositories} made-up repositories a line")
    for name in WORLDS:
        for n in SIZES:
            print("\n".join(study(name, n, repositories)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
