"""What deciding costs, and how fast everything that was learned comes back from the record.

    python -m bench.decisions [--json] [--decisions 100000] [--choices 2000]

A record of DECISIONS plans, first attempts, runs and changes is made with `Store.append`; the weights of all types of decisions
(`git hone stats --decisions`) are rebuilt from its Parquet files, best of three, as wall and CPU seconds in one process. `decide` is
asked CHOICES times in a repository with 1,000 remembered runs, three models and three prompts, with its rows left in the inbox. `route`
is the whole command from a cold start, as a ratio to `python3 -c pass` of the same interpreter, by CPU time, taken in turn.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

from bench import scratch
from git_hone.ci import choosing
from git_hone.hooks.drain import drain
from git_hone.hooks.place import find
from git_hone.hooks.recall import recall
from git_hone.learner import improver, variants
from git_hone.learner.store import Store
from git_hone.learner.variants import Model

FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)
KINDS = ("feature", "fix", "refactor", "test", "docs", "chore")
MODELS = [
    Model("small", "ollama", "http://127.0.0.1:11434", "small", local=True),
    Model("middle", "openai-compatible", "https://h.example", "middle", input_per_1m_usd=0.2, output_per_1m_usd=0.8),
    Model("large", "anthropic", "https://h.example", "large", input_per_1m_usd=3.0, output_per_1m_usd=15.0),
]
BATCH = 50_000


def generate(store: Store, n: int) -> None:
    for start in range(0, n, BATCH):
        span = range(start, min(n, start + BATCH))
        store.append("decisions", [row for i in span for row in decided(i)])
        store.append("runs", [run(i) for i in span])
        store.append("changes", [change(i) for i in span])


def decided(i: int) -> list[dict[str, Any]]:
    at, model = FIRST + timedelta(minutes=i), MODELS[i * 7919 % 3].id
    shared = {"recorded_at": at, "policy": "router", "task_kind": KINDS[i % 6], "chosen": model, "propensity": 0.9,
              "propensities": {model: 0.9, "other": 0.1}}  # fmt: skip
    gates = {"lint": True, "test": i % 11 != 0}
    return [
        shared | {"record_id": f"p{i}", "decision_id": f"D{i}", "kind": "plan", "plan": {"gates": ["lint", "test"]}},
        shared | {"record_id": f"a{i}", "decision_id": f"D{i}.0", "kind": "model", "step": 0,
                  "plan": {"prompt": ("default", "detailed", "concise")[i % 3]},
                  "result": {"ended": "passed" if gates["test"] else "stopped", "gates": gates}},
    ]  # fmt: skip


def run(i: int) -> dict[str, Any]:
    at = FIRST + timedelta(minutes=i)
    return {"record_id": f"e{i}", "recorded_at": at, "run_id": f"r{i}", "agent": "a", "model": MODELS[i * 7919 % 3].id,
            "started_at": at, "task": f"Do the thing number {i}", "evidence": "hook", "decision_id": f"D{i}.0"}  # fmt: skip


def change(i: int) -> dict[str, Any]:
    at = FIRST + timedelta(minutes=i)
    return {"record_id": f"c{i}", "recorded_at": at, "change_id": f"I{i}", "commit": f"{i:040x}", "committed_at": at, "state": "live",
            "run_ids": [f"r{i}"], "trust": "own", "reward": i * 37 % 101 / 100, "files": [{"path": "src/a.py", "ai": 5}]}  # fmt: skip


def rebuilt(folder: Path, n: int) -> dict[str, Any]:
    store = Store(folder)
    generate(store, n)
    walls, cpus = [], []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        state = improver.improve(improver.outcomes(Store(folder)))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    outcomes = sum(one.n for one in state.values())
    return {
        "decisions": n,
        "outcomes counted": outcomes,
        "rebuilt, wall s": round(min(walls), 3),
        "rebuilt, CPU s": round(min(cpus), 3),
    }


def deciding(repo: Path, n: int) -> dict[str, Any]:
    """p50 and p99 in milliseconds of wall and CPU time; the rows are in the inbox when it is taken. `nearest`: to find the past runs most
    like the task, which explains a choice and is asked for with the answer of `git hone route`."""
    place, drawn = find(repo), Random(0)
    variants.save(place.agent, MODELS)
    config = {"privacy": {"local_only": False}, "modelRouter": {"max_cost_per_1k_usd": 1.0}}
    (place.agent / "learning-config.json").write_text(json.dumps(config), "utf-8")
    for file in place.agent.glob("*.json"):
        os.utime(file, (time.time() - 60, time.time() - 60))  # not written a moment ago, as usual
    texts = [f"mend the {drawn.choice(KINDS)} of part {k} and its {drawn.choice(KINDS)} {drawn.random()}" for k in range(1000)]
    rows = [
        {"decision_id": f"past{k}.0", "kind": "model", "chosen": MODELS[k % 3].id, "step": 0, "task": text, "task_kind": KINDS[k % 6],
         "plan": {"prompt": ("default", "detailed", "concise")[k % 3]}, "result": {"ended": "passed", "reward": drawn.random()}}
        for k, text in enumerate(texts)
    ]  # fmt: skip
    choosing.put(place, rows)
    drain(place)
    remembered = len(recall(place))
    times: dict[str, list[float]] = {name: [] for name in ("decide and log, CPU", "decide and log, wall", "nearest, CPU")}
    for k in range(n):
        wall, cpu = time.perf_counter(), time.process_time()
        decided = choosing.choose(
            place, place.agent, f"{texts[k % 1000]} again", files=["src/a.py"], kind=KINDS[k % 6], random=drawn
        )
        times["decide and log, CPU"].append(1000 * (time.process_time() - cpu))
        times["decide and log, wall"].append(1000 * (time.perf_counter() - wall))
        if k % 10 == 0:
            cpu = time.process_time()
            choosing.like(place, decided)
            times["nearest, CPU"].append(1000 * (time.process_time() - cpu))
    told: dict[str, Any] = {"remembered runs": remembered}
    for name, values in times.items():
        ordered = sorted(values)
        told |= {f"{name} ms p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 3) for p in (50, 99)}
    return told


def cold(repo: Path, env: dict[str, str], rounds: int = 15) -> dict[str, Any]:
    route = [scratch.HONE, "route", "--task", "mend the parser", "--kind", "fix", "--file", "src/m1.py"]
    bare, whole = [], []
    for _ in range(rounds):
        bare.append(scratch.cpu_ms([sys.executable, "-c", "pass"], repo, env))
        whole.append(scratch.cpu_ms(route, repo, env))
    ratio = scratch.middle([one / two for one, two in zip(whole, bare, strict=True)])
    return {"route, cold, CPU ms": scratch.middle(whole), "python -c pass, CPU ms": scratch.middle(bare), "route / pass": ratio}


def measure(decisions: int = 100_000, choices: int = 2000) -> dict[str, Any]:
    with scratch.home() as (folder, env):
        repo = scratch.repository(folder / "repo", env, files=20)
        scratch.install(repo, env)
        scratch.still(repo)
        told = cold(repo, env) | deciding(repo, choices)
        return told | rebuilt(folder / "data", decisions)


def main(argv: list[str]) -> int:
    return scratch.run(__doc__, measure, argv, decisions=100_000, choices=2000)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
