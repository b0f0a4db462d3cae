"""Few-shot examples: past tasks like this one with the code that was kept, near to it and unlike each other.

Only a change that proved itself is shown to a model: live, this repository's own, of a reward of at least `LEAST`, kept for 14 days
(`fates.kept`: so neither reverted nor reworked by a correction), looked through for tampering and clean. What nobody judged is not shown.

They are chosen by maximal marginal relevance (Carbonell and Goldstein 1998): each next one is the most like the task, less how much it is
like one that is chosen already. This module touches no git: whoever asks for the sources adds the text of each change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from git_hone.learner.past import similarity
from git_hone.learner.router.features import Task, task, words

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Final, NamedTuple

    from git_hone.learner.store import Store
else:
    from git_hone.learner.named import NamedTuple


LEAST: Final = 0.7
BALANCE: Final = 0.5
"""Share of the likeness to the task; the rest is the unlikeness to what is chosen already."""
LEAST_ALIKE: Final = 0.1
"""Below this an example is about something else."""


class Source(NamedTuple):
    """A change that may be shown. prompt: what was asked for, redacted when it was recorded; at: when it was committed, seconds since 1970;
    text: its code as it was kept (a diff, or lines), empty while nobody added it; bag: the words of its task, None to have them counted."""

    change_id: str
    task: Task
    prompt: str
    reward: float
    at: float
    text: str = ""
    bag: Mapping[int, float] | None = None


class Shot(NamedTuple):
    """An example to show. alike: 0..1, to the task. tokens: about; a quarter of its characters."""

    change_id: str
    prompt: str
    text: str
    alike: float
    tokens: int


_SQL: Final = """
SELECT c.change_id, c.files, c.reward, epoch_us(c.committed_at), r.task, coalesce(c.task_kind, r.task_kind),
       coalesce(c.difficulty, r.difficulty)
FROM (SELECT *, unnest(run_ids) AS run_id FROM changes WHERE state = 'live' AND coalesce(trust, 'own') = 'own' AND reward >= $least) c
JOIN runs r USING (run_id)
WHERE r.task IS NOT NULL AND trim(r.task) <> '' AND coalesce(r.role, 'coder') = 'coder'
  AND ($since IS NULL OR c.committed_at >= make_timestamptz($since::BIGINT))
QUALIFY row_number() OVER (PARTITION BY c.change_id ORDER BY r.started_at, r.run_id) = 1
ORDER BY c.committed_at, c.change_id
"""


def sources(store: Store, since: datetime | None = None) -> list[Source]:
    """Every change that may be shown, oldest first, without its text; its task is that of its first run that says what was asked."""
    from git_hone.learner import histories
    from git_hone.learner.evidence import tampering
    from git_hone.learner.store.query import micros_of

    labels = histories.read(store, since).labels()
    proved = {
        one.row["change_id"]
        for one, kept in labels
        if kept and tampering(one.row["flags"], [row for row in one.outcomes if row["kind"] == "cleared"]) is False
    }
    with store.connect() as engine:
        rows = engine.execute(_SQL, {"least": LEAST, "since": micros_of(since)}).fetchall()
    return [
        Source(change, task(text, kind=kind, difficulty=difficulty, files=_paths(files)), text, reward, at / 1e6)
        for change, files, reward, at, text, kind, difficulty in rows
        if change in proved
    ]


def _paths(files: str | None) -> list[str]:
    return [row["path"] for row in json.loads(files or "[]") if isinstance(row, dict) and row.get("path")]


def improved(store: Store) -> dict[str, str]:
    """Change -> what people made of it afterwards (the pairs of the record), for changes that somebody improved."""
    found: dict[str, list[str]] = {}
    for row in store.rows("pairs", where={"origin": "human-improved"}):
        chosen = row["chosen"]
        text = chosen.get("text") if isinstance(chosen, Mapping) else None
        if text and row["change_id"]:
            found.setdefault(row["change_id"], []).append(text)
    return {change: "\n".join(texts) for change, texts in found.items()}


def pick(
    asked: Task, known: Sequence[Source], *, most: int = 3, budget_tokens: int = 2000, balance: float = BALANCE
) -> list[Shot]:
    """At most `most` examples of at most `budget_tokens` together, best first. One that does not fit what is left, or that has no text,
    gives way to the next; none is ever cut. Of equal ones the newer."""
    bags = [words(one.task.text) if one.bag is None else one.bag for one in known]
    bag = words(asked.text)
    alike = [similarity(asked.path, bag, one.task.path, its) for one, its in zip(known, bags, strict=True)]
    left = sorted((k for k in range(len(known)) if alike[k] > LEAST_ALIKE), key=lambda k: known[k].at, reverse=True)
    near = dict.fromkeys(left, 0.0)  # how much each is like one that is chosen already
    shots: list[Shot] = []
    budget = budget_tokens
    while left and len(shots) < most:
        best = max(left, key=lambda k: balance * alike[k] - (1 - balance) * near[k])
        left.remove(best)
        one = known[best]
        tokens = (len(one.prompt) + len(one.text)) // 4 + 1
        if not one.text.strip() or tokens > budget:
            continue
        budget -= tokens
        shots.append(Shot(one.change_id, one.prompt, one.text, round(alike[best], 4), tokens))
        for k in left:
            near[k] = max(near[k], similarity(one.task.path, bags[best], known[k].task.path, bags[k]))
    return shots


def render(shots: Iterable[Shot]) -> str:
    """As it goes into a prompt's {examples}; empty for none.

    >>> print(render([Shot("c1", "Add a flag", "+flag = 1", 0.9, 5)]))
    A past task here, and what was kept of its answer:
    Add a flag
    +flag = 1
    """
    return "\n\n".join(f"A past task here, and what was kept of its answer:\n{one.prompt}\n{one.text}" for one in shots)
