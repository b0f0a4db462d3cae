"""A store in a scratch repository, and rows to put in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner.store import Store

Row = dict[str, Any]
START = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".agent" / "data")


@pytest.fixture
def run_row() -> Callable[..., Row]:
    """`run_row(7)` is the event of run 7, seven minutes after the start; keywords replace or add columns."""

    def make(number: int, **more: object) -> Row:
        at = START + timedelta(minutes=number)
        return {"record_id": f"e{number}", "recorded_at": at, "run_id": f"r{number}", "tokens_in": number} | more

    return make


@pytest.fixture
def change_row() -> Callable[..., Row]:
    """`change_row(7)` is an event of change 7, committed seven minutes after the start."""

    def make(number: int, **more: object) -> Row:
        at = START + timedelta(minutes=number)
        return {"record_id": f"e{number}", "recorded_at": at, "committed_at": at, "change_id": f"c{number}"} | more

    return make
