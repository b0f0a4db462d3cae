"""Run the walk of lines over a repository: git's diffs in, the walk's state kept in a file from one time to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git, place
from git_hone.hooks.history import diffs, snapshot
from git_hone.hooks.history.commits import Commit
from git_hone.hooks.history.walk import Walk

Progress = Callable[[str, int, int], None]
SAVE_SECONDS: Final = 5.0


def walked(cwd: Path, commits: list[Commit], saved: Path, progress: Progress, now: datetime, *, texts: bool = False) -> Walk:
    """The finished walk over `commits`, begun anew or where an earlier call left off. `texts`: with the diff that the record
    is made by, and lines followed through changes of layout; always the same for one file `saved`."""
    now_minute = int(now.timestamp() // 60)
    walk = snapshot.load(saved, commits, now_minute) or Walk(commits, now_minute)
    start = walk.ledger.walked
    if start == len(commits):
        return walk
    todo = commits[start:]
    merges = diffs.merge_changes(cwd, [(each.sha, each.parents[0]) for each in todo if len(each.parents) > 1])
    stream = diffs.patches(cwd, [each.sha for each in todo], frozenset(each.sha for each in todo if each.edge), texts)
    try:
        for _ in _stepped(walk, stream, merges, progress, saved):
            pass
    finally:
        stream.close()
        merges.close()
        if walk.is_whole:
            snapshot.save(saved, walk)
    return walk


def _stepped(
    walk: Walk, stream: Iterable[diffs.CommitDiff], merges: Iterator[Any], progress: Progress, saved: Path
) -> Iterator[None]:
    last_save = last_word = time.monotonic()
    cost = 0.0
    for diff in stream:
        commit = walk.commits[walk.ledger.walked]
        walk.step(diff, next(merges, (None, None))[1] if len(commit.parents) > 1 else None)
        clock = time.monotonic()
        if clock - last_word > 0.1:
            progress("following lines", walk.ledger.walked, len(walk.commits))
            last_word = clock
        if clock - last_save > max(SAVE_SECONDS, 10 * cost):
            snapshot.save(saved, walk)
            last_save = time.monotonic()
            cost = last_save - clock
        yield


def observed_until(here: place.Place, commits: list[Commit], now: datetime) -> datetime:
    """Until when this clone knows what became of its lines: now in a repository without remotes; else its newest commit or
    its last fetch, for what happened at the remote since then is not here."""
    newest = max((commit.time for commit in commits), default=0)
    if here.top is not None and not git.line(["remote"], here.cwd):
        return now
    with suppress(OSError):
        newest = max(newest, int((here.git_dir / "FETCH_HEAD").stat().st_mtime))
    return min(now, datetime.fromtimestamp(newest, timezone.utc))
