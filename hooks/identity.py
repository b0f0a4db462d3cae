"""Which change a commit carries.

A change is the set of atoms (lines that tool calls wrote) that it brought in. When atoms of a known change turn up in a
commit that does not descend from the change's own commit, the change has moved there: amend, rebase, squash, cherry-pick,
soft reset, forge merge alike. git's own word (post-rewrite, CHERRY_PICK_HEAD) is the second witness and decides where
atoms alone would not. Several changes in one commit become one, the eldest; the others are superseded by it. Where only
part of a change turns up, the larger part keeps the id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Atoms = frozenset[int]
Kind = Literal["commit", "amend", "rebase", "squash", "pick", "recommit", "import"]


@dataclass(frozen=True)
class Known:
    """A change as recorded: its atoms, the commit that carries it, and whether a name still leads there."""

    id: str
    commit: str
    atoms: Atoms
    born: float
    reachable: bool


@dataclass(frozen=True)
class Arrival:
    """A commit that brings atoms in. linked: the commits it rewrites, by git's own word, and how (`rebase`, `amend`, `pick`).
    reachable: whether a name leads to it; a hook may have seen a commit that is gone by now."""

    commit: str
    atoms: Atoms
    reachable: bool = True
    linked: Mapping[str, Kind] = field(default_factory=dict)


@dataclass
class Verdict:
    """What a commit is: the change it carries, what that change absorbs, and how it came here."""

    change: str
    kind: Kind
    absorbs: list[str] = field(default_factory=list)
    moved_from: str | None = None


def identify(
    arrivals: list[Arrival], known: Mapping[str, Known], descends: Callable[[str, str], bool], fresh: Callable[[str], str]
) -> dict[str, Verdict]:
    """Commit -> verdict. arrivals: parents first. descends(old, new): `old` is an ancestor of `new`. fresh(commit): the
    id of a change that first appears there."""
    pool = dict(known)
    own: dict[str, str] = {}
    choice = _choose(arrivals, list(known.values()), descends, own)
    verdicts: dict[str, Verdict] = {}
    for order, arrival in enumerate(arrivals):
        came = _eldest_first([pool[name] for name, (_, commit) in choice.items() if commit == arrival.commit], descends)
        mine = own.get(arrival.commit)
        if mine is not None:
            verdicts[arrival.commit] = Verdict(mine, "squash" if came else "commit", [change.id for change in came])
        elif came:
            verdicts[arrival.commit] = Verdict(came[0].id, _kind(arrival, came), [c.id for c in came[1:]], came[0].commit)
        elif arrival.atoms:
            change = Known(fresh(arrival.commit), arrival.commit, arrival.atoms, float("inf"), arrival.reachable)
            verdicts[arrival.commit] = Verdict(change.id, "commit")
            if change.id not in pool:  # later arrivals may already carry what came with this one
                pool[change.id] = change
                choice |= _choose(arrivals[order + 1 :], [change], descends, own)
    return verdicts


def _eldest_first(came: list[Known], descends: Callable[[str, str], bool]) -> list[Known]:
    """By the second in which they were born, as a hook's word brings fractions of it that git's own time has not; within one, a change
    stands behind those that its commit descends from."""
    if len(came) < 2:
        return came
    second = {change.id: min(change.born, 1e15) // 1 for change in came}
    behind = {
        change.id: sum(
            second[other.id] == second[change.id] and other.id != change.id and descends(other.commit, change.commit)
            for other in came
        )
        for change in came
    }
    return sorted(came, key=lambda change: (second[change.id], behind[change.id], change.born, change.id))


def _choose(
    arrivals: list[Arrival], changes: list[Known], descends: Callable[[str, str], bool], own: dict[str, str]
) -> dict[str, tuple[tuple[bool, bool, int, int], str]]:
    """Change -> (rank, the commit that it moved to)."""
    choice: dict[str, tuple[tuple[bool, bool, int, int], str]] = {}
    for order, arrival in enumerate(arrivals):
        for change in changes:
            shared = len(change.atoms & arrival.atoms)
            link = arrival.linked.get(change.commit)
            if change.commit == arrival.commit:
                own[arrival.commit] = change.id
                continue
            if not shared and link in (None, "pick"):
                continue
            if change.reachable and (shared * 2 < len(change.atoms) or descends(change.commit, arrival.commit)):
                continue
            rank = (shared * 2 > len(change.atoms), link is not None, shared, order)
            if change.id not in choice or rank > choice[change.id][0]:
                choice[change.id] = (rank, arrival.commit)
    return choice


def _kind(arrival: Arrival, came: list[Known]) -> Kind:
    if len(came) > 1:
        return "squash"
    link = arrival.linked.get(came[0].commit)
    if link:
        return link
    return "pick" if came[0].reachable else "recommit"
