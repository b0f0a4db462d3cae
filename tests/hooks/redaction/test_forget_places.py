"""A name and a path are planted in every place where git-hone keeps words, forgotten, and looked for in every byte."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import worktree
from git_hone.ci.deploying import champions
from git_hone.ci.evaluating.evaluating import write as write_evaluation
from git_hone.ci.suite import storing
from git_hone.hooks import forget, journal, kept, notes
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.hooks.sync import sync
from git_hone.hooks.target import Target, target
from git_hone.learner import ledger, lineage, tables
from git_hone.learner.gating.evaluation import Attempt, Evaluation
from git_hone.learner.store import Store
from git_hone.learner.store.erase import every_row
from git_hone.learner.suite.tasks import Environment, File, Manifest, Origin, Task

from ..conftest import Play

NAME, EMAIL, PATH = "Marisela Quintanilla", "mquinta@corp.test", "src/heronry.py"
SAID = f"{NAME} <{EMAIL}> keeps {PATH} as it is"
NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)
TABLES = sorted(tables.TABLES)


def of_type(kind: str, name: str) -> Any:
    if kind == "json":
        return {"path": PATH, "said": SAID} if name == "prompt" else [{"path": PATH, "said": SAID}]
    return {"str": SAID, "ts": NOW, "int": 1, "float": 0.5, "bool": True}.get(kind, [SAID])


def in_the_store(place: Place) -> None:
    for table in tables.TABLES.values():
        columns = tables.COMMON | table.columns
        Store(place.data).append(table.name, [{name: of_type(kind, name) for name, kind in columns.items()}])


def in_the_state(place: Place) -> None:
    value = json.dumps({"said": SAID, "files": [{"path": PATH, "ai": 1}], "edits": [{"path": PATH}]})
    with State(place.hone / "state.db") as state:
        for (table,) in state.db.execute("select name from sqlite_master where type = 'table'").fetchall():
            columns = state.db.execute(f"pragma table_info({table})").fetchall()
            filled = {"value": value, "map": "[[1,0]]", "path": PATH}
            row = [filled.get(name, SAID if kind == "text" else 987654) for _, name, kind, *_ in columns]
            state.db.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)  # noqa: S608
        state.commit()


def in_files(place: Place, change: str) -> None:
    hone, agent = place.hone, place.agent
    journal.append(hone / "journal.jsonl", 0.0, [{"event": "planted", "said": SAID}])
    for name in ("unreadable/1.ev", "unreadable/1.ev.reason", "set-aside/old.json", "aging/walk.cache", "learn/walk-1.cache", "worker.log",
                 "suite/0.json", "evaluations/0.json", "loop/round.json", "loop/train.log", "journal.jsonl.1",
                 "from-a-later-version/notes.txt"):  # fmt: skip
        (hone / name).parent.mkdir(exist_ok=True)
        (hone / name).write_text(f"{SAID}\n")
    (hone / "state-damaged-1").write_text(SAID)
    for name in ("router.json", "router.candidate.json", "reward.json", "Modelfile.coder", "quarantine/runs/a.parquet",
                 "sft/20261101T000000Z-00000000/coder.jsonl", "sft/coder_sft.jsonl", "lora/coder/one/README.md", "lora/coder/one/train.py",
                 "from-a-later-version.txt"):  # fmt: skip
        (agent / name).parent.mkdir(parents=True, exist_ok=True)
        (agent / name).write_text(f"{SAID}\n")
    (agent / "sft/20261101T000000Z-00000000/manifest.json").write_text('{"commits": []}')
    (agent / "last-export-coder.txt").write_text("20261101T000000Z-00000000\n")
    lineage.write(agent / "lora/coder/one", lineage.Lineage("one", "coder", "0" * 64, (f"{change}-coder-0123456789",)))
    ledger.append(agent, {"what": "gate", "reason": SAID}, NOW)
    ledger.append(agent, {"what": "gate", "reason": "better"}, NOW)
    attempts = (Attempt(SAID, PATH, True, True, 0, 1.0, failed=(f"{PATH}::{NAME}",)),)
    write_evaluation(agent, Evaluation("small", "repository", "0" * 64, attempts))
    for name, prompt, content in (("said", SAID, b"x = 1\n"), ("held", "Do it", SAID.encode()), ("other", "Do it", b"y = 2\n")):
        digest = hashlib.sha256(content).hexdigest()
        task = Task("mined-1", "mined", prompt, ("a.py",), {"a.py": File(digest)}, {}, {"a.py": None}, ("{python}",), ("t::a",), (), 0, 10.0,
                    1.0, Environment("3.11", ("pytest",), (), (".",), None, "", {}, "declared"),
                    Origin("0" * 40, "2026-01-01T00:00:00Z"))  # fmt: skip
        storing.save(agent / "suite" / name, Manifest(name, (task,)), {digest: content}.__getitem__)


def in_git(p: Play) -> None:
    p.git("notes", f"--ref={notes.REF}", "append", "-m", json.dumps({"v": 1, "id": "x", "said": SAID}), "HEAD")
    p.git("init", "-q", "--bare", str(p.home / "far.git"))
    p.git("remote", "add", "origin", str(p.home / "far.git"))
    assert sync(p.place).sent == [notes.REF]
    p.git("notes", f"--ref={notes.REF}", "append", "-m", "a later line", "HEAD")  # so that the line stands in a history as well
    before = worktree.look(p.place)
    p.human(PATH, f"# {SAID}\n")
    worktree.go_back(p.place, before, "d1.0")


def mentions(p: Play, needle: str) -> list[str]:
    """Every byte under `.agent` and `.git/hone`, what packed files hold, and every object that our refs lead to."""
    place = p.place
    files = [file for top in (place.agent, place.hone) for file in top.rglob("*") if file.is_file()]
    found = [
        str(file.relative_to(place.agent.parent if place.agent in file.parents else place.common))
        for file in files
        if any(needle in text for text in (file.read_bytes().decode("latin-1"), *kept.texts(file)))
    ]
    found += [f"a row of {table}" for _, table, row in every_row(place.data) if needle in json.dumps(row, default=str)]
    refs = p.git("for-each-ref", "--format=%(refname)", "refs/notes", "refs/hone").split()
    for ref in refs:
        own = p.git("rev-list", "--objects", "--no-object-names", ref, "--not", "--branches").split()
        batch = "".join(f"{name}\n" for name in own).encode()
        held = subprocess.run(["git", "cat-file", "--batch"], cwd=p.repo, input=batch, capture_output=True, check=True).stdout
        found += [ref] if needle.encode() in held else []
    return sorted(set(found))


@pytest.fixture
def planted(p: Play) -> Iterator[tuple[Play, str]]:
    """A repository with the name and the path in every place, and the change that the person committed."""
    p.turn(PATH, "heron")
    p.git("add", "-A")
    p.git("commit", "-q", "-m", "theirs", f"--author={NAME} <{EMAIL}>")
    change = str(p.show("HEAD")["change_id"])
    p.quiet()
    in_git(p)
    in_the_store(p.place)
    in_the_state(p.place)
    in_files(p.place, change)
    yield p, change


WORDS: dict[str, tuple[Callable[[Place], Target], tuple[str, ...]]] = {
    "person": (lambda place: target(place, person=EMAIL), (NAME, "Quintanilla", EMAIL)),
    "path": (lambda place: target(place, path=PATH), (PATH,)),
    "all": (lambda place: target(place, everything=True), (NAME, "Quintanilla", EMAIL, PATH)),
}


@pytest.mark.parametrize("word", WORDS)
def test_it_is_gone_from_every_place(planted: tuple[Play, str], word: str) -> None:
    p, change = planted
    what, needles = WORDS[word]
    for needle in needles:
        places = mentions(p, needle)
        assert len(places) >= 40 or needle in ("Quintanilla", EMAIL), places
        assert {f"a row of {table}" for table in TABLES} <= set(places)
        assert {"refs/notes/hone", "refs/hone/attempts/d1.0", "refs/hone/remotes/origin/notes/hone"} <= set(places)
        assert {"hone/state.db", ".agent/suite/held/contents.tar.gz", ".agent/evaluations/repository/small.parquet"} <= set(
            places
        )
    asked = what(p.place)
    report = forget.forget(p.place, asked)
    assert [mentions(p, needle) for needle in needles] == [[] for _ in needles]
    left = [] if word == "all" else [line for line in report.found if "adapter one" in line and "train it again" in line]
    assert (report.found, len(left)) == (left, word != "all")  # what an adapter learned is in its weights: it is named
    if word == "all":
        assert not any((p.place.agent / "suite").glob("*/*"))
        return
    assert [row["reason"] for row in ledger.read(p.place.agent)] == ["better"]
    assert [file.name for file in sorted((p.place.agent / "suite").iterdir())] == ["other"]
    assert storing.load(p.place.agent / "suite/other").manifest.tasks
    assert change in (p.place.agent / "lora/coder/one/lineage.json").read_text()


def test_what_a_person_wrote_is_named_and_stays(p: Play) -> None:
    """And so does what a server runs by: nobody loses a pointer to what is served."""
    p.turn(PATH, "heron")
    p.commit("one")
    p.show()
    (p.place.agent / "context.json").write_text(json.dumps({"version": 1, "bundles": [{"id": "a", "files": [PATH]}]}))
    champions.save(p.place.agent, {"coder": champions.Role("one", deployments={"one": {"file": PATH}})})
    report = forget.forget(p.place, target(p.place, path=PATH))
    assert [Path(line.split(": ")[0]).name for line in report.found] == ["context.json", "champions.json"]
    assert all(line.endswith("next: change it by hand") for line in report.found)
    assert PATH in (p.place.agent / "context.json").read_text()
    assert champions.load(p.place.agent)["coder"].champion == "one"
