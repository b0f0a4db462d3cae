"""Reverts, corrections and the files that are written again and again. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from git_hone.hooks.history.chain import landings
from git_hone.hooks.history.commits import REVERTS, Commit
from git_hone.hooks.history.diffs import CommitDiff
from git_hone.hooks.history.paths import followed
from git_hone.hooks.history.survival import DAY
from git_hone.hooks.history.walk import Walk

FIX: Final = re.compile(r"\b(fix(es|ed|ing)?|bug(fix)?|hotfix|regression|broken|crash(es|ed)?)\b", re.I)
SOON: Final = 30 * DAY


CONVENTION: Final = re.compile(r"(\w+)(?:\([^)]*\))?!?:")
MENDS: Final = frozenset(("fix", "hotfix", "bugfix"))
ADAPTS: Final = frozenset(
    ("feat", "feature", "docs", "style", "refactor", "perf", "test", "tests", "chore", "build", "ci", "deps")
)
FIXES: Final = re.compile(rb"^Fixes: ([0-9a-f]{7,64})\b", re.M)
TESTS: Final = re.compile(rb"(?:^|/)(?:tests?|specs?|__tests__|testing)/|(?:^|/)test_|[._](?:test|spec)s?\.\w+$")
SMALL: Final = 60


@dataclass(frozen=True, slots=True)
class Size:
    """What a commit changed: lines it removed and added, and whether tests are among its files."""

    removed: int
    added: int
    tests: bool


def size(diff: CommitDiff) -> Size:
    """The size of a commit's diff; nothing of a merge.

    >>> from git_hone.hooks.history.diffs import FileDiff
    >>> size(CommitDiff("", [FileDiff(b"a.py", b"a.py", hunks=[(0, 1, 2)]), FileDiff(None, b"tests/x.py", hunks=[(0, 0, 3)])]))
    Size(removed=1, added=5, tests=True)
    """
    hunks = [hunk for file in diff.files for hunk in file.hunks]
    names = [name for file in diff.files for name in (file.old, file.new) if name is not None]
    return Size(sum(hunk[1] for hunk in hunks), sum(hunk[2] for hunk in hunks), any(map(TESTS.search, names)))


def corrective(commit: Commit, of: Collection[str], lines: int, size: Size, delay_s: float) -> bool | None:
    """Whether a commit that rewrote `lines` lines of a change mended a fault in it (True), did something else (False), or
    cannot be told (None). `of`: the commits that carried the change. `delay_s`: since the change landed.

    True where the message names the change's commit in a revert or `Fixes:` line; or where it says that it fixes something,
    came within 30 days, and either touches tests or is small (60 lines) with at least half of what it removed in this
    change. False where the message says by convention that it is something else (`feat:`, `refactor:`, ...) and no fix. A
    message alone is no evidence: a fix may be of something else and pass through these lines.
    """
    named = [name.decode() for pattern in (REVERTS, FIXES) for name in pattern.findall(commit.message)]
    if any(sha.startswith(name) for name in named for sha in of):
        return True
    convention = CONVENTION.match(commit.subject)
    kind = convention[1].lower() if convention else ""
    says = kind in MENDS or (kind not in ADAPTS and FIX.search(commit.subject) is not None)
    if not says:
        return False if kind in ADAPTS else None
    inside = size.removed + size.added <= SMALL and 2 * lines >= size.removed
    return True if delay_s <= SOON * 60 and (inside or size.tests) else None


@dataclass(frozen=True, slots=True)
class Revert:
    """Commit `by` reverts commit `of` (positions). `stands`: nothing reverted that revert in turn."""

    by: int
    of: int
    stands: bool


@dataclass(frozen=True, slots=True)
class Correction:
    """Commit `by`, whose subject says it fixes something, removed `lines` lines of commit `of` within 30 days."""

    by: int
    of: int
    lines: int


def reverts(commits: Sequence[Commit]) -> list[Revert]:
    """The reverts whose target is an earlier commit of this history; a message that names another is not one."""
    order = sorted((commit.sha, at) for at, commit in enumerate(commits))
    shas = [sha for sha, _ in order]
    found = []
    for at, commit in enumerate(commits):
        for name in dict.fromkeys(REVERTS.findall(commit.message)):
            prefix = name.decode()
            low, high = bisect_left(shas, prefix), bisect_right(shas, prefix + "g")
            if high - low == 1 and order[low][1] < at:
                found.append((at, order[low][1]))
    undone: set[int] = set()  # positions of commits that a standing later revert undid
    standing: dict[tuple[int, int], bool] = {}
    for by, of in sorted(found, reverse=True):
        standing[by, of] = by not in undone
        if standing[by, of]:
            undone.add(of)
    return [Revert(by, of, standing[by, of]) for by, of in found]


def corrections(walk: Walk, group: Sequence[str | None]) -> list[Correction]:
    """Fixes that removed lines of an earlier, other commit within 30 days of its landing; merges aside."""
    ledger, commits = walk.ledger, walk.commits
    fixes = {at for at, commit in enumerate(commits) if group[at] is not None and FIX.search(commit.subject)}
    landed = landings(commits, walk.chain)
    found = []
    for of in range(ledger.walked):
        if group[of] is None or landed[of] < 0:
            continue
        lines = ledger.lines_of(of)
        latest = walk.chain_minute[landed[of]] + SOON
        counts: dict[int, int] = {}
        cut = slice(lines.start, lines.stop)
        for by, minute, flag in zip(ledger.killer[cut], ledger.died[cut], ledger.landed[cut], strict=True):
            if by in fixes and by != of and (minute <= latest or not flag):
                counts[by] = counts.get(by, 0) + 1
        found += [Correction(by, of, count) for by, count in counts.items()]
    return found


def reworked_files(walk: Walk, top: int = 10) -> list[tuple[str, int]]:
    """The files with most commits that removed lines from them: (path, commits)."""
    ranked = sorted(
        ((path, len(by)) for path, by in walk.ledger.kills.items() if followed(path)), key=lambda each: (-each[1], each[0])
    )
    return [(path.decode("utf-8", "backslashreplace"), count) for path, count in ranked[:top]]
