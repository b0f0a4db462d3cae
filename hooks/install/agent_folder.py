"""`.agent/`: what is shared through Git, with a `.gitignore` for what stays local. Nothing that stands is overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from git_hone.hooks.install.ledger import Ledger, write_atomic
from git_hone.hooks.place import Place
from git_hone.learner import config, variants
from git_hone.learner.errors import ConfigError, UsageError

IGNORED: Final = """\
# git-hone: local to this clone. Shared: the configuration, variants, tasks, the promotions; a suite by `git add -f`.
/data/
/reward.json
/router.candidate.json
/router.previous.json
/data/.*
/last-*.txt
/quarantine/
/sft/
/lora/
/suite/
/train_*.py
/Modelfile.*
.*.tmp
.tmp-*
"""
LOCAL: Final = ("data", "quarantine", "sft", "lora", "reward.json")
CONFIG: Final = "learning-config.json"
EXCLUDED: Final = "".join(
    [
        "# git-hone: records of this clone (.agent/.gitignore says the same)\n",
        *(f"/.agent/{name}\n" for name in LOCAL),
        "# end of git-hone\n",
    ]
).encode()
"""What stands in `.git/info/exclude`, for all work trees, where the `.gitignore` is reverted or deleted."""
OURS: Final = (".gitignore", CONFIG, variants.PROMPTS, variants.MODELS)


def preflight(place: Place) -> None:
    """Raises UsageError when `.agent` leads elsewhere: records must never be written outside the repository."""
    home = place.agent.parent.resolve()
    if place.agent.is_symlink() and not place.agent.resolve().is_relative_to(home):
        raise UsageError(f"{place.agent}: a symlink out of the repository", "replace it by a folder")
    if place.agent.exists() and not place.agent.is_dir():
        raise UsageError(f"{place.agent}: not a folder", "move it away, then run this again")


def install(place: Place, ledger: Ledger) -> list[str]:
    """Create what is missing; returns the names of the files created."""
    ledger.make_folder(place.agent)
    created = []
    if not (place.agent / ".gitignore").exists():
        ledger.write(place.agent / ".gitignore", IGNORED.encode())
        created.append(".gitignore")
    path = place.agent / CONFIG
    if not path.exists():
        with ledger.watching(path):
            config.write_default(path)
        created.append(CONFIG)
    for name, text in variants.defaults().items():
        if not (place.agent / name).exists():
            ledger.write(place.agent / name, text)
            created.append(name)
    return created


def exclude(place: Place, ledger: Ledger) -> bool:
    """Add our block to `info/exclude` of a repository with a work tree; whether it had to be."""
    path = place.common / "info" / "exclude"
    before = path.read_bytes() if path.exists() else b""
    if EXCLUDED in before or place.agent.is_relative_to(place.common):
        return False
    ledger.make_folder(path.parent)
    ledger.write(path, before + (b"\n" if before and not before.endswith(b"\n") else b"") + EXCLUDED)
    return True


def include(place: Place, ledger: Ledger) -> None:
    """Put `info/exclude` back byte for byte; where it was changed since, only our block goes."""
    path = place.common / "info" / "exclude"
    if ledger.restore(path) != "restored" and path.exists() and EXCLUDED in path.read_bytes():
        write_atomic(path, path.read_bytes().replace(EXCLUDED, b""))


def missing(place: Place) -> list[str]:
    """The files of ours that are not there and should be; without variants' files the shipped variants stand in."""
    return [name for name in (".gitignore", CONFIG) if not (place.agent / name).exists()]


def warnings(place: Place) -> list[str]:
    """What the readers of the configuration and of the variants have to say: errors and warnings, one line each."""
    told: list[str] = []
    readers: tuple[Callable[[], object], ...] = (
        lambda: told.extend(config.load(place.agent / CONFIG).warnings),
        lambda: variants.load_prompts(place.agent),
        lambda: variants.load_models(place.agent),
    )
    for read in readers:
        try:
            read()
        except ConfigError as error:
            told += error.message.splitlines()
    return told


def uninstall(place: Place, ledger: Ledger, purge: bool) -> list[str]:
    """Take away what we created and nobody changed; the records only with `purge`. Returns words about what is kept."""
    if purge:
        for name in LOCAL:
            _remove(place.agent / name)
    kept = [str(place.agent / name) for name in LOCAL if _has_files(place.agent / name)]
    told = [f"{path}: the records (`--purge` deletes them)" for path in kept]
    for name in reversed(OURS):
        path = place.agent / name
        if kept and name == ".gitignore":
            continue  # it keeps the records out of commits
        if ledger.restore(path) == "changed" and path.exists():
            told.append(f"{path}: changed since git-hone wrote it")
    return told


def _has_files(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(file.is_file() for file in path.rglob("*")))


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
