"""What must be refused is refused, each for its own reason; what is better passes; the report says both."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner import config
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.gating import evaluation, report, verdict
from git_hone.learner.gating.evaluation import Attempt, Evaluation, Likelihood
from git_hone.learner.gating.verdict import Case

LIMITS = verdict.thresholds(config.Config(config.DEFAULTS))


def made(name: str, passed: list[bool], group: int = 1, **more: Any) -> Evaluation:
    """An evaluation of a model on as many tasks, `group` of them in one file family."""
    rows = tuple(Attempt(f"t{k:03}", f"f{k // group}.py", good, True, 0, 2.0) for k, good in enumerate(passed))
    values = {"suite": "own", "suite_hash": "5" * 64, "files": {name: name * 8}, "base_sha256": "b" * 64, "divergence": 0.0001,
              "likelihood": Likelihood(1.7, 900, "c" * 64), "settings": {"temperature": 0.0}}  # fmt: skip
    return Evaluation(name, attempts=rows, **values | more)


def case(candidate: list[bool], incumbent: list[bool], *, group: int = 1, **more: Any) -> Case:
    """Both on the target suite, and unchanged on a guard suite of 200 tasks."""
    guard = [k % 3 > 0 for k in range(200)]
    sides = {"suite": "guard", "suite_hash": "6" * 64}
    values = {"guard": (made("new", guard, **sides), made("old", guard, **sides)), "look": 1, "thresholds": LIMITS} | more
    return Case(made("new", candidate, group), made("old", incumbent, group), **values)


BETTER = [True] * 14 + [False] * 6, [False] * 12 + [True] * 2 + [False] * 6


def change(of: Case, **more: Any) -> Case:
    return dataclasses.replace(of, candidate=dataclasses.replace(of.candidate, **more))


def each(of: Case, **more: Any) -> Case:
    return change(of, attempts=tuple(dataclasses.replace(one, **more) for one in of.candidate.attempts))


def test_an_honest_improvement_is_promoted() -> None:
    found = verdict.decide(case(*BETTER))
    assert found.promote
    assert (found.won, found.lost, found.both, found.neither, found.tasks) == (12, 0, 2, 6, 20)
    assert found.p == 2**-12
    assert {check.outcome for check in found.checks} == {"pass"}


GUARD = [k % 3 > 0 for k in range(200)]
WORSE_GUARD = [good and k % 10 > 0 for k, good in enumerate(GUARD)]
SIDES = {"suite": "guard", "suite_hash": "6" * 64}
REFUSED: dict[str, tuple[str, Case]] = {
    "too few tasks tell them apart": ("superiority: underpowered: 5 of 20", case([True] * 5 + [False] * 15, [False] * 20)),
    "as many lost as won": ("superiority: 6 won, 6 lost", case([True] * 6 + [False] * 6, [False] * 6 + [True] * 6)),
    "not better": ("superiority: underpowered: 0 of 20", case([True] * 20, [True] * 20)),
    "all in one file": ("superiority", case(*BETTER, group=20)),
    "worse on the guard suite": (
        "guard", case(*BETTER, guard=(made("new", WORSE_GUARD, **SIDES), made("old", GUARD, **SIDES)))),
    "no guard suite": ("guard: no guard suite", case(*BETTER, guard=None)),
    "the wrong base": ("integrity: the candidate sits on another base", change(case(*BETTER), base_sha256="d" * 64)),
    "the same files": ("integrity: candidate and incumbent are the same", change(case(*BETTER), files={"old": "old" * 8})),
    "a fault in the files": ("integrity: holds a pickle", change(case(*BETTER), faults=("holds a pickle",))),
    "other files on the guard suite": (
        "integrity: the files on the guard suite",
        case(*BETTER, guard=(made("new", GUARD, files={"x": "y"}, **SIDES), made("old", GUARD, **SIDES)))),
    "a conversion that lost the adapter": ("divergence: 0.51000 nats", change(case(*BETTER), divergence=0.51)),
    "a conversion that was not compared": ("divergence: the served file was not", change(case(*BETTER), divergence=None)),
    "over-trained": ("likelihood: general code: +0.268", change(case(*BETTER), likelihood=Likelihood(1.968, 900, "c" * 64))),
    "another general code": ("likelihood: the two were", change(case(*BETTER), likelihood=Likelihood(1.7, 900, "d" * 64))),
    "answers that cannot be used": ("format: -100.0 points", each(case(*BETTER), usable=False)),
    "three times as slow": ("latency: 6.00 s a task against 2.00 s: x3.00", each(case(*BETTER), seconds=6.0)),
    "a leaked secret": ("canary: a secret stands in the answers to t000, t001", each(case(*BETTER), leaked=1)),
    "one look too many": ("looks: look 3 of 2", case(*BETTER, look=3)),
    "thresholds changed on the way": ("looks: look 2 of 2 at this version of the suite: the thresholds were",
                                      case(*BETTER, look=2, registered="other")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(name: str) -> None:
    reason, tried = REFUSED[name]
    found = verdict.decide(tried)
    assert not found.promote
    assert found.reason.startswith(reason)
    assert len(found.checks) == len(verdict.CHECKS)
    text = report.markdown(found)
    assert text.startswith("# Gate: refuse new")
    assert found.reason in text
    assert json.loads(report.as_json(found))["promote"] is False


def test_a_check_may_be_missing_only_where_the_configuration_says_so() -> None:
    allowed = dataclasses.replace(LIMITS, optional=("guard", "divergence"))
    tried = change(case(*BETTER, guard=None, thresholds=allowed), divergence=None)
    found = verdict.decide(tried)
    assert found.promote
    assert "| guard | not measured, may be missing |" in report.markdown(found)
    failed = change(case(*BETTER, thresholds=allowed), divergence=0.5)
    assert verdict.decide(failed).reason.startswith("divergence")


def test_fewer_looks_leave_a_higher_level() -> None:
    six = [True] * 6 + [False] * 14, [False] * 20
    assert not verdict.decide(case(*six, thresholds=dataclasses.replace(LIMITS, max_looks=5))).promote
    assert verdict.decide(case(*six)).promote


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (made("old", [True] * 20, suite_hash="7" * 64), "evaluated on own"),
        (made("old", [True] * 19), "only one of the two tried t019"),
        (made("old", [True] * 20, settings={"temperature": 0.7}), "different temperature"),
    ],
)
def test_what_was_not_asked_the_same_is_not_compared(other: Evaluation, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        verdict.decide(dataclasses.replace(case(*BETTER), incumbent=other))


def test_an_evaluation_is_read_as_it_was_written(tmp_path: Path) -> None:
    of = made("new", [True, False])
    file = tmp_path / "e.json"
    file.write_text(evaluation.dump(of))
    assert evaluation.load(file) == of
    assert evaluation.dump(evaluation.load(file)) == file.read_text()


def edit(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"passed": false', '"passed": true', "was changed after it was written"),
        ('"leaked": 0', '"leaked": -1', "leaked: a count"),
        ('"seconds": 2.0', '"seconds": NaN', "seconds: a number"),
        ('"version": 1', '"version": 2', "version 2"),
        ('"task": "t001"', '"task": "t000"', "stands twice"),
        ('"suite": "own"', '"suit": "own"', "suit"),
        ("{", "", "not JSON"),
    ],
)
def test_an_evaluation_that_was_changed_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "e.json"
    file.write_text(edit(evaluation.dump(made("new", [True, False])), old, new))
    with pytest.raises(DataError, match=words) as error:
        evaluation.load(file)
    assert str(file) in str(error.value)
