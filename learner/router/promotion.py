"""A candidate becomes the router in use, and the ledger says so. Touches the files of the `.agent` folder, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from git_hone.learner import ledger
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.router import exported

ROUTER: Final = "router.json"
CANDIDATE: Final = "router.candidate.json"
PREVIOUS: Final = "router.previous.json"
NUMBERS: Final = ("choices", "price_of_reward_usd", "better_by", "reward_by", "cost_usd_by", "unsupported", "why")


def adopt(folder: Path, judged: Mapping[str, Any], reason: str | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Put the candidate of the `.agent` folder in place; the line of the ledger. `judged`: what `git hone router evaluate --json` says of it.

    Each file is replaced in one step, the router last but one: a power cut leaves the old router or the new one, and at worst no
    line in the ledger. Raises UsageError when the candidate is not the one that was judged, ConfigError when a file cannot be written.
    """
    version = exported.load(folder / CANDIDATE).version
    if version != judged["candidate"]:
        raise UsageError(f"{folder / CANDIDATE}: is {version}, but {judged['candidate']} was judged", tip="judge it again")
    line = {
        "what": "router", "from": judged["current"], "to": version,
        "verdict": judged["verdict"], "reason": reason, "numbers": {name: judged[name] for name in NUMBERS if name in judged},
    }  # fmt: skip
    try:
        if (folder / ROUTER).exists():
            ledger.replace(folder / PREVIOUS, (folder / ROUTER).read_bytes())
        (folder / CANDIDATE).replace(folder / ROUTER)
        return ledger.append(folder, line, now)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: cannot be written: {error.strerror or error}",
                          tip="look at `git hone router show`, then try again") from None  # fmt: skip
