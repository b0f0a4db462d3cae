"""The repository of `git hone demo --train`: what it is asked for is what its tests hold, and none of it is in what is learned from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from git_hone.cli import house
from git_hone.cli.stage import Stage


def test_every_function_passes_its_own_test_and_no_plain_one_does(tmp_path: Path) -> None:
    for one in (*house.LEARNED, *house.TASKS):
        (tmp_path / one.path).write_text(one.code)
        (tmp_path / f"test_{one.name}.py").write_text(one.test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    whole = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert f"{2 * (len(house.LEARNED) + len(house.TASKS))} passed" in whole.stdout
    for one in house.TASKS:
        (tmp_path / one.path).write_text(f"def {one.call}:\n    return {one.gives}\n")
    plain = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert f"{2 * len(house.TASKS)} failed" in plain.stdout


def test_a_task_is_nothing_that_was_learned() -> None:
    assert not {one.name for one in house.TASKS} & {one.name for one in house.LEARNED}
    assert not {one.gives for one in house.TASKS} & {one.gives for one in house.LEARNED}


def test_what_the_agent_wrote_is_exported_and_a_later_decline_is_seen(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "house")
    house.found(stage, {"driftDetection": {"evaluationRuns": 2, "minPerformanceDrop": 0.1}})
    house.work(stage, house.LEARNED[:3], house.TASKS[:1])
    house.decline(stage, "served")
    house.ripen(stage)
    assert stage.hone("export", "--role", "coder", quiet=True) == 0
    rows = [json.loads(line) for line in (stage.repo / ".agent/sft/coder_sft.jsonl").read_text().splitlines()]
    assert [row["prompt"][-1]["content"] for row in rows][:3] == [one.asked for one in house.LEARNED[:3]]
    assert all("expected" in row["completion"][0]["content"] for row in rows)
    command = [sys.executable, "-I", "-m", "git_hone.cli", "stats", "--drift", "--json"]
    done = subprocess.run(command, cwd=stage.repo, env=stage.env, capture_output=True, text=True, check=True)
    assert {one["model"]: one["alarm"] is not None for one in json.loads(done.stdout)["drift"]}["served"] is True
