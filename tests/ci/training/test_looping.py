"""The loop from an adapter to what serves and back: the real gate, the real deployment over HTTP, the real rollback when it got worse.

What would take hours (training, asking a model) is a process that leaves what it would leave; the rest are the commands of `git hone`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.deploying import champions
from git_hone.ci.suite import storing
from git_hone.ci.watching import watching
from git_hone.cli import main
from git_hone.hooks import zero_touch
from git_hone.hooks.place import find
from git_hone.hooks.state import State
from git_hone.learner import config as configuration
from git_hone.learner import ledger
from git_hone.learner.store import Store
from git_hone.learner.suite.tasks import Manifest

from .conftest import Tiny
from .deploying_bench import NAME, REFUSES, TAKES, Bench, ollama_server
from .test_canary import fill

STEP = """
import json, os, sys
from pathlib import Path
from git_hone.ci import gating
from git_hone.ci.digests import file_sha256
from git_hone.ci.suite import storing
from git_hone.learner.gating import evaluation
from git_hone.learner.gating.evaluation import Attempt, Evaluation

here, words = Path(__file__).parent, sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
play = json.loads((here / "play.json").read_text())
if words[0] == "train":
    folder = Path(play["adapter"])
    more = {"checkpoints": [play["chosen"]]} if "chosen" in play else {}
    print(json.dumps({"adapters": [{"id": folder.name, "folder": str(folder), "gguf": str(folder / "adapter.gguf"), **more}]}))
elif words[:2] == ["adapters", "choose"]:
    folder = Path(words[2]) / "checkpoints" / play["chosen"]
    none = {"id": None, "folder": None, "why": "each forgot too much"}
    found = {"id": f"{Path(words[2]).name}-{folder.name}", "folder": str(folder)} if folder.is_dir() else none
    print(json.dumps(found))
    sys.exit(0 if found["id"] else 1)
elif words[0] == "evaluate":
    said = dict(zip(words[1::2], words[2::2]))
    name, suite, agent = said["--name"], said["--suite"], Path(".agent")
    good = play["passed"].get(name, 8)
    rows = tuple(Attempt(f"t{k}", f"f{k}.py", k < good, True, 0, 1.0) for k in range(20))
    files = {os.path.relpath(said[key]): file_sha256(Path(said[key])) for key in ("--model", "--adapter") if key in said}
    hash_ = storing.read_manifest(storing.folder_of(agent, suite)).hash
    target = gating.file_of(agent, suite, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(evaluation.dump(Evaluation(name, suite, hash_, rows, files=files)))
else:
    os.execv(sys.executable, [sys.executable, "-m", "git_hone.cli", *words])
"""


class Stage(Bench):
    """The bench of deployments, with the loop in it."""

    def ready(self, folder: Path, server: Any, **more: Any) -> None:
        folder.mkdir()
        (folder / "step.py").write_text(STEP)
        self.steps, self.passed = folder, {}
        values: dict[str, Any] = {
            "learning": {"mode": "active"}, "autoExport": {"enabled": False}, "autoTrain": {"baseModel": str(self.made.base)},
            "autoDeploy": {"server": server.address},
            "promotion": {"optional": ["divergence", "likelihood", "guard"], "maxLooks": 5},
        }  # fmt: skip
        (self.agent / "learning-config.json").write_text(json.dumps(values | more))
        storing.save(storing.folder_of(self.agent, "repository"), Manifest("repository", ()), lambda _: b"")
        place = find(self.root)
        place.inbox.mkdir(parents=True)

    def trained(self, id_: str, passed: int) -> Path:
        """What the next training leaves, and how many of 20 tasks it will solve."""
        folder = self.agent / "lora/coder" / id_
        folder = folder if folder.is_dir() else self.adapter(id_)
        self.passed[id_] = passed
        self.play = {"adapter": str(folder), "passed": self.passed}
        (self.steps / "play.json").write_text(json.dumps(self.play))
        return folder

    def choose(self, step: str) -> None:
        """Let the choice among the checkpoints of what was trained fall on this one."""
        (self.steps / "play.json").write_text(json.dumps(self.play | {"chosen": step}))

    def run(self, *, force: bool = True) -> dict[str, Any]:
        done = self.loop(force=force)
        assert done.round is not None
        return done.round

    def loop(self, *, force: bool = False) -> watching.Outcome:
        command = [sys.executable, str(self.steps / "step.py")]
        return watching.run(find(self.root), lambda _: None, force=force, command=command, check=lambda *_: None)

    def calls(self) -> list[str]:
        return [json.loads(line)[0] for line in (self.steps / "calls").read_text().splitlines()]

    def champion(self) -> str | None:
        return champions.load(self.agent)["coder"].champion

    def lived(self, *parts: tuple[int, float], since: datetime) -> None:
        """Runs of the served model, one an hour from then on: (how many, their reward)."""
        runs, changes, at, n = [], [], since, 0
        with State(find(self.root).hone / "state.db") as state:
            for count, reward in parts:
                for _ in range(count):
                    at, n = at + timedelta(hours=1), n + 1
                    key = f"{int(since.timestamp())}.{n}"
                    run = {
                        "record_id": f"r{key}",
                        "recorded_at": at,
                        "run_id": f"R{key}",
                        "started_at": at,
                        "model": NAME,
                        "evidence": "hook",
                    }
                    change = {"record_id": f"c{key}", "recorded_at": at, "change_id": f"I{key}", "commit": f"{n:040x}", "committed_at": at,
                              "state": "live", "run_ids": [f"R{key}"], "reward": reward, "files": []}  # fmt: skip
                    runs.append(run)
                    changes.append(change)
                    row = (f"R{key}", f"I{key}", at.timestamp(), reward, NAME)
                    state.db.execute("insert into past (run, change, at, reward, model) values (?, ?, ?, ?, ?)", row)
            state.commit()
        store = Store(find(self.root).data)
        store.append("runs", runs)
        store.append("changes", changes)


@pytest.fixture
def stage(repo: Callable[..., Any], tiny: Callable[..., Tiny], monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = repo()
    monkeypatch.chdir(made.path)
    with ExitStack() as stack:
        yield Stage(made.path, tiny(kind="Q8_0"), lambda version: stack.enter_context(ollama_server.serve(version)))


def test_a_better_adapter_comes_to_serve(stage: Stage, tmp_path: Path) -> None:
    server = stage.serve(REFUSES)  # so it is the merged model that is judged and served
    stage.ready(tmp_path / "steps", server)
    stage.trained("aaa", 18)
    done = stage.run()
    assert (done["how"], done["reason"]) == ("done", f"{NAME} is adapter aaa, in place of nothing")
    assert stage.calls() == ["train", "deploy", "evaluate", "evaluate", "gate", "deploy"]
    assert (stage.champion(), server.serving(NAME) is not None) == ("aaa", True)
    assert stage.run()["reason"] == "adapter aaa serves coder already"


def test_one_that_is_not_better_is_refused_and_what_serves_stays(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = stage.serve(TAKES)
    stage.ready(tmp_path / "steps", server)
    stage.promoted(server, "aaa", capsys)
    served = server.serving(NAME)
    stage.passed["aaa"] = 18
    stage.trained("bbb", 17)
    done = stage.run()
    assert (done["how"], done["step"]) == ("refused", "gate")
    assert done["reason"].startswith("the gate refused bbb: superiority: underpowered")
    assert (stage.champion(), server.serving(NAME)) == ("aaa", served), "the incumbent is untouched"
    line = [one for one in ledger.read(stage.agent) if one["what"] == "gate"][-1]
    assert (line["from"], line["to"], line["verdict"]) == ("aaa", "bbb", "refuse"), "held against what serves now"


def test_the_gate_sees_one_checkpoint_and_that_one_is_served(stage: Stage, tmp_path: Path) -> None:
    server = stage.serve(REFUSES)
    stage.ready(tmp_path / "steps", server)
    stage.adapter("aaa", checkpoint="step-000002")
    stage.trained("aaa", 0)
    stage.passed["aaa-step-000002"] = 18
    stage.choose("step-000002")
    done = stage.run()
    assert (done["how"], done["reason"]) == ("done", f"{NAME} is adapter aaa-step-000002, in place of nothing")
    assert stage.calls() == ["train", "adapters", "deploy", "evaluate", "evaluate", "gate", "deploy"]
    (look,) = (one for one in ledger.read(stage.agent) if one["what"] == "gate")
    assert (look["to"], look["look"]) == ("aaa-step-000002", 1), "one look for a training, however many checkpoints it has"
    assert stage.run()["reason"] == "adapter aaa-step-000002 serves coder already"
    asked = [json.loads(line) for line in (stage.steps / "calls").read_text().splitlines() if '"choose"' in line]
    assert asked == [["adapters", "choose", str(stage.agent / "lora/coder/aaa"), "--base", str(stage.made.base), "--json"]]
    assert main(["rollback", "--role", "coder"]) == 0
    assert stage.run()["reason"].startswith("adapter aaa was rolled back on"), "another checkpoint of it learned nothing else"


def test_checkpoints_that_forgot_too_much_spend_no_look(stage: Stage, tmp_path: Path) -> None:
    server = stage.serve(TAKES)
    stage.ready(tmp_path / "steps", server)
    stage.trained("aaa", 18)
    stage.choose("step-000009")
    done = stage.run()
    assert (done["how"], done["reason"]) == ("refused", "no checkpoint of aaa can pass: each forgot too much")
    assert (stage.calls(), ledger.read(stage.agent), server.seen) == (["train", "adapters"], [], [])


def test_without_autodeploy_it_ends_with_the_gate_s_word(stage: Stage, tmp_path: Path) -> None:
    server = stage.serve(TAKES)
    stage.ready(tmp_path / "steps", server, autoDeploy={"enabled": False, "server": server.address})
    folder = stage.trained("aaa", 18)
    done = stage.run()
    assert (done["how"], done["reason"]) == ("done", "the gate let aaa through; autoDeploy is off")
    assert done["tip"] == f"git hone deploy --role coder --adapter {folder}"
    assert (stage.calls(), server.seen) == (["train", "evaluate", "evaluate", "gate"], [])


def test_a_server_that_is_down_is_no_verdict(stage: Stage, tmp_path: Path) -> None:
    server = stage.serve(TAKES)
    stage.ready(tmp_path / "steps", server, autoDeploy={"server": "http://127.0.0.1:9"})
    stage.trained("aaa", 18)
    done = stage.run()
    assert (done["how"], done["step"]) == ("refused", "deploy")
    assert "127.0.0.1:9" in done["reason"]
    assert stage.calls() == ["train", "deploy"], "nobody was asked 20 questions for it"


@pytest.mark.parametrize(
    ("action", "agreed", "does"), [("auto", True, "rolled back"), ("auto", False, "warned"), ("warn", True, "warned")]
)
def test_a_model_that_got_worse_is_led_back_where_that_is_wanted(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str, agreed: bool, does: str
) -> None:
    server = stage.serve(TAKES)
    stage.ready(tmp_path / "steps", server, driftDetection={"action": action})
    if agreed:
        subprocess.run(["git", "config", "hone.watch", "true"], cwd=stage.root, check=True)
    for id_ in ("aaa", "bbb"):
        stage.promoted(server, id_, capsys)
    now = datetime.now(timezone.utc)
    if does == "rolled back":  # a challenger is tried meanwhile: it is not what got worse
        folder = stage.adapter("ccc")
        stage.gate(stage.prepared(server, folder, capsys), name="ccc")
        assert stage.deploy(server, "--adapter", str(folder), "--canary", "0.1") == 0
    stage.lived((60, 1.0), since=now - timedelta(days=30))
    config = configuration.load(stage.agent / "learning-config.json")
    assert zero_touch.drift_due(find(stage.root), config, now.timestamp())
    assert stage.loop().alarms == [], "nothing happened since it was deployed"
    assert stage.loop().alarms is None, "nothing new, so nobody looks"
    stage.lived((40, 0.0), since=now)
    seen = zero_touch.folder(find(stage.root)) / "drift.json"
    assert stage.loop().alarms is None, "an hour has not passed"
    seen.write_text(json.dumps(json.loads(seen.read_text()) | {"at": 0}))
    (alarm,) = stage.loop().alarms or ()
    assert (alarm["model"], alarm["role"], alarm["action"]) == (NAME, "coder", does)
    assert stage.champion() == ("aaa" if does == "rolled back" else "bbb")
    told = zero_touch.standing(find(stage.root), config, now.timestamp())
    assert told["drift"] == [alarm]
    if does == "rolled back":
        assert ledger.read(stage.agent)[-1]["what"] == "rollback"
        stage.trained("bbb", 20)
        done = stage.run()
        assert done["reason"].startswith("adapter bbb was rolled back on"), "the same bytes are not served again"


@pytest.mark.parametrize(
    ("rewards", "agreed", "champion"), [((0.9, 0.4), True, "bbb"), ((0.3, 0.8), True, "aaa"), ((0.9, 0.4), False, "aaa")]
)
def test_a_challenger_s_trial_ends_when_the_evidence_decides(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str], rewards: tuple[float, float], agreed: bool, champion: str
) -> None:
    server = stage.serve(TAKES)
    stage.ready(tmp_path / "steps", server)
    stage.promoted(server, "aaa", capsys)
    folder = stage.adapter("bbb")
    stage.gate(stage.prepared(server, folder, capsys), name="bbb")
    assert stage.deploy(server, "--adapter", str(folder), "--canary", "0.5") == 0
    if agreed:
        subprocess.run(["git", "config", "hone.watch", "true"], cwd=stage.root, check=True)
    stage.lived((3, 1.0), since=datetime.now(timezone.utc))
    fill(stage, *rewards)
    stage.loop()
    role = champions.load(stage.agent)["coder"]
    assert (role.champion, role.challenger is None) == (champion, agreed)
    verdicts = [line["numbers"]["verdict"] for line in ledger.read(stage.agent) if line["what"] == "evidence"]
    assert verdicts == ([] if not agreed else ["promote" if champion == "bbb" else "roll back"])
