"""What was forgotten is gone from every byte that git-hone keeps, and does not come back; the rest stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_hone.cli import main
from git_hone.hooks import consent, forget, notes
from git_hone.hooks.drain import drain
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.hooks.sync import sync
from git_hone.hooks.target import target
from git_hone.learner.store import Store
from git_hone.learner.store.erase import every_row

NAME, EMAIL = "Marisela Quintanilla", "mquinta@corp.test"


def everywhere(place: Place) -> dict[str, str]:
    """All that we keep, as text: rows of the store, each other file, the notes with all their history."""
    found = {f"{path}:{k}": json.dumps(row, default=str) for k, (path, _, row) in enumerate(every_row(place.data))}
    for file in place.hone.rglob("*"):
        if file.is_file() and file.name != consent.FILE:
            found[str(file)] = file.read_bytes().decode("latin-1")
    return found


def said(play: object, needle: str) -> list[str]:
    place: Place = play.place
    found = [where for where, text in everywhere(place).items() if needle in text]
    return [*found, *(ref for ref in notes.existing(place.cwd) if needle in play.git("log", "-p", "--format=%H", ref))]


def two_changes(p: object) -> tuple[str, str]:
    """Two turns of an agent, two commits, all drained; returns the changes' ids."""
    ids = []
    for name in ("one", "two"):
        with type(p)(p.repo, p.home, p.env) as session:
            session.turn(f"src/{name}.py", name)
        sha = p.commit(name)
        ids.append(str(p.show(sha)["change_id"]))
    return ids[0], ids[1]


def test_a_change_is_forgotten_and_the_other_stays(p) -> None:
    first, second = two_changes(p)
    run = Store(p.place.data).rows("changes", where={"change_id": first})[0]["run_ids"][0]
    assert said(p, first)
    assert said(p, run)
    report = forget.forget(p.place, target(p.place, change=first))
    assert report.found == []
    assert report.removed["rows of the store"] >= 3
    assert report.looked_at["rows of the store"] > 0
    assert said(p, first) == []
    assert said(p, run) == []
    assert p.show("HEAD")["change_id"] == second
    assert p.ai("HEAD") == 10
    assert p.ai("HEAD~1") == 0


@pytest.mark.parametrize("by", ["change", "path"])
def test_what_a_decision_reads_of_it_is_forgotten_as_well(p, by: str) -> None:
    """The rows of `past`, with a title and hashed words, and what gates said of the same decision."""
    first, second = two_changes(p)

    def past() -> set[str]:
        with State(p.place.hone / "state.db") as state:
            return {row[0] for row in state.db.execute("select change from past")}

    assert past() == {first, second}
    with State(p.place.hone / "state.db") as state:
        state.db.execute("update past set decision = change")
        state.db.executemany("insert into gates values (?, '{}')", [(first,), (second,)])
        if by == "path":
            state.db.execute("update past set title = 'mend src/one.py' where change = ?", (first,))
        state.commit()
    what = target(p.place, change=first) if by == "change" else target(p.place, path="src/one.py")
    assert forget.forget(p.place, what).found == []
    assert past() == {second}
    with State(p.place.hone / "state.db") as state:
        assert state.db.execute("select decision from gates").fetchall() == [(second,)]


def test_a_forgotten_change_does_not_come_back(p) -> None:
    first, _ = two_changes(p)
    forget.forget(p.place, target(p.place, change=p.git("rev-parse", "HEAD~1")))
    p.git("rebase", "-q", "--force-rebase", "HEAD~3")
    drain(p.place)
    assert p.ai("HEAD") == 10
    assert p.ai("HEAD~1") == 0
    assert first not in {row["change_id"] for row in Store(p.place.data).history("changes")}


def test_a_remote_does_not_bring_it_back(p, tmp_path: Path) -> None:
    p.git("init", "-q", "--bare", str(tmp_path / "far.git"))
    p.git("remote", "add", "origin", str(tmp_path / "far.git"))
    first, second = two_changes(p)
    assert sync(p.place).sent == [notes.REF]
    forget.forget(p.place, target(p.place, change=first))
    assert sync(p.place).state == "synced"
    assert said(p, first) == []
    assert notes.REF in said(p, second)


def test_forgetting_is_done_again_after_being_killed_in_the_middle(p, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new segment stands, the old one was not removed yet."""
    first, _ = two_changes(p)
    what = target(p.place, change=first)
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", _die)
        with pytest.raises(KeyboardInterrupt):
            forget.forget(p.place, what)
    report = forget.forget(p.place, what)
    assert report.found == []
    assert said(p, first) == []
    assert p.ai("HEAD") == 10


def _die(self: Path, missing_ok: bool = False) -> None:
    raise KeyboardInterrupt


def test_a_path_is_forgotten(p) -> None:
    two_changes(p)
    p.prompt("look at src/one.py again")
    p.write("src/two.py", p.read("src/two.py") + "z = 1\n")
    p.commit("three")
    assert p.ai() == 1
    assert said(p, "src/one.py")
    report = forget.forget(p.place, target(p.place, path="src/on*"))
    assert report.found == []
    assert said(p, "src/one.py") == []
    assert p.ai("HEAD~1") == 10
    p.turn("src/one.py", "again")
    p.commit("four")
    drain(p.place)
    assert said(p, "src/one.py") == []


def test_a_person_is_forgotten(p) -> None:
    two_changes(p)
    p.turn("src/theirs.py", "theirs")
    p.git("add", "-A")
    p.git("commit", "-q", "-m", "theirs", GIT_AUTHOR_NAME=NAME, GIT_AUTHOR_EMAIL=EMAIL)
    theirs = p.show("HEAD")["change_id"]
    unreadable = p.place.hone / "unreadable"
    unreadable.mkdir(exist_ok=True)
    (unreadable / "x.ev").write_text('{"prompt": "ask Marisela"}')
    (p.place.agent / "sft").mkdir()
    (p.place.agent / "sft" / "a.jsonl").write_text('{"a": "by Marisela Quintanilla"}\n{"a": "fine"}\n')
    report = forget.forget(p.place, target(p.place, person=EMAIL.upper()))
    assert report.found == []
    for needle in (theirs, "arisela", EMAIL):
        assert said(p, needle) == [], needle
    assert (p.place.agent / "sft" / "a.jsonl").read_text() == '{"a": "fine"}\n'
    assert p.ai("HEAD~1") == 10
    p.git("commit", "-q", "--amend", "-m", "theirs again")
    assert p.ai("HEAD") == 0
    assert NAME not in (p.place.hone / consent.FILE).read_text()


def test_everything_is_forgotten(p) -> None:
    first, second = two_changes(p)
    report = forget.forget(p.place, target(p.place, everything=True))
    assert report.found == []
    assert said(p, first) == said(p, second) == []
    drain(p.place)
    assert list(every_row(p.place.data)) == []
    p.turn("src/later.py", "later")
    p.commit("later")
    assert p.ai() == 10


def test_the_proof_finds_what_is_left(p) -> None:
    """Planted behind the back of the removal: the second look must see it."""
    first, _ = two_changes(p)
    what = target(p.place, change=first)
    forget.forget(p.place, what)
    assert forget.search(p.place, what).found == []
    (p.place.hone / "journal.jsonl").write_text(json.dumps({"change_id": first}) + "\n")
    p.git("notes", "--ref=refs/notes/hone", "append", "-m", json.dumps({"id": "x", "change_id": first}), "HEAD")
    assert len(forget.search(p.place, what).found) >= 2


def test_the_command(p, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = two_changes(p)
    monkeypatch.chdir(p.repo)
    assert main(["forget", "--change", first, "--dry-run"]) == 0
    assert "mention it" in capsys.readouterr().out
    assert said(p, first)
    assert main(["forget", "--change", first, "--yes", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["clean"] is True
    assert answer["looked_at"]["rows of the store"] > 0
    assert said(p, first) == []
    assert main(["forget", "--change", first, "--yes"]) == 2
    assert "no change is recorded" in capsys.readouterr().err
    assert main(["forget"]) == 2


def test_who_opts_out_leaves_no_trace(p, home: Path) -> None:
    p.git("config", "--global", "hone.optout", "true")
    p.turn("src/a.py", "a")
    p.commit("a")
    assert p.ai() == 0
    assert list(every_row(p.place.data)) == []
    assert said(p, "add a") == []
    p.git("config", "--global", "--unset", "hone.optout")
    p.turn("src/b.py", "b")
    p.commit("b")
    assert p.ai() == 10


def test_a_listed_hash_opts_out(p) -> None:
    config = p.place.agent / "learning-config.json"
    body = json.loads(config.read_text()) if config.exists() else {}
    body.setdefault("privacy", {})["optOut"] = [consent.hash_of("Dev@example.com")]
    config.write_text(json.dumps(body))
    p.turn("src/a.py", "a")
    p.commit("a")
    assert p.ai() == 0
    assert list(every_row(p.place.data)) == []


def test_a_repository_that_is_switched_off_keeps_nothing(p) -> None:
    p.git("config", "hone.enabled", "false")
    p.turn("src/a.py", "a")
    p.commit("a")
    drain(p.place)
    assert list(every_row(p.place.data)) == []
    assert not list(p.place.inbox.glob("*.ev"))


def test_an_excluded_file_leaves_no_content_and_no_words(p) -> None:
    """The prompt was written before anybody knew that the run would touch the file: it goes again."""
    p.prompt("put the blue heron into the config")
    drain(p.place)
    p.write("config/Secrets.yml", "heron: grey-heron-one\n")
    p.human("config/Secrets.yml", "heron: white-heron-two\n")
    p.fire("Stop", stop_hook_active=False, last_assistant_message="the heron is in")
    p.commit("c")
    drain(p.place)
    for needle in ("blue heron", "grey-heron", "white-heron", "the heron is in"):
        assert said(p, needle) == [], needle
    assert Store(p.place.data).rows("pairs") == []
    p.prompt("put the red kite there")
    p.write("src/open.py", "kite = 1\nbuzzard = 2\n")
    p.human("src/open.py", "kite = 1\nbuzzard = 3\n")
    p.commit("d")
    drain(p.place)
    assert said(p, "red kite")
    assert [row["prompt"]["path"] for row in Store(p.place.data).rows("pairs")] == ["src/open.py"]
