"""The place a command was called in, with everything pending made visible first."""

from __future__ import annotations

from pathlib import Path

import click

from git_hone.hooks.place import Place, find
from git_hone.learner.errors import DataError


def fresh_place(*, aged: bool = False) -> Place:
    """The place of the current folder, drained when something waits. Raises UsageError outside a repository.

    `aged`: outcomes that come with time are looked for too, when that was not done within a day.

    Where nothing can be written (a read-only checkout, a full disk) what was recorded is answered, and a line on standard
    error says that it is not all.
    """
    from git_hone.hooks.drain import behind

    place = find(Path.cwd())
    if place.hone.is_dir():
        try:
            if behind(place):
                from git_hone.hooks.worker import drain_now

                drain_now(place)
            if aged:
                from git_hone.hooks.aging import age

                age(place, wait_s=0.0)
        except DataError as error:
            click.echo(f"git-hone: not all is recorded yet: {error.message}", err=True)
    return place
