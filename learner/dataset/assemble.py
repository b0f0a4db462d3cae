"""Rows of changes -> a data set: duplicates out, the suite out, the best that fit, two sides. In this order, each loss counted. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from git_hone.learner.dataset import decontaminate, minhash
from git_hone.learner.dataset.rows import Left, Role, Row
from git_hone.learner.dataset.splits import Item, Split, split

SIDES: Final = ("train", "val")


class Suite(NamedTuple):
    """What an evaluation asks. texts: (task id, text); commits: those that tasks were made of."""

    texts: Sequence[tuple[str, str]] = ()
    commits: Collection[str] = ()


@dataclass(frozen=True)
class Dataset:
    """rows: of each side, oldest first. left: what is not in it, in order of id. common: n-grams shared with the suite that stand in so many
    rows that they were passed over."""

    rows: dict[str, list[Row]]
    left: list[Left]
    split: Split
    common: int = 0

    @property
    def all(self) -> list[Row]:
        return [row for side in SIDES for row in self.rows[side]]


def assemble(rows: Iterable[Row], suite: Suite, limit: int) -> Dataset:
    """A data set of at most `limit` rows for each role and use. Of near-duplicates the one with the highest reward stays, then the newest."""
    left: list[Left] = []
    kept: list[Row] = []
    for group in _grouped(rows):
        unlike = _unlike(group, left)
        kept += unlike
    clean, common = _decontaminated(kept, suite, left)
    fitting: list[Row] = []
    for group in _grouped(clean):
        fitting += group[:limit]
        left += [Left(row.id, row.change, "over_limit", row.role) for row in group[limit:]]
    sides = split(_items(fitting))
    left += [Left(row.id, row.change, "held_out", row.role) for row in fitting if row.change in sides.held]
    ordered = sorted(fitting, key=lambda row: (row.at, row.id))
    of_side = {
        name: [row for row in ordered if row.change in ids] for name, ids in zip(SIDES, (sides.train, sides.val), strict=True)
    }
    return Dataset(of_side, sorted(left, key=lambda one: (one.id, one.role or "", one.reason)), sides, common)


def _grouped(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each role and use, each id once, the most wanted first."""
    groups: dict[tuple[Role, str], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row.role, row.use), {})[row.id] = row
    return [sorted(groups[key].values(), key=lambda row: row.order) for key in sorted(groups)]


def _unlike(group: Sequence[Row], left: list[Left]) -> list[Row]:
    by_id = {row.id: row for row in group}
    for one in minhash.duplicates([(row.id, row.essence) for row in group]):
        row = by_id.pop(one.dropped)
        left.append(Left(row.id, row.change, "near_duplicate", row.role, f"{one.alike:.2f} {one.kept}"))
    return list(by_id.values())


def _decontaminated(rows: Sequence[Row], suite: Suite, left: list[Left]) -> tuple[list[Row], int]:
    made_of = {row.id for row in rows if row.provenance["commit"] in suite.commits}
    left += [Left(row.id, row.change, "in_suite", row.role, "a task is made of this commit") for row in rows if row.id in made_of]
    rest = [row for row in rows if row.id not in made_of]
    met, common = decontaminate.overlaps([(row.id, row.essence) for row in rest], suite.texts)
    shared = {one.row: one for one in met}
    left += [
        Left(row.id, row.change, "in_suite", row.role, f"{shared[row.id].task}: {shared[row.id].gram}")
        for row in rest
        if row.id in shared
    ]
    return [row for row in rest if row.id not in shared], common


def _items(rows: Iterable[Row]) -> list[Item]:
    """One item for each change: all that is made of it goes to one side."""
    found: dict[str, Item] = {}
    for row in rows:
        known = found.get(row.change)
        found[row.change] = Item(row.change, row.at, row.families | (known.families if known else frozenset()))
    return list(found.values())
