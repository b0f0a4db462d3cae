"""What was tried here and what came of it: the join of runs, changes and decisions from which everything is learned.

One `Tried` is one run: what it was asked, which model and prompt did it, with what propensity they were chosen, and the reward of the
live changes that hold its lines (their mean). Without one, the reward that was given by hand counts (`result.reward` of its decision). An
attempt whose gates stopped it left no change; its reward is 0. A run whose change has no reward yet, or that nothing is known of, has none:
it is missing, not 0. Records of forks and imports are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from git_hone.learner.bandit import Arm
from git_hone.learner.plans import STOPPED
from git_hone.learner.router.features import Task, task
from git_hone.learner.variants import Model

if TYPE_CHECKING:
    from git_hone.learner.store import Store


_SQL: Final = """
WITH rewards AS (
    SELECT run_id, avg(reward) AS reward, any_value(files) AS files, min(change_id) AS change_id
    FROM (SELECT unnest(run_ids) AS run_id, reward, files, change_id FROM changes
          WHERE state = 'live' AND coalesce(trust, 'own') = 'own')
    GROUP BY run_id
)
SELECT r.run_id, epoch_us(r.started_at) AS started_at, r.model,
       coalesce(r.prompt_variant, json_extract_string(d.plan, '$.prompt')) AS prompt, r.task,
       coalesce(r.task_kind, d.task_kind, p.task_kind) AS task_kind, coalesce(r.difficulty, d.difficulty, p.difficulty) AS difficulty, r.role,
       r.tokens_in, r.tokens_out, r.cost_usd, r.duration_ms, r.edits,
       w.reward, w.files, w.change_id,
       d.decision_id, d.kind, d.policy, d.chosen, d.propensity, d.propensities, d.step, d.result,
       p.budget_usd, json_extract(p.plan, '$.gates') AS judged_by
FROM runs r
LEFT JOIN rewards w USING (run_id)
LEFT JOIN decisions d USING (decision_id)
LEFT JOIN decisions p ON p.decision_id = regexp_extract(r.decision_id, '^(.*)[.][0-9]+$', 1) AND p.kind = 'plan'
WHERE r.evidence IN ('hook', 'api', 'capture') AND r.started_at IS NOT NULL
  AND ($since IS NULL OR r.started_at >= make_timestamptz($since::BIGINT))
ORDER BY r.started_at, r.run_id
"""


@dataclass(frozen=True)
class Tried:
    """One run. reward: 0..1, None while it is not known. cost_usd: None when neither a price nor tokens are known. `chosen`,
    `propensity` and `propensities` come from the decision behind it, None and {} without one. gates: kind -> whether it let the
    attempt through. judged_by and budget_usd: the gates and the budget that its plan was made for, None without a plan."""

    run_id: str
    at: datetime
    model: str | None
    prompt: str | None
    task: Task
    kind: str | None
    reward: float | None
    cost_usd: float | None
    files: tuple[str, ...]
    change_id: str | None = None
    decision_id: str | None = None
    decided: str | None = None
    policy: str | None = None
    chosen: str | None = None
    propensity: float | None = None
    propensities: Mapping[str, float] | None = None
    step: int | None = None
    ended: str | None = None
    gates: Mapping[str, bool] | None = None
    tokens: tuple[int, int] | None = None
    judged_by: tuple[str, ...] | None = None
    budget_usd: float | None = None


def tried(store: Store, models: Iterable[Model] = (), since: datetime | None = None) -> list[Tried]:
    """Every run of this repository's own record, oldest first. `models` give the prices where the agent did not say what it cost."""
    from git_hone.learner.store.query import micros_of

    prices = {name: one for one in models for name in (one.id, one.model)}
    with store.connect() as engine:
        engine.execute(_SQL, {"since": micros_of(since)})
        names = [column[0] for column in engine.description or ()]
        return [_tried(dict(zip(names, row, strict=True)), prices) for row in engine.fetchall()]


def counts(store: Store, models: Iterable[Model] = ()) -> tuple[dict[str, Arm], dict[str, Arm]]:
    """(prompts, models): id -> how many of its tries have a reward, and the sum of these rewards. Every try counts alike, however long
    ago: what fades is for the policy to say.

    A model is counted under its id, whether a run named it by its id or by its name at the endpoint. Besides runs, a reward given by
    hand for a choice counts for what was chosen, unless a run that came of the same choice has a reward.
    """
    known = list(models)
    rows = tried(store, known)
    ids = {name: one.id for one in known for name in (one.model, one.id)}
    sums: tuple[dict[str, Arm], dict[str, Arm]] = ({}, {})

    def count(which: int, name: str | None, reward: float) -> None:
        if name is not None:
            so_far = sums[which].get(name, Arm())
            sums[which][name] = Arm(so_far.wins + reward, so_far.trials + 1)

    for one in rows:
        if one.reward is not None:
            count(0, one.prompt, one.reward)
            count(1, None if one.model is None else ids.get(one.model, one.model), one.reward)
    done = {one.decision_id for one in rows if one.decision_id and one.reward is not None}
    done |= {f"{name.rpartition('.')[0]}.prompt" for name in done}
    with store.connect() as engine:
        given = engine.execute(_GIVEN).fetchall()
    for name, kind, chosen, reward in given:
        if name not in done:
            count(0 if kind == "prompt" else 1, chosen, reward)
    return sums


_GIVEN: Final = """
SELECT decision_id, kind, chosen, CAST(json_extract(result, '$.reward') AS DOUBLE) AS reward
FROM decisions
WHERE kind IN ('prompt', 'model') AND chosen IS NOT NULL AND json_extract(result, '$.reward') IS NOT NULL
ORDER BY recorded_at, decision_id
"""


def _tried(row: Mapping[str, Any], prices: Mapping[str, Model]) -> Tried:
    from git_hone.learner.store.columns import from_micros

    files = _files(row["files"], row["edits"])
    result = _json(row["result"]) or {}
    ended = result.get("ended")
    reward = row["reward"]
    if reward is None:
        reward = result.get("reward", 0.0 if ended in STOPPED else None)
    tokens = None if row["tokens_in"] is None or row["tokens_out"] is None else (row["tokens_in"], row["tokens_out"])
    cost, model = row["cost_usd"], prices.get(row["model"] or "")
    if cost is None and tokens and model:
        cost = model.cost(*tokens)
    return Tried(
        run_id=row["run_id"], at=from_micros(row["started_at"]), model=row["model"], prompt=row["prompt"],
        task=task(row["task"] or "", kind=row["task_kind"], difficulty=row["difficulty"], files=files), kind=row["task_kind"],
        reward=reward, cost_usd=cost, files=files, change_id=row["change_id"], decision_id=row["decision_id"], decided=row["kind"],
        policy=row["policy"], chosen=row["chosen"], propensity=row["propensity"], propensities=_json(row["propensities"]),
        step=row["step"], ended=ended, gates=result.get("gates"), tokens=tokens,
        judged_by=None if row["judged_by"] is None else tuple(_json(row["judged_by"])), budget_usd=row["budget_usd"],
    )  # fmt: skip


def _files(of_change: str | None, edits: str | None) -> tuple[str, ...]:
    rows = _json(of_change) or _json(edits) or []
    return tuple(sorted({str(row["path"]) for row in rows if isinstance(row, dict) and row.get("path")}))


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def group_of(one: Tried) -> str:
    """Runs of one group are never split between learning and judging: those that touch the same folder in the same week.

    >>> from datetime import timezone
    >>> at = datetime(2026, 3, 5, tzinfo=timezone.utc)
    >>> group_of(Tried("r", at, None, None, Task(()), None, None, None, ("src/a.py", "src/b.py")))
    'src 2026-10'
    """
    year, week, _ = one.at.isocalendar()
    folders = sorted({str(PurePosixPath(file).parent) for file in one.files})
    return f"{folders[0] if folders else '-'} {year}-{week:02}"
