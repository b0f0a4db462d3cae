"""Where each commit's lines went: a stream of `git diff-tree --stdin -p -U0`, read into numbers.

The contents of lines are kept only where they are asked for. Merges come as git's combined diff, which lists only the files that differ from every
parent, with a mark per line and parent. git dies on a blob that is missing (a partial clone, a damaged repository): the
commit it died on is then read file by file, what can be read is read, the rest is named unreadable, and the stream goes
on behind it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from git_hone.hooks import git
from git_hone.hooks.history.commits import OFFLINE

Hunk = tuple[int, int, int]
"""(first old line from 0, lines removed, lines added)."""
Text = tuple[list[bytes], list[bytes]]
"""The lines that a hunk removes and adds, without their ends."""
MergeChange = tuple[str, list[tuple[bytes, bytes, bytes, bytes]] | None]
COMMON = ("-c", "core.bigFileThreshold=1m", "diff-tree", "--stdin", "-r", "--root", "--no-color", "--no-ext-diff",
          "--no-textconv", "--ignore-submodules=none")  # fmt: skip
PATCH = (*COMMON, "--always", "-c", "-p", "-U0", "--inter-hunk-context=0", "--diff-algorithm=myers", "--indent-heuristic", "-M",
         "--full-index", "--combined-all-paths", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short")  # fmt: skip
AS_RECORDED = (*PATCH, "--diff-algorithm=histogram", "--no-indent-heuristic", "--ignore-cr-at-eol")
"""The diff by which `hooks.attribution` says which lines a commit adds."""
RAW = (*COMMON, "--always", "--raw", "-z", "--no-abbrev", "--no-renames")
HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
RANGE = re.compile(rb"[-+](\d+)(?:,(\d+))?")
ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
PLAIN = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r", b'"': b'"', b"\\": b"\\"}


@dataclass(slots=True)
class FileDiff:
    """One file of one commit. `old`, `new`: None when it did not exist. `blob`: the new object id, empty when unknown.
    `kind`: "text" has hunks; "other" is binary, too large, a link, a submodule, or unreadable: nothing is known of lines."""

    old: bytes | None
    new: bytes | None
    blob: bytes = b""
    kind: Literal["text", "other"] = "text"
    hunks: list[Hunk] = field(default_factory=list)
    readable: bool = True
    texts: list[Text] = field(default_factory=list)  # of each hunk, where they were asked for


@dataclass(slots=True)
class MergedFile:
    """One file of a merge that differs from every parent. `olds`: its name in each parent, None where it is not there.
    `rows`: (first line of the result from 0, marks), a mark per line with one byte per parent: '+' not in it, '-' removed
    from it, ' ' in it (in a row of the result) or not concerned (in a removed row)."""

    olds: list[bytes | None]
    new: bytes | None
    kind: Literal["text", "other"] = "text"
    rows: list[tuple[int, list[bytes]]] = field(default_factory=list)


@dataclass(slots=True)
class CommitDiff:
    """One commit's diff. `readable` False: something of it is missing; `whole_lost`: even its trees are."""

    sha: str
    files: list[FileDiff] = field(default_factory=list)
    merged: list[MergedFile] = field(default_factory=list)
    readable: bool = True
    whole_lost: bool = False


def unquote(name: bytes) -> bytes:
    r"""A path as git printed it, C-quoted when it holds odd bytes.

    >>> unquote(b'"a/we ird\\"q\\303\\244"') == b'a/we ird"q\xc3\xa4'
    True
    """
    if not name.startswith(b'"'):
        return name
    body = name[1 : name.rindex(b'"')]
    return ESCAPE.sub(lambda hit: PLAIN.get(hit[1]) or bytes([int(hit[1], 8) & 255]), body)


def _side(line: bytes) -> bytes | None:
    """The path in a `--- a/x` or `+++ b/x` line; None for /dev/null. git ends a name with blanks by a tab."""
    name = line[4:].rstrip(b"\n")
    name = unquote(name) if name.startswith(b'"') else name.removesuffix(b"\t")
    return None if name == b"/dev/null" else name[2:]


def _header_path(line: bytes) -> bytes:
    """The path in `diff --git a/x b/x` where both are the same."""
    rest = line[11:].rstrip(b"\n")
    if rest.startswith(b'"'):
        return unquote(rest[: len(rest) // 2])[2:]
    return rest[2 : 2 + (len(rest) - 5) // 2]


class _Reader:
    """Lines of git's output with one line of looking ahead."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.line = stream.readline()

    def next(self) -> bytes:
        self.line = self._stream.readline()
        return self.line

    def take(self, removed: int, added: int) -> Text:
        """The lines of a hunk, without their ends."""
        lines: list[bytes] = []
        line = self._stream.readline()
        while line and (len(lines) < removed + added or line.startswith(b"\\")):
            if not line.startswith(b"\\"):
                lines.append(line[1:].rstrip(b"\r\n"))
            line = self._stream.readline()
        self.line = line
        return lines[:removed], lines[removed:]

    def skip(self, count: int) -> None:
        """Past `count` lines of content, and git's word on missing newlines among them."""
        read = self._stream.readline
        while count:
            line = read()
            if not line:
                self.line = b""
                return
            if not line.startswith(b"\\"):
                count -= 1
        line = read()
        while line.startswith(b"\\"):
            line = read()
        self.line = line


def parse(stream: IO[bytes], texts: bool = False) -> Iterator[CommitDiff]:
    """The commits of a `git diff-tree --stdin` patch stream. `texts`: with the contents of their hunks."""
    reader = _Reader(stream)
    while reader.line:
        commit = CommitDiff(reader.line.strip().decode("ascii", "replace"))
        reader.next()
        while reader.line.startswith(b"diff --"):
            if reader.line.startswith(b"diff --git "):
                commit.files.append(_file(reader, texts))
            else:
                commit.merged.append(_merged(reader))
        yield commit


def _file(reader: _Reader, texts: bool) -> FileDiff:
    header = reader.line
    found = FileDiff(None, None)
    names: dict[bytes, bytes | None] = {}
    while (line := reader.next()) and not line.startswith((b"diff --", b"@@ ")) and not _is_id(line):
        if line.startswith(b"--- "):
            names[b"old"] = _side(line)
        elif line.startswith(b"+++ "):
            names[b"new"] = _side(line)
        elif line.startswith((b"rename from ", b"rename to ", b"copy from ", b"copy to ")):
            kind, name = line.rstrip(b"\n").split(b" ", 2)[1:]
            names.setdefault(b"old" if kind == b"from" else b"new", unquote(name))
        elif line.startswith(b"new file mode"):
            names[b"old"] = None
            found.kind = "other" if line.rstrip()[-6:] in (b"120000", b"160000") else found.kind
        elif line.startswith(b"deleted file mode"):
            names[b"new"] = None
        elif line.startswith(b"index "):
            words = line.split()
            found.blob = words[1].rpartition(b"..")[2]
            if len(words) > 2 and words[2] in (b"120000", b"160000"):
                found.kind = "other"
        elif line.startswith(b"Binary files "):
            found.kind = "other"
    found.old = names[b"old"] if b"old" in names else _header_path(header)
    found.new = names[b"new"] if b"new" in names else _header_path(header)
    while hit := HUNK.match(reader.line):
        old, n_old, _, n_new = (1 if group is None else int(group) for group in hit.groups())
        found.hunks.append((old if n_old == 0 else old - 1, n_old, n_new))
        if texts:
            found.texts.append(reader.take(n_old, n_new))
        else:
            reader.skip(n_old + n_new)
    return found


def _is_id(line: bytes) -> bool:
    return len(line) in (41, 65) and not line[:40].strip(b"0123456789abcdef")


def _merged(reader: _Reader) -> MergedFile:
    path = unquote(reader.line.split(b" ", 2)[2].rstrip(b"\n"))
    found = MergedFile([], path)
    while (line := reader.next()) and not line.startswith((b"diff --", b"@@@")) and not _is_id(line):
        if line.startswith(b"--- "):
            found.olds.append(_side(line))
        elif line.startswith(b"+++ "):
            found.new = _side(line)
        elif line.startswith(b"deleted file mode"):
            found.new = None
        elif line.startswith(b"Binary files ") or (
            line.startswith(b"new file mode") and line.rstrip()[-6:] in (b"120000", b"160000")
        ):
            found.kind = "other"
    while reader.line.startswith(b"@@@"):
        found.rows.append(_rows(reader))
    return found


def _rows(reader: _Reader) -> tuple[int, list[bytes]]:
    """One combined hunk: where it starts in the result, from 0, and the marks of its rows.

    Its ranges number the next line even when empty, unlike an ordinary hunk's, and at the end of a file git may print a
    count of -1 as 18446744073709551615: so rows are read until something that is not one, not counted.
    """
    ranges = RANGE.findall(reader.line.split(b" @@@", 1)[0])
    parents = len(ranges) - 1
    marks: list[bytes] = []
    while (line := reader.next())[:1] in (b" ", b"+", b"-", b"\\"):
        if line[:1] != b"\\":
            marks.append(line[:parents])
    return int(ranges[-1][0]) - 1, marks


def patches(
    cwd: Path, shas: Sequence[str], roots: frozenset[str] = frozenset(), texts: bool = False
) -> Generator[CommitDiff, None, None]:
    """The diff of each commit, in the given order, against all its parents; for `texts` the one that the record
    is made by, with the contents of its hunks.

    A commit in `roots` has parents that are not here (a shallow clone's edge): it comes without files, not as a birth of
    everything. Unreadable files come with `readable` False; a commit whose trees are missing comes so itself.
    """
    at = 0
    while at < len(shas):
        for done in _stream(cwd, [sha for sha in shas[at:] if sha not in roots], shas, at, roots, texts):
            yield done
            at += 1
        for _ in range(2):  # git died on this commit or, with nothing printed of it yet, on the next
            if at < len(shas):
                yield _nothing(shas[at]) if shas[at] in roots else _carefully(cwd, shas[at], texts)
                at += 1


def _stream(
    cwd: Path, wanted: Iterable[str], shas: Sequence[str], at: int, roots: frozenset[str], texts: bool
) -> Iterator[CommitDiff]:
    """The commits of one git process, without the one it may have died on."""
    with _asked(cwd, AS_RECORDED if texts else PATCH, wanted) as (process, out):
        held: CommitDiff | None = None
        for commit in parse(out, texts):
            if held is not None:
                yield from _up_to(held, shas, at, roots)
                at = _after(held, shas, at)
            held = commit
        if process.wait() == 0:
            if held is not None:
                yield from _up_to(held, shas, at, roots)
                at = _after(held, shas, at)
            yield from (_nothing(sha) for sha in shas[at:])


def _nothing(sha: str) -> CommitDiff:
    return CommitDiff(sha, readable=False, whole_lost=True)


def _after(held: CommitDiff, shas: Sequence[str], at: int) -> int:
    while shas[at] != held.sha:
        at += 1
    return at + 1


def _up_to(held: CommitDiff, shas: Sequence[str], at: int, roots: frozenset[str]) -> Iterator[CommitDiff]:
    while shas[at] != held.sha:
        yield _nothing(shas[at])
        at += 1
    yield held


@contextmanager
def _asked(cwd: Path, args: Sequence[str], rows: Iterable[str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """git at work on these lines of input, and what it prints; ended when the block is left, however it is left."""
    with tempfile.TemporaryFile() as feed:
        feed.write("".join(f"{row}\n" for row in rows).encode())
        feed.seek(0)
        process = subprocess.Popen(
            ["git", *git.safe(cwd), *OFFLINE, *args],
            cwd=cwd, env=git.clean_env(), stdin=feed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1 << 20,
        )  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - a PIPE
        try:
            yield process, process.stdout
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _carefully(cwd: Path, sha: str, texts: bool) -> CommitDiff:
    """One commit on its own: whole if git can, else without the files whose contents are missing."""
    args = AS_RECORDED if texts else PATCH
    whole = git.attempt([*OFFLINE, *args], cwd, stdin=sha.encode() + b"\n")
    if whole is not None:
        return next(_parsed(whole, texts), CommitDiff(sha))
    raw = git.attempt([*OFFLINE, *RAW, "-m"], cwd, stdin=sha.encode() + b"\n")
    if raw is None:
        return _nothing(sha)
    changes = list(_raw_changes(raw.split(b"\0")))
    missing = _missing(cwd, {blob for change in changes for blob in change[:2] if blob.strip(b"0")})
    lost = {path: (old, new) for old, new, path in changes if old in missing or new in missing}
    good = sorted({path for _, _, path in changes} - lost.keys())
    found = CommitDiff(sha, readable=not lost)
    one = [argument for argument in args if argument != "--stdin"]
    for start in range(0, len(good), 400):
        out = git.attempt([*OFFLINE, *one, sha, "--", *good[start : start + 400]], cwd)
        for commit in _parsed(out or b"", texts):
            found.files += commit.files
            found.merged += commit.merged
    if raw.count(sha.encode() + b"\0") < 2:  # in a merge, what is not listed becomes unknown in the walk
        for path, (old, new) in lost.items():
            found.files.append(
                FileDiff(path if old.strip(b"0") else None, path if new.strip(b"0") else None, new, "other", [], False)
            )
    return found


def _missing(cwd: Path, blobs: set[bytes]) -> set[bytes]:
    """Those of `blobs` that are not in the repository."""
    answers = git.run([*OFFLINE, "cat-file", "--batch-check"], cwd, stdin=b"".join(blob + b"\n" for blob in blobs)).splitlines()
    return {answer.split(b" ")[0] for answer in answers if answer.endswith(b" missing")}


def _raw_changes(fields: Iterable[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(old id, new id, path) of `--raw -z` fields; submodules, whose ids are of another repository, left out."""
    source = iter(fields)
    for head in source:
        if head.startswith(b":"):
            old_mode, mode, old, new, _ = head[1:].split(b" ")
            path = next(source, b"")
            if b"160000" not in (old_mode, mode):
                yield old, new, path


def _parsed(out: bytes, texts: bool) -> Iterator[CommitDiff]:
    with tempfile.SpooledTemporaryFile(max_size=1 << 22) as held:
        held.write(out)
        held.seek(0)
        yield from parse(held, texts)


def merge_changes(cwd: Path, merges: Sequence[tuple[str, str]]) -> Generator[MergeChange, None, None]:
    """For each (merge, its first parent): (new id, status letter, mode, path) of what changed between them, from trees alone.

    None for a merge whose trees cannot be read.
    """
    at = 0
    while at < len(merges):
        with _asked(cwd, RAW, (f"{sha} {parent}" for sha, parent in merges[at:])) as (process, out):
            for sha, changes in _raw_stream(out):
                yield sha, changes
                at += 1
            process.wait()
        if at < len(merges):
            yield merges[at][0], None
            at += 1


def _raw_stream(stream: IO[bytes]) -> Iterator[tuple[str, list[tuple[bytes, bytes, bytes, bytes]]]]:
    held: str | None = None
    changes: list[tuple[bytes, bytes, bytes, bytes]] = []
    fields = _fields(stream)
    for head in fields:
        if head.startswith(b":"):
            _, mode, _, new, status = head.split(b" ")
            changes.append((new, status[:1], mode, next(fields, b"")))
            continue
        if held is not None:
            yield held, changes
        held, changes = os.fsdecode(head).strip(), []
    if held is not None:
        yield held, changes


def _fields(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(1 << 16):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
