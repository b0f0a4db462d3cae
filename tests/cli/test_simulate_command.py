"""`git hone simulate`: a table, a plot, files, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_hone.cli import main
from git_hone.cli.commands import simulate
from git_hone.learner.simulation.playing import PLAYERS
from git_hone.learner.simulation.world import SCENARIOS


def test_names_are_those_of_the_worlds() -> None:
    assert set(simulate.NAMES) == set(SCENARIOS)


def test_it_shows_a_table_and_a_plot(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--tasks", "12", "--runs", "2"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in PLAYERS)
    assert "cumulative regret" in told and "* always paid" in told


def test_json_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--scenario", "delays", "--tasks", "8", "--runs", "1", "--plot", str(tmp_path / "p"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tasks"], told["criterion"]) == (8, None)
    assert told["players"].keys() == PLAYERS.keys()
    assert told["players"]["always local"]["spend_usd"] == {"mean": 0.0, "low": None, "high": None}
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == sorted(f"delays-{what}.svg" for what in simulate.PLOTS)


def test_the_verdict_is_told_where_it_is_asked_for() -> None:
    told = {
        "paid_calls_down": {"mean": 0.6},
        "spend_down": {"mean": 0.58},
        "reward_less": {"mean": 0.03, "low": None},
        "met": True,
    }
    line = "tasks 101 to 200 against always paid: paid calls down by 60 %, spend by 58 %, reward +0.030"
    assert simulate._criterion(told, asked=False) == line
    assert (
        simulate._criterion(told, asked=True)
        == f"{line}\ncalls down by at least half, and reward not lower within the interval: yes"
    )


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["simulate", "--tasks", "2", "--runs", "1", "--plot", str(tmp_path / "file" / "p")]) == 2
    assert "name a folder that can be written" in capsys.readouterr().err
