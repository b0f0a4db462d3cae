"""What a commit, an agent's event or `--help` waits for stays light."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("pyarrow", "duckdb", "sklearn", "numpy", "pandas", "jsonschema", "git")
SLOW = ("click", "subprocess", "hashlib", "typing", "pathlib", "urllib.parse", "sqlite3", "random", "datetime", "dataclasses")
"""What a plan can be asked for without; each takes a tenth of Python's own start, or more."""
ENTRANCES = {
    "git_hone.cli": "import git_hone.cli",
    "git-hone --help": "from git_hone.cli import main; main(['--help'])",
    "git-hone route": "from git_hone.cli import main, quick; from git_hone.ci import choosing",
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


def test_a_plan_is_asked_for_without_click_and_without_git(tmp_path: Path) -> None:
    """`git hone route` in an installed repository: what it loads on the way, and that it answered."""
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    command = [sys.executable, "-c", "from git_hone.cli import main; main(['init'])"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    asked = (
        "import sys; known = set(sys.modules); import git_hone; from git_hone.cli import main\n"
        "main(['route', '--task', 'fix the parser', '--kind', 'fix', '--file', 'a.py', '--json'])\n"
        f"print(*(name for name in {(*HEAVY, *SLOW)!r} if name in sys.modules and name not in known), file=sys.stderr)"
    )
    for _ in range(2):  # the first checks the configuration against its schema, and keeps the verdict
        done = subprocess.run([sys.executable, "-I", "-c", asked], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "git-hone: --file a.py: there is no such file")
    assert '"decision_id"' in done.stdout
    assert list((tmp_path / ".git" / "hone" / "inbox").iterdir())
