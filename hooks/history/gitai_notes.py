"""git-ai authorship notes (`refs/notes/ai`, format 3): which lines of a commit which agent wrote. Read only.

The format: `specs/git_ai_standard_v3.0.0.md` of git-ai. All three kinds of key may stand in one note. A line that no entry
names is unknown, not human. A note that cannot be read is counted and passed over.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git

REF: Final = "refs/notes/ai"
KEY: Final = re.compile(r"^(?:(s_[0-9a-f]{14})(?:::t_[0-9a-f]{14})?|(h_[0-9a-f]{14})|([0-9a-f]{16}|[0-9a-f]{7}))$")
LARGEST: Final = 20_000_000
"""Bytes; a larger note is not read."""
WIDEST: Final = 1_000_000
"""Lines; a larger range is not believed."""


@dataclass
class Authorship:
    """One note. `ai`: path -> lines said to be an agent's; `human`: path -> lines said to be a person's.
    `agents`: (agent, model) -> lines, most first when sorted by value."""

    ai: dict[str, set[int]] = field(default_factory=dict)
    human: dict[str, set[int]] = field(default_factory=dict)
    agents: dict[tuple[str, str | None], int] = field(default_factory=dict)

    @property
    def lines_ai(self) -> int:
        return sum(map(len, self.ai.values()))


def parse(note: bytes) -> Authorship:
    """The note's lines by class. Raises ValueError, saying what is wrong, for one that is not of the format."""
    if len(note) > LARGEST:
        raise ValueError("larger than 20 MB")
    head, rule, tail = ("\n" + note.decode("utf-8")).partition("\n---\n")
    if not rule:
        raise ValueError("no line that is exactly ---")
    try:
        data: Any = json.loads(tail)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(data, dict):
        raise ValueError("its JSON is not an object")
    if not str(data.get("schema_version", "")).startswith("authorship/"):
        raise ValueError("no schema_version of git-ai")
    found = Authorship()
    path: str | None = None
    for line in head.split("\n"):
        if not line.strip():
            continue
        if not line.startswith("  "):
            path = line[1:-1] if line.startswith('"') and line.endswith('"') and len(line) > 1 else line
        elif path is not None:
            _entry(found, path, line.strip(), data)
    return found


def _entry(found: Authorship, path: str, entry: str, data: dict[str, Any]) -> None:
    key, _, ranges = entry.partition(" ")
    hit = KEY.match(key)
    if not hit:
        return  # a kind of key that we do not know: its lines stay unknown
    lines = _lines(ranges)
    session, human, prompt = hit.groups()
    if human:
        found.human.setdefault(path, set()).update(lines)
        return
    table = data.get("sessions" if session else "prompts")
    record = table.get(session or prompt) if isinstance(table, dict) else None
    who = record.get("agent_id") if isinstance(record, dict) else None
    tool, model = (who.get("tool"), who.get("model")) if isinstance(who, dict) else (None, None)
    found.ai.setdefault(path, set()).update(lines)
    named = (
        agent_name(tool) if isinstance(tool, str) else "unnamed",
        model if isinstance(model, str) and model != "unknown" else None,
    )
    found.agents[named] = found.agents.get(named, 0) + len(lines)


def _lines(ranges: str) -> set[int]:
    lines: set[int] = set()
    for part in ranges.split(","):
        first, _, last = part.strip().partition("-")
        if first.isascii() and first.isdigit() and (not last or (last.isascii() and last.isdigit())):
            start, end = int(first), int(last or first)
            if 1 <= start <= end and end - start < WIDEST:
                lines.update(range(start, end + 1))
    return lines


def agent_name(tool: str) -> str:
    """git-ai's tool names in the words of this project."""
    return {"claude": "claude-code", "github-copilot": "copilot", "copilot-cli": "copilot", "gemini-cli": "gemini"}.get(
        tool, tool[:40]
    )


def read(cwd: Path, ref: str = REF) -> tuple[dict[str, Authorship], int]:
    """Commit -> note, and how many notes could not be read. Empty without the ref."""
    listing = git.attempt(["ls-tree", "-r", "-z", "--full-tree", ref], cwd)
    notes: dict[str, Authorship] = {}
    unreadable = 0
    with git.cat_file(cwd) as objects:
        for line in (listing or b"").split(b"\0"):
            meta, _, path = line.partition(b"\t")
            commit = path.replace(b"/", b"").decode("ascii", "replace")
            if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit) or meta.split(b" ")[1:2] != [b"blob"]:
                continue
            blob = objects.blob(meta.split(b" ")[2].decode())
            try:
                notes[commit] = parse(blob or b"")
            except ValueError:
                unreadable += 1
    return notes, unreadable
