"""Moves a ref of notes: what is new is written where neither another writer nor a collection of garbage takes it away.

Beside each ref of notes, `refs/hone/written/...` says what we wrote to it last.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from git_hone.hooks import git
from git_hone.learner.errors import GitError

WRITTEN: Final = "refs/hone/written/"
IDENTITY: Final = "git-hone <git-hone@localhost>"
TRIES: Final = 60


def pauses(tries: int, first_s: float = 0.005, longest_s: float = 0.25) -> Iterator[float]:
    """How long to wait after each of `tries` failures, in seconds: longer and longer, never the same for two processes."""
    for k in range(tries):
        yield random.uniform(0.2, 1.0) * min(longest_s, first_s * 2**k)  # noqa: S311 - to keep writers apart


def mark_of(ref: str) -> str:
    """The ref that says what we wrote last to a notes ref."""
    return WRITTEN + ref.removeprefix("refs/notes/")


def marked(mark: str) -> str:
    """The notes ref that a ref of `mark_of` is about."""
    return "refs/notes/" + mark.removeprefix(WRITTEN)


@dataclass
class Plan:
    """What a ref has to become: the tip `whole` as it is, or a commit on `parents` that changes the first one's tree as
    `stream` says. n_changed: how many notes are other ones than at the ref's tip."""

    n_changed: int
    whole: str | None = None
    parents: list[str] = field(default_factory=list)
    stream: bytes = b""


def publish(cwd: Path, ref: str, tip: str | None, mark: str | None, plan: Plan, at: float | None) -> bool:
    """Move `ref` and its mark; False when another writer moved it first.

    `git gc --prune=now` deletes loose objects that no ref led to when it looked, and the packs that it found, but no younger
    ones and none with a `.keep`. So while `gc.pid` stands, what is new goes into such a pack before the refs move. (Not always,
    as fifty packs make git collect.) What a collection that began since then took is written again."""
    gc, form = _surroundings(cwd, plan.whole or next(iter(plan.parents), None))
    new, stream, kept = plan.whole or "", b"", None
    try:
        if not plan.whole:
            stream = _stream(cwd, plan, at, 64 if form == "sha256" else 40)
            new = _import(cwd, stream)
            kept = _pin(cwd, new, plan, stream, form) if Path(gc).exists() else None
        null = "0" * len(new)
        moves = f"update {ref} {new} {tip or null}\nupdate {mark_of(ref)} {new} {mark or null}\n"
        git.run(["update-ref", "--stdin"], cwd, stdin=moves.encode())
        if stream and kept is None and (Path(gc).exists() or not _listed(cwd, new, plan)):
            kept = _pin(cwd, new, plan, stream, form)
    except GitError:
        if tip == tips_of(cwd, ref)[0]:
            raise
        return False
    finally:
        if kept is not None:
            kept.unlink(missing_ok=True)
            _sweep(kept.parent)
    return True


def _surroundings(cwd: Path, known: str | None) -> tuple[str, str]:
    """The file that stands while git collects garbage, and the kind of hash. `known`: an object's id, where there is one: in a plain
    repository that says it all."""
    own = cwd / ".git"
    if known and own.is_dir() and not (own / "commondir").exists():
        return str(own / "gc.pid"), "sha256" if len(known) == 64 else "sha1"
    gc, form = git.text(
        git.run(["rev-parse", "--path-format=absolute", "--git-path", "gc.pid", "--show-object-format"], cwd)
    ).splitlines()
    return gc, form


def _sweep(folder: Path) -> None:
    """Take away `.keep` files of ours that stand alone: a collection took their pack all the same."""
    for file in folder.glob("pack-*.keep"):
        with contextlib.suppress(OSError):
            if not file.with_suffix(".pack").exists() and file.read_bytes().startswith(b"git-hone "):
                file.unlink()


def _import(cwd: Path, stream: bytes) -> str:
    """Write the objects, and return the commit. No ref moves."""
    try:
        return git.text(git.run(["fast-import", "--quiet", "--date-format=raw"], cwd, stdin=stream)).strip()
    except GitError as error:
        for report in re.findall(r"dumping crash report to (.+)", error.message):
            (cwd / report).unlink(missing_ok=True)
        raise


def _listed(cwd: Path, new: str, plan: Plan) -> bytes | None:
    """What the commit brings: the objects' ids, a line each; None when one is missing."""
    return git.attempt(["rev-list", "--objects", "--no-object-names", new, "--not", *plan.parents], cwd)


def _pin(cwd: Path, new: str, plan: Plan, stream: bytes, form: str) -> Path:
    """Put what the commit brings into a pack that no collection takes; returns its `.keep`, to be deleted when a ref leads to it.
    A random blob gives the pack its own name: one that was there before could be one that is about to be deleted."""
    folder = Path(git.text(git.run(["rev-parse", "--path-format=absolute", "--git-path", "objects/pack"], cwd)).rstrip("\n"))
    for pause in pauses(TRIES):
        token = secrets.token_hex(16)
        blob = hashlib.new(form, f"blob 32\0{token}".encode()).hexdigest()
        try:
            _import(cwd, f"blob\ndata 32\n{token}\n".encode() + stream)
            listed = _listed(cwd, new, plan)
            if listed:
                pack = git.run(["pack-objects", "--quiet", "--stdout"], cwd, stdin=listed + f"{blob}\n".encode())
                told = git.text(git.run(["index-pack", "--stdin", f"--keep=git-hone {token}"], cwd, stdin=pack))
                return folder / f"pack-{told.split()[1]}.keep"
        except GitError:  # it took the pack while that had its first name: then the `.keep` stands alone
            for file in folder.glob("pack-*.keep"):
                with contextlib.suppress(OSError):
                    if token in file.read_text("utf-8", "replace"):
                        file.unlink()
        time.sleep(pause)
    raise GitError(
        "the objects of notes vanish as they are written", tip="wait for git gc or git prune to end, then run it again"
    )


def tips_of(cwd: Path, *names: str) -> list[str | None]:
    """What these refs, by their full names, point to."""
    out = git.run(["for-each-ref", "--format=%(objectname) %(refname)", *names], cwd)
    rows = (row.partition(" ") for row in git.text(out).splitlines())
    found = {name: tip for tip, _, name in rows}
    return [found.get(name) for name in names]


def _stream(cwd: Path, plan: Plan, at: float | None, digits: int) -> bytes:
    """What fast-import is told: it prints the commit's id, and moves no ref (the one that it needs is gone at the end)."""
    if at is None:
        at = max(int(git.line(["log", "-1", "--format=%ct", parent], cwd) or 0) for parent in plan.parents)
    head = f"commit {WRITTEN}now\nmark :1\ncommitter {IDENTITY} {int(at)} +0000\ndata 10\nhone notes\n"
    links = zip(["from", *["merge"] * len(plan.parents)], plan.parents, strict=False)
    head += "".join(f"{word} {parent}\n" for word, parent in links)
    tail = f"\nget-mark :1\nreset {WRITTEN}now\nfrom {'0' * digits}\n\ndone\n"
    return head.encode() + plan.stream + tail.encode()
