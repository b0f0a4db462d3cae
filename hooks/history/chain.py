"""The default branch as a line of time: when each of its commits came, and what came into it by which. Pure."""

from __future__ import annotations

from array import array

from git_hone.hooks.history.commits import Commit


def chain_seconds(commits: list[Commit], chain: list[int], now: float) -> dict[int, int]:
    """Commit position -> seconds since 1970, along the default branch: never backwards, never later than now.

    >>> made = [Commit("", (), "", at, "", "", "", b"", False) for at in (100, 50, 900)]
    >>> chain_seconds(made, [0, 1, 2], 500)
    {0: 100, 1: 100, 2: 500}
    """
    seconds: dict[int, int] = {}
    high = 0
    for at in chain:
        high = max(high, min(commits[at].time, int(now)))
        seconds[at] = high
    return seconds


def chain_minutes(commits: list[Commit], chain: list[int], now_minute: int) -> dict[int, int]:
    """The same in whole minutes."""
    return {at: second // 60 for at, second in chain_seconds(commits, chain, now_minute * 60).items()}


def landings(commits: list[Commit], chain: list[int]) -> array[int]:
    """For each commit the position of the commit that brought it into the default branch; -1 for none."""
    position = {commit.sha: at for at, commit in enumerate(commits)}
    landed = array("i", [-1]) * len(commits)
    for step in chain:
        todo = [step]
        while todo:
            at = todo.pop()
            if landed[at] < 0:
                landed[at] = step
                todo += [position[parent] for parent in commits[at].parents if parent in position]
    return landed
