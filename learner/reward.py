"""The reward of a change: a number in 0..1 from its signals and outcomes, with every term kept beside it. Pure.

Two ways. `seed_reward` is the seeds' formula, kept for compatibility; it pays for failing and rejected changes, so nothing
is gated on it. `hone_reward` is the default: a veto makes it 0, otherwise it is the weighted mean of the terms that are
*known*. A term that is not known is null and counts for nothing: not as 0, not as 0.5.

What it is made from: `git_hone.learner.evidence`. Nothing here reads a store, a clock or
git. Why each rule: docs/explanation/reward.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from git_hone.learner.evidence import FINDINGS, Evidence, Measured, Outcome, count
from git_hone.learner.model import ABSOLUTE_SHARE, FROM, Model, features

Mode = Literal["hone", "seed"]

SEED_WEIGHTS: Final[dict[str, float]] = {"compile": 0.25, "tests": 0.25, "errors": 0.25, "human": 0.25}


class Prior(NamedTuple):
    """How much a term weighs before this repository has taught us better, and why."""

    weight: float
    reason: str


PRIOR: Final[dict[str, Prior]] = {
    "compile": Prior(0.10, "necessary and cheap to reach: failing is a veto, so passing says little"),
    "tests": Prior(0.25, "the strongest evidence a machine gives on the day itself"),
    "lint": Prior(0.05, "mostly style, mostly fixed by a tool"),
    "type": Prior(0.10, "often a real fault, seen before anything runs"),
    "schema": Prior(0.05, "a broken contract, but few repositories measure it"),
    "boundary": Prior(0.05, "a broken layering, but few repositories measure it"),
    "coverage": Prior(0.05, "easy to raise without value; a drop is what matters"),
    "kept": Prior(0.15, "what people left of the agent's lines before they committed them"),
    "human": Prior(0.30, "a person said so"),
    "survival": Prior(0.25, "what still stands later: late, but nobody can pretend it"),
}
"""The written prior of hone mode. The weights of the known terms are divided by their sum."""

MIN_LINES: Final = 20
"""Findings are counted per 100 changed lines, but a change counts for at least this many: one finding in a one-line change
is one finding, not a hundred per hundred lines."""

VETOES: Final = ("compile", "tests", "rejected", "reverted", "tampered")
"""In the order in which they are looked at; the first that holds is named."""


class Term(NamedTuple):
    """One known term: its value in 0..1, its weight before division by the sum, and what it was made from."""

    value: float
    weight: float
    detail: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Reward:
    """`value` is None when nothing is known; a None in `terms` is a term that is not known."""

    value: float | None
    mode: Mode
    terms: Mapping[str, Term | None]
    veto: str | None = None

    def as_json(self) -> dict[str, Any]:
        """{"value", "mode", "veto", "terms": {name: {"value", "weight", ...} | null}}

        >>> Reward(1.0, "seed", {"compile": Term(1.0, 0.25), "tests": None}).as_json()["terms"]
        {'compile': {'value': 1.0, 'weight': 0.25}, 'tests': None}
        """
        terms = {name: term and {"value": term.value, "weight": term.weight, **term.detail} for name, term in self.terms.items()}
        return {"value": self.value, "mode": self.mode, "veto": self.veto, "terms": terms}


def reward(
    evidence: Evidence, mode: str = "hone", weights: Mapping[str, float] = SEED_WEIGHTS, model: Model | None = None
) -> Reward:
    """The reward in the configured mode; `weights` are the configuration's `rewardWeights`, for seed mode only, `model` is the
    one in use, for hone mode only."""
    return hone_reward(evidence, model) if mode == "hone" else seed_reward_of(evidence, weights)


def seed_reward(
    *,
    compile_pass: bool,
    lint_errors: int = 0,
    type_errors: int = 0,
    schema_errors: int = 0,
    boundary_errors: int = 0,
    tests_passed: int = 0,
    tests_total: int = 0,
    human_accept: bool | None = None,
    weights: Mapping[str, float] = SEED_WEIGHTS,
) -> Reward:
    """0.25 compile + 0.25 tests + 0.25 (1 - error rate) + 0.25 human, with the weights divided by their sum.

    tests is passed/total, and 1 without tests; the error rate is the sum of the errors over 100, at most 1; human is 1, 0,
    and 0.5 when unknown. Raises ValueError, naming the field, for a negative count and for more tests passed than there are.

    >>> seed_reward(compile_pass=True, lint_errors=2, tests_passed=8, tests_total=10, human_accept=True).value
    0.945
    """
    errors = {"lint": lint_errors, "type": type_errors, "schema": schema_errors, "boundary": boundary_errors}
    for name, n in {**{f"{kind}_errors": n for kind, n in errors.items()}, "tests_passed": tests_passed}.items():
        count(name, n)
    if tests_passed > count("tests_total", tests_total):
        raise ValueError(f"tests_passed: {tests_passed} of {tests_total}")
    values = {
        "compile": float(compile_pass),
        "tests": tests_passed / tests_total if tests_total else 1.0,
        "errors": 1.0 - min(1.0, sum(errors.values()) / 100),
        "human": 0.5 if human_accept is None else float(human_accept),
    }
    for name in values:
        if not (math.isfinite(weights[name]) and weights[name] >= 0):
            raise ValueError(f"weights.{name}: at least 0, not {weights[name]}")
    terms = {name: Term(value, float(weights[name])) for name, value in values.items()}
    if not any(term.weight for term in terms.values()):
        raise ValueError("weights: at least one must be larger than 0")
    return Reward(_mean(terms.values()), "seed", terms)


def hone_reward(evidence: Evidence, model: Model | None = None) -> Reward:
    """0.0 with the veto's name, else the weighted mean of the known terms, else None. The order of signals and outcomes
    does not matter.

    With a `model`, its probability is one more term, "fitted": it takes over the weights of the terms that it looks at
    (`model.FROM`), which are kept beside it with weight 0 and their `prior_weight`. A veto is a veto with a model as without.

    >>> from git_hone.learner.evidence import Lines
    >>> clean = Measured("lint", "ruff", passed=True, errors=0)
    >>> failing = Measured("test", "pytest", passed=False, tests_passed=8, tests_failed=2, tests_total=10)
    >>> hone_reward(Evidence(Lines(ai=100), [clean, failing])).value
    0.833333333333
    >>> hone_reward(Evidence()).value is None
    True
    """
    known = Evidence(evidence.lines, _known(evidence.signals), _known(evidence.parent), evidence.outcomes, evidence.tampered)
    terms = {name: term(known, PRIOR[name].weight) for name, term in TERMS.items()}
    if model is not None:
        terms = _with_fitted(terms, known.lines.changed, model)
    veto = next((name for name in VETOES if _vetoed(name, known)), None)
    values = [term for term in terms.values() if term is not None]
    value = 0.0 if veto else _mean(values) if values else None
    return Reward(value, "hone", terms, veto)


def _with_fitted(terms: Mapping[str, Term | None], lines: int, model: Model) -> dict[str, Term | None]:
    of = features(terms, lines)
    if of is None:
        return {**terms, "fitted": None}
    looked_at = {name: term for name, term in terms.items() if name in FROM and term is not None}
    kept = {name: Term(it.value, 0.0, {**it.detail, "prior_weight": it.weight}) for name, it in looked_at.items()}
    detail = {"model": model.version, "log_odds": model.parts(of)}
    return {**terms, **kept, "fitted": Term(model.probability(of), math.fsum(it.weight for it in looked_at.values()), detail)}


def _vetoed(name: str, evidence: Evidence) -> bool:
    if name == "compile":
        return any(m.passed is False for m in evidence.signals if m.kind == "compile")
    if name == "tests":
        return any(_breaks(now, before) for now, before in _pairs(evidence, "test"))
    if name == "rejected":
        verdict = _verdict(evidence.outcomes)
        return verdict is not None and verdict.kind == "rejected"
    if name == "reverted":
        return _reverted(evidence.outcomes)
    return evidence.tampered is True


def _breaks(now: Measured, before: Measured) -> bool:
    """Whether a test that passed in the parent fails now, or is gone.

    By test ids where both reports have them. A list of ids may have been cut: then the counts are compared too. A gone
    test counts only when the same command ran (another command may have chosen other tests), and not while as many tests
    were skipped without being named. Without ids: more failures than before.
    """
    if now.passed_tests is None or before.passed_tests is None or now.failed_tests is None:
        return now.n_failed > before.n_failed
    if before.passed_tests & now.failed_tests:
        return True
    whole = len(now.passed_tests) >= now.n_passed and len(now.failed_tests) >= (now.tests_failed or 0)
    same = now.command is None or before.command is None or now.command == before.command
    gone = before.passed_tests - now.passed_tests - now.failed_tests - now.skipped_tests
    unnamed = max(0, (now.tests_skipped or 0) - len(now.skipped_tests))
    return (same and len(gone) > unnamed) if whole else now.n_failed > before.n_failed


def _verdict(outcomes: Iterable[Outcome]) -> Outcome | None:
    """The newest word of a person; of two at the same moment the worse."""
    words = [one for one in outcomes if one.kind in ("accepted", "rejected") or (one.kind == "rated" and one.value is not None)]
    return max(words, key=lambda one: (one.at, one.kind == "rejected", -(1.0 if one.value is None else one.value)), default=None)


def _reverted(outcomes: Iterable[Outcome]) -> bool:
    """Reverted, and not landed again since. Git's clock ticks in seconds: within one, the counts decide."""
    reverts = [one.at for one in outcomes if one.kind == "reverted"]
    relands = [one.at for one in outcomes if one.kind == "relanded"]
    if not reverts or not relands:
        return bool(reverts)
    return max(reverts) > max(relands) or (max(reverts) == max(relands) and len(reverts) > len(relands))


# terms: each gives a Term, or None when it is not known


def _compile_term(evidence: Evidence, weight: float) -> Term | None:
    verdicts = [m.passed for m in evidence.signals if m.kind == "compile"]
    return Term(float(all(verdicts)), weight) if verdicts else None


def _tests_term(evidence: Evidence, weight: float) -> Term | None:
    """The share that passes of the tests that ran, leaving out those that already failed in the parent."""
    pairs = _pairs(evidence, "test")
    measured = [now for now, _ in pairs] or [m for m in evidence.signals if m.kind == "test"]
    passed = sum(m.n_passed for m in measured)
    failed = sum(_fresh_failures(now, before) for now, before in pairs) if pairs else sum(m.n_failed for m in measured)
    if passed + failed == 0:
        return None  # nothing ran: that is not a pass
    return _relative(passed / (passed + failed), weight, bool(pairs), {"passed": passed, "failed": failed})


def _fresh_failures(now: Measured, before: Measured) -> int:
    if now.failed_tests is not None and before.failed_tests is not None and len(now.failed_tests) >= now.n_failed:
        return len(now.failed_tests - before.failed_tests)
    return max(0, now.n_failed - before.n_failed)


def _findings_term(kind: str) -> Callable[[Evidence, float], Term | None]:
    def term(evidence: Evidence, weight: float) -> Term | None:
        pairs = _pairs(evidence, kind)
        measured = [m for m in evidence.signals if m.kind == kind]
        if not measured:
            return None
        new = sum(now.n_errors - before.n_errors for now, before in pairs) if pairs else sum(m.n_errors for m in measured)
        new = max(0, new)
        per_100 = 100 * new / max(evidence.lines.changed, MIN_LINES)
        return _relative(1 / (1 + per_100), weight, bool(pairs), {"new": new, "per_100_lines": per_100})

    return term


def _coverage_term(evidence: Evidence, weight: float) -> Term | None:
    """Against the parent: 1 when coverage did not drop, 1/2 for a drop of one point. Alone: the covered share."""
    pairs = [
        (now.coverage_pct, before.coverage_pct)
        for now, before in _pairs(evidence, "coverage")
        if now.coverage_pct is not None and before.coverage_pct is not None
    ]
    if pairs:
        delta = math.fsum(now - before for now, before in pairs) / len(pairs)
        return _relative(1 / (1 + max(0.0, -delta)), weight, True, {"delta_pct": delta})
    alone = [m.coverage_pct for m in evidence.signals if m.kind == "coverage" and m.coverage_pct is not None]
    if not alone:
        return None
    pct = math.fsum(alone) / len(alone)
    return _relative(pct / 100, weight, False, {"coverage_pct": pct})


def _kept_term(evidence: Evidence, weight: float) -> Term | None:
    ai, written = evidence.lines.ai, evidence.lines.written
    if ai is None or not written:
        return None
    return Term(min(1.0, ai / written), weight, {"ai": ai, "written": written})


def _human_term(evidence: Evidence, weight: float) -> Term | None:
    verdict = _verdict(evidence.outcomes)
    if verdict is None:
        return None
    value = {"accepted": 1.0, "rejected": 0.0}.get(verdict.kind, verdict.value)
    return Term(1.0 if value is None else value, weight, {"verdict": verdict.kind})


def _survival_term(evidence: Evidence, weight: float) -> Term | None:
    """The share of lines alive at the last look; of two looks at the same moment the worse."""
    looks = [(one.at, -one.value) for one in evidence.outcomes if one.kind == "survived" and one.value is not None]
    return Term(-max(looks)[1], weight) if looks else None


TERMS: Final[dict[str, Callable[[Evidence, float], Term | None]]] = {
    "compile": _compile_term,
    "tests": _tests_term,
    **{kind: _findings_term(kind) for kind in FINDINGS},
    "coverage": _coverage_term,
    "kept": _kept_term,
    "human": _human_term,
    "survival": _survival_term,
}


def _relative(value: float, weight: float, relative: bool, detail: dict[str, Any]) -> Term:
    return Term(value, weight if relative else weight * ABSOLUTE_SHARE, {"relative": relative, **detail})


def _known(signals: Iterable[Measured]) -> list[Measured]:
    """Without those that could not run (infrastructure blames nobody)."""
    return [m for m in signals if m.passed is not None]


def _pairs(evidence: Evidence, kind: str) -> list[tuple[Measured, Measured]]:
    """(now, in the parent) of each tool of this kind that measured both trees."""
    before = {m.tool: m for m in evidence.parent if m.kind == kind}
    return [(m, before[m.tool]) for m in evidence.signals if m.kind == kind and m.tool in before]


def _mean(terms: Iterable[Term]) -> float:
    """Weighted mean, rounded to 12 places: in 0..1, and 0.945 where the arithmetic says 0.945."""
    terms = list(terms)
    total = math.fsum(term.weight for term in terms)
    return min(1.0, max(0.0, round(math.fsum(term.value * term.weight for term in terms) / total, 12)))


def seed_reward_of(evidence: Evidence, weights: Mapping[str, float] = SEED_WEIGHTS) -> Reward:
    """The seed formula on evidence: None when no signal and no verdict is there, otherwise as written. What was measured
    and has no compile signal counts as compiled: most languages here have no such step."""
    signals = _known(evidence.signals)
    verdict = _verdict(evidence.outcomes)
    if not signals and verdict is None:
        return Reward(None, "seed", dict.fromkeys(SEED_WEIGHTS))
    errors = {f"{kind}_errors": sum(m.n_errors for m in signals if m.kind == kind) for kind in FINDINGS}
    tests = [m for m in signals if m.kind == "test"]
    passed = sum(m.n_passed for m in tests)
    result = seed_reward(
        compile_pass=all(m.passed for m in signals if m.kind == "compile"),
        tests_passed=passed,
        tests_total=passed + sum(m.n_failed for m in tests),
        human_accept=None if verdict is None or verdict.kind == "rated" else verdict.kind == "accepted",
        weights=weights,
        **errors,
    )
    if verdict is None or verdict.kind != "rated":
        return result
    terms = {**result.terms, "human": Term(verdict.value or 0.0, float(weights["human"]))}
    return Reward(_mean(term for term in terms.values() if term), "seed", terms)


# parsing and limits
