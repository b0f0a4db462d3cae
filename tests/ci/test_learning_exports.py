"""The first job of the loop on a runner: a fresh clone, whose `.agent/data` came with the commit, learns what the developer's clone does."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from git_hone.cli import main

_spec = importlib.util.spec_from_file_location("hone_played_here", Path(__file__).with_name("played.py"))
assert _spec and _spec.loader
played = importlib.util.module_from_spec(_spec)
sys.modules["hone_played_here"] = played
_spec.loader.exec_module(played)


def test_a_clone_with_the_committed_record_exports_the_same(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history = played.History(tmp_path / "repo", home)
    history.weeks(3)
    history.git("add", "-f", ".agent/data")
    history.git("commit", "-q", "-m", "Share the record")
    played.subprocess.run(["git", "clone", "-q", str(history.repo), str(tmp_path / "runner")], check=True)
    told = []
    for folder in (history.repo, tmp_path / "runner"):
        monkeypatch.chdir(folder)
        assert main(["init"]) == 0
        capsys.readouterr()
        assert main(["learn", "export", "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    here, runner = told
    assert here["outputs"] == runner["outputs"]
    assert int(runner["outputs"]["rows"]) > 0
    assert runner["outputs"]["enough"] == "false"
    assert runner["report"].startswith(
        f"# Export: {runner['outputs']['rows']} examples of coder to train on\n\nToo few for a training"
    )
    assert "## How" in runner["report"]
    (Path(".agent") / "learning-config.json").write_text(json.dumps({"version": 1, "autoTrain": {"minExamples": 1}}))
    assert main(["learn", "export", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["enough"] == "true"
