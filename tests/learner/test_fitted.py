"""The fitted reward: what is recovered from made-up data whose truth is known, and when the model must be refused."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.learner.calibration import brier, calibration_error, gain, reliability
from git_hone.learner.evidence import Evidence, Lines, Measured, Outcome
from git_hone.learner.fates import DAY
from git_hone.learner.fitted import RULES, Example, judge
from git_hone.learner.logistic import Gaussian, fit, sigmoid
from git_hone.learner.model import COEFFICIENTS, FROM, PRIOR_MODEL, Model, features
from git_hone.learner.reward import hone_reward

WIDE = {name: Gaussian(0.0, 10.0, "says almost nothing") for name in ("base", "x", "z")}


def drawn(n: int, truth: dict[str, float], seed: int = 0) -> tuple[list[dict[str, float]], list[bool]]:
    chance = random.Random(seed)
    rows = [{"base": 1.0, "x": chance.gauss(0, 1), "z": chance.gauss(0, 2)} for _ in range(n)]
    return rows, [chance.random() < sigmoid(sum(truth[name] * value for name, value in row.items())) for row in rows]


# the logistic regression


@pytest.mark.no_cover
def test_known_coefficients_are_recovered() -> None:
    truth = {"base": 0.5, "x": -1.2, "z": 0.8}
    errors = [max(abs(fit(*drawn(4000, truth, seed), WIDE)[name] - truth[name]) for name in truth) for seed in range(5)]
    assert max(errors) < 0.2 and sum(errors) / 5 < 0.12


def test_the_gradient_is_zero_at_the_answer() -> None:
    """The definition of the answer, written down again: the score of the data balances the pull of the prior."""
    rows, labels = drawn(200, {"base": 0.2, "x": 1.0, "z": -0.5})
    prior = {"base": Gaussian(1.0, 0.5, ""), "x": Gaussian(-1.0, 0.3, ""), "z": Gaussian(0.0, 2.0, "")}
    found = fit(rows, labels, prior)
    for name, (mean, scale, _) in prior.items():
        score = sum(
            (y - sigmoid(sum(found[k] * v for k, v in row.items()))) * row[name] for row, y in zip(rows, labels, strict=True)
        )
        assert score - (found[name] - mean) / scale**2 == pytest.approx(0.0, abs=1e-6)


def test_the_prior_dominates_five_outcomes_and_yields_to_five_thousand() -> None:
    prior = {name: Gaussian(1.0, 0.2, "") for name in ("base", "x", "z")}
    truth = {"base": -1.0, "x": -1.0, "z": -1.0}
    few, many = (fit(*drawn(n, truth), prior) for n in (5, 5000))
    assert all(abs(value - 1.0) < 0.2 for value in few.values())
    assert all(abs(value + 1.0) < 0.2 for value in many.values())


@pytest.mark.parametrize("labels", [lambda x: True, lambda x: False, lambda x: x > 0], ids=["all", "none", "separable"])
def test_one_class_and_separable_data_stay_finite(labels: Callable[[float], bool]) -> None:
    rows, _ = drawn(300, {"base": 0.0, "x": 0.0, "z": 0.0})
    found = fit(rows, [labels(row["x"]) for row in rows], WIDE)
    assert all(math.isfinite(value) and abs(value) < 50 for value in found.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-30, 30), st.booleans()), max_size=20))
def test_no_data_give_nan(data: list[tuple[float, float, bool]]) -> None:
    found = fit([{"base": 1.0, "x": x, "z": z} for x, z, _ in data], [y for *_, y in data], WIDE)
    assert all(map(math.isfinite, found.values()))


def test_a_feature_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        fit([{"x": math.nan}], [True], WIDE)


# scores


def test_brier_and_bins_of_a_worked_example() -> None:
    chances, happened = [0.1, 0.1, 0.9, 0.9], [False, True, True, True]
    assert brier(chances, happened) == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    low, high = reliability(chances, happened)
    assert (low.n, low.predicted, low.observed, high.n, high.predicted, high.observed) == (2, 0.1, 0.5, 2, 0.9, 1.0)
    assert low.low < 0.5 < low.high
    assert calibration_error([low, high]) == pytest.approx((0.4 + 0.1) / 2)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_bins_hold_everything_once_and_split_no_ties(pairs: list[tuple[float, bool]]) -> None:
    chances, happened = [p for p, _ in pairs], [y for _, y in pairs]
    bins = reliability(chances, happened)
    assert sum(one.n for one in bins) == len(pairs) and len(bins) <= 10
    assert sum(one.n * one.observed for one in bins) == pytest.approx(sum(happened))
    assert len({one.predicted for one in bins}) == len(bins)
    assert all(0 <= one.low <= one.observed <= one.high <= 1 for one in bins)


def test_the_gain_is_the_difference_of_the_scores_with_an_interval_around_it() -> None:
    chance = random.Random(1)
    truth = [chance.random() for _ in range(400)]
    happened = [chance.random() < p for p in truth]
    better = gain(truth, [0.5] * 400, happened)
    assert better.mean == pytest.approx(brier([0.5] * 400, happened) - brier(truth, happened))
    assert 0 < better.low < better.mean < better.high
    assert gain(truth, [0.5] * 400, happened) == better
    assert gain(truth, truth, happened) == (0.0, 0.0, 0.0)


@pytest.mark.no_cover
def test_the_gain_of_a_coin_over_a_coin_is_seldom_above_zero() -> None:
    """Two rules that know nothing: the interval lies above 0 in about one of forty tries; 3 standard errors allowed."""
    chance, above, tries = random.Random(2), 0, 300
    for seed in range(tries):
        rules = [[chance.choice([0.4, 0.6]) for _ in range(60)] for _ in range(2)]
        above += gain(*rules, [chance.random() < 0.5 for _ in range(60)], seed).low > 0
    assert above / tries < 0.025 + 3 * (0.025 * 0.975 / tries) ** 0.5


# features and the reward


def suite(passed: int, failed: int = 0) -> Measured:
    return Measured("test", "pytest", failed == 0, tests_passed=passed, tests_failed=failed, tests_total=passed + failed)


def lint(errors: int) -> Measured:
    return Measured("lint", "ruff", errors == 0, errors=errors)


HUNDRED = Lines(ai=80, human=20, unknown=0, written=100)


def test_features_are_the_terms_of_the_day() -> None:
    evidence = Evidence(HUNDRED, [suite(9, 1), lint(7)], [suite(9, 1), lint(4)], [Outcome("survived", 0.0, 0.1)])
    found = features(hone_reward(evidence).terms, 100)
    assert found is not None
    assert found == pytest.approx(
        {"base": 1.0, "size": math.log(2), "lint_new": math.log(4), "kept_lost": 0.2, "type_unknown": 1.0,
         "schema_unknown": 1.0, "boundary_unknown": 1.0, "coverage_unknown": 1.0}
    )  # fmt: skip
    alone = features(hone_reward(Evidence(HUNDRED, [lint(3)])).terms, 100)
    assert alone is not None and alone["lint_new"] == pytest.approx(math.log(4) / 2)
    assert features(hone_reward(Evidence(Lines(ai=8), (), (), [Outcome("accepted", 0.0)])).terms, 8) is None


def test_every_feature_has_a_prior_with_a_reason() -> None:
    cover = [Measured("coverage", "cov", True, coverage_pct=pct) for pct in (80.0, 70.0)]
    found = features(hone_reward(Evidence(HUNDRED, [suite(9, 1), lint(1), cover[0]], [suite(9), cover[1]])).terms, 100)
    assert found is not None and found["coverage_change"] == 1.0
    assert found.keys() <= COEFFICIENTS.keys()
    assert features(hone_reward(Evidence(Lines(ai=8), [Measured("compile", "cc", True)])).terms, 8) is not None
    assert all(one.scale > 0 and one.reason for one in COEFFICIENTS.values())


def test_a_model_takes_the_place_of_the_terms_it_looks_at() -> None:
    evidence = Evidence(HUNDRED, [suite(10), lint(2)], [suite(10), lint(2)], [Outcome("accepted", 1.0)])
    plain, fitted = hone_reward(evidence), hone_reward(evidence, PRIOR_MODEL)
    term, human = fitted.terms["fitted"], fitted.terms["human"]
    assert term is not None and human is not None
    known = [name for name in FROM if plain.terms[name] is not None]
    weights = sum(one.weight for name in known if (one := plain.terms[name]))
    assert term.weight == pytest.approx(weights)
    assert fitted.value == pytest.approx((term.value * weights + human.weight) / (weights + human.weight))
    assert term.detail["model"] == PRIOR_MODEL.version
    assert term.value == pytest.approx(sigmoid(sum(term.detail["log_odds"].values())))
    for name in known:
        mine, theirs = fitted.terms[name], plain.terms[name]
        assert mine is not None and theirs is not None
        assert (mine.value, mine.weight, mine.detail["prior_weight"]) == (theirs.value, 0.0, theirs.weight)
    json.dumps(fitted.as_json(), allow_nan=False)


def test_nothing_known_stays_nothing() -> None:
    assert hone_reward(Evidence(), PRIOR_MODEL).value is None
    said = hone_reward(Evidence(outcomes=[Outcome("accepted", 1.0)]), PRIOR_MODEL)
    assert (said.value, said.terms["fitted"]) == (1.0, None)


@pytest.mark.parametrize(
    ("evidence", "veto"),
    [
        (Evidence(HUNDRED, [Measured("compile", "cc", False)]), "compile"),
        (Evidence(HUNDRED, [suite(8, 2)], [suite(10)]), "tests"),
        (Evidence(HUNDRED, [suite(10)], outcomes=[Outcome("rejected", 1.0)]), "rejected"),
        (Evidence(HUNDRED, [suite(10)], outcomes=[Outcome("reverted", 1.0)]), "reverted"),
        (Evidence(HUNDRED, [suite(10)], tampered=True), "tampered"),
    ],
)
def test_a_veto_is_zero_whatever_the_model_says(evidence: Evidence, veto: str) -> None:
    sure = Model({**PRIOR_MODEL.coefficients, "base": 50.0})
    told = hone_reward(evidence, sure)
    assert (told.value, told.veto) == (0.0, veto)
    assert told.terms["fitted"] is not None and told.terms["fitted"].value > 0.99


# the verdict

TRUE = {**PRIOR_MODEL.coefficients, "base": 0.3, "lint_new": -1.2, "kept_lost": 1.5, "size": -0.8}
"""A repository in which lint matters much, rewritten code is kept, and large changes are not: not what the prior believes."""


def made(n: int, truth: Callable[[int, float], float], seed: int = 0, days: float = 120.0) -> list[Example]:
    """n changes over some days; `truth(i, log odds by TRUE)` is the chance that the i-th is kept."""
    chance = random.Random(seed)
    out = []
    for i in range(n):
        lines = Lines(ai=chance.choice([5, 20, 80, 300]), human=0, written=400 if chance.random() < 0.3 else 300)
        signals = [suite(10)] * (chance.random() < 0.7) + [lint(chance.choice([0, 0, 1, 5]))] * (chance.random() < 0.8)
        evidence = Evidence(lines, signals, [suite(10), lint(0)])
        example = Example.of(i * days / n * DAY, False, evidence)
        assert example.features is not None
        odds = sum(TRUE[name] * value for name, value in example.features.items())
        out.append(replace(example, kept=chance.random() < truth(i, odds)))
    return out


def test_a_model_that_knows_better_is_adopted() -> None:
    verdict = judge(made(1200, lambda i, odds: sigmoid(odds)), censored=40)
    assert verdict.adopted and verdict.model is not None
    assert (verdict.counts.matured, verdict.counts.censored, verdict.counts.newer) == (1200, 40, 360)
    assert 600 < verdict.counts.older < 840, "14 days lie between the older and the newer part"
    fitted = verdict.scores["fitted"]
    assert all(fitted.brier < verdict.scores[rule].brier for rule in RULES if rule != "fitted")
    assert fitted.calibration_error < verdict.scores["hone"].calibration_error
    assert verdict.model.coefficients["lint_new"] == pytest.approx(TRUE["lint_new"], abs=0.35)
    assert verdict.model.coefficients["kept_lost"] == pytest.approx(TRUE["kept_lost"], abs=0.8)
    assert sum(one.n for one in verdict.reliability) == 360


def test_the_same_examples_give_the_same_verdict_in_any_order() -> None:
    known = made(400, lambda i, odds: sigmoid(odds))
    first = judge(known)
    random.Random(1).shuffle(known)
    assert judge(known) == first


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_refused(seed: int) -> None:
    verdict = judge(made(400, lambda i, odds: 0.6, seed))
    assert not verdict.adopted and "not better than" in verdict.why


def test_a_relation_that_flips_is_refused() -> None:
    flipped = judge(made(1000, lambda i, odds: sigmoid(3 * odds if i < 700 else -3 * odds)))
    assert not flipped.adopted and flipped.scores["base"].gain is not None and flipped.scores["base"].gain.mean < 0
    assert judge(made(1000, lambda i, odds: sigmoid(3 * odds))).adopted


@pytest.mark.parametrize("kept", [True, False])
def test_one_class_is_refused_with_finite_numbers(kept: bool) -> None:
    verdict = judge(made(300, lambda i, odds: float(kept)))
    assert not verdict.adopted
    json.dumps(verdict.as_json(), allow_nan=False)


def test_too_few_and_too_short_say_so() -> None:
    few = judge(made(5, lambda i, odds: 1.0))
    assert (few.adopted, few.model, few.why) == (False, None, "5 changes have matured, 200 are needed")
    short = judge(made(400, lambda i, odds: sigmoid(odds), days=15))
    assert not short.adopted and short.why.startswith("only ") and "100 are needed" in short.why
    assert judge([]).counts.matured == 0


def test_what_was_never_measured_is_counted_not_judged() -> None:
    bare = [Example.of(i * DAY, True, Evidence(Lines(ai=8))) for i in range(30)]
    verdict = judge([*bare, *made(300, lambda i, odds: sigmoid(odds))])
    assert (verdict.counts.matured, verdict.counts.unmeasured) == (300, 30)


def test_a_veto_of_the_day_is_judged_as_zero_and_not_learned_from() -> None:
    """Vetoed changes that were all kept: the model must not learn from them, and both rules pay for saying 0."""
    known = made(300, lambda i, odds: sigmoid(odds))
    broken = [Example.of((i * 120 / 60) * DAY, True, Evidence(HUNDRED, [suite(8, 2)], [suite(10)])) for i in range(60)]
    with_, without = judge([*known, *broken], threshold=300), judge(known, threshold=300)
    assert with_.model == without.model
    assert with_.scores["fitted"].brier > without.scores["fitted"].brier


def test_knowing_only_the_vetoes_is_not_enough() -> None:
    """Signals that say nothing, and vetoed changes that are never kept: the plain share knows the vetoes as well."""
    known = made(800, lambda i, odds: 0.7)
    broken = [Example.of((i * 120 / 60) * DAY, False, Evidence(HUNDRED, [suite(8, 2)], [suite(10)])) for i in range(60)]
    verdict = judge([*known, *broken])
    assert not verdict.adopted and "plain share" in verdict.why
