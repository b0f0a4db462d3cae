"""Each step of a promotion in the notes: what is said, where, and when nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import promotions
from git_hone.cli import main
from git_hone.hooks import notes
from git_hone.learner import ledger

AT = datetime(2026, 11, 21, tzinfo=timezone.utc)
LINE = {"what": "deploy", "role": "coder", "from": None, "to": "abc", "server": "http://127.0.0.1:11434", "reason": "/home/ann"}


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


def listed(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], str]:
    """The history of `git hone adapters`, for machines and for people."""
    capsys.readouterr()
    assert main(["adapters", "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["history"]
    assert main(["adapters"]) == 0
    return found, capsys.readouterr().out


def test_the_history_is_shown_with_its_commits_and_what_only_a_note_knows(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    agent = here.path / ".agent"
    promotions.record(agent, {**LINE, "to": "before"}, AT)  # no commit yet
    first = here.commit("first")
    assert listed(capsys)[0][0]["commit"] is None
    gate = {"what": "gate", "from": "a", "to": "b\x1b[31m", "verdict": "refuse", "reason": "underpowered", "look": 1,
            "numbers": {"tasks": 9, "won": 1, "lost": 0, "p": 0.5}}  # fmt: skip
    promotions.record(agent, gate, AT + timedelta(hours=1))
    kept = (agent / ledger.FILE).read_text()
    second = here.commit("second")
    promotions.record(agent, LINE, AT + timedelta(hours=2))
    (agent / ledger.FILE).write_text(kept)  # as in a clone that has the notes alone
    found, said = listed(capsys)
    assert [(one["what"], one["to"], one["commit"], one["ledger"]) for one in found] == [
        ("deploy", "before", None, True), ("gate", "b\x1b[31m", first, True), ("deploy", "abc", second, False)]  # fmt: skip
    assert found[1]["reason"] == "underpowered", "the ledger says more than the note"
    assert f"2026-11-21 01:00:00  {first[:10]}  gate: refuse b?[31m in place of a, 1 won and 0 lost of 9 tasks, look 1\n" in said
    assert "deploy coder: abc  (a note says so, not the ledger here)" in said
    assert main(["show", first, "--json"]) == 0
    (step,) = json.loads(capsys.readouterr().out)["promotions"]
    assert (step["what"], step["verdict"], step["numbers"]["won"], "reason" in step) == ("gate", "refuse", 1, False)
    assert main(["show", "HEAD"]) == 0
    assert "  promotion 2026-11-21 02:00:00  deploy coder: abc\n" in capsys.readouterr().out


def test_a_note_that_lies_of_its_shape_is_passed_over(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    head = here.commit("first")
    good = {"id": "v1", "type": "promotion", "at": AT.isoformat(), "what": "deploy", "to": "abc"}
    bad = [
        {"at": "soon"},
        {"at": "2026-11-21T00:00:00"},
        {"what": 3},
        {"to": ["x"]},
        {"numbers": {"won": "all"}},
        {"numbers": []},
        {"look": "x"},
    ]
    notes.write(here.path, {head: [good, *({**good, "id": f"v{n}", **more} for n, more in enumerate(bad, 2))]}, 0.0)
    assert [one["to"] for one in listed(capsys)[0]] == ["abc"]
    for n in range(25):
        promotions.record(here.path / ".agent", {**LINE, "to": f"a{n}"}, AT + timedelta(days=n + 1))
    found, said = listed(capsys)
    assert len(found) == 26
    assert "history   6 steps before these" in said and "coder: a4 " not in said and "coder: a5\n" in said
    with (here.path / ".agent" / ledger.FILE).open("a") as out:
        out.write('{"what": "said by hand", "at": "yesterday"}\n')
    assert listed(capsys)[0][0]["what"] == "said by hand"
