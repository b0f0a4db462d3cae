"""What an adapter learned from: the file that stands in an adapter's folder and leads from its weights back to single changes.

The contract between export, training and forgetting:

- a row of an export has the id `CHANGE-ROLE-DIGEST` (`row_id`), so that a row leads to its change by its name alone;
- whoever trains writes `lineage.json` beside the weights, before the weights are served: which data set (the SHA-256 of its
  `manifest.json`), and the ids of the rows that training read;
- export and forget read every `lineage*.json` below `.agent/lora` and name the adapters that a change went into.

This module reads and writes files in a folder that it is given; it knows no git.

>>> row = row_id("c4q", "coder", "task and code")
>>> row, change_of(row)
('c4q-coder-091d4ee8b9', 'c4q')
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from git_hone.learner.errors import DataError

FILE: Final = "lineage.json"
VERSION: Final = 1


@dataclass(frozen=True)
class Lineage:
    """adapter: its name for people. role: coder | fixer | judge. base: the model it adapts, and base_sha256 of its weights, None where
    that is not known. dataset_sha256: of the data set's manifest.json. dataset: that folder's name. rows: ids of the rows that it was
    trained on. more: whatever else whoever trained wants to keep (seed, settings); it is stored as it is."""

    adapter: str
    role: str
    dataset_sha256: str
    rows: tuple[str, ...]
    dataset: str = ""
    base: str | None = None
    base_sha256: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def changes(self) -> frozenset[str]:
        """The changes that it learned from."""
        return frozenset(map(change_of, self.rows))


def row_id(change: str, role: str, content: str) -> str:
    """The id of a row made of a change: the same content of the same change has the same id, everywhere."""
    return f"{change}-{role}-{sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def change_of(row: str) -> str:
    """The change that a row was made of."""
    return row.rsplit("-", 2)[0]


def write(folder: Path, of: Lineage) -> Path:
    """Put `lineage.json` into an adapter's folder, in one step and durable. Raises DataError where that cannot be written."""
    body = {
        "version": VERSION, "adapter": of.adapter, "role": of.role, "base": of.base, "base_sha256": of.base_sha256,
        "dataset": of.dataset, "dataset_sha256": of.dataset_sha256, "rows": sorted(of.rows), "more": dict(of.more),
    }  # fmt: skip
    target, beside = folder / FILE, folder / f".tmp-{os.getpid()}-{FILE}"
    try:
        with beside.open("w", encoding="utf-8") as out:
            out.write(json.dumps(body, sort_keys=True, indent=1) + "\n")
            out.flush()
            os.fsync(out.fileno())
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise DataError(f"{target}: cannot be written: {error.strerror}", tip="free space or fix the rights") from error
    return target


def read(file: Path) -> Lineage:
    """The lineage that a file holds. Raises DataError, naming the file, where it holds none."""
    try:
        body = json.loads(file.read_text("utf-8"))
        rows = body["rows"]
        if body["version"] != VERSION or not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise ValueError("another version, or rows that are no list of ids")
        return Lineage(
            str(body["adapter"]), str(body["role"]), str(body["dataset_sha256"]), tuple(rows), str(body.get("dataset") or ""),
            body.get("base"), body.get("base_sha256"), body.get("more") or {},
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a lineage: {error}", tip="train that adapter again, or delete its folder") from error


def adapters(lora: Path) -> tuple[list[tuple[Path, Lineage]], list[str]]:
    """(file, lineage) of every adapter below a folder, in order of their paths, and a line for each file that could not be read.

    `lineage.backup.json` and the like count too: the predecessor that is kept for a rollback learned from its rows as well."""
    found, problems = [], []
    for file in sorted(lora.rglob("lineage*.json")) if lora.is_dir() else ():
        try:
            found.append((file, read(file)))
        except DataError as error:
            problems.append(error.message)
    return found, problems


def learned_from(known: Iterable[tuple[Path, Lineage]], changes: Collection[str]) -> list[tuple[Path, Lineage, list[str]]]:
    """The adapters that learned from any of these changes: (file, lineage, those changes)."""
    wanted = frozenset(changes)
    return [(file, of, sorted(met)) for file, of in known if (met := of.changes() & wanted)]
