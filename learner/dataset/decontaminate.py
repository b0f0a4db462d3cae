"""Which rows hold what a suite asks: a model that has seen the answers of its examination has not passed it. Pure.

A row is contaminated when it shares `N` tokens in a row with a task (its prompt, its solution, its tests). What stands in many rows is
how this repository writes, such as a licence or its imports, and no answer: an n-gram of more than `COMMON_ROWS` rows, and more than
`COMMON_SHARE` of them, is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from git_hone.learner.dataset.minhash import grams

N: Final = 12
COMMON_ROWS: Final = 10
COMMON_SHARE: Final = 0.05


class Overlap(NamedTuple):
    """`row` shares `gram` with the task `task` (the first one found, in the row's order)."""

    row: str
    task: str
    gram: str


def overlaps(rows: Sequence[tuple[str, str]], suite: Iterable[tuple[str, str]]) -> tuple[list[Overlap], int]:
    """(id, text) of rows and of a suite's tasks -> the rows that share an n-gram with a task, and how many n-grams were passed over as
    common.

    >>> text = " ".join(f"w{k}" for k in range(14))
    >>> overlaps([("r1", f"before {text} after"), ("r2", "something else")], [("t1", text)])[0]
    [Overlap(row='r1', task='t1', gram='w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11')]
    """
    index: dict[str, str] = {}
    for task, text in suite:
        for gram in grams(text, N):
            index.setdefault(gram, task)
    if not index:
        return [], 0
    met = [[gram for gram in grams(text, N) if gram in index] for _, text in rows]
    often = Counter(gram for those in met for gram in set(those))
    common = {gram for gram, n in often.items() if n > COMMON_ROWS and n > COMMON_SHARE * len(rows)}
    found = []
    for (name, _), those in zip(rows, met, strict=True):
        first = next((gram for gram in those if gram not in common), None)
        if first is not None:
            found.append(Overlap(name, index[first], first))
    return found, len(common)
