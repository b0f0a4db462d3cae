"""The scenarios and the landings of pull requests again, in other circumstances: each of their tests once a variant.

A test of its own for each, so that many processes share them (`pytest -n`). Each is tried in one variant, in turn, and in the others by
`nox -s exhaustive`. `HONE_VARIANT=sha256 pytest tests/hooks/test_scenarios.py` does so by hand, with one circumstance alone.
"""

from __future__ import annotations

import pytest

from . import test_reconcile, test_reconcile_fuzz, test_scenarios, test_scenarios_rewriting

BOTH = ("sha256+worktree", "eager")
VARIANTS = {
    test_scenarios: BOTH,
    test_scenarios_rewriting: BOTH,
    test_reconcile: BOTH[:1],
    test_reconcile_fuzz: BOTH[:1],
}
pytestmark = pytest.mark.slow
forge = test_reconcile.forge
again = {
    name: (each, variants)
    for module, variants in VARIANTS.items()
    for name, each in vars(module).items()
    if name.startswith("test_")
}
globals().update({name: each for name, (each, _) in again.items()})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function.__name__ in again:
        turn = list(again).index(metafunc.function.__name__) % len(BOTH)
        late = "undrained" in {mark.name for mark in getattr(metafunc.function, "pytestmark", ())}
        found = [v for v in again[metafunc.function.__name__][1] if not (late and v == "eager")]
        marks = {v: () if v == BOTH[turn] else pytest.mark.exhaustive for v in found}
        metafunc.parametrize("variant", [pytest.param(v, marks=marks[v]) for v in found])


def test_each_test_is_here() -> None:
    """None hides behind another one's name, and each takes its repository from `fresh`, which knows the variants."""
    names = [name for module in VARIANTS for name in vars(module) if name.startswith("test_")]
    assert len(set(names)) == len(names) == len(again) > 140
