"""What one model did on one suite: the file that `git hone evaluate` writes and `git hone gate` reads.

A file that is read is checked: its version, each field's type and range, and its own hash, so that a result edited by hand is
refused, with the place named. It needs no model and no suite to be read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from git_hone.learner.errors import DataError

VERSION: Final = 1
SERVER: Final = "server:"
"""Begins the name of weights that a server holds: there is no file of ours to look at."""
TIP: Final = "run `git hone evaluate` again"


@dataclass(frozen=True)
class Attempt:
    """One task. group: the file family that it belongs to. passed: every test of it. usable: the answer held what was asked for and
    was finished. leaked: how many secrets stood in the answer. seconds: of the answer, on the clock. tokens_in, tokens_out: None where
    the server does not count. convention: how well the answer follows the repository's habits, 0..1, None where nothing can be said.
    failed: the tests that did not pass; error: why there was no answer at all, None when there was one."""

    task: str
    group: str
    passed: bool
    usable: bool
    leaked: int
    seconds: float
    tokens_in: int | None = None
    tokens_out: int | None = None
    convention: float | None = None
    failed: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Likelihood:
    """Of general code under the model: nats a token (lower is better), over so many tokens of the corpus of this SHA-256."""

    nats: float
    tokens: int
    corpus_sha256: str


@dataclass(frozen=True)
class Evaluation:
    """model: its name. files: {name: SHA-256} of the weights that were served; what a server told of those in its store is named
    "server:...", and a server that tells nothing leaves it empty. base_sha256: of the weights that an adapter sits on or was merged into, of
    the model itself where there is no adapter, None where it is not known. divergence: nats between the trained adapter and
    what was served, None where not measured. faults: what is wrong with the files, in words. suite, suite_hash: what was asked.
    settings: of the answers (temperature, seed, …); both sides of a gate must have the same."""

    model: str
    suite: str
    suite_hash: str
    attempts: tuple[Attempt, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    base_sha256: str | None = None
    divergence: float | None = None
    faults: tuple[str, ...] = ()
    likelihood: Likelihood | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def share(self, of: str = "passed") -> float | None:
        """The share of attempts whose field `of` is true, 0..1; None without attempts."""
        values = [bool(getattr(attempt, of)) for attempt in self.attempts]
        return sum(values) / len(values) if values else None

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON of all of it."""
        return hashlib.sha256(json.dumps(_plain(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def dump(of: Evaluation) -> str:
    """The file's text: JSON, the same evaluation in the same bytes, an attempt a line."""
    body = _plain(of)
    rows = ",\n".join(json.dumps(row, sort_keys=True) for row in body.pop("attempts"))
    head = json.dumps({"version": VERSION, "hash": of.hash} | body, sort_keys=True, indent=1)
    return head.removesuffix("\n}") + f',\n "attempts": [\n{rows}\n]}}\n'


def load(path: Path) -> Evaluation:
    """The evaluation in a file. Raises DataError, naming the file and the field."""
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", tip=TIP) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}", tip=TIP) from None
    if not isinstance(raw, dict) or raw.get("version") != VERSION:
        found = raw.get("version") if isinstance(raw, dict) else None
        raise DataError(f"{path}: version {found!r} where {VERSION} was expected", tip="upgrade git-hone, or evaluate again")
    return _checked(raw, path)


def _checked(raw: dict[str, Any], path: Path) -> Evaluation:
    claimed = raw.pop("hash", None)
    del raw["version"]
    try:
        rows = [_attempt(row) for row in raw.pop("attempts")]
        likelihood = raw.pop("likelihood", None)
        found = Evaluation(
            attempts=tuple(rows),
            likelihood=None if likelihood is None else Likelihood(**likelihood),
            faults=tuple(raw.pop("faults", ())),
            **raw,
        )
        wrong = next(_wrong(found), None)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: {error}", tip=TIP) from None
    if wrong:
        raise DataError(f"{path}: {wrong}", tip=TIP)
    if found.hash != claimed:
        raise DataError(f"{path}: was changed after it was written (its hash does not fit)", tip=TIP)
    return found


def _attempt(row: Mapping[str, Any]) -> Attempt:
    return Attempt(**dict(row) | {"failed": tuple(row.get("failed", ()))})


def _wrong(found: Evaluation) -> Iterator[str]:
    seen = set[str]()
    for one in found.attempts:
        if one.task in seen:
            yield f"task {one.task} stands twice"
        seen.add(one.task)
        if not (isinstance(one.passed, bool) and isinstance(one.usable, bool)):
            yield f"task {one.task}: passed and usable are true or false"
        if not (isinstance(one.leaked, int) and one.leaked >= 0):
            yield f"task {one.task}: leaked: a count, not {one.leaked!r}"
        if not (isinstance(one.seconds, (int, float)) and math.isfinite(one.seconds) and one.seconds >= 0):
            yield f"task {one.task}: seconds: a number from 0, not {one.seconds!r}"
        if one.convention is not None and not 0 <= one.convention <= 1:
            yield f"task {one.task}: convention: within 0..1, not {one.convention!r}"
    for name in ("model", "suite", "suite_hash"):
        if not isinstance(getattr(found, name), str):
            yield f"{name}: text was expected"
    for name, value in (("divergence", found.divergence), ("likelihood", found.likelihood and found.likelihood.nats)):
        if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
            yield f"{name}: a number from 0, not {value!r}"


def _plain(of: Evaluation) -> dict[str, Any]:
    made = asdict(of)
    made["attempts"] = sorted(made["attempts"], key=lambda row: str(row["task"]))
    made["files"], made["settings"] = dict(of.files), dict(of.settings)
    return json.loads(json.dumps(made))  # type: ignore[no-any-return] # tuples become lists, as a file has them
