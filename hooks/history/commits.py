"""The commits of a history, parents before children, with what a claim needs to be judged. One git process."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from git_hone.hooks import git

FIELDS = 10
FORMAT = "%H%x00%P%x00%T%x00%ct%x00%at%x00%an%x00%ae%x00%ce%x00%B%x00"
OFFLINE = ("-c", "protocol.allow=never")
"""A partial clone must not fetch what it lacks: older gits know no GIT_NO_LAZY_FETCH."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `time`, `authored`: committer's and author's date, seconds since 1970, never negative. `edge`: a shallow
    clone ends here, so what the commit added cannot be known."""

    sha: str
    parents: tuple[str, ...]
    tree: str
    time: int
    author: str
    author_email: str
    committer_email: str
    message: bytes
    edge: bool
    authored: int = 0

    @property
    def subject(self) -> str:
        return self.message.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")[:200]


REVERTS = re.compile(rb"^This reverts commit ([0-9a-f]{7,64})\b", re.M)
"""How `git revert` says what a commit undoes."""


def read(cwd: Path, tip: str, limit: int | None = None, without: Iterable[str] = ()) -> list[Commit]:
    """Every ancestor of `tip`, parents first; the newest `limit` when a limit is given; not the ancestors of `without`."""
    edges = shallow(cwd)
    args = ["git", *git.safe(cwd), *OFFLINE, "log", "--topo-order", "--reverse", "-z", "--encoding=UTF-8", "--no-mailmap",
            f"--format=tformat:{FORMAT}", *(["-n", str(limit)] if limit else []), tip,
            *(f"^{name}" for name in without), "--"]  # fmt: skip
    with subprocess.Popen(args, cwd=cwd, env=git.clean_env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE above
        return [_commit(fields, edges) for fields in _records(process.stdout)]


def _records(stream: IO[bytes]) -> Iterator[list[bytes]]:
    """Groups of FIELDS fields: nine of the format, and the empty one between %x00 and the -z terminator."""
    held: list[bytes] = []
    rest = b""
    while chunk := stream.read(1 << 20):
        parts = (rest + chunk).split(b"\0")
        rest = parts.pop()
        held += parts
        whole = len(held) - len(held) % FIELDS
        for at in range(0, whole, FIELDS):
            yield held[at : at + FIELDS]
        del held[:whole]


def _commit(fields: list[bytes], edges: frozenset[str]) -> Commit:
    sha = fields[0].strip().decode()
    return Commit(
        sha,
        () if sha in edges else tuple(fields[1].decode().split()),
        fields[2].decode(),
        _seconds(fields[3]),
        fields[5].decode("utf-8", "replace"),
        fields[6].decode("utf-8", "replace"),
        fields[7].decode("utf-8", "replace"),
        fields[8],
        sha in edges,
        _seconds(fields[4]),
    )


def _seconds(raw: bytes) -> int:
    return int(raw) if re.fullmatch(rb"\d{1,12}", raw) else 0


def shallow(cwd: Path) -> frozenset[str]:
    """The commits at which a shallow clone ends."""
    path = git.line(["rev-parse", "--path-format=absolute", "--git-path", "shallow"], cwd)
    try:
        return frozenset(Path(path).read_text().split()) if path else frozenset()
    except OSError:
        return frozenset()


def first_parents(commits: list[Commit]) -> list[int]:
    """Positions of the first-parent chain that ends in the last commit, oldest first.

    The default branch as its own history tells it: each entry is one step of the branch.
    """
    position = {commit.sha: at for at, commit in enumerate(commits)}
    chain: list[int] = []
    at: int | None = len(commits) - 1 if commits else None
    while at is not None:
        chain.append(at)
        parents = commits[at].parents
        at = position.get(parents[0]) if parents else None
    return chain[::-1]
