"""What a partial clone lacks, and where it comes from. Asks git, and with it the remote."""

from __future__ import annotations

from typing import Final

from git_hone.hooks import git, notes
from git_hone.hooks.place import Place

LAZY: Final = {"GIT_NO_LAZY_FETCH": "0"}
"""The environment in which a partial clone may ask its remote for what it lacks."""


def remote_of(place: Place) -> str | None:
    """`origin`, else the first remote by name; None without one."""
    names = (git.line(["remote"], place.cwd) or "").split("\n")
    return "origin" if "origin" in names else names[0] or None


def is_partial(place: Place) -> bool:
    """Whether a remote promised objects that are not here."""
    return git.attempt(["config", "--get-regexp", r"^remote\..*\.promisor$"], place.cwd) is not None


def fetch_notes(place: Place, commits: set[str]) -> None:
    """In a partial clone a notes ref comes without its contents: fetch those of these commits, all at once."""
    blobs = set()
    for ref in notes.existing(place.cwd):
        rows = git.text(git.attempt(["ls-tree", "-r", "-z", ref], place.cwd, env=LAZY) or b"").split("\0")
        blobs |= {
            row[:tab].split(" ")[2] for row in rows if (tab := row.find("\t")) > 0 and row[tab + 1 :].replace("/", "") in commits
        }
    if blobs and (remote := remote_of(place)):
        quietly = ["--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"]
        args = ["-c", "fetch.negotiationAlgorithm=noop", "fetch", *quietly]
        git.attempt([*args, "--stdin", remote], place.cwd, stdin="".join(f"{blob}\n" for blob in blobs).encode())
