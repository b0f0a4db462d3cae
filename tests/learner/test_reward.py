"""The reward: worked examples, vetoes, what missing means, and the properties that must always hold."""

from __future__ import annotations

import json
import math
import random
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.learner.evidence import Evidence, Lines, Measured, Outcome, newest
from git_hone.learner.reward import PRIOR, hone_reward, reward, seed_reward

HUNDRED = Lines(ai=100, human=0, unknown=0, written=100)


def suite(passed: int, failed: int = 0, skipped: int = 0, **more: Any) -> Measured:
    return Measured("test", "pytest", failed == 0, tests_passed=passed, tests_failed=failed, tests_skipped=skipped,
                    tests_total=passed + failed + skipped, **more)  # fmt: skip


def named(passed: str, failed: str = "", **more: Any) -> Measured:
    """A test report with ids: one letter a test."""
    return suite(len(passed), len(failed), passed_tests=frozenset(passed), failed_tests=frozenset(failed), **more)


def lint(errors: int, tool: str = "ruff") -> Measured:
    return Measured("lint", tool, errors == 0, errors=errors)


# the seed's formula


def test_seed_worked_example_is_exact() -> None:
    one = seed_reward(compile_pass=True, lint_errors=2, tests_passed=8, tests_total=10, human_accept=True)
    assert one.value == 0.945
    assert one.as_json()["terms"]["tests"] == {"value": 0.8, "weight": 0.25}


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"compile_pass": True}, 0.875),
        ({"compile_pass": False, "human_accept": False}, 0.5),
        ({"compile_pass": True, "human_accept": True}, 1.0),
        ({"compile_pass": True, "lint_errors": 500, "human_accept": True}, 0.75),
        ({"compile_pass": True, "tests_passed": 3, "tests_total": 10}, 0.70),
        ({"compile_pass": True, "weights": {"compile": 2, "tests": 0, "errors": 0, "human": 0}}, 1.0),
    ],
)
def test_seed_formula(arguments: dict[str, Any], value: float) -> None:
    assert seed_reward(**arguments).value == value


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"tests_passed": 3, "tests_total": 2}, "tests_passed"),
        ({"lint_errors": -1}, "lint_errors"),
        ({"tests_total": -1}, "tests_total"),
        ({"weights": {"compile": math.nan, "tests": 1, "errors": 1, "human": 1}}, "weights.compile"),
        ({"weights": {"compile": 0, "tests": 0, "errors": 0, "human": 0}}, "weights"),
    ],
)
def test_seed_refuses_what_cannot_be(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}:"):
        seed_reward(compile_pass=True, **arguments)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"tests_passed": 3, "tests_total": 2}, "tests_passed"),
        ({"errors": -1}, "errors"),
        ({"coverage_pct": 140}, "coverage_pct"),
        ({"coverage_pct": math.nan}, "coverage_pct"),
        ({"coverage_pct": -1}, "coverage_pct"),
    ],
)
def test_measurements_out_of_range_name_the_field(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}:"):
        Measured("test", **arguments)


def test_other_inputs_out_of_range_name_the_field() -> None:
    for field, make in {
        "value": lambda: Outcome("rated", 1, 1.5),
        "at": lambda: Outcome("rated", math.inf),
        "lines.ai": lambda: Lines(ai=-1),
        "kind": lambda: Measured("smell"),
    }.items():
        with pytest.raises(ValueError, match=f"^{field}:"):
            make()


# what is known, and what is not


def test_nothing_known_is_null() -> None:
    nothing = hone_reward(Evidence())
    assert nothing.value is None
    assert nothing.veto is None
    assert set(nothing.as_json()["terms"]) == set(PRIOR)
    assert not any(nothing.as_json()["terms"].values())
    assert reward(Evidence(), "seed").value is None


def test_reward_is_null_without_tests() -> None:
    ran_nothing = Measured("test", "pytest", True, tests_passed=0, tests_failed=0, tests_total=0)
    assert hone_reward(Evidence(signals=[ran_nothing])).value is None


def test_infrastructure_blames_nobody() -> None:
    for kind in ("compile", "test", "lint", "coverage"):
        broken = Measured(kind, "tool", None, errors=9, tests_failed=3, coverage_pct=1)
        assert hone_reward(Evidence(signals=[broken])).value is None


def test_skipped_tests_are_no_failures() -> None:
    assert hone_reward(Evidence(signals=[suite(3, skipped=7)])).value == 1.0


def test_a_failing_verdict_without_counts_is_at_least_one_failure() -> None:
    assert hone_reward(Evidence(signals=[Measured("test", "make", False)])).value == 0.0
    assert hone_reward(Evidence(signals=[Measured("test", "make", True)])).value == 1.0
    assert hone_reward(Evidence(Lines(ai=100), [Measured("lint", "black", False)])).value == 0.5


def test_old_findings_blame_nobody() -> None:
    alone = hone_reward(Evidence(HUNDRED, [lint(4)]))
    same = hone_reward(Evidence(HUNDRED, [lint(4)], parent=[lint(4)]))
    more = hone_reward(Evidence(HUNDRED, [lint(5)], parent=[lint(4)]))
    assert [one.as_json()["terms"]["lint"]["value"] for one in (alone, same, more)] == [0.2, 1.0, 0.5]
    assert alone.as_json()["terms"]["lint"]["relative"] is False
    assert same.as_json()["terms"]["lint"]["relative"] is True
    assert alone.as_json()["terms"]["lint"]["weight"] == PRIOR["lint"].weight / 2


def test_only_tools_that_measured_both_trees_are_compared() -> None:
    both = hone_reward(Evidence(HUNDRED, [lint(1), lint(9, "eslint")], parent=[lint(1), lint(0, "flake8")]))
    assert both.as_json()["terms"]["lint"]["new"] == 0


def test_several_tools_of_a_kind_are_summed() -> None:
    assert hone_reward(Evidence(HUNDRED, [lint(1), lint(2, "eslint")])).as_json()["terms"]["lint"]["new"] == 3


def test_coverage_counts_what_was_lost() -> None:
    def value(now: float, before: float) -> float:
        signals = [[Measured("coverage", "cov", True, coverage_pct=pct)] for pct in (now, before)]
        found: float = hone_reward(Evidence(signals=signals[0], parent=signals[1])).as_json()["terms"]["coverage"]["value"]
        return found

    assert value(80, 80) == value(90, 80) == 1.0
    assert value(79, 80) == 0.5


def test_tests_failing_in_both_trees_blame_nobody() -> None:
    old = named("abcd", "xy")
    assert hone_reward(Evidence(signals=[old], parent=[old])).value == 1.0
    new = hone_reward(Evidence(signals=[named("abcd", "xyz")], parent=[old]))
    assert new.veto is None, "a new test that fails breaks nothing that passed"
    assert new.value == 0.8


def test_kept_is_the_share_of_the_runs_lines() -> None:
    terms = hone_reward(Evidence(Lines(ai=3, human=1, written=4))).as_json()["terms"]
    assert terms["kept"] == {"value": 0.75, "weight": 0.15, "ai": 3, "written": 4}
    assert hone_reward(Evidence(Lines(ai=3, written=0))).value is None


def test_newest_word_and_newest_look_count() -> None:
    assert hone_reward(Evidence(outcomes=[Outcome("rejected", 1), Outcome("accepted", 2)])).value == 1.0
    assert hone_reward(Evidence(outcomes=[Outcome("rated", 2, 0.75), Outcome("accepted", 1)])).value == 0.75
    assert hone_reward(Evidence(outcomes=[Outcome("survived", 2, 0.5), Outcome("survived", 1, 1.0)])).value == 0.5
    assert hone_reward(Evidence(outcomes=[Outcome("committed", 2), Outcome("merged", 3)])).value is None


# vetoes


@pytest.mark.parametrize(
    ("signals", "parent", "outcomes", "tampered", "veto"),
    [
        ([Measured("compile", "cc", False), suite(10)], [], [], None, "compile"),
        ([Measured("compile", "cc", True)], [], [], None, None),
        ([named("ab", "c")], [named("abc")], [], None, "tests"),
        ([named("ab")], [named("abc")], [], None, "tests"),  # c is gone
        ([named("ab", command="pytest a")], [named("abc", command="pytest")], [], None, None),  # other tests were chosen
        ([named("ab", skipped=1)], [named("abc")], [], None, None),
        ([named("ab", skipped=1)], [named("abcd")], [], None, "tests"),
        ([named("abd")], [named("ab", "c")], [], None, None),
        ([suite(9, 1)], [suite(10)], [], None, "tests"),
        ([suite(9, 1)], [suite(8, 2)], [], None, None),
        ([suite(9, 1)], [named("abc")], [], None, "tests"),
        ([suite(9, 1)], [], [], None, None),  # the parent was not measured
        ([named("", "")], [named("a")], [], None, "tests"),
        ([suite(5)], [], [Outcome("rejected", 1)], None, "rejected"),
        ([suite(5)], [], [Outcome("reverted", 1)], None, "reverted"),
        ([suite(5)], [], [Outcome("reverted", 1), Outcome("relanded", 2)], None, None),
        ([suite(5)], [], [Outcome("reverted", 1), Outcome("relanded", 1)], None, None),
        ([suite(5)], [], [Outcome("reverted", 1), Outcome("relanded", 2), Outcome("reverted", 3)], None, "reverted"),
        ([suite(5)], [], [], True, "tampered"),
        ([suite(5)], [], [], False, None),
    ],
)
def test_vetoes(
    signals: list[Measured], parent: list[Measured], outcomes: list[Outcome], tampered: bool | None, veto: str | None
) -> None:
    found = hone_reward(Evidence(HUNDRED, signals, parent, outcomes, tampered))
    assert found.veto == veto
    assert (found.value == 0.0) == (veto is not None)
    assert any(found.terms.values()), "the terms are kept beside a veto"


# from rows


def row(kind: str, tool: str = "t", second: int = 0, **more: Any) -> dict[str, Any]:
    at = datetime(2026, 1, 1, 0, 0, second, tzinfo=timezone.utc)
    return {"kind": kind, "tool": tool, "recorded_at": at, "record_id": f"r{second}", "passed": True, **more}


def test_evidence_from_rows() -> None:
    details = json.dumps({"failed": ["b"], "passed": ["a"], "rules": {}})
    change = {"lines_ai": 8, "lines_human": 2, "lines_unknown": 0, "lines_written": 10}
    verdict = {"kind": "rated", "at": datetime(2026, 1, 1, tzinfo=timezone.utc), "value": 0.5}
    found = Evidence.of(
        change,
        [row("test", passed=False, tests_passed=1, tests_failed=1, tests_total=2, details=details), row("lint", errors=0)],
        [row("test", tests_passed=2, tests_failed=0, tests_total=2, details='{"failed": [], "passed": ["a", "b"]}')],
        [verdict],
    )
    assert found.lines.changed == 10
    one = hone_reward(found)
    assert one.veto == "tests"
    assert one.as_json()["terms"]["human"] == {"value": 0.5, "weight": 0.3, "verdict": "rated"}


def test_newest_measurement_of_a_tool_that_says_anything() -> None:
    rows = [row("lint", second=1, errors=5), row("lint", second=2, errors=3), row("lint", second=3, passed=None)]
    for order in (rows, rows[::-1]):
        assert [m.errors for m in newest(order)] == [3]


def test_a_row_that_cannot_be_true_is_left_out() -> None:
    broken = [row("test", second=3, tests_passed=8, tests_total=7), row("coverage", coverage_pct=140.0), row("smell")]
    assert [m.tests_passed for m in newest([row("test", tests_passed=7, tests_total=7), *broken])] == [7]
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert Evidence.of({"lines_ai": 1}, broken, [], [{"kind": "rated", "at": at, "value": 7.0}]).outcomes == []


@pytest.mark.parametrize("details", [None, "", "nope", "[]", '{"failed": 3, "passed": {}}'])
def test_damaged_details_are_as_good_as_none(details: str | None) -> None:
    assert Measured.of(row("test", details=details)).failed_tests is None


def test_seed_mode_on_evidence() -> None:
    evidence = Evidence(HUNDRED, [lint(2), suite(8, 2)], outcomes=[Outcome("accepted", 1)])
    assert reward(evidence, "seed").value == 0.945
    rated = Evidence(HUNDRED, [lint(2), suite(8, 2)], outcomes=[Outcome("rated", 1, 0.5)])
    assert reward(rated, "seed").value == 0.82
    assert reward(evidence, "seed", {"compile": 0, "tests": 1, "errors": 0, "human": 0}).value == 0.8
    assert reward(evidence).mode == "hone"


# properties

COUNTS = st.integers(0, 50)
PCT = st.floats(0, 100)
PASSED = st.none() | st.booleans()


@st.composite
def measured(draw: st.DrawFn) -> Measured:
    kind = draw(st.sampled_from(["compile", "lint", "type", "test", "coverage", "schema", "boundary"]))
    passed, failed, skipped = draw(st.tuples(COUNTS, COUNTS, COUNTS))
    return Measured(
        kind,
        draw(st.sampled_from("ab")),
        draw(PASSED),
        errors=draw(st.none() | COUNTS),
        tests_passed=passed,
        tests_failed=failed,
        tests_skipped=skipped,
        tests_total=passed + failed + skipped,
        coverage_pct=draw(st.none() | PCT),
    )


SIGNALS = st.lists(measured(), max_size=6, unique_by=lambda m: (m.kind, m.tool))
KINDS = st.sampled_from(["committed", "accepted", "rejected", "rated", "reverted", "relanded", "survived"])
OUTCOMES = st.lists(st.builds(Outcome, KINDS, st.integers(0, 3), st.none() | st.floats(0, 1)), max_size=4)
LINES = st.builds(Lines, *[st.none() | st.integers(0, 300)] * 4)
EVIDENCE = st.builds(Evidence, LINES, SIGNALS, SIGNALS, OUTCOMES, st.none() | st.booleans())
FAST = settings(deadline=None, max_examples=100)


@FAST
@given(EVIDENCE)
def test_bounds(evidence: Evidence) -> None:
    for mode in ("hone", "seed"):
        found = reward(evidence, mode)
        assert found.value is None or 0.0 <= found.value <= 1.0
        assert all(term is None or 0.0 <= term.value <= 1.0 for term in found.terms.values())
        json.dumps(found.as_json(), allow_nan=False)


@FAST
@given(EVIDENCE, st.randoms(use_true_random=False))
def test_order_does_not_matter(evidence: Evidence, chance: random.Random) -> None:
    shuffled = [list(part) for part in (evidence.signals, evidence.parent, evidence.outcomes)]
    for part in shuffled:
        chance.shuffle(part)
    again = Evidence(evidence.lines, *shuffled, tampered=evidence.tampered)
    assert hone_reward(again) == hone_reward(evidence)


@FAST
@given(EVIDENCE, st.sampled_from(["test", "lint", "type", "schema", "boundary"]), st.integers(1, 20), st.booleans())
def test_more_failures_never_raise_the_reward(evidence: Evidence, kind: str, extra: int, in_parent: bool) -> None:
    def with_failures(n: int) -> Evidence:
        mine = Measured(kind, "a", n == 0, errors=n, tests_passed=30 - n, tests_failed=n, tests_total=30)
        others = [m for m in evidence.signals if (m.kind, m.tool) != (kind, "a")]
        return Evidence(evidence.lines, [*others, mine], evidence.parent if in_parent else (), evidence.outcomes)

    fewer, more = (hone_reward(with_failures(n)).value for n in (10 - min(extra, 10), 10))
    assert fewer is not None
    assert more is not None
    assert more <= fewer


@FAST
@given(EVIDENCE, COUNTS, COUNTS, st.sampled_from(["lint", "coverage", "kept", "survival"]))
def test_a_missing_term_never_changes_who_wins(evidence: Evidence, first: int, second: int, missing: str) -> None:
    """Two changes that differ in their type errors only, with and without another term that both have."""

    def value(errors: int, whole: bool) -> float:
        signals = [m for m in evidence.signals if m.kind not in ("type", missing)]
        lines, outcomes = HUNDRED, [one for one in evidence.outcomes if one.kind != "survived"]
        signals.append(Measured("type", "mypy", errors == 0, errors=errors))
        if missing in ("lint", "coverage") and whole:
            signals.append(Measured(missing, "x", True, errors=3, coverage_pct=60))
        if missing == "kept" and not whole:
            lines = Lines(ai=100)
        if missing == "survival" and whole:
            outcomes.append(Outcome("survived", 9, 0.4))
        found = hone_reward(Evidence(lines, signals, (), outcomes)).value
        assert found is not None
        return found

    whole, part = (value(first, known) - value(second, known) for known in (True, False))
    assert whole * part >= 0
