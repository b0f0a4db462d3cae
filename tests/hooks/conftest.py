"""A repository with git-hone installed, an agent at work in it, and the question "whose lines?"."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import Place, find
from git_hone.hooks.player import Player
from git_hone.hooks.view import show
from git_hone.learner.store import Store

VARIANT = os.environ.get("HONE_VARIANT", "")
"""The same scenarios in other circumstances: sha256 | hooks-path | worktree: all in a linked work tree | eager: see `eagerly`; or
several of them at once, as in `sha256+worktree`."""


def block(tag: str, lines: int = 10) -> str:
    """`lines` different lines of code."""
    return "".join(f"def {tag}_{k}(x): return x + {k}\n" for k in range(lines))


def processes() -> Iterator[tuple[Path, str]]:
    """Every other process's folder and command line; without /proc no folder is known, and a worker's is the one it names."""
    if not Path("/proc/self/cmdline").exists():
        listed = subprocess.run(["ps", "-axo", "args"], capture_output=True, text=True, check=True)
        yield from ((Path(), line) for line in listed.stdout.splitlines())
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # it has ended
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield (folder / "cwd").readlink(), line.strip()


class Play(Player):
    """A session, and plain git beside it."""

    def git(self, *args: str, check: bool = True, cwd: Path | None = None, **env: str) -> str:
        done = subprocess.run(["git", *args], cwd=cwd or self.repo, env=os.environ | env, capture_output=True)
        if check and done.returncode:
            raise RuntimeError(f"git {' '.join(args)}: {done.stdout!r} {done.stderr!r}")
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def human(self, path: str, text: str) -> None:
        target = self.repo / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())

    def read(self, path: str) -> str:
        return (self.repo / path).read_bytes().decode()

    def turn(self, path: str, tag: str, lines: int = 10) -> None:
        """The agent appends `lines` new lines to `path`."""
        self.prompt(f"add {tag}")
        old = self.read(path) if (self.repo / path).exists() else ""
        self.write(path, old + block(tag, lines))

    def commit(self, message: str, *args: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message, *args)
        return self.git("rev-parse", "HEAD")

    def quiet(self) -> None:
        """No background worker from here on: the one at work ends, the hooks find the pid of a living process, and the test drains."""
        assert self.workers(60) == []
        (self.place.hone / "worker.pid").write_text(f"{os.getpid()}\n")

    def awake(self) -> None:
        """From here on the hooks start a background worker, as they do for people."""
        (self.place.hone / "worker.pid").unlink(missing_ok=True)

    def workers(self, wait_s: float) -> list[str]:
        """This repository's hooks and workers that are still at it after at most `wait_s` seconds."""
        until = time.monotonic() + wait_s
        while found := [line for folder, line in processes() if self._ours(folder, line)]:
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        return found

    def _ours(self, folder: Path, line: str) -> bool:
        if "git_hone.hooks.worker" in line:
            return folder / line.split()[-1] == self.place.hone
        # a hook that is about to become one; while it does, it has no command line for a moment
        return folder.is_relative_to(self.repo) and (not line or "hooks/" in line or "hone" in line)

    @property
    def place(self) -> Place:
        return find(self.repo)

    def show(self, rev: str = "HEAD") -> Any:
        drain(self.place)
        return show(self.place, rev)

    def ai(self, rev: str = "HEAD") -> int:
        """AI lines of a commit; every hook must have been silent and fine so far."""
        assert not self.failed
        return int(self.show(rev)["lines"]["ai"])

    def outcomes(self, rev: str = "HEAD") -> list[str]:
        return [o["kind"] for o in self.show(rev)["outcomes"]]


def lines(p: Play, rev: str = "HEAD") -> tuple[int, int, int]:
    """(ai, human, unknown) of a commit."""
    assert not p.failed
    seen = p.show(rev)["lines"]
    return seen["ai"], seen["human"], seen["unknown"]


def live(p: Play) -> list[dict[str, Any]]:
    """All live changes in the record that hold lines of an agent."""
    p.show()
    return [row for row in Store(p.place.data).rows("changes") if row["state"] == "live" and row["lines_ai"]]


EAGER = """#!/bin/sh
[ "$1" = committed ] && [ -z "$GIT_HONE_OFF" ] && mkdir '{folder}/turn' 2>/dev/null || exit 0
echo drain >'{folder}/ask'
read -r answer <'{folder}/told'
rmdir '{folder}/turn'
"""


@contextlib.contextmanager
def eagerly(play: Play) -> Iterator[None]:
    """A drain each time that git has moved a name, before git goes on: a worker could be at it at any of these moments, a hook's
    word still to come, a rebase half done."""
    folder = play.repo.parent / f"{play.repo.name}-eager"
    folder.mkdir()
    for name in ("ask", "told"):
        os.mkfifo(folder / name)
    hook = Path(play.git("rev-parse", "--path-format=absolute", "--git-path", "hooks")) / "reference-transaction"
    hook.write_text(EAGER.format(folder=folder))
    hook.chmod(0o755)
    place = play.place
    failed: list[Exception] = []

    def serve() -> None:
        while (folder / "ask").read_text() == "drain\n":
            try:
                drain(place)
            except Exception as error:  # for the test to raise
                failed.append(error)
            (folder / "told").write_text("done\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    (folder / "ask").write_text("end\n")
    thread.join()
    assert failed == []


@pytest.fixture
def variant() -> str:
    """The circumstances of this test; `test_variants.py` gives each test all of them."""
    return VARIANT


@pytest.fixture
def fresh(tmp_path: Path, home: Path, variant: str) -> Iterator[Callable[..., Play]]:
    """`fresh()` makes a repository with five commits, git-hone and an agent's session."""
    made: list[Play] = []
    around = contextlib.ExitStack()

    def make(name: str = "repo", *options: str, base: bool = True) -> Play:
        repo = tmp_path / name
        repo.mkdir()
        play = Play(repo, home, dict(os.environ))
        play.git("init", "-q", *options, *(["--object-format=sha256"] if "sha256" in variant else []), ".")
        play.human(".gitignore", ".claude/\n.own-hooks/\n")
        if "hooks-path" in variant:
            (repo / ".own-hooks").mkdir()
            play.git("config", "core.hooksPath", ".own-hooks")
        if base:
            play.human("src/base.py", block("base", 40))
            play.human("README", "hello\n")
            play.commit("base")
            play.human("src/base.py", play.read("src/base.py") + "x = 1\n")
            play.commit("more")
        if "worktree" in variant:
            linked = tmp_path / f"{name}-linked"
            if base:
                play.git("checkout", "-q", "--detach")
                play.git("worktree", "add", "-q", str(linked), "main")
            else:
                play.git("commit", "-q", "--allow-empty", "-m", "nothing yet")
                play.git("worktree", "add", "-q", "--detach", str(linked))
                play.git("checkout", "-q", "--orphan", "unborn", cwd=linked)
                (linked / ".gitignore").write_text(".claude/\n")
            play.repo = linked
        setup.install(find(play.repo), ("claude-code",))
        play.quiet()  # the tests drain, each when it means to; one that wants the worker says `p.awake()`
        if base:
            play.commit("set up git-hone", "--allow-empty")
        play.start()
        made.append(play)
        if "eager" in variant:
            around.enter_context(eagerly(play))
        return play

    with around:
        yield make
    for play in made:
        play.__exit__()


@pytest.fixture
def p(fresh: Callable[..., Play]) -> Play:
    return fresh()
