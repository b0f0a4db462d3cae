"""Learn from a history: the list of steps, and what they found. The only writes are to the cache and the store handed in."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from git_hone.hooks import git, place
from git_hone.hooks.history import agent_trace, gitai_notes, patterns
from git_hone.hooks.history import commits as history
from git_hone.hooks.history.claims import Claim, claims, is_bot
from git_hone.hooks.history.commits import Commit
from git_hone.hooks.history.gitai_notes import Authorship
from git_hone.hooks.history.patterns import Pattern
from git_hone.hooks.history.rework import Correction, Revert, corrections, reverts, reworked_files
from git_hone.hooks.history.survival import Cell, Fate, cells, fates
from git_hone.hooks.history.walking import observed_until, walked
from git_hone.learner.errors import UsageError

if TYPE_CHECKING:
    from git_hone.learner.store import Store

PEOPLE: Final = "people"
BOTS: Final = "bots"


@dataclass
class Learned:
    """All that was found. `group[i]` says whose commit i is: an agent's name, "people" or "bots"; None for merges and for
    commits at a shallow clone's edge, which are nobody's."""

    tip: str
    observed_until: datetime
    commits: list[Commit]
    group: list[str | None]
    claims: dict[int, list[Claim]]
    notes: dict[int, Authorship]
    fates: list[Fate | None]
    survival: dict[str, list[Cell]]
    reverts: list[Revert]
    corrections: list[Correction]
    reworked: list[tuple[str, int]]
    patterns: list[Pattern]
    unreadable_commits: int
    unreadable_notes: int
    edges: int
    limited: bool
    seconds: float = 0.0
    rows: dict[str, int] = field(default_factory=dict)

    def agents(self) -> list[str]:
        """The agents, most commits first."""
        names = [group for group in self.group if group not in (None, PEOPLE, BOTS)]
        return sorted(set(filter(None, names)), key=lambda name: (-names.count(name), name))

    def as_json(self) -> dict[str, Any]:
        """The report as one versioned object; no e-mail, no name of a person."""
        from git_hone.hooks.history.report import as_json

        return as_json(self)


def learn_from(
    place_or_path: Path,
    *,
    cache: Path,
    store: Store | None,
    progress: Callable[[str, int, int], None],
    now: datetime,
    limit: int | None = None,
) -> Learned:
    """What the history of the repository at `place_or_path` says, up to the commit that is checked out there.

    `cache`: a folder for the walk's state; an interrupted call goes on from there. `store`: where the imported changes and
    outcomes go, None for nowhere. `limit`: only the newest so many commits. Raises UsageError outside a repository or
    without a commit, GitError when git refuses.
    """
    began = time.monotonic()
    here = place.find(place_or_path)
    tip = git.line(["rev-parse", "--verify", "-q", "HEAD^{commit}"], here.cwd)
    if not tip:
        raise UsageError(f"{place_or_path}: no commit yet", tip="commit something first, then learn from it")
    progress("reading commits", 0, 0)
    commits = history.read(here.cwd, tip, limit)
    until = observed_until(here, commits, now)
    walk = walked(here.cwd, commits, cache / f"walk-{_key(here.common)}.cache", progress, now)
    notes, unreadable_notes = _notes(here.cwd, commits)
    found = {at: _claims(commit) for at, commit in enumerate(commits) if not commit.edge}
    _add_evidence(found, notes, agent_trace.read(here.cwd, tip)[0], commits)
    group = [_group(commit, found.get(at, [])) for at, commit in enumerate(commits)]
    progress("following lines", len(commits), len(commits))
    lives = fates(walk, until)
    learned = Learned(
        tip,
        until,
        commits,
        group,
        {at: each for at, each in found.items() if each},
        notes,
        lives,
        cells(lives, group),
        reverts(commits),
        corrections(walk, group),
        reworked_files(walk),
        patterns.mine(here.cwd, tip, progress),
        len(walk.ledger.unreadable),
        unreadable_notes,
        sum(commit.edge for commit in commits),
        bool(limit and len(commits) >= limit),
    )
    if store is not None:
        from git_hone.hooks.history.rows import write

        progress("writing records", 0, 0)
        learned.rows = write(learned, store)
    learned.seconds = time.monotonic() - began
    return learned


def _key(common: Path) -> str:
    return hashlib.sha256(str(common.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _claims(commit: Commit) -> list[Claim]:
    return claims(commit.message, commit.author, commit.author_email, commit.committer_email)


def _notes(cwd: Path, commits: list[Commit]) -> tuple[dict[int, Authorship], int]:
    notes, unreadable = gitai_notes.read(cwd)
    return {at: notes[commit.sha] for at, commit in enumerate(commits) if commit.sha in notes}, unreadable


def _add_evidence(
    found: dict[int, list[Claim]], notes: dict[int, Authorship], traces: list[agent_trace.Trace], commits: list[Commit]
) -> None:
    """Notes and traces count more than trailers: they come first."""
    position = {commit.sha: at for at, commit in enumerate(commits)}
    for trace in traces:
        if trace.commit in position:
            found.setdefault(position[trace.commit], []).insert(0, Claim(trace.agent, trace.model, "trace", 4))
    for at, note in notes.items():
        for agent, model in sorted(note.agents, key=lambda who: (note.agents[who], str(who))):
            found.setdefault(at, []).insert(0, Claim(agent, model, "note", 5))


def _group(commit: Commit, found: list[Claim]) -> str | None:
    if commit.edge or len(commit.parents) > 1:
        return None
    if found:
        return max(found, key=lambda claim: claim.strength).agent
    return BOTS if is_bot(commit.author, commit.author_email) else PEOPLE


def dumps(learned: Learned) -> str:
    return json.dumps(learned.as_json(), indent=1, sort_keys=True)
