"""`git hone evaluate` with a real suite, real tests, and a server that answers as it is told to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from git_hone.ci import gating
from git_hone.ci.gating import Sides
from git_hone.cli import main
from git_hone.hooks.place import find
from git_hone.learner.gating import evaluation
from git_hone.learner.suite.answers import ORDER

RIGHT = "def add(a, b):\n    return b if a is None else a + b\n"
WRONG = "def add(a, b):\n    return 0\n"


def said(text: str) -> str:
    return f"FILE: src/calc/__init__.py\n```python\n{text}```\n"


@pytest.fixture(scope="session")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the suite stands that the first test mines; the others copy it."""
    return tmp_path_factory.mktemp("mined") / "agent"


@pytest.fixture
def suite(project: Any, none_taken: str, mined: Path) -> Any:
    """A suite of one mined task in a repository with git-hone."""
    assert main(["init"]) == 0
    if not mined.exists():
        assert main(["suite", "mine", "--jobs", "1"]) == 0
        shutil.copytree(project.path / ".agent/suite", mined)
    shutil.copytree(mined, project.path / ".agent/suite", dirs_exist_ok=True)
    return project


def model(project: Any, server: Any, name: str = "coder") -> None:
    entry = {
        "id": name,
        "provider": "openai-compatible",
        "endpoint": server.endpoint,
        "model": "coder:7b",
        "local": True,
        "api_key_env": "HONE_TEST_KEY",
    }
    (project.path / ".agent/model_variants.json").write_text(json.dumps([entry]))


def result(project: Any, name: str = "coder") -> evaluation.Evaluation:
    return evaluation.load(gating.file_of(project.path / ".agent", "repository", name))


def test_a_right_answer_passes_a_wrong_one_fails_and_both_are_kept(
    suite: Any, serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve("openai-compatible", text=said(RIGHT))
    model(suite, server)
    assert main(["evaluate", "--model", "coder", "--name", "good"]) == 0
    assert "good on repository: 1 of 1 tasks passed" in capsys.readouterr().out
    (one,) = result(suite, "good").attempts
    assert (one.passed, one.usable, one.group, one.tokens_in, one.tokens_out, one.failed) == (
        True, True, "src/calc/__init__.py", 11, 3, ())  # fmt: skip
    asked = server.completions()[0]["messages"]
    assert asked[0] == {"role": "system", "content": ORDER}
    assert "def add(a, b):" in asked[1]["content"]
    assert "test_none" not in asked[1]["content"]
    server.text = said(WRONG)
    assert main(["evaluate", "--model", "coder", "--name", "bad", "--again"]) == 0
    (one,) = result(suite, "bad").attempts
    assert (one.passed, one.usable, bool(one.failed)) == (False, True, True)
    (row,) = pq.read_table(gating.file_of(suite.path / ".agent", "repository", "bad").with_suffix(".parquet")).to_pylist()
    assert (row["task"], row["passed"], row["failed"]) == (one.task, False, list(one.failed))


def test_an_answer_is_asked_for_once(suite: Any, serve: Callable[..., Any]) -> None:
    server = serve("openai-compatible", text=said(RIGHT))
    model(suite, server)
    for _ in range(2):
        assert main(["evaluate", "--model", "coder"]) == 0
    assert len(server.completions()) == 1
    first = gating.file_of(suite.path / ".agent", "repository", "coder").read_bytes()
    assert main(["evaluate", "--model", "coder", "--max-tokens", "77"]) == 0
    assert len(server.completions()) == 2
    assert gating.file_of(suite.path / ".agent", "repository", "coder").read_bytes() != first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I would rather not.", "holds no file"),
        ("FILE: tests/test_calc.py\n```\ndef test_add(): pass\n```\n", "which is not among the files of the task"),
        ("FILE: ../../escaped.py\n```\nx\n```\n", "which is not among the files of the task"),
        ("FILE: src/calc/__init__.py\n```python\ndef add(", "ends in the middle of a file"),
    ],
)
def test_an_answer_that_cannot_be_used_fails_the_task(suite: Any, serve: Callable[..., Any], text: str, words: str) -> None:
    model(suite, serve("openai-compatible", text=text))
    assert main(["evaluate", "--model", "coder"]) == 0
    (one,) = result(suite).attempts
    assert (one.passed, one.usable) == (False, False)
    assert words in str(one.error)
    assert not list(suite.path.parent.rglob("escaped.py"))


def test_code_that_hangs_is_ended(suite: Any, serve: Callable[..., Any]) -> None:
    model(suite, serve("openai-compatible", text=said("import time\ntime.sleep(600)\n")))
    folder = suite.path / ".agent/suite/repository"
    assert main(["evaluate", "--model", "coder"]) == 0
    (one,) = result(suite).attempts
    assert (one.passed, one.usable) == (False, True)
    assert folder.exists()


def test_a_secret_in_an_answer_is_counted_and_refused(suite: Any, serve: Callable[..., Any]) -> None:
    token = "ghp_" + "aB3xY9" * 6
    server = serve("openai-compatible", text=said(WRONG))
    model(suite, server)
    assert main(["evaluate", "--model", "coder", "--name", "old"]) == 0
    server.text = said(RIGHT + f'TOKEN = "{token}"\n')
    assert main(["evaluate", "--model", "coder", "--name", "new", "--again"]) == 0
    assert result(suite, "new").attempts[0].leaked == 1
    place = find(suite.path)
    decision = gating.gate(suite.path, place.agent, Sides("new", "old", "repository"))
    assert [check.outcome for check in decision.checks if check.name == "canary"] == ["fail"]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("auth", "key"),
        ("nonsense", "did not answer as"),
        ("slow", "no answer from"),
        ("failing", "failed"),
        ("truncated", "broke in the"),
    ],
)
def test_a_server_that_answers_nothing_is_an_error_and_no_result(
    suite: Any, serve: Callable[..., Any], capsys: pytest.CaptureFixture[str], mode: str, words: str
) -> None:
    server = serve("openai-compatible", mode, text=said(RIGHT))
    model(suite, server)
    assert main(["evaluate", "--model", "coder", "--timeout", "1" if mode == "slow" else "60"]) == 1
    assert words in capsys.readouterr().err
    assert not gating.file_of(suite.path / ".agent", "repository", "coder").exists()
    server.mode = "fine"
    assert main(["evaluate", "--model", "coder"]) == 0
    assert result(suite).attempts[0].passed


def test_what_is_not_there_is_named(suite: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--model", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    (suite.path / "a.gguf").write_bytes(b"")
    assert main(["evaluate", "--model", "coder", "--adapter", "a.gguf"]) == 2
    assert "--adapter goes with a GGUF file" in capsys.readouterr().err


def test_the_score_follows_the_habits(suite: Any, serve: Callable[..., Any]) -> None:
    for number in range(25):
        Path(f"src/calc/m{number}.py").write_text(f'def f_{number}(a: int) -> int:\n    """Add."""\n    return a\n')
    suite.commit("habits")
    server = serve("openai-compatible", text=said(RIGHT))
    model(suite, server)
    assert main(["evaluate", "--model", "coder", "--name", "loose"]) == 0
    server.text = said('def add(a: int | None, b: int) -> int:\n    """Add."""\n    return b if a is None else a + b\n')
    assert main(["evaluate", "--model", "coder", "--name", "kept", "--again"]) == 0
    loose, kept = (result(suite, name).attempts[0].convention for name in ("loose", "kept"))
    assert loose is not None
    assert kept is not None
    assert loose < kept


def ollama(project: Any, server: Any) -> None:
    entry = {"id": "coder", "provider": "ollama", "endpoint": server.endpoint, "model": "coder:7b", "local": True}
    (project.path / ".agent/model_variants.json").write_text(json.dumps([entry]))


def test_through_ollama_it_holds_the_digests_that_the_gate_and_a_deployment_go_by(
    suite: Any, serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve("ollama", text=said(WRONG))
    server.digests = {"manifest": "a" * 64, "model": "b" * 64}
    ollama(suite, server)
    assert main(["evaluate", "--model", "coder", "--name", "old"]) == 0
    server.digests, server.text = {"manifest": "c" * 64, "model": "d" * 64, "base": "b" * 64}, said(RIGHT)
    assert main(["evaluate", "--model", "coder", "--name", "new"]) == 0  # other weights: asked anew without --again
    old, new = result(suite, "old"), result(suite, "new")
    assert [one.passed for one in (*old.attempts, *new.attempts)] == [False, True]
    assert (dict(new.files), new.base_sha256) == ({"server:manifest": "c" * 64, "server:model": "d" * 64}, "b" * 64)
    assert main(["evaluate", "--model", "coder", "--name", "again"]) == 0
    assert len(server.completions()) == 2
    capsys.readouterr()
    assert main(["gate", "--candidate", "new", "--incumbent", "old", "--json"]) == 1
    checks = {one["name"]: one["outcome"] for one in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["integrity"] == "pass"
    assert main(["gate", "--candidate", "again", "--incumbent", "new"]) == 1
    assert "candidate and incumbent are the same files" in capsys.readouterr().out


def test_a_model_that_changes_on_its_server_meanwhile_is_an_error(
    suite: Any, serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve("ollama")
    ollama(suite, server)

    def pulled(_: Any) -> str:
        server.digests = {"manifest": "f" * 64, "model": "f" * 64}
        return said(RIGHT)

    server.text = pulled
    assert main(["evaluate", "--model", "coder"]) == 1
    assert "was changed on its server while it was tried" in capsys.readouterr().err
    assert not gating.file_of(suite.path / ".agent", "repository", "coder").exists()
