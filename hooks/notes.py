"""`refs/notes/hone`: the record of a change on its commit, as text that merges.

A note is a set of lines, sorted; each is one compact JSON object, keys sorted: an event with an id. A merge is the union of
the lines, so it gives the same bytes in any order (git's own `cat_sort_uniq` does the same). A line holds no prompt, no
code, no e-mail and no session address: what was measured, and the names of files that the commit shows anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git
from git_hone.learner.errors import GitError

REF: Final = "refs/notes/hone"
IDENTITY: Final = "git-hone <git-hone@localhost>"


def line(event: Mapping[str, Any]) -> str:
    """One event as a line."""
    return json.dumps(event, sort_keys=True, separators=(",", ":"))


def union(*notes: str) -> str:
    r"""The lines of all these notes, once each, sorted.

    >>> union("b\na\n", "c\na")
    'a\nb\nc\n'
    """
    lines = sorted({row for note in notes for row in note.split("\n") if row.strip()})
    return "".join(f"{row}\n" for row in lines)


def events(note: str) -> list[dict[str, Any]]:
    """The events of a note; a line that is none of ours (foreign, damaged) is passed over."""
    found = []
    for row in note.splitlines():
        try:
            event = json.loads(row)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("id"), str):
            found.append(event)
    return found


def read(cwd: Path, commits: Iterable[str]) -> dict[str, str]:
    """The notes on these commits; a commit without one is left out."""
    wanted = set(commits)
    tree = git.attempt(["ls-tree", "-r", "-z", REF], cwd) if wanted else None
    if not tree:
        return {}
    blobs: dict[str, str] = {}
    for row in git.text(tree).split("\0"):
        head, _, path = row.partition("\t")
        name = path.replace("/", "")
        if name in wanted:
            blobs[name] = head.split(" ")[2]
    with git.cat_file(cwd) as objects:
        return {name: (objects.blob(blob) or b"").decode("utf-8", "replace") for name, blob in blobs.items()}


def write(cwd: Path, added: Mapping[str, Iterable[Mapping[str, Any]]], at: float) -> int:
    """Join events to the notes of their commits, all in one commit of the notes ref; returns how many notes changed.

    Written by one `git fast-import` under an identity of our own. Another writer in between makes it start again.
    """
    for _ in range(5):
        before = read(cwd, added)
        texts = {name: union(before.get(name, ""), *map(line, rows)) for name, rows in added.items()}
        texts = {name: text for name, text in texts.items() if text != before.get(name)}
        if not texts:
            return 0
        tip = git.line(["rev-parse", "--verify", "--quiet", REF], cwd)
        try:
            git.run(["fast-import", "--quiet", "--date-format=raw"], cwd, stdin=_stream(texts, tip, at))
        except GitError:
            if tip == git.line(["rev-parse", "--verify", "--quiet", REF], cwd):
                raise
            continue
        return len(texts)
    raise GitError("refs/notes/hone: other writers kept it busy", tip="run `git hone drain` again")


def _stream(texts: Mapping[str, str], tip: str | None, at: float) -> bytes:
    head = f"commit {REF}\ncommitter {IDENTITY} {int(at)} +0000\ndata 10\nhone notes\n"
    out = (head + (f"from {tip}\n" if tip else "")).encode()
    for name, text in sorted(texts.items()):
        raw = text.encode()
        out += b"N inline %s\ndata %d\n%s\n" % (name.encode(), len(raw), raw)
    return out + b"done\n"
