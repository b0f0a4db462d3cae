"""Write `learner/router/priors.json`: what a router starts from where this repository has shown nothing yet.

    python -m bench.priors

From CodeRouterBench's probing tasks (MIT; the data and its licence stand in `bench/data`): mean reward and mean tokens by kind of task,
for three tiers of price. A tier is the mean over its models. The kinds of the benchmark are mapped to ours in `KINDS`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from bench.router import PRICES, PROBING

FILE: Final = Path(__file__).parents[1] / "learner" / "router" / "priors.json"
TIERS: Final = {"low": 1.0, "middle": 3.0, "high": 1e9}
"""Upper limit of the mean of the prices of input and output, USD per million tokens."""
KINDS: Final = {"code_generation": "feature", "algorithm": "feature", "code_completion": "feature", "bug_fixing": "fix",
                "code_refactoring": "refactor", "test_generation": "test", "code_understanding": "docs"}  # fmt: skip


def tier(price: float) -> str:
    return next(name for name, limit in TIERS.items() if price <= limit)


def measure() -> dict[str, Any]:
    models = {row["model"]: (row["input_per_1m"] + row["output_per_1m"]) / 2 for row in json.loads(PRICES.read_text())["models"]}
    cells: dict[tuple[str, str], dict[str, list[tuple[float, int]]]] = {}
    for row in pq.read_table(PROBING).to_pylist():
        for kind in {KINDS.get(row["dimension"], "?"), "?"}:
            cell = cells.setdefault((kind, tier(models[row["model"]])), {})
            cell.setdefault(row["model"], []).append((row["reward"], row["total_tokens"]))
    kinds: dict[str, dict[str, Any]] = {}
    for (kind, name), by_model in sorted(cells.items()):
        rows = [pair for pairs in by_model.values() for pair in pairs]
        kinds.setdefault(kind, {})[name] = {
            "reward": round(sum(reward for reward, _ in rows) / len(rows), 4),
            "tokens": round(sum(tokens for _, tokens in rows) / len(rows)),
        }
    return {
        "version": 1,
        "source": "CodeRouterBench probing tasks, arXiv 2606.22902, MIT; written by python -m bench.priors",
        "tiers_usd_per_1m": TIERS,
        "models": {name: tier(price) for name, price in sorted(models.items())},
        "rows": 5,
        "kinds": kinds,
    }


def main() -> int:
    FILE.write_text(json.dumps(measure(), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
