"""What our own pytest plugin writes (`hooks/reports/pytest_report.py`): one JSON array a line, ["test id", "outcome"]."""

from __future__ import annotations

from git_hone.hooks.parsers.counts import Counts, load_json, need, of_tests
from git_hone.learner.errors import DataError

FORM = "pytest outcomes"
RANK = {"passed": 0, "skipped": 1, "failed": 2}


def parse(data: bytes) -> Counts:
    """The worst outcome of each test id over its phases and runs. Raises DataError. A torn last line is left out."""
    worst: dict[str, str] = {}
    for n, line in enumerate(data.split(b"\n")[:-1], 1):
        entry = need(load_json(line, FORM), list, FORM, f"line {n}")
        if len(entry) != 2 or not all(isinstance(word, str) for word in entry) or entry[1] not in RANK:
            raise DataError(f"{FORM}: line {n}: expected a test id and an outcome")
        name, outcome = entry
        if RANK[outcome] >= RANK[worst.get(name, "passed")]:
            worst[name] = outcome
    return of_tests(worst.items(), tool="pytest")
