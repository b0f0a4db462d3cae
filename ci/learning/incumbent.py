"""What a candidate of CI must beat: the champion of its role by what is committed, never by what somebody remembers.

Read from HEAD, so that each job of a workflow sees the same: the ledger's newest line that put something in the role's place (`deploy`,
`rollback`, or the gate's `promote` of an earlier run, once a person merged its branch), and `champions.json` for where it lies. A ledger
without such a line leaves it to `champions.json`; with neither there is no champion yet, and the base, or the model that a person names,
is what a candidate is compared with. A champion whose file cannot be had stops the comparison: nothing is promoted over what was not measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_hone.ci import gating
from git_hone.ci.deploying import candidates, champions
from git_hone.ci.deploying.targets import FOUND
from git_hone.ci.digests import file_sha256
from git_hone.ci.learning import bases
from git_hone.ci.learning.settings import Settings
from git_hone.ci.training import publishing
from git_hone.hooks import git
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner import ledger
from git_hone.learner.errors import DataError, UsageError

ADAPTER: Final = re.compile(r"([0-9a-f]{12})(?:-(step-\d+))?")
"""The id of an adapter that `git hone train` made, or of one of its checkpoints."""
ARTIFACT: Final = "hone-adapter-"
"""Begins the name under which the workflow keeps an adapter; its id follows."""


class Champion(NamedTuple):
    """id: of the deployment, or what the gate let through. folder: where its adapter belongs, None for a model of model_variants.json, which
    is `model`. file: the name of what is served, in that folder. sha256, base_sha256: of that file and of its base, None where nothing
    says. since: when it was put there, None where only champions.json knows it."""

    id: str
    folder: Path | None
    model: str
    file: str = publishing.GGUF
    sha256: str | None = None
    base_sha256: str | None = None
    since: str | None = None

    @property
    def here(self) -> bool:
        """Whether its file, or what it is made from, lies where it belongs."""
        return self.folder is not None and (self.folder / publishing.GGUF).is_file()

    @property
    def artifact(self) -> str | None:
        """Under which name the workflow kept its adapter; None where there is nothing to fetch."""
        match = ADAPTER.fullmatch(self.id)
        return f"{ARTIFACT}{match[1]}" if match and self.folder is not None and not self.here else None


def committed(place: Place, role: str) -> Champion | None:
    """The champion of a role in HEAD; None where the base serves, or nothing does yet. Raises DataError for a file that cannot be read."""
    lines = ledger.parse(_blob(place, ledger.FILE), f"HEAD:.agent/{ledger.FILE}")
    text = _blob(place, champions.FILE)
    roles = champions.parse(text, f"HEAD:.agent/{champions.FILE}") if text else {}
    pointers = roles.get(role, champions.Role())
    last = placed(lines, role)
    id_ = pointers.champion if last is None else last.get("to")
    if id_ is None:
        return None
    if not isinstance(id_, str):
        raise DataError(f"HEAD:.agent/{ledger.FILE}: {id_!r} is no name of what serves {role}", tip="commit a line that names it")
    entry = pointers.deployments.get(id_, {})
    said = [line for line in lines if line.get("to") == id_ and line.get("file_sha256") and line.get("role") == role]
    known = {**(said[-1] if said else {}), **{key: value for key, value in entry.items() if value is not None}}
    sha256, base_sha256 = (str(known[name]) if name in known else None for name in ("file_sha256", "base_sha256"))
    match = ADAPTER.fullmatch(id_)
    prefix = configuration.load(place.agent / "learning-config.json")["autoDeploy.modelNamePrefix"]
    model = f"{prefix}-{role}" if entry or id_ == FOUND else id_
    if match is None or (entry and not entry.get("file")):
        return Champion(id_, None, model, since=(last or {}).get("at"))
    home = place.agent / "lora" / role / match[1]
    folder = home / publishing.CHECKPOINTS / match[2] if match[2] else home
    file = Path(str(known.get("file") or publishing.GGUF)).name
    return Champion(id_, folder, model, file, sha256, base_sha256, (last or {}).get("at"))


def placed(lines: Sequence[dict[str, Any]], role: str) -> dict[str, Any] | None:
    """The newest line of the ledger by which something came to serve a role, or was let through for it.

    >>> placed([{"what": "gate", "verdict": "promote", "role": "coder", "to": "a"}, {"what": "canary", "role": "coder", "to": "b"}], "coder")["to"]
    'a'
    """
    return next((line for line in reversed(lines) if line.get("role") == role and _places(line)), None)


def _places(line: dict[str, Any]) -> bool:
    if line.get("what") == gating.WHAT:
        return line.get("verdict") == "promote"
    return line.get("what") in ("deploy", "rollback", "undone") and line.get("pointer") != "challenger"


def agreed(champion: Champion | None, of: Settings) -> None:
    """Raises UsageError where a person names another incumbent than the committed champion."""
    if champion is not None and of.incumbent not in (None, champion.id, champion.model):
        since = f" since {champion.since[:10]}" if champion.since else ""
        raise UsageError(
            f"{champion.id} serves {of.role}{since}, by what is committed, and {of.incumbent} was named as the incumbent",
            tip="leave the incumbent empty (HONE_INCUMBENT), or commit the ledger line of what serves now",
        )


def named(champion: Champion | None, of: Settings) -> str:
    """What the evaluation of the incumbent is called."""
    agreed(champion, of)
    if champion is not None:
        return champion.id if champion.folder is not None else champion.model
    return of.incumbent if of.incumbent is not None else bases.fetched(of).stem


def weights(place: Place, champion: Champion | None, of: Settings) -> tuple[str, str, Path | None]:
    """(model, what its evaluation is called, adapter) of the incumbent, ready to be tried.

    Raises UsageError where its file is not here or is for another base, DataError where it is not the file that the ledger names.
    """
    name = named(champion, of)
    if champion is None:
        return (of.incumbent, of.incumbent, None) if of.incumbent is not None else (str(bases.fetched(of)), name, None)
    if champion.folder is None:
        return champion.model, name, None
    where = f"{champion.id}, which serves {of.role} by what is committed"
    if not champion.here:
        raise UsageError(
            f"{where}, is not here: {champion.folder} holds no adapter; no candidate can take its place unmeasured",
            tip=missing(champion),
        )
    base = bases.fetched(of)
    if champion.base_sha256 not in (None, (found := file_sha256(base))):
        raise UsageError(
            f"{where}, is for another base ({str(champion.base_sha256)[:12]}) than {base} ({found[:12]})",
            tip="name its base with --base",
        )
    if champion.file == candidates.MERGED:
        kind = str(configuration.load(place.agent / "learning-config.json")["autoDeploy.mergeType"])
        file = candidates.merged(candidates.find(place.agent, of.role, champion.folder, str(base)), kind)
    else:
        file = champion.folder / publishing.GGUF
    if champion.sha256 not in (None, (found := file_sha256(file))):
        raise DataError(
            f"{file}: {found[:12]}, where the ledger names {str(champion.sha256)[:12]}: not what serves {of.role}",
            tip=missing(champion),
        )
    return (str(file), name, None) if champion.file == candidates.MERGED else (str(base), name, file)


def missing(champion: Champion) -> str:
    """What a person can do about a champion whose file is not here."""
    folder = (
        champion.folder.parent.parent
        if champion.folder and champion.folder.parent.name == publishing.CHECKPOINTS
        else champion.folder
    )
    return f"bring {folder} here (git add -f keeps it with the repository), or roll back and commit the ledger"


def _blob(place: Place, name: str) -> str:
    """A file of `.agent` as HEAD has it; empty where it has none."""
    path = (place.agent / name).relative_to(place.agent.parent).as_posix()
    return git.text(git.attempt(["cat-file", "blob", f"HEAD:{path}"], place.cwd) or b"")
