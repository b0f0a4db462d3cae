"""How far what would be served is from the adapter that was trained, where both lie in one folder, as `git hone train` leaves them: a GGUF
adapter, or a whole model into which it was merged."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from git_hone.ci.digests import file_sha256
from git_hone.ci.training import base as bases
from git_hone.ci.training import convert, header, integrity, lora
from git_hone.learner import ledger
from git_hone.learner.errors import HoneError
from git_hone.learner.suite.tasks import digest

RULES: Final = 1


def measured(model: Path, adapter: Path | None, base_name: str, kept: Path) -> float | None:
    """Mean nats of Kullback-Leibler divergence (`integrity.parity`); remembered in the folder `kept` by the three files' digests. base_name:
    what a merged model was merged into. None where it cannot be measured here: peft's files are not beside the file, `base_name` is another
    model, a library is missing, or the memory is too small.

    Raises DataError when one of the two programs dies.
    """
    served = adapter or model
    trained = served.parent / lora.WEIGHTS
    if not trained.is_file() or any(find_spec(name) is None for name in ("torch", "transformers", "peft")):
        return None
    base = _merged_into(model, trained, base_name) if adapter is None else model
    if base is None:
        return None
    found = kept / f"{digest([RULES, 'divergence', *map(file_sha256, (base, served, trained))])}.json"
    if found.is_file():
        return float(json.loads(found.read_text("utf-8"))["kl"])
    if not integrity.affordable(base):
        return None
    made = integrity.parity(base, served, served.parent, merged=adapter is None)
    kept.mkdir(parents=True, exist_ok=True)
    ledger.replace(found, json.dumps(made._asdict()).encode())
    return made.kl


def _merged_into(model: Path, trained: Path, base_name: str) -> Path | None:
    """The file of the model `base_name` where `model` is it with the adapter `trained` merged in; else None."""
    told = header.read(model).fields
    if told.get(convert.ADAPTER_SHA256) != file_sha256(trained):
        return None
    try:
        base = bases.find(base_name)
    except HoneError:
        return None
    return Path(base.at) if base.kind == "gguf" and base.sha256 == told.get(convert.BASE_SHA256) else None
