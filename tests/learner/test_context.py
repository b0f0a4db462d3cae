"""Context: read from a file that may be wrong, drawn with the probability that is logged, judged by what came of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest

from git_hone.learner import context
from git_hone.learner.context import Bundle, Item, Shown
from git_hone.learner.errors import ConfigError
from git_hone.learner.store import Store

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
GUIDE = Bundle("style", (Item("guide", "doc", "docs/style.md", 900), Item("rule", "text", "Be brief.", 3)))
API = Bundle("api", (Item("types", "files", "src/api/*.py", 2500),))
GOOD: list[dict[str, Any]] = [
    {"id": "style", "items": [{"id": "guide", "kind": "doc", "value": "docs/style.md", "tokens": 900},
                              {"id": "rule", "kind": "text", "value": "Be brief...."}]},
    {"id": "api", "name": "The API", "items": [{"id": "types", "kind": "files", "value": "src/api/*.py", "tokens": 2500}]},
]  # fmt: skip


def test_the_file_is_read_and_none_is_no_fault(tmp_path: Path) -> None:
    assert context.load(tmp_path) == []
    (tmp_path / context.FILE).write_text(json.dumps(GOOD))
    style, api = context.load(tmp_path)
    assert (style.tokens, style.items[1].tokens, api.name, api.items[0].kind) == (903, 3, "The API", "files")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows[0].pop("id"), "entry 1: id is missing"),
        (lambda rows: rows[1].update(id="style"), "entry 2 (style): the id is already that of entry 1"),
        (lambda rows: rows[0].update(item=1), "unknown key 'item'"),
        (lambda rows: rows[0].update(items=[]), "entry 1 (style): a list of items with at least one entry"),
        (lambda rows: rows[0]["items"][0].update(kind="web"), "entry 1 (guide): kind: one of files, doc, pattern, text"),
        (lambda rows: rows[0]["items"][0].update(tokens=-1), "tokens: at least 1"),
        (lambda rows: rows[0]["items"][0].pop("tokens"), "tokens is missing"),
        (lambda rows: rows[0]["items"].append(7), "entry 3: an object is wanted"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_place(tmp_path: Path, change: Any, says: str) -> None:
    rows = json.loads(json.dumps(GOOD))
    change(rows)
    (tmp_path / context.FILE).write_text(json.dumps(rows))
    with pytest.raises(ConfigError) as caught:
        context.load(tmp_path)
    assert says in caught.value.message and context.FILE in caught.value.message
    own = ("tokens is missing", "already that of")  # what a schema cannot say
    assert any(one in says for one in own) or list(jsonschema.Draft202012Validator(context.schema()).iter_errors(rows))


def test_the_schema_takes_what_is_read() -> None:
    jsonschema.validate(GOOD, context.schema())
    assert context.check(Path("f"), GOOD) == []


def test_the_lift_is_that_of_the_context_and_not_of_the_tasks_it_was_offered_for() -> None:
    """Offered mostly for easy tasks, it does nothing: the plain difference of means would say +0.3."""
    drawn = Random(1)
    rows = []
    for _ in range(3000):
        easy = drawn.random() < 0.5
        propensity = 0.9 if easy else 0.1
        rows.append(Shown("c", drawn.random() < propensity, propensity, drawn.gauss(0.8 if easy else 0.4, 0.1)))
    plain = [[row.reward for row in rows if row.included is side] for side in (True, False)]
    assert sum(plain[0]) / len(plain[0]) - sum(plain[1]) / len(plain[1]) > 0.25
    lift = context.lifts(rows)["c"]
    assert lift.value is not None and lift.low is not None and lift.high is not None
    assert lift.low < 0 < lift.high and abs(lift.value) < 0.05


def test_intervals_of_the_lift_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(300):
        drawn = Random(seed)
        rows = []
        for _ in range(150):
            propensity = drawn.choice((0.2, 0.5, 0.8))
            included = drawn.random() < propensity
            rows.append(Shown("c", included, propensity, 0.5 + 0.1 * included + drawn.gauss(0, 0.2)))
        lift = context.lifts(rows)["c"]
        held += lift.low is not None and lift.high is not None and lift.low <= 0.1 <= lift.high
    assert 0.91 <= held / 300 <= 0.98


def test_too_few_say_so_and_a_sure_choice_says_nothing() -> None:
    few = context.lifts([Shown("a", True, 0.5, 1.0)] * 30 + [Shown("a", False, 0.5, 0.0)] * 4 + [Shown("b", True, 1.0, 1.0)] * 30)
    assert few["a"].value is None and (few["a"].n_with, few["a"].n_without) == (30, 4)
    assert "b" not in few


def test_what_helps_is_offered_more_and_everything_is_tried_as_often_as_it_is_logged() -> None:
    seen = [Shown("style", k % 2 == 0, 0.5, 0.9 if k % 2 == 0 else 0.5) for k in range(60)]
    seen += [Shown("api", k % 2 == 0, 0.5, 0.3 if k % 2 == 0 else 0.7) for k in range(60)]
    drawn = Random(3)
    offers = [context.choose([GUIDE, API], context.measured(seen), drawn) for _ in range(2000)]
    for name, chance in (("style", 0.95), ("api", 0.05)):
        rows = [one for offer in offers for one in offer if one.id == name]
        assert {round(one.propensity, 6) for one in rows} == {chance}
        assert sum(one.included for one in rows) / 2000 == pytest.approx(chance, abs=0.02)
    items = [one for offer in offers for one in offer if one.id == "style/guide"]
    assert len(items) == sum(offer[0].included for offer in offers)
    assert sum(one.included for one in items) / len(items) == pytest.approx(items[0].propensity, abs=0.03)
    assert not any(one.id.startswith("api/") for offer in offers for one in offer)


def test_a_kind_of_task_has_lifts_of_its_own() -> None:
    seen = [Shown("api", k % 2 == 0, 0.5, 0.9 if k % 2 == 0 else 0.5, "fix") for k in range(60)]
    seen += [Shown("api", k % 2 == 0, 0.5, 0.1 if k % 2 == 0 else 0.9, "docs") for k in range(60)]
    assert context.choose([API], context.measured(seen), Random(0), kind="fix")[0].propensity == 0.95
    assert context.choose([API], context.measured(seen), Random(0), kind="docs")[0].propensity == pytest.approx(0.05)


def test_the_budget_holds() -> None:
    for seed in range(100):
        offered = context.choose([GUIDE, API], {}, Random(seed), budget_tokens=2600)
        assert sum(item.tokens for item in context.items_of([GUIDE, API], offered)) <= 2600
        assert all(not one.included for one in offered if one.propensity == 0.0)
    none = context.choose([API], {}, Random(0), budget_tokens=100)
    assert none == [context.Offer("api", False, 0.0)]


def test_what_was_offered_is_joined_with_the_reward_of_the_first_attempt(tmp_path: Path) -> None:
    store = Store(tmp_path)
    runs, changes, decisions = [], [], []
    for k, reward in enumerate((0.9, 0.2, None)):
        for step in (0, 1):
            name = f"D{k}.{step}"
            runs.append({"record_id": f"e{name}", "recorded_at": AT, "run_id": f"r{name}", "started_at": AT, "evidence": "hook",
                         "decision_id": name, "task_kind": "fix"})  # fmt: skip
            changes.append({"record_id": f"c{name}", "recorded_at": AT, "change_id": f"I{name}", "committed_at": AT, "state": "live",
                            "run_ids": [f"r{name}"], "reward": reward if step == 0 else 1.0})  # fmt: skip
        decisions.append({"record_id": f"d{k}", "recorded_at": AT + timedelta(days=k), "decision_id": f"D{k}.context",
                          "kind": "context", "context": [{"id": "api", "included": k == 0, "propensity": 0.5}]})  # fmt: skip
    store.append("runs", runs)
    store.append("changes", changes)
    store.append("decisions", decisions)
    assert context.shown(store) == [Shown("api", True, 0.5, 0.9, "fix"), Shown("api", False, 0.5, 0.2, "fix")]
    assert context.shown(store, AT + timedelta(hours=1)) == [Shown("api", False, 0.5, 0.2, "fix")]
