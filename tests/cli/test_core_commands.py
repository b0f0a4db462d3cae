"""drain, show, capture, watch and demo, as a person calls them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def hone(cwd: Path, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-I", "-m", "git_hone.cli", *args], cwd=cwd, input=stdin, capture_output=True)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def here(repo: Callable[..., Any]) -> Any:
    made = repo()
    made.write("a.py", "a = 1\n")
    made.commit("start")
    assert hone(made.path, "init").returncode == 0
    made.commit("set up git-hone")
    return made


def send(cwd: Path, **event: Any) -> subprocess.CompletedProcess[str]:
    return hone(cwd, "capture", "generic", stdin=json.dumps(event).encode())


def shown(cwd: Path, rev: str = "HEAD") -> Any:
    done = hone(cwd, "show", rev, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_any_tool_can_report_its_edits(here: Any) -> None:
    base = {"agent": "my-agent", "session_id": "s1", "model": "local-7b", "files": ["a.py", "b.py"], "tool_use_id": "1"}
    assert send(here.path, event="prompt", agent="my-agent", session_id="s1", prompt="two more", role="fixer").returncode == 0
    assert send(here.path, event="before", **base).stdout == ""
    here.write("a.py", "a = 1\nb = 2\n")
    here.write("b.py", "c = 3\n")
    send(here.path, event="after", **base)
    send(here.path, event="stop", agent="my-agent", session_id="s1", usage={"tokens_in": 7, "tokens_out": 3, "cost_usd": 0.5})
    here.commit("two more")
    seen = shown(here.path)
    assert seen["lines"]["ai"] == 2
    (run,) = seen["runs"]
    assert (run["agent"], run["model"], run["role"], run["tokens_in"], run["cost_usd"]) == (
        "my-agent",
        "local-7b",
        "fixer",
        7,
        0.5,
    )
    assert run["evidence"] == "capture"


def test_git_ais_payload_is_accepted_as_it_is(here: Any) -> None:
    for body in (
        {"type": "human", "repo_working_dir": str(here.path), "will_edit_filepaths": ["a.py"]},
        {"type": "ai_agent", "repo_working_dir": str(here.path), "edited_filepaths": ["a.py"], "agent_name": "x", "model": "m",
         "conversation_id": "c"},
    ):  # fmt: skip
        if body["type"] == "ai_agent":
            here.write("a.py", "a = 1\nby_ai = 2\n")
        assert hone(here.path, "capture", "agent-v1", stdin=json.dumps(body).encode()).returncode == 0
    here.commit("one")
    assert (shown(here.path)["lines"]["ai"], shown(here.path)["runs"][0]["agent"]) == (1, "x")


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "JSON object"),
        (b'{"event":"dance","agent":"x"}', "'dance'"),
        (b'{"event":"after"}', "agent: missing"),
        (b'{"event":"stop","agent":"x","usage":{"tokens_in":-1}}', "usage.tokens_in"),
        (b'{"event":"prompt","agent":"x","prompt":3}', "prompt"),
        (b"\xff", "not JSON"),
    ],
)
def test_a_wrong_payload_names_the_field(here: Any, payload: bytes, says: str) -> None:
    done = hone(here.path, "capture", "generic", stdin=payload)
    assert done.returncode == 2
    assert says in done.stderr


def test_the_python_api(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from git_hone.hooks import run

    monkeypatch.chdir(here.path)
    with pytest.raises(RuntimeError, match="boom"), run("mine", model="m1", task="write", difficulty="easy") as r:
        here.write("new.py", "x = 1\ny = 2\n")
        r.usage(tokens_in=5, tokens_out=6)
        raise RuntimeError("boom")
    here.commit("new")
    seen = shown(here.path)
    assert (seen["lines"]["ai"], seen["runs"][0]["difficulty"], seen["runs"][0]["evidence"]) == (2, "easy", "api")


def test_show_of_a_person_is_plain_text_and_exit_0(here: Any) -> None:
    here.write("a.py", "a = 2\n")
    here.commit("mine")
    done = hone(here.path, "show")
    assert done.returncode == 0
    assert "no agent's line" in done.stdout


@pytest.mark.parametrize("rev", ["nothing", "--exec=x", "HEAD~99", ""])
def test_show_of_no_commit(here: Any, rev: str) -> None:
    done = hone(here.path, "show", "--", rev)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_outside_a_repository(tmp_path: Path) -> None:
    for command in (["show"], ["drain"], ["status"], ["log"], ["stats"]):
        done = hone(tmp_path, *command)
        assert (done.returncode, "not inside a git repository" in done.stderr) == (2, True), command


def test_a_trailer_is_a_claim_and_names_no_line(here: Any) -> None:
    here.write("a.py", "a = 2\n")
    here.commit("fix\n\nCo-Authored-By: Claude <noreply@anthropic.com>")
    seen = shown(here.path)
    assert (seen["runs"], seen["lines"]["ai"], seen["lines"]["human"], seen["lines"]["unknown"]) == ([], 0, 0, 1)
    assert seen["claims"][0]["agent"] == "claude-code"


def test_watch_notes_each_state(here: Any) -> None:
    args = [sys.executable, "-m", "git_hone.cli", "watch", "a.py", "--every", "0.1", "--until", "60"]
    with subprocess.Popen(args, cwd=here.path, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        done = threading.Event()

        def edit() -> None:  # nobody says when the watch has begun, so there is a new state until one is seen
            states = 0
            while not done.wait(0.2):
                here.write("a.py", f"a = {(states := states + 1)}\n")

        other = threading.Thread(target=edit)
        other.start()
        seen = watching.stdout.readline()
        done.set()
        other.join()
        watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
    assert (seen, watching.returncode) == ("changed  a.py\n", 0)
    assert set(rest.splitlines()) <= {"changed  a.py"}


def test_an_unknown_command_suggests_one(tmp_path: Path) -> None:
    done = hone(tmp_path, "shwo")
    assert done.returncode == 2
    assert "show" in done.stderr


def test_demo_of_training_says_what_it_lacks(tmp_path: Path) -> None:
    done = hone(tmp_path, "demo", "--train", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 2
    assert (
        "git hone demo --train needs " in done.stderr or "no model to train: name a small GGUF file with --model" in done.stderr
    )
    assert "pip install " in done.stderr
    assert not (tmp_path / "kept").exists()
    assert "--model goes with --train" in hone(tmp_path, "demo", "--model", str(Path(__file__))).stderr


@pytest.mark.slow
def test_demo_plays_to_the_end(tmp_path: Path) -> None:
    done = hone(tmp_path, "demo", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "25 ai, 1 human" in done.stdout
    assert "accepted" in done.stdout
    assert "a fault of ours" not in done.stdout
    assert (tmp_path / "kept/shop/.agent/data").is_dir()
