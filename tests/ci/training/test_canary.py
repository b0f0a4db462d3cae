"""A challenger from its deployment over the decisions it gets to what becomes of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from git_hone.ci import choosing
from git_hone.ci.deploying import champions
from git_hone.cli import main
from git_hone.hooks.place import find
from git_hone.learner import ledger
from git_hone.learner.store import Store

from .deploying_bench import NAME, TAKES, Bench

NEW = f"{NAME}-challenger"


@pytest.fixture
def tried(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Any:
    """A repository with git-hone, a champion, and a challenger with half of the decisions; the server."""
    assert main(["init"]) == 0
    server = bench.serve(TAKES)
    bench.promoted(server, "aaa", capsys)
    folder = bench.adapter("bbb")
    bench.gate(folder / "adapter.gguf", name="bbb")
    assert bench.deploy(server, "--canary", "0.5") == 0
    capsys.readouterr()
    return server


def fill(bench: Bench, mine: float, theirs: float, n: int = 400) -> None:
    """n decisions since the trial began, every second one the challenger's, whose changes earned these rewards."""
    since = datetime.fromisoformat(str((champions.load(bench.agent)["coder"].challenger or {})["since"]))
    runs, changes, decisions = [], [], []
    for i in range(n):
        at, chosen, reward = since + timedelta(seconds=i), (NEW, NAME)[i % 2], (mine, theirs)[i % 2]
        runs.append({"record_id": f"e{i}", "recorded_at": at, "run_id": f"r{i}", "agent": "claude-code", "model": chosen,
                     "started_at": at, "task": "mend it", "evidence": "hook", "decision_id": f"D{i}.0"})  # fmt: skip
        changes.append({"record_id": f"c{i}", "recorded_at": at, "change_id": f"I{i}", "commit": f"{i:040x}", "committed_at": at,
                        "state": "live", "run_ids": [f"r{i}"], "trust": "own", "reward": reward + 0.05 * (i % 3 - 1)})  # fmt: skip
        decisions.append({"record_id": f"d{i}", "recorded_at": at, "decision_id": f"D{i}.0", "kind": "model", "policy": "prior", "step": 0,
                          "chosen": chosen, "propensity": 0.5, "propensities": {NEW: 0.5, NAME: 0.5}})  # fmt: skip
    store = Store(find(bench.root).data)
    for table, rows in (("runs", runs), ("changes", changes), ("decisions", decisions)):
        store.append(table, rows)


def trial(capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert main(["adapters", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["deployed"]["coder"]["challenger"]["trial"]


@pytest.mark.usefixtures("tried")
def test_the_router_gives_it_its_share_and_says_with_what_probability(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    place = find(bench.root)
    choices = [choosing.choose(place, place.agent, "mend the parser", log=False).choice for _ in range(300)]
    led = [one for one in choices if one.plan.models[0] == NEW]
    assert 110 < len(led) < 190  # half of 300, five standard deviations to each side
    assert {one.propensity for one in led} == {0.5}
    asked = [choosing.choose(place, place.agent, "mend the parser", shape=False) for _ in range(12)]
    assert main(["route", "--task", "mend the parser", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [share for plan, share in told["propensities"].items() if plan.split(" > ")[0] == NEW] == [0.5]
    assert main(["adapters"]) == 0
    n = sum(one.choice.plan.models[0] == NEW for one in asked) + (told["steps"][0]["model"] == NEW)
    assert f"decisions since: {n} challenger" in capsys.readouterr().out
    rows = {row["decision_id"]: row for row in Store(place.data).rows("decisions")}
    for one in asked:
        row = rows[f"{one.id}.0"]
        assert (row["chosen"], row["propensity"]) == (one.choice.plan.models[0], one.choice.propensity)
        assert sum(row["propensities"].values()) == pytest.approx(1.0)


@pytest.mark.usefixtures("tried")
def test_a_model_that_was_named_is_the_only_one(bench: Bench) -> None:
    place = find(bench.root)
    for name in (NAME, NEW):
        shares = choosing.choose(place, place.agent, "x", log=False, only_model=name).choice.shares
        assert dict(shares) == {name: 1.0}


@pytest.mark.usefixtures("tried")
def test_champions_that_cannot_be_read_stop_no_decision(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    (bench.agent / "champions.json").write_text("{")
    assert main(["route", "--task", "x"]) == 0
    assert "champions.json" in (said := capsys.readouterr().err) and "no challenger is tried" in said


def test_too_little_changes_nothing(bench: Bench, tried: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fill(bench, 0.9, 0.4, n=20)
    before = tried.serving(NAME)
    assert trial(capsys)["verdict"] == "not enough evidence"
    assert main(["deploy", "--settle"]) == 1
    assert tried.serving(NAME) == before and champions.load(bench.agent)["coder"].challenger


def test_a_better_one_takes_the_champion_s_place(bench: Bench, tried: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fill(bench, 0.9, 0.4)
    told = trial(capsys)
    assert (told["verdict"], told["decisions"]) == ("promote", {"challenger": 200, "champion": 200, "others": 0})
    assert told["low"] < told["difference"] < told["high"] and told["difference"] == pytest.approx(0.5, abs=0.01)
    assert main(["deploy", "--settle", "--base", str(bench.made.base), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "bbb"
    role = champions.load(bench.agent)["coder"]
    assert (role.champion, role.challenger) == ("bbb", None)
    assert tried.serving(NAME)["asked"]["model"] == f"{NAME}:bbb" and tried.serving(NEW) is None
    (line,) = [line for line in ledger.read(bench.agent) if line["what"] == "evidence"]
    assert line["numbers"] == told


def test_a_worse_one_is_dropped(bench: Bench, tried: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fill(bench, 0.3, 0.8)
    champion = tried.serving(NAME)
    assert main(["deploy", "--settle"]) == 0
    assert "roll back" in capsys.readouterr().out
    assert tried.serving(NAME) == champion and tried.serving(NEW) is None
    assert champions.load(bench.agent)["coder"].challenger is None
    assert main(["deploy", "--settle"]) == 2
    assert "no challenger of coder" in capsys.readouterr().err


@pytest.mark.usefixtures("tried")
def test_shares_of_two_roles_stay_below_all(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server = bench.serve(TAKES)
    folder = bench.adapter("ccc", "judge")
    words = [
        "deploy",
        "--role",
        "judge",
        "--base",
        str(bench.made.base),
        "--server",
        server.address,
        "--adapter",
        str(folder),
        "--force",
    ]
    assert main([*words, "--canary", "0.5"]) == 2
    assert "50% of the decisions already" in capsys.readouterr().err
