"""Steps of promotions as notes tell them: what the gate said, what was deployed and led back, on the commit that was checked out then.

A clone whose ledger lacks a step learns of it here. What a note says is a claim by whoever may push notes to the remote.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git, notes

TYPE: Final = "promotion"
WORDS: Final = ("role", "from", "to", "verdict", "suite", "suite_hash", "candidate_hash", "incumbent_hash", "thresholds", "target", "file_sha256",
                "pointer")  # fmt: skip
AROUND: Final = ("v", "id", "type", "commit")
"""What an event says beside the step itself."""


def steps(note: str) -> list[dict[str, Any]]:
    """The well-formed steps in a note, oldest first, with the keys of the ledger's lines.

    >>> steps('{"id":"x","type":"promotion","at":"2026-11-21T00:00:00+00:00","what":"deploy","to":"a"}\\n{"id":"y","type":"promotion"}')
    [{'at': '2026-11-21T00:00:00+00:00', 'what': 'deploy', 'to': 'a'}]
    """
    found = [one for one in notes.events(note) if one.get("type") == TYPE and _is_step(one)]
    found.sort(key=lambda one: (datetime.fromisoformat(one["at"]), one["id"]))
    return [{key: value for key, value in one.items() if key not in AROUND} for one in found]


def everywhere(cwd: Path) -> list[dict[str, Any]]:
    """The steps in all notes of this clone, oldest first; `commit` is the commit that holds the note. git finds the lines, so a history with
    many notes is not read."""
    found = []
    for tip in notes.existing(cwd).values():
        raw = git.attempt(["grep", "-z", "-I", "--fixed-strings", f'"type":"{TYPE}"', tip], cwd) or b""
        for row in git.text(raw).splitlines():
            place, _, line = row.partition("\0")
            commit = place.rpartition(":")[2].replace("/", "")
            found += [{**one, "commit": commit} for one in steps(line)]
    return sorted(found, key=lambda one: (datetime.fromisoformat(one["at"]), one["what"]))


def _is_step(one: Mapping[str, Any]) -> bool:
    try:
        aware = datetime.fromisoformat(str(one.get("at"))).tzinfo is not None
    except ValueError:
        return False
    numbers = one.get("numbers", {})
    return (
        aware
        and isinstance(one.get("what"), str)
        and all(isinstance(one.get(name), str | None) for name in WORDS)
        and isinstance(one.get("look"), int | None)
        and isinstance(numbers, dict)
        and all(value is None or (isinstance(value, int | float) and math.isfinite(value)) for value in numbers.values())
    )
