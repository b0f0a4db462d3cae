"""How fast what happened becomes visible.

    python -m bench.drain [--json] [--events 1000] [--commits 10]

EVENTS agent events (half before, half after an edit) and a commit of them, drained by one `git hone drain`; and, for COMMITS
ordinary commits of an agent's edit, the wall time from the moment that `git commit` returned until the note stands on the
commit, written by the worker that the hook started. Each answer is checked: the lines of the agent must be the agent's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import scratch
from git_hone.hooks.player import Player

GIVE_UP_S = 60.0
LINES = 20


def measure(events: int = 1000, commits: int = 10) -> dict[str, Any]:
    with scratch.home() as (folder, env):
        return {**drained(folder, env, events), "commit_to_note_s": visible(folder, env, commits)}


def drained(folder: Path, env: dict[str, str], events: int) -> dict[str, Any]:
    """Wall seconds, CPU seconds and events a second of one drain."""
    repo = scratch.repository(folder / "many", env)
    scratch.install(repo, env)
    scratch.still(repo)
    player = Player(repo, folder, env)
    player.start()
    for k in range(events // 2):
        player.write(f"src/new{k % 100}.py", scratch.text(20_000 + k, LINES))
    scratch.commit_all(repo, env, "all of it")
    pending = len(list((repo / ".git" / "hone" / "inbox").glob("*.ev")))
    start = time.perf_counter()
    cpu = scratch.cpu_ms([scratch.HONE, "drain"], repo, env)
    wall = time.perf_counter() - start
    left = len(list((repo / ".git" / "hone" / "inbox").glob("*.ev")))
    written = min(100, events // 2) * LINES
    if left or ai_lines(repo, env) != written:
        raise ValueError(f"{left} events left; {ai_lines(repo, env)} lines of the agent, {written} were written")
    return {"events": pending, "drain_wall_s": round(wall, 3), "drain_cpu_s": round(cpu / 1000, 3),
            "events_per_s": round(pending / wall)}  # fmt: skip


def visible(folder: Path, env: dict[str, str], commits: int) -> dict[str, float]:
    """Wall seconds from a commit to its note, each checked with `show`."""
    repo = scratch.repository(folder / "live", env)
    scratch.install(repo, env)
    player, waits = Player(repo, folder, env), []
    player.start()
    for k in range(commits):
        player.write(f"src/live{k}.py", scratch.text(30_000 + k, LINES))
        scratch.commit_all(repo, env, f"live {k}")
        start = time.perf_counter()
        while subprocess.run(["git", "notes", "--ref=hone", "show"], cwd=repo, env=env, capture_output=True).returncode:
            if time.perf_counter() - start > GIVE_UP_S:
                raise TimeoutError(f"no note on commit {k} after {GIVE_UP_S:.0f} s")
            time.sleep(0.005)
        waits.append(time.perf_counter() - start)
        if (ai := ai_lines(repo, env)) != LINES:
            raise ValueError(f"commit {k}: {ai} lines of the agent, {LINES} were written")
    return scratch.middle(waits)


def ai_lines(repo: Path, env: Mapping[str, str]) -> int:
    done = subprocess.run([scratch.HONE, "show", "--json"], cwd=repo, env=env, check=True, capture_output=True)
    return int(json.loads(done.stdout)["lines"]["ai"])


def main(argv: list[str]) -> int:
    return scratch.run(__doc__, measure, argv, events=1000, commits=10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
