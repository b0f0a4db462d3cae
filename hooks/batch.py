"""What one drain works on, handed from step to step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from git_hone.hooks import commits as history
from git_hone.hooks.attribution import FileLines
from git_hone.hooks.commits import Commit
from git_hone.hooks.identity import Kind
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.learner.config import Config

if TYPE_CHECKING:  # a drain without an agent's words has nothing to redact
    from git_hone.hooks.redaction import Redactor


@dataclass
class GitWord:
    """What git's hooks said: when each commit was made and how, and which commits it rewrites."""

    at: dict[str, float] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)  # commit -> "", "rebase", "pick", "squash"
    agent: dict[str, str] = field(default_factory=dict)
    mailed: set[str] = field(default_factory=set)  # made by `git am`, or by a rebase that works with it
    branch: dict[str, str] = field(default_factory=dict)
    root: dict[str, str] = field(default_factory=dict)
    linked: dict[str, dict[str, Kind]] = field(default_factory=dict)  # new commit -> {old commit: kind}
    again: set[str] = field(default_factory=set)  # made while git rebased and drained before its end


@dataclass
class Rows:
    """Rows to be appended, and the events to be noted on commits."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    signals: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass
class Batch:
    """One drain: where, with what configuration, what git said, and what was found so far.

    configured: what git's configuration says of people. tips, known_tips: name -> commit, now and at the last drain. gone: commits that
    a name led to then, and none does now. arrived: commits to look at, in the order in which they
    were made. lost: those of them that no name leads to. lines: commit -> whose lines. seen: commits in which a line that
    no observation covers is a person's. touched: changes to be written. inverses: commit -> the patch id of its inverse, where somebody asked.
    """

    place: Place
    state: State
    config: Config
    now: float
    word: GitWord
    rows: Rows = field(default_factory=Rows)
    tips: dict[str, str] = field(default_factory=dict)
    known_tips: dict[str, str] = field(default_factory=dict)
    configured: Sequence[tuple[str, str]] | None = None
    gone: set[str] = field(default_factory=set)
    arrived: list[Commit] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    lines: dict[str, list[FileLines]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    inverses: dict[str, str | None] = field(default_factory=dict)

    @cached_property
    def redactor(self) -> Redactor:
        """What every text goes through before it is written."""
        from git_hone.hooks.redaction import gazetteer

        anonymous = bool(self.config["privacy.anonymize"])
        return gazetteer.redactor(self.place, self.tips or None, self.configured, anonymous=anonymous)

    def prose(self, text: str) -> str:
        """What somebody said, redacted."""
        return self.redactor.prose(text)

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `old` is in the history of `new`. Of a parent it is known."""
        return any(commit.id == new and old in commit.parents for commit in self.arrived) or history.is_ancestor(
            self.place.cwd, old, new
        )

    def add_outcome(self, row: dict[str, Any]) -> None:
        """Append an outcome that is not known yet."""
        stored = {**row, "at": row["at"].timestamp(), "recorded_at": row["recorded_at"].timestamp()}
        added = self.state.db.execute(
            "insert or ignore into outcomes values (?, ?, ?)", (row["record_id"], row["change_id"], json.dumps(stored))
        ).rowcount
        if added:
            self.rows.outcomes.append(row)
