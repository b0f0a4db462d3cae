"""What checks said before a change and no longer say after it, as text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from git_hone.learner.fates import detail_of

Row = Mapping[str, Any]
MOST: Final = 40
"""Names of one kind that are listed."""


def mended(parent: Iterable[Row], after: Iterable[Row]) -> str:
    """What each tool found in the parent's tree and passes in the tree: rows of SIGNALS of both. Empty where nothing was mended, or where
    one of the trees was not measured.

    >>> row = {"kind": "test", "tool": "pytest", "recorded_at": 1.0, "tests_failed": 1, "tests_total": 9}
    >>> before = row | {"passed": False, "details": {"failed": ["test_a.py::test_x"]}}
    >>> print(mended([before], [row | {"passed": True}]))
    pytest: 1 of 9 tests failed
    - test_a.py::test_x
    >>> mended([before], [before])
    ''
    """
    now = _newest(after)
    said = [
        _words(row)
        for key, row in sorted(_newest(parent).items())
        if row["passed"] is False and now.get(key, {}).get("passed") is True
    ]
    return "\n\n".join(said)


def _newest(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    best: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row.get("recorded_at") or 0.0, str(row.get("record_id")))):
        if row.get("passed") is not None:
            best[str(row["kind"]), str(row.get("tool") or "")] = row
    return best


def _words(row: Row) -> str:
    details = detail_of({"detail": row.get("details")})
    if row["kind"] == "test" and row.get("tests_failed") is not None:
        of = f" of {row['tests_total']}" if row.get("tests_total") else ""
        head = f"{row['tests_failed']}{of} tests failed"
    elif row.get("errors"):
        head = f"{row['errors']} errors"
    else:
        head = "failed"
    names = [str(name) for name in details.get("failed") or ()]
    for key in ("rules", "files"):
        counts = details.get(key)
        names += [f"{name}: {n}" for name, n in sorted(counts.items())] if isinstance(counts, Mapping) else []
    more = [f"- and {len(names) - MOST} more"] if len(names) > MOST else []
    return "\n".join([f"{row.get('tool') or row['kind']}: {head}", *(f"- {name}" for name in names[:MOST]), *more])
