"""Servers to ask, endpoints that wait for nothing, and a repository to be in."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main

_spec = importlib.util.spec_from_file_location("hone_test_server", Path(__file__).with_name("server.py"))
assert _spec and _spec.loader
server = importlib.util.module_from_spec(_spec)
sys.modules["hone_test_server"] = server
_spec.loader.exec_module(server)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """`serve(provider, mode)` runs a server; its key stands in the environment as HONE_TEST_KEY."""
    monkeypatch.setenv("HONE_TEST_KEY", server.KEY)
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(server.serve(*args, **options))


@pytest.fixture
def here(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A repository with git-hone, which is the current folder."""
    made = repo()
    monkeypatch.chdir(made.path)
    assert main(["init"]) == 0
    return made
