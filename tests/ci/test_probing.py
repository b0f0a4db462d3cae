"""`git hone variants`: list, add, and really asking a model."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.hooks.install import setup
from git_hone.hooks.place import find

Hone = Callable[..., tuple[int, str, str]]
AGENT = Path(".agent")


@pytest.fixture
def hone(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hone:
    made = repo()
    monkeypatch.chdir(made.path)
    setup.install(find(made.path))
    capsys.readouterr()

    def call(*args: str) -> tuple[int, str, str]:
        code = main(["variants", *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def add(hone: Hone, at: Any, *more: str, id_: str = "coder") -> None:
    key = [] if at.provider == "ollama" else ["--api-key-env", "HONE_TEST_KEY"]
    code, _, err = hone("add", id_, "--provider", at.provider, "--endpoint", at.endpoint, "--model", "coder:7b", *key, *more)
    assert code == 0, err


@pytest.mark.parametrize("provider", ["ollama", "openai-compatible", "anthropic"])
def test_a_model_that_answers(serve: Any, hone: Hone, provider: str) -> None:
    at = serve(provider)
    add(hone, at, "--input-per-1m", "1", "--output-per-1m", "2")
    code, out, _ = hone("test", "coder", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["reachable"], found["model_there"], found["problem"]) == (0, True, True, True, None)
    answer = found["answer"]
    assert (answer["text"], answer["tokens_in"], answer["tokens_out"], answer["finish"]) == ("ready", 11, 3, "stop")
    assert answer["cost_usd"] == pytest.approx((11 * 1 + 3 * 2) / 1e6)
    code, out, _ = hone("test", "coder")
    assert code == 0 and "tokens     11 in, 3 out" in out and "0.000017 USD" in out


def test_a_model_that_its_server_does_not_list_and_that_answers(serve: Any, hone: Hone) -> None:
    at = serve("openai-compatible", "unlisted")
    add(hone, at)
    code, out, _ = hone("test", "coder")
    assert code == 0 and "there      no, by the server's own list; it answered all the same" in out and "answer     ready" in out


@pytest.mark.parametrize("mode", ["auth", "nonsense", "missing", "failing", "slow"])
@pytest.mark.parametrize("provider", ["ollama", "openai-compatible", "anthropic"])
def test_a_model_that_does_not(serve: Any, hone: Hone, provider: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    at = serve(provider, mode)
    add(hone, at)
    code, out, _ = hone("test", "coder", "--json", "--timeout", "0.5" if mode == "slow" else "20")
    found = json.loads(out)
    kinds = {"auth": "refused", "nonsense": "nonsense", "missing": "missing", "failing": "unreachable", "slow": "timeout"}
    assert (code, found["ok"], found["answer"], found["problem"]["kind"]) == (1, False, None, kinds[mode])
    assert "sk-test" not in out
    if mode == "missing":
        assert (found["reachable"], found["model_there"]) == (True, False)
    code, out, _ = hone("test", "coder", "--timeout", "0.5" if mode == "slow" else "20")
    assert code == 1 and "problem    coder: " in out


def test_a_model_elsewhere_is_not_asked_while_local_only_is_on(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = hone("add", "far", "--provider", "openai-compatible", "--endpoint", "https://api.example.com/v1")
    assert code == 0 and "will not be asked as the configuration stands: far: not on this machine" in err

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    code, out, _ = hone("test", "far", "--json")
    assert (code, json.loads(out)["problem"]["kind"], json.loads(out)["reachable"]) == (1, "local_only", None)


def test_the_list_counts_from_the_records_and_writes_only_when_told(hone: Hone) -> None:
    from datetime import datetime, timezone

    from git_hone.learner.store import Store

    at = datetime(2026, 3, 5, tzinfo=timezone.utc)
    store = Store(AGENT / "data")
    store.append("runs", [{"record_id": "r", "recorded_at": at, "run_id": "r", "evidence": "hook", "started_at": at,
                           "model": "qwen2.5-coder:7b", "prompt_variant": "concise"}])  # fmt: skip
    store.append("changes", [{"record_id": "c", "recorded_at": at, "change_id": "I", "committed_at": at, "state": "live",
                              "run_ids": ["r"], "reward": 0.75}])  # fmt: skip
    before = {file: (AGENT / file).read_bytes() for file in ("prompt_variants.json", "model_variants.json")}
    code, out, _ = hone("list", "--json")
    found = json.loads(out)
    assert code == 0
    assert [(one["id"], one["wins"], one["trials"]) for one in found["prompts"]] == [
        ("default", 0.0, 0), ("detailed", 0.0, 0), ("concise", 0.75, 1),
    ]  # fmt: skip
    assert [(one["id"], one["wins"], one["trials"], one["local"]) for one in found["models"]] == [
        ("qwen2.5-coder:7b", 0.75, 1, True)
    ]
    assert {file: (AGENT / file).read_bytes() for file in before} == before
    _, _, err = hone("list", "--refresh")
    assert err.count(": written") == 2
    assert json.loads((AGENT / "model_variants.json").read_text())[0]["trials"] == 1
    _, out, err = hone("list", "--refresh")
    assert err.count("nothing to change") == 2 and "concise" in out


def test_adding_a_prompt_and_what_is_refused(hone: Hone) -> None:
    Path("careful.txt").write_text("First think. {task}\n{files}\n")
    code, _, err = hone("add", "careful", "--template", "careful.txt")
    assert code == 0 and "promptBandit.variants" in err
    assert json.loads((AGENT / "prompt_variants.json").read_text())[-1] == {
        "id": "careful",
        "template": "First think. {task}\n{files}\n",
    }
    Path("bad.txt").write_text("no place for it")
    before = (AGENT / "prompt_variants.json").read_bytes(), (AGENT / "model_variants.json").read_bytes()
    for args, said in [
        (["careful", "--template", "careful.txt"], "a variant of this id already"),
        (["other", "--template", "bad.txt"], "has no {task}"),
        (["other", "--template", "none.txt"], "no such file"),
        (["other"], "say --provider for a model"),
        (["other", "--template", "careful.txt", "--provider", "ollama"], "say --provider for a model"),
        (["other", "--template", "careful.txt", "--input-per-1m", "3"], "a prompt has no endpoint"),
        (["other", "--provider", "ollama", "--endpoint", "ftp://x"], "endpoint: text like"),
        (["other", "--provider", "ollama", "--api-key-env", "sk-123"], "api_key_env: text like"),
        (["-bad id", "--provider", "ollama"], "Error"),
    ]:
        code, _, err = hone("add", *args)
        assert code == 2 and said in err, (args, err)
    assert before == ((AGENT / "prompt_variants.json").read_bytes(), (AGENT / "model_variants.json").read_bytes())


def test_only_models_are_asked(hone: Hone) -> None:
    code, _, err = hone("test", "concise")
    assert code == 2 and "a prompt; only models are asked" in err
    code, _, err = hone("test", "qwen2.5-coder:7")
    assert code == 2 and "did you mean 'qwen2.5-coder:7b'?" in err
