"""Agent hooks: our command in Claude Code's `.claude/settings.json`, beside whatever stands there.

The file is committed and shared, so the command does nothing, says nothing and succeeds where git-hone is not installed.
`settings.local.json` and the person's own settings are left alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from git_hone.hooks.install import jsontext
from git_hone.hooks.install.ledger import Ledger, write_atomic
from git_hone.hooks.place import Place
from git_hone.learner.errors import DataError, UsageError

SUPPORTED: Final = ("claude-code",)
PLANNED: Final = ("codex", "cursor", "gemini", "copilot")
TOOLS: Final = "Write|Edit|MultiEdit|NotebookEdit|Bash"
EVENTS: Final = {
    "SessionStart": None,
    "UserPromptSubmit": None,
    "PreToolUse": TOOLS,
    "PostToolUse": TOOLS,
    "PostToolUseFailure": TOOLS,
    "Stop": None,
    "SubagentStop": None,
    "PreCompact": None,
    "SessionEnd": None,
}
"""Claude Code's events, with the matcher of those about a tool."""
SIGN: Final = "hone/agent-event.sh"
COMMAND: Final = (
    'h="${CLAUDE_PROJECT_DIR:-.}/.git/hone/agent-event.sh"; '
    '[ -f "$h" ] || h="$(git rev-parse --git-common-dir 2>/dev/null)/hone/agent-event.sh"; '
    '[ -f "$h" ] || exit 0; HONE_AGENT=claude-code; . "$h"'
)


def check_names(names: tuple[str, ...]) -> None:
    """Raises UsageError for an agent that cannot be set up yet, or that nobody knows."""
    for name in names:
        if name in SUPPORTED:
            continue
        if name in PLANNED:
            tip = "pipe its events into `git hone capture generic`; see `git hone capture -h`"
            raise UsageError(f"{name}: its hooks cannot be set up by git-hone yet", tip)
        tip = f"git-hone sets up {', '.join(SUPPORTED)}; others can pipe their events into `git hone capture generic`"
        raise UsageError(f"{name}: an agent that git-hone does not know", tip)


def settings_path(place: Place) -> Path:
    """The shared settings of this working tree."""
    if place.top is None:
        raise UsageError(f"{place.git_dir}: a bare repository has no agent", "run this in a working tree")
    return place.top / ".claude" / "settings.json"


def read(path: Path) -> str | None:
    """The settings' text, with its own line ends; None when there is none.

    Raises DataError, naming line and column, for what we cannot add to."""
    if not path.exists():
        return None
    try:
        text = path.read_bytes().decode("utf-8")
        settings = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        where = f":{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{path}{where}: not plain JSON, left as it is", tip=_paste()) from error
    if not isinstance(settings, dict):
        raise DataError(f"{path}: holds no object, left as it is", tip=_paste())
    hooks = settings.get("hooks", {})
    if not isinstance(hooks, dict):
        raise DataError(f"{path}: `hooks` is no object, left as it is", tip=_paste())
    for event, blocks in hooks.items():
        if event in EVENTS and not isinstance(blocks, list):
            raise DataError(f"{path}: `hooks.{event}` is no list, left as it is", tip=_paste())
    return text


def _block(event: str) -> dict[str, Any]:
    matcher = EVENTS[event]
    block = {"hooks": [{"type": "command", "command": COMMAND}]}
    return {"matcher": matcher, **block} if matcher else block


def _paste() -> str:
    snippet = {"hooks": {event: [_block(event)] for event in EVENTS}}
    return f"mend it and run this again, or add by hand:\n{json.dumps(snippet, indent=2)}"


def added(text: str | None) -> str:
    """The settings with our command under each event that lacks it; every other byte stays.

    A text that has them all comes back as it is; an older command of ours is replaced."""
    if text is None or not text.strip():
        return json.dumps({"hooks": {event: [_block(event)] for event in EVENTS}}, indent=2) + "\n"
    bom, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    if configured(text) == set(EVENTS):
        return bom + text
    text = without(text)
    if jsontext.member(text, jsontext.root(text), "hooks") is None:
        return bom + jsontext.append(text, jsontext.root(text), 0, {event: [_block(event)] for event in EVENTS}, "hooks")
    for event in EVENTS:
        hooks = jsontext.member(text, jsontext.root(text), "hooks")
        assert hooks is not None  # noqa: S101 - appending to it does not take it away
        blocks = jsontext.member(text, hooks, event)
        if blocks is None:
            text = jsontext.append(text, hooks, 1, [_block(event)], event)
        else:
            text = jsontext.append(text, blocks, 2, _block(event))
    return bom + text


def without(text: str) -> str:
    """The settings without our commands; blocks, events and `hooks` go with them when nothing else is left in them."""
    bom, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    cut_one = True
    while cut_one:
        text, cut_one = _cut_one(text)
    return bom + text


def _cut_one(text: str) -> tuple[str, bool]:
    """Take out one command of ours; (text, was there one)."""
    top = jsontext.root(text)
    for at_top, member in enumerate(jsontext.items(text, top)):
        if member.key != "hooks" or text[member.value] != "{":
            continue
        events = jsontext.items(text, member.value)
        for at_event, event in enumerate(events):
            blocks = jsontext.items(text, event.value) if text[event.value] == "[" else []
            for at_block, block in enumerate(blocks):
                commands = _commands(text, block.value)
                ours = [k for k, command in enumerate(commands) if SIGN in command]
                if not ours:
                    continue
                if len(commands) > 1:
                    inner = jsontext.member(text, block.value, "hooks")
                    return jsontext.cut(text, inner or 0, ours[0]), True
                if len(blocks) > 1:
                    return jsontext.cut(text, event.value, at_block), True
                if len(events) > 1:
                    return jsontext.cut(text, member.value, at_event), True
                return jsontext.cut(text, top, at_top), True
    return text, False


def _commands(text: str, at: int) -> list[str]:
    """The commands of the block at `at`, as text ("" for what is no command)."""
    block = json.JSONDecoder().raw_decode(text, at)[0]
    hooks = block.get("hooks", []) if isinstance(block, dict) else []
    return [str(hook.get("command", "")) if isinstance(hook, dict) else "" for hook in hooks] if isinstance(hooks, list) else []


def configured(text: str | None) -> set[str]:
    """The events that run our command as this version writes it."""
    if not text or not text.strip():
        return set()
    hooks = json.loads(text.removeprefix("\ufeff")).get("hooks", {})
    return {
        event
        for event in EVENTS
        for block in hooks.get(event, [])
        if isinstance(block, dict)
        for hook in block.get("hooks", [])
        if isinstance(hook, dict) and hook.get("command") == COMMAND
    }


def install(place: Place, ledger: Ledger) -> bool:
    """Add our hooks to Claude Code's settings; says whether anything had to change."""
    path = _target(place)
    text = read(path)
    wanted = added(text)
    if wanted == text:
        return False
    ledger.make_folder(path.parent)
    ledger.write(path, wanted.encode("utf-8"))
    return True


def _target(place: Place) -> Path:
    """The file to write: the one behind a symlink, which must lie in this working tree."""
    path = settings_path(place)
    real = path.resolve()
    if place.top is None or not real.is_relative_to(place.top.resolve()):
        raise DataError(f"{path}: leads out of the working tree, to {real}; left as it is", tip=_paste())
    return path.parent.resolve() / path.name if not path.is_symlink() else real


def preflight(place: Place) -> None:
    """Raises what `install` would raise, before anything is changed."""
    read(_target(place))


def uninstall(path: Path, ledger: Ledger) -> Path | None:
    """Take our hooks out of the settings at `path`; the path when somebody else's edits were kept."""
    if ledger.restore(path) == "restored" or not path.exists():
        return None
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    if SIGN not in text:
        return None
    try:
        left = without(text)
    except (ValueError, IndexError, RecursionError):
        raise DataError(f"{path}: not plain JSON, left as it is", tip=f"take out the hooks that name {SIGN}") from None
    write_atomic(path, left.encode("utf-8", "surrogateescape"))
    return path
