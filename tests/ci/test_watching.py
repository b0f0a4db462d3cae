"""The loop that runs by itself: counted, started, refused, killed, taken up again, in real repositories."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.suite import storing
from git_hone.ci.watching import chain, rounds, watching
from git_hone.cli import main
from git_hone.hooks import forget, ripening, zero_touch
from git_hone.hooks.drain import drain
from git_hone.hooks.place import Place, find
from git_hone.hooks.target import target
from git_hone.learner import config as configuration
from git_hone.learner import ledger
from git_hone.learner.errors import DataError
from git_hone.learner.store import Store
from git_hone.learner.suite.tasks import Environment, Manifest, Origin, Task

_spec = importlib.util.spec_from_file_location("hone_played_watching", Path(__file__).with_name("played.py"))
assert _spec and _spec.loader
played = importlib.util.module_from_spec(_spec)
sys.modules["hone_played_watching"] = played
_spec.loader.exec_module(played)

STEP = """
import json, os, signal, sys
from pathlib import Path
here, words = Path(__file__).parent, sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
play = json.loads((here / "play.json").read_text()).get(words[0], {})
if play.get("hang"):
    (here / "hangs").write_text(str(os.getpid()))
    signal.pause()
print(json.dumps(play.get("out", {})))
print(play.get("err", ""), file=sys.stderr)
sys.exit(play.get("code", 0))
"""
"""A step of a test: it says what it was called with, and answers as it was told to."""
EXPORTED = {"folder": "x", "manifest": {"rows": {"coder_sft": {"train": 900, "val": 9}}}}


class Stage:
    """A repository with git-hone, and steps that are real processes but cost nothing."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        folder.mkdir()
        (folder / "step.py").write_text(STEP)
        self.command = [sys.executable, str(folder / "step.py")]
        self.said: list[str] = []
        self.play(export={"out": EXPORTED}, train={"code": 2, "err": "git-hone: no base\n  next: name one"})

    @property
    def place(self) -> Place:
        return find(self.root)

    def play(self, **steps: Any) -> None:
        (self.folder / "play.json").write_text(json.dumps(steps))

    def configure(self, **sections: Any) -> None:
        (self.place.agent / "learning-config.json").write_text(json.dumps(sections))

    def run(self, *, force: bool = True, check: Any = lambda *_: None) -> watching.Outcome:
        return watching.run(self.place, self.said.append, force=force, command=self.command, check=check)

    def calls(self) -> list[str]:
        return [json.loads(line)[0] for line in (self.folder / "calls").read_text().splitlines()]

    def status(self) -> dict[str, Any]:
        return zero_touch.standing(self.place, configuration.load(self.place.agent / "learning-config.json"), time.time())

    def start(self, force: bool = True) -> subprocess.Popen[bytes]:
        """The loop in a process of its own, until its step hangs."""
        code = (
            "import sys; from pathlib import Path; from git_hone.ci.watching import watching; from git_hone.hooks.place import find\n"
            f"watching.run(find(Path({str(self.root)!r})), lambda _: None, force={force}, command={self.command!r}, check=lambda *_: None)"
        )
        child = subprocess.Popen([sys.executable, "-c", code], cwd=self.root)
        until(lambda: (self.folder / "hangs").is_file() and (self.folder / "hangs").read_text() != "")
        return child

    def kill_step(self) -> None:
        os.kill(int((self.folder / "hangs").read_text()), signal.SIGKILL)
        (self.folder / "hangs").unlink()
        until(lambda: not zero_touch.is_running(self.place))


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.fixture
def stage(repo: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = repo()
    monkeypatch.chdir(made.path)
    place = find(made.path)
    place.inbox.mkdir(parents=True)
    place.agent.mkdir(exist_ok=True)
    return Stage(made.path, tmp_path / "steps")


def worked(tmp_path: Path, home: Path, n: int = 3) -> Any:
    """A repository in which `n` changes of an agent have stood for months."""
    h = played.History(tmp_path / "repo", home)
    h.weeks(n)
    return h


def work(place: Place) -> None:
    """The worker, as a hook starts it."""
    subprocess.run([sys.executable, "-I", "-m", "git_hone.hooks.worker", ".git/hone"], cwd=place.top, check=True)


def ready(place: Place, **learning: Any) -> int:
    values = configuration.Config(configuration.DEFAULTS | {"learning": configuration.DEFAULTS["learning"] | learning})
    return zero_touch.counted(place, lambda db: ripening.ready(db, values))


def test_what_may_be_learned_from_is_counted(tmp_path: Path, home: Path) -> None:
    h = worked(tmp_path, home)
    assert (ready(h.place), ready(h.place, rule="seed")) == (3, 3)
    h.work("src/new.py", played.code("new"), "Write a new module for it", "Add new", 1)
    h.settle()
    assert (ready(h.place), ready(h.place, rule="seed")) == (3, 4), "a day old: the seed's rule takes it, ours waits"
    h.git("revert", "--no-edit", "HEAD~2")
    drain(h.place)
    assert (ready(h.place), ready(h.place, rule="seed")) == (2, 3)
    (h.place.hone / "state.db").unlink()
    h.write("README.md", "again\n")
    h.commit("again", 0)
    drain(h.place)
    assert ready(h.place) == 2, "the state is a cache"
    first = h.git("log", "--format=%H", "--grep", f"Add {played.VERBS[0]}")
    (kept,) = [row["change_id"] for row in Store(h.place.data).rows("changes") if row["commit"] == first]
    (zero_touch.folder(h.place) / "train.log").parent.mkdir()
    (zero_touch.folder(h.place) / "train.log").write_text(f"something about {kept}\n")
    assert forget.forget(h.place, target(h.place, change=kept)).found == []
    assert ready(h.place) == 1
    assert not (zero_touch.folder(h.place) / "train.log").exists()


def test_after_a_drain_the_worker_starts_the_loop_and_nothing_of_it_is_in_the_way(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real thing, from the hook to the refusal: an export is written, training is refused for lack of data."""
    h = worked(tmp_path, home)
    (h.place.agent / "learning-config.json").write_text('{"learning": {"mode": "active"}, "autoExport": {"minRuns": 3}}')
    work(h.place)
    assert not zero_touch.folder(h.place).exists(), "this clone has not agreed"
    h.git("config", "hone.watch", "true")
    h.write("README.md", "again\n")
    h.commit("again", 0)
    work(h.place)
    until(lambda: (zero_touch.last_round(h.place) or {}).get("ended") is not None)
    last = zero_touch.last_round(h.place)
    assert last is not None
    assert (last["how"], last["step"], last["reason"]) == ("refused", "train", "3 of 500 examples of coder to train on")
    assert last["why"] == "3 of 3 good runs"
    assert len((h.place.agent / "sft/coder_sft.jsonl").read_text().splitlines()) == 3
    until(lambda: not zero_touch.is_running(h.place))
    monkeypatch.chdir(h.repo)
    capsys.readouterr()
    assert main(["status"]) == 0
    assert (
        "refused at train: 3 of 500 examples of coder to train on\n            next: autoTrain.minExamples"
        in capsys.readouterr().out
    )
    work(h.place)
    assert zero_touch.last_round(h.place) == last, "refused once, it waits for something new"


def test_off_it_says_why_and_starts_nothing(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.status()["off_because"] == "learning.mode is passive, and this clone has not agreed"
    stage.configure(learning={"mode": "active"}, autoExport={"minRuns": 1})
    assert main(["watch", "--on", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["on"] is True
    assert main(["watch", "--off"]) == 0
    assert stage.status()["off_because"] == "this clone has not agreed"
    stage.configure(enabled=False)
    assert stage.status()["off_because"] == "enabled is false"
    config = configuration.load(stage.place.agent / "learning-config.json")
    assert not zero_touch.start_when_due(stage.place, config, time.time())
    assert not zero_touch.folder(stage.place).exists()


def test_a_step_that_says_no_ends_the_round_and_its_words_are_kept(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    done = stage.run()
    assert done.round is not None
    assert (done.round["how"], done.round["step"], done.round["reason"], done.round["tip"]) == (
        "refused",
        "train",
        "no base",
        "name one",
    )
    assert stage.calls() == ["export", "train"]
    assert stage.said == ["export: begins", "export: done", "train coder: begins", "refused: no base\n  next: name one"]
    assert main(["watch", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "refused at train: no base\n            next: name one" in said
    events = [json.loads(line) for line in (stage.place.hone / "journal.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["loop_step", "loop_step", "loop_step", "loop_ended"]


def test_each_step_can_be_switched_off(stage: Stage) -> None:
    stage.configure(autoTrain={"enabled": False})
    done = stage.run()
    assert done.round is not None and (done.round["how"], done.round["reason"]) == ("done", "exported; autoTrain is off")
    stage.configure(autoExport={"enabled": False})
    assert stage.run().round is not None
    assert stage.calls() == ["export", "train"], "the second round trained on what stood there"


def test_nothing_to_export_and_too_few_examples_are_told_apart(stage: Stage) -> None:
    stage.play(export={"code": 1, "out": {"folder": None}})
    done = stage.run()
    assert done.round is not None and done.round["reason"] == "nothing to export: no change has proved itself"
    stage.play(export={"out": EXPORTED | {"manifest": {"rows": {"coder_sft": {"train": 7, "val": 0}}}}})
    done = stage.run()
    assert done.round is not None and done.round["reason"] == "7 of 500 examples of coder to train on"
    stage.play(export={"code": 3, "err": "git-hone: a fault of ours; the details are in crash.log"})
    done = stage.run()
    assert done.round is not None and (done.round["how"], done.round["step"]) == ("failed", "export")


def test_without_a_suite_nobody_trains_for_hours(stage: Stage) -> None:
    done = stage.run(check=chain.judged)
    assert done.round is not None and (done.round["how"], done.round["step"]) == ("refused", "train")
    assert done.round["reason"].startswith("no candidate can be judged")
    manifest = Manifest("repository", ())
    storing.save(storing.folder_of(stage.place.agent, "repository"), manifest, lambda _: b"")
    done = stage.run(check=chain.judged)
    assert done.round is not None and "holds no task" in done.round["reason"]
    task = Task("mined-1", "mined", "Do it", ("a.py",), {}, {}, {"a.py": None}, ("{python}",), ("t::a",), (), 0, 10.0, 1.0,
                Environment("3.11", ("pytest",), (), (".",), None, "", {}, "declared"), Origin("0" * 40, "2026-01-01T00:00:00Z"))  # fmt: skip
    storing.save(storing.folder_of(stage.place.agent, "repository"), Manifest("repository", (task,)), lambda _: b"")
    done = stage.run(check=chain.judged)
    assert done.round is not None and "there is no suite guard" in done.round["reason"]
    stage.configure(promotion={"optional": ["guard"], "choice": "repository"})
    done = stage.run(check=chain.judged)
    assert done.round is not None and done.round["reason"] == "no checkpoint can be chosen by repository: the gate decides on it"
    stage.configure(promotion={"optional": ["guard"], "maxLooks": 1})
    ledger.append(stage.place.agent, {"what": "gate", "suite_hash": Manifest("repository", (task,)).hash, "verdict": "refuse"})
    done = stage.run(check=chain.judged)
    assert done.round is not None and done.round["reason"] == "the suite repository has judged 1 of 1 candidates"
    assert stage.calls() == ["export"] * 5


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="the extra is installed")
def test_a_missing_extra_is_said_once_with_the_command_that_installs_it(stage: Stage) -> None:
    done = stage.run(check=chain.preflight)
    assert done.round is not None and done.round["reason"].startswith("training needs torch")
    assert "git-hone[train]" in done.round["tip"]
    assert stage.status()["last"]["tip"] == done.round["tip"]


def test_killed_with_its_step_at_work_it_is_alone_still_and_goes_on_afterwards(stage: Stage) -> None:
    stage.play(export={"out": EXPORTED}, train={"hang": True})
    loop = stage.start()
    now = stage.status()["running"]
    assert (now["step"], now["what"], now["pid"]) == ("train", "train coder", loop.pid)
    assert Path(now["log"]).is_file()
    assert stage.run().busy
    loop.kill()
    loop.wait()
    assert zero_touch.is_running(stage.place), "its step outlived it"
    assert stage.run().busy
    stage.kill_step()
    stands = stage.status()
    assert (stands["running"], stands["last"]["how"], stands["due"]["start"]) == (None, "broken off", True)
    stage.play(train={"code": 1, "err": "git-hone: no"})
    done = stage.run(force=False)
    assert done.round is not None and (done.round["how"], done.round["reason"]) == ("refused", "no")
    assert stage.calls() == ["export", "train", "train"], "the export was not done again"


def test_a_step_that_dies_is_told_and_one_that_dies_thrice_is_left(stage: Stage) -> None:
    stage.play(export={"hang": True})
    for times in (1, 2, 3):
        loop = stage.start(force=times == 1)
        loop.kill()
        loop.wait()
        stage.kill_step()
        found = zero_touch.last_round(stage.place)
        assert found is not None and found["began"]["times"] == times
    done = stage.run(force=False)
    assert done.round is not None and done.round["reason"].startswith("export was killed 3 times; the log is")
    stage.play(export={"hang": True})
    loop = stage.start()
    os.kill(int((stage.folder / "hangs").read_text()), signal.SIGKILL)
    assert loop.wait(60) == 0
    found = zero_touch.last_round(stage.place)
    assert found is not None and (found["how"], found["reason"].split(";")[0]) == ("failed", "killed by signal 9")


def test_two_repositories_of_one_machine_train_one_after_the_other(stage: Stage, home: Path) -> None:
    with rounds.machine():
        done = stage.run()
        assert done.round is not None and (done.round["how"], done.round["step"]) == ("waiting", "train")
        assert stage.calls() == ["export"]
    done = stage.run(force=False)
    assert done.round is not None and done.round["how"] == "refused"
    assert stage.calls() == ["export", "train"]


def test_what_cannot_be_written_is_said_and_the_next_one_goes_on(stage: Stage) -> None:
    (stage.place.hone / "loop").write_text("in the way")
    with pytest.raises(DataError, match="loop"):
        stage.run()
    assert stage.status()["running"] is None
    (stage.place.hone / "loop").unlink()
    zero_touch.folder(stage.place).mkdir()
    (zero_touch.folder(stage.place) / "round.json").write_text('{"version": 1, "steps": [')
    assert stage.status()["last"] is None, "a damaged file is none"
    assert stage.run().round is not None


def test_a_log_stays_below_its_limit(stage: Stage) -> None:
    stage.play(export={"out": EXPORTED, "err": "x" * (rounds.LOG_BYTES + 10)}, train={"code": 1, "err": "git-hone: no"})
    stage.run()
    assert (zero_touch.folder(stage.place) / "export.log").stat().st_size == rounds.LOG_BYTES // 2


def test_the_background_process_does_not_need_a_person(stage: Stage) -> None:
    """`python -m git_hone.ci.watching`, as the worker calls it, with nothing due; without git-hone it says what is wrong."""
    words = [sys.executable, "-I", "-m", zero_touch.JOB, str(stage.place.hone)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=stage.root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (zero_touch.folder(stage.place) / "lock").is_file()
    shutil.rmtree(stage.root / ".git")
    done = subprocess.run(words, capture_output=True, text=True, cwd=stage.root)
    assert done.returncode == 2 and "git-hone:" in done.stderr


def test_files_are_watched_without_options_of_the_loop(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    (stage.root / "a.py").write_text("x = 1\n")
    assert main(["watch", "a.py", "--once"]) == 2
    assert "FILES are watched without options" in capsys.readouterr().err
    assert main(["watch", "a.py", "--every", "0.05", "--until", "0.1"]) == 0
    assert capsys.readouterr().err == "0 change(s) noted\n"
    assert main(["watch", "--until", "0"]) == 0
    assert capsys.readouterr().out.startswith("loop        off")
