"""Recall and false alarms on the seeded corpus; the half that grades is not the half that tuned."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from git_hone.hooks.tampering import KINDS, judge


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tampering_corpus", Path(__file__).with_name("corpus.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def table(corpus: ModuleType, half: str) -> dict[str, tuple[int, int]]:
    """Kind -> (right, cases); "" for the benign edits, which are right when nothing is flagged."""
    right, made = Counter[str](), Counter[str]()
    for case in corpus.cases(getattr(corpus, half)):
        kinds = {flag.kind for flag in judge(case.files)}
        made[case.kind] += 1
        right[case.kind] += case.kind in kinds if case.kind else not kinds
    return {kind: (right[kind], made[kind]) for kind in sorted(made)}


@pytest.mark.parametrize("half", ["TUNE", "GRADE"])
def test_recall_and_false_alarms(corpus: ModuleType, half: str) -> None:
    found = table(corpus, half)
    clean, benign = found.pop("")
    for kind, (right, made) in found.items():
        print(f"{half} {kind:20} {right}/{made}")
    hits, cases = (sum(column) for column in zip(*found.values(), strict=True))
    print(f"{half} recall {hits}/{cases} = {100 * hits / cases:.1f} %, false alarms {benign - clean}/{benign}")
    assert found.keys() == KINDS.keys()
    assert min(made for _, made in found.values()) >= 20
    assert hits / cases >= 0.95
    assert min(right / made for right, made in found.values()) >= 0.8
    assert benign - clean <= 0.05 * benign


def test_the_halves_share_nothing(corpus: ModuleType) -> None:
    one, other = ({case.files[0].after for case in corpus.cases(half)} for half in (corpus.TUNE, corpus.GRADE))
    assert one & other <= {None}
    assert not set(corpus.TUNE_BASE.values()) & set(corpus.GRADE_BASE.values())
