"""The event that any tool can send to `git hone capture generic` (schema: `generic.schema.json`), and git-ai's `agent-v1`
checkpoint payload, accepted as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from git_hone.hooks.payloads.observation import Observation, Usage

EVENTS = ("session", "prompt", "before", "after", "state", "stop", "end")


def files(payload: Mapping[str, Any]) -> list[str] | None:
    """The paths that an event names; None when it names none, so that the whole work tree is looked at."""
    for key in ("files", "will_edit_filepaths", "edited_filepaths"):
        value = payload.get(key)
        if isinstance(value, list):
            return [name for name in value if isinstance(name, str)]
    return None


def looks(payload: Mapping[str, Any]) -> bool:
    """Whether this event needs a look at the files."""
    kind = payload.get("event") or payload.get("type")
    return kind in ("before", "after", "state", "human", "ai_agent", "pre_shell_command", "post_shell_command")


def observe(payload: Mapping[str, Any], blobs: dict[str, str], tree: str | None) -> list[Observation]:
    """What one generic payload says. Raises ValueError, naming the field, for a missing or wrong one."""
    event = payload.get("event")
    if event not in EVENTS:
        raise ValueError(f"event: {event!r} is none of {', '.join(EVENTS)}")
    agent = payload.get("agent")
    if event != "state" and (not isinstance(agent, str) or not agent):
        raise ValueError('agent: missing; name the tool, e.g. "my-agent"')
    usage = payload.get("usage")
    if usage is not None and not isinstance(usage, dict):
        raise ValueError("usage: an object with tokens_in, tokens_out, cost_usd")
    return [
        Observation(
            event,
            agent=str(agent or ""),
            session=_str(payload, "session_id"),
            model=_str(payload, "model"),
            use_id=_str(payload, "tool_use_id"),
            tool=_str(payload, "tool") or ("shell" if tree else "edit"),
            blobs=blobs,
            tree=tree,
            command=_str(payload, "command"),
            text=_str(payload, "prompt") if event == "prompt" else _str(payload, "output"),
            turn=_str(payload, "turn_id"),
            usage=_usage(usage) if usage else None,
            role=_str(payload, "role"),
            difficulty=_str(payload, "difficulty"),
            task_kind=_str(payload, "task_kind"),
            variant=_str(payload, "prompt_variant"),
            decision=_str(payload, "decision_id"),
            evidence="api" if payload.get("source") == "api" else "capture",
            source=_str(payload, "source") or "generic",
        )
    ]


def observe_agent_v1(payload: Mapping[str, Any], blobs: dict[str, str], tree: str | None) -> list[Observation]:
    """git-ai's `checkpoint agent-v1`: human | ai_agent | pre_shell_command | post_shell_command."""
    kind = payload.get("type")
    if kind == "human":
        return [Observation("state", agent="", blobs=blobs, tree=tree, source="agent-v1", evidence="capture")]
    events = {"ai_agent": "after", "pre_shell_command": "before", "post_shell_command": "after"}
    if kind not in events:
        raise ValueError(f"type: {kind!r} is none of human, {', '.join(events)}")
    agent = _str(payload, "agent_name")
    if not agent:
        raise ValueError("agent_name: missing")
    session = _str(payload, "conversation_id")
    return [
        Observation(
            events[str(kind)],
            agent=agent,
            session=session,
            model=_str(payload, "model"),
            use_id=_str(payload, "tool_use_id") or f"{session}:{'shell' if 'shell' in str(kind) else 'edit'}",
            tool="shell" if "shell" in str(kind) else "edit",
            blobs=blobs,
            tree=tree,
            command=_str(payload, "command"),
            evidence="capture",
            source="agent-v1",
        )
    ]


def _str(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name}: a string, not {type(value).__name__}")
    return value or None


def _usage(usage: Mapping[str, Any]) -> Usage:
    def number(name: str) -> int | None:
        value = usage.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise ValueError(f"usage.{name}: a number from 0 up")
        return int(value)

    cost = usage.get("cost_usd")
    if cost is not None and (isinstance(cost, bool) or not isinstance(cost, (int, float)) or cost < 0):
        raise ValueError("usage.cost_usd: a number from 0 up")
    return Usage(
        number("tokens_in"), number("tokens_out"), number("tokens_cache_read"), number("tokens_cache_write"),
        None if cost is None else float(cost),
    )  # fmt: skip
