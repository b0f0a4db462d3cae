"""The corpus of `bench.secret_corpus`, which these tests share with the benchmark."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def corpus() -> ModuleType:
    """The module, from its file: the folder of the benchmarks is not installed."""
    file = Path(__file__).parents[3] / "bench" / "secret_corpus.py"
    spec = importlib.util.spec_from_file_location("secret_corpus", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["secret_corpus"] = module
    spec.loader.exec_module(module)
    return module
