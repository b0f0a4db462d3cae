"""The walk's state on disk, so that an interrupted walk goes on and a repository with a few new commits is not walked again.

One file: a line of JSON, then the arrays as they are in memory, then a SHA-256 of all before it. Written beside and
renamed. A file that is damaged, of another version, or of a history that was rewritten is not used and not an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from array import array
from pathlib import Path
from typing import Any, Final

from git_hone.hooks.history.commits import Commit
from git_hone.hooks.history.walk import NUMBERS, Ledger, State, Walk

VERSION: Final = 2


def prefix_digest(commits: list[Commit]) -> str:
    """What the walked commits are, in their order; a parent that a shallow clone cut off counts as another history."""
    told = hashlib.sha256()
    for commit in commits:
        told.update(commit.sha.encode() + bytes([commit.edge]))
    return told.hexdigest()


def chain_digest(walk: Walk) -> str:
    """When each walked commit of the default branch happened: with another branch or clock, lines lived otherwise."""
    walked = walk.ledger.walked
    chain = [(at, minute) for at, minute in walk.chain_minute.items() if at < walked]
    return hashlib.sha256(json.dumps(chain).encode()).hexdigest()


def save(path: Path, walk: Walk) -> None:
    """Write the walk's state to `path`, whole or not at all."""
    ledger = walk.ledger
    arrays: list[array[int]] = []
    place: dict[int, int] = {}
    states = [
        [at, [_entry(name, file[0], file[1], arrays, place) for name, file in state.items()]] for at, state in walk.states.items()
    ]
    head = {
        "version": VERSION,
        "byteorder": sys.byteorder,
        "walked": ledger.walked,
        "digest": prefix_digest(walk.commits[: ledger.walked]),
        "chain": chain_digest(walk),
        "lines": len(ledger.killer),
        "sizes": [len(lines) for lines in arrays],
        "states": states,
        "lost": list(ledger.lost.items()),
        "kills": [[os.fsdecode(name), list(kills.items())] for name, kills in ledger.kills.items()],
        "unreadable": ledger.unreadable,
        "joined": list(ledger.joined.items()),
        "undone": [[at, [[os.fsdecode(name), lines] for name, lines in each.items()]] for at, each in ledger.undone.items()],
    }
    parts = [json.dumps(head, separators=(",", ":")).encode() + b"\n", ledger.killer.tobytes(), ledger.died.tobytes()]
    parts += [bytes(ledger.landed), ledger.first.tobytes(), *(lines.tobytes() for lines in arrays)]
    told = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".tmp-{path.name}-{os.getpid()}")
    try:
        with beside.open("wb") as file:
            for part in parts:
                told.update(part)
                file.write(part)
            file.write(told.digest())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _entry(name: bytes, blob: bytes, lines: array[int], arrays: list[array[int]], place: dict[int, int]) -> list[Any]:
    if id(lines) not in place:
        place[id(lines)] = len(arrays)
        arrays.append(lines)
    return [os.fsdecode(name), blob.decode("ascii"), place[id(lines)]]


def load(path: Path, commits: list[Commit], now_minute: int) -> Walk | None:
    """The walk saved at `path`, ready to go on over `commits`; None when there is none that fits."""
    try:
        raw = path.read_bytes()
        body, told = memoryview(raw)[:-32], raw[-32:]
        if hashlib.sha256(body).digest() != told:
            return None
        end = raw.index(b"\n") + 1
        return _restored(json.loads(raw[:end]), body[end:], commits, now_minute)
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _restored(head: dict[str, Any], body: memoryview, commits: list[Commit], now_minute: int) -> Walk | None:
    walked = head["walked"]
    fits = head["version"] == VERSION and head["byteorder"] == sys.byteorder and walked <= len(commits)
    if not fits or head["digest"] != prefix_digest(commits[:walked]):
        return None
    at = 0

    def take(count: int) -> array[int]:
        nonlocal at
        part = array(NUMBERS, body[at : at + 4 * count].tobytes())
        at += 4 * count
        return part

    killer, died = take(head["lines"]), take(head["lines"])
    landed = bytearray(body[at : at + head["lines"]])
    at += head["lines"]
    first = take(walked + 1)
    arrays = [take(size) for size in head["sizes"]]
    states: dict[int, State] = {
        position: {os.fsencode(name): (blob.encode(), arrays[index]) for name, blob, index in entries}
        for position, entries in head["states"]
    }
    kills = {os.fsencode(name): dict(map(tuple, pairs)) for name, pairs in head["kills"]}
    ledger = Ledger(killer, died, landed, dict(map(tuple, head["lost"])), first, kills, head["unreadable"],
                    dict(map(tuple, head["joined"])),
                    {at: {os.fsencode(name): lines for name, lines in each} for at, each in head["undone"]})  # fmt: skip
    walk = Walk(commits, now_minute, ledger, states)
    needed = {walk.position[parent] for commit in commits[walked:] for parent in commit.parents if parent in walk.position}
    lacking = [at for at in needed if at < walked and at not in states]  # a branch from before, whose state was let go
    return walk if head["chain"] == chain_digest(walk) and not lacking else None
