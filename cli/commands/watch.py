"""`git hone watch FILE...`: see what a person makes of a file while they do it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--every", default=5.0, show_default=True, type=click.FloatRange(min=0.05), help="Seconds between two looks.")
@click.option("--until", default=None, type=click.FloatRange(min=0.0), help="Stop after so many seconds; else Ctrl-C stops.")
def command(files: tuple[Path, ...], every: float, until: float | None) -> int:
    """Look at files every few seconds and note each state that no agent's tool call left.

    Between an agent's edit and the commit a person may change a line twice; the commit shows only the last state. Watched
    files keep the steps, so that whose lines they are stays known. A formatter's change looks like a person's here: what
    counts is compared at the commit, with white space left aside.

    \b
    Example:
      git hone watch src/io.py src/table.py
    """
    from git_hone.hooks import inbox
    from git_hone.hooks.capture import blobs_of
    from git_hone.hooks.place import find
    from git_hone.hooks.worker import drain_now

    place = find(Path.cwd())
    if not place.inbox.is_dir():
        raise click.UsageError("git-hone is not installed here; run `git hone init`")
    names = [str(file) for file in files]
    last = blobs_of(place, Path.cwd(), names)
    if not last:
        raise click.UsageError("none of these files lies in this repository's work tree")
    end = None if until is None else time.monotonic() + until
    seen = 0
    try:
        while end is None or time.monotonic() < end:
            time.sleep(every if end is None else max(0.0, min(every, end - time.monotonic())))
            now = blobs_of(place, Path.cwd(), names)
            changed = {path: blob for path, blob in now.items() if blob != last.get(path)}
            last = now
            if changed:
                seen += len(changed)
                body = {"event": "state", "source": "watch"}
                fields = {"root": str(place.top), "git": str(place.git_dir), "blobs": json.dumps(changed), "tree": ""}
                inbox.put_payload(place.inbox, "generic", fields, json.dumps(body).encode())
                drain_now(place)
                for path in changed:
                    click.echo(f"changed  {path}")
    except KeyboardInterrupt:
        pass
    click.echo(f"{seen} change(s) noted", err=True)
    return 0
