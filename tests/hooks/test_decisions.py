"""A choice in the inbox becomes a row, and the runs of the agent that it started name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from git_hone import hooks
from git_hone.hooks import inbox
from git_hone.hooks.drain import drain
from git_hone.hooks.place import find
from git_hone.learner.store import Store

Play = Any

ROW = {"decision_id": "d1", "kind": "model", "policy": "prior", "chosen": "small", "propensity": 0.9,
       "propensities": {"small": 0.9, "large": 0.1}, "reasons": ["cheap"], "left_over": 1}  # fmt: skip


def test_a_decision_is_filed_once_with_the_columns_of_its_table(p: Play) -> None:
    inbox.put(p.place.inbox, {"v": 1, "type": "decision", "at": 1000.0, "row": ROW})
    drain(p.place)
    drain(p.place)
    (row,) = Store(p.place.data).rows("decisions")
    assert (row["decision_id"], row["chosen"], row["propensity"]) == ("d1", "small", 0.9)
    assert row["propensities"] == {"small": 0.9, "large": 0.1}
    assert row["budget_usd"] is None
    assert "left_over" not in row


def test_a_decision_without_an_id_is_passed_over(p: Play) -> None:
    inbox.put(p.place.inbox, {"v": 1, "type": "decision", "row": {"kind": "model"}})
    assert drain(p.place).unreadable == 0
    assert Store(p.place.data).rows("decisions") == []


@pytest.mark.parametrize(("given", "kept"), [("d1", "d1"), ("d1\npath=/etc/passwd", "d1"), ("", None)])
def test_an_agents_runs_name_the_decision_that_started_it(p: Play, given: str, kept: str | None) -> None:
    p.env["HONE_DECISION"] = given
    p.turn("a.py", "one")
    p.commit("one")
    drain(p.place)
    (run,) = Store(p.place.data).rows("runs")
    assert run["decision_id"] == kept


def test_the_python_interface_takes_it_from_the_environment(p: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_DECISION", "d2")
    with hooks.run("mine", repository=p.repo):
        Path(p.repo, "b.py").write_text("x = 1\n")
    drain(find(p.repo))
    (run,) = Store(p.place.data).rows("runs")
    assert run["decision_id"] == "d2"
