"""The hooks that we offer to pre-commit and prek, run by them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML comes with pre-commit")

ROOT = Path(__file__).parents[1]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))


class Repo(Protocol):
    path: Path

    def git(self, *args: str, **env: str) -> str: ...
    def write(self, path: str, text: str) -> Path: ...
    def commit(self, message: str, *args: str) -> str: ...


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_hook_is_declared_as_a_recorder_must_be(hook: dict[str, Any]) -> None:
    kind = hook["id"].removeprefix("hone-")
    assert hook["entry"] == f"git-hone check {kind} --"
    assert (hook["language"], hook["always_run"], hook["pass_filenames"], hook["require_serial"]) == ("python", True, False, True)
    assert hook["stages"] == ["pre-commit", "pre-push", "manual"]


def test_manifest_is_valid(home: Path) -> None:
    if not shutil.which("pre-commit", path=path()):
        pytest.skip("pre-commit is not installed")
    done = subprocess.run(
        ["pre-commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], env=env(home), capture_output=True
    )
    assert (done.returncode, done.stdout) == (0, b"")


def path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def env(home: Path) -> dict[str, str]:
    homes = {"PRE_COMMIT_HOME": str(home / "pre-commit"), "PREK_HOME": str(home / "prek")}
    return {**os.environ, "PATH": path(), **homes, "UV_SYSTEM_CERTS": "1"}  # prek installs with uv: trust what the system trusts


def signals(repo: Repo) -> list[dict[str, Any]]:
    """What was recorded, by whichever way it has gone so far: what waits in the inbox is drained first."""
    subprocess.run([sys.executable, "-m", "git_hone.hooks.worker", str(repo.path / ".git/hone")], cwd=repo.path, check=True)
    code = (
        "import json, sys, duckdb\n"
        "rows = duckdb.sql(\"select tree, kind, tool, passed, errors from read_parquet('.agent/data/signals/**/*.parquet')\")\n"
        "print(json.dumps([dict(zip(rows.columns, row)) for row in rows.fetchall()]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo.path, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def configure(repo: Repo, entry: str) -> None:
    hook = {key: value for key, value in HOOKS[0].items() if key not in ("minimum_pre_commit_version", "args")}
    hook |= {"language": "system", "entry": f"{hook['entry']} {entry}"}
    repo.write(".pre-commit-config.yaml", json.dumps({"repos": [{"repo": "local", "hooks": [hook]}]}))


@pytest.mark.parametrize("program", ["pre-commit", "prek"])
def test_commit_is_measured_and_stopped(program: str, ready: Repo, home: Path) -> None:
    if not shutil.which(program, path=path()):
        pytest.skip(f"{program} is not installed")
    configure(ready, "ruff check --no-cache --output-format concise .")
    subprocess.run([program, "install"], cwd=ready.path, env=env(home), check=True, capture_output=True)
    ready.write("bad.py", "import os\n")
    ready.write(".gitignore", ".agent/\n")
    ready.git("add", "-A")
    ready.write("a.py", "import sys  # not staged: put away while the hooks run\n")
    done = subprocess.run(["git", "commit", "-qm", "two"], cwd=ready.path, env=env(home), capture_output=True, text=True)
    assert done.returncode == 1
    assert "bad.py:1:8: F401" in done.stdout + done.stderr and "a.py:1" not in done.stdout + done.stderr
    tree = ready.git("write-tree")
    assert signals(ready) == [{"tree": tree, "kind": "lint", "tool": "ruff", "passed": False, "errors": 1}]
    assert (ready.path / "a.py").read_text().startswith("import sys")


@pytest.mark.slow
@pytest.mark.parametrize("program", ["pre-commit", "prek"])
def test_pinned_revision_is_installed_and_run(program: str, ready: Repo, home: Path, tmp_path: Path) -> None:
    if not shutil.which(program, path=path()):
        pytest.skip(f"{program} is not installed")
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    rev = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True).stdout.strip()
    pinned = {"repo": f"file://{source}", "rev": rev, "hooks": [{"id": "hone-schema"}, {"id": "hone-compile"}]}
    ready.write(".pre-commit-config.yaml", json.dumps({"repos": [pinned]}))
    ready.git("add", "-A")
    done = subprocess.run([program, "run", "--all-files"], cwd=ready.path, env=env(home), capture_output=True, text=True)
    if "Could not find a version" in done.stdout + done.stderr or "Failed to resolve" in done.stdout + done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {(row["kind"], row["tree"], row["passed"]) for row in signals(ready)}
    assert found == {(kind, ready.git("write-tree"), True) for kind in ("schema", "compile")}
