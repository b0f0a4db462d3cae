"""Forgetting and git's objects: what is ours goes, and not one object that anything else of the user's leads to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from git_hone.ci import worktree
from git_hone.hooks import forget, noted, notes
from git_hone.hooks.consent import Tombstones
from git_hone.hooks.install import setup
from git_hone.hooks.sync import sync
from git_hone.hooks.target import target
from git_hone.learner.store import Store

from ..conftest import Play


def change(p: Play, name: str) -> str:
    """A turn of the agent, committed and drained; returns the change's id."""
    p.turn(f"src/{name}.py", name)
    return str(p.show(p.commit(name))["change_id"])


def undone(p: Play, name: str, files: dict[str, str], commit: bool = False) -> str:
    """An attempt that made these files and was undone; returns the ref that keeps it."""
    before = worktree.look(p.place)
    for path, text in files.items():
        p.human(path, text)
    if commit:
        p.commit("by the attempt")
    return worktree.go_back(p.place, before, name)


def whole(p: Play) -> None:
    """Nothing that a branch, the index, a reflog or an attempt needs is missing."""
    assert "missing" not in p.git("fsck", "--full", "--no-dangling")
    p.git("rev-list", "--objects", "--all", "--reflog", "--indexed-objects")
    assert p.git("status", "--porcelain") == ""


def attempts(p: Play) -> list[str]:
    return p.git("for-each-ref", "--format=%(refname)", "refs/hone/attempts").split()


def test_an_undone_attempt_and_the_history_outlive_another_change(p: Play) -> None:
    first, second = change(p, "one"), change(p, "two")
    ref = undone(p, "d1.0", {"src/tried.py": "tried = 1\n"}, commit=True)
    report = forget.forget(p.place, target(p.place, change=first))
    assert report.found == []
    assert report.removed["objects"] > 0
    assert report.looked_at["undone attempts"] == 1
    assert attempts(p) == [ref]
    assert p.git("show", f"{ref}:src/tried.py") == "tried = 1"
    whole(p)
    assert p.show()["change_id"] == second


@pytest.mark.parametrize("by", ["path", "person", "all", "decision"])
def test_an_undone_attempt_goes_with_what_it_is_about(p: Play, by: str) -> None:
    first = change(p, "one")
    other = undone(p, "d1.0", {"src/other.py": "other = 1\n"})
    ref = undone(p, "d2.0", {"src/one.py": "secret = 1\n", "NOTES": "dev@example.com asked for it\n"})
    tree = p.git("rev-parse", f"{ref}^{{tree}}")
    blob = p.git("rev-parse", f"{ref}:src/one.py")
    if by == "decision":
        what = target(p.place, change=first)
        what.decisions.add("d2")
    else:
        what = target(
            p.place, path="src/one.py" if by == "path" else "", person="Dev" if by == "person" else "", everything=by == "all"
        )
    seen = forget.search(p.place, what)
    assert f"{ref}: an undone attempt" in seen.found
    assert (f"{other}: an undone attempt" in seen.found) == (by == "all")
    report = forget.forget(p.place, what)
    assert report.found == []
    assert report.removed["undone attempts"] == 1 + (by == "all")
    assert attempts(p) == ([] if by == "all" else [other])
    for name in (tree, blob):
        with pytest.raises(RuntimeError):
            p.git("cat-file", "-e", name)
    whole(p)


def test_what_a_reflog_an_index_or_another_work_tree_needs_stays(p: Play, tmp_path: Path) -> None:
    """A note is a blob like any other; here are two that something else than a branch holds as well."""
    change(p, "one")
    text = p.git("notes", "--ref=hone", "show", "HEAD") + "\n"
    p.human("copy.txt", text)
    p.commit("a copy of the note")
    p.git("reset", "-q", "--hard", "HEAD~1")  # only the reflog leads to it
    p.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    change(p, "two")
    staged = p.git("notes", "--ref=hone", "show", "HEAD") + "\n"
    (tmp_path / "linked" / "staged.txt").write_text(staged)
    p.git("add", "staged.txt", cwd=tmp_path / "linked")
    assert p.git("ls-files", "-s", "staged.txt", cwd=tmp_path / "linked").split()[1] in p.git("ls-tree", "-r", notes.REF)
    forget.forget(p.place, target(p.place, everything=True))
    whole(p)
    assert (
        p.git("show", "HEAD@{2}:copy.txt") == text.strip() or p.git("log", "-g", "--format=%s").count("a copy of the note") == 1
    )
    assert p.git("show", ":staged.txt", cwd=tmp_path / "linked") == staged.strip()


def test_a_remote_ref_that_leads_to_code_takes_no_code_along(p: Play) -> None:
    """Somebody pushed their branch as the notes: what was fetched of it is the repository's own history."""
    first = change(p, "one")
    p.git("update-ref", "refs/hone/remotes/origin/notes/hone-3", "HEAD")
    forget.forget(p.place, target(p.place, change=first))
    assert p.git("for-each-ref", "refs/hone/remotes") == ""
    whole(p)


def test_nothing_is_deleted_where_git_cannot_read_the_history(p: Play) -> None:
    first = change(p, "one")
    note = p.git("rev-parse", notes.REF)
    broken = p.git("rev-parse", "HEAD~1")
    (p.place.common / "objects" / broken[:2] / broken[2:]).unlink()
    report = forget.forget(p.place, target(p.place, change=first))
    assert any("git fsck" in where for where in report.found)
    assert report.removed["objects"] == 0
    p.git("cat-file", "-e", note)


def test_a_notes_ref_that_was_deleted_does_not_bring_it_back(p: Play) -> None:
    """What we wrote last lies under refs/hone/written/, and the next writing would join it again."""
    first, second = change(p, "one"), change(p, "two")
    p.git("update-ref", "-d", notes.REF)
    forget.forget(p.place, target(p.place, change=first))
    change(p, "three")
    kept = p.git("log", "-p", "--format=%H", notes.REF)
    assert first not in kept
    assert second in kept


def test_uninstalling_keeps_undone_attempts(p: Play) -> None:
    change(p, "one")
    ref = undone(p, "d1.0", {"src/tried.py": "tried = 1\n"})
    report = setup.uninstall(p.place, purge=True)
    assert attempts(p) == [ref]
    assert any(notes.ATTEMPTS in words for words in report.kept)
    assert p.git("for-each-ref", "refs/notes", "refs/hone/written") == ""


def colleague(p: Play, fresh: Callable[..., Play], tmp_path: Path) -> tuple[Play, str]:
    """Another clone that has a change and its notes; returns it and the commit, which `p` has as well, without a record."""
    p.git("init", "-q", "--bare", str(tmp_path / "far.git"))
    p.git("remote", "add", "origin", str(tmp_path / "far.git"))
    other = fresh("other")
    other.git("remote", "add", "origin", str(tmp_path / "far.git"))
    other.turn("src/theirs.py", "theirs")
    sha = other.commit("theirs")
    other.show()
    other.git("push", "-q", "origin", "HEAD:refs/heads/theirs")
    assert sync(other.place).state == "synced"
    p.git("fetch", "-q", "origin", "theirs:theirs")
    return other, sha


@pytest.mark.parametrize("kind", ["change", "commit", "email", "path"])
def test_what_was_forgotten_is_not_taken_from_notes(p: Play, fresh: Callable[..., Play], tmp_path: Path, kind: str) -> None:
    """By the notes of a sync, and by a ref that was fetched past it."""
    other, sha = colleague(p, fresh, tmp_path)
    (row,) = Store(other.place.data).rows("changes")
    value = {"change": row["change_id"], "commit": sha, "email": "dev@example.com", "path": "src/theirs.py"}[kind]
    p.show()
    p.git("fetch", "-q", "origin", f"{notes.REF}:{notes.REF}")
    tombs = Tombstones(p.place.hone)
    tombs.add(kind, [value])
    tombs.save()
    assert noted.take(p.place) == (kind == "path")
    text = json.dumps(Store(p.place.data).rows("changes") + Store(p.place.data).rows("outcomes"), default=str)
    assert ("src/theirs.py" if kind == "path" else row["change_id"]) not in text
    assert sync(p.place).state == "synced"
    held = p.git("log", "-p", "--format=%H", notes.REF, check=False)
    assert ("src/theirs.py" if kind == "path" else row["change_id"]) not in held
