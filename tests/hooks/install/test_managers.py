"""Beside other hook managers: chain where we may, print the line where we may not, in any order of installing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import place
from git_hone.hooks.install import doctor, native, setup
from git_hone.hooks.install.ledger import Ledger

Make = Callable[..., Any]


def hook(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def count(where: place.Place) -> int:
    return len(list(where.inbox.glob("*.ev")))


def states(where: place.Place) -> dict[str, str]:
    folder = native.folder(where)
    return {event: native.inspect(event, folder, where).state for event in native.EVENTS}


def test_husky_is_left_alone_and_its_line_works(repo: Make) -> None:
    r = repo()
    hook(r.path / ".husky/_/h", '#!/bin/sh\nn=${0##*/}; s="${0%/*}/../$n"; [ ! -f "$s" ] || sh -e "$s" "$@"\n')
    for event in native.EVENTS:
        hook(r.path / ".husky/_" / event, '#!/bin/sh\n. "${0%/*}/h"\n')
    r.git("config", "core.hooksPath", ".husky/_")
    before = {path.name: path.read_bytes() for path in (r.path / ".husky/_").iterdir()}
    where = place.find(r.path)
    report = setup.install(where)
    assert {path.name: path.read_bytes() for path in (r.path / ".husky/_").iterdir()} == before
    assert [text.split(":\n")[0] for text in report.advice] == [f".husky/{event}" for event in native.EVENTS]
    for text in report.advice:
        file, line = text.split(":\n", 1)
        r.write(file, line + "\n")
    first = r.commit("a")
    r.git("commit", "-q", "--amend", "-m", "b", "--allow-empty")
    assert count(where) == 3
    assert any(f"%payload\n{first} " in file.read_text() for file in where.inbox.glob("*.ev"))
    assert set(states(where).values()) == {"line"}
    assert setup.install(where).advice == []


def test_lefthook_is_given_a_snippet_and_other_events_are_chained(repo: Make) -> None:
    r = repo()
    theirs = hook(
        r.path / ".git/hooks/post-commit", '#!/bin/sh\n[ "$LEFTHOOK" = 0 ] && exit\ncall_lefthook run "post-commit" "$@"\n'
    )
    before = theirs.read_bytes()
    where = place.find(r.path)
    (advice,) = setup.install(where).advice
    assert advice.startswith("lefthook.yml:\npost-commit:")
    assert theirs.read_bytes() == before
    assert states(where) == {"post-commit": "no-line", "post-rewrite": "ours", "post-merge": "ours", "post-applypatch": "ours"}
    r.write("lefthook.yml", advice.split("\n", 1)[1])
    assert states(where)["post-commit"] == "line"


def test_a_tracked_hooks_folder_is_left_alone(repo: Make) -> None:
    r = repo()
    hook(r.path / ".githooks/post-commit")
    r.commit("a")
    r.git("config", "core.hooksPath", ".githooks")
    where = place.find(r.path)
    report = setup.install(where)
    assert [path.name for path in (r.path / ".githooks").iterdir()] == ["post-commit"]
    assert len(report.advice) == 4
    file, line = report.advice[0].split(":\n")
    assert file == ".githooks/post-commit"
    (r.path / file).write_text(f"#!/bin/sh\n{line}\n")
    r.commit("b")
    assert count(where) == 1


@pytest.mark.parametrize("value", ["hooks-here", "{top}/hooks-here", "{top}/.git/hooks-here"])
def test_a_folder_of_ones_own_is_chained(repo: Make, value: str) -> None:
    r = repo()
    folder = r.path / value.format(top=r.path)
    hook(folder / "post-commit", '#!/bin/sh\ntouch "$(git rev-parse --show-toplevel)/ran"\n')
    r.git("config", "core.hooksPath", value.format(top=r.path))
    where = place.find(r.path)
    assert setup.install(where).advice == []
    r.git("commit", "-q", "--allow-empty", "-m", "a")
    assert (count(where), (r.path / "ran").exists()) == (1, True)
    setup.uninstall(where)
    assert [path.name for path in folder.iterdir()] == ["post-commit"]


def test_a_global_folder_stays_until_the_last_repository_leaves(repo: Make, home: Path) -> None:
    one, two, other = repo("one"), repo("two"), repo("other")
    one.git("config", "--global", "core.hooksPath", "~/githooks")
    hook(home / "githooks/post-commit")
    before = (home / "githooks/post-commit").read_bytes()
    first, second = place.find(one.path), place.find(two.path)
    setup.install(first)
    setup.install(second)
    for each in (one, two, other):
        each.commit("a")
    assert (count(first), count(second), (other.path / ".git/hone").exists()) == (1, 1, False)
    setup.uninstall(first, purge=True)
    two.commit("b")
    assert count(second) == 2
    setup.uninstall(second, purge=True)
    assert {path.name: path.read_bytes() for path in (home / "githooks").iterdir()} == {"post-commit": before}


def test_hooks_switched_off_are_said_to_be(repo: Make) -> None:
    r = repo()
    r.git("config", "core.hooksPath", "/dev/null")
    report = setup.install(place.find(r.path))
    assert "/dev/null" in report.advice[0]


def test_newer_gits_take_hooks_from_the_configuration(repo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    r = repo()
    (r.path / ".husky/_").mkdir(parents=True)
    r.git("config", "core.hooksPath", ".husky/_")
    before = (r.path / ".git/config").read_bytes()
    monkeypatch.setattr(native, "config_hooks_work", lambda version: True)
    where = place.find(r.path)
    report = setup.install(where)
    assert (report.advice, set(states(where).values())) == ([], {"config"})
    assert r.git("config", "hook.git-hone-post-merge.event") == "post-merge"
    subprocess.run([r.git("config", "hook.git-hone-post-merge.command") + ' "$@"', "x", "1"], cwd=r.path, shell=True, check=True)  # noqa: S602 - Git runs a configured hook by a shell too
    assert count(where) == 1
    setup.uninstall(where, purge=True)
    assert (r.path / ".git/config").read_bytes() == before


PRE_COMMIT = """repos:
- repo: local
  hooks:
  - {id: note, name: note, language: system, entry: touch ran, stages: [post-commit], always_run: true, pass_filenames: false}
"""


def pre_commit(r: Any, *args: str) -> None:
    subprocess.run([sys.executable, "-m", "pre_commit", *args, "-t", "post-commit"], cwd=r.path, check=True, capture_output=True)


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("ours_leaves_first", [True, False])
def test_pre_commit_in_any_order(repo: Make, ours_first: bool, ours_leaves_first: bool) -> None:
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    r = repo()
    r.write(".pre-commit-config.yaml", PRE_COMMIT)
    mine = hook(r.path / ".git/hooks/post-commit", "#!/bin/sh\ntouch mine\n")
    before = mine.read_bytes()
    where = place.find(r.path)
    steps = [lambda: setup.install(where), lambda: pre_commit(r, "install")]
    for step in steps if ours_first else reversed(steps):
        step()
    setup.install(where)  # twice changes nothing
    r.git("add", ".pre-commit-config.yaml")
    r.git("commit", "-qm", "a")
    assert (count(where), (r.path / "ran").exists(), (r.path / "mine").exists()) == (1, True, True)
    assert all(finding.ok for finding in doctor.examine(where))
    gone = [lambda: setup.uninstall(where, purge=True), lambda: pre_commit(r, "uninstall")]
    for step in gone if ours_leaves_first else reversed(gone):
        step()
    if not ours_first and not ours_leaves_first:  # pre-commit did not know its hook under our name: we put it back
        pre_commit(r, "uninstall")
    assert mine.read_bytes() == before
    assert [path.name for path in mine.parent.iterdir() if "post-commit" in path.name] == ["post-commit"]


def test_doctor_takes_back_a_hook_that_somebody_replaced(repo: Make) -> None:
    r = repo()
    where = place.find(r.path)
    hook(r.path / ".git/hooks/post-commit", "#!/bin/sh\ntouch first\n")
    setup.install(where)
    hook(r.path / ".git/hooks/post-commit", "#!/bin/sh\ntouch second\n")
    (r.path / ".git/hooks/post-merge").unlink()
    assert [finding.words for finding in doctor.examine(where) if not finding.ok] == [
        "post-commit: taken-over by your own hook",
        "post-merge: missing",
    ]
    assert all(finding.ok for finding in doctor.examine(where, repair=True))
    r.git("commit", "-q", "--allow-empty", "-m", "a")
    assert (count(where), (r.path / "second").exists(), (r.path / "first").exists()) == (1, True, False)
    assert Ledger(where.common).exists


def prek(r: Any, *args: str) -> None:
    program = Path(sys.executable).with_name("prek")
    if not program.exists():
        pytest.skip("prek is not installed")
    subprocess.run([str(program), *args, "-t", "post-commit"], cwd=r.path, check=True, capture_output=True)


def link(path: Path) -> None:
    hook(path.with_name("theirs.sh"), "#!/bin/sh\ntouch ran\n")
    path.symlink_to("theirs.sh")


KINDS: dict[str, tuple[Callable[[Any, Path], object], bool]] = {
    "one of your own": (lambda r, path: hook(path, "#!/bin/sh\ntouch ran\n"), True),
    "bash": (lambda r, path: hook(path, "#!/usr/bin/env bash\nset -euo pipefail\n[[ -n x ]] && touch ran\n"), True),
    "Python": (lambda r, path: hook(path, f"#!{sys.executable}\nopen('ran', 'w').close()\n"), True),
    "without an end of line": (lambda r, path: hook(path, "#!/bin/sh\ntouch ran"), True),
    "a shebang with CRLF": (lambda r, path: hook(path, "#!/bin/sh\r\ntouch ran\r\n"), False),
    "without the exec bit": (lambda r, path: hook(path, "#!/bin/sh\ntouch ran\n").chmod(0o644), False),
    "a link": (lambda r, path: link(path), True),
    "a link that leads nowhere": (lambda r, path: path.symlink_to("gone"), False),
    "an empty file": (lambda r, path: hook(path, ""), False),
    "not UTF-8": (lambda r, path: (path.write_bytes(b"#!/bin/sh\n: \xff\ntouch ran\n"), path.chmod(0o755)), True),
    "git-lfs": (lambda r, path: hook(path, '#!/bin/sh\ntouch ran\n: git lfs post-commit "$@"\n'), True),
    "pre-commit": (
        lambda r, path: (r.write(".pre-commit-config.yaml", PRE_COMMIT), r.commit("c"), pre_commit(r, "install")),
        True,
    ),
    "prek": (lambda r, path: (r.write(".pre-commit-config.yaml", PRE_COMMIT), r.commit("c"), prek(r, "install")), True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_of_any_kind_runs_as_before_and_comes_back_byte_for_byte(repo: Make, kind: str) -> None:
    if kind == "pre-commit":
        pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    r = repo()
    r.commit("first")
    make, runs = KINDS[kind]
    make(r, r.path / ".git/hooks/post-commit")
    (r.path / "ran").unlink(missing_ok=True)

    def commit() -> tuple[int, bytes, bool]:
        """Exit code, what was said, and whether the hook ran."""
        done = subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=r.path, capture_output=True, check=False)
        ran = (r.path / "ran").exists()
        (r.path / "ran").unlink(missing_ok=True)
        return done.returncode, b"" if "commit" in kind or kind == "prek" else done.stdout, ran

    def hooks() -> dict[str, tuple[int, bytes]]:
        return {
            path.name: (path.lstat().st_mode, bytes(path.readlink()) if path.is_symlink() else path.read_bytes())
            for path in sorted((r.path / ".git/hooks").iterdir())
        }

    before, plain = hooks(), commit()
    assert plain[2] == runs
    where = place.find(r.path)
    setup.install(where)
    assert (commit(), count(where)) == (plain, 1)
    setup.install(where)
    setup.uninstall(where, purge=True)
    assert hooks() == before
    assert commit() == plain
