"""The rows that a model is trained on: read from an export, and judged before an hour of training is spent on them.

A row is one JSON object a line: `{id, prompt: [{role, content}], completion: [{role, content}], role, label, provenance}`, as
`git hone export` writes it and TRL reads it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_hone.learner.errors import DataError, UsageError

MANIFEST: Final = "manifest.json"
SPEAKERS: Final = ("system", "user", "assistant", "tool")
ONE_SIDED: Final = 0.95
"""From this share of equal completions on, a model would learn one answer, not the task."""
LEAST_LABEL: Final = 0.5
"""Below this a row shows what was rejected: an example for preferences (DPO, KTO), not to be imitated."""


class Rows(NamedTuple):
    """rows: as they stand in the file, in its order. sha256: of the lines that are used. manifest_sha256: of the export's manifest.json,
    None where there is none. dataset: the export's folder, by name. left_out: reason -> rows."""

    rows: tuple[dict[str, Any], ...]
    sha256: str
    manifest_sha256: str | None
    dataset: str
    left_out: dict[str, int]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(row["id"] for row in self.rows)


def find(agent: Path, role: str, data: Path | None) -> Path:
    """The file of rows: `data` itself, or that of `role` in the folder `data`; without it, in the newest export, which
    `last-export-ROLE.txt` names. Raises UsageError where there is none."""
    if data is not None and not data.is_dir():
        places = [data]
    else:
        folders = [data] if data else [agent / "sft" / _newest(agent, role), agent / "sft"]
        places = [folder / name for folder in folders for name in (f"{role}_sft.train.jsonl", f"{role}_sft.jsonl")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UsageError(f"{places[-1]}: no examples to train on", tip=f"git hone export --role {role}, or name them with --data")
    return path


def _newest(agent: Path, role: str) -> str:
    try:
        name = (agent / f"last-export-{role}.txt").read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""
    return name if re.fullmatch(r"[\w.-]+", name) and name.strip(".") else ""


def read(path: Path, role: str, difficulty: str | None = None) -> Rows:
    """The rows of `role` (and of `difficulty`: easy, medium, hard) in the file at `path`, which are to be imitated.

    Raises DataError naming the line of a row that is none; UsageError when no row is left, or nearly all say the same.
    """
    used, kept, out = [], [], Counter[str]()
    seen: set[str] = set()
    for line in _lines(path):
        row = _row(path, len(seen) + 1, line)
        if row["id"] in seen:
            raise DataError(f"{path}:{len(seen) + 1}: id {row['id']!r} stands twice", tip="export again")
        seen.add(row["id"])
        reason = _why_not(row, role, difficulty)
        if reason:
            out[reason] += 1
            continue
        used.append(row)
        kept.append(line)
    if not used:
        told = "; ".join(f"{n} {reason}" for reason, n in sorted(out.items())) or "it is empty"
        raise UsageError(f"{path}: no example to learn from ({told})", tip=f"git hone export --role {role}")
    _refuse_one_sided(path, used)
    manifest = path.parent / MANIFEST
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None
    return Rows(tuple(used), hashlib.sha256(b"\n".join(kept)).hexdigest(), digest, path.parent.name, dict(sorted(out.items())))


def difficulty_of(row: dict[str, Any]) -> str | None:
    """easy | medium | hard, None where the row does not say.

    >>> difficulty_of({"provenance": {"difficulty": "hard"}})
    'hard'
    """
    provenance = row.get("provenance")
    if isinstance(provenance, str):  # an export keeps it as text, so that every column has one type
        provenance = _json(provenance)
    told = row.get("difficulty") or (provenance.get("difficulty") if isinstance(provenance, dict) else None)
    return told if isinstance(told, str) else None


def _json(text: str) -> Any:
    """What a JSON text holds, None where it is none.

    >>> _json('{"verdict": "accept"}'), _json("no")
    ({'verdict': 'accept'}, None)
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _said(row: dict[str, Any]) -> str:
    """What a completion comes to: a judge's verdict without its reasons, else the text with its white space joined."""
    text = " ".join(" ".join(turn["content"] for turn in row["completion"]).split())
    answer = _json(text) if row.get("role") == "judge" else None
    return str(answer["verdict"]) if isinstance(answer, dict) and "verdict" in answer else text


def _lines(path: Path) -> list[bytes]:
    try:
        return [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not JSON: {error}", tip="export again") from None
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise DataError(f"{path}:{number}: not a row: it has no id", tip="export again")
    for part in ("prompt", "completion"):
        turns = row.get(part)
        fine = isinstance(turns, list) and turns and all(
            isinstance(turn, dict) and turn.get("role") in SPEAKERS and isinstance(turn.get("content"), str) for turn in turns
        )  # fmt: skip
        if not fine:
            raise DataError(f"{path}:{number}: {part} of {row['id']} is not a list of turns (role, content)", tip="export again")
    return row


def _why_not(row: dict[str, Any], role: str, difficulty: str | None) -> str | None:
    label = row.get("label", 1)
    if row.get("role", role) != role:
        return "of another role"
    if difficulty and difficulty_of(row) != difficulty:
        return f"not {difficulty}"
    if isinstance(label, (int, float)) and label < LEAST_LABEL:
        return "rejected"
    return None if "".join(turn["content"] for turn in row["completion"]).strip() else "without an answer"


def _refuse_one_sided(path: Path, rows: list[dict[str, Any]]) -> None:
    said = Counter(map(_said, rows))
    text, n = said.most_common(1)[0]
    if n >= ONE_SIDED * len(rows):
        short = text if len(text) <= 40 else text[:37] + "..."
        raise UsageError(
            f"{path}: one-sided: {n} of {len(rows)} completions say the same ({short!r})",
            tip="a model would learn that one answer; export examples of the others too",
        )
