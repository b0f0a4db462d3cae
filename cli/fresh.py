"""The place a command was called in, with everything pending made visible first."""

from __future__ import annotations

from pathlib import Path

from git_hone.hooks.place import Place, find


def fresh_place() -> Place:
    """The place of the current folder, drained when something waits. Raises UsageError outside a repository."""
    from git_hone.hooks.inbox import pending

    place = find(Path.cwd())
    if pending(place.inbox):
        from git_hone.hooks.worker import drain_now

        drain_now(place)
    return place
