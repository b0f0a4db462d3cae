"""Whether `git hone reconcile` tells how a pull request landed, on the branches of public repositories.

    python -m bench.landings [--json] [--landings 60] [--list] REPOSITORY ...

Takes the merges of each repository's history, newest first: the second parent is the head of a branch that people really made, the
first one the target as it stood. Plain git lands each head again in each of the ways that forges have: a merge commit, a fast-forward
(onto the merge base), one squashed commit, and `git rebase` (with a new committer, as forges do). After a third of the merges another commit
stands on top of them. `as it was` is the merge that stands in the history.
`another's` asks about a head and the landing of another branch: whatever is answered but "unknown" is wrong. Where a way does not work
(a conflict), the branch is not tried in it. A branch of one commit, squashed, is a branch rebased: either answer is right when it names
that commit. Nothing is written but to a scratch clone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench import scratch
from git_hone.hooks.place import find
from git_hone.hooks.reconcile import reconcile

WAYS = ("merge", "ff", "squash", "rebase", "as it was", "another's")


class Tried(NamedTuple):
    """One landing: what was done, the three commits, the landed commits that are right, and the ways that are right."""

    way: str
    base: str
    head: str
    merged: str
    landed: list[str]
    right: tuple[str, ...]


class Scratch:
    """A bare clone that borrows the repository's objects, and a work tree of it to rebase in."""

    def __init__(self, source: Path, folder: Path, env: Mapping[str, str]) -> None:
        self.folder, self.env = folder, dict(env)
        subprocess.run(["git", "clone", "-q", "--shared", "--bare", "--no-tags", str(source), str(folder)], env=env, check=True)
        self.tree = folder.with_name(folder.name + "-tree")
        self.git("worktree", "add", "-q", "--detach", "--no-checkout", str(self.tree), "HEAD")

    def git(self, *args: str, cwd: Path | None = None, **env: str) -> str:
        """Raises CalledProcessError where git says no."""
        done = subprocess.run(["git", *args], cwd=cwd or self.folder, env=self.env | env, check=True, capture_output=True)
        return done.stdout.decode("utf-8", "replace").strip()

    def commit(self, tree: str, parents: list[str], message: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *words, "-m", message)

    def rebased(self, base: str, head: str) -> str:
        try:
            self.git("checkout", "-q", "-f", "--detach", head, cwd=self.tree)
            self.git("rebase", "-q", "--force-rebase", "--empty=drop", base, cwd=self.tree)
            return self.git("rev-parse", "HEAD", cwd=self.tree)
        except subprocess.CalledProcessError:
            subprocess.run(["git", "rebase", "--abort"], cwd=self.tree, env=self.env, capture_output=True, check=False)
            raise


def branches(of: Scratch) -> Iterator[tuple[str, str, str]]:
    """(merge, target, head) of the merges of two parents in which the head brings something, newest first."""
    for row in of.git("rev-list", "--merges", "--first-parent", "--parents", "HEAD").splitlines():
        merge, *parents = row.split()
        if len(parents) == 2 and of.git("rev-list", "--count", "--no-merges", parents[1], f"^{parents[0]}") != "0":
            yield merge, parents[0], parents[1]


def landings(of: Scratch, merge: str, base: str, head: str, later: bool) -> Iterator[Tried]:
    """The branch landed in each way that works."""
    own = of.git("rev-list", "--no-merges", head, f"^{base}").split()
    yield Tried("as it was", base, head, merge, [merge], ("merge",))
    start = of.git("merge-base", base, head).split()[0]
    yield Tried("ff", start, head, head, [head], ("ff",))
    try:
        tree = of.git("merge-tree", "--write-tree", "--no-messages", base, head)
    except subprocess.CalledProcessError:
        return
    made = of.commit(tree, [base, head], "Merge pull request")
    tip = of.commit(of.git("rev-parse", f"{made}^{{tree}}"), [made], "later, and empty") if later else made
    yield Tried("merge", base, head, tip, [made], ("merge",))
    if tree == of.git("rev-parse", f"{base}^{{tree}}"):
        return  # the target has it all already: nothing would land
    made = of.commit(tree, [base], "A title (#7)")
    yield Tried("squash", base, head, made, [made], ("squash", "rebase") if len(own) == 1 else ("squash",))
    try:
        tip = of.rebased(base, head)
    except subprocess.CalledProcessError:
        return
    new = of.git("rev-list", "--reverse", tip, f"^{base}").split()
    if new:
        yield Tried("rebase", base, head, tip, new, ("squash", "rebase") if len(new) == 1 else ("rebase",))


def measure(sources: list[Path], each: int = 60, rows: list[str] | None = None) -> dict[str, Any]:
    """By way: tried, right, wrong, unknown. rows: takes a line for each answer that is not right."""
    counts: Counter[tuple[str, str]] = Counter()
    for source in sources:
        with scratch.home() as (folder, env):
            of = Scratch(source.resolve(), folder / "clone.git", env)
            place = find(of.folder)
            newer = ""  # the head of a branch that landed later, so that no landing of this one holds it
            here: Counter[str] = Counter()
            for merge, base, head in branches(of):
                tried = list(landings(of, merge, base, head, later=here["merge"] % 3 == 2))
                squashed = next((one for one in tried if one.way == "squash"), None)
                if squashed and newer and not _holds(of, newer, squashed.merged):
                    tried.append(Tried("another's", base, newer, squashed.merged, [], ()))
                newer = head
                for one in tried:
                    if here[one.way] >= each:
                        continue
                    here[one.way] += 1
                    said = reconcile(place, one.base, one.head, one.merged, dry_run=True)
                    verdict = _verdict(one, said.how, said.landed)
                    counts[one.way, verdict] += 1
                    if verdict != "right" and rows is not None:
                        rows.append(f"{verdict}: {source.name} {one.way} base {one.base[:10]} head {one.head[:10]} merged {one.merged[:10]}: "
                                    f"{said.how} {[name[:10] for name in said.landed]} {said.message}")  # fmt: skip
                if all(here[way] >= each for way in WAYS):
                    break
    found: dict[str, Any] = {}
    for way in WAYS:
        for verdict in ("right", "wrong", "unknown"):
            found[f"{way}, {verdict}"] = counts[way, verdict]
    return found


def _holds(of: Scratch, head: str, merged: str) -> bool:
    """Whether a landing holds a branch's own changes: by ancestry, or as nothing that the branch changes is left to merge."""
    try:
        return of.git("merge-tree", "--write-tree", "--no-messages", merged, head) == of.git("rev-parse", f"{merged}^{{tree}}")
    except subprocess.CalledProcessError:
        return False


def _verdict(one: Tried, how: str, landed: list[str]) -> str:
    if how == "unknown":
        return "unknown" if one.right else "right"
    if how not in one.right or not set(landed) <= set(one.landed) or one.landed[-1] not in landed:
        return "wrong"
    return "right"


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("repositories", nargs="+", type=Path)
    words.add_argument("--json", action="store_true")
    words.add_argument("--landings", type=int, default=60, help="in each way, of each repository")
    words.add_argument("--list", action="store_true")
    given = words.parse_args(argv)
    rows: list[str] = []
    result = measure(given.repositories, given.landings, rows)
    if given.list:
        print("\n".join(rows), file=sys.stderr)
    return scratch.tell(result, given.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
