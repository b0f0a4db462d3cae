"""What to put before a model beside its task: learned from what was put there before. Pure, standard library only.

The choices are bundles of `.agent/context.json`, and the items of a bundle that is offered. Each is drawn on its own, with a probability
that is written down, and never surely: so what an item does for the reward can be told apart from the tasks that it was offered for.

    lift    mean reward with it less mean reward without it, both weighted by 1 / probability of what happened (Hajek 1971)

A new item is offered by the probability that its lift is above the price of its tokens, given a normal prior and what was measured; that
is Thompson sampling with the probability worked out instead of drawn, so the propensity is exact.

>>> both = [Shown("a", True, 0.5, 0.9)] * 40 + [Shown("a", False, 0.5, 0.4)] * 40
>>> lift = lifts(both)["a"]
>>> lift.value, lift.low > 0.4
(0.5, True)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from git_hone.learner.entries import findings
from git_hone.learner.errors import ConfigError
from git_hone.learner.variants import bundled

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from typing import Any, Final, NamedTuple

    from git_hone.learner.bandit import Draws
    from git_hone.learner.store import Store
else:
    from git_hone.learner.named import NamedTuple


FILE: Final = "context.json"
MAX_BYTES: Final = 4 << 20
FLOOR: Final = 0.05
"""Least probability of offering something and of leaving it out."""
EXAMPLES: Final = "*examples"
"""The bundle that the few-shot examples of a task make; no id of the file begins like that."""
ENOUGH: Final = 5
"""A mean over fewer effective choices than this is not shown."""
SPREAD: Final = 0.1
"""Standard deviation of lifts before anything was measured: most of what one may put before a model does little either way."""
ITEM_LIFT: Final = 0.1
"""An item of a bundle that people put together is taken to help until shown otherwise."""


class Item(NamedTuple):
    """kind: files | doc | pattern | text. tokens: about how many it takes."""

    id: str
    kind: str
    value: str
    tokens: int


class Bundle(NamedTuple):
    """Items that belong together. name: for people; may be empty."""

    id: str
    items: tuple[Item, ...]
    name: str = ""

    @property
    def tokens(self) -> int:
        return sum(item.tokens for item in self.items)


def load(folder: Path) -> list[Bundle]:
    """The bundles of an `.agent` folder; none where there is no file. Raises ConfigError, with every finding, for a file that is wrong."""
    path = folder / FILE
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB", tip="keep texts in files, and name the files")
        rows = json.loads(raw)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}", tip="docs/how-to/context.md shows one") from None
    found = check(path, rows)
    if found:
        raise ConfigError("\n".join(found), tip="docs/how-to/context.md shows one")
    return [
        Bundle(row["id"], tuple(Item(one["id"], one["kind"], one["value"], one.get("tokens", max(1, len(one["value"]) // 4)))
                                for one in row["items"]), row.get("name", ""))
        for row in rows
    ]  # fmt: skip


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The published JSON Schema of the file; do not change it."""
    loaded: dict[str, Any] = bundled("context.schema.json")
    return loaded


def check(path: Path, rows: Any) -> list[str]:
    """What is wrong with the file's content: one line each, naming the place; empty when nothing is."""
    bundle = schema()["items"]
    item = bundle["properties"]["items"]["items"]
    return findings(f"{path}", rows, "bundle", bundle, more=lambda at, row: findings(at, row["items"], "item", item, more=_sized))


def _sized(where: str, row: Mapping[str, Any]) -> list[str]:
    missing = row.get("kind") != "text" and "tokens" not in row
    return [f"{where}: tokens is missing: about how many does it take?"] if missing else []


class Shown(NamedTuple):
    """That something was offered, or not, for one task that has its reward. propensity: probability of offering it, in (0, 1)."""

    id: str
    included: bool
    propensity: float
    reward: float
    kind: str | None = None


class Lift(NamedTuple):
    """with_, without: weighted mean rewards; value: their difference with its 95 % interval and standard error. All None where there
    are too few choices of either kind; n_with and n_without count them."""

    id: str
    n_with: int
    n_without: int
    with_: float | None = None
    without: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None


def lifts(rows: Iterable[Shown]) -> dict[str, Lift]:
    """Of each bundle (its id) and each item ("BUNDLE/ITEM"; among the tasks that its bundle was offered for). A propensity of 0 or 1
    was no choice, and tells nothing."""
    by_id: dict[str, list[Shown]] = {}
    for row in rows:
        if 0.0 < row.propensity < 1.0:
            by_id.setdefault(row.id, []).append(row)
    return {name: _lift(name, seen) for name, seen in sorted(by_id.items())}


Lifts = Mapping[str | None, Mapping[str, Lift]]
"""Lifts by kind of task; those of all tasks under None."""


def measured(rows: Iterable[Shown]) -> Lifts:
    """`lifts` of all tasks, and of each kind of task alone."""
    seen = list(rows)
    kinds = sorted({row.kind for row in seen if row.kind is not None})
    return {None: lifts(seen)} | {kind: lifts(row for row in seen if row.kind == kind) for kind in kinds}


def _lift(name: str, rows: Sequence[Shown]) -> Lift:
    with_ = [(1 / row.propensity, row.reward) for row in rows if row.included]
    without = [(1 / (1 - row.propensity), row.reward) for row in rows if not row.included]
    one, two = _weighted(with_), _weighted(without)
    if one is None or two is None:
        return Lift(name, len(with_), len(without))
    from git_hone.learner.intervals import t_95  # brings in statistics, which a decision need not pay for

    value, error = one[0] - two[0], math.hypot(one[1], two[1])
    reach = t_95(max(1, int(one[2] + two[2] - 2))) * error
    return Lift(name, len(with_), len(without), one[0], two[0], value, value - reach, value + reach, error)


def _weighted(rows: Sequence[tuple[float, float]]) -> tuple[float, float, float] | None:
    """(mean, its standard error, effective number) of (weight, value); None when they are too few."""
    total = math.fsum(weight for weight, _ in rows)
    squares = math.fsum(weight * weight for weight, _ in rows)
    if not rows or total * total / squares < ENOUGH:
        return None
    n = total * total / squares
    mean = math.fsum(weight * value for weight, value in rows) / total
    around = math.fsum((weight * (value - mean)) ** 2 for weight, value in rows)
    return mean, math.sqrt(around * n / (n - 1)) / total, n


class Offer(NamedTuple):
    """One line of a decision row's `context`. id: a bundle, or "BUNDLE/ITEM". propensity: probability that it was offered, given what
    was drawn before it; 0 where it would not have fitted."""

    id: str
    included: bool
    propensity: float


def share(lift: Lift | None, tokens: int, *, prior: float = 0.0, price: float = 0.0, floor: float = FLOOR) -> float:
    """Probability of offering: that the lift is above `price` (reward per 1,000 tokens), at least `floor` from 0 and from 1.

    >>> share(None, 500)
    0.5
    >>> share(None, 500, price=0.2) < 0.5
    True
    """
    mean, variance = prior, SPREAD**2
    if lift is not None and lift.value is not None and lift.error is not None:
        noise = max(lift.error, 1e-6) ** 2
        mean = (mean * noise + lift.value * variance) / (noise + variance)
        variance = noise * variance / (noise + variance)
    chance = (1.0 + math.erf((mean - price * tokens / 1000) / math.sqrt(2 * variance))) / 2
    return min(1.0 - floor, max(floor, chance))


def choose(
    bundles: Sequence[Bundle],
    known: Lifts,
    random: Draws,
    *,
    kind: str | None = None,
    budget_tokens: int | None = None,
    price: float = 0.0,
    floor: float = FLOOR,
) -> list[Offer]:
    """What to offer for a task of this kind. The lift among tasks of the kind counts where it was measured, else that among all.
    Bundles are drawn in the order of their probability; one that does not fit what is left of the budget is left out, with a propensity
    of 0. Of a bundle that is offered, each item is drawn; the only item of a bundle is the bundle."""

    def lift(name: str) -> Lift | None:
        near = known[kind].get(name) if kind is not None and kind in known else None
        return near if near is not None and near.value is not None else known.get(None, {}).get(name)

    offered: list[Offer] = []
    left = math.inf if budget_tokens is None else budget_tokens
    chances = {one.id: share(lift(one.id), one.tokens, price=price, floor=floor) for one in bundles}
    for bundle in sorted(bundles, key=lambda one: -chances[one.id]):
        chance = chances[bundle.id] if bundle.tokens <= left else 0.0
        included = random.random() < chance
        offered.append(Offer(bundle.id, included, chance))
        if not included:
            continue
        for item in bundle.items if len(bundle.items) > 1 else ():
            name = f"{bundle.id}/{item.id}"
            chance = share(lift(name), item.tokens, prior=ITEM_LIFT, price=price, floor=floor)
            kept = random.random() < chance
            offered.append(Offer(name, kept, chance))
            left -= item.tokens if kept else 0
        left -= bundle.tokens if len(bundle.items) == 1 else 0
    return offered


def items_of(bundles: Iterable[Bundle], offered: Iterable[Offer]) -> list[Item]:
    """The items that were drawn, in the order of the file."""
    included = {one.id for one in offered if one.included}
    return [
        item
        for bundle in bundles
        if bundle.id in included
        for item in bundle.items
        if len(bundle.items) == 1 or f"{bundle.id}/{item.id}" in included
    ]


_SQL: Final = """
WITH rewards AS (
    SELECT r.decision_id, avg(w.reward) AS reward, any_value(r.task_kind) AS kind
    FROM runs r JOIN (SELECT unnest(run_ids) AS run_id, reward FROM changes
                      WHERE state = 'live' AND coalesce(trust, 'own') = 'own' AND reward IS NOT NULL) w USING (run_id)
    WHERE r.decision_id LIKE '%.0' AND r.evidence IN ('hook', 'api', 'capture') GROUP BY 1
), drawn AS (
    SELECT decision_id, regexp_replace(decision_id, '[.]context$', '') AS plan, context, task_kind FROM decisions
    WHERE kind = 'context' AND context IS NOT NULL AND ($since IS NULL OR recorded_at >= make_timestamptz($since::BIGINT))
)
SELECT c.context, coalesce(w.reward, CAST(json_extract(d.result, '$.reward') AS DOUBLE),
                           CASE WHEN json_extract_string(d.result, '$.ended') IN ('stopped', 'failed') THEN 0.0 END) AS earned,
       coalesce(c.task_kind, w.kind, d.task_kind)
FROM drawn c LEFT JOIN decisions d ON d.decision_id = c.plan || '.0' LEFT JOIN rewards w ON w.decision_id = c.plan || '.0'
WHERE earned IS NOT NULL ORDER BY c.decision_id
"""


def shown(store: Store, since: datetime | None = None) -> list[Shown]:
    """What was offered and what came of it: the reward of the plan's first attempt, which is what the context was drawn for. Tasks
    without a reward yet are left out."""
    from git_hone.learner.store.query import micros_of

    with store.connect() as engine:
        rows = engine.execute(_SQL, {"since": micros_of(since)}).fetchall()
    return [
        Shown(one["id"], bool(one["included"]), float(one["propensity"]), float(reward), kind)
        for text, reward, kind in rows
        for one in json.loads(text)
    ]
