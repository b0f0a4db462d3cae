"""What a reward is made from: a change's lines, the measurements of its tree and of its parent's, and its outcomes. Pure.

`Evidence.of` makes it from rows of the store (`git_hone.learner.tables`); a row that says the impossible is left out there, and
raises where it is given by hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

Row = Mapping[str, Any]

FINDINGS: Final = ("lint", "type", "schema", "boundary")
KINDS: Final = ("compile", "test", "coverage", *FINDINGS)


@dataclass(frozen=True)
class Lines:
    """Lines of a change by author, and how many the runs wrote for it; None is not known."""

    ai: int | None = None
    human: int | None = None
    unknown: int | None = None
    written: int | None = None

    def __post_init__(self) -> None:
        for name in ("ai", "human", "unknown", "written"):
            count(f"lines.{name}", getattr(self, name))

    @property
    def changed(self) -> int:
        return (self.ai or 0) + (self.human or 0) + (self.unknown or 0)


@dataclass(frozen=True)
class Measured:
    """What one tool measured of one tree: the columns of SIGNALS that a reward needs, with the same meaning of null.

    `passed_tests` and `failed_tests` are test ids, None when the report named none. Raises ValueError, naming the field, for a
    negative count, more tests passed than there were, and a coverage outside 0..100.
    """

    kind: str
    tool: str = ""
    passed: bool | None = None
    errors: int | None = None
    tests_passed: int | None = None
    tests_failed: int | None = None
    tests_skipped: int | None = None
    tests_total: int | None = None
    coverage_pct: float | None = None
    command: str | None = None
    passed_tests: frozenset[str] | None = None
    failed_tests: frozenset[str] | None = None
    skipped_tests: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: one of {', '.join(KINDS)}, not {self.kind!r}")
        for name in ("errors", "tests_passed", "tests_failed", "tests_skipped", "tests_total"):
            count(name, getattr(self, name))
        counted = sum(value or 0 for value in (self.tests_passed, self.tests_failed, self.tests_skipped))
        if self.tests_total is not None and counted > self.tests_total:
            raise ValueError(f"tests_passed: {counted} passed, failed and skipped, but tests_total is {self.tests_total}")
        _range("coverage_pct", self.coverage_pct, 100.0)

    @classmethod
    def of(cls, row: Row) -> Measured:
        """From a row of SIGNALS. A damaged `details` is as good as none."""
        details = _details(row.get("details"))
        return cls(
            kind=str(row["kind"]),
            **{name: row.get(name) for name in ROW_COLUMNS},
            tool=str(row.get("tool") or ""),
            passed_tests=_ids(details.get("passed")),
            failed_tests=_ids(details.get("failed")),
            skipped_tests=_ids(details.get("skipped")) or frozenset(),
        )

    @property
    def n_failed(self) -> int:
        """Failed tests; from the total when the report names only what passed; at least 1 when the verdict is no."""
        n = self.tests_failed
        if n is None and self.tests_total is not None and self.tests_passed is not None:
            n = self.tests_total - self.tests_passed - (self.tests_skipped or 0)
        return max(n or 0, 1) if self.passed is False and self.tests_total != 0 else n or 0

    @property
    def n_passed(self) -> int:
        """Passed tests; from the total when the report names only what failed; 1 when all that is known is a yes."""
        if self.tests_passed is not None:
            return self.tests_passed
        if self.tests_total is not None:
            return max(0, self.tests_total - self.n_failed - (self.tests_skipped or 0))
        return 1 if self.passed and not self.tests_failed else 0

    @property
    def n_errors(self) -> int:
        return max(self.errors or 0, 1) if self.passed is False else self.errors or 0


ROW_COLUMNS: Final = ("passed", "errors", "tests_passed", "tests_failed", "tests_skipped", "tests_total", "coverage_pct",
                      "command")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What people or time did: a row of OUTCOMES. `at` is seconds since 1970."""

    kind: str
    at: float
    value: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.at):
            raise ValueError(f"at: a time, not {self.at}")
        _range("value", self.value, 1.0)

    @classmethod
    def of(cls, row: Row) -> Outcome:
        at = row["at"]
        return cls(str(row["kind"]), at.timestamp() if isinstance(at, datetime) else float(at), row.get("value"))


@dataclass(frozen=True)
class Evidence:
    """All that a reward is made from. `parent` holds the signals of the parent's tree, empty when it was not measured."""

    lines: Lines = field(default_factory=Lines)
    signals: Sequence[Measured] = ()
    parent: Sequence[Measured] = ()
    outcomes: Sequence[Outcome] = ()
    tampered: bool | None = None

    @classmethod
    def of(
        cls,
        change: Row,
        signals: Iterable[Row] = (),
        parent: Iterable[Row] = (),
        outcomes: Iterable[Row] = (),
        tampered: bool | None = None,
    ) -> Evidence:
        """From a row of CHANGES, the rows of SIGNALS of its tree and of its parent's tree, and its rows of OUTCOMES. Without
        `tampered`, what the change's flags say counts."""
        outcomes = list(outcomes)
        lines = Lines(*(change.get(f"lines_{name}") for name in ("ai", "human", "unknown", "written")))
        return cls(
            lines,
            newest(signals),
            newest(parent),
            _outcomes(outcomes),
            tampering(change.get("flags"), outcomes) if tampered is None else tampered,
        )


NOTED_FLAGS: Final = frozenset({"swallowed_error"})
"""Kinds of flags that are shown to a person and veto nothing: people write such code for good reasons too."""


def flag_key(flag: Mapping[str, Any]) -> str:
    """What makes a flag the same one after a rebase, when its line has moved."""
    return "|".join(str(flag.get(name)) for name in ("kind", "path", "detail"))


def uncleared(flags: Any, outcomes: Iterable[Row]) -> list[Mapping[str, Any]]:
    """The flags that no person has cleared. `flags`: the column of CHANGES."""
    cleared = {str(key) for row in outcomes if row["kind"] == "cleared" for key in _details(row.get("detail")).get("flags") or ()}
    given = flags if isinstance(flags, (list, tuple)) else ()
    return [flag for flag in given if isinstance(flag, Mapping) and flag_key(flag) not in cleared]


def tampering(flags: Any, outcomes: Iterable[Row]) -> bool | None:
    """Whether a change weakens what measures it: True when an agent, or nobody known, did something that no person has
    cleared; False when it was judged and is clean; None when it was not judged, or not whole.

    >>> tampering(None, []), tampering([], [])
    (None, False)
    >>> skipped = {"kind": "test_skipped", "path": "test_a.py", "line": 3, "detail": "`test_a`", "by": "agent"}
    >>> tampering([skipped], []), tampering([skipped | {"by": "human"}], [])
    (True, False)
    >>> tampering([skipped], [{"kind": "cleared", "detail": {"flags": [flag_key(skipped)]}}])
    False
    """
    if flags is None:
        return None
    left = uncleared(flags, outcomes)
    if any(flag.get("kind") not in {*NOTED_FLAGS, "not_judged"} and flag.get("by") != "human" for flag in left):
        return True
    return None if any(flag.get("kind") == "not_judged" for flag in left) else False


def newest(rows: Iterable[Row]) -> list[Measured]:
    """The newest measurement of each (kind, tool) that says anything.

    A run that could not start hides no earlier one. A row that cannot be true (8 of 7 tests) is no measurement: one damaged
    report must not keep every later reward from being computed, so here, unlike in `Measured`, it is left out.
    """
    best: dict[tuple[str, str], tuple[tuple[float, str], Measured]] = {}
    for row in rows:
        try:
            measured = Measured.of(row)
        except (ValueError, TypeError):
            continue
        key, age = (measured.kind, measured.tool), _age(row)
        if measured.passed is not None and (key not in best or age >= best[key][0]):
            best[key] = age, measured
    return [best[key][1] for key in sorted(best)]


def _age(row: Row) -> tuple[float, str]:
    at = row.get("recorded_at")
    seconds = at.timestamp() if isinstance(at, datetime) else float(at or 0.0)
    return seconds, str(row.get("record_id") or "")


def _outcomes(rows: Iterable[Row]) -> list[Outcome]:
    """The outcomes that can be true, as with `newest`."""
    out = []
    for row in rows:
        try:
            out.append(Outcome.of(row))
        except (ValueError, TypeError):
            continue
    return out


# vetoes


def _details(raw: Any) -> Mapping[str, Any]:
    try:
        value = json.loads(raw) if isinstance(raw, (str, bytes)) else raw
    except ValueError:
        return {}
    return value if isinstance(value, Mapping) else {}


def _ids(value: Any) -> frozenset[str] | None:
    return frozenset(map(str, value)) if isinstance(value, (list, tuple)) else None


def count(name: str, value: int | None) -> int:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: a count, not {value}")
    return int(value or 0)


def _range(name: str, value: float | None, top: float) -> None:
    if value is not None and not 0.0 <= value <= top:
        raise ValueError(f"{name}: between 0 and {top:g}, not {value}")
