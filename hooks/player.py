"""Play a Claude Code session through the hooks that stand in a repository's `.claude/settings.json`.

Used by `git hone demo` and by the tests: the events go through the very commands that an agent would run, the edits are
made as its tools make them, and committing is left to plain git.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Player:
    """One agent session in the work tree `repo`; `home` holds the transcript, `env` is what the hooks run with."""

    def __init__(self, repo: Path, home: Path, env: dict[str, str], model: str = "claude-sonnet-4-5") -> None:
        self.repo, self.home, self.env, self.model = repo, home, env, model
        self.id = str(uuid.uuid4())
        self.transcript = home / ".claude" / "projects" / "p" / f"{self.id}.jsonl"
        self.failed: list[tuple[str, int, str]] = []

    def __enter__(self) -> Player:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fire("Stop", stop_hook_active=False, last_assistant_message="done")
        self.fire("SessionEnd", reason="other")

    def start(self) -> None:
        self.transcript.parent.mkdir(parents=True, exist_ok=True)
        self.transcript.touch()
        self.fire("SessionStart", source="startup", model=self.model)

    def commands(self, event: str, tool: str | None) -> list[str]:
        """The commands that the settings name for an event."""
        settings = self.repo / ".claude" / "settings.json"
        blocks = json.loads(settings.read_text()).get("hooks", {}).get(event, []) if settings.exists() else []
        return [
            hook["command"]
            for block in blocks
            for hook in block.get("hooks", [])
            if tool is None or block.get("matcher", "") in ("", "*") or re.fullmatch(block["matcher"], tool)
        ]

    def fire(self, event: str, **fields: Any) -> None:
        payload = {"session_id": self.id, "transcript_path": str(self.transcript), "cwd": str(self.repo),
                   "permission_mode": "default", "hook_event_name": event, **fields}  # fmt: skip
        for command in self.commands(event, fields.get("tool_name")):
            self.send(event, command, json.dumps(payload).encode())

    def send(self, event: str, command: str, payload: bytes) -> None:
        """One payload into one hook command, as the agent does it."""
        done = subprocess.run(
            ["sh", "-c", command], input=payload, capture_output=True, cwd=self.repo, check=False,
            env=self.env | {"CLAUDE_PROJECT_DIR": str(self.repo)},
        )  # fmt: skip
        if done.returncode or done.stdout or done.stderr:
            self.failed.append((event, done.returncode, done.stderr.decode(errors="replace")[-300:]))

    def prompt(self, text: str) -> None:
        self._log("user", content=text)
        self.fire("UserPromptSubmit", prompt=text)

    def write(self, path: str, text: str) -> None:
        """The Write tool on a new file, the Edit tool on one that stands."""
        target = self.repo / path
        old = target.read_bytes().decode("utf-8", "replace") if target.exists() else None
        if old is None:
            args: dict[str, Any] = {"file_path": str(target), "content": text}
            tool = "Write"
        else:
            args = {"file_path": str(target), "old_string": old, "new_string": text, "replace_all": False}
            tool = "Edit"

        def act() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())

        self.use(tool, args, act)

    def shell(self, command: str) -> None:
        """The Bash tool."""
        self.use("Bash", {"command": command, "description": "run"}, lambda: self._run(command))

    def _run(self, command: str) -> None:
        subprocess.run(["sh", "-c", command], cwd=self.repo, env=self.env, check=False, capture_output=True)

    def use(self, tool: str, args: dict[str, Any], act: Callable[[], None]) -> None:
        """One tool call: PreToolUse, the act itself, PostToolUse."""
        name = "toolu_" + uuid.uuid4().hex[:20]
        self._log("assistant", content=[{"type": "tool_use", "id": name, "name": tool, "input": args}])
        self.fire("PreToolUse", tool_name=tool, tool_input=args, tool_use_id=name)
        act()
        self.fire("PostToolUse", tool_name=tool, tool_input=args, tool_response={}, tool_use_id=name)

    def _log(self, kind: str, *, content: Any) -> None:
        message: dict[str, Any] = {"role": kind, "content": content}
        if kind == "assistant":
            usage = {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
            message |= {"id": "msg_" + uuid.uuid4().hex[:12], "model": self.model, "usage": usage}
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        line = {"type": kind, "message": message, "sessionId": self.id, "uuid": str(uuid.uuid4()), "timestamp": f"{stamp}.000Z"}
        with self.transcript.open("a") as out:
            out.write(json.dumps(line) + "\n")


def clean_env(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a person's shell with a home of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "XDG_", "CLAUDE", "HONE"))}
    return env | {"HOME": str(home), "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"} | extra
