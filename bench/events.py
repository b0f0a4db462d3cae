"""CPU of one agent hook event, through the very command that `git hone init` wrote into `.claude/settings.json`.

    python -m bench.events [--json] [--rounds 60]

Beside it, in turn: `sh -c :` (what any hook costs) and `python3 -c pass` (the least that a hook in Python costs).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from bench import scratch
from git_hone.hooks.player import Player

EVENTS: dict[str, dict[str, Any]] = {
    "UserPromptSubmit": {"prompt": "add a reader"},
    "PreToolUse Edit": {"tool_name": "Edit", "tool_input": {"file_path": "{file}", "old_string": "a", "new_string": "b"}},
    "PreToolUse Bash": {"tool_name": "Bash", "tool_input": {"command": "make", "description": "build"}},
}


def measure(rounds: int = 60) -> dict[str, Any]:
    """CPU milliseconds by event, and ratios to `sh -c :` and to `python3 -c pass`."""
    with scratch.home() as (folder, env):
        repo = scratch.repository(folder / "repo", env)
        scratch.install(repo, env)
        scratch.still(repo)
        player = Player(repo, folder, env)
        env = env | {"CLAUDE_PROJECT_DIR": str(repo)}
        todo: dict[str, tuple[list[str], bytes]] = {
            "sh -c :": (["sh", "-c", ":"], b""),
            "python3 -c pass": ([sys.executable, "-c", "pass"], b""),
        }
        for name, fields in EVENTS.items():
            event = name.split()[0]
            (command,) = player.commands(event, fields.get("tool_name"))
            payload = {"session_id": player.id, "transcript_path": str(player.transcript), "cwd": str(repo),
                       "hook_event_name": event, "tool_use_id": "toolu_1", **fields}  # fmt: skip
            raw = json.dumps(payload).replace("{file}", str(repo / "src" / "m1.py"))
            todo[name] = (["sh", "-c", command], raw.encode())
        times: dict[str, list[float]] = {name: [] for name in todo}
        for k in range(rounds + 2):
            for name, (argv, stdin) in todo.items():
                spent = scratch.cpu_ms(argv, repo, env, stdin)
                if k >= 2:
                    times[name].append(spent)
        filed = len(list((repo / ".git" / "hone" / "inbox").glob("*.ev")))
        expected = len(EVENTS) * (rounds + 2)
        if filed != expected:
            raise ValueError(f"{filed} events were filed, {expected} were sent")
    found = {name: scratch.middle(values) for name, values in times.items()}
    shell, python = found["sh -c :"]["median"], found["python3 -c pass"]["median"]
    ratios: dict[str, Any] = {}
    for name in EVENTS:
        ratios[f"{name}, x sh"] = round(found[name]["median"] / shell, 2)
        ratios[f"{name}, x python"] = round(found[name]["median"] / python, 2)
    return {**ratios, **{f"{name}, ms": value for name, value in found.items()}}


def main(argv: list[str]) -> int:
    return scratch.run(__doc__, measure, argv, rounds=60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
