"""Which kinds of decisions work here: a weight and a confidence for each, from what came of them. Rebuilt from the record every time.

A decision has a type, "KIND what": the model for a kind of task ("model fix small"), the prompt ("prompt concise"), an item of context
that was offered ("context style/guide"), a gate that let an attempt through ("gate test"), an escalation ("escalation large"). With r the
rewards that came of decisions of a type, oldest first, each fading by 0.99 with every later one of the same type:

    wins = sum of fading r,  trials = sum of the fading
    weight      (wins + 2 * 0.5) / (trials + 2)     0..1; 0.5 before anything is known, as by two rewards of 0.5
    confidence  trials / (trials + 5)               0..1; 0 before anything is known
    deprecated  weight below 0.1                    not picked any more; nine outcomes of 0 in a row bring a new type there
    accuracy    share of decisions for which the weight before said what came: at least 0.5, or less

`pick` takes the highest weight times confidence: the rule of the seed (004, weighted voting with confidence). It explores nothing; that is
the work of `bandit` and `routing`. What a type's reward is, is that of the whole change: a prompt is also praised for its model.

>>> state = improve([("prompt concise", 0.9)] * 20 + [("prompt default", 0.0)] * 9)
>>> state["prompt default"].deprecated, pick(["prompt default", "prompt concise", "prompt new"], state)
(True, 'prompt concise')
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from git_hone.learner.bandit import GAMMA
from git_hone.learner.intervals import wilson
from git_hone.learner.plans import GATES
from git_hone.learner.store.query import micros_of

if TYPE_CHECKING:
    from datetime import datetime

    from git_hone.learner.store import Store

PRIOR_ROWS: Final = 2.0
SURE_ROWS: Final = 5.0
DEPRECATED: Final = 0.1
GOOD: Final = 0.5
RECENT: Final = 20
"""Newest rewards of a type that its trend holds against all before them."""
ENOUGH: Final = 5

_GATES: Final = " ".join(
    f"UNION ALL SELECT 'gate {gate}', reward, moment, key FROM known "  # noqa: S608 - our names
    f"WHERE json_extract(result, '$.gates.{gate}') = 'true'"
    for gate in GATES
)
_SQL: Final = f"""
WITH rewards AS (
    SELECT r.decision_id, avg(c.reward) AS reward
    FROM (SELECT unnest(run_ids) AS run_id, reward FROM changes
          WHERE state = 'live' AND coalesce(trust, 'own') = 'own' AND reward IS NOT NULL) c
    JOIN runs r USING (run_id) WHERE r.decision_id IS NOT NULL AND r.evidence IN ('hook', 'api', 'capture') GROUP BY 1
), known AS (
    SELECT coalesce(w.reward, 0.0) AS reward, d.recorded_at AS moment, d.decision_id AS key, d.step, d.chosen,
           coalesce(d.task_kind, p.task_kind) AS task_kind, d.result,
           json_extract_string(d.plan, '$.prompt') AS prompt
    FROM decisions d LEFT JOIN rewards w USING (decision_id)
    LEFT JOIN decisions p ON p.decision_id = regexp_extract(d.decision_id, '^(.*)[.][0-9]+$', 1) AND p.kind = 'plan'
    WHERE d.kind = 'model' AND ($since IS NULL OR d.recorded_at >= make_timestamptz($since::BIGINT))
      AND (w.reward IS NOT NULL OR json_extract_string(d.result, '$.ended') IN ('stopped', 'failed'))
), offered AS (
    SELECT unnest(from_json(c.context, '[{{"id": "VARCHAR", "included": "BOOLEAN"}}]')) AS item, k.reward, k.moment, k.key
    FROM decisions c JOIN known k ON k.key = regexp_replace(c.decision_id, '[.]context$', '') || '.0'
    WHERE c.kind = 'context' AND c.context IS NOT NULL
)
SELECT what, reward FROM (
    SELECT 'model ' || coalesce(task_kind, '?') || ' ' || chosen AS what, reward, moment, key FROM known WHERE coalesce(step, 0) = 0
    UNION ALL SELECT 'escalation ' || chosen, reward, moment, key FROM known WHERE step > 0
    UNION ALL SELECT 'prompt ' || prompt, reward, moment, key FROM known WHERE prompt IS NOT NULL
    UNION ALL SELECT 'context ' || item.id, reward, moment, key FROM offered WHERE item.included
    {_GATES}
) WHERE what IS NOT NULL ORDER BY moment, key
"""  # noqa: S608 - our names


@dataclass
class Weight:
    """What is known of one type of decision. n: decisions with a known outcome; n_right: forecasts that came true."""

    wins: float = 0.0
    trials: float = 0.0
    n: int = 0
    n_right: int = 0
    total: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, reward: float) -> None:
        """One more outcome, 0..1."""
        self.n_right += (self.weight >= GOOD) == (reward >= GOOD)
        self.wins = GAMMA * self.wins + reward
        self.trials = GAMMA * self.trials + 1.0
        self.n += 1
        self.total += reward
        self.recent.append(reward)

    @property
    def weight(self) -> float:
        return (self.wins + PRIOR_ROWS * 0.5) / (self.trials + PRIOR_ROWS)

    @property
    def confidence(self) -> float:
        return self.trials / (self.trials + SURE_ROWS)

    @property
    def deprecated(self) -> bool:
        return self.weight < DEPRECATED

    @property
    def trend(self) -> float | None:
        """Mean of the newest `RECENT` rewards less the mean of those before; None while either is of fewer than `ENOUGH`."""
        before = self.n - len(self.recent)
        if before < ENOUGH:
            return None
        newest = sum(self.recent)
        return newest / len(self.recent) - (self.total - newest) / before


def improve(outcomes: Iterable[tuple[str, float]]) -> dict[str, Weight]:
    """(type, reward 0..1), oldest first -> what is known of each type. ValueError for a reward outside 0..1."""
    found: dict[str, Weight] = {}
    for what, reward in outcomes:
        if not 0.0 <= reward <= 1.0:
            raise ValueError(f"{what}: a reward is 0..1, not {reward}")
        weight = found.get(what)
        if weight is None:
            weight = found[what] = Weight()
        weight.add(reward)
    return found


def pick(options: Sequence[str], known: Mapping[str, Weight]) -> str | None:
    """The option of the highest weight times confidence that is not deprecated, the first of equals; None when none is left."""
    able = [one for one in options if one not in known or not known[one].deprecated]
    return max(able, key=lambda one: known[one].weight * known[one].confidence if one in known else 0.0, default=None)


def outcomes(store: Store, since: datetime | None = None) -> list[tuple[str, float]]:
    """Every decision of this record whose outcome is known, as (type, reward), oldest first. An attempt that its gates stopped earned
    0; what has no reward yet is left out."""
    with store.connect() as engine:
        rows: list[tuple[str, float]] = engine.execute(_SQL, {"since": micros_of(since)}).fetchall()
    return rows


def accuracy(known: Iterable[Weight]) -> tuple[int, float, float, float] | None:
    """(forecasts, share that came true, and its 95 % interval) over all types; None without any."""
    rows = list(known)
    n, right = sum(one.n for one in rows), sum(one.n_right for one in rows)
    return (n, right / n, *wilson(right, n)) if n else None
