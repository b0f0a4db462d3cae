"""Do the intervals of `git_hone.learner.offpolicy` hold what they promise? Replays of logs whose truth is known.

    python -m bench.offpolicy [--json] [--replays 1000] [--choices 300]

CodeRouterBench has the reward of every model on every task, so the true worth of any policy is known. Each replay draws CHOICES tasks,
lets a logging policy choose (softmax over the means of the task's kind, a floor of 2 % an arm), keeps only the chosen reward, and
estimates from that log the worth of a policy (the router's choice with probability 0.9). `covered` is the share of replays whose 95 %
interval holds the truth. The model of rewards is fitted on the log itself, out of fold.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from bench.router import PROBING, arms_of, coderouterbench
from git_hone.learner import offpolicy
from git_hone.learner.router import training
from git_hone.learner.router.training import Example, Settings

FLOOR = 0.02


def measure(replays: int = 1000, choices: int = 300) -> dict[str, Any]:
    examples = coderouterbench(PROBING)
    arms = arms_of(examples)
    rewards = training.table(examples, arms)
    settings = Settings(10.0, 30.0, float("inf"))
    known = training.out_of_fold(examples, arms, [settings])[settings]
    logging = np.exp(known / 0.15)
    logging = FLOOR + (1 - FLOOR * len(arms)) * logging / logging.sum(axis=1, keepdims=True)
    target = np.full(rewards.shape, 0.1 / len(arms))
    target[np.arange(len(rewards)), known.argmax(axis=1)] += 0.9
    truth, base = float((target * rewards).sum(axis=1).mean()), float((logging * rewards).sum(axis=1).mean())
    drawn = np.random.default_rng(0)
    held = dict.fromkeys(("ips", "snips", "dr", "difference"), 0)
    widths: dict[str, list[float]] = {name: [] for name in held}
    ess, refused = [], 0
    for _ in range(replays):
        rows = drawn.integers(0, len(examples), choices)
        arm = np.array([drawn.choice(len(arms), p=logging[row]) for row in rows])
        log = offpolicy.Log(arm, logging[rows, arm], rewards[rows, arm])
        told = offpolicy.compare(log, target[rows], logging[rows], _model(examples, arms, rows, arm, rewards, settings))
        ess.append(told.candidate.ess)
        refused += told.verdict == "not enough evidence"
        for name, estimate, true in (
            *((name, getattr(told.candidate, name), truth) for name in ("ips", "snips", "dr")),
            ("difference", told.difference, truth - base),
        ):
            held[name] += estimate.low <= true <= estimate.high
            widths[name].append(estimate.high - estimate.low)
    return {
        "truth": round(truth, 4), "replays": replays, "choices": choices,
        **{f"covered_{name}": round(n / replays, 4) for name, n in held.items()},
        **{f"width_{name}": round(float(np.mean(values)), 4) for name, values in widths.items()},
        "effective_sample_median": round(float(np.median(ess)), 1), "refused": round(refused / replays, 4),
    }  # fmt: skip


def _model(examples: list[Example], arms: list[str], rows: Any, arm: Any, rewards: Any, settings: Settings) -> Any:
    """Rewards predicted for each logged choice from the others."""
    seen = [
        Example(examples[row].task, {arms[a]: float(rewards[row, a])}, {}, examples[row].group)
        for row, a in zip(rows, arm, strict=True)
    ]
    return training.out_of_fold(seen, arms, [settings])[settings]


def main(argv: list[str]) -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--replays", type=int, default=1000)
    asked.add_argument("--choices", type=int, default=300)
    given = asked.parse_args(argv)
    found = measure(given.replays, given.choices)
    print(json.dumps(found, indent=2) if given.json else "\n".join(f"{name:26} {value}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
