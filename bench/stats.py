"""How long `git hone stats` takes over a million changes, as a ratio to a bare `SELECT count(*)`, and how much memory.

    python -m bench.stats [CHANGES] [FOLDER]

Makes a repository in FOLDER (default: a temporary one) with CHANGES (default 1,000,000) changes, as many runs, and an outcome
for each tenth one, through `Store.append`; an existing one is used again. Time and memory are those of a fresh process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from hashlib import sha1
from pathlib import Path
from typing import Any

from git_hone.learner.store import Store

BATCH = 50_000
FIRST = datetime(2025, 1, 1, tzinfo=timezone.utc)
AGENTS = (("claude-code", "opus"), ("codex", "gpt-5"), ("cursor", "sonnet"), ("aider", "qwen2.5-coder:7b"))
KINDS = ("feature", "fix", "refactor", "test", "docs", "chore")
COUNT = "SELECT count(*) FROM read_parquet('{}/changes/*/*.parquet', hive_partitioning = false)"


def change(i: int, n: int) -> dict[str, Any]:
    """The i-th change of n: about a year of them, one in twenty joined into another, one in ten without a reward."""
    agent, model = AGENTS[i * 7919 % 13 % 4]
    name = sha1(str(i).encode(), usedforsecurity=False).hexdigest()
    at = FIRST + timedelta(seconds=i * 31_536_000 // n)
    ai, human = i * 31 % 97, i * 17 % 23
    return {
        "record_id": f"c{name}", "recorded_at": at, "config_hash": "5e08c41ac4e5", "change_id": f"I{name}", "commit": name,
        "tree": name[::-1], "committed_at": at, "branch": "main", "state": "superseded" if i % 20 == 0 else "live",
        "kind": "commit", "run_ids": [f"r{name}"], "agent": agent, "model": model, "prompt_variant": ("default", None)[i % 2],
        "task_kind": KINDS[i % 6], "difficulty": "medium", "lines_ai": ai, "lines_human": human, "lines_unknown": 0,
        "lines_written": ai + i % 5, "evidence": "hook", "trust": "own", "reward": None if i % 10 == 0 else i * 37 % 101 / 100,
        "reward_mode": "hone", "files": f'[{{"path":"src/{name[:6]}.py","ai":{ai},"human":{human},"unknown":0}}]',
        "reward_terms": '{"tests":{"value":1.0,"weight":0.25}}',
    }  # fmt: skip


def run(i: int, n: int) -> dict[str, Any]:
    """The run that made the i-th change."""
    made = change(i, n)
    return {
        "record_id": f"e{made['commit']}", "recorded_at": made["recorded_at"], "run_id": made["run_ids"][0],
        "agent": made["agent"], "model": made["model"], "role": "coder", "task": f"Do the thing number {i}",
        "started_at": made["recorded_at"] - timedelta(seconds=90), "ended_at": made["recorded_at"],
        "duration_ms": 90_000 - i % 1000, "tokens_in": 1000 + i % 999, "tokens_out": i % 777, "evidence": "hook",
    }  # fmt: skip


def outcome(i: int, n: int) -> dict[str, Any]:
    made = change(i, n)
    return {
        "record_id": f"o{made['commit']}", "recorded_at": made["recorded_at"], "change_id": made["change_id"],
        "kind": "reverted" if i % 50 == 0 else "survived", "at": made["recorded_at"], "value": 0.5, "source": "history",
    }  # fmt: skip


def batches(n: int) -> Iterator[range]:
    return (range(start, min(n, start + BATCH)) for start in range(0, n, BATCH))


def generate(root: Path, n: int) -> None:
    """Fill the store at `root`."""
    store = Store(root)
    for span in batches(n):
        store.append("changes", [change(i, n) for i in span])
        store.append("runs", [run(i, n) for i in span])
        store.append("outcomes", [outcome(i, n) for i in span if i % 10 == 0])


def measure(command: list[str], cwd: Path) -> tuple[float, float, str]:
    """(wall seconds, peak MiB, stdout) of a fresh process: the best of three."""
    best = (float("inf"), 0.0, "")
    for _ in range(3):
        code = (
            "import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(r.returncode)"
        )
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-S", "-c", code, *command], cwd=cwd, capture_output=True, text=True, check=True)
        wall = time.perf_counter() - start
        best = min(best, (wall, int(done.stderr.split()[-1]) / 1024, done.stdout))
    return best


def main(argv: list[str]) -> int:
    n = int(argv[0]) if argv else 1_000_000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(argv[1]) if len(argv) > 1 else Path(scratch)
        data = folder / ".agent" / "data"
        if not data.exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
            start = time.perf_counter()
            generate(data, n)
            print(f"made {n} changes in {time.perf_counter() - start:.0f} s", file=sys.stderr)
        hone = [str(Path(sys.executable).with_name("git-hone"))]
        counting = f"import duckdb; print(duckdb.execute({COUNT.format(data)!r}).fetchone()[0])"
        bare, bare_mib, counted = measure([sys.executable, "-c", counting], folder)
        wall, mib, said = measure([*hone, "stats", "--json"], folder)
        measured = sum(group["changes"] for group in json.loads(said)["groups"])
    print(f"changes {counted.strip()}, live {measured}")
    print(f"count(*)        {bare:6.2f} s  {bare_mib:6.0f} MiB")
    print(f"git hone stats  {wall:6.2f} s  {mib:6.0f} MiB   x{wall / bare:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
