"""What GitHub does with a workflow file, for a bare repository on this machine: jobs by their `needs`, each in a fresh folder.

`run:` lines are executed as they stand, by the shell and with the environment that GitHub gives them. The four actions that we use are
done here as their documentation says. A key, an expression or an action that is not known is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hone_expressions import Unknown, condition, filled

KEYS = {
    "workflow": {"name", "on", "permissions", "concurrency", "env", "jobs"},
    "job": {"name", "needs", "if", "runs-on", "timeout-minutes", "permissions", "outputs", "env", "steps"},
    "step": {"name", "id", "if", "uses", "with", "run", "env", "working-directory", "shell"},
}
SHELLS = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}


class Failed(Exception):
    """A step failed."""


@dataclass
class Job:
    """result: success | failure | skipped. log: what the steps printed. ran: names of the steps that were carried out."""

    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""
    ran: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)


def only(known: str, found: Mapping[Any, Any], where: str) -> None:
    if more := {str(key) for key in found if key is not True} - KEYS[known]:
        raise Unknown(f"{where}: {sorted(more)}")


class Run:
    """One run of a workflow. inputs: what a person filled in, None for the schedule. variables, secrets: of the repository. tools: a folder
    that comes first on the PATH."""

    def __init__(
        self, text: str, remote: Path, work: Path, *, inputs: Mapping[str, str] | None, variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None, tools: Path | None = None,
    ) -> None:  # fmt: skip
        self.body = yaml.safe_load(text)
        only("workflow", self.body, "workflow")
        self.remote, self.work, self.tools, self.secrets = remote, work, tools, dict(secrets or {})
        declared = self.body[True]["workflow_dispatch"]["inputs"]  # YAML 1.1 reads `on` as true
        self.inputs: dict[str, str | None] = dict.fromkeys(declared)
        if inputs is not None:
            self.inputs |= {name: one.get("default", "") for name, one in declared.items()} | dict(inputs)
            for name, one in declared.items():
                if name not in self.inputs or (one["type"] == "choice" and self.inputs[name] not in one["options"]):
                    raise Unknown(f"GitHub would not take {name}={self.inputs[name]!r}")
        assert self.inputs.keys() == declared.keys()
        self.contexts: dict[str, Any] = {
            "inputs": self.inputs, "vars": dict(variables or {}), "secrets": self.secrets, "github": {"token": "ghs_of-this-run"},
        }  # fmt: skip
        self.jobs: dict[str, Job] = {}

    def all(self, before: Mapping[str, Job] | None = None) -> dict[str, Job]:
        """Run every job, in the order of their needs, but those that ended as `before` says."""
        self.jobs = dict(before or {})
        waiting = {name: job for name, job in self.body["jobs"].items() if name not in self.jobs}
        while waiting:
            name = next(one for one, job in waiting.items() if not set(needs_of(job)) & waiting.keys())
            self.jobs[name] = self._job(name, waiting.pop(name))
        return self.jobs

    def _ancestors(self, names: list[str]) -> set[str]:
        return {*names, *(far for one in names for far in self._ancestors(self.jobs[one].needs))}

    def _job(self, name: str, job: dict[str, Any]) -> Job:
        only("job", job, name)
        made = Job(needs=needs_of(job))
        contexts = self.contexts | {
            "needs": {one: {"result": self.jobs[one].result, "outputs": self.jobs[one].outputs} for one in made.needs}
        }
        before = [self.jobs[one].result for one in self._ancestors(made.needs)]
        status = {"success": lambda: all(one == "success" for one in before), "failure": lambda: "failure" in before,
                  "cancelled": lambda: False, "always": lambda: True}  # fmt: skip
        if not condition(job.get("if"), contexts, status):
            made.result, made.outputs = "skipped", dict.fromkeys(job.get("outputs", {}), "")
            return made
        folder = self.work / name
        for part in ("workspace", "temp"):
            (folder / part).mkdir(parents=True)
        steps: dict[str, dict[str, Any]] = {step["id"]: {"outputs": {}} for step in job["steps"] if "id" in step}
        own = {"GITHUB_STEP_SUMMARY": folder / "summary", "GITHUB_ENV": folder / "env"}
        state = {"success": lambda: made.result == "success", "failure": lambda: made.result == "failure",
                 "cancelled": lambda: False, "always": lambda: True}  # fmt: skip
        more: dict[str, str] = {}
        for number, step in enumerate(job["steps"], 1):
            only("step", step, f"{name}, step {number}")
            whole = contexts | {"steps": steps}
            if not condition(step.get("if"), whole, state):
                continue
            env = {}
            for given in (self.body.get("env", {}), job.get("env", {}), more, step.get("env", {})):
                env |= {key: filled(value, whole, state) for key, value in given.items()}
            output = folder / f"output-{number}"
            for file in (*own.values(), output):
                file.touch()
            made.ran.append(step.get("name") or step.get("uses") or step["run"])
            try:
                if "uses" in step:
                    given = {key: filled(value, whole, state) for key, value in step.get("with", {}).items()}
                    self._action(step["uses"].split("@")[0], given, folder / "workspace")
                else:
                    env |= {key: str(value) for key, value in own.items()} | {"GITHUB_OUTPUT": str(output)}
                    made.log += self._run(step, filled(step["run"], whole, state), env, folder)
            except Failed as failed:
                made.result, made.log = "failure", f"{made.log}{failed}"
            more |= read(own["GITHUB_ENV"])
            steps[step.get("id", str(number))] = {"outputs": read(output)}
        made.summary = own["GITHUB_STEP_SUMMARY"].read_text()
        made.outputs = {key: filled(value, contexts | {"steps": steps}, state) for key, value in job.get("outputs", {}).items()}
        return made

    def _run(self, step: Mapping[str, Any], text: str, env: Mapping[str, str], folder: Path) -> str:
        script = folder / "temp" / "step.sh"
        script.write_text(text)
        path = [
            *([str(self.tools)] if self.tools else []),
            str(Path(sys.executable).parent),
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
        ]
        here = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "HONE"))}
        given = {"PATH": ":".join(path), "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "ann/scratch",
                 "RUNNER_TEMP": str(folder / "temp"),
                 "GITHUB_WORKSPACE": str(folder / "workspace"), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # fmt: skip
        done = subprocess.run(
            [*SHELLS[step.get("shell")], str(script)], cwd=folder / "workspace" / step.get("working-directory", "."),
            env=here | given | env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"{done.stdout}exit code {done.returncode}\n")
        return done.stdout

    def _action(self, name: str, given: dict[str, str], workspace: Path) -> None:
        run = self.work if given.get("run-id", "this") == "this" else self.work.with_name(given["run-id"])
        kept = run / "artifacts" / given.get("name", "artifact")
        if name == "actions/checkout":
            depth = [] if given.get("fetch-depth") == "0" else ["--depth", "1"]
            assert given["persist-credentials"] == "false"
            subprocess.run(["git", "clone", "-q", *depth, self.remote.as_uri(), str(workspace)], check=True)
        elif name == "actions/upload-artifact":
            upload(workspace, given, kept)
        elif name == "actions/download-artifact":
            if not kept.is_dir():
                raise Failed(f"no artifact {kept.name}\n")
            shutil.copytree(kept, workspace / given["path"], dirs_exist_ok=True)
        elif name != "actions/setup-python":  # this Python is the one
            raise Unknown(f"uses: {name}")


def needs_of(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else list(needs)


def upload(workspace: Path, given: Mapping[str, str], kept: Path) -> None:
    """The files below the paths, as they lie below the folder that all paths share; hidden ones only where it is asked for."""
    tops = [workspace / line.strip() for line in given["path"].splitlines() if line.strip()]
    files = [file for top in tops for file in ([top] if top.is_file() else sorted(top.rglob("*"))) if file.is_file()]
    if given.get("include-hidden-files") != "true":
        files = [file for file in files if not any(part.startswith(".") for part in file.relative_to(workspace).parts)]
    if not files:
        if given["if-no-files-found"] == "error":
            raise Failed(f"no files for {kept.name}\n")
        return
    root = Path(os.path.commonpath(tops if len(tops) > 1 or tops[0].is_dir() else [tops[0].parent]))
    assert not kept.exists(), "an artifact is uploaded once"
    for file in files:
        target = kept / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def read(file: Path) -> dict[str, str]:
    """What a step wrote to GITHUB_OUTPUT or GITHUB_ENV: NAME=VALUE, or NAME<<MARK, lines, MARK."""
    found: dict[str, str] = {}
    lines = iter(file.read_text().split("\n"))
    for line in lines:
        name, mark, rest = line.partition("<<") if "=" not in line.split("<<")[0] else line.partition("=")
        if mark == "<<":
            value = list(iter(lambda end=rest: next(lines), rest))  # type: ignore[misc]
            found[name] = "\n".join(value)
        elif mark:
            found[name] = rest
    return found
