"""Each step of a promotion, twice: a line of the ledger, and an event in the notes of the commit that was checked out.

The ledger is a file that people commit. The note goes with `git hone sync`, so a step is known where the ledger was not committed yet.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git, notes, promoted
from git_hone.hooks.drain import config_of
from git_hone.hooks.ids import digest
from git_hone.hooks.place import find
from git_hone.learner import ledger
from git_hone.learner.errors import GitError, UsageError

SHARED: Final = (
    "what", "role", "from", "to", "verdict", "suite", "suite_hash", "candidate_hash", "incumbent_hash", "look", "thresholds", "numbers",
    "target", "file_sha256", "forced", "share", "pointer",
)  # fmt: skip
"""What of a line the note says: no address, no path, no sentence."""


def record(agent: Path, line: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """Add a line to the ledger of `.agent`, and its event to the notes; the line as it was written. Raises OSError for the ledger.

    There is no note where git-hone is not installed or switched off, or nothing was committed yet. A note that cannot be written is no
    reason to stop what the ledger says already.
    """
    whole = ledger.append(agent, line, now)
    note(agent, whole)
    return whole


def note(agent: Path, line: Mapping[str, Any]) -> None:
    """Add the event of a line of the ledger to the notes, as far as `record` would."""
    with contextlib.suppress(GitError, UsageError):
        place = find(agent.parent)
        config, _ = config_of(place)
        head = git.line(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], place.cwd)
        if head and place.hone.is_dir() and config.enabled:
            at = datetime.fromisoformat(line["at"]).timestamp()
            notes.write(place.cwd, {head: [event(line, head)]}, at, config["notes.shards"])


def history(agent: Path) -> list[dict[str, Any]]:
    """Every step that is known here, oldest first: the ledger's lines, and steps that only a note tells, which another clone took.

    `commit`: what was checked out then, as its note says, null where no note does. `ledger`: whether the line stands in this clone's ledger.
    Raises DataError for a ledger that cannot be read.
    """
    noted = dict[tuple[Any, ...], dict[str, Any]]()
    with contextlib.suppress(UsageError):  # no repository: no notes
        noted = {_key(one): one for one in promoted.everywhere(find(agent.parent).cwd)}
    lines = [{**line, "commit": noted.pop(_key(line), {}).get("commit"), "ledger": True} for line in ledger.read(agent)]
    return sorted([*lines, *({**one, "ledger": False} for one in noted.values())], key=_when)


def _when(line: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(line.get("at"))).timestamp()
    except ValueError:  # a line that a person wrote
        return 0.0


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(json.dumps(line.get(name)) for name in ("at", "what", "role", "from", "to"))


def event(line: Mapping[str, Any], commit: str) -> dict[str, Any]:
    """A line of the ledger as an event of the notes on `commit`. The same line on the same commit has the same id.

    >>> told = event({"at": "2026-11-21T00:00:00+00:00", "what": "gate", "verdict": "refuse", "reason": "words"}, "c0ffee")
    >>> told["type"], told["commit"], told["verdict"], "reason" in told
    ('promotion', 'c0ffee', 'refuse', False)
    """
    body = {"v": 1, "type": "promotion", "at": line["at"], "commit": commit}
    body |= {name: line[name] for name in SHARED if name in line}
    if "numbers" in body:
        body["numbers"] = {
            name: value for name, value in line["numbers"].items() if value is None or isinstance(value, int | float)
        }
    return body | {"id": digest("v", json.dumps(body, sort_keys=True))}
