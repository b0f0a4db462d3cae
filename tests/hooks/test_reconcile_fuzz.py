"""Random pull requests, landed in random ways, against an independent model of who wrote each line.

Every line is unique and says its author in a table that only this file knows; expectations are read from the landed commits'
contents by plain git. Wrong is not allowed; unknown is, and is counted.

    HONE_FUZZ_MERGES=300 pytest tests/hooks/test_reconcile_fuzz.py -s      # many more, with the counts
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks.place import find
from git_hone.hooks.reconcile import reconcile
from git_hone.hooks.view import show

from .conftest import Play
from .test_reconcile import Forge, _git, alive

MERGES = int(os.environ.get("HONE_FUZZ_MERGES", "6"))
FIRST = int(os.environ.get("HONE_FUZZ_FIRST", "0"))
COUNTED = "HONE_FUZZ_MERGES" in os.environ  # read here: each test runs without the caller's settings


class Merges:
    """A few pull requests of one repository, landed one after the other."""

    def __init__(self, forge: Forge, seed: int) -> None:
        self.forge, self.p, self.rng = forge, forge.p, random.Random(seed)
        self.author: dict[str, str] = {}
        self.count = {"ai": 0, "missed": 0, "human": 0, "unknown": 0, "landed": 0, "placed": 0, "refused": 0}

    def fresh(self, who: str, n: int) -> list[str]:
        made = [f"{who}_{len(self.author) + k} = compute({self.rng.randrange(10**12)})\n" for k in range(n)]
        self.author |= dict.fromkeys(made, who)
        return made

    def edited(self, text: str, who: str) -> str:
        lines = text.splitlines(True)
        for _ in range(self.rng.randint(1, 2)):
            at = self.rng.randint(0, len(lines))
            lines[at : at + self.rng.choice([0, 0, 1, 3])] = self.fresh(who, self.rng.randint(1, 5))
        return "".join(lines)

    def request(self, name: str) -> tuple[str, str]:
        """A branch of one to four commits by an agent and a person; returns base and head."""
        p, rng = self.p, self.rng
        p.git("fetch", "-q", "origin")
        base = p.git("rev-parse", rng.choice(["origin/main", "origin/main", "origin/main~1"]))
        p.git("checkout", "-q", "-b", name, base)
        for k in range(rng.randint(1, 4)):
            for _ in range(rng.randint(1, 2)):
                path = f"d/f{rng.randint(0, 3)}.py"
                old = p.read(path) if (p.repo / path).exists() else ""
                if rng.random() < 0.7:
                    p.prompt("more") if rng.random() < 0.5 else None
                    p.write(path, self.edited(old, "ai"))
                else:
                    p.human(path, self.edited(old, "human"))
            if rng.random() < 0.2 and (p.repo / path).exists():
                p.git("add", "-A")
                p.git("mv", path, f"d/{name}-{k}.py")
            p.commit(f"{name} {k}")
            if rng.random() < 0.2:
                p.git("merge", "-q", "--no-edit", "origin/main", check=False)
                if p.git("ls-files", "-u"):
                    p.git("merge", "--abort")
        return base, self.forge.push(name)

    def resolved(self, base: str, head: str) -> dict[str, str] | None:
        """How a forge's user resolves: some lines of either side, in order, and a line of their own. None: no conflict."""
        forge = self.forge
        out = forge.git("merge-tree", "--write-tree", "--name-only", "--no-messages", base, head, check=False).split("\n")
        found = {}
        for path in out[1:]:
            sides = [forge.git("show", f"{side}:{path}", check=False).splitlines(True) for side in (base, head)]
            if not all(sides):
                return {}
            sides = [[line.rstrip("\n") + "\n" for line in side] for side in sides]
            ours, theirs = sides
            text = ours + [line for line in theirs if line not in ours and self.rng.random() < 0.8]
            text[self.rng.randint(0, len(text)) : 0] = self.fresh("forge", 1)
            found[path] = "".join(text)
        return found or None

    def land(self, base: str, head: str) -> tuple[str, str] | None:
        forge, rng = self.forge, self.rng
        for k in range(rng.randint(0, 2)):
            path = f"d/f{rng.randint(0, 3)}.py" if rng.random() < 0.5 else f"e{k}.py"
            old = forge.git("show", f"main:{path}", check=False)
            forge.advance(path, self.edited(old + "\n" if old else "", "elsewhere"))
        tip = forge.tip()
        conflict = self.resolved(tip, head)
        if conflict == {}:
            return None
        if conflict is not None:
            return "squash", forge.squash(head, files=conflict)
        how = rng.choice(["squash", "squash", "rebase", "merge"])
        if how == "merge":
            return how, forge.merge(head)
        if how == "rebase":
            try:
                return how, forge.rebase(tip, head, resolve=_stop)
            except Stop:
                forge.git("worktree", "remove", "--force", str(forge.folder / "temporary"))
        return "squash", forge.squash(head)

    def check(self, clone: Path, commits: list[str]) -> None:
        for commit in commits:
            for f in show(find(clone), commit)["files"]:
                text = _git_lines(clone, commit, f["path"])
                spans = {kind: f.get(f"{kind}_ranges") or [] for kind in ("ai", "human")}
                named = {kind: {k for a, b in spans[kind] for k in range(a - 1, b)} for kind in spans}
                for kind, where in named.items():
                    wrong = [text[k] for k in where if (self.author.get(text[k]) == "ai") != (kind == "ai")]
                    assert not wrong, (kind, commit, f["path"], wrong)
                    self.count[kind] += len(where)
                added = {line[1:] + "\n" for line in _git(clone, "diff", "--no-ext-diff", "-U0", f"{commit}^", commit, "--", f["path"])
                         .split("\n") if line.startswith("+") and not line.startswith("+++")}  # fmt: skip
                assert {text[k] for k in named["ai"]} <= added
                self.count["missed"] += len([x for x in added if self.author.get(x) == "ai"]) - len(named["ai"])


class Stop(Exception):
    """A cherry-pick met a conflict: the forge refuses to rebase."""


def _stop(_: Path) -> None:
    raise Stop


def _git_lines(clone: Path, commit: str, path: str) -> list[str]:
    return (_git(clone, "show", f"{commit}:{path}") + "\n").splitlines(True)


TOTAL = {"ai": 0, "missed": 0, "human": 0, "unknown": 0, "landed": 0, "placed": 0, "refused": 0}


@pytest.mark.parametrize("seed", range(FIRST, FIRST + MERGES))
def test_random_merges(
    fresh: Callable[..., Play], tmp_path: Path, seed: int, capsys: Any, record_property: Callable[[str, object], None]
) -> None:
    play = fresh()
    merges = Merges(Forge(play, tmp_path), seed)
    job, done = None, []
    for number in range(2):
        base, head = merges.request(f"pr{number}")
        before = merges.forge.tip()
        landed = merges.land(base, head)
        if landed is None:
            continue
        how, merged = landed
        job = merges.forge.job()
        done.append((before, head, merged))
        found = reconcile(job, before, head, merged)
        merges.count["landed"] += 1
        merges.count["refused"] += found.how == "unknown"
        singles = len(_git(job, "rev-list", "--no-merges", head, f"^{before}").split()) == 1
        assert found.how in ("unknown", how) or (singles and {found.how, how} == {"squash", "rebase"}), (found, how)
        if found.how != "unknown":
            merges.count["placed"] += 1
            merges.check(job, [move.to for move in found.moves])
            merges.count["unknown"] += len(found.unknown)
            live = alive(job)
            assert len(set(live.values())) == len(live)
            here = set(_git(job, "rev-list", head, f"^{before}").split())
            assert found.how == "merge" or found.unknown or not here & set(live.values())
            tip = _git(job, "for-each-ref", "refs/notes")
            assert reconcile(job, before, head, merged).how == found.how
            assert _git(job, "for-each-ref", "refs/notes") == tip
        if found.notes:
            _git(job, "push", "-q", "origin", "refs/notes/hone")
            _git(play.repo, "fetch", "-q", "origin", "refs/notes/hone:refs/notes/theirs")
            _git(play.repo, "notes", "--ref", "hone", "merge", "-q", "-s", "cat_sort_uniq", "theirs")
    # the developer fetches it all: the drain, and reconcile beside it, may not contradict what the job found
    play.git("fetch", "-q", "origin")
    for before, head, merged in done:
        found = reconcile(play.repo, before, head, merged)
        merges.check(play.repo, [move.to for move in found.moves])
        tip = _git(play.repo, "for-each-ref", "refs/notes")
        reconcile(play.repo, before, head, merged)
        assert _git(play.repo, "for-each-ref", "refs/notes") == tip
    clones = [play.repo, *([job] if job else [])]
    live = alive(*clones)
    assert len(set(live.values())) == len(live)
    record_property("tried", merges.count["landed"])
    record_property("unknown", merges.count["refused"])
    for name, n in merges.count.items():
        TOTAL[name] += n
    if COUNTED:
        with capsys.disabled():
            print(f"\n  seed {seed}: {TOTAL}", end="")
