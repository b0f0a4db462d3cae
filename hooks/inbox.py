"""The inbox: one small file per event, written by the hooks' shell scripts or by `put`, read here.

    %hone 1 git post-commit        or   %hone 1 agent claude-code   or   {"v":1,"type":"signal",...}
    key=value ...                                                        %end
    %payload
    (the payload, as it came)
    %end

A file without its `%end` line is still being written, or was torn; after `TORN_AFTER_S` it is moved to `unreadable/`,
never deleted. Names are unique, so a writer never waits. The order of events is the order of the files' mtimes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Final, NamedTuple
else:
    from git_hone.learner.named import NamedTuple

TORN_AFTER_S: Final = 30.0
LIMIT_BYTES: Final = 64 << 20
END: Final = b"\n%end\n"


class Event(NamedTuple):
    """One inbox file. kind: git | agent | signal | feedback | ...; name: the hook or the agent; at: UTC seconds since the
    epoch; fields: the header lines (or the JSON object); payload: what came on standard input."""

    file: Path
    kind: str
    name: str
    at: float
    fields: dict[str, Any]
    payload: bytes

    @property
    def id(self) -> str:
        return self.file.stem


def put(inbox: Path, body: Mapping[str, Any]) -> Path:
    """File one JSON event; the worker does the rest. Raises OSError when the inbox cannot be written."""
    name = f"{time.time_ns()}-{os.getpid()}-{os.urandom(3).hex()}"
    return _write(inbox, name, json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + END)


def put_payload(inbox: Path, agent: str, fields: Mapping[str, str], payload: bytes) -> Path:
    """File an agent's event as the shell script does, from Python."""
    head = f"%hone 1 agent {agent}\n".encode() + b"".join(
        os.fsencode(f"{key}={value}\n") for key, value in fields.items() if "\n" not in value
    )
    name = f"{time.time_ns()}-{os.getpid()}-{os.urandom(3).hex()}"
    return _write(inbox, name, head + b"%payload\n" + payload + END)


def _write(inbox: Path, name: str, data: bytes) -> Path:
    part, whole = inbox / f".tmp-{name}", inbox / f"{name}.ev"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    part.rename(whole)
    return whole


def pending(inbox: Path) -> list[tuple[Path, int]]:
    """(event file, its mtime in nanoseconds), oldest first. Empty where there is no inbox."""
    try:
        entries = [entry for entry in os.scandir(inbox) if entry.name.endswith(".ev")]
        found = [(entry.stat(follow_symlinks=False).st_mtime_ns, entry.name) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [(inbox / name, at) for at, name in sorted(found)]


def read(file: Path, *, now: float) -> Event | str | None:
    """The event in `file`; None while it is still being written; a reason (str) when it can never be read."""
    try:
        stat = file.lstat()
        if not file.is_file() or file.is_symlink():
            return "not a plain file"
        if stat.st_size > LIMIT_BYTES:
            return f"larger than {LIMIT_BYTES >> 20} MiB"
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or str(error)
    if not data.endswith(END):
        return "torn: no %end line" if now - stat.st_mtime > TORN_AFTER_S else None
    at = stat.st_mtime_ns / 1e9
    body = data[: -len(END)]
    return _parse_shell(file, at, body) if body.startswith(b"%hone ") else _parse_json(file, at, body)


def _parse_shell(file: Path, at: float, body: bytes) -> Event | str:
    head, mark, payload = body.partition(b"\n%payload\n")
    lines = head.split(b"\n")
    words = lines[0].split(b" ")
    if not mark or len(words) != 4:
        return "no %payload line"
    if words[1] != b"1":
        return f"format {words[1].decode('ascii', 'replace')} is newer than this git-hone"
    pairs = (line.partition(b"=") for line in lines[1:])
    fields = {os.fsdecode(key): os.fsdecode(value) for key, sep, value in pairs if sep}
    return Event(file, os.fsdecode(words[2]), os.fsdecode(words[3]), at, fields, payload)


def _parse_json(file: Path, at: float, body: bytes) -> Event | str:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if not isinstance(fields, dict) or fields.get("v") != 1 or not isinstance(fields.get("type"), str):
        return "no version or type"
    when = fields.get("at", at)
    return Event(file, fields["type"], "", float(when) if isinstance(when, (int, float)) else at, fields, b"")
