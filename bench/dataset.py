"""What becomes of a real history in an export: how many rows are near-duplicates, how the split falls, and how long it takes.

    python -m bench.dataset REPOSITORY [--json] [--commits 2000]

Takes the Python files of the newest commits, as if an agent had written them all and all had stood, with the commit message as the task.
So it measures what an export does to rows, not what it chooses: a REPOSITORY needs no records. A `*_share` is of the rows; seconds are CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import scratch
from git_hone.hooks import commits as history
from git_hone.hooks import git
from git_hone.hooks.redaction import Redactor
from git_hone.learner.dataset.assemble import Suite, assemble
from git_hone.learner.dataset.rows import LONGEST, ROLES, Source, Text, rows_of, spec_of


def sources(repository: Path, n_commits: int) -> Iterator[Source]:
    """One for each commit that has a message and a Python file that is not too long."""
    ids = git.text(git.run(["rev-list", "--no-merges", f"-{n_commits}", "HEAD"], repository)).split()
    clean = Redactor()
    with git.cat_file(repository) as objects:
        for commit in history.read(repository, ids, repository):
            spec = spec_of([], commit.message.decode("utf-8", "replace"))
            texts = []
            for file in commit.files or ():
                blobs = objects.blobs([name for name in (file.before, file.after) if name and file.path.endswith(".py")])
                read = {name: clean.code((raw or b"").decode("utf-8", "replace"), file.path) for name, raw in blobs.items()}
                if file.after in read and len(read[file.after]) <= LONGEST:
                    texts.append(Text(file.path, read.get(file.before), read[file.after], 1))
            if spec and texts:
                yield Source(commit.id, commit.id, commit.at, *spec, tuple(texts), 1.0, True, facts="it stood")


def measure(repository: Path, n_commits: int) -> dict[str, Any]:
    start = time.process_time()
    read = list(sources(repository, n_commits))
    gathered = time.process_time()
    rows = [row for source in read for row in rows_of(source, ROLES)[0]]
    made = time.process_time()
    data = assemble(rows, Suite(), len(rows))
    done = time.process_time()
    left = Counter(one.reason for one in data.left)
    return {
        "commits_used": len(read), "rows": len(rows),
        "near_duplicate_share": left["near_duplicate"] / len(rows), "held_out_share": left["held_out"] / len(rows),
        "train_changes": len(data.split.train), "val_changes": len(data.split.val), "held_changes": len(data.split.held),
        "gather_s": gathered - start, "rows_s": made - gathered, "assemble_s": done - made,
    }  # fmt: skip


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("repository", type=Path)
    words.add_argument("--json", action="store_true")
    words.add_argument("--commits", type=int, default=2000)
    given = words.parse_args(argv)
    return scratch.tell(measure(given.repository, given.commits), given.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
