"""From what tests said to what a task is: which tests the solution makes pass, which ones tell nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Outcomes = Mapping[str, str]
"""{test id, path::class::name: passed | failed | skipped}"""

PASSED: Final = "passed"


@dataclass(frozen=True)
class Split:
    """fail_to_pass, pass_to_pass: sorted test ids; flaky: how many tests did not end alike every time."""

    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    flaky: int


@dataclass(frozen=True)
class Verdict:
    """Of one attempt at a task. passed: every test of both lists passed; failed: those that did not, a missing one among them."""

    passed: bool
    fail_to_pass: int
    pass_to_pass: int
    failed: tuple[str, ...]


def split(before: Sequence[Outcomes], after: Sequence[Outcomes]) -> Split:
    """Which tests failed before and passed after, and which passed both times, in every one of the runs.

    A test that a run does not name counts as failed there: a file that cannot be imported names none of its tests. A test that
    ends one way in one run and another way in the next, before or after, is flaky and in neither list.

    >>> split([{"a": "failed", "b": "passed"}] * 3, [{"a": "passed", "b": "passed", "c": "passed"}] * 3)
    Split(fail_to_pass=('a', 'c'), pass_to_pass=('b',), flaky=0)
    >>> split([{"a": "failed"}, {"a": "passed"}], [{"a": "passed"}, {"a": "passed"}])
    Split(fail_to_pass=(), pass_to_pass=(), flaky=1)
    """
    names = sorted({name for run in (*before, *after) for name in run})
    became, stayed, flaky = list[str](), list[str](), 0
    for name in names:
        was = {run.get(name) == PASSED for run in before}
        now = {run.get(name) == PASSED for run in after}
        if len(was) > 1 or len(now) > 1:
            flaky += 1
        elif now == {True}:
            (stayed if was == {True} else became).append(name)
    return Split(tuple(became), tuple(stayed), flaky)


def judge(fail_to_pass: Sequence[str], pass_to_pass: Sequence[str], outcomes: Outcomes) -> Verdict:
    """What an attempt achieved. A test that the run does not name failed; a skipped one did not pass.

    >>> judge(["a"], ["b"], {"a": "passed"})
    Verdict(passed=False, fail_to_pass=1, pass_to_pass=0, failed=('b',))
    """
    failed = tuple(name for name in (*fail_to_pass, *pass_to_pass) if outcomes.get(name) != PASSED)
    good = sum(outcomes.get(name) == PASSED for name in fail_to_pass)
    kept = sum(outcomes.get(name) == PASSED for name in pass_to_pass)
    return Verdict(not failed and bool(fail_to_pass), good, kept, failed)
