"""`.github/workflows/hone-learn.yml`: the learning loop as a GitHub Actions workflow, in the version that fits this git-hone."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from git_hone.hooks.install.ledger import Ledger
from git_hone.hooks.place import Place
from git_hone.learner.errors import UsageError

FILE: Final = Path(".github/workflows/hone-learn.yml")


def text(release: str) -> bytes:
    """The workflow, which installs that release of git-hone."""
    template = (files("git_hone.hooks.install") / FILE.name).read_text("utf-8")
    return template.replace("@VERSION@", release).encode()


def install(place: Place, ledger: Ledger) -> str | None:
    """Write the workflow; its path, None where that very file stands. Raises UsageError for another file, which is kept, and without a
    work tree."""
    if place.top is None:
        raise UsageError(f"{place.common}: a bare repository has no workflows", tip="run this in a clone of it")
    path, wanted = place.top / FILE, text(version("git-hone"))
    if path.is_symlink() or not path.parent.resolve().is_relative_to(place.top.resolve()):
        raise UsageError(f"{path}: leads out of the repository", tip="replace the link by a folder")
    if path.exists():
        if path.read_bytes() == wanted:
            return None
        raise UsageError(
            f"{path}: is there already, and was changed or is of another version", tip="move it away, then run this again"
        )
    ledger.make_folder(path.parent)
    ledger.write(path, wanted)
    return FILE.as_posix()


def uninstall(place: Place, ledger: Ledger) -> list[str]:
    """Take the workflow away unless it was changed; words about what is kept."""
    if place.top is None:
        return []
    path = place.top / FILE
    return [f"{path}: changed since git-hone wrote it"] if ledger.restore(path) == "changed" and path.exists() else []
