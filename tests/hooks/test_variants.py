"""The scenarios again, in other circumstances: each variant is the whole suite in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCENARIOS = sorted(str(file) for file in HERE.glob("test_scenarios*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["sha256", "hooks-path", "worktree"])
def test_the_scenarios_hold_in(variant: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 't'}", *SCENARIOS],
        env=os.environ | {"HONE_VARIANT": variant}, cwd=HERE.parent.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
