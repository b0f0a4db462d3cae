"""Earlier runs whose reward is known: what each was, sums over them, and how alike two tasks are. Pure, standard library only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from git_hone.learner.router.features import UNKNOWN

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any, Final, NamedTuple
else:
    from git_hone.learner.named import NamedTuple

MOST_KNOWN: Final = 1000
"""Answers that a memory keeps; then it begins anew."""


class Past(NamedTuple):
    """A run that has its reward: what is needed to count it, and to show it. at: seconds since 1970. step: attempts that the same plan
    made before it."""

    at: float
    model: str
    prompt: str | None
    path: tuple[str, ...]
    reward: float
    cost_usd: float | None
    change_id: str | None
    title: str
    step: int = 0


class Seen(NamedTuple):
    """Sums over past runs: n of them, their rewards, and the costs of the `n_cost` that have one."""

    n: int
    reward: float
    cost_usd: float
    n_cost: int


class Memory(tuple[Past, ...]):
    """Past runs, oldest first, and what is worked out of them only once, however often it is asked for."""

    def __init__(self, *_: object) -> None:
        self.known: dict[Any, Any] = {}

    @classmethod
    def of(cls, past: Sequence[Past]) -> Memory:
        return past if isinstance(past, cls) else cls(past)

    def once(self, key: Any, work: Callable[[], Any]) -> Any:
        if key not in self.known:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[key] = work()
        return self.known[key]

    def seen(self, models: tuple[str, ...], since: float | None = None, kind: tuple[str, ...] | None = None) -> Seen:
        """Of the first attempts by a model of these names, after `since` (seconds since 1970), on tasks of this kind."""
        seen: Seen = self.once(("seen", models, since, kind), lambda: self._seen(models, since, kind))
        return seen

    def _seen(self, models: tuple[str, ...], since: float | None, kind: tuple[str, ...] | None) -> Seen:
        rows = [
            one
            for one in self
            if one.model in models
            and not one.step
            and (since is None or one.at > since)
            and (kind is None or one.path[:1] == kind)
        ]
        costs = [one.cost_usd for one in rows if one.cost_usd is not None]
        return Seen(len(rows), math.fsum(one.reward for one in rows), math.fsum(costs), len(costs))


def similarity(path: Sequence[str], bag: Mapping[int, float], other: Sequence[str], other_bag: Mapping[int, float]) -> float:
    """How alike two tasks are, 0..1: half for the words in common (cosine of `features.words`), half for the share of what is known
    of the first one's path that the second one shares."""
    shared = bag.keys() & other_bag.keys()
    common = math.fsum([bag[bucket] * other_bag[bucket] for bucket in shared]) if shared else 0.0
    known = alike = 0
    for mine, theirs in zip(path, other, strict=False):
        if mine != UNKNOWN:
            known += 1
            alike += mine == theirs
    return (common + (alike / known if known else 0.0)) / 2
