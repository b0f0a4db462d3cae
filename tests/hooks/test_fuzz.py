"""Random git sequences against an independent model of who wrote each line.

Every line is unique and says its author in a table that only this file knows; expectations are read from the commit's own
content by plain git, never from git-hone's data. Wrong is not allowed (a person's line called ai, an agent's called human, one
session's line called another's); unknown is, and is counted by the operation that made the commit.

    HONE_FUZZ=2000 pytest tests/hooks/test_fuzz.py -s      # many more, with the counts

HONE_FUZZ_FIRST is the first seed, HONE_FUZZ_STEPS the steps of a history (a list gives them out in turn), HONE_FUZZ_REPORT a file
for the counts so far as JSON; a single history is told in full. Two histories in three are drained only where the sequence says so, the
others also in the middle of things, as a background worker does. A seed plays the same every time: each clock is the history's
own, no process runs beside it, and git's objects are the same to the byte. The agent's events are filed as its hooks file them,
from Python; in one history of ten by the hooks themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import inbox
from git_hone.hooks.drain import drain
from git_hone.hooks.place import Place, find
from git_hone.hooks.state import State
from git_hone.hooks.view import _noted, _plain, show
from git_hone.learner.store import Store

from .conftest import Play

SEEDS = int(os.environ.get("HONE_FUZZ", "6"))
FIRST = int(os.environ.get("HONE_FUZZ_FIRST", "0"))
STEPS = [int(n) for n in os.environ.get("HONE_FUZZ_STEPS", "10,20,40").split(",")]
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


BEGIN = 1_700_000_000.0
"""Where each history's clock starts, in seconds since the epoch."""


class Clocked(Play):
    """A session, and plain git, on a clock of their own. `events`: how the agent's hooks are run, by their shell script or as that
    does; `between`: called where a background worker might come in."""

    def __init__(self, repo: Path, home: Path, session: str, *, by_script: bool) -> None:
        super().__init__(repo, home, dict(os.environ))
        self.id, self.by_script = session, by_script
        self.transcript = home / f"{session}.jsonl"
        self.now, self.calls, self.doing = [BEGIN], 0, "begin"
        self.between: Callable[[], None] = lambda: None
        self.places: dict[Path, Place] = {}

    @property
    def place(self) -> Place:
        if self.repo not in self.places:
            self.places[self.repo] = find(self.repo)
        return self.places[self.repo]

    def settle_clock(self) -> None:
        """Let the events that came since the last call have happened now, one after the other."""
        for file, at in inbox.pending(self.place.inbox):
            if at > (BEGIN + 10**6) * 1e9:
                self.now[0] += 0.01
                os.utime(file, ns=(round(self.now[0] * 1e9),) * 2)
                self.came = True

    def git(self, *args: str, check: bool = True, cwd: Path | None = None, **env: str) -> str:
        self.now[0] += 0.001
        date = f"{int(self.now[0])} +0000"
        clock = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_COMMITTER_NAME": self.doing}
        self.came = False
        try:
            return super().git(*args, check=check, cwd=cwd, **clock, **env)
        finally:
            self.settle_clock()
            if self.came:
                self.between()

    def use(self, tool: str, args: dict[str, Any], act: Callable[[], None]) -> None:
        self.calls += 1
        name = f"toolu_{self.id}_{self.calls}"
        self.fire("PreToolUse", tool_name=tool, tool_input=args, tool_use_id=name)
        act()
        self.fire("PostToolUse", tool_name=tool, tool_input=args, tool_response={}, tool_use_id=name)

    def fire(self, event: str, **fields: Any) -> None:
        if self.by_script:
            super().fire(event, **fields)
        elif self.commands(event, fields.get("tool_name")):
            self.file(event, fields)
        self.settle_clock()
        self.between()

    def file(self, event: str, fields: dict[str, Any]) -> None:
        """What hooks/sh/agent-event.sh leaves in the inbox."""
        payload = {
            "session_id": self.id,
            "transcript_path": str(self.transcript),
            "cwd": str(self.repo),
            "hook_event_name": event,
        }
        head = {"root": str(self.repo), "git": str(self.place.git_dir), "path": "", "blob": "", "tree": "", "decision": ""}
        if fields.get("tool_name") == "Bash":
            index = self.place.git_dir / "hone-index"
            if not index.exists() and (self.place.git_dir / "index").exists():
                shutil.copyfile(self.place.git_dir / "index", index)
            super().git("-c", "core.safecrlf=false", "add", "-A", "--ignore-errors", ".", GIT_INDEX_FILE=str(index))
            head["tree"] = super().git("write-tree", GIT_INDEX_FILE=str(index))
        elif "tool_name" in fields:
            path = Path(fields["tool_input"]["file_path"])
            head |= {"path": str(path), "blob": self.stored(path.read_bytes()) if path.exists() else "none"}
        inbox.put_payload(self.place.inbox, "claude-code", head, json.dumps(payload | fields).encode() + b"\n")

    def stored(self, content: bytes) -> str:
        """What `git hash-object -w` does."""
        whole = b"blob %d\0" % len(content) + content
        name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        target = self.place.common / "objects" / name[:2] / name[2:]
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(zlib.compress(whole, 1))
        return name


class Fuzz:
    """One random history in one repository."""

    def __init__(self, repo: Path, home: Path, seed: int) -> None:
        self.rng, self.workers = random.Random(seed), random.Random(~seed)
        self.p, self.other = (Clocked(repo, home, f"session-{name}", by_script=not seed % 10) for name in ("one", "two"))
        self.p.start()
        self.other.start()
        self.other.now = self.p.now
        self.main, self.home = repo, home
        self.author: dict[str, str] = {}
        self.n = 0
        self.log: list[str] = []
        self.trees: list[Path] = []
        self.counts: dict[str, Counter[str]] = {}
        self.unknown: list[Any] = []
        with (self.p.place.common / "info" / "exclude").open("a") as out:
            out.write("/.agent/data/\n")  # also where a revert takes our own .gitignore away
        self.p.quiet()
        if not seed % 3:
            self.p.between = self.other.between = self.worker

    def worker(self) -> None:
        if self.workers.random() < 0.3:
            self.drain()

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
        folder = self.p.repo / "d"
        there = {f"d/{file.name}" for file in folder.iterdir()} if folder.is_dir() else set()
        return sorted(there & set(self.p.git("ls-files", *flags).splitlines()) if flags else there)

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
        self.p.git("commit", "-q", "--amend", "--allow-empty", "--no-edit", check=False)

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
                self.p.git("reset", "-q", "HEAD~1", check=False)
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
            tree = self.main.parent / f"tree{self.n}"
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
        """Three times in four the worker has read what stands in the inbox. Else the agent's own text may be gone for good."""
        if self.rng.random() < 0.75:
            self.drain()
        self.p.git("reflog", "expire", "--expire=now", "--all")
        self.p.git("gc", "-q", "--prune=now", check=False)

    def drain(self) -> None:
        drain(self.p.place, now=self.p.now[0])

    def step(self, names: list[str] | None = None) -> None:
        names = names or list(WEIGHTS)
        name = self.rng.choices(names, [WEIGHTS[name] for name in names])[0]
        if name in NEED_CLEAN and self.rng.random() < 0.7 and not self.clean():
            self.log.append("commit")
            self.p.doing = "commit"
            self.commit()
        self.log.append(name)
        self.p.now[0] += self.rng.choice([0.02, 0.4, 1.0, 7.0, 300.0])
        self.p.doing = name
        getattr(self, name)()

    # -- the question ----------------------------------------------------
    def pruned(self) -> bool:
        """Whether `git gc --prune=now` took an agent's text that nobody had read: what is unknown then cannot be helped."""
        with State(self.p.place.hone / "state.db") as state:
            return state.meta("lost") is not None

    def said(self) -> Callable[[str], tuple[list[dict[str, Any]], dict[str, str]]]:
        """What `show` says of a commit's files, and run -> session: the store is read once, not once a commit."""
        self.drain()
        store = Store(self.p.place.data)
        rows = {row["commit"]: row for row in store.history("changes") if row["evidence"] != "note"}
        sessions = {row["run_id"]: row["session_id"] for row in store.rows("runs")}

        def of(sha: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
            if row := rows.get(sha):
                return row["files"] or [], {run: sessions[run] for run in row["run_ids"] or ()}
            return (_noted(self.p.place, sha) or _plain(self.p.place, sha))["files"], {}

        return of

    def judge(self) -> list[Any]:
        """What is wrong, over every commit that a name leads to; counts by the operation that made the commit."""
        wrong: list[Any] = []
        sessions = {"ai": self.p.id, "ai2": self.other.id}
        said = self.said()
        names = self.p.git("log", "--branches", "--format=%H %P%x00%cn", "HEAD", "--", "d").splitlines()
        patches = self.patches()
        for parents, made_by in (row.split("\0") for row in names):
            sha, *before = parents.split()
            files, runs = said(sha)
            there = {f["path"]: f for f in files}
            count = self.counts.setdefault(made_by, Counter())
            for path, added in (patches.get(sha, {}) if len(before) < 2 else self.resolved(sha)).items():
                f = there.get(path, {"ai_ranges": [], "human_ranges": [], "runs": {}})
                owner = {k: "human" for first, last in f["human_ranges"] for k in range(first, last + 1)}
                owner |= {k: "ai" for first, last in f["ai_ranges"] for k in range(first, last + 1)}
                session = {k: runs.get(run) for run, where in f["runs"].items() for a, b in where for k in range(a, b + 1)}
                if set(owner) - set(added):  # a merge's own lines, or lines that git's two ways to diff see elsewhere
                    content = self.content(f"{sha}:{path}").splitlines()
                    added = added | {k: content[k - 1] if k <= len(content) else "no such line" for k in set(owner) - set(added)}
                for k, line in sorted(added.items()):
                    truth = "either" if "copied" in path else self.author.get(line + "\n", "either")
                    verdict = owner.get(k, "unknown")
                    count[f"{verdict} {truth}" if verdict == "unknown" else "judged"] += 1
                    if verdict == "unknown":
                        self.unknown.append((sha[:8], made_by, path, k, truth, line))
                    if truth == "either" or verdict == "unknown":
                        continue
                    if (truth[:2] == "ai") != (verdict == "ai") or (verdict == "ai" and session.get(k) != sessions[truth]):
                        wrong.append((sha[:8], made_by, path, k, verdict, line))
        return wrong

    def content(self, name: str) -> str:
        return subprocess.run(["git", "cat-file", "blob", name], cwd=self.main, capture_output=True, check=True, text=True).stdout

    def resolved(self, sha: str) -> dict[str, dict[int, str]]:
        names = self.p.git("diff-tree", "-r", "-c", "--no-commit-id", "--name-only", "--diff-filter=d", sha).splitlines()
        return {path: {} for path in names if path.startswith("d/")}

    def patches(self) -> dict[str, dict[str, dict[int, str]]]:
        """Commit -> path -> number (from 1) -> line, of the lines that each commit that is no merge adds to its parent."""
        flags = ("-p", "-U0", "--root", "--no-color", "-M", "--no-merges", "--format=commit %H")
        found: dict[str, dict[str, dict[int, str]]] = {}
        sha = path = ""
        at = 0
        for row in self.p.git("log", *flags, "--branches", "HEAD", "--", "d").splitlines():
            if row.startswith("commit "):
                sha = row[7:]
            elif row.startswith("+++ "):
                path = row[6:]
            elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", row):
                at = int(match[1])
            elif row.startswith("+"):
                found.setdefault(sha, {}).setdefault(path, {})[at] = row[1:]
                at += 1
        return {sha: {path: lines for path, lines in files.items() if path.startswith("d/")} for sha, files in found.items()}


def play(repo: Path, home: Path, seed: int) -> Fuzz:
    """One history, to its end."""
    fuzz = Fuzz(repo, home, seed)
    for _ in range(STEPS[seed % len(STEPS)]):
        fuzz.step()
    fuzz.p.repo = fuzz.main
    fuzz.p.doing = "end"
    if fuzz.p.git("status", "--porcelain"):
        fuzz.log.append("end")
        fuzz.settle()
        fuzz.commit()
    return fuzz


class Ground:
    """The one place where every history is played, from the same beginning: paths are the same in each, and setting up is done
    once."""

    def __init__(self, fresh: Callable[..., Any], home: Path) -> None:
        p = fresh("ground/repo")
        drain(p.place)
        self.repo, self.home, self.clean = p.repo, home, p.repo.parents[1] / "clean"
        self.repo.rename(self.clean)

    def again(self) -> tuple[Path, Path]:
        shutil.rmtree(self.repo.parent)
        shutil.copytree(self.clean, self.repo, symlinks=True)
        return self.repo, self.home


@pytest.fixture
def ground(tmp_path: Path, fresh: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    (tmp_path / "ground").mkdir()
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, f"{int(BEGIN) - 1000} +0000")
    return Ground(fresh, home)


def test_a_seed_plays_the_same_every_time(ground: Ground) -> None:
    told = []
    for _ in range(2):
        fuzz = play(*ground.again(), 3)
        wrong = fuzz.judge()
        told.append((fuzz.log, fuzz.p.git("for-each-ref", "refs/heads"), fuzz.counts, wrong))
        shas = fuzz.p.git("rev-list", "--branches", "HEAD", "--", "d").split()
        said = fuzz.said()
        for sha in shas:  # what is judged is what a person is shown
            assert said(sha)[0] == show(fuzz.p.place, sha)["files"]
    assert told[0] == told[1]
    assert told[0][2]


@pytest.mark.slow
def test_random_histories_are_never_wrong(ground: Ground, record_property: Callable[[str, object], None]) -> None:
    total: dict[str, Counter[str]] = {}
    failed = []
    by_seed: dict[int, int] = {}
    pruned = Counter[str]()
    for seed in range(FIRST, FIRST + SEEDS):
        fuzz = play(*ground.again(), seed)
        if wrong := fuzz.judge():
            failed.append(f"seed {seed}: {' '.join(fuzz.log)} ## {wrong[:4]!r}")
            print(failed[-1], flush=True)
        if lines := [line for line in fuzz.unknown if line[4] != "either"]:
            by_seed[seed] = len(lines)
        if fuzz.pruned():
            pruned.update({"histories": 1, "unknown": len(lines)})
        if SEEDS == 1:
            print(fuzz.main, " ".join(fuzz.log), *wrong, *fuzz.unknown, sep="\n")
        assert not fuzz.p.failed, (seed, fuzz.p.failed)
        for name, count in fuzz.counts.items():
            total.setdefault(name, Counter()).update(count)
        everything = sum(total.values(), Counter())
        unknown = {name: n for name, n in everything.items() if name.startswith("unknown") and not name.endswith("either")}
        if REPORT:
            told = {"histories": seed - FIRST + 1, "first": FIRST, "steps": STEPS, "judged": everything["judged"], "unknown": unknown,
                    "wrong": failed, "pruned": pruned, "unknown by seed": by_seed,
                    "by operation": {name: dict(count) for name, count in sorted(total.items())}}  # fmt: skip
            Path(REPORT).write_text(json.dumps(told, indent=1))
    for name, number in (("tried", everything["judged"]), ("wrong", len(failed)), ("unknown", sum(unknown.values()))):
        record_property(name, number)
    print(f"{SEEDS} histories: {everything['judged']} lines judged, {len(failed)} histories wrong, {sum(unknown.values())} unknown,",
          f"{pruned['unknown']} of them in {pruned['histories']} histories in which git gc took what nobody had read")  # fmt: skip
    for name, count in sorted(total.items()):
        print(f"  {name:20} {dict(count)}")
    assert not failed, "\n".join(failed)
    assert everything["judged"] > SEEDS
