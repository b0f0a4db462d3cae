"""Which changes may be learned from: every one has one verdict, so that the counts of all reasons add up to the changes. Pure.

Only what has matured, is untampered and stands may be imitated. The order of the reasons is that of `REASONS`: the first that holds is
the one that is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from git_hone.learner.evidence import tampering
from git_hone.learner.fates import MATURE, detail_of, ends, looks_of, seconds

Row = Mapping[str, Any]

SEEN: Final = ("hook", "api", "capture")
"""Evidence that says which line is whose."""

REASONS: Final[Mapping[str, str]] = {
    # of a change
    "superseded": "joined another change, which is looked at instead",
    "dropped": "no branch carries it any more",
    "no_agent_line": "no line of it is an agent's",
    "foreign": "from a fork, an import, or another clone's note: nobody here saw who wrote it",
    "opted_out": "its author opted out, or was forgotten",
    "reverted": "reverted, and not landed again",
    "rejected": "a person rejected it",
    "tampered": "it weakens what measures it, and no person cleared that",
    "not_judged": "nobody has looked whether it weakens what measures it",
    "vetoed": "it does not compile, or breaks a passing test",
    "not_matured": "younger than 14 days on the default branch, or not looked at since",
    "not_kept": "less than 80 % of its lines stood after 14 days, or a later change mended it",
    "too_early": "older than --since",
    "reward_unknown": "nothing is known to reward it by",
    "low_reward": "its reward is below --min-reward",
    # of what could have been a row of it
    "commit_gone": "its commit, or a file of it, is not in this clone",
    "merge": "a merge commit: no single parent to compare with",
    "private_path": "privacy.exclude_patterns names a file of it",
    "forgotten_path": "a file of it was forgotten",
    "not_text": "no UTF-8 text, or no regular file",
    "too_long": "longer than a training example may be",
    "partial": "a file of it cannot be shown (deleted, renamed, private, no text), so its patch would not be whole",
    "no_answer": "a person deleted the lines and wrote none",
    "no_prompt": "no prompt is recorded, and its commit message says too little",
    "other_difficulty": "of another difficulty than --difficulty, or of an unknown one",
    "near_duplicate": "nearly another row that stays",
    "in_suite": "a task of the suite is made of it, or shares 12 tokens in a row with it",
    "over_limit": "more rows than --limit; those of the highest reward, then the newest, stay",
    "held_out": "would put one file family, or one time, on both sides of the split",
}  # fmt: skip
"""Why something is not in an export, in words for people."""

STANDS: Final = "kept"
MENDED: Final = "not_kept"


class Judged(NamedTuple):
    """verdict: a key of REASONS, or `STANDS`. reward: 0..1, None not known."""

    verdict: str
    reward: float | None = None


def judge(
    change: Row,
    outcomes: Sequence[Row],
    kept: bool | None,
    reward: tuple[float | None, str | None],
    *,
    min_reward: float,
    since: datetime | None,
    allowed: bool,
) -> Judged:
    """The verdict on one change. outcomes: its rows of OUTCOMES. kept: its label (`fates.kept`). reward: in hone mode, and its veto.
    allowed: whether its author lets it be used.

    What was mended (`MENDED`) may not be imitated, but a judge learns from it."""
    value, veto = reward
    tampered = tampering(change.get("flags"), [row for row in outcomes if row["kind"] == "cleared"])
    ended = {how for _, how in ends(outcomes)}
    checks = (
        ("superseded", change["state"] == "superseded"),
        ("dropped", change["state"] != "live"),
        ("no_agent_line", not change.get("lines_ai")),
        ("foreign", (change.get("trust") or "own") != "own" or change.get("evidence") not in SEEN),
        ("opted_out", not allowed),
        ("reverted", "reverted" in ended or veto == "reverted"),
        ("rejected", "rejected" in ended or veto == "rejected"),
        ("tampered", tampered is True),
        ("not_judged", tampered is None),
        ("vetoed", veto is not None),
        ("not_matured", kept is None),
        ("too_early", since is not None and seconds(change["committed_at"]) < since.timestamp()),
        ("not_kept", kept is False),
        ("reward_unknown", value is None),
        ("low_reward", value is not None and value < min_reward),
    )
    return Judged(next((name for name, holds in checks if holds), STANDS), value)


def facts(outcomes: Sequence[Row]) -> str:
    """What time said of a change, in half a sentence; empty where it said nothing.

    >>> facts([{"kind": "survived", "at": 5, "value": 0.5, "detail": {"age_days": 14}}])
    '50 % of its lines stood after 14 days'
    """
    said = []
    look = next((one for one in looks_of(0.0, outcomes) if one.day >= MATURE), None)
    if look is not None:
        said.append(f"{100 * look.share:.0f} % of its lines stood after {look.day:.0f} days")
    if any(row["kind"] == "reworked" and detail_of(row).get("corrective") is True for row in outcomes):
        said.append("a later change mended a fault in it")
    if any(row["kind"] == "accepted" for row in outcomes):
        said.append("a person accepted it")
    return "; ".join(said)
