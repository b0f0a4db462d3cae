"""The report: what a history says, short, in words that claim no more than the counts do. No e-mail, no person's name."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from git_hone.hooks.history.survival import DAYS, Cell

if TYPE_CHECKING:
    from git_hone.hooks.history.learn import Learned

HELD = {"note": "notes", "trace": "Agent Trace records", "trailer": "trailers", "identity": "identities",
        "subject": "subjects", "body": "a line in the body"}  # fmt: skip


def clean(words: str) -> str:
    """Text from a repository without control characters, so that it cannot drive a terminal.

    >>> clean("a" + chr(27) + "[31mb" + chr(10))
    'a?[31mb?'
    """
    return "".join(c if c.isprintable() else "?" for c in words.encode("utf-8", "replace").decode())


def number(count: int) -> str:
    return f"{count:,}"


def render(learned: Learned, width: int = 100, colour: bool = False) -> str:
    """The report as lines of at most `width` columns, as far as names allow; one empty line between its parts."""

    def bold(words: str) -> str:
        return f"\x1b[1m{words}\x1b[0m" if colour else words

    def wrapped(words: list[str], indent: str = "") -> list[str]:
        return [line for each in words for line in textwrap.wrap(each, width, subsequent_indent=indent)]

    parts = [
        [bold(_headline(learned))],
        _survival(learned, bold),
        wrapped(_sentences(learned), "  "),
        _files(learned, bold),
        _patterns(learned, bold, width),
        wrapped(_footnotes(learned)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _headline(learned: Learned) -> str:
    agents = learned.agents()
    named = sum(1 for group in learned.group if group in agents)
    told = f"{number(len(learned.commits))} commits, {number(named)} of them name an agent"
    return told + (
        ": " + ", ".join(f"{clean(_shown(name))} {number(learned.group.count(name))}" for name in agents[:6]) if agents else ""
    )


def _order(learned: Learned) -> list[str]:
    return [name for name in [*learned.agents(), "people", "bots"] if name in learned.survival]


def _survival(learned: Learned, bold: Any) -> list[str]:
    head = f"{'lines alive after':<20}" + "".join(f"{f'{days} days':>22}" for days in DAYS[1:])
    cells = {name: "".join(f"{_cell(cell):>22}" for cell in learned.survival[name][1:]) for name in _order(learned)[:10]}
    rows = [f"{clean(_shown(name))[:19]:<20}{row}" for name, row in cells.items()]
    return [bold(head), *rows, "share of the lines [95 % interval, the commit as the unit] n commits; - when none is old enough"]


def _shown(name: str) -> str:
    return "an unnamed agent" if name == "unnamed" else name


def _cell(cell: Cell) -> str:
    if cell.share is None:
        return "-"
    low, high = cell.interval
    return f"{100 * cell.share:.0f}% [{100 * low:.0f}, {100 * high:.0f}] {cell.commits}"


def _sentences(learned: Learned) -> list[str]:
    agents = set(learned.agents())
    said = []
    standing = [revert for revert in learned.reverts if revert.stands]
    of_agents = sum(learned.group[revert.of] in agents for revert in standing)
    if learned.reverts:
        again = len(learned.reverts) - len(standing)
        said.append(
            f"Reverts: {number(len(standing))} stand, {number(of_agents)} of them of commits that name an agent"
            + (f"; reverts that were reverted in turn: {again}." if again else ".")
        )
    for names, words in ((agents, "commits that name an agent"), ({"people"}, "people's commits")):
        fates = [
            f
            for f, g in zip(learned.fates, learned.group, strict=True)
            if f is not None and g in names and f.reworked is not None
        ]
        lines = sum(fate.lines for fate in fates)
        if lines:
            gone = sum(fate.reworked or 0 for fate in fates)
            before = sum(fate.before_landing for fate in fates)
            said.append(
                f"Rework: of {number(lines)} lines in {words}, {100 * gone / lines:.0f} % were rewritten or removed by another"
                f" commit within 30 days, {100 * before / lines:.0f} % before they reached the branch."
            )
    fixed = [each for each in learned.corrections if learned.group[each.of] in agents]
    if fixed:
        said.append(
            f"Corrections: {number(len({each.by for each in fixed}))} commits whose subject speaks of a fix removed"
            f" {number(sum(each.lines for each in fixed))} lines of {number(len({each.of for each in fixed}))} commits that name"
            " an agent, within 30 days."
        )
    return said


def _files(learned: Learned, bold: Any) -> list[str]:
    if not learned.reworked:
        return []
    rows = [f"  {count:>5}  {clean(path)}" for path, count in learned.reworked[:5]]
    return [bold("Files rewritten most (commits that removed lines)"), *rows]


def _patterns(learned: Learned, bold: Any, width: int) -> list[str]:
    if not learned.patterns:
        return []
    rows = [bold("How code is written here (k of n places)")]
    for pattern in learned.patterns:
        count = f"{number(pattern.support)} of {number(pattern.seen)}" if pattern.topic != "helper" else ""
        example = f"  e.g. {clean(pattern.examples[0])}" if pattern.examples and pattern.topic != "helper" else ""
        line = f"  {pattern.language}: {clean(pattern.says)}" + (f", {count}" if count else "")
        rows.append(line + example if len(line + example) <= width else line)
    return rows


def _footnotes(learned: Learned) -> list[str]:
    kinds: dict[str, int] = {}
    for at, claims in learned.claims.items():
        if learned.group[at] is not None and claims:
            best = max(claims, key=lambda claim: claim.strength).kind
            kinds[best] = kinds.get(best, 0) + 1
    notes = []
    if kinds:
        held = ", ".join(f"{HELD[kind]} {number(count)}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1]))
        notes.append(f"Named by: {held}. Anybody can write a trailer, and an agent that leaves none is counted among people.")
    notes.append(
        f"Lines are followed through renames and merges up to {learned.observed_until:%Y-%m-%d}; days count from the landing"
        " on the branch. Groups differ in tasks and files: this compares what happened, not what would have."
    )
    lacking = [
        (learned.unreadable_commits, "commits with contents that are missing here"),
        (learned.unreadable_notes, "notes that could not be read"),
        (learned.edges, "commits at the edge of a shallow clone: what they added is not known"),
    ]
    notes += [f"Left out: {number(count)} {words}." for count, words in lacking if count]
    if learned.limited:
        notes.append("Only the newest commits were read, as asked; older lines are unknown.")
    return notes


def as_json(learned: Learned) -> dict[str, Any]:
    """One versioned object."""
    return {
        "version": 1,
        "tip": learned.tip,
        "observed_until": learned.observed_until.isoformat(),
        "commits": len(learned.commits),
        "groups": {name: learned.group.count(name) for name in _order(learned)},
        "survival": {
            name: [asdict(cell) | {"interval": list(cell.interval)} for cell in learned.survival[name]]
            for name in _order(learned)
        },
        "reverts": [
            {"by": learned.commits[r.by].sha, "of": learned.commits[r.of].sha, "stands": r.stands} for r in learned.reverts
        ],
        "reworked_files": [{"path": path, "commits": count} for path, count in learned.reworked],
        "patterns": [
            {"language": p.language, "topic": p.topic, "says": p.says, "support": p.support, "seen": p.seen, "low": p.low,
             "examples": list(p.examples)}
            for p in learned.patterns
        ],
        "unreadable_commits": learned.unreadable_commits,
        "unreadable_notes": learned.unreadable_notes,
        "shallow_edges": learned.edges,
        "limited": learned.limited,
        "rows": learned.rows,
        "seconds": round(learned.seconds, 2),
    }  # fmt: skip
