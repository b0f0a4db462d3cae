"""How far the adapter that would be served is from the one that was trained, where both lie in one folder, as `git hone train` leaves them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from git_hone.ci.digests import file_sha256
from git_hone.ci.training import base as bases
from git_hone.ci.training import integrity, lora
from git_hone.learner import ledger
from git_hone.learner.suite.tasks import digest

RULES: Final = 1
TIMES: Final = 5
"""So many times the base's size is taken in memory, at F16."""


def measured(base: Path, adapter: Path, kept: Path) -> float | None:
    """Mean nats of Kullback-Leibler divergence (`integrity.parity`); remembered in the folder `kept` by the three files' digests. None where
    it cannot be measured here: peft's files are not beside the adapter, a library is missing, or the memory is too small.

    Raises DataError when one of the two programs dies.
    """
    trained = adapter.parent / lora.WEIGHTS
    if not trained.is_file() or any(find_spec(name) is None for name in ("torch", "transformers", "peft")):
        return None
    found = kept / f"{digest([RULES, 'divergence', *map(file_sha256, (base, adapter, trained))])}.json"
    if found.is_file():
        return float(json.loads(found.read_text("utf-8"))["kl"])
    size, free = bases.gguf(base, base.name).size, bases.memory_free()
    if size is None or (free is not None and 2 * TIMES * size.parameters > free):
        return None
    made = integrity.parity(base, adapter, adapter.parent)
    kept.mkdir(parents=True, exist_ok=True)
    ledger.replace(found, json.dumps(made._asdict()).encode())
    return made.kl
