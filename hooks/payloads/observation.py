"""What every agent's payload is turned into: a few plain observations that the drain understands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Tokens of one run; null where the agent does not say."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True)
class Observation:
    """One thing seen.

    kind: session | prompt | before | after | failed | state | stop | end. `before` and `after` belong together by
    `use_id`; `state` is a look at files by nobody's tool. blobs: path inside the repository -> blob id, "" for a file that
    is not there. tree: the whole work tree, where the tool could touch anything. command: what a shell tool ran.
    """

    kind: str
    agent: str
    session: str | None = None
    model: str | None = None
    use_id: str | None = None
    tool: str | None = None
    blobs: dict[str, str] = field(default_factory=dict)
    tree: str | None = None
    command: str | None = None
    text: str | None = None
    transcript: str | None = None
    turn: str | None = None
    usage: Usage | None = None
    role: str | None = None
    difficulty: str | None = None
    task_kind: str | None = None
    variant: str | None = None
    decision: str | None = None
    evidence: str = "hook"
    source: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
