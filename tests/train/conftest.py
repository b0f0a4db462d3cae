"""Training for real: only `nox -s train` installs what these tests need, and names the model in HONE_TRAIN_MODEL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MODEL = os.environ.get("HONE_TRAIN_MODEL", "")
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
