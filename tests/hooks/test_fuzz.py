"""Random git sequences against an independent model of who wrote each line.

Every line is unique and says its author in a table that only this file knows; expectations are read from the commit's own
content by plain git, never from git-hone's data. Wrong is not allowed (a person's line called ai, an agent's called human);
unknown is, and is counted.

    HONE_FUZZ=2000 pytest tests/hooks/test_fuzz.py -s      # many more, with the counts
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

SEEDS = int(os.environ.get("HONE_FUZZ", "6"))
FIRST = int(os.environ.get("HONE_FUZZ_FIRST", "0"))
STEPS = int(os.environ.get("HONE_FUZZ_STEPS", "14"))


class Fuzz:
    """One random history in one repository."""

    def __init__(self, p: Any, seed: int) -> None:
        self.p, self.rng = p, random.Random(seed)
        self.author: dict[str, str] = {}
        self.n = 0
        self.log: list[str] = []
        self.branches = 0

    def fresh(self, who: str, count: int) -> list[str]:
        lines = []
        for _ in range(count):
            self.n += 1
            line = f"{who}_value_{self.n} = compute({self.rng.randrange(10**9)})\n"
            self.author[line] = who
            lines.append(line)
        return lines

    def files(self) -> list[str]:
        found = [name for name in self.p.git("ls-files", "-co", "--exclude-standard").splitlines() if name.startswith("d/")]
        return [name for name in found if (self.p.repo / name).exists()]

    def edited(self, who: str, path: str) -> str:
        lines = self.p.read(path).splitlines(True) if (self.p.repo / path).exists() else []
        for _ in range(self.rng.randint(1, 2)):
            at = self.rng.randint(0, len(lines))
            gone = self.rng.choice([0, 0, 1, 2])
            lines[at : at + gone] = self.fresh(who, self.rng.randint(1, 4))
        return "".join(lines)

    def pick(self) -> str:
        files = self.files()
        if files and self.rng.random() < 0.75:
            return self.rng.choice(files)
        self.n += 1
        return f"d/f{self.n}.py"

    # -- what can happen -------------------------------------------------
    def agent(self) -> None:
        path = self.pick()
        if self.rng.random() < 0.3:
            self.p.prompt("more")
        self.p.write(path, self.edited("ai", path))

    def shell(self) -> None:
        path = self.pick()
        text = self.edited("ai", path)

        def act() -> None:
            (self.p.repo / path).parent.mkdir(exist_ok=True)
            (self.p.repo / path).write_text(text)

        self.p.use("Bash", {"command": "./generate"}, act)

    def human(self) -> None:
        path = self.pick()
        self.p.human(path, self.edited("human", path))

    def commit(self) -> None:
        self.p.git("add", "-A")
        self.p.git("commit", "-q", "--allow-empty", "-m", f"c{self.n}")

    def commit_one(self) -> None:
        files = self.files()
        if files:
            self.p.git("add", "--", self.rng.choice(files))
            self.p.git("commit", "-q", "--allow-empty", "-m", f"part{self.n}")

    def amend(self) -> None:
        self.p.git("add", "-A")
        self.p.git("commit", "-q", "--amend", "--allow-empty", "-m", f"amended{self.n}")

    def clean(self) -> bool:
        return not self.p.git("status", "--porcelain")

    def branch(self) -> None:
        self.branches += 1
        self.p.git("checkout", "-q", "-b", f"b{self.branches}")

    def switch(self) -> None:
        names = self.p.git("branch", "--format=%(refname:short)").splitlines()
        self.p.git("checkout", "-q", self.rng.choice(names), check=False)

    def _resolve(self, abort: str) -> None:
        """A conflict: keep one side whole, by plain git, or give up."""
        for _ in range(12):
            if not self.p.git("diff", "--name-only", "--diff-filter=U"):
                break
            self.p.git(abort, "--abort", check=False)
        state = self.p.repo / ".git"
        if (state / "rebase-merge").exists() or (state / "CHERRY_PICK_HEAD").exists() or (state / "MERGE_HEAD").exists():
            self.p.git(abort, "--abort", check=False)

    def rebase(self) -> None:
        if self.clean():
            names = self.p.git("branch", "--format=%(refname:short)").splitlines()
            self.p.git("rebase", "-q", self.rng.choice(names), check=False)
            self._resolve("rebase")

    def squash(self) -> None:
        if (
            self.clean()
            and len(self.p.git("rev-list", "--no-merges", "main..HEAD").split() or self.p.git("rev-list", "-3", "HEAD").split())
            > 2
        ):
            how = self.rng.choice(["squash", "fixup", "drop"])
            self.p.git("rebase", "-q", "-i", "HEAD~2", check=False, GIT_SEQUENCE_EDITOR=f"sed -i '2s/^pick/{how}/'")
            self._resolve("rebase")

    def cherry_pick(self) -> None:
        if self.clean():
            names = self.p.git("rev-list", "--no-merges", "-20", "--all", "--", "d").split()
            if names:
                self.p.git("cherry-pick", self.rng.choice(names), check=False)
                self._resolve("cherry-pick")
                self.p.git("cherry-pick", "--abort", check=False)

    def merge_squash(self) -> None:
        if self.clean():
            names = self.p.git("branch", "--format=%(refname:short)").splitlines()
            self.p.git("merge", "-q", "--squash", self.rng.choice(names), check=False)
            if self.p.git("diff", "--name-only", "--diff-filter=U"):
                self.p.git("reset", "-q", "--hard")
            else:
                self.p.git("commit", "-q", "-m", f"squashed{self.n}", check=False)

    def merge(self) -> None:
        if self.clean():
            names = self.p.git("branch", "--format=%(refname:short)").splitlines()
            self.p.git("merge", "-q", "--no-edit", self.rng.choice(names), check=False)
            self._resolve("merge")

    def stash_and_pop(self) -> None:
        self.p.git("add", "-A")
        self.p.git("stash", check=False)
        if self.rng.random() < 0.5:
            self.human()
            self.commit()
        if self.p.git("stash", "list"):
            self.p.git("stash", "pop", check=False)
            if self.p.git("diff", "--name-only", "--diff-filter=U"):
                self.p.git("checkout", "-q", "--theirs", "--", ".", check=False)
                self.p.git("add", "-A")

    def reset(self) -> None:
        if self.p.git("rev-list", "--count", "HEAD") > "3":
            self.p.git("reset", "-q", self.rng.choice(["--soft", "--mixed"]), "HEAD~1")

    def hard_reset(self) -> None:
        self.p.git("reset", "-q", "--hard", "HEAD~1" if self.rng.random() < 0.3 else "HEAD", check=False)

    def revert(self) -> None:
        if self.clean():
            self.p.git("revert", "--no-edit", "HEAD", check=False)
            self.p.git("revert", "--abort", check=False)

    def move(self) -> None:
        files = self.files()
        if files:
            self.n += 1
            path = self.rng.choice(files)
            (self.p.repo / path).rename(self.p.repo / f"d/moved{self.n}.py")

    def drain(self) -> None:
        self.p.show()

    def step(self) -> None:
        names = ["agent"] * 5 + ["shell"] * 2 + ["human"] * 3 + ["commit"] * 5 + ["commit_one", "amend", "branch", "switch", "rebase",
                 "squash", "cherry_pick", "merge_squash", "merge", "stash_and_pop", "reset", "hard_reset", "revert", "move", "drain"]  # fmt: skip
        name = self.rng.choice(names)
        self.log.append(name)
        getattr(self, name)()

    # -- the question ----------------------------------------------------
    def judge(self) -> tuple[int, int, int]:
        """(lines judged, unknown, wrong) over every reachable commit that is no merge."""
        judged = unknown = 0
        wrong = []
        self.p.show()
        for sha in self.p.git("rev-list", "--no-merges", "--all", "--", "d").split():
            view = self.p.show(sha)
            said = {f["path"]: f for f in view["files"]}
            for path in self.p.git(
                "diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "--diff-filter=d", "-M", sha
            ).splitlines():
                if not path.startswith("d/"):
                    continue
                content = self.p.git("show", f"{sha}:{path}").splitlines(True)
                f = said.get(path, {"ai_ranges": [], "human_ranges": []})
                for kind, other in (("ai", "human"), ("human", "ai")):
                    for first, last in f[f"{kind}_ranges"]:
                        for k in range(first - 1, last):
                            judged += 1
                            line = content[k] if content[k].endswith("\n") else content[k] + "\n"
                            if self.author.get(line) == other:
                                wrong.append((sha[:8], path, k + 1, kind, line))
            unknown += view["lines"]["unknown"]
        assert wrong == [], " ".join(self.log) + " ## " + repr(wrong[:3])
        return judged, unknown, len(wrong)


@pytest.mark.slow
def test_random_histories_are_never_wrong(fresh: Callable[..., Any]) -> None:
    judged = unknown = 0
    for seed in range(FIRST, FIRST + SEEDS):
        p = fresh(f"seed{seed}")
        fuzz = Fuzz(p, seed)
        for _ in range(STEPS):
            fuzz.step()
        if fuzz.p.git("status", "--porcelain"):
            fuzz.commit()
        try:
            a, b, _ = fuzz.judge()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        judged, unknown = judged + a, unknown + b
    print(f"{SEEDS} histories: {judged} lines judged, 0 wrong, {unknown} unknown")
    assert judged > SEEDS
