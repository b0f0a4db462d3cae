"""A repository in which agents worked for weeks: real sessions through the installed hooks, real commits with dates of their own."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from git_hone.hooks.aging import age
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import Place, find
from git_hone.hooks.player import Player

NOW = time.time()
VERBS = ("parse", "render", "merge", "split", "count", "sort", "route", "store", "fetch", "check", "draw", "trim")


def code(name: str, n: int = 8) -> str:
    """A module of its own: no two of them are alike."""
    rows = [
        f'def {name}_{k}(value, {name}):\n    """{name.title()} step {k}."""\n    return {name}.{name}_{k * 7}(value) + {k}\n'
        for k in range(n)
    ]
    return "\n\n".join(rows)


class History:
    """The repository at `repo`, and what people and agents do in it `days` ago."""

    def __init__(self, repo: Path, home: Path) -> None:
        self.repo, self.home = repo, home
        repo.mkdir()
        self.git("init", "-q", ".")
        self.write(".gitignore", ".claude/\n.agent/\n")
        self.write("README.md", "hello\n")
        self.commit("Start", 200)
        setup.install(find(repo), ("claude-code",))
        self.commit("Set up git-hone", 199, "--allow-empty")
        (self.place.hone / "worker.pid").write_text(f"{os.getpid()}\n")  # no worker beside the tests

    @property
    def place(self) -> Place:
        return find(self.repo)

    def git(self, *args: str, **env: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.repo, env=os.environ | env, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"git {' '.join(args)}: {done.stdout!r} {done.stderr!r}")
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, text: str) -> None:
        """A person's hand."""
        (self.repo / path).parent.mkdir(parents=True, exist_ok=True)
        (self.repo / path).write_bytes(text.encode())

    def read(self, path: str) -> str:
        return (self.repo / path).read_text("utf-8")

    def commit(self, message: str, days: float, *args: str, author: str | None = None) -> str:
        when = f"{int(NOW - days * 86_400)} +0000"
        self.git("add", "-A")
        who = {"GIT_AUTHOR_NAME": author.split(" <")[0], "GIT_AUTHOR_EMAIL": author.split(" <")[1].rstrip(">")} if author else {}
        self.git("commit", "-q", "-m", message, *args, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when, **who)
        return self.git("rev-parse", "HEAD")

    def work(self, path: str, text: str, task: str | None, message: str, days: float, **more: Any) -> str:
        """An agent's session that leaves `text` at `path`, committed by a person."""
        with Player(self.repo, self.home, dict(os.environ)) as agent:
            if task is not None:
                agent.prompt(task)
            agent.write(path, text)
        assert not agent.failed
        return self.commit(message, days, **more)

    def weeks(self, n: int = 12, first: float = 120, step: float = 5) -> list[str]:
        """`n` changes of an agent, each a new module, `step` days apart; drained and looked at."""
        made = [
            self.work(f"src/{verb}.py", code(verb), f"Write the module that can {verb} values", f"Add {verb}", first - k * step)
            for k, verb in enumerate(VERBS[:n])
        ]
        self.settle()
        return made

    def settle(self) -> None:
        drain(self.place)
        age(self.place, now=NOW, force=True)
