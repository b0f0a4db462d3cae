"""`git hone route` without click: for calls that are as they should be. Whatever else there is (help, a mistake, a task on standard
input) is left to the command itself, which says it better."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

VALUES: Final = ("--task", "--file", "--kind", "--difficulty", "--budget")
FLAGS: Final = ("--dry-run", "--json")


def route(argv: list[str]) -> bool:
    """Answer, and say so; False, with nothing printed and nothing on record, when the command itself should."""
    given = _read(argv)
    if given is None:
        return False
    from git_hone.ci import choosing
    from git_hone.cli import answer
    from git_hone.hooks.place import plain
    from git_hone.learner.errors import HoneError

    values, flags = given
    budget = values.get("--budget", [None])[-1]
    difficulty = values.get("--difficulty", [None])[-1]
    try:
        usd = None if budget is None else float(budget)
        if (usd is not None and not 0 <= usd <= 1_000_000) or (difficulty and difficulty not in choosing.DIFFICULTIES):
            return False
        place = plain(Path.cwd())
        if place is None:
            return False
        decided = choosing.choose(
            place, place.agent, choosing.clean(values["--task"][-1]), files=values.get("--file", ()), kind=values.get("--kind", [None])[-1],
            difficulty=difficulty, budget_usd=usd, log="--dry-run" not in flags,
        )  # fmt: skip
    except (HoneError, ValueError):
        return False
    near = choosing.like(place, decided)
    sys.stdout.write((choosing.dumps(decided, near) if "--json" in flags else answer.words(decided, near)) + "\n")
    for note in decided.notes:
        sys.stderr.write(f"git-hone: {note}\n")
    return True


def _read(argv: list[str]) -> tuple[dict[str, list[str]], set[str]] | None:
    """(values by option, flags), None for anything out of the ordinary."""
    values: dict[str, list[str]] = {}
    flags: set[str] = set()
    words = iter(argv)
    for word in words:
        name, sign, value = word.partition("=")
        if name in FLAGS and not sign:
            flags.add(name)
        elif name in VALUES:
            found = value if sign else next(words, None)
            if found is None or found.startswith("-"):
                return None
            values.setdefault(name, []).append(found)
        else:
            return None
    return (values, flags) if values.get("--task", [""])[-1].strip() else None
