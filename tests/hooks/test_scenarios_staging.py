"""What is staged is not what lies in the work tree: names without content, edited patches, blobs put in by hand, an index of one's own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

Play = Any


def lines(p: Play, rev: str = "HEAD") -> tuple[int, int, int]:
    """(ai, human, unknown) of a commit."""
    assert not p.failed
    seen = p.show(rev)["lines"]
    return seen["ai"], seen["human"], seen["unknown"]


def test_a_name_without_content_then_all_of_it(p: Play) -> None:
    p.turn("src/new.py", "fresh", 5)
    p.git("add", "-N", "src/new.py")
    p.human("src/mine.py", "a = 1\n")
    p.git("commit", "-qam", "the agent's file; mine is not tracked")
    assert lines(p) == (5, 0, 0)


def test_a_patch_edited_on_its_way_into_the_index(p: Play, tmp_path: Path) -> None:
    """`git add -e`: one of the agent's lines is changed in the patch alone; the work tree keeps what the agent wrote."""
    p.turn("src/base.py", "patched", 4)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i.old "s/^+def patched_2(x): return x + 2/+def patched_2(x): return mine(x)/" "$1"\n')
    editor.chmod(0o755)
    p.git("add", "-e", "src/base.py", GIT_EDITOR=str(editor))
    p.git("commit", "-qm", "three of the agent's lines and one of mine")
    ai, human, unknown = lines(p)
    assert (ai, human + unknown) == (3, 1)
    p.git("commit", "-qam", "the agent's own line after all")
    ai, human, unknown = lines(p)
    assert human == 0
    assert ai + unknown == 1


def test_a_blob_put_into_the_index_by_hand(p: Play) -> None:
    """A person's file that never lay in the work tree, beside the agent's."""
    p.turn("src/new.py", "fresh", 5)
    p.git("add", "src/new.py")
    blob = (
        subprocess.run(
            ["git", "hash-object", "-w", "--stdin"], cwd=p.repo, input=b"one = 1\ntwo = 2\n", capture_output=True, check=True
        )
        .stdout.decode()
        .strip()
    )
    p.git("update-index", "--add", "--cacheinfo", f"100644,{blob},src/mine.py")
    p.git("commit", "-qm", "both")
    ai, human, unknown = lines(p)
    assert (ai, human + unknown) == (5, 2)


@pytest.mark.parametrize("drained", [True, False])
def test_committed_through_an_index_of_its_own(p: Play, tmp_path: Path, drained: bool) -> None:
    """As tools do that commit a part of the work below every hook: a private index, `write-tree`, `commit-tree`, `update-ref`."""
    p.turn("src/new.py", "fresh", 5)
    p.turn("src/base.py", "later", 3)
    if drained:
        p.show()
    index = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    p.git("read-tree", "HEAD", **index)
    p.git("add", "src/new.py", **index)
    tree = p.git("write-tree", **index)
    p.git("update-ref", "HEAD", p.git("commit-tree", tree, "-p", "HEAD", "-m", "a part"))
    p.git("reset", "-q")
    p.commit("the rest")
    assert lines(p) == (3, 0, 0)
    ai, human, _ = lines(p, "HEAD~1")
    assert (ai, human) in {(5, 0), (0, 0)}  # below every hook unknown is allowed; a person's it is not


def test_taken_out_of_the_index_and_put_back(p: Play) -> None:
    """Two commits: the file leaves the history, though not the disk, and comes back as it was."""
    p.turn("src/new.py", "fresh", 5)
    p.commit("ai")
    p.git("rm", "-q", "--cached", "src/new.py")
    p.git("commit", "-qm", "out")
    p.git("add", "src/new.py")
    p.git("commit", "-qm", "in")
    ai, human, unknown = lines(p)
    assert (human, ai + unknown) == (0, 5)
