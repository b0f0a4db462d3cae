"""Cobertura XML, from `coverage xml`, gcovr, JaCoCo converters, Istanbul and others."""

from __future__ import annotations

import math

from git_hone.hooks.parsers.counts import Counts, bounded, numeral, percent
from git_hone.hooks.parsers.markup import walk
from git_hone.learner.errors import DataError

FORM = "Cobertura XML"


def parse(data: bytes) -> Counts:
    """Covered lines in percent, missing lines by file. Raises DataError. Null when there was no line to cover."""
    root: dict[str, str] = {}
    lines: dict[str, dict[int, bool]] = {}
    tags: list[str] = []
    path = ""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal path
        if not tags:
            if tag != "coverage":
                raise DataError(f"{FORM}: line 1: the root is <{tag[:40]}>, expected <coverage>")
            root.update(attributes)
        elif tag == "class":
            path = attributes.get("filename", "")
        elif tag == "line" and tags[-2:] == ["class", "lines"]:  # a method's lines are listed twice
            number = numeral(attributes.get("number"), FORM, f"{path[:80]} line number")
            hit = numeral(attributes.get("hits"), FORM, f"{path[:80]} line {number} hits") > 0
            seen = lines.setdefault(path, {})
            seen[number] = seen.get(number, False) or hit
        tags.append(tag)

    def end(_: str) -> None:
        tags.pop()

    walk(data, FORM, start, end)
    missing = {path: sum(not hit for hit in seen.values()) for path, seen in lines.items()}
    return Counts(coverage_pct=_share(root, lines), details=bounded({"files": {path: n for path, n in missing.items() if n}}))


def _share(root: dict[str, str], lines: dict[str, dict[int, bool]]) -> float | None:
    """From the lines themselves; else the totals; else the rate."""
    if lines:
        return percent(sum(sum(seen.values()) for seen in lines.values()), sum(map(len, lines.values())))
    if "lines-valid" in root and "lines-covered" in root:
        return percent(numeral(root["lines-covered"], FORM, "lines-covered"), numeral(root["lines-valid"], FORM, "lines-valid"))
    try:
        rate = float(root["line-rate"])
    except (KeyError, ValueError) as error:
        raise DataError(f"{FORM}: line 1: no line-rate") from error
    if not math.isfinite(rate):
        raise DataError(f"{FORM}: line 1: line-rate is not a finite number")
    return percent(rate, 1.0)
