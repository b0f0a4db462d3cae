"""How long a look for outcomes takes.

    python -m bench.outcomes [--json] [--commits 10000] [--changes 2000]

A repository of COMMITS commits over 120 days, made by `git fast-import`, of which CHANGES are an agent's (20 lines each, recorded
as a drain records them); people rewrite, reformat, rename and delete lines of theirs. The first look walks all of it; the daily one
comes after 50 more commits; the third has nothing new. Then the newest commit is amended, as people do. The first look's counts are
checked against `git blame` for 20 changes.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import scratch
from git_hone.hooks.aging import Aged, age
from git_hone.hooks.place import Place, find
from git_hone.hooks.state import State
from git_hone.learner.store import Store

DAY = 86_400
LINES = 20
DAYS_OF_HISTORY = 120


@dataclass
class History:
    """A made-up history: the file's lines as they are now, and for each commit whose it is."""

    random: random.Random
    files: dict[str, list[str]] = field(default_factory=dict)
    changes: list[tuple[int, str, int]] = field(default_factory=list)  # commit mark, path, first line from 1
    mark: int = 0

    def step(self, agent: bool, start: float, end: float, total: int) -> bytes:
        """One more commit, in the language of fast-import."""
        self.mark += 1
        at = int(start + (end - start) * self.mark / total)
        chance, paths = self.random, sorted(self.files)
        touched = f"src/m{chance.randrange(200)}.py"
        lines = self.files.setdefault(touched, [])
        gone = b""
        if agent:
            first = len(lines) + 1
            lines += [f"def f{self.mark}_{k}(x): return x + {k}" for k in range(LINES)]
            self.changes.append((self.mark, touched, first))
        elif paths and chance.random() < 0.02:  # a rename
            gone, old = f"D {touched}\n".encode(), touched
            touched = f"src/moved{self.mark}.py"
            self.files[touched] = self.files.pop(old)
            lines = self.files[touched]
        else:
            for _ in range(chance.randint(1, 4)):
                if lines and chance.random() < 0.6:
                    k = chance.randrange(len(lines))
                    lines[k] = f"{lines[k]}  # {self.mark}"
                lines.insert(chance.randint(0, len(lines)), f"x{self.mark}_{chance.randrange(10**9)} = 1")
        body = ("\n".join(lines) + "\n").encode()
        who = f"Dev <dev@example.com> {at} +0000"
        head = f"commit refs/heads/main\nmark :{self.mark}\nauthor {who}\ncommitter {who}\ndata 7\nfix it\n"
        return head.encode() + b"\n" + gone + f"M 100644 inline {touched}\ndata {len(body)}\n".encode() + body + b"\n"


def measure(commits: int = 10_000, changes: int = 2_000) -> dict[str, Any]:
    with scratch.home() as (folder, env):
        repo = folder / "repo"
        repo.mkdir()
        subprocess.run(["git", "init", "-q", "."], cwd=repo, env=env, check=True)
        scratch.install(repo, env)
        scratch.still(repo)
        now = time.time()
        made = History(random.Random(7))
        agents = set(made.random.sample(range(1, commits + 1), changes))
        span = now - DAYS_OF_HISTORY * DAY, now - DAY, commits
        shas = grow(repo, env, b"".join(made.step(k in agents, *span) for k in range(1, commits + 1)), None)
        place = find(repo)
        record(place, made, shas)
        first, _ = look(place, now)
        checked = check(place, repo, made, shas, env)
        more = b"".join(made.step(k % 5 == 0, now, now + DAY, commits) for k in range(50))
        grow(repo, env, more, shas[commits])
        daily, done = look(place, now + DAY)
        nothing, _ = look(place, now + 2 * DAY)
        subprocess.run(["git", "reset", "-q", "--hard"], cwd=repo, env=env, check=True)
        subprocess.run(["git", "commit", "-q", "--amend", "-m", "other words"], cwd=repo, env=env, check=True)
        amended, _ = look(place, now + 3 * DAY)
    return {"commits": commits, "changes": changes, "first_s": first, "daily_s": daily, "daily_outcomes": done.outcomes,
            "nothing_new_s": nothing, "after_amend_s": amended, "checked_against_blame": checked}  # fmt: skip


def grow(repo: Path, env: Mapping[str, str], stream: bytes, onto: str | None) -> dict[int, str]:
    """Import the commits; mark -> commit id."""
    marks = repo / ".git" / "marks"
    known = ["--import-marks-if-exists=.git/marks"]
    subprocess.run(
        ["git", "fast-import", "--quiet", *known, "--export-marks=.git/marks"], cwd=repo, env=env, check=True,
        input=(f"reset refs/heads/main\nfrom {onto}\n\n".encode() if onto else b"") + stream,
    )  # fmt: skip
    rows = (line.split() for line in marks.read_text().splitlines())
    return {int(mark[1:]): sha for mark, sha in rows}


def record(place: Place, made: History, shas: Mapping[int, str]) -> None:
    """The changes, as a drain leaves them in the state."""
    with State(place.hone / "state.db") as state:
        for mark, path, first in made.changes:
            sha = shas[mark]
            files = [{"path": path, "ai": LINES, "human": 0, "unknown": 0, "ai_ranges": [[first, first + LINES - 1]],
                      "human_ranges": [], "runs": {"r": [[first, first + LINES - 1]]}, "how": ["edit"]}]  # fmt: skip
            row = {"change_id": f"c{mark}", "commit": sha, "tree": sha, "parent_tree": None, "committed_at": float(mark),
                   "branch": "main", "state": "live", "superseded_by": None, "kind": "commit", "replaces": [], "run_ids": ["r"],
                   "agent": "a", "model": "m", "prompt_variant": None, "task_kind": None, "difficulty": None, "lines_ai": LINES,
                   "lines_human": 0, "lines_unknown": 0, "lines_written": LINES, "files": files, "patch_id": None, "flags": [],
                   "evidence": "hook", "trust": "own", "_at": float(mark), "_born": float(mark)}  # fmt: skip
            state.put_change(row)
            state.put("commits", sha, {"change": row["change_id"], "blobs": {}})
        for mark, sha in shas.items():
            if state.get("commits", sha) is None and mark:
                state.put("commits", sha, {"change": None, "blobs": {}})
        state.commit()


def look(place: Place, now: float) -> tuple[float, Aged]:
    start = time.perf_counter()
    done = age(place, now=now, force=True)
    if not done.ran:
        raise ValueError("the look did not run")
    return round(time.perf_counter() - start, 2), done


def check(place: Place, repo: Path, made: History, shas: Mapping[int, str], env: Mapping[str, str]) -> int:
    """Lines alive at the tip, by `git blame`, against the walk's, for changes whose file stands. Raises ValueError."""
    rows = Store(place.data).rows("outcomes", where={"kind": "reworked"})
    gone: dict[str, int] = {}
    for row in rows:
        gone[row["change_id"]] = gone.get(row["change_id"], 0) + row["detail"]["lines"]
    blamed: dict[str, int] = {}
    wanted = made.random.sample(made.changes, 20)
    for path in sorted(made.files):
        said = subprocess.run(
            ["git", "blame", "-s", "-l", "--root", "main", "--", path],
            cwd=repo,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for line in said.splitlines():
            blamed[line[:40]] = blamed.get(line[:40], 0) + 1
    for mark, _, _ in wanted:
        alive = LINES - gone.get(f"c{mark}", 0)
        if alive != blamed.get(shas[mark], 0):
            raise ValueError(f"change c{mark}: {alive} lines alive, git blame says {blamed.get(shas[mark], 0)}")
    return len(wanted)


def main(argv: list[str]) -> int:
    return scratch.run(__doc__, measure, argv, commits=10_000, changes=2_000)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
