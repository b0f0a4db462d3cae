"""Few-shot examples: only what proved itself, near to the task, unlike each other, within the budget."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner import examples
from git_hone.learner.examples import Source
from git_hone.learner.router.features import task
from git_hone.learner.store import Store

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
FLAG = {"kind": "test_skipped", "path": "t.py", "line": 1, "detail": "x", "by": "agent"}


def fill(store: Store, name: str, *, outcomes: tuple[str, ...] = (), day: int = 14, **more: Any) -> None:
    """A change of its own run, landed and looked at on `day` unless something else is said."""
    run = {"record_id": f"e{name}", "recorded_at": AT, "run_id": f"r{name}", "started_at": AT, "evidence": "hook",
           "task": f"mend the parser of {name}", "task_kind": "fix"}  # fmt: skip
    change = {"record_id": f"c{name}", "recorded_at": AT, "change_id": name, "commit": name, "committed_at": AT, "state": "live",
              "agent": "a", "run_ids": [f"r{name}"], "reward": 0.9, "trust": "own", "flags": [],
              "files": [{"path": "src/parse.py", "ai": 3}]}  # fmt: skip
    store.append("runs", [run | {key: more.pop(key) for key in ("task", "role") if key in more}])
    store.append("changes", [change | more])
    happened = [{"record_id": f"o{name}", "recorded_at": AT, "change_id": name, "kind": "survived", "at": AT + timedelta(days=day),
                 "value": 1.0, "detail": {"age_days": day}}]  # fmt: skip
    happened += [{"record_id": f"o{name}{kind}", "recorded_at": AT, "change_id": name, "kind": kind, "at": AT + timedelta(days=2)}
                 for kind in outcomes]  # fmt: skip
    store.append("outcomes", happened)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, True),
        ({"outcomes": ("reverted",)}, False),
        ({"outcomes": ("reverted", "relanded")}, True),
        ({"flags": [FLAG]}, False),
        ({"flags": [FLAG | {"by": "human"}]}, True),
        ({"flags": None}, False),
        ({"reward": 0.69}, False),
        ({"reward": None}, False),
        ({"day": 7}, False),
        ({"trust": "fork"}, False),
        ({"state": "dropped"}, False),
        ({"task": None}, False),
        ({"task": " "}, False),
        ({"role": "fixer"}, False),
    ],
)
def test_only_what_proved_itself_is_shown(tmp_path: Path, given: dict[str, Any], shown: bool) -> None:
    store = Store(tmp_path)
    fill(store, "other")
    fill(store, "it", **given)
    found = {one.change_id: one for one in examples.sources(store)}
    assert ("it" in found, "other" in found) == (shown, True)
    assert found["other"].task.path == ("fix", "?", "python", "src")


def test_since_leaves_older_ones_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, "it")
    assert examples.sources(store, AT + timedelta(days=1)) == []


def source(name: str, text: str, day: int = 0) -> Source:
    return Source(name, task(text, kind="fix"), text, 0.9, 86400.0 * day, f"+code of {name}")


KNOWN = [
    source("near", "mend the date parser for leap years"),
    source("twin", "mend the date parser for leap years", 1),
    source("other", "mend the date parser when the zone is missing"),
    source("far", "colour the buttons of the page blue"),
]


def test_near_and_diverse() -> None:
    asked = task("mend the date parser for leap seconds", kind="fix")
    shots = examples.pick(asked, KNOWN, most=2)
    assert [shot.change_id for shot in shots] == ["twin", "other"]  # the newer of equals, then not the same again
    assert shots[0].alike > shots[1].alike
    alone = examples.pick(asked, KNOWN, most=2, balance=1.0)
    assert [shot.change_id for shot in alone] == ["twin", "near"]
    assert examples.pick(task("mend"), []) == []
    nothing = task("quite another thing", kind="docs")
    assert examples.pick(nothing, KNOWN) == []


def test_the_budget_holds_and_nothing_is_cut() -> None:
    asked = task("mend the date parser for leap seconds", kind="fix")
    sizes = {"twin": 9000, "near": 200, "other": 200, "far": 200}
    shots = examples.pick(asked, [one._replace(text="x" * sizes[one.change_id]) for one in KNOWN], budget_tokens=150)
    assert [shot.change_id for shot in shots] == ["near", "other"]
    assert sum(shot.tokens for shot in shots) <= 150 and all(len(shot.text) == 200 for shot in shots)
    gone = examples.pick(asked, [one._replace(text="" if one.change_id == "twin" else "x") for one in KNOWN], most=1)
    assert [shot.change_id for shot in gone] == ["near"]


def test_what_people_made_of_it_is_there_to_be_shown(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("pairs", [
        {"record_id": "p1", "recorded_at": AT, "pair_id": "p1", "change_id": "c1", "chosen": {"text": "better\n"},
         "output": {"text": "bad\n"}, "origin": "human-improved"},
        {"record_id": "p2", "recorded_at": AT, "pair_id": "p2", "change_id": "c2", "chosen": None, "origin": "kept"},
    ])  # fmt: skip
    assert examples.improved(store) == {"c1": "better\n"}
