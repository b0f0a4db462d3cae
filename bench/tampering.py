"""How often people's own commits are flagged, and what judging a diff costs.

    python -m bench.tampering REPOSITORY [--limit 2000] [--show KIND]

Judges each commit of REPOSITORY against its first parent (merges left out), the newest LIMIT, and prints the share that is
flagged, by kind. Agents' commits (by trailers and identities) are left out, so what is flagged here was done by people, mostly
for good reasons: the share is what a flag costs in false alarms. CPU is this process's own, for the judging alone: contents are
read before the clock starts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from git_hone.hooks import commits as history
from git_hone.hooks import git
from git_hone.hooks.flags import MAX_FILES
from git_hone.hooks.history.claims import claims
from git_hone.hooks.paths import unquote
from git_hone.hooks.tampering import FileChange, Flag, judge
from git_hone.learner.evidence import NOTED_FLAGS

BASE_RATE = 8.1
"""Per cent of human commits with such signs, as measured before this detector: what its own share is put beside."""


def measure(repository: Path, limit: int = 2000) -> tuple[dict[str, Any], list[tuple[str, Flag]]]:
    """Shares in per cent of the commits judged, CPU in milliseconds a commit, and each (commit, flag)."""
    common = Path(git.line(["rev-parse", "--path-format=absolute", "--git-common-dir"], repository) or repository)
    names = (git.line(["rev-list", "--no-merges", f"--max-count={limit}", "HEAD"], repository) or "").split()
    kinds: Counter[str] = Counter()
    times: list[float] = []
    found: list[tuple[str, Flag]] = []
    agents = vetoed = flagged = 0
    with git.cat_file(common) as objects:
        for commit in history.read(common, names, common):
            if claims(commit.message, commit.author, commit.author_email, commit.committer_email):
                agents += 1
                continue
            files = []
            for f in (commit.files or [])[:MAX_FILES]:
                if f.mode.startswith("100") or not f.after:
                    before = objects.blob(f.before) if f.before else None
                    after = objects.blob(f.after) if f.after else None
                    path, old = (git.text(unquote(name)) for name in (f.path, f.old))
                    files.append(FileChange(path, old if before is not None and old != path else None, before, after))
            start = time.process_time()
            flags = judge(files)
            times.append((time.process_time() - start) * 1000)
            kinds.update({flag.kind for flag in flags})
            flagged += bool(flags)
            vetoed += any(flag.kind not in NOTED_FLAGS for flag in flags)
            found += [(commit.id, flag) for flag in flags]
    n = len(times)
    times.sort()
    return {
        "commits": n,
        "agents_left_out": agents,
        "flagged_pct": round(100 * flagged / n, 2),
        "vetoing_pct": round(100 * vetoed / n, 2),
        "base_rate_pct": BASE_RATE,
        "kinds_pct": {kind: round(100 * k / n, 2) for kind, k in kinds.most_common()},
        "cpu_ms": {"mean": round(sum(times) / n, 2), "p95": round(times[int(n * 0.95)], 2), "max": round(times[-1], 2)},
    }, found


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("repository", type=Path)
    words.add_argument("--limit", type=int, default=2000)
    words.add_argument("--show", metavar="KIND", help="print each flag of this kind (all: every one)")
    given = words.parse_args(argv)
    result, found = measure(given.repository, given.limit)
    for commit, flag in found if given.show else ():
        if given.show in ("all", flag.kind):
            print(f"{commit[:10]} {flag.kind} {flag.path}:{flag.line or ''} {flag.detail}")
    for name, value in result.items():
        print(f"{name:16} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
