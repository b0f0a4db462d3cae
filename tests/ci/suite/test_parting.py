"""`git hone suite set-aside`, as a person calls it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.learner import ledger
from git_hone.learner.suite.tasks import Environment, File, Manifest, Origin, Task


def task(k: int, module: str) -> tuple[Task, bytes]:
    raw, path = f"x = {k}\n".encode(), f"{module}.py"
    environment = Environment("3.11", ("pytest",), (), (".",), None, "", {}, "declared")
    one = Task(f"t{k}", "mined", "Do it", (path,), {path: File(hashlib.sha256(raw).hexdigest())}, {}, {path: None}, ("{python}",), ("t::a",), (),
               0, 10.0, 1.0, environment, Origin("0" * 40, "2026-01-01T00:00:00Z"))  # fmt: skip
    return one, raw


@pytest.fixture
def agent(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    made = repo()
    monkeypatch.chdir(made.path)
    folder: Path = made.path / ".agent"
    made_of = [task(k, f"m{k // 2}") for k in range(16)]  # two tasks of each module
    contents = {hashlib.sha256(raw).hexdigest(): raw for _, raw in made_of}
    storing.save(
        storing.folder_of(folder, "repository"), Manifest("repository", tuple(one for one, _ in made_of)), contents.__getitem__
    )
    return folder


def test_a_part_is_set_aside_whole_and_apart(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suite", "set-aside", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept, aside = (storing.load(storing.folder_of(agent, name)) for name in ("repository", "held-out"))
    assert (told["kept"], told["aside"]) == (12, 4) == (len(kept.manifest.tasks), len(aside.manifest.tasks))
    assert (told["kept_hash"], told["aside_hash"]) == (kept.manifest.hash, aside.manifest.hash)
    files = [{path for one in side.manifest.tasks for path in one.edit} for side in (kept, aside)]
    assert (len(files[1]), files[0] & files[1]) == (2, set())
    for side in (kept, aside):
        for one in side.manifest.tasks:
            assert side.content(one.files[one.edit[0]].sha256) == f"x = {one.id[1:]}\n".encode()
    assert main(["suite", "set-aside"]) == 2
    assert "held-out: stands already" in capsys.readouterr().err


def test_not_once_the_gate_has_looked_and_not_less_than_a_family(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suite", "set-aside", "--share", "0.1"]) == 2
    assert "its 16 tasks share their files: no 10% of them stand apart" in capsys.readouterr().err
    ledger.append(agent, {"what": "gate", "suite_hash": storing.read_manifest(storing.folder_of(agent, "repository")).hash})
    assert main(["suite", "set-aside"]) == 2
    assert "the gate has looked at this version of repository" in capsys.readouterr().err
    assert storing.names(agent) == ["repository"]
