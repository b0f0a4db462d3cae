"""The fitted reward: learn from this repository's own matured outcomes how likely a change is to be kept, and judge whether that
beats the written prior out of time. Pure; where the examples come from: `git_hone.learner.histories`.

The label is `git_hone.learner.fates.kept`. A change that has not matured is censored and not used. The features are the terms of
the day (`git_hone.learner.model`), never what became of the change. A change with a veto of the day (it does not compile, breaks
a test, is tampered with) has the reward 0 by rule: it is not fitted on, but it counts when the predictions are judged, with 0.

Judged is out of time: fitted on the older part, compared on the newer one. A change of the older part counts only if its
14 days were over before the first change of the newer part, so nothing is learned from the time that is predicted. What is then
used is fitted on all matured changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from git_hone.learner.calibration import Bin, Gain, brier, calibration_error, gain, reliability
from git_hone.learner.evidence import Evidence
from git_hone.learner.fates import DAY, MATURE
from git_hone.learner.logistic import fit
from git_hone.learner.model import COEFFICIENTS, Features, Model, features
from git_hone.learner.reward import hone_reward, seed_reward_of

NEWER: Final = 0.3
"""Share of the matured changes, the newest, on which the predictions are judged."""
MOST: Final = 5000
"""Of more matured changes, the newest so many are used: what was true years ago may not be now, and time is bounded."""
RULES: Final = ("fitted", "hone", "seed", "tests", "base")
"""fitted; the written prior of hone mode; the seed formula; the share of tests that pass; the older part's share of kept changes
without a veto, and 0 for those with one: what is known without looking at any other signal."""
DAY_VETOES: Final = ("compile", "tests", "tampered")


@dataclass(frozen=True)
class Example:
    """One matured change. `features` None: nothing was measured, so no model applies. `hone`, `seed`, `tests`: what these rules
    say of the day, 0..1, None where they say nothing. `veto`: a veto of the day, which makes hone's and the model's word 0."""

    start: float
    kept: bool
    features: Features | None
    hone: float | None
    seed: float | None
    tests: float | None
    veto: bool = False

    @classmethod
    def of(cls, start: float, kept: bool, evidence: Evidence) -> Example:
        """`evidence`: of the day, so its outcomes are left out here."""
        today = Evidence(evidence.lines, evidence.signals, evidence.parent, (), evidence.tampered)
        hone, tests = hone_reward(today), hone_reward(today).terms["tests"]
        return cls(
            start,
            kept,
            features(hone.terms, evidence.lines.changed),
            hone.value,
            seed_reward_of(today).value,
            None if tests is None else tests.value,
            hone.veto in DAY_VETOES,
        )


@dataclass(frozen=True)
class Score:
    """How good one rule's predictions were on the newer part: Brier score and expected calibration error, 0 best; `gain`: by how
    much the fitted model's Brier score is smaller, with its 95 % interval (None for the model itself)."""

    brier: float
    calibration_error: float
    gain: Gain | None = None


class Counts(NamedTuple):
    """Changes. matured: with a label and anything measured. censored: not 14 days old at the last look, or not looked at.
    unmeasured: matured, with nothing measured: no rule has a word on them. older, newer: those fitted on and judged on."""

    matured: int
    censored: int
    unmeasured: int
    older: int = 0
    newer: int = 0


@dataclass(frozen=True)
class Verdict:
    """Whether the fitted model is to be used, and why. `model` None: too few outcomes to fit one. `reliability`: of the fitted
    model on the newer part."""

    adopted: bool
    why: str
    counts: Counts
    model: Model | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    reliability: tuple[Bin, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The verdict without the model, as JSON values."""
        scores = {
            name: {"brier": one.brier, "calibration_error": one.calibration_error, "gain": one.gain and one.gain._asdict()}
            for name, one in self.scores.items()
        }
        bins = [one._asdict() for one in self.reliability]
        return {"adopted": self.adopted, "why": self.why, **self.counts._asdict(), "scores": scores, "reliability": bins}


def judge(examples: Sequence[Example], censored: int = 0, threshold: int = 200) -> Verdict:
    """Fit and judge. The same examples give the same verdict, in whatever order. `threshold`: matured changes to begin with.

    Adopted when the 95 % interval of the gain in Brier score over the written prior lies above 0, and that over the older part's
    plain share too: a model that knows no more than the vetoes and how many changes are kept is not worth its trouble.
    """
    known = sorted((one for one in examples if one.features is not None), key=_order)[-MOST:]
    counts = Counts(len(known), censored, sum(one.features is None for one in examples))
    if len(known) < threshold:
        return Verdict(False, f"{len(known)} changes have matured, {threshold} are needed", counts)
    n_newer = max(1, round(NEWER * len(known)))
    newer = known[-n_newer:]
    older = [one for one in known[:-n_newer] if one.start + MATURE * DAY <= newer[0].start]
    counts = counts._replace(older=len(older), newer=len(newer))
    if 2 * len(older) < threshold:
        why = (
            f"only {len(older)} changes matured before the {len(newer)} that they would be judged on; {threshold // 2} are needed"
        )
        return Verdict(False, why, counts)
    labels = [one.kept for one in newer]
    said = _predictions(newer, _fit(older), _share(older))
    bins = {rule: reliability(chances, labels) for rule, chances in said.items()}
    scores = {
        rule: Score(
            brier(said[rule], labels),
            calibration_error(bins[rule]),
            None if rule == "fitted" else gain(said["fitted"], said[rule], labels),
        )
        for rule in RULES
    }
    adopted, why = _decide(scores)
    return Verdict(adopted, why, counts, model=_fit(known), scores=scores, reliability=tuple(bins["fitted"]))


def _decide(scores: Mapping[str, Score]) -> tuple[bool, str]:
    for rule, words in (("hone", "the written prior"), ("base", "the plain share of kept changes")):
        less = scores[rule].gain
        if less is None or not less.low > 0:
            shown = "" if less is None else f" (Brier {less.mean:+.4f} better, 95 % interval {less.low:+.4f} to {less.high:+.4f})"
            return False, f"out of time it is not better than {words}{shown}"
    less = scores["hone"].gain
    return True, f"out of time it is better than the written prior (Brier {less.mean:+.4f} better)" if less else ""


def _order(one: Example) -> tuple[float, bool, tuple[tuple[str, float], ...]]:
    return one.start, one.kept, tuple(sorted((one.features or {}).items()))


def _fit(examples: Sequence[Example]) -> Model:
    free = [one for one in examples if not one.veto]
    return Model(fit([one.features or {} for one in free], [one.kept for one in free], COEFFICIENTS))


def _share(examples: Sequence[Example]) -> float:
    """The share of kept changes among those without a veto; 0.5 where every one has a veto."""
    free = [one.kept for one in examples if not one.veto]
    return sum(free) / len(free) if free else 0.5


def _predictions(examples: Sequence[Example], model: Model, base: float) -> dict[str, list[float]]:
    """What each rule says, as a probability of being kept. Where the seed formula or the tests say nothing, they get the plain
    share, which is kinder to them than 0.5."""
    return {
        "fitted": [0.0 if one.veto else model.probability(one.features or {}) for one in examples],
        "hone": [base if one.hone is None else one.hone for one in examples],
        "seed": [base if one.seed is None else one.seed for one in examples],
        "tests": [base if one.tests is None else one.tests for one in examples],
        "base": [0.0 if one.veto else base for one in examples],
    }
