"""The router as a file: what it learned, as JSON that a person can review, and deciding from it without a heavy import.

`.agent/router.json` holds no code and no words of a task: means by kind of task, weights of hashed words, prices of arms as they
were measured, and what was known when it was written. Its own hash stands in it, so that a file edited by hand is noticed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence

from git_hone.learner.errors import ConfigError
from git_hone.learner.router.features import FINE, Task, nodes, words

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Final, NamedTuple
else:
    from git_hone.learner.named import NamedTuple

VERSION: Final = 2
"""2: words are hashed into `features.FINE` buckets."""
WORD_DIGITS: Final = 4
"""Significant digits of a word's weight in the file: thousands of them make most of its size."""
Z95: Final = 1.959963984540054


class Expected(NamedTuple):
    """What an arm is expected to do with a task. reward: 0..1, with a 95 % interval of the *mean* reward of such tasks; cost_usd
    of one attempt; n: past tasks of the finest known kind in which the arm was tried (0: only its parents speak)."""

    reward: float
    low: float
    high: float
    cost_usd: float
    n: int


class Node(NamedTuple):
    """One kind of task: each arm's shrunken mean reward, how often it was tried there, and its mean cost."""

    rewards: Sequence[float]
    tried: Sequence[int]
    costs: Sequence[float]


class Router(NamedTuple):
    """A trained router. All sequences are in the order of `arms`.

    root, kinds: what is known of all tasks and of each kind. weights: hashed word -> what it adds to each arm's reward.
    slope, offset: calibration; the reward is offset + slope * (mean + words). spread: standard deviation of a single reward around
    its prediction. price_of_reward: USD that one point of reward (0 to 1) is worth; null = cost does not matter.
    shrinkage: rows that a parent's word is worth. about: how it came to be, for people (trained on what, how it compared).
    read: the hash that stood in its file, checked; None for one that was not read.
    """

    arms: tuple[str, ...]
    root: Node
    kinds: Mapping[str, Node]
    weights: Mapping[int, Sequence[float]]
    slope: Sequence[float]
    offset: Sequence[float]
    spread: Sequence[float]
    shrinkage: float
    price_of_reward: float | None = None
    about: Mapping[str, Any] = {}
    read: str | None = None

    def expect(self, task: Task) -> dict[str, Expected]:
        """What each arm is expected to do with `task`."""
        node = self.root
        for name in nodes(task.path):
            node = self.kinds.get(name, node)
        rewards = list(node.rewards)
        if task.text and self.weights:
            for bucket, weight in words(task.text, FINE).items():
                for k, value in enumerate(self.weights.get(bucket, ())):
                    rewards[k] += weight * value
        found = {}
        for k, arm in enumerate(self.arms):
            reward = min(1.0, max(0.0, self.offset[k] + self.slope[k] * rewards[k]))
            error = Z95 * self.spread[k] / math.sqrt(node.tried[k] + self.shrinkage)
            cost = max(0.0, node.costs[k])
            found[arm] = Expected(reward, max(0.0, reward - error), min(1.0, reward + error), cost, int(node.tried[k]))
        return found

    def choose(self, task: Task, *, arms: Iterable[str] | None = None, budget_usd: float | None = None) -> str | None:
        """The arm with the most reward less its price, of those within the budget; None when none is. Ties go to the cheaper."""
        known = self.expect(task)
        able = [arm for arm in (self.arms if arms is None else arms) if arm in known]
        within = [arm for arm in able if budget_usd is None or known[arm].cost_usd <= budget_usd]
        price = 0.0 if self.price_of_reward is None else 1.0 / self.price_of_reward
        return max(within, key=lambda arm: (known[arm].reward - price * known[arm].cost_usd, -known[arm].cost_usd), default=None)

    @property
    def version(self) -> str:
        """The first 12 hex digits of the hash of its content."""
        return (self.read or _hash(self._body()))[:12]

    def _body(self) -> dict[str, Any]:
        def numbers(values: Iterable[float], digits: int = 6) -> list[float]:
            return [float(f"{value:.{digits}g}") for value in values]

        def node(kind: Node) -> dict[str, Any]:
            return {"reward": numbers(kind.rewards), "tried": [int(n) for n in kind.tried], "cost_usd": numbers(kind.costs)}

        return {
            "version": VERSION,
            "about": dict(self.about),
            "arms": list(self.arms),
            "price_of_reward_usd": self.price_of_reward,
            "shrinkage": self.shrinkage,
            "calibration": {"slope": numbers(self.slope), "offset": numbers(self.offset), "spread": numbers(self.spread)},
            "all": node(self.root),
            "kinds": {name: node(self.kinds[name]) for name in sorted(self.kinds)},
            "words": {str(bucket): numbers(self.weights[bucket], WORD_DIGITS) for bucket in sorted(self.weights)},
        }

    def dump(self) -> str:
        """The file's text: one line for each kind and each hashed word, so that a diff shows what changed."""
        body = self._body()
        lines = [f'  "hash": "{_hash(body)}"']
        for key, value in body.items():
            if key in ("kinds", "words") and value:
                rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in value.items())
                lines.append(f'  "{key}": {{\n{rows}\n  }}')
            else:
                lines.append(f'  "{key}": {json.dumps(value, sort_keys=True)}')
        return "{\n" + ",\n".join(lines) + "\n}\n"


def save(path: Path, router: Router) -> None:
    """Write the router in one step: readers see the old file or the new one. Raises ConfigError when that cannot be done."""
    part = path.with_name(f".tmp-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(router.dump(), "utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}", tip="nothing was changed") from None


def load(path: Path) -> Router:
    """The router in `path`. Raises ConfigError, naming the file and the next step, for a file that is absent, damaged, of another
    version, or edited by hand."""
    again = "train a new one with `git hone router train`"
    try:
        body = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no router", tip=again) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}", tip=again) from None
    if not isinstance(body, dict) or body.get("version") != VERSION:
        found = body.get("version") if isinstance(body, dict) else None
        raise ConfigError(f"{path}: version {found!r}; this git-hone reads version {VERSION}", tip=again)
    hash_ = body.pop("hash", None)
    if hash_ != _hash(body):
        raise ConfigError(
            f"{path}: edited by hand: its content does not have the hash that it names",
            tip=f"restore it with `git checkout -- {path}`, or {again}",
        )
    try:
        router = _router(body)._replace(read=hash_)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}", tip=again) from None
    return router


def in_use(path: Path) -> tuple[Router | None, str | None]:
    """(the router in `path`; a line for people where there is a file that cannot be used, so that choices rest on the shipped priors
    and what was seen here). No file is no fault: (None, None)."""
    if not path.exists():
        return None, None
    try:
        return load(path), None
    except ConfigError as error:
        return None, f"{error.message}; the priors stand in"


def _router(body: Mapping[str, Any]) -> Router:
    arms = tuple(map(str, body["arms"]))
    how = body["calibration"]

    def numbers(values: Iterable[Any]) -> list[float]:
        found = [float(value) for value in values]
        if len(found) != len(arms) or not all(map(math.isfinite, found)):
            raise ValueError(f"{len(found)} numbers for {len(arms)} arms")
        return found

    def node(row: Mapping[str, Any]) -> Node:
        return Node(numbers(row["reward"]), [int(n) for n in numbers(row["tried"])], numbers(row["cost_usd"]))

    price = body["price_of_reward_usd"]
    return Router(
        arms=arms, root=node(body["all"]), kinds={name: node(row) for name, row in body["kinds"].items()},
        weights={int(bucket): numbers(row) for bucket, row in body["words"].items()},
        slope=numbers(how["slope"]), offset=numbers(how["offset"]), spread=numbers(how["spread"]),
        shrinkage=float(body["shrinkage"]), price_of_reward=None if price is None else float(price), about=body["about"],
    )  # fmt: skip


def _hash(body: Mapping[str, Any]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
