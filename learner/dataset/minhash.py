"""Near-duplicates by MinHash (Broder 1997) and locality-sensitive bands, each suspicion then checked exactly. Pure.

A text is the set of its shingles: `SHINGLE` tokens in a row. The Jaccard similarity of two sets is |A and B| / |A or B|. Under a random
order of all shingles the least one of A and the least one of B are the same with exactly that probability; a signature holds the least
under each of `N` random orders, so the share of equal places estimates it with a standard error of sqrt(J (1 - J) / N), at most 0.044.

Comparing all pairs of n rows would take n^2 steps. Signatures are cut into `BANDS` bands of `N / BANDS` places; rows that share a whole
band are compared, and a pair of similarity J shares one with probability 1 - (1 - J^4)^32: 0.9999999 at 0.8, 0.56 at 0.4. So as good as
every pair over the threshold is found, and as every find is compared exactly, none below it is ever taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

N: Final = 128
BANDS: Final = 32
SHINGLE: Final = 5
NEAR: Final = 0.8
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")


class Duplicate(NamedTuple):
    """`dropped` is nearly `kept`; alike: their Jaccard similarity, exactly."""

    dropped: str
    kept: str
    alike: float


def tokens(text: str) -> list[str]:
    """Words and marks in small letters; white space counts for nothing.

    >>> tokens("def F(x):  return x_1")
    ['def', 'f', '(', 'x', ')', ':', 'return', 'x_1']
    """
    return _TOKEN.findall(text.lower())


def shingles(text: str, size: int = SHINGLE) -> frozenset[int]:
    """The hashes (64 bits) of every `size` tokens in a row; of all of them together where there are fewer."""
    words = tokens(text)
    parts = {" ".join(words[k : k + size]) for k in range(max(1, len(words) - size + 1))}
    return frozenset(
        int.from_bytes(blake2b(part.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") for part in parts
    )


def jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    """0..1; two empty sets are the same."""
    both = len(a & b)
    return both / (len(a) + len(b) - both) if a or b else 1.0


@lru_cache(maxsize=1)
def _orders() -> tuple[NDArray[Any], NDArray[Any]]:
    """The factors (odd) and summands of the orders h -> factor * h + summand modulo 2^64; always the same."""
    import numpy

    raw = b"".join(blake2b(f"git-hone {k}".encode(), digest_size=16).digest() for k in range(N))
    drawn = numpy.frombuffer(raw, dtype="<u8").reshape(N, 2).astype(numpy.uint64)
    return drawn[:, :1] | numpy.uint64(1), drawn[:, 1:]


def signature(of: frozenset[int]) -> NDArray[Any]:
    """The least shingle under each order: N numbers of 64 bits, of which two sets share as large a part as they are alike. `of` must not be
    empty."""
    import numpy

    factors, summands = _orders()
    mixed = numpy.fromiter(sorted(of), dtype=numpy.uint64, count=len(of))
    mixed = (mixed ^ (mixed >> numpy.uint64(31))) * numpy.uint64(0x9E3779B97F4A7C15)
    least: NDArray[Any] = ((factors * mixed + summands) >> numpy.uint64(16)).min(axis=1)
    return least


def duplicates(rows: Sequence[tuple[str, str]], near: float = NEAR) -> list[Duplicate]:
    """(id, text) in order of preference -> those that are nearly one that comes before them and stays."""
    bands: dict[tuple[int, bytes], list[int]] = {}
    kept: dict[int, frozenset[int]] = {}
    found: list[Duplicate] = []
    for number, (name, text) in enumerate(rows):
        own = shingles(text)
        keys = [(band, part.tobytes()) for band, part in enumerate(signature(own).reshape(BANDS, N // BANDS))]
        others = sorted({other for key in keys for other in bands.get(key, ())})
        alike, other = max(((jaccard(own, kept[other]), -other) for other in others), default=(0.0, 0))
        if others and alike >= near:
            found.append(Duplicate(name, rows[-other][0], round(alike, 4)))
            continue
        kept[number] = own
        for key in keys:
            bands.setdefault(key, []).append(number)
    return found


def grams(text: str, n: int) -> Iterable[str]:
    """Every `n` tokens in a row, as text; none where there are fewer."""
    words = tokens(text)
    return (" ".join(words[k : k + n]) for k in range(len(words) - n + 1))
