"""Agent Trace records (`.agent-trace/*.jsonl` in the tip's tree): which lines of a revision which model wrote. Read only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from git_hone.hooks import git


class Trace(NamedTuple):
    """What the records say of one revision: agent, model and the number of lines in ranges said to be an agent's."""

    commit: str
    agent: str
    model: str | None
    lines: int


def parse(record: Any) -> Iterator[Trace]:
    """The traces of one record; none when it names no git revision or no agent's lines."""
    vcs = record.get("vcs") if isinstance(record, dict) else None
    if not isinstance(vcs, dict) or vcs.get("type", "git") != "git" or not isinstance(vcs.get("revision"), str):
        return
    tool = record.get("tool")
    agent = str(tool.get("name") or "unnamed")[:40].lower() if isinstance(tool, dict) else "unnamed"
    for file in _list(record.get("files")):
        for talk in _list(file.get("conversations")):
            lines: dict[str | None, int] = {}
            for part in _list(talk.get("ranges")):
                who = part.get("contributor") or talk.get("contributor")
                first, last = part.get("start_line"), part.get("end_line")
                if isinstance(who, dict) and who.get("type") == "ai" and isinstance(first, int) and isinstance(last, int):
                    model = who.get("model_id") if isinstance(who.get("model_id"), str) else None
                    lines[model] = lines.get(model, 0) + max(0, last - first + 1)
            for model, count in lines.items():
                yield Trace(vcs["revision"], agent, model, count)


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def read(cwd: Path, tip: str) -> tuple[list[Trace], int]:
    """The traces committed at `tip`, and how many lines could not be read."""
    listing = git.attempt(["ls-tree", "-r", "-z", "--full-tree", tip, "--", ".agent-trace"], cwd)
    found: list[Trace] = []
    unreadable = 0
    with git.cat_file(cwd) as objects:
        for entry in (listing or b"").split(b"\0"):
            meta, _, path = entry.partition(b"\t")
            if not path.endswith((b".jsonl", b".json")) or len(meta.split(b" ")) < 3:
                continue
            for line in (objects.blob(meta.split(b" ")[2].decode()) or b"").splitlines():
                try:
                    found += parse(json.loads(line)) if line.strip() else []
                except (ValueError, RecursionError):
                    unreadable += 1
    return found, unreadable
