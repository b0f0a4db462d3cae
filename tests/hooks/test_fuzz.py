"""Random git sequences against an independent model of who wrote each line.

Every line is unique and says its author in a table that only this file knows; expectations are read from the commit's own
content by plain git, never from git-hone's data. Wrong is not allowed (a person's line called ai, an agent's called human, one
session's line called another's); unknown is, and is counted by the operation that made the commit.

    HONE_FUZZ=2000 pytest tests/hooks/test_fuzz.py -s      # many more, with the counts

HONE_FUZZ_FIRST is the first seed, HONE_FUZZ_STEPS the steps of a history, HONE_FUZZ_REPORT a file for the counts as JSON. Two
histories in three are drained only where the sequence says so; the others by background workers too, whenever they like.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks.lock import locked
from git_hone.hooks.player import Player

SEEDS = int(os.environ.get("HONE_FUZZ", "6"))
FIRST = int(os.environ.get("HONE_FUZZ_FIRST", "0"))
STEPS = int(os.environ.get("HONE_FUZZ_STEPS", "14"))
REPORT = os.environ.get("HONE_FUZZ_REPORT", "")
MARKER = re.compile(r"^(<{7} .*|\|{7} .*|={7}|>{7} .*)\n", re.MULTILINE)
WEIGHTS = {
    "agent": 10, "shell": 3, "other_agent": 3, "interleaved": 2, "human": 6, "human_between": 3, "commit": 11, "commit_one": 2,
    "commit_hunk": 2, "amend": 2, "amend_more": 2, "branch": 2, "switch": 2, "switch_dirty": 1, "rebase": 3, "rebase_apply": 1,
    "rebase_interactive": 4, "autosquash": 1, "cherry_pick": 2, "cherry_pick_range": 2, "merge_squash": 2, "merge": 3,
    "merge_octopus": 1, "stash_and_pop": 3, "stash_branch": 1, "reset": 3, "hard_reset": 1, "revert": 2, "revert_any": 1,
    "move": 2, "move_committed": 1, "copy": 1, "remove": 1, "format_by_person": 1, "format_by_agent": 1, "am": 2, "restack": 2,
    "linked": 3, "gc": 1, "restore_old": 1, "agent_commits": 2, "agent_moves_history": 1, "drain": 3,
}  # fmt: skip
NEED_CLEAN = {"switch", "rebase", "rebase_apply", "rebase_interactive", "autosquash", "cherry_pick", "cherry_pick_range", "merge",
              "merge_squash", "merge_octopus", "revert", "revert_any", "am", "agent_moves_history"}  # fmt: skip


class Fuzz:
    """One random history in one repository."""

    def __init__(self, p: Any, seed: int) -> None:
        self.p, self.rng = p, random.Random(seed)
        self.main = p.repo
        self.author: dict[str, str] = {}
        self.n = 0
        self.log: list[str] = []
        self.other = Player(p.repo, p.home, p.env, "another-model")
        self.other.start()
        self.trees: list[Path] = []
        self.made_by: dict[str, str] = {}
        self.counts: dict[str, Counter[str]] = {}
        with (p.place.common / "info" / "exclude").open("a") as out:
            out.write("/.agent/data/\n")  # also where a revert takes our own .gitignore away
        if seed % 3:
            p.quiet()

    # -- lines and files -------------------------------------------------
    def fresh(self, who: str, count: int) -> list[str]:
        lines = []
        for _ in range(count):
            self.n += 1
            lines.append(f"{self.rng.choice(['', '    '])}{who}_value_{self.n} = compute({self.rng.randrange(10**9)})\n")
            self.author[lines[-1]] = who
        return lines

    def became(self, line: str, who: str) -> None:
        """`line` now stands there, and is `who`'s; text that two of them wrote is nobody's to judge."""
        self.author[line] = who if self.author.get(line, who) == who else "either"

    def files(self, *flags: str) -> list[str]:
        found = self.p.git("ls-files", *(flags or ("-co", "--exclude-standard"))).splitlines()
        return sorted({name for name in found if name.startswith("d/") and (self.p.repo / name).exists()})

    def lines(self, path: str) -> list[str]:
        text = self.p.read(path) if (self.p.repo / path).exists() else ""
        return [line if line.endswith("\n") else line + "\n" for line in text.splitlines(True)]

    def edited(self, who: str, path: str) -> str:
        lines = self.lines(path)
        for _ in range(self.rng.randint(1, 2)):
            at = self.rng.randint(0, len(lines))
            gone = self.rng.choice([0, 0, 0, 1, 2, 5])
            lines[at : at + gone] = self.fresh(who, self.rng.choice([0, 1, 1, 2, 4, 8]))
        return "".join(lines) or "".join(self.fresh(who, 1))

    def pick(self) -> str:
        files = self.files()
        if files and self.rng.random() < 0.8:
            return self.rng.choice(files)
        self.n += 1
        return f"d/f{self.n}.py"

    # -- edits -----------------------------------------------------------
    def agent(self) -> None:
        path = self.pick()
        if self.rng.random() < 0.3:
            self.p.prompt("more")
        self.p.write(path, self.edited("ai", path))

    def other_agent(self) -> None:
        self.other.repo = self.p.repo
        path = self.pick()
        self.other.prompt("more")
        self.other.write(path, self.edited("ai2", path))

    def interleaved(self) -> None:
        """Two sessions, each with a tool call open on a file of its own."""
        self.other.repo = self.p.repo
        one, two = self.pick(), self.pick()
        if one != two:
            text = self.edited("ai", one)

            def act() -> None:
                self.other.write(two, self.edited("ai2", two))
                self.p.human(one, text)

            self.p.use("Write", {"file_path": str(self.p.repo / one), "content": text}, act)

    def shell(self) -> None:
        path = self.pick()
        text = self.edited("ai", path)
        self.p.use("Bash", {"command": "./generate"}, lambda: self.p.human(path, text))

    def human(self) -> None:
        path = self.pick()
        self.p.human(path, self.edited("human", path))

    def human_between(self) -> None:
        path = self.pick()
        for who in ("ai", "human", "ai"):
            text = self.edited(who, path)
            (self.p.human if who == "human" else self.p.write)(path, text)

    def format_by_person(self) -> None:
        files = self.files()
        if files:
            path = self.rng.choice(files)
            self.p.human(path, self.formatted(path, None))

    def format_by_agent(self) -> None:
        files = self.files()
        if files:
            path = self.rng.choice(files)
            text = self.formatted(path, "ai")
            self.p.use("Bash", {"command": "ruff format"}, lambda: self.p.human(path, text))

    def formatted(self, path: str, who: str | None) -> str:
        """Each line indented another way; who: to whom the lines so changed belong, None: to whom they belonged. A line that
        one wrote and another indented is both's: neither answer would be wrong."""
        lines = []
        for line in self.lines(path):
            new = self.rng.choice(["", "  ", "        "]) + line.lstrip(" ")
            if new != line:
                old = self.author.get(line, "either")
                self.became(new, old if who in (None, old) else "either")
                self.became(line, self.author[new])
            lines.append(new)
        return "".join(lines)

    def move(self) -> None:
        files = self.files()
        if files:
            self.n += 1
            (self.p.repo / self.rng.choice(files)).rename(self.p.repo / f"d/moved{self.n}.py")

    def move_committed(self) -> None:
        files = self.files("-c")
        if files:
            self.n += 1
            self.p.git("mv", self.rng.choice(files), f"d/renamed{self.n}.py", check=False)

    def copy(self) -> None:
        """A person copies a file. Whose lines those are nobody asks; they must only not unsettle the others."""
        files = self.files()
        if files:
            self.n += 1
            text = self.p.read(self.rng.choice(files))
            self.p.human(f"d/copied{self.n}.py", text)

    def remove(self) -> None:
        files = self.files()
        if len(files) > 1:
            (self.p.repo / self.rng.choice(files)).unlink()

    # -- commits ---------------------------------------------------------
    def commit(self) -> None:
        self.p.git("add", "-A")
        self.p.git("commit", "-q", "--allow-empty", "-m", f"c{self.n}")

    def commit_one(self) -> None:
        files = self.files()
        if files:
            self.p.git("add", "--", self.rng.choice(files))
            self.p.git("commit", "-q", "--allow-empty", "-m", f"part{self.n}")

    def commit_hunk(self) -> None:
        """One hunk of one file, as `git add -p` stages it; the rest waits."""
        self.p.git("reset", "-q")
        changed = self.p.git("diff", "--name-only", "--diff-filter=M", "--", "d").splitlines()
        if changed:
            head, *hunks = re.split(r"^(?=@@ -)", self.p.git("diff", "-U0", "--", self.rng.choice(changed)) + "\n", flags=re.M)
            patch = self.p.repo / self.p.git("rev-parse", "--git-path", "one.patch")
            patch.write_text(head + self.rng.choice(hunks))
            self.p.git("apply", "--cached", "--unidiff-zero", str(patch))
            self.p.git("commit", "-q", "-m", f"hunk{self.n}")

    def amend(self) -> None:
        self.p.git("add", "-A")
        self.p.git("commit", "-q", "--amend", "--allow-empty", "-m", f"amended{self.n}")

    def amend_more(self) -> None:
        self.rng.choice([self.agent, self.human])()
        self.p.git("add", "-A")
        self.p.git("commit", "-q", "--amend", "--allow-empty", "--no-edit")

    def agent_commits(self) -> None:
        path = self.pick()
        text = self.edited("ai", path)

        def act() -> None:
            self.p.human(path, text)
            self.commit()

        self.p.use("Bash", {"command": "make && git commit -am done"}, act)

    def clean(self) -> bool:
        return not self.p.git("status", "--porcelain")

    def names(self) -> list[str]:
        return sorted(self.p.git("branch", "--format=%(refname:short)", "--no-contains", "HEAD").splitlines())

    def branch(self) -> None:
        self.n += 1
        self.p.git("checkout", "-q", "-b", f"b{self.n}")

    def switch(self) -> None:
        names = self.p.git("branch", "--format=%(refname:short)").splitlines()
        if self.clean():
            self.p.git("checkout", "-q", self.rng.choice(names), check=False)

    def switch_dirty(self) -> None:
        names = self.p.git("branch", "--format=%(refname:short)").splitlines()
        self.p.git("checkout", "-q", "-m", self.rng.choice(names), check=False)
        self.settle()

    # -- conflicts -------------------------------------------------------
    def conflicts(self) -> list[str]:
        return self.p.git("diff", "--name-only", "--diff-filter=U").splitlines()

    def settle(self) -> None:
        """End each conflict in the work tree: one side, both, or rewritten by a person or an agent."""
        for path in dict.fromkeys(self.conflicts()):
            how = self.rng.choice(["--ours", "--theirs", "both", "by hand", "by agent"])
            self.log.append(f"[{how}]")
            if how.startswith("--"):
                self.p.git("checkout", "-q", how, "--", path, check=False)
            elif (self.p.repo / path).exists():
                text = MARKER.sub("", self.p.read(path))
                if how == "both":
                    self.p.human(path, text)
                else:
                    lines = text.splitlines(True)
                    at = self.rng.randint(0, len(lines))
                    who = "human" if how == "by hand" else "ai"
                    lines[at : at + self.rng.choice([0, 1, 2])] = self.fresh(who, self.rng.randint(1, 3))
                    (self.p.human if who == "human" else self.p.write)(path, "".join(lines))
            self.p.git("add", "-A", "--", path, check=False)

    def finish(self, command: str) -> None:
        """Carry `git COMMAND` through its conflicts, skip a commit, or give up."""
        home = Path(self.p.git("rev-parse", "--absolute-git-dir"))
        for _ in range(12):
            waiting = [home / name for name in ("rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_HEAD")]
            if not any(path.exists() for path in waiting):
                return
            if self.rng.random() < 0.12:
                break
            if self.conflicts() or command == "merge":
                self.settle()
            elif command != "merge" and self.rng.random() < 0.5 and not self.p.git("diff", "--cached", "--name-only"):
                self.p.git(command, "--skip", check=False)
                continue
            if command == "merge":
                self.p.git("commit", "-q", "--no-edit", check=False)
            else:
                self.p.git(command, "--continue", check=False)
        self.log.append("[abort]")
        self.p.git(command, "--abort", check=False)
        self.p.git("reset", "-q", "--hard")

    # -- rewriting -------------------------------------------------------
    def rebase(self, *flags: str) -> None:
        names = self.names()
        if names and (self.clean() or self.rng.random() < 0.3):
            self.p.git("rebase", "-q", "--autostash", *flags, self.rng.choice(names), check=False)
            self.finish("rebase")
            self.settle()

    def rebase_apply(self) -> None:
        self.rebase("--apply")

    def rebase_interactive(self) -> None:
        """pick, fixup, squash, drop, edit (a split), in any order."""
        depth = self.rng.randint(2, 4)
        commits = self.p.git("rev-list", "--reverse", "--no-merges", f"-{depth}", "HEAD").split()
        base = self.p.git("rev-parse", "--verify", "-q", f"{commits[0]}^", check=False) if commits else ""
        if len(commits) < 2 or not self.clean() or len(base) < 40 or self.p.git("rev-list", "--merges", f"{base}..HEAD"):
            return
        if self.rng.random() < 0.4:
            self.rng.shuffle(commits)
        rows = [f"{'pick' if not k else self.rng.choice(['pick', 'pick', 'fixup', 'squash', 'drop', 'edit'])} {sha}"
                for k, sha in enumerate(commits)]  # fmt: skip
        todo = self.p.repo / self.p.git("rev-parse", "--git-path", "todo")
        todo.write_text("\n".join(rows) + "\n")
        self.p.git("rebase", "-q", "-i", base, check=False, GIT_SEQUENCE_EDITOR=f"cp '{todo}'")
        if not self.conflicts() and self.clean() and "rebase" in self.p.git("status"):
            if self.rng.random() < 0.6:
                self.p.git("reset", "-q", "HEAD~1")
                self.commit_one()
                self.commit()
            else:
                self.amend_more()
        self.finish("rebase")

    def autosquash(self) -> None:
        if self.clean() and int(self.p.git("rev-list", "--count", "--no-merges", "HEAD")) > 4:
            self.rng.choice([self.agent, self.human])()
            self.p.git("add", "-A")
            self.p.git("commit", "-q", "--allow-empty", f"--{self.rng.choice(['fixup', 'squash'])}=HEAD~1", "--no-edit")
            if not self.p.git("rev-list", "--merges", "HEAD~3..HEAD"):
                self.p.git("rebase", "-q", "-i", "--autosquash", "HEAD~3", check=False, GIT_SEQUENCE_EDITOR=":")
                self.finish("rebase")

    def cherry_pick(self) -> None:
        names = self.p.git("rev-list", "--no-merges", "-20", "--all", "--", "d").split()
        if names and self.clean():
            self.p.git("cherry-pick", *self.rng.choice([[], [], ["-x"], ["--no-commit"]]), self.rng.choice(names), check=False)
            self.finish("cherry-pick")
            self.settle()

    def cherry_pick_range(self) -> None:
        names = self.names()
        if names and self.clean():
            name = self.rng.choice(names)
            self.p.git("cherry-pick", f"{name}~2..{name}", check=False)
            self.finish("cherry-pick")

    def revert(self) -> None:
        if self.clean():
            self.p.git("revert", "--no-edit", "HEAD", check=False)
            self.finish("revert")

    def revert_any(self) -> None:
        names = self.p.git("rev-list", "--no-merges", "-6", "HEAD", "--", "d").split()
        if names and self.clean():
            self.p.git("revert", "--no-edit", self.rng.choice(names), check=False)
            self.finish("revert")

    def merge(self) -> None:
        names = self.names()
        if names and self.clean():
            flag = self.rng.choice(["--no-ff", "--ff", "-Xours", "-Xtheirs"])
            self.p.git("merge", "-q", "--no-edit", flag, self.rng.choice(names), check=False)
            self.finish("merge")

    def merge_squash(self) -> None:
        names = self.names()
        if names and self.clean():
            self.p.git("merge", "-q", "--squash", self.rng.choice(names), check=False)
            self.settle()
            self.p.git("commit", "-q", "-m", f"squashed{self.n}", check=False)

    def merge_octopus(self) -> None:
        names = self.names()
        if len(names) > 1 and self.clean():
            self.p.git("merge", "-q", "--no-edit", *self.rng.sample(names, 2), check=False)
            self.p.git("reset", "-q", "--hard")

    def am(self) -> None:
        """The last commit as a mail, taken back and applied again, here or elsewhere."""
        if (
            not self.clean()
            or self.p.git("rev-list", "--merges", "HEAD~1..HEAD")
            or self.p.git("diff", "HEAD~1", "--", "d") == ""
        ):
            return
        mail = self.p.repo / self.p.git("rev-parse", "--git-path", "mail")
        mail.write_text(self.p.git("format-patch", "-1", "--stdout", "HEAD") + "\n")
        if self.rng.random() < 0.5 and self.names():
            self.p.git("checkout", "-q", self.rng.choice(self.names()), check=False)
        else:
            self.p.git("reset", "-q", "--hard", "HEAD~1")
        self.p.git("am", "-q", "-3", str(mail), check=False)
        self.finish("am")

    def restack(self) -> None:
        """What restacking tools do: new commits by plumbing, no hook runs."""
        if int(self.p.git("rev-list", "--count", "HEAD")) > 4:
            tree = self.p.git("rev-parse", "HEAD^{tree}")
            parent = self.p.git("rev-parse", self.rng.choice(["HEAD~1", "HEAD~1", "HEAD~2"]))
            new = self.p.git("commit-tree", tree, "-p", parent, "-m", f"restacked{self.n}")
            self.p.git("update-ref", "HEAD", new)

    def stash_and_pop(self) -> None:
        self.p.git("stash", *self.rng.choice([["-u"], ["-u"], ["push", "-q"]]), check=False)
        if self.rng.random() < 0.6:
            self.rng.choice([self.human, self.agent])()
            self.commit()
        if self.p.git("stash", "list") and self.rng.random() < 0.9:
            self.p.git("stash", self.rng.choice(["pop", "apply"]), check=False)
            self.settle()

    def stash_branch(self) -> None:
        self.p.git("stash", "-u", check=False)
        if self.p.git("stash", "list"):
            self.n += 1
            self.p.git("stash", "branch", f"b{self.n}", check=False)
            self.settle()

    def reset(self) -> None:
        if int(self.p.git("rev-list", "--count", "HEAD")) > 3:
            self.p.git("reset", "-q", self.rng.choice(["--soft", "--mixed"]), "HEAD~1")

    def hard_reset(self) -> None:
        back = int(self.p.git("rev-list", "--count", "HEAD")) > 3 and self.rng.random() < 0.4
        self.p.git("reset", "-q", "--hard", "HEAD~1" if back else "HEAD")

    def restore_old(self) -> None:
        """A file as it was some commits ago."""
        names = self.p.git("rev-list", "-5", "HEAD", "--", "d").split()
        if names:
            old = self.rng.choice(names)
            paths = [path for path in self.p.git("ls-tree", "-r", "--name-only", old, "--", "d").splitlines() if path]
            if paths:
                self.p.git("restore", f"--source={old}", "--", self.rng.choice(paths))

    def agent_moves_history(self) -> None:
        """The agent's shell brings in what somebody else wrote."""
        commits = self.p.git("rev-list", "--no-merges", "-10", "--all", "--", "d").split()
        if commits and self.clean():
            sha = self.rng.choice(commits)
            self.p.use("Bash", {"command": f"git cherry-pick {sha}"}, lambda: self.p.git("cherry-pick", sha, check=False))
            self.finish("cherry-pick")

    def linked(self) -> None:
        """Some work in a linked work tree."""
        if not self.trees or self.rng.random() < 0.4:
            self.n += 1
            tree = self.main.parent / f"{self.main.name}-tree{self.n}"
            self.p.git("worktree", "add", "-q", "-b", f"w{self.n}", str(tree))
            shutil.copytree(self.main / ".claude", tree / ".claude")
            self.trees.append(tree)
        here = self.p.repo
        self.p.repo = self.rng.choice(self.trees)
        for _ in range(self.rng.randint(1, 3)):
            self.step([name for name in WEIGHTS if name not in ("linked", "gc")])
        self.p.repo = here
        if self.rng.random() < 0.2:
            self.p.git("worktree", "remove", "--force", str(self.trees.pop()))

    def gc(self) -> None:
        """At rest: `--prune=now` beside any writer may take what that one is about to name, as git's manual warns."""
        with locked(self.p.place.hone / "drain.lock", 60.0):
            self.p.git("reflog", "expire", "--expire=now", "--all")
            self.p.git("gc", "-q", "--prune=now", check=False)

    def drain(self) -> None:
        self.p.show()

    def step(self, names: list[str] | None = None) -> None:
        names = names or list(WEIGHTS)
        name = self.rng.choices(names, [WEIGHTS[name] for name in names])[0]
        if name in NEED_CLEAN and self.rng.random() < 0.7 and not self.clean():
            self.log.append("commit")
            self.commit()
        self.log.append(name)
        getattr(self, name)()
        for sha in self.p.git("rev-list", "--all", "--reflog").split():
            self.made_by.setdefault(sha, name)

    # -- the question ----------------------------------------------------
    def judge(self) -> list[Any]:
        """What is wrong, over every commit that a name leads to; counts by the operation that made the commit."""
        wrong: list[Any] = []
        sessions = {"ai": self.p.id, "ai2": self.other.id}
        for sha in self.p.git("rev-list", "--branches", "HEAD", "--", "d").split():
            view = self.p.show(sha)
            said = {f["path"]: f for f in view["files"]}
            runs = {run["run_id"]: run["session_id"] for run in view["runs"]}
            count = self.counts.setdefault(self.made_by.get(sha, "end"), Counter())
            for path, added in self.added(sha).items():
                content = [line.removesuffix("\n") + "\n" for line in self.content(f"{sha}:{path}").splitlines(True)]
                f = said.pop(path, {"ai_ranges": [], "human_ranges": [], "runs": {}})
                owner = {k: "human" for first, last in f["human_ranges"] for k in range(first, last + 1)}
                owner |= {k: "ai" for first, last in f["ai_ranges"] for k in range(first, last + 1)}
                session = {k: runs.get(run) for run, where in f["runs"].items() for a, b in where for k in range(a, b + 1)}
                for k in sorted(added | set(owner)):
                    truth = self.author.get(content[k - 1], "either") if k <= len(content) else "no such line"
                    verdict = owner.get(k, "unknown")
                    count[f"{verdict} {truth}" if verdict == "unknown" else "judged"] += 1
                    if truth == "either" or "copied" in path or verdict == "unknown":
                        continue
                    if (truth[:2] == "ai") != (verdict == "ai") or (verdict == "ai" and session.get(k) != sessions[truth]):
                        wrong.append((sha[:8], self.made_by.get(sha), path, k, verdict, content[k - 1]))
        return wrong

    def content(self, name: str) -> str:
        return subprocess.run(["git", "cat-file", "blob", name], cwd=self.main, capture_output=True, check=True, text=True).stdout

    def added(self, sha: str) -> dict[str, set[int]]:
        """Path -> numbers (from 1) of the lines that a commit adds to its parent; of a merge, nothing."""
        if len(self.p.git("rev-list", "--parents", "-1", sha).split()) > 2:
            names = self.p.git("diff-tree", "-r", "-c", "--no-commit-id", "--name-only", "--diff-filter=d", sha).splitlines()
            return {path: set() for path in names if path.startswith("d/")}
        out = self.p.git("diff-tree", "-p", "-U0", "--root", "--no-commit-id", "--no-color", "-M", sha, "--", "d")
        found: dict[str, set[int]] = {}
        path = ""
        for row in out.splitlines():
            if row.startswith("+++ "):
                path = row[6:]
            elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", row):
                first, n = int(match[1]), int(match[2] or 1)
                found.setdefault(path, set()).update(range(first, first + n))
        return {path: lines for path, lines in found.items() if path.startswith("d/")}


def play(p: Any, seed: int) -> Fuzz:
    """One history, to its end."""
    fuzz = Fuzz(p, seed)
    for _ in range(STEPS):
        fuzz.step()
    p.repo = fuzz.main
    if p.git("status", "--porcelain"):
        fuzz.log.append("end")
        fuzz.settle()
        fuzz.commit()
    return fuzz


@pytest.mark.slow
def test_random_histories_are_never_wrong(fresh: Callable[..., Any], record_property: Callable[[str, object], None]) -> None:
    total: dict[str, Counter[str]] = {}
    failed = []
    for seed in range(FIRST, FIRST + SEEDS):
        p = fresh(f"seed{seed}")
        fuzz = play(p, seed)
        if wrong := fuzz.judge():
            failed.append(f"seed {seed}: {' '.join(fuzz.log)} ## {wrong[:4]!r}")
        assert not p.failed, (seed, p.failed)
        for name, count in fuzz.counts.items():
            total.setdefault(name, Counter()).update(count)
        if not wrong:
            for tree in (*fuzz.trees, fuzz.main):
                shutil.rmtree(tree, ignore_errors=True)
    everything = sum(total.values(), Counter())
    unknown = {name: n for name, n in everything.items() if name.startswith("unknown")}
    told = {"histories": SEEDS, "first": FIRST, "steps": STEPS, "judged": everything["judged"], "unknown": unknown, "wrong": failed,
            "by operation": {name: dict(count) for name, count in sorted(total.items())}}  # fmt: skip
    for name, number in (("tried", everything["judged"]), ("wrong", len(failed)), ("unknown", sum(unknown.values()))):
        record_property(name, number)
    if REPORT:
        Path(REPORT).write_text(json.dumps(told, indent=1))
    print(
        f"{SEEDS} histories: {everything['judged']} lines judged, {len(failed)} histories wrong, {sum(unknown.values())} unknown"
    )
    for name, count in sorted(total.items()):
        print(f"  {name:20} {dict(count)}")
    assert not failed, "\n".join(failed)
    assert everything["judged"] > SEEDS
