"""What a commit, an agent's event or `--help` waits for stays light."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("pyarrow", "duckdb", "sklearn", "numpy", "pandas", "jsonschema", "git")
ENTRANCES = {
    "git_hone.cli": "import git_hone.cli",
    "git-hone --help": "from git_hone.cli import main; main(['--help'])",
    "git_hone.hooks.capture": "import git_hone.hooks.capture",
    "git_hone.hooks.check": "import git_hone.hooks.check",
    "git_hone.hooks.drain": "import git_hone.hooks.drain",
    "git_hone.hooks.worker": "import git_hone.hooks.worker",
}


@pytest.mark.parametrize("code", ENTRANCES.values(), ids=ENTRANCES)
def test_entrance_imports_nothing_heavy(code: str) -> None:
    told = f"{code}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-I", "-c", told], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.parametrize("script", sorted((ROOT / "hooks" / "sh").glob("*.sh")), ids=lambda path: path.name)
def test_shell_script_starts_python_only_as_a_detached_worker(script: Path) -> None:
    code = [line for line in script.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    for line in (line for line in code if "python" in line.lower()):
        if script.name == "pre-push.sh":  # it waits, within sync.budgetSeconds, and only where a person switched it on
            assert re.search(r"@PYTHON@ -I -m git_hone\.hooks\.sync .*\|\| :$", line), line
        else:
            assert re.search(r"@PYTHON@ -I -m git_hone\.hooks\.worker .*&$", line), line
