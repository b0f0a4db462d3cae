"""A process that forks children which work on a store and may be killed; started by test_crash.py.

Importing pyarrow takes longer than the work, so this process imports once and forks for each order on its standard input:
`WORK ROOT SEED DIE_AT KILL_AFTER`. It hands on what the child says, then says `dead STATUS`. A child with DIE_AT > 0 kills
itself at its DIE_AT-th touch of the store (an open, rename, removal or new folder); one with KILL_AFTER >= 0 is killed after
so many seconds of its own CPU time, by the kernel, so that a busy machine does not kill it before it did anything.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401 - imported before the fork
import pyarrow.compute
import pyarrow.parquet  # noqa: F401 - imported before the fork

from git_hone.learner.store import Store

START = datetime(2026, 3, 28, tzinfo=timezone.utc)


def say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


def rows(seed: int, number: int) -> list[dict[str, Any]]:
    """The batch of that number: three events of two keys, on both sides of the end of a month."""
    names = [f"{seed}-{number}-{k}" for k in range(3)]
    return [
        {"record_id": name, "recorded_at": START + timedelta(days=2 * k), "run_id": f"{seed}-{number}-{k % 2}", "tokens_in": 1}
        for k, name in enumerate(names)
    ]


def append(store: Store, seed: int, count: int = 1000) -> None:
    for number in range(count):
        store.append("runs", rows(seed, number))
        say(f"ack {seed}-{number}")
        if random.Random(seed * 1000 + number).random() < 0.1:
            store.compact(min_files=3)


def write(store: Store, seed: int) -> None:
    append(store, seed, 25)


def one(store: Store, seed: int) -> None:
    append(store, seed, 1)


def compact(store: Store, seed: int) -> None:
    say(f"compacted {store.compact(min_files=2).merged}")


WORK = {"append": append, "write": write, "one": one, "compact": compact}


def die_at(root: str, countdown: int) -> None:
    left = [countdown]

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in {"open", "os.rename", "os.remove", "os.mkdir"} and str(args[0]).startswith(root):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main() -> None:
    for line in sys.stdin:
        work, root, seed, countdown, kill_after = line.split("\t")
        child = os.fork()
        if not child:
            if int(countdown):
                die_at(root, int(countdown))
            if float(kill_after) >= 0:
                signal.setitimer(signal.ITIMER_PROF, max(float(kill_after), 1e-6))
            WORK[work](Store(Path(root)), int(seed))
            os._exit(0)
        say(f"dead {os.waitpid(child, 0)[1]}")


if __name__ == "__main__":
    main()
