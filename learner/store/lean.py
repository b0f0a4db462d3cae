"""Importing pyarrow without what it does not need here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HEAVY: Final = ("numpy", "cloudpickle")


@contextmanager
def without_heavy() -> Iterator[None]:
    """Let pyarrow, if it is imported meanwhile, find neither numpy nor cloudpickle.

    It imports them wherever they are installed (scikit-learn brings them), for conversions that the store never makes: more than
    half of the CPU that importing pyarrow takes. For a process that only records. What is there already stays.
    """
    hidden = [] if "pyarrow" in sys.modules else [name for name in HEAVY if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # None is how Python marks a module as absent
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
