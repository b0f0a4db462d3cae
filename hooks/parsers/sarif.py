"""SARIF 2.1, which most linters and scanners can write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from git_hone.hooks.parsers.counts import Counts, findings, load_json, need
from git_hone.learner.errors import DataError

FORM = "SARIF"


def parse(data: bytes) -> Counts:
    """Errors and warnings of all runs; notes, passes and accepted suppressions count nowhere. Raises DataError.

    passed is null when there is no run, or when a run says that its tool did not finish.
    """
    report = need(load_json(data, FORM), dict, FORM, "line 1")
    if not str(report.get("version", "")).startswith("2."):
        raise DataError(f"{FORM}: version: expected 2.1.0, found {str(report.get('version'))[:20]!r}")
    runs = need(report.get("runs"), list, FORM, "runs")
    found: list[tuple[str, str | None, str]] = []
    tool = version = None
    finished = bool(runs)
    for n, run in enumerate(runs):
        need(run, dict, FORM, f"run {n}")
        driver = _dict(_dict(run.get("tool"), f"run {n} tool").get("driver"), f"run {n} driver")
        tool = tool or _text(driver.get("name"))
        version = version or _text(driver.get("semanticVersion")) or _text(driver.get("version"))
        found += _results(run, driver, f"run {n}")
        for call in need(run.get("invocations", []), list, FORM, f"run {n} invocations"):
            finished = finished and _dict(call, f"run {n} invocation").get("executionSuccessful") is not False
    counts = findings(found, tool=tool.lower() if tool else None, tool_version=version)
    return counts if finished else Counts(**vars(counts) | {"passed": None})


def _results(run: dict[str, Any], driver: dict[str, Any], where: str) -> Iterator[tuple[str, str | None, str]]:
    levels = {}
    for rule in need(driver.get("rules", []), list, FORM, f"{where} rules"):
        _dict(rule, f"{where} rule")
        levels[rule.get("id") if isinstance(rule.get("id"), str) else None] = _dict(
            rule.get("defaultConfiguration"), f"{where} defaultConfiguration"
        ).get("level")
    for n, result in enumerate(need(run.get("results") or [], list, FORM, f"{where} results")):
        place = f"{where} result {n}"
        need(result, dict, FORM, place)
        if result.get("kind", "fail") != "fail" or _is_suppressed(result, place):
            continue
        rule_id = _text(result.get("ruleId")) or _text(_dict(result.get("rule"), place).get("id"))
        level = result.get("level") or levels.get(rule_id) or "warning"
        yield _path(result, place), rule_id, str(level)


def _is_suppressed(result: dict[str, Any], place: str) -> bool:
    given = need(result.get("suppressions") or [], list, FORM, f"{place} suppressions")
    states = [_dict(one, place).get("status", "accepted") for one in given]
    return bool(states) and all(state == "accepted" for state in states)


def _path(result: dict[str, Any], place: str) -> str:
    locations = need(result.get("locations") or [], list, FORM, f"{place} locations")
    if not locations:
        return ""
    physical = _dict(_dict(locations[0], place).get("physicalLocation"), place)
    uri = _text(_dict(physical.get("artifactLocation"), place).get("uri")) or ""
    return unquote(uri.removeprefix("file://"), errors="surrogateescape")


def _dict(value: Any, place: str) -> dict[str, Any]:
    found: dict[str, Any] = need({} if value is None else value, dict, FORM, place)
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
