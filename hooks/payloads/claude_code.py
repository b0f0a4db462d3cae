"""Claude Code's hook events (its documentation, "Hooks reference"). Unknown fields and tools are accepted.

Cursor and VS Code Copilot load the same hooks from `.claude/settings.json`: their payloads are refused here, as they
arrive a second time through those agents' own hooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from git_hone.hooks.payloads.observation import Observation, Usage

SHELLS: Final = frozenset({"Bash", "PowerShell"})
MUTATING: Final = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"}) | SHELLS
TAIL_BYTES: Final = 8 << 20


def foreign(payload: Mapping[str, Any]) -> str | None:
    """The name of another agent that loads Claude's hooks too, when this payload is that agent's."""
    transcript = str(payload.get("transcript_path") or "").replace("\\", "/")
    if "cursor_version" in payload or "/.cursor/" in transcript:
        return "cursor"
    if "extensionId" in payload or "/github.copilot" in transcript.lower() or "/workspacestorage/" in transcript.lower():
        return "copilot"
    return None


def observe(payload: Mapping[str, Any], blobs: dict[str, str], tree: str | None) -> list[Observation]:
    """What one payload says. Raises ValueError, naming the field, when a field that we need is missing or odd."""
    if foreign(payload):
        return []
    event, session = payload.get("hook_event_name"), payload.get("session_id")
    if not isinstance(event, str):
        raise ValueError("hook_event_name: missing")
    if not isinstance(session, str) or not session:
        raise ValueError("session_id: missing")
    base: dict[str, Any] = {
        "agent": "claude-code",
        "session": session[:200],
        "model": _text(payload, "model"),
        "transcript": _text(payload, "transcript_path"),
        "turn": _text(payload, "prompt_id"),
        "source": "claude-code",
    }
    if event == "SessionStart":
        return [Observation("session", **base)]
    if event == "UserPromptSubmit":
        return [Observation("prompt", text=_text(payload, "prompt"), **base)]
    if event in ("Stop", "SessionEnd"):
        return [Observation("stop" if event == "Stop" else "end", text=_text(payload, "last_assistant_message"), **base)]
    kind = {"PreToolUse": "before", "PostToolUse": "after", "PostToolUseFailure": "failed"}.get(event)
    tool = payload.get("tool_name")
    if kind is None or not isinstance(tool, str) or (tool not in MUTATING and not tree):
        return []
    tool_input = payload.get("tool_input")
    command = tool_input.get("command") if isinstance(tool_input, dict) else None
    return [
        Observation(
            kind,
            tool=tool,
            use_id=_text(payload, "tool_use_id") or f"{session}:{tool}",
            blobs=blobs,
            tree=tree,
            command=command if isinstance(command, str) else None,
            **base,
        )
    ]


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) and value else None


def usage(transcript: str | None, since: float, until: float) -> tuple[str | None, Usage | None]:
    """(model, tokens) of one turn, read from the end of the transcript: assistant messages written in [since, until],
    each message id counted once. (None, None) when the transcript cannot be read."""
    if not transcript or not transcript.endswith(".jsonl"):
        return None, None
    model: str | None = None
    seen: dict[str, Mapping[str, Any]] = {}
    try:
        for row in _tail(Path(transcript)):
            message = row.get("message")
            if row.get("type") != "assistant" or not isinstance(message, dict) or row.get("isSidechain"):
                continue
            model = message["model"] if isinstance(message.get("model"), str) else model
            at = _epoch(row.get("timestamp"))
            if isinstance(message.get("usage"), dict) and (at is None or since - 1 <= at <= until + 1):
                seen[str(message.get("id") or len(seen))] = message["usage"]
    except OSError:
        return None, None
    if not seen:
        return model, None
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    sums = [sum(v for u in seen.values() if isinstance(v := u.get(name), int)) for name in names]
    return model, Usage(*sums)


def _tail(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        if size > TAIL_BYTES:
            file.readline()
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # a line that is still being written
            if isinstance(row, dict):
                yield row


def _epoch(stamp: object) -> float | None:
    from datetime import datetime

    try:
        return datetime.fromisoformat(str(stamp).replace("Z", "+00:00")).timestamp() if stamp else None
    except ValueError:
        return None
