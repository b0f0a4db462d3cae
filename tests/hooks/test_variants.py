"""The scenarios and the landings of pull requests again, in other circumstances: each of their tests once a variant.

A test of its own for each, so that many processes share them (`pytest -n`). `HONE_VARIANT=sha256 pytest tests/hooks/test_scenarios.py`
does the same by hand, with one circumstance alone.
"""

from __future__ import annotations

import pytest

from . import test_reconcile, test_reconcile_fuzz, test_scenarios, test_scenarios_rewriting

VARIANTS = {
    test_scenarios: ("sha256+worktree", "eager"),
    test_scenarios_rewriting: ("sha256+worktree", "eager"),
    test_reconcile: ("sha256+worktree",),
    test_reconcile_fuzz: ("sha256+worktree",),
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
        late = "undrained" in {mark.name for mark in getattr(metafunc.function, "pytestmark", ())}
        metafunc.parametrize("variant", [v for v in again[metafunc.function.__name__][1] if not (late and v == "eager")])


def test_each_test_is_here() -> None:
    """None hides behind another one's name, and each takes its repository from `fresh`, which knows the variants."""
    names = [name for module in VARIANTS for name in vars(module) if name.startswith("test_")]
    assert len(set(names)) == len(names) == len(again) > 140
