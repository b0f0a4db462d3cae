"""Runs the tests of a task in its arena, in the sandbox, and says how each ended."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from git_hone.ci.arena import sandbox
from git_hone.ci.arena.sealed import Arena
from git_hone.hooks.parsers.junit import outcomes
from git_hone.learner.errors import DataError
from git_hone.learner.suite.tasks import Environment
from git_hone.learner.suite.verdicts import Outcomes

COMMAND: Final = ("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "-o", "addopts=", "-W", "default",
                  "-o", "junit_family=xunit1", "--tb=line", "--junitxml={junit}")  # fmt: skip
"""pytest, without the options that a project adds for its own developers (coverage, parallel runs), and with warnings that newer
libraries give left as warnings. A failure is one line: rendering its traceback can take longer than all the tests. Test files are
appended."""
MAX_REPORT: Final = 64 << 20
BEFORE: Final = r"^(?:E\s+|\S.{0,300}?:\d+: )?"
ERROR: Final = re.compile(
    rf"{BEFORE}((?:[\w.]+\.)?\w*(?:Error|Exception|Exit)\b.{{0,300}}|ERROR: .{{1,300}})|^(?:E\s+)?((?:[\w.]+\.)?\w*Warning\b.{{0,300}})",
    re.MULTILINE,
)
LOST: Final = re.compile(
    r"ImportError: cannot import name '\w+' from '(\w+)[\w.]*' \([^)\n]*/site-packages/|AttributeError: module '(\w+)[\w.]*' has no attribute"
)
MISSING: Final = re.compile(rf"{BEFORE}ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)


@dataclass(frozen=True)
class Tested:
    """outcomes: of each test that the report names, empty without a report; ran: how the run itself ended."""

    outcomes: Outcomes
    ran: sandbox.Ran

    @property
    def complaint(self) -> str:
        """The last line of the output that names an error, else the last line."""
        named = ["".join(found) for found in ERROR.findall(self.ran.output)]
        lines = named or self.ran.output.split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    @property
    def lost_modules(self) -> list[str]:
        """Top-level modules that do not have a name which was asked of them. An installed one is newer than who asks."""
        return sorted({imported or used for imported, used in LOST.findall(self.ran.output)})

    @property
    def missing_modules(self) -> list[str]:
        return sorted(set(MISSING.findall(self.ran.output)))


def run_tests(arena: Arena, environment: Environment, python: Path, command: Sequence[str], limits: sandbox.Limits) -> Tested:
    """One run. A report that is missing, cut off or not XML names no test, so that every expected one counts as failed."""
    with tempfile.TemporaryDirectory(prefix="git-hone-report-") as scratch:
        meta, report = Path(scratch) / "meta", Path(scratch) / "report.xml"
        _metadata(meta, environment)
        for path, text in environment.generated.items():
            if not (arena.folder / path).exists():
                arena.write(path, text.encode())
        folders = [str(arena.folder / path) if path != "." else str(arena.folder) for path in environment.paths]
        words = [word.replace("{python}", str(python)).replace("{junit}", str(report)) for word in command]
        env = {"PYTHONPATH": ":".join([*folders, str(meta)]), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
               "GIT_CONFIG_NOSYSTEM": "1", "GIT_CEILING_DIRECTORIES": str(arena.folder.parent)}  # fmt: skip
        ran = sandbox.run(words, arena.folder, limits, env=env, path=[python.parent])
        try:
            with report.open("rb") as file:
                found = outcomes(file.read(MAX_REPORT))
        except (OSError, DataError):
            found = {}
    return Tested({} if ran.timed_out else found, ran)


def _metadata(folder: Path, environment: Environment) -> None:
    """What `importlib.metadata` finds of the project, which is not installed: its name, a version, its entry points."""
    folder.mkdir()
    if environment.package:
        info = folder / f"{re.sub(r'[-_.]+', '_', environment.package)}-999.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {environment.package}\nVersion: 999.0.0\n")
        (info / "entry_points.txt").write_text(environment.entry_points)
