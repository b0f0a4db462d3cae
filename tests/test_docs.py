"""The documentation says what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from git_hone.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "Example" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented(name: str) -> None:
    reference = [ROOT / "README.md", *(ROOT / "docs" / "reference").glob("*.md")]
    assert any(f"git hone {name}" in page.read_text("utf-8") for page in reference)


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()] == []


def test_readme_gives_the_command_that_ci_runs() -> None:
    (command,) = (line for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines() if line.startswith("python3"))
    assert command in (ROOT / "README.md").read_text("utf-8").splitlines()
