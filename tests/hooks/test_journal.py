"""The journal: what was done, for people to follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from git_hone.hooks import journal


def test_a_drain_says_what_it_did_and_no_more(p: Any) -> None:
    p.turn("src/new.py", "secret_name")
    p.commit("c")
    assert p.ai() == 10
    text = (p.place.hone / "journal.jsonl").read_text()
    events = [json.loads(line) for line in text.splitlines()]
    kinds = {event["event"] for event in events}
    assert {"change_recorded", "outcome_recorded", "learning_loop_complete"} <= kinds
    assert "secret_name" not in text
    (change,) = [event for event in events if event["event"] == "change_recorded"]
    assert change["commit"] == p.git("rev-parse", "HEAD")


def test_the_journal_turns_over(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_text("x" * (journal.LIMIT_BYTES + 1))
    journal.append(file, 0.0, [{"event": "learning_loop_complete"}])
    assert len(file.read_text().splitlines()) == 1
    assert file.with_suffix(".jsonl.1").stat().st_size > journal.LIMIT_BYTES


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    journal.append(tmp_path / "nowhere" / "journal.jsonl", 0.0, [{"event": "x"}])
