"""What a drain costs, in counts: the processes of git that it starts and the modules that it loads. Seconds are for bench/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from git_hone.hooks import git
from git_hone.hooks.commits import tips
from tests.hooks.conftest import VARIANT, Play

PROCESSES = 18
"""Of git, for the drain of one agent's commit; 39 once."""
WORKER = "from git_hone.hooks import worker; import sys; worker.main([sys.argv[1]]); print(*sys.modules)"


@pytest.fixture
def still(p: Play) -> Play:
    """Its hooks file events, but start no worker."""
    p.quiet()
    for script in p.place.hone.glob("*.sh"):
        script.write_text(script.read_text().replace(sys.executable, "/bin/true"))
    return p


def worked(play: Play, log: Path) -> tuple[list[str], set[str]]:
    """What git was called with by a worker, and the modules that it had loaded at its end."""
    real, folder = shutil.which("git"), log.with_name("counting")
    folder.mkdir(exist_ok=True)
    (folder / "git").write_text(f'#!/bin/sh\necho "$*" >>"{log}"\nexec "{real}" "$@"\n')
    (folder / "git").chmod(0o755)
    log.write_text("")
    env = dict(os.environ) | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-I", "-c", WORKER, str(play.place.hone)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert not (play.place.hone / "worker.log").exists(), (play.place.hone / "worker.log").read_text()
    return log.read_text().splitlines(), set(done.stdout.split())


@pytest.mark.skipif(bool(VARIANT), reason="counts are those of a plain repository")
def test_the_worker_for_an_agents_commit_starts_git_a_few_times(still: Play, tmp_path: Path) -> None:
    worked(still, tmp_path / "first.log")
    still.turn("src/agent.py", "agent")
    still.commit("the agent's")
    calls, loaded = worked(still, tmp_path / "git.log")
    assert still.ai() == 10
    assert len(calls) <= PROCESSES, "\n".join(calls)
    assert "pyarrow.lib" in loaded
    assert not {"numpy", "cloudpickle", "pyarrow.compute", "duckdb", "sklearn", "git_hone.hooks.aging"} & loaded


def test_a_drain_of_a_persons_commit_loads_no_more_than_it_needs(still: Play, tmp_path: Path) -> None:
    worked(still, tmp_path / "first.log")
    still.human("src/base.py", "y = 2\n")
    still.commit("a person's")
    calls, loaded = worked(still, tmp_path / "git.log")
    assert any("rev-list" in call for call in calls)  # it was looked at
    ours = ("git_hone.hooks.tampering", "git_hone.hooks.redaction", "git_hone.hooks.recall", "git_hone.hooks.aging")
    assert not {name for name in loaded if name.startswith((*ours, "pyarrow", "numpy", "duckdb", "git_hone.learner.router"))}


def test_heads_from_files_are_those_that_git_names(p: Play) -> None:
    """One work tree: on a branch, detached, unborn, packed; and with a second tree, where git is asked."""

    def asked() -> dict[str, str]:
        blocks = p.git("worktree", "list", "--porcelain").split("\n\n")
        trees = [dict(line.partition(" ")[::2] for line in block.splitlines()) for block in blocks if block.strip()]
        found = {f"HEAD {tree['worktree']}": tree["HEAD"] for tree in trees if set(tree.get("HEAD", "0")) != {"0"}}
        head = git.line(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], p.repo)
        return found | ({"HEAD": head} if head else {})

    def found() -> dict[str, str]:
        return {name: commit for name, commit in tips(p.repo).items() if name.startswith("HEAD")}

    assert found() == asked() != {}
    p.git("pack-refs", "--all")
    assert found() == asked()
    p.git("checkout", "-q", "--detach", "HEAD~1")
    assert found() == asked()
    p.git("checkout", "-q", "--orphan", "unborn")
    assert found() == asked()
    p.git("worktree", "add", "-q", "--detach", str(p.repo.parent / "second"), "main")
    assert found() == asked()
    assert len(found()) == 1 + (VARIANT == "worktree")


def test_shared_objects_are_one_process_which_survives_a_quarrel(p: Play) -> None:
    blob = p.git("rev-parse", "HEAD:README").strip()
    with git.sharing(p.repo, p.place.common):
        with git.cat_file(p.repo) as one, git.cat_file(p.place.common) as other:
            assert one is other and one.blob(blob) == b"hello\n"
            assert one.small(blob, 6) == (b"hello\n", False) and one.small(blob, 5) == (None, True)
            assert one.blob(blob) == b"hello\n" and one.small("0" * 40, 5) == (None, False)
        with pytest.raises(KeyError), git.cat_file(p.repo):
            raise KeyError
        with git.cat_file(p.repo) as fresh:
            assert fresh is not one and fresh.tree_of("HEAD") == p.git("rev-parse", "HEAD^{tree}").strip()
            assert fresh.tree_of(blob) is None
    with git.cat_file(p.repo) as alone:
        assert alone is not fresh and alone.blob(blob) == b"hello\n"
