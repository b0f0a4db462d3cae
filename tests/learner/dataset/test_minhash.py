"""MinHash against the exact similarity, and near-duplicates against comparing every pair."""

from __future__ import annotations

from random import Random

import pytest

from git_hone.learner.dataset.minhash import NEAR, N, duplicates, jaccard, shingles, signature


def text(random: Random, n: int = 120) -> str:
    return " ".join(f"w{random.randrange(4000)}" for _ in range(n))


def altered(random: Random, of: str, share: float) -> str:
    return " ".join(f"x{random.randrange(9000)}" if random.random() < share else word for word in of.split())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.03, 0.06, 0.15, 0.4, 1.0])
def test_the_estimate_is_that_of_the_exact_similarity(share: float) -> None:
    """Over 40 pairs the mean error is within four standard errors of a mean, and each within five of its own."""
    random, errors = Random(7), []
    for _ in range(40):
        one = text(random)
        a, b = shingles(one), shingles(altered(random, one, share))
        exact = jaccard(a, b)
        error = float((signature(a) == signature(b)).mean()) - exact
        assert abs(error) <= 5 * (exact * (1 - exact) / N) ** 0.5 + 1e-9
        errors.append(error)
    assert abs(sum(errors) / len(errors)) <= 4 * (0.25 / N / len(errors)) ** 0.5


def test_the_same_near_duplicates_as_by_comparing_every_pair() -> None:
    random = Random(11)
    rows: list[tuple[str, str]] = []
    for k in range(60):
        one = text(random)
        rows.append((f"o{k}", one))
        rows += [(f"o{k}-{share}", altered(random, one, share)) for share in (0.005, 0.02, 0.05, 0.3)]
    random.shuffle(rows)
    kept: list[tuple[str, frozenset[int]]] = []
    dropped = set()
    for name, words in rows:
        own = shingles(words)
        if any(jaccard(own, other) >= NEAR for _, other in kept):
            dropped.add(name)
        else:
            kept.append((name, own))
    found = duplicates(rows)
    assert {one.dropped for one in found} == dropped
    assert 30 < len(dropped) < len(rows) - 60
    shown, names = dict(rows), {name for name, _ in kept}
    for one in found:
        assert one.kept in names
        assert one.alike == round(jaccard(shingles(shown[one.dropped]), shingles(shown[one.kept])), 4) >= NEAR


def test_what_is_not_alike_is_never_taken_for_it() -> None:
    random = Random(3)
    common = text(random, 60)
    rows = [(str(k), f"{common} {text(random, 60)}") for k in range(80)]  # a third alike, every pair of them
    assert duplicates(rows) == []


def test_layout_and_letters_make_no_difference_and_order_does() -> None:
    rows = [("a", "def F(x):\n    return x + 1\n"), ("b", "def f( x ): return x+1"), ("c", "+ 1 return x : ) x ( F def")]
    assert [(one.dropped, one.kept, one.alike) for one in duplicates(rows)] == [("b", "a", 1.0)]


@pytest.mark.parametrize("short", ["", "x", "x y", "\udcff"])
def test_short_texts_have_a_signature(short: str) -> None:
    assert signature(shingles(short)).shape == (N,)
    assert [one.dropped for one in duplicates([("a", short), ("b", short)])] == ["b"]


def test_signatures_are_the_same_everywhere() -> None:
    made = signature(shingles("the same text has the same signature on every machine"))
    assert [int(value) for value in made[:3]] == SAME


SAME = [92011467488917, 32706593876371, 19754712774289]
