"""CPU that the hooks of `git hone init` add to `git commit`, as ratios of medians against a plain commit.

    python -m bench.commit [--json] [--rounds 40] [--sessions 500] [--files 2000]

The repositories take turns: plain; an empty sh script as the hook, which is what any hook costs; hooks, a person commits; hooks, an
agent's edits are pending; the same with SESSIONS old sessions in the record; and for each of these three a twin, a copy of the
same repository with its hooks switched off, as its measure. Every round edits one file in each and times `git commit` alone.
A repository has FILES files. What a hook adds does not depend on that, but the commit itself does: a project of 2,000 files is the
usual case, one of 200 the hardest, as git then needs hardly more for the commit than for starting any hook.
The worker is replaced by `true` meanwhile (see `bench.scratch`) and is timed on its own: `worker_*` is its CPU for the events of
one prompt, one edit and one commit, which nobody waits for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import scratch
from git_hone.hooks.player import Player

EMPTY = "empty_hook"
"""A repository whose post-commit hook is an empty sh script: what any hook costs, whoever wrote it."""
HOOKED = ("human", "agent", "agent_old_sessions")
"""What is measured, each against its twin: a copy of the same repository whose hooks are switched off."""


def measure(rounds: int = 40, sessions: int = 500, files: int = 2000) -> dict[str, Any]:
    """CPU milliseconds of a commit by kind, ratios to plain, and the worker's own CPU."""
    with scratch.home() as (folder, env):
        repos = {kind: scratch.repository(folder / kind, env, files=files) for kind in ("plain", EMPTY, *HOOKED)}
        hook = repos[EMPTY] / ".git" / "hooks" / "post-commit"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\n:\n")
        hook.chmod(0o755)
        players = {kind: Player(repos[kind], folder, env) for kind in HOOKED}
        for player in players.values():
            scratch.install(player.repo, env)
            player.start()
        scratch.old_sessions(players["agent_old_sessions"], sessions)
        workers = {kind: worker_ms(players[kind], env) for kind in HOOKED if kind != "human"}
        repos |= {f"{kind}_twin": twin(repos[kind], folder / f"{kind}_twin", env) for kind in HOOKED}
        for player in players.values():
            scratch.still(player.repo)
        times: dict[str, list[float]] = {kind: [] for kind in repos}
        for k in range(rounds + 2):
            for kind, repo in repos.items():
                spent = one(repo, env, k, players.get(kind) if kind.startswith("agent") else None)
                if k >= 2:  # the first two warm the caches
                    times[kind].append(spent)
    medians = {kind: scratch.middle(values) for kind, values in times.items()}
    ratios = {f"ratio_{kind}": round(medians[kind]["median"] / medians[f"{kind}_twin"]["median"], 3) for kind in HOOKED}
    ratios[f"ratio_{EMPTY}"] = round(medians[EMPTY]["median"] / medians["plain"]["median"], 3)
    return {
        **ratios,
        **{f"{kind}_ms": value for kind, value in medians.items()},
        **{f"worker_{k}_ms": v for k, v in workers.items()},
    }


def twin(repo: Path, copy: Path, env: Mapping[str, str]) -> Path:
    """The same repository without hooks."""
    shutil.copytree(repo, copy, symlinks=True)
    subprocess.run(["git", "config", "core.hooksPath", str(copy / "none")], cwd=copy, env=env, check=True)
    subprocess.run(["git", "status", "-s"], cwd=copy, env=env, check=True, capture_output=True)
    return copy


def one(repo: Path, env: Mapping[str, str], k: int, player: Player | None) -> float:
    """One edit, by a person or through the agent's hooks, and its commit, of which the CPU is returned."""
    path = f"src/m{k % 100}.py"
    body = scratch.text(50_000 + k, 40)
    if player is None:
        (repo / path).write_text(body)
    else:
        player.prompt(f"change {path}")
        player.write(path, body)
    subprocess.run(["git", "add", "-A"], cwd=repo, env=env, check=True)
    return scratch.cpu_ms(["git", "commit", "-q", "-m", f"change {k}"], repo, env)


def worker_ms(player: Player, env: Mapping[str, str]) -> dict[str, float]:
    """CPU of a worker that finds the events of one prompt, one edit and one commit."""
    repo, spent = player.repo, []
    for k in range(5):
        player.prompt("one more")
        player.write("src/worker.py", scratch.text(90_000 + k, 30))
        scratch.commit_all(repo, dict(env) | {"GIT_HONE_OFF": "1"}, "one more")
        command = [sys.executable, "-I", "-m", "git_hone.hooks.worker", str(repo / ".git" / "hone")]
        spent.append(scratch.cpu_ms(command, repo, env))
    return scratch.middle(spent)


def main(argv: list[str]) -> int:
    return scratch.run(__doc__, measure, argv, rounds=40, sessions=500, files=2000)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
