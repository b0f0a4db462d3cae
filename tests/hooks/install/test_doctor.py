"""`doctor` finds each damage, says what it means, and mends what can be mended without losing a byte."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes, place
from git_hone.hooks.drain import drain
from git_hone.hooks.install import damages, doctor, setup
from git_hone.hooks.state import State

Make = Callable[..., Any]
LONG_AGO = time.time() - 7200


@pytest.fixture
def where(repo: Make) -> place.Place:
    """An installation with one commit and one note."""
    made = repo()
    here = place.find(made.path)
    setup.install(here, ("claude-code",))
    sha = made.commit("first")
    drain(here)
    notes.write(made.path, {sha: [{"v": 1, "id": "n1", "type": "change", "change_id": "c1", "commit": sha}]}, 1.0)
    return here


def aged(path: Path, text: bytes = b"") -> None:
    """A file that was written two hours ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    os.utime(path, (LONG_AGO, LONG_AGO))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def lose_object(where: place.Place, name: str) -> None:
    """Take away the object that `name` means, packed or not."""
    sha = subprocess.run(["git", "rev-parse", name], cwd=where.cwd, check=True, capture_output=True, text=True).stdout.strip()
    for pack in (where.common / "objects/pack").glob("*.pack"):
        moved = where.common / pack.name
        pack.rename(moved)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as held:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=where.cwd, stdin=held, check=True)
        moved.unlink()
    loose = where.common / "objects" / sha[:2] / sha[2:]
    loose.unlink()


def block_inbox(where: place.Place) -> None:
    where.inbox.rmdir()
    where.inbox.write_text("in the way")


def damage_page(where: place.Place) -> None:
    """The head of the state is whole, a later page is not."""
    path = where.hone / "state.db"
    with State(path) as state:
        for k in range(3000):
            state.put("commits", f"{k:040d}", {"change": None, "blobs": {}})
        state.commit()
    with path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096 * 40)


MENDED: dict[str, tuple[str, Callable[[place.Place], object]]] = {
    "a damaged ledger": ("ledger-damaged", lambda w: (w.hone / "installed.json").write_text('{"version": 1, "fil')),
    "a folder that cannot be written": ("hone-unwritable", lambda w: w.hone.chmod(0o555)),
    "a script that is gone": ("script-missing", lambda w: (w.hone / "agent-event.sh").unlink()),
    "an older script": ("script-outdated", lambda w: change(w.hone / "git-event.sh", "set -C", "set -Cu")),
    "a moved virtual environment": (
        "python-gone", lambda w: change(w.hone / "git-event.sh", "GIT_HONE_OFF=1 /", "GIT_HONE_OFF=1 /gone/"),
    ),
    "an agent with half its hooks": (
        "agent-incomplete", lambda w: change(w.cwd / ".claude/settings.json", '"SessionEnd"', '"SessionOver"'),
    ),
    "an inbox that is gone": ("inbox-missing", lambda w: w.inbox.rmdir()),
    "a file in place of the inbox": ("inbox-blocked", block_inbox),
    "an inbox that cannot be written": ("inbox-unwritable", lambda w: w.inbox.chmod(0o500)),
    "a torn event": ("event-torn", lambda w: aged(w.inbox / "1-0.ev", b"%hone 1 git post-commit\nroot=")),
    "an empty event": ("event-torn", lambda w: aged(w.inbox / "1-1.ev")),
    "an event filled with NUL": ("event-torn", lambda w: aged(w.inbox / "1-2.ev", b"\0" * 300)),
    "events that nobody drains": (
        "events-waiting", lambda w: aged(w.inbox / "1-3.ev", b"%hone 1 git post-merge\nargs=0\n%payload\n\n%end\n"),
    ),
    "a worker that died": ("worker-stale", lambda w: (w.hone / "worker.pid").write_text("999999999\n")),
    "a pid file of rubbish": ("worker-stale", lambda w: (w.hone / "worker.pid").write_bytes(b"\0\0\0")),
    "a pid beyond all numbers": ("worker-stale", lambda w: (w.hone / "worker.pid").write_text("9" * 400)),
    "a worker that failed": ("worker-failed", lambda w: (w.hone / "worker.log").write_text("Traceback\nOSError: no\n")),
    "a lock of a killed snapshot": ("snapshot-lock", lambda w: aged(w.common / "hone-index.lock")),
    "a state of rubbish": ("state-damaged", lambda w: (w.hone / "state.db").write_bytes(b"not a database" * 1000)),
    "an empty state of another program": (
        "state-damaged", lambda w: ((w.hone / "state.db").unlink(), (w.hone / "state.db").mkdir()),
    ),
    "a state with a damaged page": ("state-damaged", damage_page),
    "no configuration": ("agent-folder", lambda w: (w.agent / "learning-config.json").unlink()),
    "no .gitignore": ("agent-folder", lambda w: (w.agent / ".gitignore").unlink()),
    "a .gitignore without us": (
        "data-not-ignored",
        lambda w: (
            (w.agent / ".gitignore").write_text("/mine\n"), (w.common / "info/exclude").unlink(), aged(w.data / ".x", b"x"),
        ),
    ),
    "a hook that is gone": ("hook-missing", lambda w: (w.common / "hooks/post-commit").unlink()),
    "a hook without its bit": ("hook-not-executable", lambda w: (w.common / "hooks/post-merge").chmod(0o644)),
    "an older hook": (
        "hook-outdated", lambda w: (w.common / "hooks/post-commit").write_text("#!/bin/sh\n# git-hone hook v0: old\n"),
    ),
    "merging of notes not set": (
        "notes-config", lambda w: subprocess.run(["git", "config", "--unset", setup.NOTES[0]], cwd=w.cwd, check=True),
    ),
    "a lost note": ("notes-damaged", lambda w: lose_object(w, f"{notes.REF}:" + note_path(w))),
    "a lost tree of notes": ("notes-damaged", lambda w: lose_object(w, f"{notes.REF}^{{tree}}")),
    "a lost commit of notes": ("notes-damaged", lambda w: lose_object(w, notes.REF)),
    "a notes ref of rubbish": ("notes-damaged", lambda w: (w.common / notes.REF).write_bytes(b"\0\0\0\0")),
    "a damaged segment": ("segment-damaged", lambda w: aged(w.data / "runs/month=2026-01" / f"{'0' * 32}.parquet", b"PAR1 no")),
    "an empty segment": ("segment-damaged", lambda w: aged(w.data / "runs/month=2026-01" / f"{'0' * 32}.parquet")),
    "a segment of NUL bytes": (
        "segment-damaged", lambda w: aged(w.data / "runs/month=2026-01" / f"{'0' * 32}.parquet", b"\0" * 99),
    ),
    "an unfinished segment": ("segment-damaged", lambda w: aged(w.data / "runs/month=2026-01/.tmp-1-2", b"PAR1")),
    "a stranger in the store": ("segment-damaged", lambda w: aged(w.data / "runs/notes.txt", b"hello")),
}  # fmt: skip


def note_path(where: place.Place) -> str:
    done = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", notes.REF], cwd=where.cwd, check=True, capture_output=True, text=True
    )
    return done.stdout.split()[0]


REMADE = (
    "worker.pid",
    ".tmp-clock",
    ".tmp-last-drain.json",
    "last-drain.json",
    "journal.jsonl",
    "drain.lock",
    "state.db",
    ".verified.json",
)
"""Files without anything of their own: made again whenever they are needed. (A damaged state.db is another matter.)"""


def contents(where: place.Place) -> dict[str, bytes]:
    """What stands in our folders, by path."""
    folders = (where.hone, where.agent, where.common / "hooks")
    return {
        str(f): f.read_bytes() for folder in folders for f in sorted(folder.rglob("*")) if f.is_file() and f.name not in REMADE
    }


@pytest.mark.parametrize("fault", MENDED)
def test_a_damage_is_found_explained_and_mended_and_nothing_is_lost(where: place.Place, fault: str) -> None:
    kind, damage = MENDED[fault]
    damage(where)
    before = contents(where)
    if fault in ("a state of rubbish", "a state with a damaged page"):
        before["state"] = (where.hone / "state.db").read_bytes()
    found = [finding for finding in doctor.examine(where) if not finding.ok]
    assert [finding.kind for finding in found] == [kind]
    assert found[0].severity == damages.KINDS[kind].severity != "note"
    assert found[0].means
    assert found[0].next == "git hone doctor --repair"
    assert contents(where) | {"state": before.get("state")} == before | {"state": before.get("state")}  # looking changes nothing
    repaired = doctor.examine(where, repair=True)
    assert [finding.kind for finding in repaired if finding.repaired] == [kind]
    assert [finding.words for finding in repaired if not finding.ok] == []
    kept = list(contents(where).values()) + [f.read_bytes() for f in where.hone.glob("state-damaged*") if f.is_file()]
    fine = ("1-3.ev",) if kind == "events-waiting" else ("installed.json",) if kind == "agent-incomplete" else ()
    gone = [
        path for path, body in before.items() if body not in kept and Path(path).name not in fine
    ]  # drained; brought up to date
    assert gone == []
    again = doctor.examine(where, repair=True)
    assert [finding for finding in again if not finding.ok or finding.repaired] == []


STANDING: dict[str, tuple[str, Callable[[place.Place], object]]] = {
    "a newer ledger": ("ledger-newer", lambda w: change(w.hone / "installed.json", '"version": 1', '"version": 99')),
    "settings that are no JSON": (
        "agent-settings",
        lambda w: (w.cwd / ".claude/settings.json").write_text('{"a": hone/agent-event.sh'),
    ),
    "a configuration with a wrong key": (
        "config-wrong",
        lambda w: (w.agent / "learning-config.json").write_text('{"enabeld": true}'),
    ),
    "a drain that worked with the defaults": (
        "drain-failed",
        lambda w: (w.hone / "last-drain.json").write_text(json.dumps({"at": time.time(), "error": "learning-config.json: x"})),
    ),
    "a hook manager without our line": ("hook-no-line", lambda w: husky(w)),
    "records that lead elsewhere": ("agent-folder-link", lambda w: lead_away(w)),
}


def husky(where: place.Place) -> None:
    (where.cwd / ".husky/_").mkdir(parents=True)
    subprocess.run(["git", "config", "core.hooksPath", ".husky/_"], cwd=where.cwd, check=True)


def lead_away(where: place.Place) -> None:
    where.agent.rename(where.common / "away")
    outside = where.cwd.parent / "outside"
    outside.mkdir()
    where.agent.symlink_to(outside)


@pytest.mark.parametrize("fault", STANDING)
def test_what_only_a_person_can_mend_is_said_with_the_next_step_and_left_alone(where: place.Place, fault: str) -> None:
    kind, damage = STANDING[fault]
    damage(where)
    for repair in (False, True):
        found = [finding for finding in doctor.examine(where, repair=repair) if not finding.ok]
        assert kind in [finding.kind for finding in found]
        assert all(finding.next and finding.means for finding in found)
    assert damages.KINDS[kind].mends == ""


def test_a_hook_that_somebody_replaced(where: place.Place) -> None:
    hook = where.common / "hooks/post-commit"
    hook.with_name("post-commit.hone-saved").write_text("#!/bin/sh\n")
    hook.write_text("#!/bin/sh\ntouch other\n")
    assert [f.kind for f in doctor.examine(where) if not f.ok] == ["hook-taken-over"]
    assert all(f.ok for f in doctor.examine(where, repair=True))
    assert hook.with_name("post-commit.hone-saved").read_text() == "#!/bin/sh\ntouch other\n"


def test_nothing_installed_is_one_problem(repo: Make) -> None:
    (finding,) = doctor.examine(place.find(repo().path))
    assert (finding.ok, finding.kind, finding.next) == (False, "not-installed", "git hone init")


def test_a_segment_of_a_newer_version_is_named_with_the_version_and_stays(where: place.Place) -> None:
    import pyarrow as pa

    from git_hone.learner.store import segments
    from git_hone.learner.tables import TABLES

    said = {"git_hone.schema": "99", "git_hone.version": "9.0", "git_hone.table": "runs", "git_hone.month": "2026-01"}
    rows = pa.table({"record_id": ["x"]}).replace_schema_metadata(said)
    path = segments.write(where.data, TABLES["runs"], "2026-01", segments.serialise(rows))
    (found,) = [f for f in doctor.examine(where, repair=True) if not f.ok]
    assert (found.kind, "git-hone 9.0" in found.next, path.exists()) == ("segment-newer", True, True)


def test_a_locked_state_is_not_mistaken_for_a_damaged_one(where: place.Place) -> None:
    with State(where.hone / "state.db") as state:
        state.db.execute("begin exclusive")
        (found,) = [f for f in doctor.examine(where, repair=True) if not f.ok]
        state.db.rollback()
    assert found.kind == "state-locked"
    assert not list(where.hone.glob("state-damaged*"))
    assert all(f.ok for f in doctor.examine(where))


def test_a_state_of_another_version_is_a_note_and_the_next_drain_begins_anew(where: place.Place) -> None:
    with sqlite3.connect(where.hone / "state.db") as db:
        db.execute("pragma user_version = 99")
    db.close()
    (found,) = [f for f in doctor.examine(where) if f.kind]
    assert (found.kind, found.ok, found.severity) == ("state-version", True, "note")
    drain(where)
    assert [f for f in doctor.examine(where) if f.kind] == []
    assert len(list(where.hone.glob("state-damaged*"))) == 1


def test_unreadable_events_are_a_note(where: place.Place) -> None:
    aged(where.hone / "unreadable/1.ev", b"x")
    aged(where.hone / "unreadable/1.ev.reason", b"torn")
    (found,) = [f for f in doctor.examine(where) if f.kind]
    assert (found.kind, found.ok, found.words.startswith("1 event")) == ("events-unreadable", True, True)


def test_records_that_cannot_be_opened(where: place.Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    where.data.symlink_to(tmp_path / "elsewhere")
    (found,) = [f for f in doctor.examine(where, repair=True) if not f.ok]
    assert (found.kind, "symbolic link" in found.words) == ("store-unreadable", True)


def test_a_check_that_fails_is_a_finding(where: place.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    where.data.mkdir(exist_ok=True)
    for name in [name for name in sys.modules if name.startswith("git_hone.learner.store")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "git_hone.learner.store", None)
    (found,) = [f for f in doctor.examine(where) if not f.ok]
    assert (found.check, found.kind) == ("store", "store-unreadable")


def test_a_pid_file_that_cannot_be_read_is_not_checked(where: place.Place) -> None:
    (where.hone / "last-drain.json").write_text('{"at": "yesterday"}')
    (where.hone / "worker.log").write_text("x")
    (found,) = [f for f in doctor.examine(where) if not f.ok]
    assert (found.check, found.kind) == ("worker", "not-checked")


def test_settings_of_somebody_else_are_no_problem(where: place.Place) -> None:
    (where.cwd / ".claude/settings.json").write_text("{}")
    assert all(finding.ok for finding in doctor.examine(where))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_full_disk_is_named(where: place.Place) -> None:
    kept = where.hone.with_name("kept")
    where.hone.rename(kept)
    where.hone.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(where.hone)], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(where.hone)], check=True)
        found = [f for f in doctor.examine(where) if not f.ok]
        assert [f.kind for f in found] == ["disk-full"]
    finally:
        subprocess.run(["umount", "-l", str(where.hone)], check=True)


TRIED = {
    "hook-taken-over": "test_a_hook_that_somebody_replaced",
    "not-installed": "test_nothing_installed_is_one_problem",
    "segment-newer": "test_a_segment_of_a_newer_version_is_named_with_the_version_and_stays",
    "state-locked": "test_a_locked_state_is_not_mistaken_for_a_damaged_one",
    "state-version": "test_a_state_of_another_version_is_a_note_and_the_next_drain_begins_anew",
    "events-unreadable": "test_unreadable_events_are_a_note",
    "store-unreadable": "test_records_that_cannot_be_opened",
    "not-checked": "test_a_pid_file_that_cannot_be_read_is_not_checked",
    "disk-full": "test_a_full_disk_is_named",
}


def test_every_kind_of_damage_is_tried() -> None:
    tried = {kind for kind, _ in (*MENDED.values(), *STANDING.values())} | set(TRIED)
    assert tried == set(damages.KINDS)
    assert set(TRIED.values()) <= set(globals())
    assert {kind for kind, _ in MENDED.values()} | {"hook-taken-over"} == {name for name, k in damages.KINDS.items() if k.mends}


def test_json_is_one_object_with_the_documented_fields(where: place.Place) -> None:
    (where.hone / "worker.pid").write_text("999999999\n")
    told = json.loads(json.dumps(damages.as_dict(doctor.examine(where))))
    assert (told["version"], told["ok"]) == (1, False)
    page = (Path(__file__).parents[3] / "docs/reference/doctor.md").read_text("utf-8")
    for check in told["checks"]:
        assert all(f"`{key}`" in page for key in check)
    assert stat.S_IMODE(where.hone.stat().st_mode) & stat.S_IRWXU == stat.S_IRWXU
