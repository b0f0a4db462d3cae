"""A scratch repository with a remote, a suite of seven tasks and two models that one test server answers for."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.arena import venvs
from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.hooks.install import workflow
from git_hone.learner import ledger
from git_hone.learner.suite.declared import Declared
from git_hone.learner.suite.environments import steps
from git_hone.learner.suite.tasks import Environment, File, Manifest, Origin, Task

for _name in ("expressions", "runner"):
    _spec = importlib.util.spec_from_file_location(f"hone_{_name}", Path(__file__).with_name(f"{_name}.py"))
    assert _spec and _spec.loader
    sys.modules[f"hone_{_name}"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[f"hone_{_name}"])
runner = sys.modules["hone_runner"]

TASKS = 7
"""One more than so many must tell two models apart."""
GH = """#!/bin/sh
[ "$1" = pr ] || { echo "$*" >> "$0.asked"; cat "$0.runs" 2> /dev/null; exit 0; }
printf '%s\\n' "$@" > "$0.said"
for last; do :; done
cat "$last" >> "$0.said"
"""
CONFIG = {
    "version": 1,
    "autoTrain": {"minExamples": 12, "epochs": 1},
    "promotion": {"optional": ["guard", "likelihood", "divergence", "latency"], "maxLatency": 100},
}


def suite(n: int = TASKS) -> tuple[Manifest, dict[str, bytes]]:
    """`double` of so many modules is wrong, and each has a test of its own."""
    contents: dict[str, bytes] = {}

    def put(text: str) -> File:
        raw = text.encode()
        contents[hashlib.sha256(raw).hexdigest()] = raw
        return File(hashlib.sha256(raw).hexdigest())

    step = next(iter(steps(Declared(package=None))))
    environment = Environment(venvs.PYTHON, step.requirements, step.constraints, (".",), None, "", {}, step.name)
    command = (
        "{python}",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--disable-plugin-autoload",
        "--junitxml={junit}",
        "-o",
        "junit_family=xunit1",
    )
    tasks = []
    for k in range(n):
        test = {f"test_m{k}.py": put(f"from m{k} import double\n\n\ndef test_double():\n    assert double(3) == 6\n")}
        tasks.append(
            Task(f"t{k}", "mined", f"Let double of m{k} double.", (f"m{k}.py",), {f"m{k}.py": put("def double(x):\n    return x\n")}, test,
                 {f"m{k}.py": put("def double(x):\n    return 2 * x\n")}, (*command, f"test_m{k}.py"),
                 (f"test_m{k}.py::test_double",), (), 0, 60.0, 1.0, environment, Origin("0" * 40, "2026-01-01T00:00:00Z"))
        )  # fmt: skip
    return Manifest("repository", tuple(tasks)), contents


def answers(body: Any) -> str:
    """What the models say: `good` doubles, every other one will not."""
    asked = re.search(r"FILE: (m\d\.py)", body["messages"][-1]["content"])
    return f"FILE: {asked[1]}\n```python\ndef double(x):\n    return x + x\n```\n" if asked and body["model"] == "good" else "No."


@dataclass
class Scratch:
    """clone: where a person works. remote: bare. gh: the stand-in for GitHub's command; what
    it was called with stands in gh.said and gh.asked, and gh.runs holds its answer about earlier runs. run: a run of the workflow."""

    clone: Any
    remote: Any
    gh: Path
    work: Path
    secrets: dict[str, str]
    edit: Callable[[str], str] = str

    def refs(self) -> dict[str, str]:
        rows = (row.split(" ") for row in self.remote.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines())
        return dict(rows)

    def run(self, inputs: dict[str, str] | None = None, **variables: str) -> dict[str, Any]:
        jobs: dict[str, Any] = self._run(inputs, variables).all()
        return jobs

    def promote(self, line: dict[str, Any]) -> Any:
        """The last job alone, after a gate that wrote this line."""
        folder = self.work / "artifacts" / "hone-gate"
        folder.mkdir(parents=True)
        ledger.append(folder, line)
        gate = runner.Job(outputs={"verdict": "promote"})
        return self._run(None, {}).all(dict.fromkeys(("export", "train", "evaluate"), runner.Job()) | {"gate": gate})["promote"]

    def after_export(self, rows: str, **variables: str) -> dict[str, Any]:
        """All jobs but the first, which exported these rows."""
        folder = self.work / "artifacts" / "hone-export"
        folder.mkdir(parents=True)
        (folder / "coder_sft.train.jsonl").write_text(rows)
        jobs: dict[str, Any] = self._run(None, variables).all(
            {"export": runner.Job(outputs={"enough": "true", "artifact": "", "artifact_run": ""})}
        )
        return jobs

    def _run(self, inputs: dict[str, str] | None, variables: dict[str, str]) -> Any:
        text = self.edit((self.clone.path / workflow.FILE).read_text())
        return runner.Run(
            text, self.remote.path, self.work, inputs=inputs, variables=variables, secrets=self.secrets, tools=self.gh.parent
        )


@pytest.fixture
def scratch(
    repo: Callable[..., Any], environments: Path, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Scratch:  # fmt: skip
    """`indirect` parameter: how many tasks the suite has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(environments))
    server = serve("openai-compatible", text=answers)
    remote, clone = repo("remote.git", "--bare"), repo("clone")
    monkeypatch.chdir(clone.path)
    assert main(["init", "--workflow"]) == 0
    clone.write(".agent/learning-config.json", json.dumps(CONFIG))
    models = [
        {
            "id": name,
            "provider": "openai-compatible",
            "endpoint": server.endpoint,
            "model": name,
            "local": True,
            "api_key_env": "HONE_API_KEY",
        }
        for name in ("good", "bad", "worse")
    ]
    clone.write(".agent/model_variants.json", json.dumps(models))
    manifest, contents = suite(getattr(request, "param", TASKS))
    storing.save(storing.folder_of(clone.path / ".agent", "repository"), manifest, contents.__getitem__)
    clone.git("add", "-f", ".agent/suite")
    clone.commit("Use git-hone")
    clone.git("remote", "add", "origin", str(remote.path))
    clone.git("push", "-q", "origin", "main")
    tools = tmp_path / "tools"
    tools.mkdir()
    gh = tools / "gh"
    gh.write_text(GH)
    gh.chmod(0o755)
    return Scratch(clone, remote, gh, tmp_path / "github", {"HONE_API_KEY": sys.modules["hone_test_server"].KEY})
