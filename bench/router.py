"""Routing on public benchmark results: reward and cost of git-hone's router beside those of every baseline, on the same rows.

    python -m bench.router [--train A.parquet --test B.parquet --kind coderouterbench|binary] [--prices models.json] [--json]
    python -m bench.router --online [--orders 20] [--json]

Without files: the data in `bench/data`, in five folds grouped by task, and for RouteLLM's MMLU also with 1,500 labels to learn from
(mean of five draws). coderouterbench: columns task_id, dimension, model, reward, total_tokens; the cost of an answer is its tokens
times the mean of the model's prices for input and output. binary: two boolean columns (was this model right?), a column of text, and
any other columns as kinds; a call of the strong model costs 1, one of the weak 0. Intervals are 95 %, from 500 resamples of the tasks.
`at_cost`: each family may spend what the router spent, no more. A family is one learner; `frontier` prices its predictions from
"cost does not matter" upwards. `budgets`: the mean reward for exactly so many USD over all tasks, by a draw between the two neighbouring
prices of which one costs more and one less; without it whole kinds of tasks change sides at once, and a family is judged by where its
jumps happen to lie. `router_over`: what the router has more on the same tasks. `--online`: the same tasks as a stream of which only the
chosen model's reward is seen, see `online`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from git_hone.learner.router import baselines, measures, training
from git_hone.learner.router.features import Task
from git_hone.learner.router.training import Example

DATA: Final = Path(__file__).parent / "data"
PROBING, MMLU = DATA / "coderouterbench" / "probing.parquet", DATA / "routellm" / "mmlu.parquet"
PRICES: Final = DATA / "coderouterbench" / "models.json"
TEXT: Final = ("prompt", "text", "question", "task")
ROUTER: Final = "git-hone"
BUDGETS: Final = (5.0, 7.5, 10.0, 15.0, 20.0, 30.0)
"""USD for all tasks of CodeRouterBench."""


def coderouterbench(file: Path, prices: Path = PRICES) -> list[Example]:
    """One example a task. Path: task kind, benchmark, first word of the task's own name (a language, a split)."""
    usd = {row["model"]: (row["input_per_1m"] + row["output_per_1m"]) / 2e6 for row in json.loads(prices.read_text())["models"]}
    tasks: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(file).to_pylist():
        tasks.setdefault(row["task_id"], []).append(row)
    found = []
    for name, rows in sorted(tasks.items()):
        _, benchmark, *rest = name.split("_", 2)
        word = re.search("[A-Za-z]+", rest[0]) if rest else None
        path = (rows[0]["dimension"], benchmark, word.group() if word else "-")
        costs = {row["model"]: row["total_tokens"] * usd[row["model"]] for row in rows}
        found.append(Example(Task(path), {row["model"]: row["reward"] for row in rows}, costs, name))
    return found


def binary(file: Path) -> list[Example]:
    """One example a row; the arms are the boolean columns."""
    rows = pq.read_table(file).to_pylist()
    names = list(rows[0])
    arms = [name for name in names if all(isinstance(row[name], bool) for row in rows[:100])]
    text = next((name for name in TEXT if name in names), None)
    kinds = [name for name in names if name not in arms and name != text and isinstance(rows[0][name], str)]
    strong = max(arms, key=lambda arm: sum(row[arm] for row in rows))
    return [
        Example(Task(tuple(row[name] for name in kinds), row[text] if text else ""), {arm: float(row[arm]) for arm in arms},
                {arm: float(arm == strong) for arm in arms}, row[text] if text else str(k))
        for k, row in enumerate(rows)
    ]  # fmt: skip


class Judged:
    """Predictions of every family for the judged tasks, gathered over folds, and what was true of them."""

    def __init__(self, arms: Sequence[str]) -> None:
        self.arms = list(arms)
        self.rewards: list[Any] = []
        self.costs: list[Any] = []
        self.predicted: dict[str, list[Any]] = {}
        self.expected_costs: list[Any] = []
        self.picked: list[int] = []

    def fold(self, known: Sequence[Example], asked: Sequence[Example]) -> None:
        """Learn from `known`, answer for `asked`."""
        router = training.train(known, self.arms)
        told = [router.expect(one.task) for one in asked]
        self.picked += [self.arms.index(router.choose(one.task) or self.arms[0]) for one in asked]
        answers = {ROUTER: np.array([[one[arm].reward for arm in self.arms] for one in told])}
        tasks, rewards = [one.task for one in known], training.table(known, self.arms)
        has_text = any(task.text for task in tasks)
        for name, family in baselines.FAMILIES.items():
            if name != "tfidf-logistic" or has_text:
                answers[name] = family(tasks, rewards, [one.task for one in asked])
        for name, values in answers.items():
            self.predicted.setdefault(name, []).append(values)
        self.expected_costs.append(np.array([[one[arm].cost_usd for arm in self.arms] for one in told]))
        self.rewards.append(training.table(asked, self.arms))
        self.costs.append(training.table(asked, self.arms, "costs"))

    def report(self) -> dict[str, Any]:
        """The figures, as JSON would have them."""
        rewards, costs, expected = (np.concatenate(rows) for rows in (self.rewards, self.costs, self.expected_costs))
        predicted = {name: np.concatenate(rows) for name, rows in self.predicted.items()}
        rows, picked = np.arange(len(rewards)), np.array(self.picked)
        drawn = np.random.default_rng(0).integers(0, len(self.arms), len(rewards))
        strong, cheap = int(rewards.mean(axis=0).argmax()), int(costs.mean(axis=0).argmin())

        def line(arm: Any) -> dict[str, Any]:
            return self._line(rewards[rows, arm], costs[rows, arm], np.asarray(arm) == strong)

        ours = line(picked)
        found: dict[str, Any] = {
            "tasks": len(rewards), "arms": self.arms, "strong": self.arms[strong],
            ROUTER: ours | {"over_best_single": self._over(rewards[rows, picked] - rewards[:, strong])},
            "choices_without_learning": {
                f"always {arm}": line(np.full(len(rows), k)) for k, arm in enumerate(self.arms)
            } | {"random": line(drawn), "oracle": line((rewards - 1e-3 * costs).argmax(axis=1))},
            "cheapest": self.arms[cheap],
        }  # fmt: skip
        found["at_cost"] = {
            name: line(self._affordable(values, expected, rewards, costs, ours["total_cost"]))
            for name, values in predicted.items()
        }
        found["frontier"] = {
            name: [line(training.chosen(values, expected, price))["average_reward"] for price in self._prices(costs)]
            for name, values in predicted.items()
        }
        found["frontier_cost"] = {
            name: [float(costs[rows, training.chosen(values, expected, price)].sum()) for price in self._prices(costs)]
            for name, values in predicted.items()
        }
        if len(self.arms) > 2:
            spent = {
                budget: {name: self._mixed(values, expected, rewards, costs, budget) for name, values in predicted.items()}
                for budget in BUDGETS
            }
            found["budgets"] = {
                f"{budget:.2f}": {
                    name: {"mean_percent": round(100 * float(got.mean()), 3), "router_over": self._over(families[ROUTER] - got)}
                    for name, got in families.items()
                }
                for budget, families in spent.items()
            }
        if len(self.arms) == 2:
            weak = 1 - strong
            found["recovered"] = {
                name: self._recovered(values[:, strong] - values[:, weak], rewards[:, weak], rewards[:, strong])
                for name, values in predicted.items()
            } | {"random": self._recovered(np.random.default_rng(0).random(len(rows)), rewards[:, weak], rewards[:, strong])}
        return found

    def _prices(self, costs: Any) -> list[float]:
        """Reward per unit of cost, from nothing to where only the cheapest is left."""
        return [0.0, *np.geomspace(0.005, 10, 240) / costs.mean()]

    def _affordable(self, values: Any, expected: Any, rewards: Any, costs: Any, budget: float) -> Any:
        """The family's choices at the lowest price at which they cost no more than `budget`."""
        rows = np.arange(len(values))
        choices = [training.chosen(values, expected, price) for price in self._prices(costs)]
        return next((one for one in choices if costs[rows, one].sum() <= budget * (1 + 1e-9)), choices[-1])

    def _mixed(self, values: Any, expected: Any, rewards: Any, costs: Any, budget: float) -> Any:
        """Each task's expected reward when the budget is met by a draw between two neighbouring prices; the whole reward where even
        price 0 costs less, the cheapest choices where none is cheap enough."""
        rows, dearer = np.arange(len(values)), None
        for price in self._prices(costs):
            arm = training.chosen(values, expected, price)
            got, cost = rewards[rows, arm], costs[rows, arm].sum()
            if cost <= budget:
                share = (budget - cost) / (dearer[1] - cost) if dearer else 0.0
                return share * dearer[0] + (1 - share) * got if dearer else got
            dearer = got, cost
        return got

    @staticmethod
    def _line(reward: Any, cost: Any, strong: Any) -> dict[str, Any]:
        low, high = measures.bootstrap(lambda rows: float(reward[rows].mean()), len(reward))
        return {"average_reward": round(100 * float(reward.mean()), 3), "interval": [round(100 * low, 3), round(100 * high, 3)],
                "total_cost": round(float(cost.sum()), 4), "strong_share": round(float(np.mean(strong)), 4)}  # fmt: skip

    @staticmethod
    def _over(gain: Any) -> dict[str, Any]:
        low, high = measures.bootstrap(lambda rows: float(gain[rows].mean()), len(gain))
        return {"points": round(100 * float(gain.mean()), 3), "interval": [round(100 * low, 3), round(100 * high, 3)]}

    @staticmethod
    def _recovered(score: Any, weak: Any, strong: Any) -> dict[str, Any]:
        whole = measures.recovered(score, weak, strong)
        low, high = measures.bootstrap(
            lambda rows: measures.recovered(score[rows], weak[rows], strong[rows]).apgr, len(score), rounds=200
        )
        return {"apgr": round(whole.apgr, 4), "interval": [round(low, 4), round(high, 4)],
                "cpt50": round(whole.cpt50, 2), "cpt80": round(whole.cpt80, 2)}  # fmt: skip


def arms_of(examples: Sequence[Example]) -> list[str]:
    return sorted({arm for one in examples for arm in one.rewards})


def split(known: Sequence[Example], asked: Sequence[Example]) -> dict[str, Any]:
    """Learn from one file, judge on another."""
    judged = Judged(arms_of(known))
    judged.fold(known, asked)
    return judged.report()


def folds(examples: Sequence[Example]) -> dict[str, Any]:
    """Five folds grouped by task."""
    judged = Judged(arms_of(examples))
    for fold in range(training.FOLDS):
        sides: tuple[list[Example], list[Example]] = [], []
        for one in examples:
            sides[training.fold_of(one.group) == fold].append(one)
        judged.fold(*sides)
    return judged.report()


def few_labels(examples: Sequence[Example], labels: int = 1500, draws: int = 5) -> dict[str, Any]:
    """APGR when only `labels` random examples are known: mean over draws."""
    arms = arms_of(examples)
    found: dict[str, list[float]] = {}
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(examples))
        judged = Judged(arms)
        judged.fold([examples[k] for k in order[:labels]], [examples[k] for k in order[labels:]])
        for name, value in judged.report()["recovered"].items():
            found.setdefault(name, []).append(value["apgr"])
    return {name: {"apgr": round(float(np.mean(values)), 4), "draws": values} for name, values in found.items()}


KINDS: Final[Mapping[str, Callable[[Path], list[Example]]]] = {"coderouterbench": coderouterbench, "binary": binary}


def main(argv: list[str]) -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--train", type=Path)
    asked.add_argument("--test", type=Path)
    asked.add_argument("--kind", choices=sorted(KINDS), default="coderouterbench")
    asked.add_argument("--prices", type=Path, default=PRICES)
    asked.add_argument("--online", action="store_true")
    asked.add_argument("--orders", type=int, default=20)
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args(argv)
    if (given.train is None) != (given.test is None):
        asked.error("--train and --test go together")
    if given.online and (given.train or given.kind != "coderouterbench"):
        asked.error("--online replays the shipped CodeRouterBench tasks")

    def read(file: Path) -> list[Example]:
        return coderouterbench(file, given.prices) if given.kind == "coderouterbench" else binary(file)

    if given.online:
        from bench import online

        found = {"online": online.measure(coderouterbench(PROBING, given.prices), given.orders)}
    elif given.train:
        found = split(read(given.train), read(given.test))
    else:
        mmlu = binary(MMLU)
        found = {"coderouterbench": folds(coderouterbench(PROBING)), "mmlu": folds(mmlu), "mmlu_1500": few_labels(mmlu)}
    print(json.dumps(found, indent=2) if given.json else words(found))
    return 0


def words(found: Mapping[str, Any], depth: int = 0) -> str:
    """The same for people: a line for each choice."""
    out = []
    for name, value in found.items():
        if name.startswith("frontier"):
            continue
        if isinstance(value, dict) and "average_reward" in value:
            low, high = value["interval"]
            out.append(f"{'  ' * depth}{name:26} reward {value['average_reward']:6.2f} [{low:.2f}, {high:.2f}]"
                       f"  cost {value['total_cost']:9.3f}"
                       + (f"  strong {100 * value['strong_share']:5.1f} %" if "strong_share" in value else ""))  # fmt: skip
        elif isinstance(value, dict) and "router_over" in value:
            low, high = value["router_over"]["interval"]
            out.append(f"{'  ' * depth}{name:26} reward {value['mean_percent']:6.2f}"
                       f"  the router {value['router_over']['points']:+.2f} [{low:+.2f}, {high:+.2f}]")  # fmt: skip
        elif isinstance(value, dict) and "apgr" in value:
            out.append(f"{'  ' * depth}{name:26} " + "  ".join(f"{key} {one}" for key, one in value.items() if key != "draws"))
        elif isinstance(value, dict):
            out += [f"{'  ' * depth}{name}", words(value, depth + 1)]
        else:
            out.append(f"{'  ' * depth}{name}: {value}")
    return "\n".join(out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
