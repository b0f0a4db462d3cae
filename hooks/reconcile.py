"""What a forge did with a pull request, asked of git: the facts for `landing`, whose answer `relocate` acts on.

Works in a clone that a job made, with notes and without store or state, as well as where git-hone is installed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import commits as history
from git_hone.hooks import drain as drainer
from git_hone.hooks import git
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.landing import Decision, Facts, Piece, decide, unknown
from git_hone.hooks.lines import squeeze
from git_hone.hooks.partial import LAZY, is_partial, remote_of
from git_hone.hooks.place import Place, find
from git_hone.hooks.relocate import Landing, Plan, merge_base, rev_list
from git_hone.learner.errors import UsageError

HEX: Final = re.compile(r"[0-9a-fA-F]{4,64}")
MAX_COMMITS: Final = 2000
"""Commits of one pull request that are looked at."""
MAX_PARTS: Final = 100
"""Commits below the head that are tried as the head of another pull request."""
DEEPEN: Final = (100, 1000)


def reconcile(where: Place | Path, base: str, head: str, merged: str, *, dry_run: bool = False) -> Landing:
    """Move the record of the pull request `head` to where it landed. base: the target branch before the merge (or the merge
    base); merged: the commit that the forge made. Names, or commit ids, abbreviated or not.

    Where the evidence does not hold, nothing is written and `how` is `unknown`. Raises UsageError for a name that is no commit
    id and means nothing here.
    """
    place = where if isinstance(where, Place) else find(where)
    names = {"base": base, "head": head, "merged": merged}
    given = {option: _resolve(place, option, name) for option, name in names.items()}
    lacking = [f"--{option} {names[option]}" for option, commit in given.items() if commit is None]
    if lacking:
        reason = f"{' and '.join(lacking)}: not in this clone, and the remote does not give it"
        tip = "; for a deleted branch, fetch the pull request's own ref first" if given["head"] is None else ""
        return Landing("unknown", "unknown", base, head, merged, message=reason + tip)
    full = {option: commit or "" for option, commit in given.items()}
    if not dry_run and place.hone.is_dir():
        drainer.drain(place)
    complete = _complete(place, **full)
    decision, landed = _decide(place, **full) if complete else (unknown("the history between these commits is not here"), [])
    ids = full["base"], full["head"], full["merged"]
    found = Landing(decision.how, decision.certainty, *ids, list(decision.evidence), landed)
    if decision.how == "unknown":
        found.message = decision.reason or ""
        return found
    plan = Plan(place, found)
    plan.make(decision)
    if not dry_run:
        plan.write()
    return found


# -- what git says ---------------------------------------------------------------------------------------------------------


def _commit(place: Place, name: str) -> str | None:
    return git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], place.cwd) or None


def _resolve(place: Place, option: str, name: str) -> str | None:
    """The commit that `name` means; asked of the remote when it is a whole id that is not here."""
    if found := _commit(place, name):
        return found
    if not HEX.fullmatch(name):
        raise UsageError(f"--{option} {name}: no such commit here", tip="give a commit id, as the forge shows it")
    remote = remote_of(place)
    if remote and len(name) in (40, 64):
        depth = ["--depth=1"] if _shallow(place) else []
        git.attempt(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *depth, remote, name], place.cwd)
    return _commit(place, name)


def _shallow(place: Place) -> set[str]:
    file = place.common / "shallow"
    return set(file.read_text().split()) if file.is_file() else set()


def _complete(place: Place, base: str, head: str, merged: str) -> bool:
    """Whether all that lies between these commits is here; what a shallow or partial clone lacks is fetched."""
    remote = remote_of(place)
    for depth in (*(f"--deepen={n}" for n in DEEPEN), "--unshallow"):
        edges = _shallow(place)
        if not edges or _closed(place, edges, base, head, merged) or remote is None:
            break
        args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", depth, remote]
        if git.attempt([*args, base, head, merged], place.cwd) is None and git.attempt(args, place.cwd) is None:
            break
    edges = _shallow(place)
    if edges and not _closed(place, edges, base, head, merged):
        return False
    if is_partial(place):
        for span in (f"{base}..{head}", f"{base}..{merged}"):
            git.attempt(["log", "-p", "-m", "--no-ext-diff", "--no-textconv", span], place.cwd, env=LAZY)
        git.attempt(["diff-tree", "-r", "-p", "-M", "--no-ext-diff", "--no-textconv", head, merged], place.cwd, env=LAZY)
    return True


def _closed(place: Place, edges: set[str], base: str, head: str, merged: str) -> bool:
    if merge_base(place, base, head) is None or merge_base(place, base, merged) is None:
        return False
    between = history.between(place.cwd, [head, merged], [base])
    return not edges & set(between)


def _decide(place: Place, base: str, head: str, merged: str) -> tuple[Decision, list[str]]:
    """How it landed, and the landed commits, oldest first."""
    short = {name: name[:10] for name in (base, head, merged)}
    if len(set(rev_list(place, "--max-count=1", f"{base}..{merged}"))) == 0:
        return unknown(f"merged {short[merged]} is part of base {short[base]}: nothing landed between them"), []
    if not history.is_ancestor(place.cwd, base, merged):
        return unknown(
            f"base {short[base]} is not an ancestor of merged {short[merged]}: is --base the target branch before the merge?"
        ), []
    if history.is_ancestor(place.cwd, head, base):
        return unknown(f"head {short[head]} is part of base {short[base]} already: are they swapped?"), []
    if merge_base(place, base, head) is None:
        return unknown(f"base {short[base]} and head {short[head]} share no history"), []
    if history.is_ancestor(place.cwd, head, merged):
        return _contained(place, base, head, merged)
    first, *others = history.read(place.cwd, [merged], place.common)[0].parents
    if others:
        return unknown(f"merged {short[merged]} is a merge that does not hold head {short[head]}"), []
    pr = rev_list(place, "--no-merges", "--reverse", "--topo-order", head, f"^{base}", f"^{first}")
    if len(pr) > MAX_COMMITS:
        return unknown(f"{len(pr)} commits lie between base and head, more than {MAX_COMMITS}"), []
    chain = rev_list(place, "--no-merges", "--first-parent", f"--max-count={max(1, len(pr))}", f"{base}..{merged}")[::-1]
    pieces = _pieces(place, [*pr, *chain])
    origin = merge_base(place, first, head) or base
    whole = _piece(place, _raw(place, head), history.tree_changes(place.cwd, [(f"{origin}^{{tree}}", f"{head}^{{tree}}")]))
    tried = git.attempt(["merge-tree", "--write-tree", "--no-messages", first, head], place.cwd)
    facts = Facts(
        [pieces[name] for name in pr],
        [pieces[name] for name in chain],
        whole,
        git.text(tried).split("\n")[0].strip() if tried else None,
        git.line(["rev-parse", f"{first}^{{tree}}"], place.cwd),
    )
    decision = decide(facts)
    exact = pieces[merged].tree == facts.merge_tree or pieces[merged].patch == whole.patch is not None
    if decision.how == "squash" and not exact and (part := _part(place, base, head, first, pieces[merged].tree)):
        return unknown(
            f"merged {short[merged]} holds this pull request only up to {part[:10]}: is it the landing of another one below it?"
        ), []
    if decision.how == "rebase":
        became = [pair.new for pair in decision.pairs if pair.new and pair.certainty == "proven"]
        return decision, became if merged in became else [*became, merged]
    return decision, [merged] if decision.how == "squash" else []


def _part(place: Place, base: str, head: str, first: str, tree: str) -> str | None:
    """The commit below the head that merged into `first` gives this very tree: what landed is another branch, on which this one stands."""
    for name in rev_list(place, "--topo-order", f"--max-count={MAX_PARTS}", head, f"^{base}", f"^{first}")[1:]:
        tried = git.attempt(["merge-tree", "--write-tree", "--no-messages", first, name], place.cwd)
        if tried is not None and git.text(tried).split("\n")[0].strip() == tree:
            return name
    return None


def _contained(place: Place, base: str, head: str, merged: str) -> tuple[Decision, list[str]]:
    """The head can be reached from the landed commit: the oldest commit of the target branch from which it can be is it."""
    line = rev_list(place, "--first-parent", "--reverse", f"{base}..{merged}")
    low, high = 0, len(line) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if history.is_ancestor(place.cwd, head, line[middle]) else (middle + 1, high)
    landed = line[low]
    if landed == head:
        if history.is_ancestor(place.cwd, base, head):
            return Decision("ff", "proven", ("the landed commit is the head", "base is an ancestor of the head")), [head]
        return unknown("the head stands on the target branch and does not come from base"), []
    parents = history.read(place.cwd, [landed], place.common)[0].parents
    if any(history.is_ancestor(place.cwd, head, parent) for parent in parents[1:]):
        return Decision("merge", "proven", (f"{len(parents)} parents", "the head is an ancestor of a parent after the first")), [
            landed
        ]
    return unknown("the head was part of the target branch before"), []


def _raw(place: Place, name: str) -> Commit:
    return history.read(place.cwd, [name], place.common)[0]


def _pieces(place: Place, names: Sequence[str]) -> dict[str, Piece]:
    found = history.read(place.cwd, dict.fromkeys(names), place.common)
    pairs = [(f.before, f.after) for commit in found for f in commit.files or ()]
    hunks = diff_pairs(place.common, pairs)
    when = _author_dates(place, [commit.id for commit in found])
    return {commit.id: _of(commit, commit.files or [], hunks, when.get(commit.id, "")) for commit in found}


def _piece(place: Place, commit: Commit, changes: Mapping[tuple[str, str], list[FileChange]]) -> Piece:
    files = [f for found in changes.values() for f in found]
    return _of(commit, files, diff_pairs(place.common, [(f.before, f.after) for f in files]), "")


def _of(commit: Commit, files: Iterable[FileChange], hunks: Mapping[Any, Any], when: str) -> Piece:
    """A commit as evidence. Its patch: for each file, what goes and what comes, whatever stands around it."""
    said = hashlib.sha256()
    lines: set[tuple[str, str]] = set()
    paths: set[str] = set()
    for f in sorted(files, key=lambda f: (f.path, f.old)):
        paths |= {f.path, f.old}
        steps = hunks.get((f.before, f.after))
        said.update(f"{f.status}\0{f.old}\0{f.path}\0{f.mode}\0".encode("utf-8", "surrogateescape"))
        if steps is None:
            said.update(f"{f.before} {f.after}".encode())
            continue
        for hunk in steps:
            for sign, text in ((b"-", hunk.old), (b"+", hunk.new)):
                said.update(b"".join(sign + line + b"\n" for line in text))
            lines |= {(f.path, squeeze(line).hex()) for line in hunk.new if len(squeeze(line)) > 3}
    by = (commit.author, commit.author_email, when)
    patch = said.hexdigest() if paths else None
    return Piece(commit.id, tuple(commit.parents), commit.tree, by, patch, frozenset(paths), frozenset(lines))


def _author_dates(place: Place, names: Sequence[str]) -> dict[str, str]:
    rows = "".join(f"{name}\n" for name in names).encode()
    out = git.attempt(["log", "--no-walk=unsorted", "--stdin", "--format=%H %at"], place.cwd, stdin=rows) if names else None
    rows_out = (row.partition(" ") for row in git.text(out or b"").splitlines())
    return {name: at for name, _, at in rows_out}
