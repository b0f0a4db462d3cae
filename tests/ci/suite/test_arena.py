"""An arena holds one tree and one commit, and nothing is written outside it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.arena.sealed import Arena, commits
from git_hone.ci.suite.trees import Trees, Unfit
from git_hone.learner.errors import DataError
from git_hone.learner.suite.tasks import File

HELD: dict[str, bytes] = {}


def kept(data: bytes, kind: str = "file") -> File:
    sha256 = hashlib.sha256(data).hexdigest()
    HELD[sha256] = data
    return File(sha256, kind)


def arena(folder: Path, files: dict[str, File]) -> Arena:
    return Arena(folder, files, HELD.__getitem__)


def test_one_commit_whatever_the_attributes_say(tmp_path: Path, home: Path) -> None:
    (home / ".gitconfig").write_text(
        '[filter "x"]\n\tclean = false\n\tsmudge = false\n\trequired = true\n[commit]\n\tgpgsign = true\n'
    )
    files = {".gitattributes": kept(b"* filter=x text eol=crlf export-ignore\n"), "a.txt": kept(b"one\ntwo\r\n"), ".gitignore": kept(b"*\n"),
             "run.sh": kept(b"#!/bin/sh\n", "executable"), "in": kept(b"a.txt", "link")}  # fmt: skip
    made = arena(tmp_path / "arena", files)
    assert commits(made.folder) == 1
    assert (made.folder / "in").read_bytes() == b"one\ntwo\r\n"
    assert os.access(made.folder / "run.sh", os.X_OK)


def test_a_second_commit_is_noticed(tmp_path: Path) -> None:
    made = arena(tmp_path / "arena", {"a": kept(b"a")})
    from git_hone.hooks import git

    who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    git.run(["commit-tree", "HEAD^{tree}", "-m", "loose"], made.folder, env=who)
    assert commits(made.folder) == 2


def test_filling_again_undoes_all_that_a_run_did(tmp_path: Path) -> None:
    made = arena(tmp_path / "arena", {"a/b.py": kept(b"b"), "c": kept(b"c")})
    (made.folder / "c").unlink()
    (made.folder / "c").mkdir()
    (made.folder / "c" / "x").write_text("x")
    (made.folder / "a" / "b.py").write_text("changed")
    (made.folder / "a").chmod(0o500)
    (made.folder / "out").symlink_to(tmp_path)
    (tmp_path / "outside").write_text("stays")
    made.fill()
    assert sorted(str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if ".git" not in path.parts) == [
        "a",
        "a/b.py",
        "c",
    ]
    assert ((made.folder / "c").read_bytes(), (made.folder / "a/b.py").read_bytes()) == (b"c", b"b")
    assert (tmp_path / "outside").read_text() == "stays"


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../secret", b"x/../../secret", b".git/config"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, target: bytes) -> None:
    with pytest.raises(DataError, match="leads out of its folder"):
        arena(tmp_path / "arena", {"link": kept(target, "link")})


def test_links_that_lead_out_together_are_refused(tmp_path: Path) -> None:
    files = {"a/b/c/up": kept(b"../../../top", "link"), "top/x": kept(b"x"), "way": kept(b"a/b/c/up/../..", "link")}
    with pytest.raises(DataError, match="by way of others"):
        arena(tmp_path / "arena", files)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    made = arena(tmp_path / "arena", {"a": kept(b"a")})
    (made.folder / "door").symlink_to(outside)
    with pytest.raises(DataError, match="goes through 'door'"):
        made.write("door/x.py", b"x")
    made.write("door", b"now a file")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "/tmp/x", ".git/hooks/pre-commit", "a/../../x"])
def test_a_hostile_path_is_refused(tmp_path: Path, path: str) -> None:
    made = arena(tmp_path / "arena", {})
    with pytest.raises(DataError, match="path"):
        made.write(path, b"x")


def test_a_content_that_is_not_what_its_hash_says_is_refused(tmp_path: Path) -> None:
    wrong = File("0" * 64)
    HELD["0" * 64] = b"other"
    with pytest.raises(DataError, match="is not what its hash says"):
        arena(tmp_path / "arena", {"a": wrong})


def test_a_tree_with_a_link_out_makes_no_arena(repo: Any) -> None:
    made = repo()
    made.write("a.py", "x = 1\n")
    (made.path / "out").symlink_to("/etc/passwd")
    commit = made.commit("links")
    with Trees(made.path) as trees, pytest.raises(Unfit, match="a link that leads out"):
        trees.files(commit)


def test_a_tree_is_read_past_attributes_filters_and_odd_names(repo: Any) -> None:
    made = repo()
    made.write(".gitattributes", "*.py export-ignore\n")
    made.write("a.py", "x = 1\n")
    (made.path / os.fsdecode(b"odd \xff\n.txt")).write_bytes(b"\x00\xff")
    commit = made.commit("odd")
    with Trees(made.path) as trees:
        files = trees.files(commit)
        assert sorted(files) == sorted([".gitattributes", "a.py", os.fsdecode(b"odd \xff\n.txt")])
        assert trees.content(files[os.fsdecode(b"odd \xff\n.txt")].sha256) == b"\x00\xff"
        assert trees.text(files[os.fsdecode(b"odd \xff\n.txt")]) is None
