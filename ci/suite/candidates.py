"""Which commits could be tasks: small ones that change code and tests together, newest first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from git_hone.hooks import git
from git_hone.hooks.history.paths import followed

MAX_SOURCES: Final = 5
MAX_LINES: Final = 200
TEST_PLACE: Final = re.compile(r"(?:^|/)(?:tests?|testing)/|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$")
TEST_FILE: Final = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$")
ELSEWHERE: Final = re.compile(r"^(?:docs?|examples?|benchmarks?|bench|tools|scripts|\.\w+)/|(?:^|/)(?:setup|noxfile)\.py$")
START: Final = "\0\x1e\0"
FORMAT: Final = "%x00%x1e%x00%H%x00%P%x00%cI%x00%B%x00"


@dataclass(frozen=True)
class Candidate:
    """One commit. parent: its first; sources, test_files: changed .py files, test_files those that pytest collects by their
    names; a deleted one is in neither."""

    commit: str
    parent: str
    at: datetime
    message: str
    sources: tuple[str, ...]
    test_files: tuple[str, ...]


def is_test(path: str) -> bool:
    """Whether a file belongs to the tests: data and helpers beside them too.

    >>> is_test("tests/data/a.json"), is_test("src/pkg/test_x.py"), is_test("conftest.py"), is_test("src/testimony.py")
    (True, True, True, False)
    """
    return TEST_PLACE.search(path) is not None


def is_source(path: str) -> bool:
    """
    >>> is_source("src/pkg/a.py"), is_source("docs/conf.py"), is_source("tests/a.py"), is_source("setup.py")
    (True, False, False, False)
    """
    return path.endswith(".py") and not is_test(path) and not ELSEWHERE.search(path) and followed(path.encode("utf-8", "replace"))


def is_run(path: str) -> bool:
    """Whether pytest collects the file, by its name, among the project's own tests.

    >>> is_run("tests/test_a.py"), is_run("tests/conftest.py"), is_run("examples/x/tests/test_a.py")
    (True, False, False)
    """
    return TEST_FILE.search(path) is not None and not ELSEWHERE.search(path)


def find(
    cwd: Path, tip: str = "HEAD", *, commits: int | None = None, since: str | None = None, small: bool = True
) -> Iterator[Candidate]:
    """The candidates among the newest `commits` commits of `tip`, merges not counted; `since` as git reads dates.

    A candidate changes at most MAX_SOURCES source files, by at most MAX_LINES added and deleted lines, and at least one test file
    that pytest collects; without `small`, any commit that changes a source file is one. Raises GitError for an unknown
    revision.
    """
    args = ["log", "--no-merges", "--no-renames", "--numstat", "-z", "--encoding=UTF-8", f"--format=format:{FORMAT}",
            *([f"--max-count={commits}"] if commits else []), *([f"--since={since}"] if since else []), tip, "--"]  # fmt: skip
    for block in git.text(git.run(args, cwd)).split(START)[1:]:
        fields = block.split("\0")
        if len(fields) < 5 or not fields[1]:
            continue  # a first commit has no tree to start from
        commit, parents, at, message = fields[:4]
        candidate = _candidate(commit, parents.split()[0], at, message, [row.lstrip("\n") for row in fields[4:]], small)
        if candidate:
            yield candidate


def any_commit(cwd: Path, commit: str) -> Candidate | None:
    """The commit, however large, with whatever tests it changes; None for one
    that is not here, a merge, a first commit, and one that changes no source file."""
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit) or git.attempt(["cat-file", "-e", f"{commit}^{{commit}}"], cwd) is None:
        return None
    return next((each for each in find(cwd, commit, commits=1, small=False) if each.commit == commit), None)


def _candidate(commit: str, parent: str, at: str, message: str, rows: list[str], small: bool) -> Candidate | None:
    changed = [tuple(row.split("\t", 2)) for row in rows if row.count("\t") >= 2]
    sources = [(path, int(added), int(deleted)) for added, deleted, path in changed if is_source(path) and added != "-"]
    tests = [path for added, _, path in changed if is_run(path) and added != "0"]
    lines = sum(added + deleted for _, added, deleted in sources)
    if not sources or (small and (len(sources) > MAX_SOURCES or lines > MAX_LINES or not tests)):
        return None
    names = sorted(path for path, _, _ in sources)
    when = datetime.fromisoformat(at.replace("Z", "+00:00"))
    return Candidate(commit, parent, when, message, tuple(names), tuple(sorted(tests)))
