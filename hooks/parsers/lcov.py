"""LCOV trace files (`lcov.info`), from lcov, Istanbul, cargo-llvm-cov and others."""

from __future__ import annotations

from git_hone.hooks.parsers.counts import Counts, bounded, numeral, percent
from git_hone.learner.errors import DataError

FORM = "LCOV"


def parse(data: bytes) -> Counts:
    """Covered lines in percent, missing lines by file. A file named twice (one record a test) counts once. Raises DataError."""
    hits: dict[str, dict[int, bool]] = {}
    totals: dict[str, tuple[int, int]] = {}  # for records without DA lines
    path, found, hit, begun = "", 0, 0, 0
    for n, raw in enumerate(data.splitlines(), 1):
        key, _, value = raw.strip().partition(b":")
        if key == b"SF":
            path, found, hit, begun = value.decode("utf-8", "surrogateescape"), 0, 0, n
            hits.setdefault(path, {})
        elif key in (b"DA", b"LF", b"LH") and not begun:
            raise DataError(f"{FORM}: line {n}: {key.decode()} outside a record (no SF line before it)")
        elif key == b"DA":
            number, _, rest = value.partition(b",")
            line = numeral(number, FORM, f"line {n}")
            times = rest.split(b",")[0].removeprefix(b"-")  # gcov can write a negative count: it overflowed
            hits[path][line] = hits[path].get(line, False) or numeral(times, FORM, f"line {n}") > 0
        elif key == b"LF":
            found = numeral(value, FORM, f"line {n}")
        elif key == b"LH":
            hit = numeral(value, FORM, f"line {n}")
        elif key == b"end_of_record":
            before = totals.get(path, (0, 0))
            totals[path] = (max(found, before[0]), max(hit, before[1]))
            begun = 0
    if begun:
        raise DataError(f"{FORM}: line {begun}: the record has no end_of_record")
    if not totals:
        raise DataError(f"{FORM}: line 1: no record (SF: ... end_of_record)")
    per_file = {path: (len(seen), sum(seen.values())) if seen else totals[path] for path, seen in hits.items()}
    return Counts(
        coverage_pct=percent(sum(h for _, h in per_file.values()), sum(f for f, _ in per_file.values())),
        details=bounded({"files": {path: f - h for path, (f, h) in per_file.items() if f > h}}),
    )
