"""The same commands in a repository with git-hone and in a twin without: what git prints, its exit code and what it leaves
behind are the same, byte for byte. The clock is set, so that even the commit ids are."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from git_hone.hooks import notes
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import find
from git_hone.hooks.player import Player

START_S = 1_760_000_000

HOOKS = {
    "pre-commit": '[ ! -f .fail-pre ] || { echo "pre-commit says no"; echo "to stderr" >&2; exit 3; }; echo "pre-commit ran"',
    "prepare-commit-msg": 'echo "prepare $2" >&2',
    "commit-msg": '! grep -q forbidden "$1" || { echo "commit-msg says no" >&2; exit 4; }',
    "post-commit": 'echo "post-commit $#"; echo "more" >&2; exit 5',
    "post-checkout": 'echo "post-checkout $*"; exit 0',
    "post-merge": 'echo "post-merge $*"; exit 6',
    "post-rewrite": 'echo "post-rewrite $*"; cat; exit 7',
    "post-applypatch": 'echo "post-applypatch"; exit 8',
    "applypatch-msg": '! grep -q forbidden "$1"',
    "pre-rebase": '[ ! -f .fail-rebase ] || { echo "no rebase"; exit 1; }',
    "pre-merge-commit": 'echo "pre-merge-commit"',
    "pre-push": 'echo "pre-push $*"; cat; [ ! -f .fail-push ] || { echo "no push" >&2; exit 9; }',
    "pre-auto-gc": "exit 1",
    "reference-transaction": 'cat > /dev/null',
}  # fmt: skip

COMMANDS = r"""
git status; git diff --stat
git add -A; git commit -m "the agent's work"
printf 'two = 2\n' >> src/app.py; git commit -am "with -a"
printf 'three = 3\n' >> src/app.py; git add -A; git commit --amend --no-edit
git commit --amend -m "another subject" --author "Else <else@example.com>"
touch .fail-pre; printf 'four = 4\n' >> src/app.py; git commit -am "refused"
git commit -n -am "forced with --no-verify"; rm .fail-pre
printf 'five = 5\n' >> src/app.py; git commit -am "a forbidden word"
git commit -am "allowed"
git commit -m "nothing to commit"
git commit --allow-empty -m "empty"; git commit --allow-empty-message --allow-empty -m ""
git commit --dry-run --short; printf 'six = 6\n' >> src/app.py; git commit -v -am "verbose" --signoff
git commit --amend --only --no-edit --date "2025-10-11T12:13:14Z"
printf 'part\n' > part.txt; git add part.txt; printf 'seven = 7\n' >> src/app.py; git commit -m "a path only" -- src/app.py; git status -s
git commit -qm part; git log --oneline -3; git show --stat HEAD
git switch -c side HEAD~3; printf 'side\n' > side.txt; git add -A; git commit -m side; git switch -
git merge side -m "clean merge"
git log --graph --oneline -5; git log --format='%h %an %s%n%N' -3
git branch ours; sed -i 's/^two = .*/two = 20/' src/app.py; git commit -am "ours"
git switch -c theirs HEAD~1; sed -i 's/^two = .*/two = 22/' src/app.py; git commit -am theirs; git switch main
git merge theirs
git status; git diff; git merge --abort; git status -s
git merge theirs; git checkout --theirs src/app.py; git add -A; git commit --no-edit
git switch -c squashed HEAD~1; git merge --squash side theirs; git reset -q --hard; git merge --squash theirs -X theirs; git commit -m squash
git merge --ff-only main; git merge --no-ff main -m again; git switch -c forward ours~1; git merge --ff-only ours; git switch squashed
git switch -c rebased side; printf 'r1\n' > r1.txt; git add -A; git commit -m r1; printf 'r2\n' > r2.txt; git add -A; git commit -m r2
git rebase main
git rebase -i --exec 'echo at $(git log -1 --format=%s)' HEAD~2
GIT_SEQUENCE_EDITOR="sed -i '2s/^pick/squash/'" git rebase -i HEAD~2
printf 'fix\n' >> r1.txt; git commit -a --fixup HEAD; GIT_SEQUENCE_EDITOR=true git rebase -i --autosquash HEAD~2
git switch -c applied side; printf 'a1\n' > a1.txt; git add -A; git commit -m a1; git rebase --apply main; git rebase --merge --onto main~1 main
git switch -c stops ours; sed -i 's/^two = .*/two = 222/' src/app.py; git commit -am stops; git rebase theirs; git status; git rebase --abort
git rebase theirs; git checkout --theirs src/app.py; git add -A; GIT_EDITOR=true git rebase --continue
git switch -c skips ours; sed -i 's/^two = .*/two = 2222/' src/app.py; git commit -am skips; git rebase --apply theirs; git rebase --skip
touch .fail-rebase; git rebase main; rm .fail-rebase
git switch -c stashes side; printf 'dirty\n' >> side.txt; git rebase --autostash main~1; git status -s; git stash list; git checkout -q -- .
git switch -c picks side; git cherry-pick rebased; git cherry-pick -n theirs; git status -s; git reset --hard
git cherry-pick stops; git status -s; git cherry-pick --abort; git cherry-pick -x applied; git cherry-pick rebased
git cherry-pick --skip; git cherry-pick main~3..main~2
git revert --no-edit HEAD; git revert --no-edit HEAD; git revert -n HEAD; git revert --abort; git status -s
git format-patch -1 -o ../mail rebased; git format-patch --stdout -1 stops > ../bad.patch; git switch -c mails side
git am ../mail/*.patch
git am ../bad.patch; git status; git am --abort; printf rubbish > ../bad.patch; git am ../bad.patch; git am --quit
git apply --stat ../mail/*.patch; git apply ../mail/*.patch
printf 'wip\n' >> side.txt; git stash; git stash list; git stash show -p; printf 'new\n' > new.txt; git stash -u; git stash pop; git stash drop
git stash apply stash@{7}; git checkout -q -- .; git clean -fd
git reset --soft HEAD~1; git status -s; git commit -m "reset and again"; git reset HEAD~1; git add -A; git commit -C ORIG_HEAD
git reset --hard HEAD~1; git reset --merge HEAD; git restore --source HEAD~1 src/app.py; git restore src/app.py
git switch nowhere; git checkout -b main; git switch --detach HEAD~1; printf 'x\n' > d.txt; git add -A; git commit -m detached; git switch main
git branch -d theirs; git branch -D stops; git branch -m skips skipped; git tag -a v1 -m one; git tag v1; git describe
git init -q --bare ../remote.git; git remote add origin ../remote.git; git push -u origin main
git push --porcelain origin main side v1; git push --dry-run origin rebased; git push origin nothing
touch .fail-push; git push origin rebased; git push --no-verify origin rebased; rm .fail-push
git clone -q ../remote.git ../other; cd ../other; git config user.name O; printf 'o\n' > o.txt; git add -A; git commit -qm other; git push -q
printf 'mine\n' > mine.txt; git add -A; git commit -m mine; git push
git pull --ff-only; git pull --rebase; git push; git pull
git -C ../other pull -q; git -C ../other commit -q --allow-empty -m again; git -C ../other push -q; git commit --allow-empty -m m; git pull --no-rebase --no-edit
printf 'd\n' >> mine.txt; git fetch --prune --all; git pull --rebase --autostash; git stash list; git checkout -q -- .
git push --force-with-lease origin HEAD:refs/heads/forced; git push origin :forced; git remote show -n origin; git ls-remote --heads origin
git push --atomic origin main side rebased; git push --mirror --dry-run ../nowhere.git
git worktree add ../linked -b linked; git -C ../linked commit --allow-empty -m "in the linked one"; git worktree list; git worktree remove ../linked
git bisect start; git bisect bad; git bisect good main~6; git bisect run grep -q 'seven' src/app.py; git bisect reset
git mv side.txt moved.txt; git commit -m moved; git rm -q moved.txt; git commit -m removed; git blame -s src/app.py; git grep -n seven
git notes add -m "a note of mine" HEAD; git log -1; git notes show; git notes --ref other add -m x; git notes list; git notes remove
git replace HEAD~1 HEAD~2; git log --oneline -3; git replace -d HEAD~1
git sparse-checkout set src; git commit --allow-empty -m sparse; git sparse-checkout disable
git -c core.abbrev=40 log --oneline -2; git reflog -4; git shortlog -s HEAD; git cherry main side; git range-diff main~2..main~1 main~1..main
git update-ref refs/heads/made $(git commit-tree -p HEAD -m plumbing HEAD^{tree}); git update-ref refs/heads/plumbed HEAD~1; git branch -f plumbed HEAD
git submodule add ../remote.git sub; git commit -m submodule; git -C sub commit --allow-empty -m inner; git submodule status; git commit -am bump
git submodule deinit -f sub; git rm -qf sub; git commit -m "no submodule"
git reflog expire --expire=now --all; git gc --quiet --prune=now; git fsck --no-dangling --no-reflogs main; git prune
git commit --allow-empty -m "after gc"; git maintenance run --task=gc --quiet; git repack -adq; git pack-refs --all; git commit --allow-empty -m "packed"
git commit; git commit -F nowhere; git commit --amend --bogus; git merge nothing; git rebase nothing; git cherry-pick nothing; git bogus
GIT_DIR=.git GIT_WORK_TREE=. git commit --allow-empty -m "by variables"; cd src; git commit --allow-empty -m "from a folder"; git -C .. log -1 --format=%s
git -c core.hooksPath=/dev/null commit --allow-empty -m "no hooks"; git -c user.name= commit --allow-empty -m x; git --no-pager log -2 --stat
git switch --orphan fresh; git commit --allow-empty -m root; git switch main; git merge --allow-unrelated-histories fresh -m unrelated
""".strip().splitlines()  # noqa: E501 - a table of cases


class Said(NamedTuple):
    """Exit code, standard output and standard error."""

    code: int
    out: bytes
    err: bytes


class Twins:
    """`hone`: the repository with git-hone; `plain`: the one without. Each in a folder of its own, with the same names."""

    def __init__(self, tmp_path: Path, hooks_path: str | None = None, hooks: Mapping[str, str] | None = None) -> None:
        self.tmp = tmp_path
        self.steps = 0
        self.hone = self._make("hone", hooks_path, hooks or {})
        self.plain = self._make("bare", hooks_path, hooks or {})
        setup.install(find(self.hone), ("claude-code",))
        for name in (".agent", ".claude"):
            shutil.copytree(self.hone / name, self.plain / name, dirs_exist_ok=True)
        self.play = Player(self.hone, tmp_path / "player", dict(os.environ))
        self.play.start()

    def _make(self, name: str, hooks_path: str | None, hooks: Mapping[str, str]) -> Path:
        repo = self.tmp / name / "repo"
        repo.mkdir(parents=True)
        self._one(
            repo,
            "git init -q .; mkdir src; echo 'one = 1' > src/app.py; printf '.agent\\n.claude\\n.own\\n.fail*\\n' > .gitignore",
        )
        if hooks_path:
            self._one(repo, f"git config core.hooksPath {hooks_path}")
        where = repo / (hooks_path or ".git/hooks")
        where.mkdir(exist_ok=True)
        for hook, body in hooks.items():
            (where / hook).write_text(f"#!/bin/sh\n{body}\n")
            (where / hook).chmod(0o755)
        self._one(
            repo,
            "git add -A; git commit -qm base --no-verify; git commit -q --allow-empty -m second; git config pull.rebase false",
        )
        return repo

    def _one(self, repo: Path, command: str) -> Said:
        stamp = f"{START_S + 60 * self.steps} +0000"
        env = os.environ | {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp, "GIT_MERGE_AUTOEDIT": "no"}
        done = subprocess.run(["sh", "-c", command], cwd=repo, env=env, capture_output=True, stdin=subprocess.DEVNULL)
        here = os.fsencode(repo.parent)
        return Said(done.returncode, done.stdout.replace(here, b"<here>"), done.stderr.replace(here, b"<here>"))

    def both(self, command: str) -> Said:
        """Run each of a line's commands in both; what each said and its exit code are the same."""
        self.steps += 1
        command = command.replace("; ", '; echo "exit $?"; ') + '; echo "exit $?"'
        mine, other = self._one(self.hone, command), self._one(self.plain, command)
        assert mine == other, command
        return mine

    def agent(self, path: str, text: str) -> None:
        """The agent writes a file; in the twin it is simply there."""
        self.play.prompt("add to it")
        self.play.write(path, text)
        (self.plain / path).parent.mkdir(parents=True, exist_ok=True)
        (self.plain / path).write_text(text)

    def same(self) -> None:
        """What a person sees of the two repositories is the same."""
        for command in (
            "git status --porcelain=v2 --branch --untracked-files=all",
            "git log --branches --tags HEAD --format='%H %T %P %an %ae %cn %ce %at %ct%n%B'",
            "git for-each-ref refs/heads refs/tags refs/remotes refs/stash refs/notes/commits",
            "git ls-files -s",
            "git diff HEAD --stat",
            "git stash list",
        ):
            self.both(command)


@contextlib.contextmanager
def _fine(twins: Twins) -> Iterator[None]:
    yield


@contextlib.contextmanager
def _quiet(twins: Twins) -> Iterator[None]:
    (find(twins.hone).hone / "worker.pid").write_text(f"{os.getpid()}\n")
    yield


@contextlib.contextmanager
def _python_gone(twins: Twins) -> Iterator[None]:
    for script in find(twins.hone).hone.glob("*.sh"):
        text = script.read_text()
        script.write_text(text.replace(sys.executable, "/nonexistent/python"))
    yield


@contextlib.contextmanager
def _scripts_gone(twins: Twins) -> Iterator[None]:
    for script in find(twins.hone).hone.glob("*.sh"):
        script.unlink()
    yield


@contextlib.contextmanager
def _inbox_blocked(twins: Twins) -> Iterator[None]:
    """No file can be made in it, whoever asks: the link leads into a folder that takes none."""
    inbox = find(twins.hone).inbox
    inbox.rename(inbox.with_name("away"))
    inbox.symlink_to("/proc/self/fdinfo")
    yield
    inbox.unlink()
    inbox.with_name("away").rename(inbox)


@contextlib.contextmanager
def _inbox_full(twins: Twins) -> Iterator[None]:
    """A disk of its own on which no file can be made any more."""
    inbox = str(find(twins.hone).inbox)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,nr_inodes=1", "tmpfs", inbox], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", inbox], check=True)


@contextlib.contextmanager
def _hone_gone(twins: Twins) -> Iterator[None]:
    shutil.rmtree(find(twins.hone).hone)
    yield


HOSTILE = """\
color.ui=always diff.noprefix=true diff.mnemonicPrefix=true diff.algorithm=patience diff.renames=copies diff.submodule=log
diff.colorMoved=zebra diff.wsErrorHighlight=all diff.orderFile=/dev/null log.showSignature=true log.decorate=full log.date=relative
format.pretty=fuller log.abbrevCommit=true core.quotePath=false core.abbrev=9 core.untrackedCache=true core.splitIndex=true
i18n.logOutputEncoding=latin-1 status.showUntrackedFiles=all status.branch=true status.showStash=true status.submoduleSummary=true
commit.verbose=true merge.conflictStyle=zdiff3 merge.log=true rerere.enabled=true rerere.autoUpdate=true rebase.updateRefs=true
rebase.stat=true rebase.autoSquash=true pull.rebase=true push.default=current notes.rewriteRef=refs/notes/*
core.logAllRefUpdates=always core.autocrlf=input gc.auto=1 gc.autoDetach=false
"""


@contextlib.contextmanager
def _hostile(twins: Twins) -> Iterator[None]:
    for setting in HOSTILE.split():
        for repo in (twins.hone, twins.plain):
            subprocess.run(["git", "config", *setting.split("=", 1)], cwd=repo, check=True)
    (find(twins.hone).hone / "worker.pid").write_text(f"{os.getpid()}\n")
    yield


CAN_MOUNT = os.geteuid() == 0 and shutil.which("mount") is not None
Fault = Callable[[Twins], contextlib.AbstractContextManager[None]]
SETTINGS: dict[str, tuple[str | None, Mapping[str, str], Fault]] = {
    "as installed": (None, {}, _fine),
    "hooks of one's own": (None, HOOKS, _quiet),
    "core.hooksPath": (".own", HOOKS, _quiet),
    "settings of every kind": (None, {}, _hostile),
    "Python gone": (None, HOOKS, _python_gone),
    "scripts gone": (None, HOOKS, _scripts_gone),
    "inbox blocked": (None, HOOKS, _inbox_blocked),
    "inbox full": (None, {}, _inbox_full),
    "git-hone's folder gone": (None, {}, _hone_gone),
}
ALWAYS = ("as installed", "hooks of one's own", "Python gone")


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.exhaustive) for name in SETTINGS]
)
def test_git_says_and_does_the_same_as_without_git_hone(
    tmp_path: Path, setting: str, record_property: Callable[[str, object], None]
) -> None:
    """Agent events wait, notes are written in between, and each command says what it says in the twin."""
    hooks_path, hooks, fault = SETTINGS[setting]
    if setting == "inbox full" and not CAN_MOUNT:
        pytest.skip("needs root, to mount a small disk")
    twins = Twins(tmp_path, hooks_path, hooks)
    codes: list[bytes] = []
    with fault(twins):
        twins.agent("src/app.py", "one = 1\n" + "".join(f"agent_{k} = {k}\n" for k in range(9)))
        for k, command in enumerate(COMMANDS):
            codes += re.findall(rb"^exit (\d+)$", twins.both(command).out, re.MULTILINE)
            if k % 10 == 5:
                twins.agent(f"src/agent{k}.py", f"agent = {k}\n")
            if k % 20 == 10 and fault in (_fine, _quiet, _hostile):
                drain(find(twins.hone))
                assert notes.existing(twins.hone)
        twins.same()
    assert not twins.play.failed
    assert 20 < sum(code != b"0" for code in codes) < len(codes) // 3, "most commands succeed, and many fail"
    record_property("tried", len(codes))
