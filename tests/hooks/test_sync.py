"""Notes between clones: real remotes, real processes, real `git notes` beside ours."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes, notes_refs
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.install.doctor import examine
from git_hone.hooks.place import find
from git_hone.hooks.sync import STUCK, Report, sync
from git_hone.hooks.view import show
from git_hone.learner import stats
from git_hone.learner.errors import UsageError
from git_hone.learner.store import Store

HONE = str(Path(sys.executable).with_name("git-hone"))


class Clones:
    """A bare remote, and clones of it."""

    def __init__(self, folder: Path, form: str = "sha1") -> None:
        self.folder, self.remote, self.form = folder, folder / "remote.git", form
        self.git(folder, "init", "-q", "--bare", f"--object-format={form}", str(self.remote))
        first = folder / "first"
        self.git(folder, "init", "-q", f"--object-format={form}", str(first))
        self.git(first, "remote", "add", "origin", self.remote.as_uri())
        self.commits = []
        for k in range(12):
            (first / "f").write_text(f"{k}\n")
            self.git(first, "add", "f")
            self.git(first, "commit", "-q", "-m", f"c{k}")
            self.commits.append(self.git(first, "rev-parse", "HEAD"))
        self.git(first, "push", "-q", "origin", "HEAD:main")
        self.git(self.remote, "symbolic-ref", "HEAD", "refs/heads/main")

    def git(self, cwd: Path, *args: str, **env: str) -> str:
        done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, env=os.environ | env)
        if done.returncode:
            raise RuntimeError(f"git {args}: {done.stdout!r} {done.stderr!r}")
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def clone(self, name: str, *options: str) -> Path:
        self.git(self.folder, "clone", "-q", *options, self.remote.as_uri(), str(self.folder / name))
        return self.folder / name

    def tree(self, cwd: Path, ref: str = notes.REF) -> str:
        return self.git(cwd, "rev-parse", f"{ref}^{{tree}}")

    def raw(self, cwd: Path, note: str, commit: str, ref: str = notes.REF) -> None:
        """A note as `git notes` writes it."""
        self.git(cwd, "notes", f"--ref={ref}", "add", "-f", "-m", note, commit)


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path)


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "test", **more}


def put(cwd: Path, *rows: tuple[str, str], shards: int = 1) -> None:
    for commit, name in rows:
        notes.write(cwd, {commit: [event(name)]}, 1_700_000_000.0, shards)


def ids(cwd: Path, commits: Iterable[str]) -> set[str]:
    return {e["id"] for text in notes.read(cwd, commits).values() for e in notes.events(text)}


def go(cwd: Path, **options: Any) -> Report:
    return sync(find(cwd), **options)


def fine(cwd: Path, **options: Any) -> Report:
    report = go(cwd, **options)
    assert (report.state, report.problems) == ("synced", []), report
    return report


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_two_clones_end_with_the_same_lines_and_the_same_tree(tmp_path: Path, form: str) -> None:
    clones = Clones(tmp_path, form)
    a, b = clones.clone("a"), clones.clone("b")
    put(a, (clones.commits[0], "a0"), (clones.commits[1], "a1"))
    put(b, (clones.commits[1], "b1"), (clones.commits[2], "b2"))
    assert fine(a).sent == [notes.REF]
    assert fine(b).received == 2
    assert fine(a).received == 2
    for cwd in (a, b, clones.remote):
        assert ids(cwd, clones.commits) == {"a0", "a1", "b1", "b2"}
    assert clones.tree(a) == clones.tree(b) == clones.tree(clones.remote)
    assert clones.git(a, "notes", "--ref=hone", "show", clones.commits[1]).count("\n") == 1
    assert fine(a).sent == fine(b).sent == []
    assert clones.git(a, "fsck", "--strict") == ""


def test_any_order_of_joining_gives_the_same_tree(clones: Clones) -> None:
    rng = random.Random(7)
    tips = []
    cwd = clones.clone("a")
    for k in range(5):
        put(cwd, *((rng.choice(clones.commits), f"{k}-{j}") for j in range(6)))
        tips.append(clones.git(cwd, "rev-parse", notes.REF))
        clones.git(cwd, "update-ref", "-d", notes.REF)
        clones.git(cwd, "update-ref", "-d", f"{notes_refs.WRITTEN}hone")
    trees, commits = set(), set()
    for _ in range(6):
        rng.shuffle(tips)
        for tip in tips:
            notes.join(cwd, notes.REF, {}, [tip])
        trees.add(clones.tree(cwd))
        clones.git(cwd, "update-ref", "-d", notes.REF)
        clones.git(cwd, "update-ref", "-d", f"{notes_refs.WRITTEN}hone")
        notes.join(cwd, notes.REF, {}, tips)
        commits.add(clones.git(cwd, "rev-parse", notes.REF))
        trees.add(clones.tree(cwd))
        clones.git(cwd, "update-ref", "-d", notes.REF)
        clones.git(cwd, "update-ref", "-d", f"{notes_refs.WRITTEN}hone")
    assert len(trees) == len(commits) == 1


WRITER = """
import sys
from pathlib import Path
from git_hone.hooks import notes
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.install.doctor import examine
from git_hone.hooks.place import find
from git_hone.hooks.sync import sync
cwd, who, commits, push = Path(sys.argv[1]), sys.argv[2], sys.argv[4:], sys.argv[3] == "push"
sys.stdin.read()
for k in range(5):
    notes.write(cwd, {commits[(k + int(who)) % len(commits)]: [{"id": f"{who}-{k}", "type": "test"}]}, 1_700_000_000.0)
    if push:
        report = sync(find(cwd))
        if report.state != "synced":
            sys.exit(str(report))
"""


def at_once(places: list[Path], mode: str, commits: list[str]) -> None:
    """Five notes from each of these clones, all at the same time."""
    command = [sys.executable, "-c", WRITER]
    running = [
        subprocess.Popen([*command, str(cwd), str(k), mode, *commits], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for k, cwd in enumerate(places)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
    for process in running:
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        assert process.wait() == 0, said


def test_eight_clones_that_push_at_once_lose_nothing(clones: Clones) -> None:
    places = [clones.clone(f"c{k}") for k in range(8)]
    at_once(places, "push", clones.commits)
    everything = {f"{k}-{j}" for k in range(8) for j in range(5)}
    assert ids(clones.remote, clones.commits) == everything
    for cwd in places:
        fine(cwd)
        assert ids(cwd, clones.commits) == everything
    assert len({clones.tree(cwd) for cwd in [*places, clones.remote]}) == 1


def test_eight_processes_that_write_in_one_clone_lose_nothing(clones: Clones) -> None:
    cwd = clones.clone("a")
    at_once([cwd] * 8, "write", clones.commits)
    assert ids(cwd, clones.commits) == {f"{k}-{j}" for k in range(8) for j in range(5)}


def test_without_a_remote_and_with_a_wrong_one(clones: Clones) -> None:
    cwd = clones.clone("a")
    with pytest.raises(UsageError, match="nowhere: no such remote"):
        go(cwd, remote="nowhere")
    clones.git(cwd, "remote", "remove", "origin")
    put(cwd, (clones.commits[0], "a"))
    report = go(cwd)
    assert (report.state, report.remote) == ("no-remote", None)
    assert "git remote add" in report.problems[0]["next"]
    assert ids(cwd, clones.commits) == {"a"}


def test_a_remote_without_notes_is_no_error_and_plain_git_goes_on(clones: Clones) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    assert fine(a).sent == []
    put(a, (clones.commits[0], "a"))
    assert go(a, push=False).state == "not-pushed"
    fine(a)
    fine(b)
    config = (a / ".git/config").read_text()
    for cwd in (a, b):
        before = clones.git(cwd, "rev-parse", notes.REF)
        clones.git(cwd, "fetch", "-q", "--prune")
        clones.git(cwd, "pull", "-q", "--rebase")
        assert clones.git(cwd, "rev-parse", notes.REF) == before
    assert "notes" not in config.replace(str(clones.folder), "")


def test_a_remote_that_is_gone_and_one_that_never_answers(clones: Clones, monkeypatch: pytest.MonkeyPatch) -> None:
    cwd = clones.clone("a")
    put(cwd, (clones.commits[0], "a"))
    clones.git(cwd, "remote", "set-url", "origin", "file:///no/such/place.git")
    report = go(cwd)
    assert report.state == "unreachable"
    assert "no/such/place.git" in report.problems[0]["what"]
    clones.git(cwd, "config", "remote.origin.uploadpack", "read never; true")
    clones.git(cwd, "remote", "set-url", "origin", "ssh://host/place.git")
    silent = cwd / "silent-ssh"
    silent.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    silent.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(silent))
    report = go(cwd, budget_s=0.5)
    assert (report.state, report.sent) == ("unreachable", [])
    assert ids(cwd, clones.commits) == {"a"}


def test_credentials_in_an_address_are_not_repeated(clones: Clones) -> None:
    cwd = clones.clone("a")
    clones.git(cwd, "remote", "set-url", "origin", "https://ann:hunter22@127.0.0.1:1/x.git")
    report = go(cwd, budget_s=5)
    assert report.state == "unreachable"
    assert "hunter22" not in str(report)


@pytest.mark.parametrize("refusal", ["hook", "no new notes", "read-only"])
def test_a_remote_that_takes_no_notes_still_gives_its_own(clones: Clones, refusal: str) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    put(a, (clones.commits[0], "a"))
    fine(a)
    put(b, (clones.commits[1], "b"))
    hook = clones.remote / "hooks" / ("pre-receive" if refusal == "hook" else "update")
    hook.write_text({"hook": "#!/bin/sh\necho 'nicht hier' >&2\nexit 1\n",
                     "no new notes": '#!/bin/sh\ncase $1 in refs/notes/*) exit 1;; esac\n'}.get(refusal, "#!/bin/sh\n"))  # fmt: skip
    hook.chmod(0o755)
    if refusal == "read-only":
        clones.git(b, "config", "remote.origin.receivepack", "false")
    report = go(b)
    assert (report.state, report.sent, report.received) == ("refused", [], 1)
    assert report.tries == STUCK
    assert "stay in this clone" in report.problems[0]["next"]
    assert ids(b, clones.commits) == {"a", "b"}
    assert ids(clones.remote, clones.commits) == {"a"}


def test_one_ref_refused_and_another_taken(clones: Clones) -> None:
    cwd = clones.clone("a")
    put(cwd, (clones.commits[0], "a"))
    put(cwd, (clones.commits[1], "b"), shards=16)
    hook = clones.remote / "hooks" / "update"
    hook.write_text("#!/bin/sh\ncase $1 in refs/notes/hone) exit 1;; esac\n")
    hook.chmod(0o755)
    report = go(cwd)
    assert (report.state, report.sent) == ("refused", [notes.ref_of(clones.commits[1], 16)])


def test_a_busy_ref_leaves_the_notes_in_the_inbox_and_the_next_sync_joins_them(clones: Clones) -> None:
    a, b, other = clones.clone("a"), clones.clone("b"), clones.clone("other")
    put(a, (clones.commits[0], "a"))
    put(other, (clones.commits[1], "other"))
    clones.git(other, "push", "-q", "origin", f"{notes.REF}:refs/spare/0")
    # whenever somebody pushes the notes, somebody else was faster
    hook = clones.remote / "hooks" / "update"
    hook.write_text(
        "#!/bin/sh\n[ $1 = refs/notes/hone ] || exit 0\n"
        "unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n"
        "n=$(git rev-parse -q --verify refs/notes/hone || git rev-parse refs/spare/0)\n"
        "c=$(GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x git commit-tree -p $n -m x $n^{tree})\n"
        "git update-ref refs/notes/hone $c\nexit 1\n"
    )
    hook.chmod(0o755)
    report = go(a, budget_s=4)
    assert report.state == "left-in-inbox", report
    assert report.tries > STUCK
    hook.unlink()
    assert ids(clones.remote, clones.commits) == {"other"}
    fine(b)
    for cwd in (b, clones.remote):
        assert ids(cwd, clones.commits) == {"a", "other"}
    assert clones.git(clones.remote, "for-each-ref", "refs/hone") == ""
    fine(a)
    assert clones.tree(a) == clones.tree(b) == clones.tree(clones.remote)


def test_a_shallow_and_a_partial_clone_and_a_linked_worktree(clones: Clones) -> None:
    a = clones.clone("a")
    put(a, *((commit, f"n{k}") for k, commit in enumerate(clones.commits)))
    fine(a)
    clones.git(clones.remote, "config", "uploadpack.allowFilter", "true")
    shallow, partial = clones.clone("s", "--depth=1"), clones.clone("p", "--filter=blob:none", "--no-checkout")
    for cwd in (shallow, partial):
        assert fine(cwd).received == 12
        assert len(ids(cwd, clones.commits)) == 12
    put(shallow, (clones.commits[-1], "from shallow"))
    fine(shallow)
    clones.git(a, "worktree", "add", "-q", str(clones.folder / "tree"))
    assert fine(clones.folder / "tree").received == 1
    assert "from shallow" in ids(a, clones.commits)


FOREIGN = {
    "prose": "Reviewed-by: Ann\n\nSecond thoughts, éü.\n".encode(),
    "bytes": b"\xff\xfe not text \x00\x00 at all\x1b[31m\r\n",
    "half": b'{"id": "x9", "type": "cha',
    "nested": b"[" * 60_000 + b"\n",
    "separators": "a\u2028b\x0bc\x85d\n".encode(),
    "large": b"x" * 5_000_000,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_or_damaged_note_is_kept_byte_for_byte(clones: Clones, kind: str) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    raw = FOREIGN[kind]
    (a / "raw").write_bytes(raw)
    blob = clones.git(a, "hash-object", "-w", "raw")
    for commit in clones.commits[:2]:
        clones.git(a, "notes", "--ref=hone", "add", "-C", blob, commit)
    put(b, (clones.commits[0], "b"), (clones.commits[2], "c"))
    fine(a)
    fine(b)
    fine(a)
    assert ids(a, clones.commits) == ids(b, clones.commits) == {"b", "c"}
    for cwd in (a, b, clones.remote):
        alone, joined = (note_bytes(cwd, commit) for commit in clones.commits[:2][::-1])
        assert alone == raw  # nobody else wrote on it
        assert set(joined.split(b"\n")) - {b"", b'{"id":"b","type":"test"}'} == set(raw.split(b"\n")) - {b""}
    assert clones.tree(a) == clones.tree(b)


def note_bytes(cwd: Path, commit: str) -> bytes:
    return subprocess.run(["git", "notes", "--ref=hone", "show", commit], cwd=cwd, check=True, capture_output=True).stdout


def import_tree(cwd: Path, ref: str, files: dict[str, bytes]) -> None:
    """A commit on `ref` with exactly these files."""
    stream = f"commit {ref}\ncommitter Ann <ann@example.com> 1700000000 +0000\ndata 1\nx\ndeleteall\n".encode()
    for path, raw in files.items():
        stream += f"M 100644 inline {path}\ndata {len(raw)}\n".encode() + raw + b"\n"
    subprocess.run(["git", "fast-import", "--quiet", "--force"], cwd=cwd, input=stream, check=True)


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_every_fan_out_is_read_and_a_note_at_two_depths_is_one(tmp_path: Path, form: str) -> None:
    clones = Clones(tmp_path, form)
    a, b = clones.clone("a"), clones.clone("b")
    rows = {k: f'{{"id":"n{k}"}}\n'.encode() for k in range(4)}
    c = clones.commits
    files = {c[0]: rows[0], f"{c[1][:2]}/{c[1][2:]}": rows[1], f"{c[2][:2]}/{c[2][2:4]}/{c[2][4:]}": rows[2],
             f"{c[0][:2]}/{c[0][2:4]}/{c[0][4:6]}/{c[0][6:]}": rows[3], "README": b"not a note\n", "docs/a b\"ä": b"x\n"}  # fmt: skip
    import_tree(a, notes.REF, files)
    expected = {"n0", "n1", "n2", "n3"}
    assert ids(a, c) == expected
    assert {e["id"] for e in notes.events(notes.read(a, [c[0]])[c[0]])} == {"n0", "n3"}
    fine(a)
    put(b, (c[3], "b"), (c[1], "b1"))
    fine(b)
    fine(a)
    for cwd in (a, b, clones.remote):
        assert ids(cwd, c) == expected | {"b", "b1"}
        paths = clones.git(cwd, "ls-tree", "-r", "-z", "--name-only", notes.REF).split("\0")[:-1]
        assert sorted(paths) == sorted(["README", 'docs/a b"ä', *(f"{name[:2]}/{name[2:]}" for name in c[:4])])
    assert clones.tree(a) == clones.tree(b) == clones.tree(clones.remote)


def test_files_that_are_no_notes_and_collide_are_both_kept(clones: Clones) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    c = clones.commits[0]
    import_tree(a, notes.REF, {"x": b"a\n", "y": b"a\n", c[:2]: b"in the way\n"})
    import_tree(b, notes.REF, {"x": b"b\n", "y/z": b"b\n"})
    put(b, (c, "b"))
    fine(a)
    fine(b)
    fine(a)
    assert clones.tree(a) == clones.tree(b)
    kept = [clones.git(a, "show", f"{notes.REF}:{p}") for p in clones.git(a, "ls-tree", "-r", "--name-only", notes.REF).split()]
    assert sorted(kept) == sorted(["a", "a", "b", "b", "in the way", '{"id":"b","type":"test"}'])


@pytest.mark.parametrize("what", ["blob", "tree", "tag of a blob"])
def test_a_ref_that_is_no_tree_of_notes_is_left_alone(clones: Clones, what: str) -> None:
    a = clones.clone("a")
    blob = clones.git(clones.remote, "rev-parse", "main:f")
    target = {"blob": blob, "tree": clones.git(clones.remote, "rev-parse", "main^{tree}"), "tag of a blob": ""}[what]
    if not target:
        clones.git(clones.remote, "tag", "-a", "-m", "x", "t", blob, GIT_COMMITTER_NAME="x", GIT_COMMITTER_EMAIL="x")
        target = clones.git(clones.remote, "rev-parse", "t")
    clones.git(clones.remote, "update-ref", notes.REF, target)
    put(a, (clones.commits[0], "a"))
    report = go(a)
    assert report.problems
    assert report.problems[0]["what"].startswith("refs/notes/hone of origin was left alone")
    assert clones.git(clones.remote, "rev-parse", notes.REF) == target
    assert ids(a, clones.commits) == {"a"}


def test_a_note_on_a_commit_that_is_not_here_and_a_ref_with_a_name_like_ours(clones: Clones) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    gone = "12" * 20
    put(a, (gone, "on nothing"))
    clones.git(a, "push", "-q", "origin", f"{notes.REF}:refs/notes/honey")
    fine(a)
    assert fine(b).received == 1
    assert ids(b, [gone]) == {"on nothing"}
    assert clones.git(b, "for-each-ref", "--format=%(refname)", "refs/notes") == notes.REF


def test_git_notes_in_between_survives_and_loses_none_of_ours(clones: Clones) -> None:
    cwd = clones.clone("a")
    c = clones.commits
    put(cwd, (c[0], "zero"))
    # `git notes` reads the tree, then opens the editor; meanwhile the worker writes
    script = (
        "import sys; from pathlib import Path; from git_hone.hooks import notes; "
        f"notes.write(Path({str(cwd)!r}), {{{c[1]!r}: [{{'id': 'meanwhile'}}]}}, 1.7e9); "
        "Path(sys.argv[1]).write_text('by hand')"
    )
    editor = cwd.parent / "editor"
    editor.write_text(f'#!/bin/sh\nexport GIT_CONFIG_NOSYSTEM=1\nexec {sys.executable} -c "{script}" "$1"\n')
    editor.chmod(0o755)
    clones.git(cwd, "notes", "--ref=hone", "add", c[2], GIT_EDITOR=str(editor))
    put(cwd, (c[3], "three"))
    assert ids(cwd, c) == {"zero", "meanwhile", "three"}
    assert note_bytes(cwd, c[2]) == b"by hand\n"
    clones.git(cwd, "notes", "--ref=hone", "remove", c[0])
    put(cwd, (c[4], "four"))
    assert ids(cwd, c) == {"meanwhile", "three", "four"}


def test_a_forced_refspec_and_a_pruning_fetch_lose_nothing(clones: Clones) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    put(a, (clones.commits[0], "a"))
    put(b, (clones.commits[1], "unpushed"))
    clones.git(b, "config", "--add", "remote.origin.fetch", "+refs/notes/*:refs/notes/*")
    clones.git(b, "fetch", "-q", "--prune")  # the remote has none: git deletes ours
    assert ids(b, clones.commits) == set()
    fine(a)
    clones.git(b, "fetch", "-q")
    assert ids(b, clones.commits) == {"a"}
    fine(b)
    assert ids(b, clones.commits) == ids(clones.remote, clones.commits) == {"a", "unpushed"}


def test_gc_and_reflog_expiry_lose_nothing(clones: Clones) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    for k in range(3):
        put(a, (clones.commits[k], f"a{k}"))
        fine(a)
        fine(b)
        for cwd in (a, b, clones.remote):
            clones.git(cwd, "reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
            clones.git(cwd, "gc", "-q", "--prune=now")
            clones.git(cwd, "pack-refs", "--all", "--prune")
    assert ids(a, clones.commits) == ids(b, clones.commits) == {"a0", "a1", "a2"}
    assert clones.git(b, "fsck", "--strict") == ""


def test_shards_are_all_read_whatever_the_setting_was(clones: Clones) -> None:
    a, b = clones.clone("a"), clones.clone("b")
    for round_, shards in enumerate((1, 16, 256, 16, 1)):
        put(a, *((commit, f"{round_}-{k}") for k, commit in enumerate(clones.commits)), shards=shards)
    expected = {f"{round_}-{k}" for round_ in range(5) for k in range(12)}
    assert ids(a, clones.commits) == expected
    fine(a)
    assert len(notes.existing(a)) > 12
    assert fine(b).received >= 12
    assert ids(b, clones.commits) == expected
    assert {ref: clones.tree(b, ref) for ref in notes.existing(b)} == {ref: clones.tree(a, ref) for ref in notes.existing(a)}


def test_the_command_speaks_for_people_and_for_programs(clones: Clones) -> None:
    cwd = clones.clone("a")
    put(cwd, (clones.commits[0], "a"))
    done = subprocess.run([HONE, "sync", "--json"], cwd=cwd, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"version": 1, "remote": "origin", "state": "synced", "received": 0, "recorded": 0,
                                       "sent": [notes.REF], "tries": 1, "problems": []}  # fmt: skip
    clones.git(cwd, "remote", "set-url", "origin", "file:///no/such/place.git")
    done = subprocess.run([HONE, "sync"], cwd=cwd, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "next: " in done.stderr


@pytest.fixture
def team(fresh: Callable[..., Any], tmp_path: Path) -> tuple[Any, Any]:
    """Two people with git-hone installed in clones of one bare remote; the first has a session."""
    ann = fresh("ann")
    ann.git("init", "-q", "--bare", f"--object-format={ann.git('rev-parse', '--show-object-format')}", str(tmp_path / "team.git"))
    ann.git("remote", "add", "origin", (tmp_path / "team.git").as_uri())
    ann.git("push", "-q", "-u", "origin", "HEAD:main")
    bob = fresh("bob", base=False)
    bob.git("remote", "add", "origin", (tmp_path / "team.git").as_uri())
    bob.git("fetch", "-q", "origin")
    bob.git("reset", "-q", "--hard", "origin/main")
    bob.git("branch", "-q", "-u", "origin/main")
    drain(bob.place)
    return ann, bob


def live(play: Any) -> dict[str, str]:
    """change id -> commit of what counts in this clone's statistics."""
    drain(play.place)
    return {row["change_id"]: row["commit"] for row in stats.newest_changes(Store(play.place.data), 100)}


def test_a_team_s_changes_are_seen_and_counted_once_in_every_clone(team: tuple[Any, Any]) -> None:
    ann, bob = team
    ann.turn("src/ann.py", "a")
    sha = ann.commit("by ann's agent")
    seen = ann.show()
    assert fine(ann.repo).recorded == 0
    assert fine(bob.repo).recorded == 0  # the note is here, its commit is not
    ann.git("push", "-q", "origin", "HEAD:main")
    bob.git("pull", "-q", "--rebase")
    assert fine(bob.repo).recorded == 1
    assert fine(bob.repo).recorded == 0
    view = bob.show(sha)
    assert (view["source"], view["change_id"], view["lines"]) == ("note", seen["change_id"], seen["lines"])
    assert view["runs"][0]["session_id"] == ann.id
    assert live(bob) == live(ann) == {seen["change_id"]: sha}
    bob.turn("src/bob.py", "b")
    bob.commit("by bob's agent")
    drain(bob.place)
    bob.git("push", "-q", "origin", "HEAD:main")
    fine(bob.repo)
    ann.git("pull", "-q", "--rebase")
    fine(ann.repo)
    assert live(bob) == live(ann)
    assert len(live(ann)) == 2
    groups = stats.grouped(Store(ann.place.data))
    assert [(g.name, g.changes) for g in groups] == [("claude-code", 2)]


def test_a_squash_by_one_leaves_one_change_with_the_other(team: tuple[Any, Any]) -> None:
    ann, bob = team
    ann.git("switch", "-q", "-c", "work")
    for tag in ("one", "two"):
        ann.turn(f"src/{tag}.py", tag)
        ann.commit(tag)
        drain(ann.place)
    ann.git("push", "-q", "origin", "work")
    fine(ann.repo)
    bob.git("fetch", "-q")
    assert fine(bob.repo).recorded == 2
    ann.git("switch", "-q", "main" if "main" in ann.git("branch") else "master")
    ann.git("merge", "-q", "--squash", "work")
    sha = ann.commit("both")
    ann.git("branch", "-q", "-D", "work")
    assert ann.ai() == 20
    ann.git("push", "-q", "origin", "HEAD:main")
    fine(ann.repo)
    bob.git("pull", "-q", "--rebase")
    fine(bob.repo)
    assert live(bob) == live(ann)
    assert set(live(bob).values()) == {sha}


def test_a_fresh_clone_says_how_and_never_says_human(team: tuple[Any, Any], tmp_path: Path) -> None:
    ann, _ = team
    ann.turn("src/ann.py", "a")
    ann.commit("by ann's agent")
    drain(ann.place)
    ann.git("push", "-q", "origin", "HEAD:main")
    fine(ann.repo)
    clone = tmp_path / "fresh"
    ann.git("clone", "-q", "-b", "main", ann.git("remote", "get-url", "origin"), str(clone))
    view = show(find(clone), "HEAD")
    assert (view["lines"]["human"], view["lines"]["unknown"]) == (0, 10)
    assert str(view["notice"]).count("\n") == 0
    assert "git hone sync" in str(view["notice"])
    assert fine(clone).received == 1
    view = show(find(clone), "HEAD")
    assert (view["source"], view["lines"]["ai"], view["notice"]) == ("note", 10, None)
    assert not (clone / ".agent" / "data").exists()
    assert ann.git("status", "--porcelain", cwd=clone) == ""


BROKEN = [{"lines": "many"}, {"lines": {"ai": -1}}, {"at": "yesterday"}, {"files": [{"path": "x"}]}, {"runs": [7]}, {"reward": 9},
          {"reward": float("nan")}, {"change_id": ""}, {"replaces": None}, {"kind": "gift"}]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_note_of_the_wrong_shape_is_no_record_and_no_fault(team: tuple[Any, Any], broken: dict[str, Any]) -> None:
    ann, bob = team
    ann.turn("src/ann.py", "a")
    sha = ann.commit("by ann's agent")
    drain(ann.place)
    (good,) = [e for e in notes.events(notes.read(ann.repo, [sha])[sha]) if e["type"] == "change"]
    ann.git("update-ref", "-d", notes.REF)
    ann.git("update-ref", "-d", f"{notes_refs.WRITTEN}hone")
    notes.write(ann.repo, {sha: [good | broken]}, 1_700_000_000.0)
    ann.git("push", "-q", "origin", "HEAD:main")
    fine(ann.repo)
    bob.git("pull", "-q", "--rebase")
    assert fine(bob.repo).recorded == 0
    assert bob.show(sha)["source"] == "git"
    assert live(bob) == {}


def test_nothing_private_is_in_the_notes(team: tuple[Any, Any], tmp_path: Path) -> None:
    ann, _ = team
    planted = ["ghp_" + "Ab1" * 12, "ann@corp.example", "https://claude.ai/code/session_0199", "correct horse battery"]
    ann.prompt(f"please {' and '.join(planted)}")
    ann.write("src/new.py", "".join(f"marker_{k} = 'wombat-{k}'\n" for k in range(10)))
    ann.shell(f"echo '{planted[0]}' > /dev/null")
    ann.fire("Stop", stop_hook_active=False, last_assistant_message=f"stored {planted}")
    ann.git("config", "user.email", "ann@corp.example")
    ann.git("config", "user.name", "Ann Secretive")
    ann.commit(f"work\n\nClaude-Session: {planted[2]}")
    assert ann.ai() == 10
    fine(ann.repo)
    remote = tmp_path / "team.git"
    names = ann.git("rev-list", "--objects", notes.REF, cwd=remote).splitlines()
    kinds = [ann.git("cat-file", "-t", name.split(" ")[0], cwd=remote) for name in names]
    raw = "".join(
        ann.git("cat-file", kind, name.split(" ")[0], cwd=remote)
        for name, kind in zip(names, kinds, strict=True)
        if kind != "tree"
    )
    assert '"ai":10' in raw
    for secret in (*planted, "wombat", "Ann Secretive", "dev@example.com", str(tmp_path)):
        assert secret not in raw


def on_push(play: Any, budget: float = 30.0) -> None:
    """Switch `sync.prePush` on, as a person does."""
    path = play.place.agent / "learning-config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sync": {"prePush": True, "budgetSeconds": budget}}))
    setup.install(play.place)


def test_a_push_takes_the_notes_along_and_the_own_hook_is_asked_first(team: tuple[Any, Any], tmp_path: Path) -> None:
    ann, _ = team
    own = Path(ann.git("rev-parse", "--path-format=absolute", "--git-path", "hooks")) / "pre-push"
    own.write_text('#!/bin/sh\necho "$@" >>../said\ncat >>../said\n[ ! -e ../no ]\n')
    own.chmod(0o755)
    before = own.read_bytes()
    on_push(ann)
    ann.turn("src/new.py", "a")
    sha = ann.commit("work")
    old = ann.git("rev-parse", "origin/main")
    (tmp_path / "no").touch()
    remote = tmp_path / "team.git"
    with pytest.raises(RuntimeError):
        ann.git("push", "-q", "origin", "HEAD:main")
    assert notes.existing(remote) == {}
    (tmp_path / "no").unlink()
    (tmp_path / "said").unlink()
    ann.git("push", "-q", "origin", "HEAD:main")
    assert notes.events(notes.read(remote, [sha])[sha])
    url = ann.git("remote", "get-url", "origin")
    assert (tmp_path / "said").read_text() == f"origin {url}\nHEAD {sha} refs/heads/main {old}\n"
    setup.uninstall(ann.place)
    assert own.read_bytes() == before
    assert not own.with_name("pre-push.hone-saved").exists()


def test_a_push_never_waits_for_a_remote_that_does_not_answer(team: tuple[Any, Any], tmp_path: Path) -> None:
    ann, _ = team
    on_push(ann, budget=0.0)
    ann.turn("src/new.py", "a")
    sha = ann.commit("work")
    (tmp_path / "hangs").touch()
    (tmp_path / "upload").write_text(
        f'#!/bin/sh\nwhile [ -e {tmp_path}/hangs ]; do sleep 0.05; done\nexec git-upload-pack "$@"\n'
    )
    (tmp_path / "upload").chmod(0o755)
    ann.git("config", "remote.origin.uploadpack", str(tmp_path / "upload"))
    ann.git("push", "-q", "origin", "HEAD:main")
    remote = tmp_path / "team.git"
    assert ann.git("rev-parse", "main", cwd=remote) == sha
    assert notes.existing(remote) == {}
    (tmp_path / "hangs").unlink()  # the sync goes on behind the push
    until = time.monotonic() + 60
    while not notes.read(remote, [sha]) and time.monotonic() < until:
        time.sleep(0.05)
    assert notes.events(notes.read(remote, [sha])[sha])


def test_the_pre_push_hook_is_there_only_where_it_is_wanted(team: tuple[Any, Any]) -> None:
    ann, bob = team
    on_push(ann)
    names = {place: {hook.event for hook in setup.install(place).hooks} for place in (ann.place, bob.place)}
    assert names[ann.place] - names[bob.place] == {"pre-push"}
    assert all(finding.ok for finding in examine(ann.place)), examine(ann.place)
