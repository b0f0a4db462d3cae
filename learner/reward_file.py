"""`.agent/reward.json`: the verdict on the fitted reward and its coefficients, for people to read and for the drain to apply.

Reads and writes that one file. Whatever is wrong with it, the written prior stands in: a reward is never kept from being
computed. The file is written by git-hone; one that was edited by hand is not trusted, since every reward would rest on it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from git_hone.learner.model import COEFFICIENTS, Model

if TYPE_CHECKING:
    from git_hone.learner.fitted import Verdict

NAME: Final = "reward.json"
VERSION: Final = 1
MAX_BYTES: Final = 1 << 20
ABOUT: Final = "written by git-hone, which checks the sum: edited by hand, it is not used. docs/explanation/reward.md"
AGAIN: Final = "the written prior is used; next: git hone stats --calibration --fit"


class Kept(NamedTuple):
    """What the file says. `model`: the one in use, None for the written prior. `problem`: one line for a person when the file
    cannot be used. `matured`, `fitted_at` (seconds since 1970): of the last fit, None when not known. `newer`: a newer git-hone
    wrote it; leave it as it is."""

    model: Model | None = None
    problem: str | None = None
    matured: int | None = None
    fitted_at: float | None = None
    newer: bool = False


def load(path: Path) -> Kept:
    """What the file at `path` says; never raises. A missing file means the written prior."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        return Kept(problem=f"{path}: cannot be read: {error.strerror}; {AGAIN}")
    try:
        data = json.loads(raw) if len(raw) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return Kept(problem=f"{path}: damaged: not one JSON object; {AGAIN}")
    version = data.get("version")
    if isinstance(version, (int, float)) and version > VERSION:
        upgrade = "the written prior is used; next: upgrade git-hone"
        return Kept(problem=f"{path}: version {version} was written by a newer git-hone; {upgrade}", newer=True)
    try:
        if data.pop("sha256", None) != _sum(data):
            return Kept(problem=f"{path}: edited since git-hone wrote it, or damaged; {AGAIN}")
        return _kept(path, data)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Kept(problem=f"{path}: damaged: not what git-hone writes; {AGAIN}")


def _kept(path: Path, data: dict[str, Any]) -> Kept:
    matured, fitted_at = int(data["matured"]), datetime.fromisoformat(data["fitted_at"]).timestamp()
    if not data["adopted"]:
        return Kept(matured=matured, fitted_at=fitted_at)
    coefficients = {name: float(one["fitted"]) for name, one in data["coefficients"].items()}
    if coefficients.keys() != COEFFICIENTS.keys() or not all(map(math.isfinite, coefficients.values())):
        return Kept(problem=f"{path}: fitted by another version of git-hone, for other features; {AGAIN}")
    return Kept(Model(coefficients), None, matured, fitted_at)


def save(path: Path, verdict: Verdict, now: float) -> None:
    """Write the verdict in one step: a reader sees the old file or the new one. `now`: seconds since 1970."""
    model = verdict.model
    coefficients = {
        name: {"prior": prior.mean, "scale": prior.scale, "fitted": model.coefficients[name]} for name, prior in COEFFICIENTS.items()
    } if model else {}  # fmt: skip
    data: dict[str, Any] = {
        "version": VERSION, "about": ABOUT, "fitted_at": datetime.fromtimestamp(round(now), timezone.utc).isoformat(),
        **verdict.as_json(), "model": model and model.version, "coefficients": coefficients,
    }  # fmt: skip
    beside = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        beside.write_text(json.dumps({**data, "sha256": _sum(data)}, indent=1) + "\n", "utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _sum(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()
