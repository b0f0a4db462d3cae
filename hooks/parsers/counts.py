"""What a report says: numbers, and a bounded list of names. Never source code, messages or host names."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from git_hone.learner.errors import DataError

MAX_TESTS: Final = 2000
MAX_NAMES: Final = 500
MAX_NAME: Final = 400
ANSI: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


@dataclass(frozen=True)
class Counts:
    """The measured columns of the table of signals; null where the report does not say.

    passed: the report's own verdict, null when it has none (coverage) or says that the tool did not run.
    tests_failed holds errored tests and files that could not be collected; tests_skipped holds expected failures.
    details: {"failed": [ids], "passed": [ids], "rules": {rule: n}, "files": {path: n}, "truncated": true}, each part only
    where the report has it, paths as the tool wrote them. tool, tool_version: what the report says made it.
    """

    passed: bool | None = None
    errors: int | None = None
    warnings: int | None = None
    tests_passed: int | None = None
    tests_failed: int | None = None
    tests_skipped: int | None = None
    tests_total: int | None = None
    coverage_pct: float | None = None
    details: Mapping[str, Any] | None = None
    tool: str | None = None
    tool_version: str | None = None

    def __or__(self, other: Counts) -> Counts:
        """These counts, and from `other` what these leave open; both must have passed.

        >>> Counts(passed=True, tests_total=2) | Counts(coverage_pct=81.5)
        Counts(passed=True, errors=None, warnings=None, tests_passed=None, tests_failed=None, tests_skipped=None, \
tests_total=2, coverage_pct=81.5, details=None, tool=None, tool_version=None)
        """
        mine = {name: value for name, value in vars(self).items() if value is not None}
        verdicts = [one.passed for one in (self, other) if one.passed is not None]
        both = {**(other.details or {}), **(self.details or {})}
        return replace(other, **mine | {"passed": all(verdicts) if verdicts else None, "details": both or None})


def findings(found: Iterable[tuple[str, str | None, str]], **known: Any) -> Counts:
    """Counts of a linter or type checker. `found`: (path, rule or None, "error" | "warning" | anything else = a note).

    passed means no errors. Notes count nowhere.
    """
    levels = {"error": 0, "warning": 0}
    rules: dict[str, int] = {}
    files: dict[str, int] = {}
    for path, rule, level in found:
        if level not in levels:
            continue
        levels[level] += 1
        if rule:
            rules[rule] = rules.get(rule, 0) + 1
        if path:
            files[path] = files.get(path, 0) + 1
    numbers = {"errors": levels["error"], "warnings": levels["warning"]} | known
    return Counts(**{"passed": numbers["errors"] == 0} | numbers, details=bounded({"rules": rules, "files": files}))


def of_tests(outcomes: Iterable[tuple[str, str]], *, also_failed: int = 0, **known: Any) -> Counts:
    """Counts of a test run. `outcomes`: (test id, "passed" | "failed" | "skipped"). No test that ran is not a pass.

    >>> of_tests([("a", "skipped")]).passed
    False
    """
    ids: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for name, outcome in outcomes:
        ids[outcome].append(name)
    good, bad, skipped = len(ids["passed"]), len(ids["failed"]) + also_failed, len(ids["skipped"])
    numbers = {"tests_passed": good, "tests_failed": bad, "tests_skipped": skipped, "tests_total": good + bad + skipped}
    return Counts(
        **{"passed": bad == 0 and good > 0} | numbers | known,
        details=bounded({"failed": ids["failed"], "passed": ids["passed"]}),
    )


def bounded(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """`details` within the limits: failed tests first, then as many passed ones as fit; the commonest rules and files."""
    out: dict[str, Any] = {}
    room, cut = MAX_TESTS, False
    for key in ("failed", "passed"):
        if names := sorted(set(details.get(key, ()))):
            out[key] = [_short(name) for name in names[:room]]
            cut, room = cut or len(names) > room, max(0, room - len(names))
    for key in ("rules", "files"):
        if numbers := details.get(key):
            most = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
            out[key] = {_short(name): n for name, n in sorted(most[:MAX_NAMES])}
            cut = cut or len(most) > MAX_NAMES
    if cut:
        out["truncated"] = True
    return {key: value for key, value in out.items() if value} or None


def _short(name: str) -> str:
    """A name within MAX_NAME; a longer one keeps its start and a hash, so that it stays the same name next time."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 13]}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def percent(part: float, whole: float) -> float | None:
    """part / whole in 0..100, two decimals; null when there was nothing to cover."""
    return round(min(100.0, max(0.0, 100.0 * part / whole)), 2) if whole > 0 else None


def load_json(data: bytes, form: str) -> Any:
    """The JSON value in `data`. Raises DataError that names the format, line, column and byte."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{form}: line {error.lineno} column {error.colno} (character {error.pos}): {error.msg}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{form}: byte {error.start}: not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{form}: line 1: {error}") from error


def need(value: Any, kind: type | tuple[type, ...], form: str, place: str) -> Any:
    """`value` when it is a `kind` (a bool is no number). Raises DataError that names the place."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)
        raise DataError(f"{form}: {place}: expected {wanted}, found {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{form}: {place}: not a finite number")
    return value


def count(value: Any, form: str, place: str) -> int:
    """`value` when it is a count: a whole number from 0. Raises DataError that names the place."""
    number: int = need(value, int, form, place)
    if not 0 <= number < 1 << 53:
        raise DataError(f"{form}: {place}: not a count: {str(number)[:30]}")
    return number


def numeral(words: str | bytes | None, form: str, place: str) -> int:
    """The count written in `words`. Raises DataError that names the place."""
    raw = words.encode() if isinstance(words, str) else words or b""
    if not re.fullmatch(rb"[0-9]{1,15}", raw):
        raise DataError(f"{form}: {place}: not a count: {raw[:30]!r}")
    return int(raw)


def lines_of(data: bytes) -> list[str]:
    """The lines of a terminal's text, without colours; bytes that are no UTF-8 are kept as surrogates."""
    return ANSI.sub(b"", data).replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape").split("\n")


def nothing_found(form: str, data: bytes) -> DataError:
    """The error for a text without the line a tool ends with."""
    last = data.count(b"\n") + 1
    return DataError(f"{form}: line {last} (byte {len(data)}): ends without the line that sums it up")
