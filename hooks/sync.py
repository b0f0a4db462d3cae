"""Notes between clones: fetch, join, push. Talks to a remote, with git's own commands; never by force, never for ever.

    git fetch REMOTE +refs/notes/hone*:refs/hone/remotes/REMOTE/notes/hone*   into refs of our own
    for each notes ref: the union of the lines (notes.join)
    git push --porcelain REMOTE <tip>:refs/notes/hone ...                     fast-forward only, judged ref by ref

A push that another clone was faster than is tried again after fetching, with longer and longer random pauses. Whether it was
that, or a refusal, is told by looking (did the remote's ref move since?), never by what a server says. Where others keep a ref
busy to the end, the notes are left at the remote as `refs/hone/inbox/<ref>/<tip>`, which collides with nobody; whoever
syncs next joins them in and takes the segment away. (Segments for every push would save pushes, but a person with plain git
would not find the notes, and a host would carry a ref for each push.)
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from git_hone.hooks import git, noted, notes, notes_refs
from git_hone.hooks.drain import drain
from git_hone.hooks.forget_refs import strip_notes
from git_hone.hooks.inbox import pending
from git_hone.hooks.place import Place, find
from git_hone.hooks.redaction import redact
from git_hone.learner import config as configuration
from git_hone.learner.errors import GitError, UsageError

BUDGET_S: Final = 60.0
TRIES: Final = 40
STUCK: Final = 3
"""How often a push may be refused while the remote's ref stands still."""
NETWORK: Final = ("GIT_CONFIG_", "GIT_HTTP", "GIT_SSL", "GIT_PROXY", "GIT_CURL", "GIT_ALLOW_PROTOCOL", "GIT_PROTOCOL")

State = Literal["synced", "no-remote", "unreachable", "refused", "left-in-inbox", "not-pushed"]


@dataclass
class Report:
    """What a sync did. received: notes that changed here. recorded: changes of others that are on record now. sent: refs that
    the remote took. tries: pushes. problems: what went wrong and what to do next, in words. The state says how it ended:

    synced: both sides hold everything. no-remote: there is none. unreachable: the remote gave no answer in time. refused: the
    remote takes no notes from here. left-in-inbox: it took them, to be joined by the next sync. not-pushed: as asked."""

    remote: str | None
    state: State = "synced"
    received: int = 0
    recorded: int = 0
    sent: list[str] = field(default_factory=list)
    tries: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)

    def tell(self, what: str, then: str) -> None:
        self.problems.append({"what": what, "next": then})


def sync(place: Place, remote: str | None = None, *, push: bool = True, budget_s: float = BUDGET_S) -> Report:
    """Fetch, join and push the notes within `budget_s` seconds. Raises UsageError for a remote that is not configured."""
    name = _choose(place.cwd, remote)
    report = Report(name)
    if name is None:
        report.state = "no-remote"
        report.tell("no remote: the notes stay in this clone", "git remote add origin URL, then git hone sync")
        return report
    _Sync(place.cwd, name, time.monotonic() + budget_s, report).run(push)
    strip_notes(place)
    report.recorded = noted.take(place)
    return report


def _choose(cwd: Path, remote: str | None) -> str | None:
    names = git.text(git.attempt(["remote"], cwd) or b"").splitlines()
    if remote is not None:
        if remote not in names:
            known = f"the remotes are {', '.join(names)}" if names else "there is none"
            raise UsageError(f"{remote}: no such remote", tip=f"{known}; git remote add NAME URL makes one")
        return remote
    branch = git.line(["symbolic-ref", "--quiet", "--short", "HEAD"], cwd)
    own = git.line(["config", "--get", f"branch.{branch}.remote"], cwd) if branch else None
    return next((name for name in (own, "origin", *names[:1]) if name in names), None)


class _Sync:
    def __init__(self, cwd: Path, remote: str, until: float, report: Report) -> None:
        self.cwd, self.remote, self.until, self.report = cwd, remote, until, report
        self.home = f"refs/hone/remotes/{remote}/"
        self.words = ""

    def run(self, push: bool) -> None:
        stuck = silent = 0
        before: dict[str, str] | None = None
        waiting: dict[str, str] = {}
        for pause in notes_refs.pauses(TRIES, 0.02, 2.0):
            if not self._fetch():
                silent += 1
                if silent == STUCK or not self._time():
                    self.report.state = "unreachable"
                    then = "look at git remote -v and the network, then git hone sync"
                    self.report.tell(f"{self.remote} gave no answer: {self.words or 'out of time'}", then)
                    return
                time.sleep(pause)
                continue
            there, segments = self._tracked("notes/"), self._tracked("inbox/")
            if before is not None and not any(there.get(ref) != before.get(ref) for ref in waiting):
                stuck += 1
            elif before is not None:
                stuck = 0
            waiting = self._join(there, segments)
            if not push:
                self.report.state = "not-pushed" if waiting else "synced"
                return
            if waiting and stuck < STUCK:
                waiting = self._push(waiting)
            if not waiting:
                self._clear(segments)
                return
            if stuck == STUCK or not self._time():
                break
            before = there
            time.sleep(min(pause, max(0.0, self._time())))
        self._give_up(waiting, stuck == STUCK)

    def _time(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def _fetch(self) -> bool:
        specs = [f"+refs/notes/hone*:{self.home}notes/hone*", f"+refs/hone/inbox/*:{self.home}inbox/*"]
        done = self._git(["fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap=",
                          "--no-recurse-submodules", "--no-filter", self.remote, *specs])  # fmt: skip
        return done is not None and done[0] == 0

    def _tracked(self, folder: str) -> dict[str, str]:
        """What the remote had when we looked: path under the folder -> object, for names that are ours."""
        start = self.home + folder
        out = git.run(["for-each-ref", "--format=%(objectname) %(refname)", start.rstrip("/")], self.cwd)
        rows = (row.partition(" ") for row in git.text(out).splitlines())
        found = {name.removeprefix(start): tip for tip, _, name in rows}
        return {f"refs/notes/{name}" if folder == "notes/" else name: tip for name, tip in found.items()
                if notes.OURS.fullmatch("refs/notes/" + name.split("/")[0])}  # fmt: skip

    def _join(self, there: dict[str, str], segments: dict[str, str]) -> dict[str, str]:
        """Join what came; returns the refs that the remote has not as they are here: ref -> tip."""
        for ref in sorted({*there, *notes.existing(self.cwd), *(f"refs/notes/{name.split('/')[0]}" for name in segments)}):
            ours = [tip for name, tip in segments.items() if f"refs/notes/{name.split('/')[0]}" == ref]
            others = [*([there[ref]] if ref in there else []), *ours]
            try:
                self.report.received += notes.join(self.cwd, ref, {}, others) if others else 0
            except GitError as error:
                then = error.tip or "git hone sync again"
                if not any(problem["what"].startswith(ref) for problem in self.report.problems):
                    self.report.tell(f"{ref} of {self.remote} was left alone: {error.message}", then)
                there[ref] = notes.existing(self.cwd).get(ref, "")  # nothing to push over it
        return {ref: tip for ref, tip in notes.existing(self.cwd).items() if there.get(ref) != tip}

    def _push(self, tips: dict[str, str]) -> dict[str, str]:
        """Push; returns what the remote did not take."""
        self.report.tries += 1
        taken = self._taken([f"{tip}:{ref}" for ref, tip in tips.items()])
        for ref in sorted(taken & tips.keys()):
            self.report.sent.append(ref)
            git.attempt(["update-ref", f"{self.home}{ref.removeprefix('refs/')}", tips[ref]], self.cwd)
        return {ref: tip for ref, tip in tips.items() if ref not in taken}

    def _taken(self, specs: Iterable[str], *options: str) -> set[str]:
        """The refs that the remote took of a push, by git's porcelain lines: `<flag> TAB <from>:<to> TAB <words>`."""
        done = self._git(["-c", "push.pushOption=", "-c", f"remote.{self.remote}.mirror=false", "push", "--porcelain", "--no-verify",
                          "--no-signed", "--no-follow-tags", "--recurse-submodules=no", *options, self.remote, *specs])  # fmt: skip
        rows = [row.split("\t") for row in (done[1] if done else "").splitlines()]
        refused = [row[2] for row in rows if len(row) == 3 and row[0] == "!"]
        self.words = refused[0] if refused else self.words
        return {row[1].rpartition(":")[2] for row in rows if len(row) == 3 and row[0] in (" ", "*", "=", "-", "+")}

    def _clear(self, segments: dict[str, str]) -> None:
        """Take segments away that the remote's refs contain by now. Another clone may have done it."""
        if segments:
            leases = [f"--force-with-lease=refs/hone/inbox/{name}:{tip}" for name, tip in segments.items()]
            self._taken([f":refs/hone/inbox/{name}" for name in segments], *leases)

    def _give_up(self, waiting: dict[str, str], refused: bool) -> None:
        report = self.report
        if refused:
            report.state = "refused"
            report.tell(f"{self.remote} does not take notes from here: {self.words}",
                        "nothing is lost: they stay in this clone; ask for the right to push refs/notes/*, then git hone sync")  # fmt: skip
            return
        left = {f"refs/hone/inbox/{ref.removeprefix('refs/notes/')}/{tip}": tip for ref, tip in waiting.items()}
        self.until = max(self.until, time.monotonic() + 5.0)
        if self._taken([f"{tip}:{name}" for name, tip in left.items()]) >= left.keys():
            report.state = "left-in-inbox"
            report.tell(f"other clones kept {', '.join(sorted(waiting))} of {self.remote} busy: the notes lie in its inbox",
                        "the next git hone sync of any clone joins them")  # fmt: skip
        else:
            report.state = "refused"
            report.tell(f"{self.remote} is busy: {self.words or 'out of time'}", "nothing is lost; git hone sync again")

    def _git(self, args: list[str]) -> tuple[int, str] | None:
        """(exit code, stdout) of a git command that talks to the remote; None when its time was over."""
        env = git.clean_env(**{key: value for key, value in os.environ.items() if key.startswith(NETWORK)})
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                ["git", *git.safe(self.cwd), *args], cwd=self.cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
            try:
                code = process.wait(max(0.1, self._time()))
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
                self.words = "out of time"
                return None
            except BaseException:
                process.terminate()
                raise
            out.seek(0)
            err.seek(0)
            if code:
                self.words = _spoken(err.read())
            return code, git.text(out.read())


def _spoken(raw: bytes) -> str:
    """git's own last words, without the credentials that an address may hold."""
    rows = [row.strip() for row in git.text(raw).splitlines() if row.strip() and not row.startswith(("hint:", "To "))]
    fatal = [row for row in rows if row.startswith(("fatal:", "remote:", "error:"))]
    return redact(re.sub(r"//[^/@\s]+@", "//", (fatal or rows or [""])[0]))


def main(argv: list[str]) -> int:
    """`python -I -m git_hone.hooks.sync HONE REMOTE`, called by the pre-push hook: start a sync of its own session and wait for
    it no longer than `sync.budgetSeconds`. With `--now` before these, be that sync. Always 0: a push depends on nothing here."""
    *now, hone, remote = argv
    git.OURS.add(Path(hone).parent)
    place = find(Path(hone).parent)
    config = configuration.load(place.agent / "learning-config.json")
    if not config.enabled or not config["sync.prePush"]:
        return 0
    if now:
        if pending(place.inbox):
            drain(place)
        sync(place, remote)
        return 0
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.Popen(
            [sys.executable, "-I", "-m", "git_hone.hooks.sync", "--now", hone, remote],
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).wait(config["sync.budgetSeconds"])  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
