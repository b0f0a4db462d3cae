"""The checks of the gate, in their order, and what follows from them.

A candidate is promoted when every check passes. The first one that does not is the reason for the refusal; what was not measured
refuses too, unless the configuration says that this check may be missing. Nothing here reads a file or asks a model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final, Literal

from git_hone.learner.config import Config
from git_hone.learner.errors import UsageError
from git_hone.learner.gating import paired
from git_hone.learner.gating.evaluation import Attempt, Evaluation
from git_hone.learner.gating.paired import Difference, Pair

Outcome = Literal["pass", "fail", "missing"]
LEAST_LOST: Final = 0.5
"""Where no task is lost, the smallest difference is computed as if half a task were."""


@dataclass(frozen=True)
class Thresholds:
    """What `promotion` of the configuration says; see docs/reference/configuration.md for each."""

    alpha: float
    max_looks: int
    guard_margin: float
    format_margin: float
    max_likelihood_rise: float
    max_divergence: float
    max_latency: float
    optional: tuple[str, ...]

    @property
    def level(self) -> float:
        """The one-sided level of one look (Bonferroni over the looks)."""
        return self.alpha / self.max_looks

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


def thresholds(config: Config) -> Thresholds:
    """From the configuration that stands committed in the repository."""
    return Thresholds(
        alpha=config["promotion.alpha"],
        max_looks=config["promotion.maxLooks"],
        guard_margin=config["promotion.guardMargin"],
        format_margin=config["promotion.formatMargin"],
        max_likelihood_rise=config["promotion.maxLikelihoodRise"],
        max_divergence=config["promotion.maxDivergence"],
        max_latency=config["promotion.maxLatency"],
        optional=tuple(config["promotion.optional"]),
    )


@dataclass(frozen=True)
class Check:
    """One check. value: what was measured, low and high its interval, limit: what it was held against, all None where it has none;
    words: the same for a person."""

    name: str
    outcome: Outcome
    words: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Decision:
    """promote: whether the candidate takes the incumbent's place. reason: the first check that says no, or what was shown.
    won, lost, both, neither: target tasks by who passed them. p: exact one-sided McNemar. detectable: the smallest difference that so
    many tasks show four times in five, None where not even the largest. look: the number of this look at the suite."""

    promote: bool
    reason: str
    checks: tuple[Check, ...]
    candidate: str
    incumbent: str
    suite: str
    suite_hash: str
    tasks: int
    won: int
    lost: int
    both: int
    neither: int
    p: float
    detectable: float | None
    look: int
    level: float
    thresholds: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """All that the gate looks at. guard: (candidate, incumbent) on the guard suite. look: how many looks at this version of the suite
    there were, this one included. registered: hash of the thresholds at the first of them, None when this is the first."""

    candidate: Evaluation
    incumbent: Evaluation
    guard: tuple[Evaluation, Evaluation] | None
    look: int
    thresholds: Thresholds
    registered: str | None = None


def decide(case: Case) -> Decision:
    """Every check is made, so that a report shows them all; the first that says no is the reason.

    Raises UsageError when the two were not asked the same: another suite, other tasks, other settings.
    """
    pairs = pair(case.candidate, case.incumbent)
    won, lost = (sum(w) for w in zip(*((p.candidate > p.incumbent, p.candidate < p.incumbent) for p in pairs), strict=True))
    both = sum(p.candidate == p.incumbent == 1 for p in pairs)
    checks = tuple(check(case) for check in CHECKS)
    blocking = [check for check in checks if check.outcome != "pass" and not _waived(check, case.thresholds)]
    gain = next(check for check in checks if check.name == "superiority")
    return Decision(
        promote=not blocking,
        reason=f"{blocking[0].name}: {blocking[0].words}" if blocking else gain.words,
        checks=checks,
        candidate=case.candidate.model,
        incumbent=case.incumbent.model,
        suite=case.candidate.suite,
        suite_hash=case.candidate.suite_hash,
        tasks=len(pairs),
        won=won,
        lost=lost,
        both=both,
        neither=len(pairs) - won - lost - both,
        p=paired.mcnemar(won, lost),
        detectable=paired.detectable(len(pairs), min(0.45, max(lost, LEAST_LOST) / len(pairs)), case.thresholds.level),
        look=case.look,
        level=case.thresholds.level,
        thresholds=asdict(case.thresholds),
    )


def pair(candidate: Evaluation, incumbent: Evaluation, value: Callable[[Attempt], float] = lambda a: a.passed) -> list[Pair]:
    """The attempts of both at the same tasks, by task. Raises UsageError when they do not belong together."""
    if candidate.suite_hash != incumbent.suite_hash:
        raise UsageError(
            f"{candidate.model} was evaluated on {candidate.suite} ({candidate.suite_hash[:12]}), {incumbent.model} on "
            f"{incumbent.suite} ({incumbent.suite_hash[:12]})",
            tip="evaluate both on the same version of one suite",
        )
    if dict(candidate.settings) != dict(incumbent.settings):
        differ = sorted(
            k for k in {*candidate.settings, *incumbent.settings} if candidate.settings.get(k) != incumbent.settings.get(k)
        )
        raise UsageError(
            f"{candidate.model} and {incumbent.model} were asked with different {', '.join(differ)}",
            tip="evaluate both with the same settings",
        )
    mine, theirs = ({one.task: one for one in side.attempts} for side in (candidate, incumbent))
    if mine.keys() != theirs.keys():
        missing = sorted(mine.keys() ^ theirs.keys())
        raise UsageError(f"only one of the two tried {', '.join(missing[:3])}", tip="evaluate both on the whole suite")
    if not mine:
        raise UsageError(f"{candidate.suite}: no task was tried", tip="`git hone suite list` shows what there is")
    return [Pair(mine[task].group, float(value(theirs[task])), float(value(mine[task]))) for task in sorted(mine)]


def _waived(check: Check, limits: Thresholds) -> bool:
    return check.outcome == "missing" and check.name in limits.optional


def _looks(case: Case) -> Check:
    most, words = case.thresholds.max_looks, f"look {case.look} of {case.thresholds.max_looks} at this version of the suite"
    if case.look > most:
        more = f"{words}: each look at the same tasks makes a lucky candidate likelier; make a new version of the suite"
        return Check("looks", "fail", more, value=case.look, limit=most)
    if case.registered not in (None, case.thresholds.hash):
        more = f"{words}: the thresholds were changed after the first look; put them back, or make a new version of the suite"
        return Check("looks", "fail", more, value=case.look, limit=most)
    return Check("looks", "pass", words, value=case.look, limit=most)


def _integrity(case: Case) -> Check:
    faults = [*case.candidate.faults]
    if (case.candidate.base_sha256 and case.incumbent.base_sha256) and case.candidate.base_sha256 != case.incumbent.base_sha256:
        faults.append("the candidate sits on another base than the incumbent")
    if case.candidate.files and sorted(case.candidate.files.values()) == sorted(case.incumbent.files.values()):
        faults.append("candidate and incumbent are the same files")
    if case.guard is not None and dict(case.guard[0].files) != dict(case.candidate.files):
        faults.append("the files on the guard suite are not those on the target suite")
    if faults:
        return Check("integrity", "fail", "; ".join(faults))
    return Check("integrity", "pass", f"{len(case.candidate.files)} digests, as they were measured")


def _divergence(case: Case) -> Check:
    value, limit = case.candidate.divergence, case.thresholds.max_divergence
    if value is None:
        return Check("divergence", "missing", "the served file was not compared with the trained one", limit=limit)
    words = f"{value:.5f} nats between what was trained and what will be served (at most {limit:g})"
    return Check("divergence", "pass" if value <= limit else "fail", words, value=value, limit=limit)


def _superiority(case: Case) -> Check:
    pairs, level = pair(case.candidate, case.incumbent), case.thresholds.level
    won = sum(p.candidate > p.incumbent for p in pairs)
    lost = sum(p.candidate < p.incumbent for p in pairs)
    least, p = paired.least_discordant(level), paired.mcnemar(won, lost)
    gain = paired.difference(pairs, tail=level)
    if gain is None:
        raise ValueError("no tasks")
    words = f"{won} won, {lost} lost of {len(pairs)} tasks: {_points(gain)}, p = {p:.4f} (at most {level:g})"
    passed = p <= level and gain.low > 0
    if won + lost < least:
        words = f"underpowered: {won + lost} of {len(pairs)} tasks tell the two apart, fewer than {least} can never show anything"
    elif p <= level and gain.low <= 0:
        words += f"; the tasks lie in {gain.groups} file families, too few or too unlike"
    return Check("superiority", "pass" if passed else "fail", words, gain.mean, gain.low, gain.high, 0.0)


def _guard(case: Case) -> Check:
    margin = case.thresholds.guard_margin
    if case.guard is None:
        return Check("guard", "missing", "no guard suite was given", limit=-margin)
    return _not_worse("guard", paired.difference(pair(*case.guard), tail=0.05), margin, "on the guard suite")


def _likelihood(case: Case) -> Check:
    mine, theirs, limit = case.candidate.likelihood, case.incumbent.likelihood, case.thresholds.max_likelihood_rise
    if mine is None or theirs is None:
        return Check("likelihood", "missing", "the likelihood of general code was not measured on both", limit=limit)
    if (mine.corpus_sha256, mine.tokens) != (theirs.corpus_sha256, theirs.tokens):
        return Check("likelihood", "missing", "the two were measured on different general code", limit=limit)
    rise = mine.nats - theirs.nats
    words = f"general code: {rise:+.3f} nats a token (at most +{limit:g})"
    return Check("likelihood", "pass" if rise <= limit else "fail", words, value=rise, limit=limit)


def _format(case: Case) -> Check:
    change = paired.difference(pair(case.candidate, case.incumbent, lambda one: one.usable), tail=0.05)
    return _not_worse("format", change, case.thresholds.format_margin, "of answers that can be used")


def _latency(case: Case) -> Check:
    limit = case.thresholds.max_latency
    mine, theirs = (_median(side.attempts) for side in (case.candidate, case.incumbent))
    if not mine or not theirs:
        return Check("latency", "missing", "no answer was timed on both sides", limit=limit)
    times = mine / theirs
    words = f"{mine:.2f} s a task against {theirs:.2f} s: x{times:.2f} (at most x{limit:g})"
    return Check("latency", "pass" if times <= limit else "fail", words, value=times, limit=limit)


def _canary(case: Case) -> Check:
    sides = [case.candidate, *(case.guard or ())[:1]]
    leaks = sorted({one.task for side in sides for one in side.attempts if one.leaked})
    if leaks:
        return Check("canary", "fail", f"a secret stands in the answers to {', '.join(leaks[:3])}", value=len(leaks), limit=0)
    return Check("canary", "pass", f"no secret in {sum(len(side.attempts) for side in sides)} answers", value=0, limit=0)


CHECKS: Final[Sequence[Callable[[Case], Check]]] = (
    _looks, _integrity, _divergence, _superiority, _guard, _likelihood, _format, _latency, _canary,
)  # fmt: skip


def _not_worse(name: str, change: Difference | None, margin: float, where: str) -> Check:
    if change is None:
        return Check(name, "missing", f"nothing was tried {where}", limit=-margin)
    if change.groups == 1:
        return Check(name, "fail", f"{change.tasks} tasks of one file family say nothing {where}", change.mean, limit=-margin)
    words = f"{_points(change)} {where} (the lower bound must be above {-100 * margin:g} points)"
    return Check(name, "pass" if change.low > -margin else "fail", words, change.mean, change.low, change.high, -margin)


def _points(of: Difference) -> str:
    """A difference for a person.

    >>> _points(Difference(0.25, 0.1, 0.4, 20, 20))
    '+25.0 points [+10.0, +40.0]'
    """
    return f"{100 * of.mean:+.1f} points [{100 * of.low:+.1f}, {100 * of.high:+.1f}]"


def _median(attempts: Sequence[Attempt]) -> float | None:
    seconds = [one.seconds for one in attempts if one.error is None]
    return median(seconds) if seconds else None
