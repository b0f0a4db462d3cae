"""Beside husky, lefthook and pre-commit as they are: installed from their registries, in any order, and taken out again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import place
from git_hone.hooks.drain import drain
from git_hone.hooks.install import doctor, native, setup
from git_hone.hooks.player import Player
from git_hone.hooks.view import show

Make = Callable[..., Any]
TOOLS = ("husky@9", "lefthook@2")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `node_modules` with the real tools."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--prefix", str(folder), *TOOLS]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"npm cannot reach its registry: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "node_modules"


def tool(modules: Path, r: Any, name: str, *args: str) -> None:
    if not (r.path / "node_modules").exists():
        (r.path / "node_modules").symlink_to(modules)
        r.write(".gitignore", "node_modules\n.claude\nran*\n")
    subprocess.run([str(modules / ".bin" / name), *args], cwd=r.path, check=True, capture_output=True, env=env())


def env() -> dict[str, str]:
    """As in a person's shell: CI would make some of the tools do nothing."""
    return {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith(("HUSKY", "LEFTHOOK"))}


def snapshot(r: Any) -> dict[str, tuple[int, bytes]]:
    """Name -> (mode, bytes) of everything that hooks and settings are made of."""
    found = {}
    for folder in (".git/hooks", ".husky", "."):
        for path in sorted((r.path / folder).rglob("*") if folder != "." else [r.path / "lefthook.yml", r.path / ".git/config"]):
            if path.is_file():
                found[str(path.relative_to(r.path))] = (path.lstat().st_mode, path.read_bytes())
    return found


def commit(r: Any, *args: str) -> tuple[int, str]:
    """Exit code and words of a commit, as typed."""
    words = ["git", "commit", "-q", "--allow-empty", "-m", "x", *args]
    done = subprocess.run(words, cwd=r.path, capture_output=True, text=True, env=env(), check=False)
    return done.returncode, done.stdout + done.stderr


def add(r: Any, text: str) -> None:
    """Add what `init` printed to the file that it names."""
    file, line = text.split(":\n", 1)
    old = (r.path / file).read_text() if (r.path / file).exists() else ""
    r.write(file, old + line + "\n")


def ai(r: Any, home: Path) -> int:
    """AI lines of a commit that an agent's edit goes into."""
    with Player(r.path, home, env()) as play:
        play.prompt("add")
        play.write("new.py", "".join(f"line_{k} = {k}\n" for k in range(5)))
        r.git("add", "-A")
        assert commit(r)[0] == 0
        assert not play.failed
    where = place.find(r.path)
    assert any(b"git post-commit" in file.read_bytes() for file in where.inbox.glob("*.ev"))
    drain(where)
    return int(show(where, "HEAD")["lines"]["ai"])


@pytest.mark.exhaustive  # npm fetches them; `test_managers.py` tries what they leave in a repository
@pytest.mark.parametrize("ours_first", [True, False])
def test_husky(repo: Make, modules: Path, home: Path, ours_first: bool) -> None:
    """Its own hooks run, with their exit code and words; ours hear of the commit by the printed lines; both leave no trace."""
    r = repo()
    r.commit("first")
    where = place.find(r.path)
    quiet = lambda: (where.hone / "worker.pid").write_text(f"{os.getpid()}\n")  # noqa: E731 - a line shorter than a function
    empty = snapshot(r)
    if ours_first:
        setup.install(where, ("claude-code",))
        tool(modules, r, "husky")
    else:
        tool(modules, r, "husky")
    r.write(".husky/pre-commit", "[ ! -f .no ] || { echo refused; exit 3; }\n")
    r.write(".husky/post-commit", "echo heard; touch ran\n")
    theirs, plain = snapshot(r), commit(r)
    assert "heard" in plain[1]
    report = setup.install(where, ("claude-code",))
    quiet()
    for text in report.advice:
        add(r, text)
    assert {text.split(":\n")[0] for text in report.advice} == {f".husky/{event}" for event in native.EVENTS}
    assert [finding.words for finding in doctor.examine(where) if not finding.ok] == []
    (r.path / "ran").unlink()
    assert (commit(r), (r.path / "ran").exists()) == (plain, True)
    (r.path / ".no").touch()
    code, words = commit(r)
    assert (code, "refused" in words, commit(r, "--no-verify")[0]) == (1, True, 0)
    (r.path / ".no").unlink()
    assert ai(r, home) == 5
    setup.uninstall(where, purge=True)
    assert commit(r) == plain  # the lines stay in the person's own files, and do nothing
    for event in native.EVENTS:
        (r.path / ".husky" / event).unlink()
    r.write(".husky/post-commit", "echo heard; touch ran\n")
    if ours_first:
        theirs = {
            name: held
            for name, held in theirs.items()
            if Path(name).parent.name != "hooks" or Path(name).name not in native.EVENTS
        }
    assert {**snapshot(r), ".git/config": 0} == {**theirs, ".git/config": 0}
    r.git("config", "--unset", "core.hooksPath")
    shutil.rmtree(r.path / ".husky")
    assert snapshot(r) == empty


LEFTHOOK = """\
pre-commit:
  commands:
    note:
      run: "[ ! -f .no ]"
post-commit:
  commands:
    note:
      run: touch ran
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("ours_first", [True, False])
def test_lefthook(repo: Make, modules: Path, home: Path, ours_first: bool) -> None:
    r = repo()
    r.commit("first")
    where = place.find(r.path)
    before = snapshot(r)
    if ours_first:
        setup.install(where, ("claude-code",))
    r.write("lefthook.yml", LEFTHOOK)
    tool(modules, r, "lefthook", "install")
    report = setup.install(where, ("claude-code",))
    (where.hone / "worker.pid").write_text(f"{os.getpid()}\n")
    for text in report.advice:
        file, line = text.split(":\n", 1)
        old = LEFTHOOK.replace(line.split("\n", 1)[0] + "\n  commands:\n", line + "\n")
        r.write(file, old)
    tool(modules, r, "lefthook", "install")
    assert [finding.words for finding in doctor.examine(where) if not finding.ok] == []
    assert ai(r, home) == 5
    assert (r.path / "ran").exists()
    r.git("commit", "-q", "--amend", "-m", "y")
    assert any(b"git post-rewrite" in file.read_bytes() for file in where.inbox.glob("*.ev"))
    drain(where)
    assert show(where, "HEAD")["lines"]["ai"] == 5
    (r.path / ".no").touch()
    r.write("staged.txt", "it runs nothing for a commit of nothing\n")
    r.git("add", "staged.txt")
    assert (commit(r)[0], commit(r, "--no-verify")[0]) == (1, 0)
    setup.uninstall(where, purge=True)
    tool(modules, r, "lefthook", "uninstall")
    (r.path / "lefthook.yml").unlink(missing_ok=True)
    assert {name: held for name, held in snapshot(r).items() if "lefthook" not in name} == before


CONFIG = """repos:
- repo: local
  hooks:
  - {id: gate, name: gate, language: system, entry: "test ! -f .no", always_run: true, pass_filenames: false}
  - {id: note, name: note, language: system, entry: touch ran, stages: [post-commit], always_run: true, pass_filenames: false}
"""
STAGES = ("-t", "pre-commit", "-t", "post-commit", "-t", "post-merge", "-t", "post-rewrite")


@pytest.mark.parametrize("order", ["hook, pre-commit, ours", "hook, ours, pre-commit"])
def test_pre_commit_in_migration_mode(repo: Make, home: Path, order: str) -> None:
    """pre-commit keeps a hook that stood there, of the person or ours, as `.legacy`, and runs it first."""
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    r = repo()
    r.write(".pre-commit-config.yaml", CONFIG)
    r.write(".gitignore", ".claude\nran*\nmine*\n.no\n.legacy\n")
    r.commit("first", "--no-verify")
    where = place.find(r.path)

    def pre_commit(*args: str) -> None:
        words = [sys.executable, "-m", "pre_commit", *args, *STAGES]
        subprocess.run(words, cwd=r.path, check=True, capture_output=True)

    def own() -> None:
        for event in ("pre-commit", "post-commit"):
            path = r.path / ".git/hooks" / event
            path.write_text(f"#!/bin/sh\ntouch mine-{event}\n")
            path.chmod(0o755)

    before = snapshot(r)
    steps = {"hook": own, "pre-commit": lambda: pre_commit("install"), "ours": lambda: setup.install(where, ("claude-code",))}
    for name in order.split(", "):
        steps[name]()
    setup.install(where, ("claude-code",))  # what another tool moved is found
    (where.hone / "worker.pid").write_text(f"{os.getpid()}\n")
    assert [finding.words for finding in doctor.examine(where) if not finding.ok] == []
    assert ai(r, home) == 5
    assert [(r.path / name).exists() for name in ("ran", "mine-pre-commit", "mine-post-commit")] == [True] * 3
    (r.path / ".no").touch()
    assert (commit(r)[0], commit(r, "--no-verify")[0]) == (1, 0)
    setup.uninstall(where, purge=True)
    pre_commit("uninstall")
    own_hooks = {
        f".git/hooks/{event}": (0o100755, f"#!/bin/sh\ntouch mine-{event}\n".encode()) for event in ("pre-commit", "post-commit")
    }
    assert snapshot(r) == before | own_hooks
