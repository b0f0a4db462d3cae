"""Signs of tampering in the commits of a drain: which files are judged, and whose doing a flag is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from git_hone.hooks import git
from git_hone.hooks.attribution import FileLines
from git_hone.hooks.batch import Batch
from git_hone.hooks.commits import Commit
from git_hone.hooks.paths import unquote

if TYPE_CHECKING:  # a drain without an agent's lines judges nothing, and does not load what would
    from git_hone.hooks.tampering import FileChange as Change
    from git_hone.hooks.tampering import Flag

MAX_FILES: Final = 300
"""A commit of more files than this is judged by its first ones, by path."""


def find(batch: Batch) -> None:
    """Give each change that a new commit carries its flags: the column `flags`, null where nothing could be read."""
    for commit in batch.arrived:
        known = batch.state.get("commits", commit.id)
        row = batch.state.get("changes", known["change"]) if known and known["change"] else None
        if row is None or row["commit"] != commit.id or commit.files is None or not row["lines_ai"]:
            continue
        from git_hone.hooks.tampering import judge

        files, said = _files(batch, commit)
        try:
            found = judge(files)
        except Exception as error:  # whatever stands in a commit, the rest of it must reach the record
            found, said = [], [*said, _left_out("", f"could not be judged: {type(error).__name__}")]
        flags = [
            {"kind": flag.kind, "path": flag.path, "line": flag.line, "detail": flag.detail, "by": _by(batch, commit, flag)}
            for flag in found
        ]
        batch.state.put_change(row | {"flags": [*flags, *said]})


def _files(batch: Batch, commit: Commit) -> tuple[list[Change], list[dict[str, Any]]]:
    """The files with their contents, and what was left out, said as flags of the kind `not_judged`."""
    from git_hone.hooks.tampering import FileChange as Change
    from git_hone.hooks.tampering.judge import MAX_BYTES

    wanted = sorted((f for f in commit.files or () if f.mode.startswith("100") or not f.after), key=lambda f: f.path)
    said = [_left_out("", f"{len(wanted) - MAX_FILES} of {len(wanted)} files are not judged")] if len(wanted) > MAX_FILES else []
    wanted = wanted[:MAX_FILES]
    files = []
    with git.cat_file(batch.place.common) as objects:
        for f in wanted:
            (before, too_large), (after, also) = (
                objects.small(b, MAX_BYTES) if b else (None, False) for b in (f.before, f.after)
            )
            if too_large or also:
                said.append(_left_out(f.path, f"larger than {MAX_BYTES:,} bytes: not judged"))
                continue
            path, old = (git.text(unquote(name)) for name in (f.path, f.old))
            files.append(Change(path, old if f.before and f.after and old != path else None, before, after))
    return files, said


def _left_out(path: str, detail: str) -> dict[str, Any]:
    return {"kind": "not_judged", "path": path, "line": None, "detail": detail, "by": None}


def _by(batch: Batch, commit: Commit, flag: Flag) -> str:
    """Whose doing a flag is: agent, human or unknown. By its line; where that is none that the commit adds, by whether a
    tool call touched the file since the parent."""
    lines: Sequence[FileLines] = batch.lines.get(commit.id, ())
    names = {git.text(unquote(f.path)): f.path for f in commit.files or ()} | {
        git.text(unquote(f.old)): f.old for f in commit.files or () if f.old
    }
    stored = names.get(flag.path, flag.path)
    if flag.line is not None:
        for f in lines:
            if f.path == stored:
                index = flag.line - 1
                if index in f.atoms:
                    return "agent"
                if index in f.human:
                    return "human"
                if index in f.unknown:
                    return "unknown"
    if _touched(batch, commit, stored):
        return "agent"
    return "human" if commit.id in batch.word.at and not batch.word.how.get(commit.id) else "unknown"


def _touched(batch: Batch, commit: Commit, path: str) -> bool:
    """Whether a tool call wrote or removed the file after it stood as in the parent."""
    edits = [at for (at,) in batch.state.db.execute("select at from edits where path = ?", (path,))]
    if not edits:
        return False
    before = next((f.before for f in commit.files or () if path in (f.path, f.old)), "")
    since = next((at for blob, at, _, _ in batch.state.nodes(path) if blob == before), None) if before else None
    if since is None:
        parent = git.line(["show", "-s", "--format=%ct", commit.parents[0]], batch.place.cwd) if commit.parents else None
        since = float(parent) if parent and parent.isdigit() else 0.0
    return any(since < at <= commit.at + 1 for at in edits)
