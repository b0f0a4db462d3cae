"""Forward blame against `git blame`, on histories made at random and by hand."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks.history import commits as history
from git_hone.hooks.history import snapshot
from git_hone.hooks.history.survival import DAYS, fates
from git_hone.hooks.history.walk import Walk
from git_hone.hooks.history.walking import walked

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
START = 1_767_225_600  # 2026-01-01
DAY = 86_400


def quiet(*_: object) -> None:
    pass


def at(day: float) -> dict[str, str]:
    when = f"{int(START + day * DAY)} +0000"
    return {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}


def commit(repo: Any, day: float, message: str = "Change", *args: str) -> str:
    repo.git("add", "-A")
    repo.git("commit", "-q", "--allow-empty", "-m", message, *args, **at(day))
    return str(repo.git("rev-parse", "HEAD"))


def walk_of(path: Path, cache: Path, now: datetime = NOW, limit: int | None = None) -> Walk:
    return walked(path, history.read(path, "HEAD", limit), cache / "walk.cache", quiet, now)


def blame(repo: Any, path: str) -> list[str]:
    out = repo.git("blame", "-s", "--line-porcelain", "HEAD", "--", path).split("\n")
    return [
        line.split()[0] for at, line in enumerate(out) if not line.startswith("\t") and (at == 0 or out[at - 1].startswith("\t"))
    ]


def owners(walk: Walk, path: str) -> list[str | None]:
    lines = walk.states[len(walk.commits) - 1][os.fsencode(path)][1]
    return [walk.commits[bisect_right(walk.ledger.first, line) - 1].sha if line else None for line in lines]


def edit(rng: random.Random, lines: list[str], tag: str) -> list[str]:
    lines = list(lines)
    for number in range(rng.randint(1, 3)):
        where = rng.randint(0, len(lines))
        lines[where : where + rng.randint(0, 3)] = [f"{tag} {number} {k}" for k in range(rng.randint(0, 4))]
    return lines or [tag]


@pytest.mark.parametrize("seed", range(6))
def test_owners_are_those_of_git_blame_on_random_histories(repo: Callable[..., Any], tmp_path: Path, seed: int) -> None:
    rng, made, day = random.Random(seed), repo(), 0
    names = ["a.py", "pkg/b.py", "c d.txt"]
    for name in names:
        made.write(name, "".join(f"{name} {k}\n" for k in range(30)))
    commit(made, day)
    for step in range(30):
        day += 1
        kind = rng.random()
        name = rng.choice(names)
        if kind < 0.25:
            made.git("checkout", "-q", "-b", f"topic{step}")
            for k in range(rng.randint(1, 3)):
                old = (made.path / name).read_text().splitlines()
                made.write(name, "\n".join(edit(rng, old, f"topic {step} {k}")) + rng.choice(["\n", ""]))
                commit(made, day)
            made.git("checkout", "-q", "main")
            made.write(
                rng.choice(names), "\n".join(edit(rng, (made.path / name).read_text().splitlines(), f"main {step}")) + "\n"
            )
            commit(made, day)
            done = subprocess.run(["git", "merge", "-q", "--no-ff", "-m", "Merge", f"topic{step}"], cwd=made.path,
                                  env=os.environ | at(day), capture_output=True)  # fmt: skip
            if done.returncode:  # resolve: drop the marks, keep both sides
                for each in names:
                    kept = [x for x in (made.path / each).read_text().splitlines() if not x.startswith(("<<<<", "====", ">>>>"))]
                    made.write(each, "\n".join(kept) + "\n")
                commit(made, day, "Merge with conflicts")
        elif kind < 0.35:
            new = f"moved/{step}-{Path(name).name}"
            (made.path / "moved").mkdir(exist_ok=True)
            made.git("mv", name, new)
            names[names.index(name)] = new
            commit(made, day, "Move")
        else:
            made.write(name, "\n".join(edit(rng, (made.path / name).read_text().splitlines(), f"step {step}")) + "\n")
            commit(made, day)
    walk = walk_of(made.path, tmp_path)
    expected = {name: blame(made, name) for name in names}
    total = sum(map(len, expected.values()))
    agree = sum(a == b for name in names for a, b in zip(expected[name], owners(walk, name), strict=True))
    assert agree >= 0.97 * total  # a line that both sides of a merge hold may be credited to either


def test_odd_names_and_endings_are_followed(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    names = [
        'q"uote.py',
        "tab\tname.py",
        "new\nline.py",
        " lead.py",
        "ünï.py",
        "a => b.py",
        "-dash.py",
        os.fsdecode(b"\xff\xfe.py"),
    ]
    for name in names:
        made.write(name, "one\ntwo")
    first = commit(made, 0)
    for name in names:
        made.write(name, "one\ntwo\nthree\n")
    second = commit(made, 1)
    walk = walk_of(made.path, tmp_path)
    assert {name: owners(walk, name) for name in names} == {name: [first, second, second] for name in names}


def test_lines_die_when_the_branch_loses_them_and_live_from_landing(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    made.write("a.py", "base\n")
    commit(made, 0)
    made.git("checkout", "-q", "-b", "topic")
    made.write("b.py", "".join(f"{k}\n" for k in range(10)))
    topic = commit(made, 1)
    made.write("b.py", "".join(f"{k}\n" for k in range(8)))
    commit(made, 2)
    made.git("checkout", "-q", "main")
    made.git("merge", "-q", "--no-ff", "-m", "Merge", "topic", **at(10))
    made.write("b.py", "".join(f"{k}\n" for k in range(4)))
    commit(made, 20)
    walk = walk_of(made.path, tmp_path)
    fate = fates(walk, NOW)[walk.position[topic]]
    assert fate is not None and fate.lines == 10 and fate.before_landing == 2
    assert dict(zip(DAYS, fate.alive, strict=True)) == {1: (8, 10), 7: (8, 10), 14: (4, 10), 30: (4, 10), 90: (4, 10)}


def test_a_young_commit_is_missing_not_alive(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    made.write("a.py", "base\n")
    commit(made, 0)
    until = datetime.fromtimestamp(START + 15 * DAY, timezone.utc)
    fate = fates(walk_of(made.path, tmp_path, until), until)[0]
    assert fate is not None and fate.alive == ((1, 1), (1, 1), (1, 1), None, None) and fate.reworked is None


def test_a_shallow_edge_adds_nothing(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    for day in range(4):
        made.write("a.py", "".join(f"{k}\n" for k in range(10 + day)))
        commit(made, day)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "2", f"file://{made.path}", str(clone)], check=True)
    walk = walk_of(clone, tmp_path)
    assert [each.edge for each in walk.commits] == [True, False]
    assert [len(walk.ledger.lines_of(k)) for k in range(2)] == [0, 1]
    assert owners(walk, "a.py") == [None] * 12 + [walk.commits[1].sha]


def test_a_limit_leaves_older_lines_unknown(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    for day in range(4):
        made.write("a.py", "".join(f"{k}\n" for k in range(10 + day)))
        commit(made, day)
    walk = walk_of(made.path, tmp_path, limit=2)
    assert [owner is None for owner in owners(walk, "a.py")] == [True] * 11 + [False] * 2


def test_a_missing_blob_loses_its_file_and_nothing_else(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    made.write("a.py", "a\n")
    made.write("b.py", "b\n")
    commit(made, 0)
    made.write("a.py", "a\nlost\n")
    made.write("b.py", "b\nkept\n")
    second = commit(made, 1)
    blob = made.git("rev-parse", "HEAD:a.py")
    made.write("a.py", "a\nlost\nmore\n")
    commit(made, 2)
    made.write("b.py", "b\nkept\nlast\n")
    last = commit(made, 3)
    (made.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    walk = walk_of(made.path, tmp_path)
    assert owners(walk, "b.py")[1:] == [second, last]
    assert len(walk.ledger.unreadable) == 2 and walk.ledger.lost


def test_hostile_configuration_runs_nothing(repo: Callable[..., Any], tmp_path: Path) -> None:
    made, trap = repo(), tmp_path / "trap"
    made.write(".gitattributes", "*.py diff=evil\n")
    made.write("a.py", "a\n")
    commit(made, 0)
    made.write("a.py", "b\n")
    second = commit(made, 1)
    for key in ("diff.evil.textconv", "diff.evil.command", "diff.external", "core.fsmonitor"):
        made.git("config", key, f"touch {trap}; false")
    for key, value in (
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("log.showRoot", "false"),
        ("diff.context", "9"),
    ):
        made.git("config", key, value)
    assert owners(walk_of(made.path, tmp_path), "a.py") == [second]
    assert not trap.exists()


CHILD = """
import sys, time
from datetime import datetime, timezone
from pathlib import Path
from git_hone.hooks.history import commits as history, walking
walking.SAVE_SECONDS = 0.0
path, cache = map(Path, sys.argv[1:3])
def slow(*_): pass
step = walking.Walk.step
def slowly(self, *args):
    step(self, *args); time.sleep(0.01); print(self.ledger.walked, flush=True)
walking.Walk.step = slowly
walking.walked(path, history.read(path, "HEAD"), cache, slow, datetime(2026, 6, 1, tzinfo=timezone.utc))
"""


def test_a_killed_walk_goes_on_and_ends_the_same(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    for day in range(40):
        made.write("a.py", "".join(f"{k} {k * day % 7}\n" for k in range(20)))
        commit(made, day)
    saved = tmp_path / "walk.cache"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(made.path), str(saved)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 15:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    commits = history.read(made.path, "HEAD")
    begun = snapshot.load(saved, commits, int(NOW.timestamp() // 60))
    assert begun is not None and 0 < begun.ledger.walked < 40
    resumed = walked(made.path, commits, saved, quiet, NOW)
    afresh = walked(made.path, commits, tmp_path / "other.cache", quiet, NOW)
    assert resumed.ledger == afresh.ledger and resumed.states == afresh.states


def test_a_damaged_or_foreign_cache_is_rebuilt(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    made.write("a.py", "a\n")
    first = commit(made, 0)
    saved = tmp_path / "walk.cache"
    walk_of(made.path, tmp_path)
    whole = saved.read_bytes()
    for damaged in (b"", whole[:50], whole[:-1], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b"\0" * 200):
        saved.write_bytes(damaged)
        assert owners(walk_of(made.path, tmp_path), "a.py") == [first]
    made.git("commit", "-q", "--amend", "-m", "Other", **at(1))
    assert owners(walk_of(made.path, tmp_path), "a.py") == [made.git("rev-parse", "HEAD")]


def test_new_commits_continue_a_finished_walk(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    made.write("a.py", "a\n")
    first = commit(made, 0)
    made.git("branch", "old")
    walk_of(made.path, tmp_path)
    made.write("a.py", "a\nb\n")
    second = commit(made, 1)
    assert owners(walk_of(made.path, tmp_path), "a.py") == [first, second]
    made.git("checkout", "-q", "old")
    made.write("b.py", "z\n")
    side = commit(made, 2)
    made.git("checkout", "-q", "main")
    made.git("merge", "-q", "--no-ff", "-m", "Merge", "old", **at(3))
    walk = walk_of(made.path, tmp_path)
    assert (owners(walk, "a.py"), owners(walk, "b.py")) == ([first, second], [side])
