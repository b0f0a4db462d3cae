"""Notes refs that cannot be read any more: which they are, what can be read of them, and beginning them anew."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from git_hone.hooks import git, notes, notes_refs


class Wreck(NamedTuple):
    """A damaged notes ref. tip: its object, None when the ref itself is rubbish. texts: the notes that can be read, by commit.
    n_lost: how many cannot, None when even their list cannot be read."""

    ref: str
    tip: str | None
    texts: dict[str, str]
    n_lost: int | None


def damaged(cwd: Path, common: Path) -> list[Wreck]:
    """Our notes refs of which something cannot be read."""
    tips: dict[str, str | None] = {**notes.existing(cwd)}
    files = [file for file in (common / "refs/notes").glob("hone*") if notes.OURS.fullmatch(f"refs/notes/{file.name}")]
    for file in files:
        tips.setdefault(f"refs/notes/{file.name}", None)
    return [wreck for ref, tip in sorted(tips.items()) if (wreck := _look(cwd, ref, tip)) is not None]


def _look(cwd: Path, ref: str, tip: str | None) -> Wreck | None:
    tree = git.attempt(["ls-tree", "-r", "-z", tip], cwd) if tip else None
    if tree is None:
        return Wreck(ref, tip, {}, None)
    rows = [row.partition("\t") for row in git.text(tree).split("\0") if row]
    with git.cat_file(cwd) as objects:
        found = {path.replace("/", ""): objects.blob(head.split(" ")[2]) for head, _, path in rows}
    texts = {name: git.text(body) for name, body in found.items() if body is not None}
    return Wreck(ref, tip, texts, len(found) - len(texts)) if len(texts) < len(found) else None


def begin_anew(cwd: Path, common: Path, wreck: Wreck, at: float) -> None:
    """Replace the ref by one without history that holds the notes that can be read."""
    for name in (wreck.ref, notes_refs.mark_of(wreck.ref)):
        if git.attempt(["update-ref", "--no-deref", "-d", name], cwd) is None:
            (common / name).unlink(missing_ok=True)  # git does not touch what it cannot read
    if wreck.texts:
        notes.join(cwd, wreck.ref, wreck.texts, at=at)
