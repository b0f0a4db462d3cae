"""How often and how soon the drift test alarms: the figures of docs/explanation/drift.md, as Markdown.

    python bench/drift.py

Seeded: the same table every time. About half a minute.
"""

from __future__ import annotations

from statistics import median

import numpy as np

from git_hone.learner import drift

STREAMS, HEALTHY, AFTER, RATE = 1000, 100, 200, 0.7


def delays(rng: np.random.Generator, chart: drift.Chart, rate: float) -> list[int]:
    """Runs from the change to the first alarm after it, of those streams that had one and none before."""
    found = []
    for _ in range(STREAMS):
        rewards = np.concatenate([rng.random(HEALTHY) < RATE, rng.random(AFTER) < rate]).astype(float).tolist()
        first = next((i for i, s in enumerate(drift.cusum(rewards, chart), 1) if s >= chart.threshold - 1e-9), 0)
        if first > HEALTHY:
            found.append(first - HEALTHY)
    return found


def together(rng: np.random.Generator, chart: drift.Chart, size: int) -> float:
    """Share of healthy streams that alarm when `size` runs in a row always have the same reward."""
    alarmed = 0
    for _ in range(STREAMS):
        rewards = np.repeat(rng.random(drift.HORIZON // size) < RATE, size).astype(float).tolist()
        alarmed += max(drift.cusum(rewards, chart)) >= chart.threshold - 1e-9
    return alarmed / STREAMS


def main() -> None:
    print("| rewards in the reference | threshold | false alarms, cusum | seed | 0.7 to 0.6 | 0.7 to 0.5 | 0.7 to 0.4 |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for known in (20, 50, 100, 300):
        wins = RATE * known + 1
        chart = drift.design(wins, known + 2 - wins, 0.05)
        seed = drift.seed_false_alarms(wins, known + 2 - wins, 0.05, 20)
        cells = []
        for rate in (0.6, 0.5, 0.4):
            found = delays(np.random.default_rng(known), chart, rate)
            cells.append(f"{len(found) / STREAMS:.1%}, {median(found):.0f} runs" if found else "never")
        print(f"| {known} | {chart.threshold:.2f} | {chart.false_alarms:.1%} | {seed:.1%} | {' | '.join(cells)} |")
    print()
    chart = drift.design(RATE * 100 + 1, (1 - RATE) * 100 + 1, 0.05)
    for size in (1, 2, 5):
        share = together(np.random.default_rng(size), chart, size)
        print(f"healthy at exactly {RATE}, {size} rewards in a row the same: {share:.1%} alarm")


if __name__ == "__main__":
    main()
