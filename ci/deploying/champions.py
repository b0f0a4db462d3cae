"""`.agent/champions.json`: what serves each role, what did before, and who is being tried beside it. Touches this one file.

For each role: `champion` (the id of a deployment, null without one), `before` (the champions before it, oldest first; null: none),
`challenger` (null, or {"id", "share", "model", "beside", "since"}: its share of the decisions, the variants of it and of the champion, and when
it began), `moving` (true while the champion is being changed), `deployments` (id -> what was served where, from which file, and which look of
the gate let it through).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from git_hone.learner import ledger
from git_hone.learner.errors import ConfigError, DataError

FILE: Final = "champions.json"
VERSION: Final = 1
TIP: Final = "restore it from Git: `git log -p` shows it"


@dataclass
class Role:
    """The pointers of a role."""

    champion: str | None = None
    before: list[str | None] = field(default_factory=list)
    challenger: dict[str, Any] | None = None
    moving: bool = False
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)


def training(id_: str | None) -> str | None:
    """The training that a deployment's adapter, or checkpoint, is of.

    >>> training("0123456789ab-step-000003"), training("0123456789ab"), training(None)
    ('0123456789ab', '0123456789ab', None)
    """
    return None if id_ is None else id_.partition("-step-")[0]


def load(agent: Path) -> dict[str, Role]:
    """Role -> pointers; {} without a file. Raises DataError for a file that is none of ours, or whose pointers lead nowhere."""
    file = agent / FILE
    if not file.exists():
        return {}
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: {error}", tip=TIP) from None
    return parse(text, str(file))


def parse(text: str, file: str) -> dict[str, Role]:
    """As `load`, from the text of a file; `file` names it in the DataError."""
    try:
        raw = json.loads(text)
        if raw["version"] != VERSION:
            raise ValueError(f"version {raw['version']!r} where {VERSION} was expected")
        roles = {name: Role(**row) for name, row in raw["roles"].items()}
        for name, role in roles.items():
            lost = {role.champion, *role.before} - {None, *role.deployments}
            if lost:
                raise ValueError(f"{name}: no such deployment: {sorted(map(str, lost))[0]}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: {error}", tip=TIP) from None
    return roles


def save(agent: Path, roles: dict[str, Role]) -> None:
    """Write the file in one step. Raises ConfigError where that cannot be done."""
    body = {"version": VERSION, "roles": {name: asdict(role) for name, role in sorted(roles.items())}}
    try:
        ledger.replace(agent / FILE, (json.dumps(body, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"{agent / FILE}: cannot be written: {error.strerror}", tip="free space or fix the rights") from None
