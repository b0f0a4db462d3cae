"""Training for real: only `nox -s train` installs what these tests need, and names the model in HONE_TRAIN_MODEL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MODEL = str(Path(named).resolve()) if (named := os.environ.get("HONE_TRAIN_MODEL", "")) else ""
collect_ignore_glob = [] if MODEL else ["test_*.py"]
OPERATIONS = ("add", "subtract", "multiply", "maximum", "minimum", "modulo", "power", "average")


def rows(n: int) -> list[dict[str, Any]]:
    """`n` examples of a house convention that no prompt tells: a function returns its value and an error."""
    made = []
    for i in range(n):
        name, (a, b) = f"{OPERATIONS[i % len(OPERATIONS)]}_{i}", ("ab", "xy", "cd")[i % 3]
        code = f"def {name}({a}, {b}):\n    if not isinstance({a}, int):\n        return (None, 'expected int')\n    return ({a}, None)\n"
        asked = {"role": "user", "content": f"Write a Python function {name} of {a} and {b}."}
        provenance = json.dumps({"difficulty": ("easy", "hard")[i % 2]})
        made.append({"id": f"c{i}-coder-{i:010}", "prompt": [asked], "completion": [{"role": "assistant", "content": code}],
                     "role": "coder", "label": True, "provenance": provenance})  # fmt: skip
    return made


class Bench:
    """A repository with an export, and `git hone train` in it as a person calls it."""

    def __init__(self, path: Path, small: Path) -> None:
        self.path, self.small = path, small

    def export(self, n: int) -> None:
        file = self.path / ".agent/sft/coder_sft.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows(n)))

    def __call__(self, *args: Any, base: Path | str | None = None, check: bool = True) -> tuple[list[dict[str, Any]], str]:
        """(the adapters that it told of, what it said) of `git hone train --force --json`."""
        command = [
            sys.executable,
            "-m",
            "git_hone.cli",
            "train",
            "--force",
            "--json",
            "--base",
            str(base or self.small),
            *map(str, args),
        ]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True)
        if not check:
            return [], done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["adapters"], done.stderr


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a llama of two layers, made once."""
    folder = tmp_path_factory.mktemp("small")
    script = Path(__file__).with_name("small.py")
    subprocess.run([sys.executable, str(script), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def bench(repo: Callable[..., Any], small: Path) -> Bench:
    made = Bench(repo().path, small)
    made.export(12)
    return made


@dataclass(frozen=True)
class House:
    """What `git hone demo --train` left. said: all that it printed; code: its exit code."""

    path: Path
    home: Path
    said: str
    code: int

    @property
    def agent(self) -> Path:
        return self.path / ".agent"

    @property
    def adapter(self) -> Path:
        """The folder of the adapter that was trained."""
        (manifest,) = self.agent.glob("lora/coder/*/manifest.json")
        return manifest.parent

    def hone(self, *args: Any) -> subprocess.CompletedProcess[str]:
        """`git hone ARGS` in it, as a person calls it."""
        from git_hone.hooks.player import clean_env

        command = [sys.executable, "-m", "git_hone.cli", *map(str, args)]
        env = clean_env(self.home, GIT_CONFIG_NOSYSTEM="1", OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="0")
        return subprocess.run(command, cwd=self.path, env=env, capture_output=True, text=True)

    def evaluation(self, name: str, suite: str = "repository") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.agent / f"evaluations/{suite}/{name}.json").read_bytes())
        return found

    def copy(self, folder: Path) -> House:
        """The repository again, at which the gate has not looked yet."""
        shutil.copytree(self.path, folder, symlinks=True)
        (folder / ".agent/promotions.jsonl").unlink()
        return House(folder, self.home, self.said, self.code)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The whole chain, played once by `git hone demo --train`; all tests here share its repository and its adapter. Copy it to change it."""
    folder = tmp_path_factory.mktemp("chain") / "demo"
    command = [sys.executable, "-m", "git_hone.cli", "demo", "--train", "--model", MODEL, "--keep", str(folder)]
    quiet = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | quiet)
    return House(folder / "house", folder / "home", done.stdout + done.stderr, done.returncode)
