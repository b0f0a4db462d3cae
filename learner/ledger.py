"""`.agent/promotions.jsonl`: what was judged, adopted, served and rolled back, when, in place of what, and on which numbers.

One JSON object a line, only ever appended to, committed with the repository. Touches this one file of the folder it is given.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from git_hone.learner.errors import DataError

FILE: Final = "promotions.jsonl"
VERSION: Final = 1


def append(folder: Path, line: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """Add a line to the ledger of an `.agent` folder, with its version and time; the line as it was written.

    The whole file is replaced in one step: a power cut leaves the old ledger or the new one. Raises OSError.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     _ = append(Path(name), {"what": "gate"}, datetime(2026, 11, 21, tzinfo=timezone.utc))
    ...     read(Path(name))
    [{'at': '2026-11-21T00:00:00+00:00', 'v': 1, 'what': 'gate'}]
    """
    whole = {"v": VERSION, "at": (now or datetime.now(timezone.utc)).isoformat(), **line}
    file = folder / FILE
    old = file.read_bytes() if file.exists() else b""
    old += b"\n" if old and not old.endswith(b"\n") else b""
    replace(file, old + json.dumps(whole, sort_keys=True).encode() + b"\n")
    return whole


def read(folder: Path) -> list[dict[str, Any]]:
    """Every line, oldest first; [] without a ledger. Raises DataError for a line that is no JSON object, naming file and line."""
    file = folder / FILE
    try:
        text = file.read_text("utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}", tip="restore it from Git") from None
    return parse(text, str(file))


def parse(text: str, file: str) -> list[dict[str, Any]]:
    """The lines of a ledger's text; `file` names it in the DataError for a line that is no JSON object.

    >>> parse('{"what": "gate"}', "promotions.jsonl")
    [{'what': 'gate'}]
    """
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            line = json.loads(raw)
            if not isinstance(line, dict):
                raise ValueError("no JSON object")
        except ValueError as error:
            raise DataError(f"{file}: line {number}: {error}", tip="restore it from Git: `git log -p` shows the line") from None
        lines.append(line)
    return lines


def words(line: Mapping[str, Any]) -> str:
    """A line for a person, without its time. What is no plain text in it is left out: a note may say anything.

    >>> words({"what": "gate", "verdict": "promote", "to": "b", "from": "a", "numbers": {"won": 7, "lost": 0, "tasks": 9}, "look": 1})
    'gate: promote b in place of a, 7 won and 0 lost of 9 tasks, look 1'
    >>> words({"what": "rollback", "role": "coder", "from": "b", "to": None})
    'rollback coder: nothing in place of b'
    """
    verdict = f"{line['verdict']} " if line.get("verdict") else ""
    said = [f"{verdict}{line.get('to') or 'nothing'}" + (f" in place of {line['from']}" if line.get("from") else "")]
    if line.get("what") == "backup":
        said = [str(line.get("model") or line.get("file") or "the predecessor")]
    numbers = line.get("numbers") or {}
    if numbers.get("tasks") is not None:
        said.append(f"{numbers.get('won')} won and {numbers.get('lost')} lost of {numbers['tasks']} tasks")
    said += [f"look {line['look']}"] if line.get("look") is not None else []
    said += [f"share {line['share']:g}"] if isinstance(line.get("share"), int | float) else []
    said += ["without the gate"] if line.get("forced") is True else []
    role = f" {line['role']}" if line.get("role") else ""
    whole = f"{line.get('what')}{role}: {', '.join(said)}"
    return "".join(each if each.isprintable() else "?" for each in whole)


def replace(path: Path, content: bytes) -> None:
    """Write a file in one step, durable. Raises OSError."""
    part = path.with_name(f".tmp-{path.name}")
    with part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
