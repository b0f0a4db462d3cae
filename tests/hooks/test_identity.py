"""Which change a commit carries, where two come together in it."""

from __future__ import annotations

import itertools

import pytest

from git_hone.hooks.identity import Arrival, Known, identify


@pytest.mark.parametrize(
    ("first", "second"),
    [(7.9, 8.0), (7.3, 7.0), (7.0, 7.3), (7.0, 7.0), (float("inf"), float("inf"))],
    ids=["by the second", "the hook's word of the second is late", "of the first", "of both", "both seen at once"],
)
def test_in_a_squash_the_elder_change_lives_on(first: float, second: float) -> None:
    """Whatever their ids are: within a second the one that the other's commit descends from is the elder."""
    for one, two in itertools.permutations(("a", "b")):
        known = {
            one: Known(one, "c1", frozenset({1, 2}), first, False),
            two: Known(two, "c2", frozenset({3, 4}), second, False),
        }
        squash = Arrival("s", frozenset({1, 2, 3, 4}))
        found = identify([squash], known, lambda old, new: (old, new) == ("c1", "c2"), lambda commit: commit)
        assert (found["s"].change, found["s"].absorbs, found["s"].kind) == (one, [two], "squash")
