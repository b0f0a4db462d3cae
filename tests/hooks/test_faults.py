"""What must be survived on the way from the hook to the record: kills, full disks, hostile payloads and environments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import inbox, notes
from git_hone.hooks.drain import drain
from git_hone.hooks.place import find
from git_hone.learner.store import Store

from .conftest import Play, block

KILLS = int(os.environ.get("HONE_KILLS", "25"))


def settled(p: Play) -> list[dict[str, Any]]:
    drain(p.place)
    return Store(p.place.data).rows("changes")


def commit_alone(p: Play) -> subprocess.CompletedProcess[bytes]:
    p.git("add", "-A")
    return subprocess.run(["git", "commit", "-qm", "c"], cwd=p.repo, capture_output=True)


def test_a_worker_killed_anywhere_loses_and_doubles_nothing(
    fresh: Callable[..., Play], record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", KILLS)
    p = fresh()
    rng = random.Random(5)
    total = 0
    for k in range(KILLS):
        p.turn(f"src/f{k}.py", f"t{k}", 3)
        assert commit_alone(p).returncode == 0
        total += 1
        child = subprocess.Popen(
            [sys.executable, "-I", "-c", "import sys; from git_hone.hooks.drain import drain; from git_hone.hooks.place import find;"
             "from pathlib import Path; p = find(Path(sys.argv[1])); print('go', flush=True); drain(p)", str(p.repo)],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout
        child.stdout.readline()
        time.sleep(rng.random() * 0.15)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    changes = settled(p)
    assert len(changes) == total
    assert sum(row["lines_ai"] for row in changes) == 3 * total
    store = Store(p.place.data)
    assert len(store.rows("outcomes")) == total
    assert len({row["record_id"] for row in store.rows("runs")}) == total
    shas = [row["commit"] for row in changes]
    for text in notes.read(p.repo, shas).values():
        ids = [event["id"] for event in notes.events(text)]
        assert len(ids) == len(set(ids))
    assert set(notes.read(p.repo, shas)) == set(shas)
    assert inbox.pending(p.place.inbox) == []


def test_draining_the_same_events_again_changes_nothing(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("c")
    saved = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file, _ in inbox.pending(p.place.inbox)}
    before = settled(p)
    for name, (data, at) in saved.items():  # as if the process had ended just before it removed them
        (p.place.inbox / name).write_bytes(data)
        os.utime(p.place.inbox / name, ns=(at, at))
    assert settled(p) == before
    assert inbox.pending(p.place.inbox) == []


def test_eight_writers_at_once(p: Play) -> None:
    commands = p.commands("UserPromptSubmit", None)
    payload = json.dumps({"session_id": "s", "hook_event_name": "UserPromptSubmit", "prompt": "x" * 9000, "cwd": str(p.repo)})
    script = f"for k in 1 2 3 4 5 6 7 8 9 10; do printf '%s' \"$PAYLOAD\" | sh -c '{commands[0]}'; done".replace("'", "'\"'\"'")
    script = f"eval '{script}'"
    children = [subprocess.Popen(["sh", "-c", script], cwd=p.repo, env=p.env | {"PAYLOAD": payload}) for _ in range(8)]
    assert [child.wait() for child in children] == [0] * 8
    events = [inbox.read(file, now=time.time()) for file, _ in inbox.pending(p.place.inbox)]
    mine = [event for event in events if isinstance(event, inbox.Event) and b"UserPromptSubmit" in event.payload]
    assert len(mine) == 80
    assert all(json.loads(event.payload)["prompt"] == "x" * 9000 for event in mine)


def test_a_full_disk_does_not_stop_the_commit(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.show()
    folder = p.repo / ".git/hone/inbox"
    folder.rename(p.repo / ".git/hone/inbox.away")
    folder.write_text("a file in the way")
    done = commit_alone(p)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")
    folder.unlink()
    (p.repo / ".git/hone/inbox.away").rename(folder)
    assert p.ai() == 10  # the history tells


def test_no_space_left(p: Play) -> None:
    """An inbox on a device that is always full."""
    p.turn("src/new.py", "a")
    p.show()
    script = p.repo / ".git/hone/git-event.sh"
    text = script.read_text()
    script.write_text(text.replace('>"$hone/inbox/$$-$hone_n.ev"', ">/dev/full"))
    assert text != script.read_text()
    done = commit_alone(p)
    assert (done.returncode, done.stderr) == (0, b"")
    script.write_text(text)
    assert p.ai() == 10


def test_a_missing_interpreter_does_not_stop_the_commit(p: Play) -> None:
    script = p.repo / ".git/hone/git-event.sh"
    text = script.read_text()
    script.write_text(text.replace(sys.executable, "/nonexistent/python"))
    assert text != script.read_text()
    p.turn("src/new.py", "a")
    done = commit_alone(p)
    assert (done.returncode, done.stderr) == (0, b"")
    assert p.ai() == 10


def test_a_poor_environment(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.git("add", "-A")
    env = {
        "PATH": "/usr/bin:/bin",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(["git", "commit", "-qm", "c"], cwd=p.repo, env=env, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert p.ai() == 10


def test_read_only_hone_folder(p: Play) -> None:
    if os.geteuid() == 0:
        # permissions do not bind root: an immutable stand-in is a dangling link
        folder = p.repo / ".git/hone/inbox"
        p.show()
        folder.rename(folder.with_name("away"))
        folder.symlink_to("/proc/1/nonexistent")
        p.turn("src/new.py", "a")
        done = commit_alone(p)
        assert (done.returncode, done.stderr) == (0, b"")
        return
    p.show()
    (p.repo / ".git/hone/inbox").chmod(0o500)
    p.turn("src/new.py", "a")
    done = commit_alone(p)
    (p.repo / ".git/hone/inbox").chmod(0o700)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"null", b"[1]", b'"x"', b'{"hook_event_name": 3}', b"\xff\xfe\x00", b"{" * 20000, b'{"session_id":"s"}',
     b'{"session_id":"s","hook_event_name":"PostToolUse","tool_name":"Write","tool_input":7}',
     b'{"session_id":"s","hook_event_name":"Later","new":{"field":1}}'],
)  # fmt: skip
def test_odd_payloads_are_kept_apart_and_stop_nothing(p: Play, payload: bytes) -> None:
    for command in p.commands("UserPromptSubmit", None):
        p.send("odd", command, payload)
    assert p.failed == []
    p.turn("src/new.py", "a")
    p.commit("c")
    assert p.ai() == 10


def test_an_unreadable_payload_is_never_lost(p: Play) -> None:
    for command in p.commands("UserPromptSubmit", None):
        p.send("odd", command, b'{"truncated": ')
    drain(p.place)
    (kept,) = (p.repo / ".git/hone/unreadable").glob("*.ev")
    assert b'{"truncated": ' in kept.read_bytes()
    assert "not JSON" in kept.with_name(kept.name + ".reason").read_text()


def test_a_payload_of_20_mb(p: Play) -> None:
    text = "".join(f"v{k} = '{'x' * 200}'\n" for k in range(95_000))
    p.prompt("big")
    p.write("src/big.py", text)
    p.commit("big")
    assert p.ai() == 95_000


def test_torn_inbox_files_are_set_aside_later_not_at_once(p: Play) -> None:
    torn = p.place.inbox / "1-0.ev"
    torn.write_bytes(b"%hone 1 git post-commit\nroot=")
    drain(p.place)
    assert torn.exists()  # perhaps still being written
    os.utime(torn, (time.time() - 3600,) * 2)
    drain(p.place)
    assert not torn.exists()
    assert (p.repo / ".git/hone/unreadable/1-0.ev").exists()


def test_git_variables_of_another_repository_reach_nobody(
    p: Play, fresh: Callable[..., Play], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fresh("other")
    p.turn("src/new.py", "a")
    p.commit("c")
    for name, value in {
        "GIT_DIR": other.repo / ".git",
        "GIT_INDEX_FILE": other.repo / ".git/index",
        "GIT_WORK_TREE": other.repo,
    }.items():
        monkeypatch.setenv(name, str(value))
    place = find(p.repo)
    drain(place)
    assert len(Store(place.data).rows("changes")) == 1
    assert Store(find(other.repo).data).rows("changes") == []


def test_a_hook_that_commits_itself_is_recorded_once_each(p: Play) -> None:
    hook = p.repo / ".git/hooks/post-commit"
    saved = hook.read_text()
    hook.write_text(
        saved.rstrip("\n").replace(
            "#!/bin/sh\n", "#!/bin/sh\n[ -f done ] || { : > done; git add done; git commit -qm from-hook; }\n", 1
        )
        + "\n"
    )
    p.turn("src/new.py", "a")
    p.commit("c")
    drain(p.place)
    assert len(Store(p.place.data).rows("changes")) == 1
    assert p.ai("HEAD~1") == 10


def test_a_damaged_state_file_is_set_aside(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.commit("c")
    assert p.ai() == 10
    (p.place.hone / "state.db").write_bytes(b"not a database" * 1000)
    drain(p.place)
    assert p.ai() == 10  # from the record
    p.turn("src/later.py", "b", 4)
    p.commit("later")
    assert p.ai() == 4


def test_the_record_alone_answers_and_so_does_the_note_alone(p: Play, tmp_path: Path) -> None:
    import shutil

    p.turn("src/new.py", "a")
    p.commit("c")
    seen = p.show()
    shutil.rmtree(p.place.data)
    from git_hone.hooks.view import show

    alone = show(p.place, "HEAD")
    assert (alone["source"], alone["change_id"], alone["lines"], alone["files"][0]["ai_ranges"]) == (
        "note", seen["change_id"], seen["lines"], [[1, 10]],
    )  # fmt: skip
    assert alone["runs"][0]["session_id"] == p.id
    p.git("clone", "-q", str(p.repo), str(tmp_path / "clone"))
    clone = show(find(tmp_path / "clone"), "HEAD")
    assert (clone["lines"]["ai"], clone["lines"]["human"], clone["lines"]["unknown"]) == (0, 0, 10)
    assert "git hone sync --no-push" in str(clone["notice"])


def test_secrets_reach_neither_record_nor_notes(p: Play) -> None:
    token = "ghp_" + "Ab1xY9" * 6
    p.prompt(f"use {token} and mail me at ann@corp.example from /home/ann/x")
    p.write("src/new.py", block("a"))
    p.shell(f"echo {token} > /dev/null")
    p.fire("Stop", stop_hook_active=False, last_assistant_message=f"stored {token}")
    p.commit("c")
    assert p.ai() == 10
    row = Store(p.place.data).rows("runs")[0]
    assert "[redacted:github-token]" in row["task"]
    written = b"".join(file.read_bytes() for file in p.place.data.rglob("*.parquet"))
    log = p.git("log", "-p", "refs/notes/hone")
    state = (p.place.hone / "state.db").read_bytes()
    for secret in (token, "ann@corp.example", "/home/ann"):
        assert secret.encode() not in written
        assert secret not in log
        assert secret.encode() not in state
        assert secret not in json.dumps(row, default=str)


def test_shallow_clone_and_bare_repository_and_submodule(p: Play, tmp_path: Path) -> None:
    from git_hone.hooks.view import show

    p.turn("src/new.py", "a")
    p.commit("c")
    p.git("clone", "-q", "--depth=1", f"file://{p.repo}", str(tmp_path / "shallow"))
    assert show(find(tmp_path / "shallow"), "HEAD")["files"] == []  # the edge of a shallow clone says nothing
    p.git("clone", "-q", "--bare", str(p.repo), str(tmp_path / "bare.git"))
    assert show(find(tmp_path / "bare.git"), "HEAD")["lines"]["unknown"] == 10


def test_an_agent_in_a_nested_repository_is_recorded_where_the_file_lives(p: Play) -> None:
    from git_hone.hooks.install import setup

    inner = p.repo / "vendor/inner"
    inner.mkdir(parents=True)
    p.git("init", "-q", ".", cwd=inner)
    setup.install(find(inner), ())
    p.git("add", "-A", cwd=inner)
    p.git("commit", "-qm", "set up", cwd=inner)
    p.turn("vendor/inner/new.py", "a")
    p.git("add", "-A", cwd=inner)
    p.git("commit", "-qm", "inside", cwd=inner)
    place = find(inner)
    drain(place)
    (row,) = Store(place.data).rows("changes")
    assert (row["lines_ai"], row["model"]) == (10, p.model)


def test_sha256_repository(fresh: Callable[..., Play]) -> None:
    p = fresh("sha256", "--object-format=sha256")
    p.turn("src/new.py", "a")
    p.commit("c")
    assert (p.ai(), len(p.show()["commit"])) == (10, 64)
    p.git("commit", "-q", "--amend", "-m", "again")
    assert p.ai() == 10


def test_an_idle_repository_has_no_process(p: Play) -> None:
    p.awake()
    p.turn("src/new.py", "a")
    p.commit("c")
    for _ in range(200):
        if not (p.place.hone / "worker.pid").exists() and not inbox.pending(p.place.inbox):
            break
        time.sleep(0.05)
    assert not (p.place.hone / "worker.log").exists()
    assert not (p.place.hone / "worker.pid").exists()
    assert inbox.pending(p.place.inbox) == []
    assert p.workers(20) == []
    assert notes.read(p.repo, [p.git("rev-parse", "HEAD")])
