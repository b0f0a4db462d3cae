"""Looking at every byte of the store, and setting aside what cannot be read.

Nothing is deleted: a damaged file moves to `quarantine/` beside the store, with a `.reason.txt` that says why. A segment that a
newer git-hone wrote is not damaged; it stays where it is, and the message names the version to install.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from git_hone.learner.errors import DataError
from git_hone.learner.store.reading import ABANDONED_S, Damage, Verified, scan
from git_hone.learner.store.segments import MONTH, TMP, make_folder, months, refuse_links
from git_hone.learner.tables import TABLES


def check(root: Path, verified: Verified, *, repair: bool = False) -> list[Damage]:
    """All that is wrong in the store, after hashing every segment. With `repair`, what can be set aside is."""
    if not root.is_dir():
        return []
    found: list[Damage] = []
    for table in TABLES.values():
        found += scan(root, table, verified, trust=False)[1]
        found += strays(root / table.name)
        found += [damage for _, folder in months(root, table) for damage in abandoned(folder)]
    found += abandoned(root)
    verified.save()
    return [set_aside(root, damage) for damage in found] if repair else found


def strays(folder: Path) -> Iterator[Damage]:
    """What lies in a table's folder and is not a month."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.name.startswith(".") and not (MONTH.fullmatch(path.name) and path.is_dir()):
            yield Damage(path, "a foreign file: a table holds only month=YYYY-MM folders")


def abandoned(folder: Path) -> Iterator[Damage]:
    """Unfinished files older than an hour: their writer died, and nobody was told that they were written."""
    for path in sorted(folder.glob(f"{TMP}*")):
        try:
            age_s = time.time() - path.lstat().st_mtime
        except FileNotFoundError:
            continue
        if age_s > ABANDONED_S:
            yield Damage(path, "unfinished: its writer died before the end")


def set_aside(root: Path, damage: Damage) -> Damage:
    """Move a damaged file to the quarantine and write the reason beside it. What is not damaged but newer, or cannot be opened,
    stays; so does a file that is gone or whole by now."""
    if damage.action != "skipped":
        return damage
    folder = root.parent / "quarantine" / damage.path.relative_to(root).parent
    refuse_links(root.parent / "quarantine", folder)
    try:
        make_folder(folder)
        target = _free(folder / damage.path.name.lstrip("."))
        damage.path.replace(target)
        target.with_name(f"{target.name}.reason.txt").write_text(f"{damage.path.relative_to(root)}\n{damage.reason}\n")
    except FileNotFoundError:
        return replace(damage, action="gone by now")
    except OSError as error:
        raise DataError(f"{damage.path}: cannot be set aside ({error.strerror})", tip="fix the rights and try again") from error
    return replace(damage, action=f"moved to {target}")


def _free(path: Path) -> Path:
    candidate, number = path, 1
    while os.path.lexists(candidate):
        candidate, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return candidate
