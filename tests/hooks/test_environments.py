"""The program and its hooks in odd surroundings: another repository in the environment, no home, no rights, a foreign owner."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks.drain import drain
from git_hone.learner.store import Store

Play = Any
NOBODY = 65534
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")


def hone(args: Sequence[str], cwd: Path, env: dict[str, str], before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """`git hone ARGS` as a process of its own, without a terminal."""
    command = [*before, sys.executable, "-m", "git_hone.cli", *args]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True
    )


def ai_lines(args: Sequence[str], cwd: Path, env: dict[str, str], before: Sequence[str] = ()) -> int:
    done = hone([*args, "show", "--json"], cwd, env, before)
    assert (done.returncode, done.stderr) == (0, "")
    return int(json.loads(done.stdout)["lines"]["ai"])


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under `folder` with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "names",
    [("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"), ("GIT_COMMON_DIR",), ("GIT_NAMESPACE",)]
    + [
        pytest.param((f"GIT_{name}",), marks=pytest.mark.exhaustive)
        for name in ("DIR", "INDEX_FILE", "WORK_TREE", "OBJECT_DIRECTORY")
    ],
    ids=lambda names: "+".join(names),
)
def test_variables_of_another_repository(fresh: Callable[..., Play], names: tuple[str, ...]) -> None:
    """Every command works on the repository that it stands in, and writes nothing to the other."""
    p, other = fresh(), fresh("other")
    p.turn("src/new.py", "a")
    p.commit("c")
    assert p.ai() == 10
    other.show()
    values = {"GIT_DIR": ".git", "GIT_COMMON_DIR": ".git", "GIT_INDEX_FILE": ".git/index", "GIT_WORK_TREE": ".",
              "GIT_OBJECT_DIRECTORY": ".git/objects", "GIT_NAMESPACE": "other"}  # fmt: skip
    env = dict(os.environ) | {name: str(other.repo / values[name]) for name in names}
    before = tree(other.repo)
    assert ai_lines((), p.repo, env) == 10
    for args in (["drain"], ["status"], ["doctor", "--repair"], ["log"], ["stats"], ["feedback", "--accept"], ["init"]):
        done = hone(args, p.repo, env)
        assert done.returncode == 0, (args, done.stderr)
        assert str(other.repo) not in done.stdout
    assert tree(other.repo) == before
    assert len(Store(p.place.data).rows("changes")) == 1
    assert [row["kind"] for row in Store(p.place.data).rows("outcomes")].count("accepted") == 1


SURROUNDINGS: dict[str, Callable[[dict[str, str], Path], dict[str, str]]] = {
    "HOME unset": lambda env, _: {k: v for k, v in env.items() if not k.startswith(("HOME", "XDG"))},
    "HOME that is not there": lambda env, _: env | {"HOME": "/nonexistent", "XDG_STATE_HOME": "/nonexistent/state"},
    "HOME that is a file": lambda env, home: env | {"HOME": str(home / ".gitconfig"), "XDG_STATE_HOME": "/dev/null/state"},
    "PATH of a graphical client": lambda env, _: env | {"PATH": "/usr/bin:/bin"},
    "LC_ALL=C": lambda env, _: env | {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX": lambda env, _: {k: v for k, v in env.items() if not k.startswith(("LC_", "LANG"))} | {"LC_ALL": "POSIX"},
    "a far time zone": lambda env, _: env | {"TZ": "Pacific/Kiritimati"},
}


@pytest.mark.parametrize("kind", SURROUNDINGS)
def test_surroundings(p: Play, home: Path, kind: str) -> None:
    """Commit, drain and ask, with a name that is not ASCII, without a terminal."""
    me = {"GIT_AUTHOR_NAME": "é", "GIT_AUTHOR_EMAIL": "e@x", "GIT_COMMITTER_NAME": "é", "GIT_COMMITTER_EMAIL": "e@x"}
    env = SURROUNDINGS[kind](dict(os.environ), home) | me
    p.turn("src/é 日本.py", "a")
    p.git("add", "-A")
    done = subprocess.run(["git", "commit", "-qm", "é"], cwd=p.repo, env=env, capture_output=True, start_new_session=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert ai_lines((), p.repo, env) == 10
    for args in (["log"], ["stats"], ["status"], ["doctor"]):
        told = hone(args, p.repo, env)
        assert (told.returncode, told.stderr) == (0, ""), args


def test_umask_077_and_000(fresh: Callable[..., Play]) -> None:
    """Under a strict umask nothing of ours is open to others; under none, prompts in the inbox still are not."""
    for mask in (0o077, 0o000):
        before = os.umask(mask)
        try:
            p = fresh(f"mask{mask}")
            p.turn("src/new.py", "a")
            modes = {file.stat().st_mode & 0o077 for file in p.place.inbox.glob("*.ev") if b"%hone 1 agent" in file.read_bytes()}
            folder = p.place.inbox.stat().st_mode & 0o077
            p.commit("c")
            assert p.ai() == 10
        finally:
            os.umask(before)
        assert modes == {0} or folder == 0
        if mask == 0o077:
            loose = [path for path in (*p.place.hone.rglob("*"), *p.place.data.rglob("*")) if path.lstat().st_mode & 0o077]
            assert loose == []


def _as_nobody(p: Play, tmp_path: Path) -> list[str]:
    """What stands before a command that an unprivileged user runs; the way to the repository is open to them."""
    folder = tmp_path
    while folder != folder.parent and folder != Path("/tmp"):
        folder.chmod(folder.stat().st_mode | 0o055)
        folder = folder.parent
    git = ["git", "config", "--file", str(p.home / ".gitconfig"), "--add", "safe.directory", str(p.repo)]
    subprocess.run(git, check=True)
    for path in (p.home, *p.home.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def _open(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            os.chown(path, NOBODY, NOBODY)


@ROOT_ONLY
def test_a_read_only_git_hone_folder(p: Play, tmp_path: Path) -> None:
    """The commit succeeds in silence, and the history tells what the hook could not."""
    before = _as_nobody(p, tmp_path)
    p.show()
    p.turn("src/new.py", "a")
    p.show()
    p.git("add", "-A")
    _open(p.repo)
    for path in (p.place.hone, *p.place.hone.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run([*before, "git", "commit", "-qm", "c"], cwd=p.repo, env=p.env, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    told = hone(["drain"], p.repo, p.env, before)
    assert (told.returncode, "Permission denied" in told.stderr, "Traceback" in told.stderr) == (2, True, False)
    for path in (p.place.hone, *p.place.hone.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert ai_lines((), p.repo, p.env, before) == 10


@ROOT_ONLY
def test_a_read_only_checkout_is_read(p: Play, tmp_path: Path) -> None:
    """What was recorded is shown to somebody who may write nothing; what is pending is said to be."""
    before = _as_nobody(p, tmp_path)
    p.turn("src/new.py", "a")
    p.commit("c")
    assert p.ai() == 10
    for path in (p.repo, *p.repo.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222 | (0o055 if path.is_dir() else 0o044))
    for args in (["show", "--json"], ["log", "--json"], ["stats", "--json"], ["status", "--json"]):
        done = hone(args, p.repo, p.env, before)
        assert done.returncode == 0, (args, done.stderr)
        assert "Traceback" not in done.stderr
    assert json.loads(hone(["show", "--json"], p.repo, p.env, before).stdout)["lines"]["ai"] == 10


@ROOT_ONLY
def test_init_where_the_git_folder_is_read_only(repo: Callable[..., Any], tmp_path: Path, home: Path) -> None:
    made = repo()
    _open(made.path)
    home.chmod(0o755)
    (made.path / ".git").chmod(0o555)
    play = type("P", (), {"home": home, "repo": made.path})
    done = hone(["init"], made.path, dict(os.environ), _as_nobody(play, tmp_path))
    assert (done.returncode, "denied" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert not (made.path / ".git/hone").exists()
    assert not (made.path / ".agent").exists()


@ROOT_ONLY
def test_a_repository_of_somebody_else(repo: Callable[..., Any], home: Path) -> None:
    """git's refusal is passed on with its remedy; safe.directory is the person's own decision."""
    made = repo()
    _open(made.path)
    config = (home / ".gitconfig").read_bytes()
    for args in (["init"], ["status"], ["show"], ["doctor"]):
        done = hone(args, made.path, dict(os.environ))
        assert done.returncode == 2
        assert "dubious ownership" in done.stderr
        assert f"git config --global --add safe.directory {made.path}" in done.stderr
    assert (home / ".gitconfig").read_bytes() == config
    assert not (made.path / ".git/hone").exists()


def test_a_container_without_git_identity(p: Play, home: Path) -> None:
    """Notes are written under an identity of our own; the person's configuration is left as it is."""
    p.turn("src/new.py", "a")
    p.commit("c")
    (home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    assert p.ai() == 10
    assert p.git("log", "-1", "--format=%cn <%ce>", "refs/notes/hone") == "git-hone <git-hone@localhost>"
    assert (home / ".gitconfig").read_text() == "[user]\n\tuseConfigOnly = true\n"


def test_the_same_record_in_two_time_zones(p: Play) -> None:
    """Ids and months come from UTC: draining again elsewhere doubles nothing."""
    p.turn("src/new.py", "a")
    p.commit("c")
    saved = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in p.place.inbox.glob("*.ev")}
    listed: list[set[str]] = []
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"):
        (p.place.hone / "state.db").unlink(missing_ok=True)
        for name, (data, at) in saved.items():
            (p.place.inbox / name).write_bytes(data)
            os.utime(p.place.inbox / name, ns=(at, at))
        assert ai_lines((), p.repo, dict(os.environ) | {"TZ": zone}) == 10
        listed.append({row["record_id"] for row in Store(p.place.data).rows("runs")})
        assert len(Store(p.place.data).rows("changes")) == 1
    assert listed[0] == listed[1] == listed[2]
    months = {path.parent.name for path in p.place.data.rglob("*.parquet")}
    assert all(month.startswith("month=") for month in months)
    assert drain(p.place).events == 0
