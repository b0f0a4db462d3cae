"""The tables of the record: their columns, types, keys, and what null means. The one place that says so.

A row is a dict. Every row of every table also carries the three columns of `COMMON`. Rows are append-only events:
to change a fact, append a newer row with the same key; readers keep the newest row of a key (by `recorded_at`,
then `record_id`). The same `record_id` seen twice is one row. A null always means "not known" or "has not happened",
never zero. Nothing here imports pyarrow: `git_hone.learner.store` turns these columns into a Parquet schema.

Types: "str", "int" (64 bits), "float" (64 bits), "bool", "ts" (UTC, microseconds; in Python an aware datetime),
"strs" (list of str), "json" (a str holding one JSON value, keys sorted).
"""

from __future__ import annotations

from typing import Final, NamedTuple

SCHEMA_VERSION: Final = 1
"""Written into each segment's metadata; a segment with a larger one is refused politely (a newer git-hone wrote it)."""

COMMON: Final[dict[str, str]] = {
    "record_id": "str",  # content-derived id of this event: the same event read twice has the same id
    "recorded_at": "ts",  # when the event happened (never when it was drained)
    "config_hash": "str",  # first 12 hex digits of the configuration's hash at that time; null before init
}


class Table(NamedTuple):
    """One table: `key` names the columns whose newest row wins, `columns` maps name to type, `month` is the column
    whose UTC month picks the partition."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]
    month: str = "recorded_at"


RUNS: Final = Table(
    "runs",
    ("run_id",),
    {
        "run_id": "str",  # one execution of a model on a task; for a chat agent, one turn
        "agent": "str",  # "claude-code", "codex", ...
        "session_id": "str",  # null for agents without sessions
        "model": "str",  # null when the agent never named it
        "prompt_variant": "str",  # null when no variant was chosen by us
        "role": "str",  # coder | fixer | judge
        "difficulty": "str",  # easy | medium | hard, null unknown
        "task_kind": "str",  # feature | fix | refactor | test | docs | chore, null unknown
        "task": "str",  # the prompt, redacted; null when not captured
        "output": "str",  # the agent's last message, redacted; null when not captured
        "started_at": "ts",
        "ended_at": "ts",  # null while the run goes on, or when its end was never seen
        "duration_ms": "int",  # null with ended_at
        "tokens_in": "int",  # null when the agent reports no usage
        "tokens_out": "int",
        "tokens_cache_read": "int",
        "tokens_cache_write": "int",
        "cost_usd": "float",  # null when no price is known
        "edits": "json",  # [{path, before, after, tool, tool_use_id}]: blob ids, null before = new file, null after = deleted
        "context": "json",  # context items offered to the model; null when none was chosen by us
        "decision_id": "str",  # the decision that chose its model and prompt; null when somebody else chose
        "evidence": "str",  # hook | api | capture | import | trailer
        "source": "str",  # which payload format it came from
    },
)

CHANGES: Final = Table(
    "changes",
    ("change_id",),
    {
        "change_id": "str",  # outlives the commit's hash
        "commit": "str",  # the commit that carries the change now; the last one when state is not live
        "tree": "str",
        "parent_tree": "str",  # null for a root commit
        "committed_at": "ts",  # committer date
        "branch": "str",  # where it was seen, null when detached
        "state": "str",  # live | superseded (joined another change) | dropped (no commit carries it)
        "superseded_by": "str",  # change id, only when superseded
        "kind": "str",  # commit | amend | rebase | squash | pick | recommit | import: how it came to this commit
        "replaces": "strs",  # commits that carried it before, oldest first
        "run_ids": "strs",  # runs with a line living in the commit
        "agent": "str",  # of the run with most lines
        "model": "str",
        "prompt_variant": "str",
        "task_kind": "str",
        "difficulty": "str",
        "lines_ai": "int",
        "lines_human": "int",
        "lines_unknown": "int",
        "lines_written": "int",  # lines that the runs wrote for this change before people touched them
        "files": "json",  # [{path, ai, human, unknown, ai_ranges: [[first, last]], runs: {run_id: [[first, last]]}}]
        "patch_id": "str",  # git patch-id --stable; null for an empty diff
        "evidence": "str",  # strongest evidence of its runs; note: another clone's note says so
        "trust": "str",  # own | fork | import
        "reward": "float",  # 0..1, null until something is known
        "reward_mode": "str",  # hone | seed
        "reward_terms": "json",  # {"veto": name or null, "terms": {term: {value, weight, ...}}}; "fitted" names its model
        "flags": "json",  # [{kind, path, line, detail, by}]: signs of tampering in its commit; [] none, null not judged
    },
    month="committed_at",
)

SIGNALS: Final = Table(
    "signals",
    ("tree", "kind", "tool"),
    {
        "tree": "str",  # git tree id that was measured: whatever commit has that tree has the signal
        "kind": "str",  # compile | lint | type | test | coverage | schema | boundary
        "tool": "str",  # "ruff", "mypy", "pytest", ...
        "tool_version": "str",
        "tool_config": "str",  # hash of the tool's configuration files; null when it has none
        "passed": "bool",  # the verdict; null when the tool could not run (infrastructure), which blames nobody
        "errors": "int",
        "warnings": "int",
        "tests_passed": "int",
        "tests_failed": "int",  # failed, errored
        "tests_skipped": "int",
        "tests_total": "int",  # 0 is "nothing ran", which is not a pass
        "coverage_pct": "float",  # 0..100
        "exit_code": "int",
        "duration_ms": "int",
        "details": "json",  # {"failed": [test ids], "passed": [test ids], "rules": {code: n}, "files": {path: n}}, each bounded
        "command": "str",  # the command, redacted
    },
)

OUTCOMES: Final = Table(
    "outcomes",
    ("record_id",),
    {
        "change_id": "str",
        "kind": "str",  # committed | merged | edited | reworked | reverted | relanded | dropped | survived | accepted | rejected | rated | cleared
        "at": "ts",  # survived: landing on the default branch + that age
        "commit": "str",  # the commit that made it so; null for feedback and survived
        "value": "float",  # 0..1. rated; survived: lines alive; reworked, reverted, relanded: share of lines; edited: distance; else null
        "detail": "json",  # what a kind says more: docs/explanation/outcomes.md
        "source": "str",  # hook | history | feedback | ci | import | note
    },
    month="at",
)

PAIRS: Final = Table(
    "pairs",
    ("pair_id",),
    {
        "pair_id": "str",
        "change_id": "str",
        "run_id": "str",
        "role": "str",  # coder | fixer | judge
        "prompt": "json",  # redacted
        "output": "json",  # redacted
        "chosen": "json",  # what the person made of it; null when nobody touched it
        "label": "float",  # 0..1, null unknown
        "origin": "str",  # kept | human-improved | check
    },
)

DECISIONS: Final = Table(
    "decisions",
    ("decision_id",),
    {
        "decision_id": "str",  # one choice; handed to the agent as HONE_DECISION, so that its runs name it
        "kind": "str",  # plan | model | prompt | context
        "policy": "str",  # who chose: "router", "prior", "thompson", "epsilon-greedy", "fixed", ...
        "policy_version": "str",  # hash of the exported router or of the policy's settings; null for a fixed choice
        "chosen": "str",  # the arm: a variant's id
        "propensity": "float",  # probability with which it was chosen, in (0, 1]
        "propensities": "json",  # {arm: probability} of every arm that could have been chosen; they sum to 1
        "task": "str",  # redacted; null when it was not given
        "task_kind": "str",
        "difficulty": "str",
        "features": "json",  # what the policy looked at, as far as it is no text
        "expected": "json",  # {arm: {"reward", "low", "high", "cost_usd"}} as expected then
        "budget_usd": "float",  # null without one
        "plan": "json",  # [{"model", "gates": [...]}]: attempts in order; null for a single choice
        "step": "int",  # which attempt of the plan this is, from 0; null for a whole plan
        "context": "json",  # [{"id", "included", "propensity" of including it}]
        "reasons": "json",  # [str], for people
        "result": "json",  # of an attempt: {"ended": passed|stopped|failed|timeout|unjudged|unreachable, "gates": {kind: passed}}; null until then
    },
)

WEB_CACHE: Final = Table(
    "web_cache",
    ("url",),
    {
        "url": "str",  # as it was asked for, without its fragment
        "location": "str",  # where the redirects led; the same address when there were none
        "html": "str",  # the page as it came, up to 2 MB
        "fetched_at": "ts",
    },
    month="fetched_at",
)

TABLES: Final[dict[str, Table]] = {table.name: table for table in (RUNS, CHANGES, SIGNALS, OUTCOMES, PAIRS, DECISIONS, WEB_CACHE)}
