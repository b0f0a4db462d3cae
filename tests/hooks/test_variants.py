"""The scenarios again, in other circumstances: each variant is the whole suite in a process of its own, all of them at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCENARIOS = sorted(str(file) for file in HERE.glob("test_scenarios*.py"))
VARIANTS = ("sha256", "hooks-path", "worktree")


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[subprocess.Popen[bytes], Path]]]:
    """Variant -> its process, and the file that it prints to."""
    folder = tmp_path_factory.mktemp("variants")
    running = {}
    for variant in VARIANTS:
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder / variant}", *SCENARIOS]
        with (folder / f"{variant}.log").open("wb") as log:
            env = os.environ | {"HONE_VARIANT": variant}
            child = subprocess.Popen(words, env=env, cwd=HERE.parent.parent, stdout=log, stderr=log)
        running[variant] = child, folder / f"{variant}.log"
    yield running
    for child, _ in running.values():
        child.kill()
        child.wait()


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_scenarios_hold_in(variant: str, suites: dict[str, tuple[subprocess.Popen[bytes], Path]]) -> None:
    child, log = suites[variant]
    code = child.wait()
    assert code == 0, log.read_text("utf-8", "replace")[-4000:]
