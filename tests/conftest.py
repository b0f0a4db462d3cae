"""A guarded home for every test, and real repositories to try things in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # the machine may be busy with other tests
settings.load_profile("busy")

GITCONFIG = """[user]
	name = Dev
	email = dev@example.com
[init]
	defaultBranch = main
[gc]
	auto = 0
[commit]
	gpgsign = false
[advice]
	detachedHead = false
[protocol "file"]
	allow = always
"""
FOREIGN = ("GIT_", "XDG_", "CLAUDE", "HONE", "PRE_COMMIT")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, with a git identity; nothing of the caller's git, XDG or agent settings is left."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text(GITCONFIG)
    for name in [name for name in os.environ if name.startswith(FOREIGN) or name in ("NO_COLOR", "FORCE_COLOR")]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }.items():
        monkeypatch.setenv(name, value)
    return folder


@dataclass(frozen=True)
class Repo:
    """A real repository at `path`, driven as a person does."""

    path: Path

    def git(self, *args: str, **env: str) -> str:
        """stdout of `git ARGS`, stripped. Raises with git's words when it fails."""
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=os.environ | env, capture_output=True, encoding="utf-8", errors="surrogateescape"
        )
        if done.returncode:
            raise RuntimeError(f"git {' '.join(args)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def write(self, path: str, text: str) -> Path:
        """Write `text` to `path`, with the folders above it."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def commit(self, message: str, *args: str) -> str:
        """Commit everything, and return the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, *args)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Callable[..., Repo]:
    """`repo()` makes an empty repository at tmp_path/repo; `repo("name", "--bare")` one with a name and `git init` options."""

    def make(name: str = "repo", *options: str) -> Repo:
        made = Repo(tmp_path / name)
        made.path.mkdir(parents=True)
        made.git("init", "-q", *options, ".")
        return made

    return make


@pytest.fixture
def ready(repo: Callable[..., Repo]) -> Repo:
    """A repository that records."""
    made = repo()
    made.write("a.py", "x = 1\n")
    made.commit("one")
    (made.path / ".git/hone/inbox").mkdir(parents=True)
    return made
