"""How a forge landed a pull request, and which commit became which: decided by evidence alone. Pure; `reconcile` asks git.

What counts is ancestry, the number of parents, patches, trees, changed paths, added lines, author and date. A message says
nothing: a forge edits it. Two witnesses that agree prove; one makes it probable, which is said and not acted on; none is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

How = Literal["squash", "rebase", "merge", "ff", "unknown"]
Certainty = Literal["proven", "probable", "unknown"]
LINES_SHARE: Final = 0.5
"""Share of added lines, both ways, from which two patches count as the same lines."""


@dataclass(frozen=True)
class Piece:
    """One commit as evidence. patch: id of what it adds and takes away, without context; None when that is nothing.
    paths: files that it changes. lines: hashes of the lines that it adds. by: author's name, e-mail and date."""

    id: str
    parents: tuple[str, ...]
    tree: str
    by: tuple[str, str, str]
    patch: str | None = None
    paths: frozenset[str] = frozenset()
    lines: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Facts:
    """What git says. pr: the pull request's own commits, oldest first, merges left out. chain: the commits that the target
    branch gained by first parents, oldest first, merges left out; the last is the landed one. whole: the pull request as one
    patch. merge_tree: the tree that git makes of the landed commit's parent and the head; None where they conflict or this
    git cannot say. parent_tree: tree of the landed commit's parent."""

    pr: Sequence[Piece]
    chain: Sequence[Piece]
    whole: Piece
    merge_tree: str | None
    parent_tree: str | None


@dataclass(frozen=True)
class Pair:
    """Commit `old` of the pull request and the commit `new` that it became, None when nobody can say."""

    old: str
    new: str | None
    certainty: Certainty
    witnesses: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """How it landed, and by which evidence. pairs: only for a rebase. reason: why it is unknown."""

    how: How
    certainty: Certainty
    evidence: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = field(default=())
    reason: str | None = None


def unknown(reason: str, *evidence: str, certainty: Certainty = "unknown") -> Decision:
    """The answer that changes nothing."""
    return Decision("unknown", certainty, evidence, (), reason)


def decide(facts: Facts) -> Decision:
    """Squash or rebase, for a landed commit from which the head cannot be reached.

    >>> one = Piece("a", ("0",), "t1", ("Ann", "a@x", "1"), "p1", frozenset({"f"}), frozenset({("f", "x")}))
    >>> two = Piece("b", ("a",), "t2", ("Ann", "a@x", "2"), "p2", frozenset({"g"}), frozenset({("g", "y")}))
    >>> whole = Piece("b", ("0",), "t2", one.by, "p12", one.paths | two.paths, one.lines | two.lines)
    >>> squash = Piece("s", ("m",), "t2", ("Ann", "a@x", "9"), "p12", whole.paths, whole.lines)
    >>> decide(Facts([one, two], [squash], whole, "t2", "tm")).how
    'squash'
    >>> again = [Piece(p.id * 2, ("m",), p.tree, p.by, p.patch, p.paths, p.lines) for p in (one, two)]
    >>> [(pair.old, pair.new) for pair in decide(Facts([one, two], again, whole, "t2", "tm")).pairs]
    [('a', 'aa'), ('b', 'bb')]
    """
    if not facts.pr:
        return unknown("no commit lies between base and head: are --base and --head swapped?")
    if not facts.chain:
        return unknown("no commit lies between base and merged: are the arguments swapped?")
    landed = facts.chain[-1]
    if landed.patch is None and landed.tree == facts.parent_tree:
        return unknown("the landed commit changes nothing, so nothing shows what it landed")
    pairs = pair_up(facts.pr, facts.chain)
    if len(facts.pr) > 1 and _is_rebase(facts, pairs):
        words = [f"{sum(p.certainty == 'proven' for p in pairs)} of {len(pairs)} commits found again, in order"]
        return Decision("rebase", "proven", tuple(words), tuple(pairs))
    witnesses = _squash_witnesses(facts, landed)
    strong = {"tree", "patch"} & witnesses.keys()
    if "paths" not in witnesses or not (strong or "lines" in witnesses):
        reason = "merged does not hold the changes of this pull request: is --head its last commit, --merged what the forge made of it?"
        found = tuple(witnesses.values())
        return unknown(reason, *found, certainty="probable" if strong or "lines" in witnesses else "unknown")
    if len(facts.pr) == 1 and facts.pr[0].by == landed.by:
        why = (*witnesses.values(), "author and author's date are the same")
        return Decision("rebase", "proven", why, (Pair(facts.pr[0].id, landed.id, "proven", tuple(witnesses)),))
    return Decision("squash", "proven", tuple(witnesses.values()))


def _is_rebase(facts: Facts, pairs: Sequence[Pair]) -> bool:
    """Whether the commits landed one by one: all of them, or an earlier one before the last landed commit."""
    landed = facts.chain[-1]
    found = [pair for pair in pairs if pair.certainty == "proven"]
    if len(found) == len(pairs):
        return True
    if landed.patch is not None and landed.patch == facts.whole.patch:
        return False
    tail = {piece.id for piece in facts.chain[-len(facts.pr) :]}
    return bool(found) and all(pair.new in tail for pair in found) and (len(found) > 1 or found[0].new != landed.id)


def pair_up(pr: Sequence[Piece], chain: Sequence[Piece]) -> list[Pair]:
    """Each commit of the pull request with what it became, in order: by patch; then, where between two pairs (or an end and a
    pair) exactly one is left on either side, by position and a second witness."""
    chain = chain[-len(pr) :]
    matched = _common(pr, chain)
    found: dict[int, Pair] = {i: Pair(pr[i].id, chain[j].id, "proven", ("patch", "order")) for i, j in matched}
    stops = [(-1, -1), *matched, (len(pr), len(chain))]
    for (i, j), (i_end, j_end) in pairwise(stops):
        if i_end - i == 2 and j_end - j == 2:
            found[i + 1] = _by_position(pr[i + 1], chain[j + 1])
    return [found.get(i, Pair(piece.id, None, "unknown", ())) for i, piece in enumerate(pr)]


def _by_position(old: Piece, new: Piece) -> Pair:
    witnesses = ["position"]
    if old.by == new.by:
        witnesses.append("author and date")
    if same_lines(old.lines, new.lines):
        witnesses.append("lines")
    proven = len(witnesses) > 1 and bool(new.paths & old.paths)
    return Pair(old.id, new.id, "proven" if proven else "probable", tuple(witnesses))


def _common(pr: Sequence[Piece], chain: Sequence[Piece]) -> list[tuple[int, int]]:
    """The longest common subsequence of equal patches; where several are as long, the one that pairs late commits with late."""
    best = [[0] * (len(chain) + 1) for _ in range(len(pr) + 1)]
    for i, a in enumerate(pr):
        for j, b in enumerate(chain):
            same = a.patch is not None and a.patch == b.patch
            best[i + 1][j + 1] = best[i][j] + 1 if same else max(best[i][j + 1], best[i + 1][j])
    out, i, j = [], len(pr), len(chain)
    while i and j:
        a, b = pr[i - 1], chain[j - 1]
        if a.patch is not None and a.patch == b.patch and best[i][j] == best[i - 1][j - 1] + 1:
            i, j = i - 1, j - 1
            out.append((i, j))
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return out[::-1]


def same_lines(a: frozenset[tuple[str, str]], b: frozenset[tuple[str, str]]) -> bool:
    """Whether at least half of either's added lines are added by the other, in the same files."""
    shared = len(a & b)
    return bool(shared) and shared >= LINES_SHARE * len(a) and shared >= LINES_SHARE * len(b)


def _squash_witnesses(facts: Facts, landed: Piece) -> dict[str, str]:
    found = {}
    if facts.merge_tree is not None and facts.merge_tree == landed.tree != facts.parent_tree:
        found["tree"] = "merging the head into the landed commit's parent gives its very tree"
    if landed.patch is not None and landed.patch == facts.whole.patch:
        found["patch"] = "its patch is that of the whole pull request"
    if same_lines(facts.whole.lines, landed.lines):
        found["lines"] = "at least half of the added lines, both ways, are the same"
    if landed.paths and landed.paths <= facts.whole.paths:
        found["paths"] = "it changes only files that the pull request changes"
    if any(piece.by[:2] == landed.by[:2] for piece in facts.pr):
        found["author"] = "its author is an author of the pull request"
    return found


Event = dict[str, Any]


def newest(events: Sequence[Event]) -> dict[tuple[str, str], Event]:
    """(change id, commit) -> the newest change event that says so."""
    found: dict[tuple[str, str], Event] = {}
    for event in events:
        if event.get("type") != "change" or not isinstance(event.get("lines"), dict):
            continue
        key = str(event.get("change_id")), str(event.get("commit"))
        if key not in found or (str(event.get("at")), event["id"]) > (str(found[key].get("at")), found[key]["id"]):
            found[key] = event
    return found


def living(events: Sequence[Event]) -> dict[str, Event]:
    """Change id -> the one event that counts, among the events of any notes: each change once, where it lives now.

    Where several commits claim one change, the one on which it landed counts, else the latest.
    Left out: what a `moved` line or a later event's `replaces` says has gone into another record.

    >>> def change(name, commit, at, *replaces):
    ...     return {"id": name + commit, "type": "change", "change_id": name, "commit": commit, "at": at, "lines": {},
    ...             "replaces": list(replaces)}
    >>> found = living([change("A", "1", "T1"), change("B", "2", "T1"), change("A", "s", "T2", "1", "2")])
    >>> {name: event["commit"] for name, event in found.items()}
    {'A': 's'}
    """
    latest = newest(events)
    moved = {(str(e.get("change_id")), str(e.get("commit"))) for e in events if e.get("type") == "moved"}
    landed = {(str(e.get("change_id")), str(e.get("commit"))) for e in events if e.get("kind") == "merged"}

    def rank(event: Event) -> tuple[bool, str, str]:
        return (event["change_id"], event["commit"]) in landed, str(event["at"]), event["id"]

    at_commit: dict[str, Event] = {}
    for (name, commit), event in latest.items():
        if (name, commit) not in moved and (name not in at_commit or rank(event) > rank(at_commit[name])):
            at_commit[name] = event
    replaced = {commit: event for event in at_commit.values() for commit in event.get("replaces") or []}

    def gone(name: str, event: Event) -> bool:
        into = replaced.get(str(event["commit"]))
        sources = set(event.get("replaces") or ())
        for other in at_commit.values() if sources else ():  # two clones found the same squash, one of them only a part of it
            more = set(other.get("replaces") or ())
            here = other is not event and other["commit"] == event["commit"]
            if here and sources <= more and (sources != more or str(other["change_id"]) < name):
                return True
        return into is not None and into["change_id"] != name and str(into["at"]) >= str(event["at"])

    return {name: event for name, event in sorted(at_commit.items()) if not gone(name, event)}
