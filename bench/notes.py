"""What notes cost.

    python -m bench.notes [--json] [--notes 10000]

NOTES notes of one event each, on as many commits: written into an empty clone; joined with NOTES of another clone, of which
half are on the same commits; one more written to all of them; and all read. Then a `git hone sync` with a bare remote in
a folder, of both clones in turn. Wall seconds, once each; the number of lines is checked after each step.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench import scratch
from git_hone.hooks import git, notes
from git_hone.hooks.place import find
from git_hone.hooks.sync import sync


def measure(count: int = 10_000) -> dict[str, Any]:
    with scratch.home() as (folder, _):
        git.run(["init", "-q", "--bare", str(folder / "remote")], folder)
        one, two = (folder / name for name in ("one", "two"))
        for clone in (one, two):
            git.run(["init", "-q", str(clone)], folder)
            git.run(["remote", "add", "origin", (folder / "remote").as_uri()], clone)
        commits = [hashlib.sha1(str(k).encode()).hexdigest() for k in range(count + count // 2)]  # noqa: S324 - git's own
        result: dict[str, Any] = {"notes": count}
        notes.write(two, _events(commits[count // 2 :], "two"), 1.7e9)
        result["write_s"] = _seconds(lambda: notes.write(one, _events(commits[:count], "one"), 1.7e9))
        _check(one, commits, count)
        result["write_one_more_s"] = _seconds(lambda: notes.write(one, _events(commits[:1], "more"), 1.7e9))
        result["read_s"] = _seconds(lambda: notes.read(one, commits[:count]))
        result["sync_first_s"] = _seconds(lambda: sync(find(one)))
        tip = git.line(["rev-parse", notes.REF], two) or ""
        git.run(["fetch", "-q", str(two), f"{notes.REF}:refs/hone/other"], one)
        result["join_s"] = _seconds(lambda: notes.join(one, notes.REF, {}, [tip]))
        _check(one, commits, 2 * count + 1)
        result["joined_notes_per_s"] = round(count / result["join_s"])
        result["sync_join_s"] = _seconds(lambda: sync(find(two)))
        _check(two, commits, 2 * count + 1)
        result["sync_nothing_new_s"] = _seconds(lambda: sync(find(two)))
        return result


def _events(commits: list[str], who: str) -> Mapping[str, list[dict[str, Any]]]:
    """An event of the usual size for each commit."""
    text = "0123456789abcdef" * 30
    return {name: [{"v": 1, "id": f"x{who}{name[:20]}", "type": "bench", "commit": name, "text": text}] for name in commits}


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return round(time.perf_counter() - start, 3)


def _check(cwd: Path, commits: list[str], lines: int) -> None:
    found = sum(len(notes.events(text)) for text in notes.read(cwd, commits).values())
    if found != lines:
        raise ValueError(f"{cwd.name}: {found} lines, {lines} were written")


def main(argv: list[str]) -> int:
    return scratch.run(__doc__, measure, argv, notes=10_000)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
