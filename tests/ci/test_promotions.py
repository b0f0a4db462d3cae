"""Each step of a promotion in the notes: what is said, where, and when nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import promotions
from git_hone.cli import main
from git_hone.hooks import notes
from git_hone.learner import ledger

AT = datetime(2026, 11, 21, tzinfo=timezone.utc)
LINE = {"what": "deploy", "role": "coder", "from": None, "to": "abc", "server": "http://127.0.0.1:11434", "reason": "/home/ann"}


@pytest.fixture
def here(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    made = repo()
    monkeypatch.chdir(made.path)
    assert main(["init"]) == 0
    return made


def told(path: Path, commit: str) -> list[dict[str, Any]]:
    return [one for one in notes.events(notes.read(path, [commit]).get(commit, "")) if one["type"] == "promotion"]


def test_a_step_is_a_line_and_an_event_on_what_was_checked_out(here: Any) -> None:
    head = here.commit("first")
    assert promotions.record(here.path / ".agent", LINE, AT) == {"v": 1, "at": AT.isoformat(), **LINE}
    promotions.record(here.path / ".agent", LINE, AT)
    (event,) = told(here.path, head)
    del event["id"]
    assert event == {"v": 1, "type": "promotion", "at": AT.isoformat(), "commit": head, "what": "deploy", "role": "coder", "from": None,
                     "to": "abc"}  # fmt: skip
    assert len(ledger.read(here.path / ".agent")) == 2


def test_the_ledger_is_written_where_there_is_no_note_to_write(here: Any) -> None:
    promotions.record(here.path / ".agent", LINE, AT)  # before the first commit
    assert not notes.existing(here.path)
    head = here.commit("first")
    (here.path / ".agent/learning-config.json").write_text(json.dumps({"version": 1, "enabled": False}))
    promotions.record(here.path / ".agent", LINE, AT)  # switched off
    assert not told(here.path, head)
    here.git("update-ref", "refs/notes/hone", here.git("rev-parse", "HEAD^{tree}"))  # no notes that can be joined
    (here.path / ".agent/learning-config.json").write_text(json.dumps({"version": 1}))
    promotions.record(here.path / ".agent", LINE, AT)
    assert len(ledger.read(here.path / ".agent")) == 3


def test_a_clone_without_the_ledger_learns_of_it(here: Any, repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    head = here.commit("first")
    remote = repo("remote.git", "--bare")
    here.git("remote", "add", "origin", str(remote.path))
    here.git("push", "-q", "origin", "main")
    promotions.record(here.path / ".agent", LINE, AT)
    assert main(["sync"]) == 0
    remote.git("clone", "-q", str(remote.path), str(here.path.parent / "other"))
    monkeypatch.chdir(here.path.parent / "other")
    assert main(["init"]) == 0
    assert main(["sync"]) == 0
    assert [one["to"] for one in told(here.path.parent / "other", head)] == ["abc"]
