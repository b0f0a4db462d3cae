"""Train and validation, by time and by file family: a model is judged on later work on files it has not trained on. Pure.

Rows drawn at random would put two versions of one file on both sides, and a model would be praised for remembering. So nothing in the
validation part is older than anything in the training part, and no family of files is in both. What would break that is held out of both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

SHARE: Final = 0.1
GIVEN: Final = 0.05
"""Share of all items that training gives up at most, so that there is something to validate with."""
FEW: Final = 10
"""With fewer items than this there is no validation part: it would say nothing."""
GENERIC: Final = frozenset({"__init__", "__main__", "index", "main", "mod", "lib", "conftest", "readme", "setup", "package"})
_TEST: Final = re.compile(r"^tests?[_-]|[_-]tests?$|[_-]spec$")


class Item(NamedTuple):
    """What goes to one side as a whole: a change. at: seconds since 1970. families: of its files, at least one."""

    id: str
    at: float
    families: frozenset[str]


class Split(NamedTuple):
    """Three sets of ids without a common one. cut: what came after it is validation; None where there is none."""

    train: frozenset[str]
    val: frozenset[str]
    held: frozenset[str]
    cut: float | None


def family(path: str) -> str:
    """What a file belongs to: its name without ending and without the marks of a test; for a name that says nothing, its folder's.

    >>> [family(path) for path in ("src/parse.py", "tests/test_parse.py", "web/parse.spec.ts", "src/lexer/__init__.py", "README.md")]
    ['parse', 'parse', 'parse', 'lexer', 'readme']
    """
    folders = path.lower().split("/")
    name = folders.pop()
    stem = name.lstrip(".").split(".")[0] or name
    short = _TEST.sub("", stem) or stem
    return folders[-1] if short in GENERIC and folders and folders[-1] not in ("src", "lib", "tests", "test") else short


def split(items: Sequence[Item], share: float = SHARE) -> Split:
    """Cut off the newest `share` of the items, and make the families of both sides distinct.

    A family with items on both sides must give some up, which are held out. Late items whose families training does not know are for
    validation; then, while that is less than half of what was cut off, one by one those that cost training the fewest items, never more than
    `GIVEN` of all. What then is left on the late side is held out. Where nothing comes of it there is no validation part, and all is for
    training. The order of `items` does not matter.

    >>> made = split([Item(f"c{k}", k, frozenset({"old" if k < 18 else "new"})) for k in range(20)])
    >>> sorted(made.val), sorted(made.held), made.cut
    (['c18', 'c19'], [], 17)
    >>> made = split([Item(f"c{k}", k, frozenset({f"f{k % 10}"})) for k in range(20)])
    >>> sorted(made.val), sorted(made.held), len(made.train)
    (['c18'], ['c19', 'c8'], 17)
    """
    everything = frozenset(item.id for item in items)
    nothing = Split(everything, frozenset(), frozenset(), None)
    if len(items) < FEW:
        return nothing
    n_after = max(1, int(share * len(items)))
    cut = sorted((item.at for item in items), reverse=True)[n_after]
    early = [item for item in items if item.at <= cut]
    late = [item for item in items if item.at > cut]
    judged = _judged(early, late, n_after // 2, GIVEN * len(items))
    val = frozenset(item.id for item in late if item.families <= judged)
    train = frozenset(item.id for item in early if not item.families & judged)
    return Split(train, val, everything - train - val, cut) if val and train else nothing


def _judged(early: Sequence[Item], late: Sequence[Item], enough: int, most: float) -> frozenset[str]:
    """The families that are for validation: again and again those of the late item that costs training the fewest items."""
    touching: dict[str, set[str]] = {}
    for item in early:
        for name in item.families:
            touching.setdefault(name, set()).add(item.id)
    judged, lost, won = frozenset[str](), set[str](), 0
    left = sorted(late, key=lambda item: (item.at, item.id))
    while left:
        costs = [len(set().union(*(touching.get(name, ()) for name in item.families)) - lost) for item in left]
        least = min(costs)
        if least and (won >= max(1, enough) or len(lost) + least > most):
            break
        item = left.pop(costs.index(least))
        judged |= item.families
        lost = lost.union(*(touching.get(name, ()) for name in item.families))
        won += 1
    return judged
