"""`git hone generate`: the model's answer becomes a file whose lines are the model's, or nothing changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.endpoints import Answer, EndpointError
from git_hone.ci.generating import content_of
from git_hone.cli import main
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import find
from git_hone.hooks.view import show
from git_hone.learner.store import Store

Hone = Callable[..., tuple[int, str, str]]
CODE = "def number(line):\n    return float(line)\n"
ANSWER = f"```python\n{CODE}```"


@pytest.fixture
def there(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    made = repo()
    made.write("src/base.py", "base = 1\n")
    made.commit("base")
    setup.install(find(made.path))
    made.commit("set up git-hone")
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture
def hone(there: Any, capsys: pytest.CaptureFixture[str]) -> Hone:
    def call(*args: str) -> tuple[int, str, str]:
        code = main(["generate", *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def models(there: Any, at: Any) -> None:
    row = {"id": "coder", "provider": "ollama", "endpoint": at.endpoint, "model": "coder:7b", "context_length": 32768}
    there.write(".agent/model_variants.json", json.dumps([row]))
    there.commit("a model")


def test_the_lines_are_the_models(serve: Any, there: Any, hone: Hone) -> None:
    at = serve("ollama", text=ANSWER)
    models(there, at)
    code, out, _ = hone("src/reader.py", "--task", "read a number from a line", "--json")
    found = json.loads(out)
    assert (code, found["path"], found["added"], found["deleted"]) == (0, "src/reader.py", 2, 0)
    assert (found["model"], found["tokens_in"], found["tokens_out"], found["cost_usd"]) == ("coder", 11, 3, 0.0)
    assert Path("src/reader.py").read_text() == CODE
    (body,) = at.completions()
    assert "whole new content of the file src/reader.py" in body["messages"][0]["content"]
    assert "read a number from a line" in body["messages"][1]["content"] and "- src/reader.py" in body["messages"][1]["content"]
    Path("src/base.py").write_text("base = 1\nmine = 2\n")
    there.commit("reader")
    place = find(there.path)
    drain(place)
    assert show(place, "HEAD")["lines"] == {"ai": 2, "human": 1, "unknown": 0, "written": 2}
    (run,) = Store(place.data).rows("runs")
    assert (run["model"], run["prompt_variant"], run["decision_id"]) == ("coder", found["prompt"], f"{found['decision_id']}.0")
    assert (run["tokens_in"], run["output"], run["task"]) == (11, ANSWER, "read a number from a line")
    rows = {row["decision_id"]: row for row in Store(place.data).rows("decisions")}
    assert rows[run["decision_id"]]["result"]["ended"] == "passed" and rows[run["decision_id"]]["task"]


def test_a_person_who_works_on_in_the_meantime_keeps_their_lines(serve: Any, there: Any, hone: Hone) -> None:
    def while_it_thinks(_: Any) -> str:
        there.write("src/other.py", "mine = 1\n")
        return ANSWER

    models(there, serve("ollama", text=while_it_thinks))
    assert hone("src/reader.py")[0] == 0
    there.commit("both")
    place = find(there.path)
    drain(place)
    files = {file["path"]: (file["ai"], file["human"]) for file in show(place, "HEAD")["files"]}
    assert files["src/reader.py"] == (2, 0) and files.get("src/other.py", (0, 1))[0] == 0


def test_what_is_there_is_shown_and_its_own_work_may_be_overwritten(serve: Any, there: Any, hone: Hone) -> None:
    at = serve("ollama", text=ANSWER)
    models(there, at)
    assert hone("src/reader.py")[0] == 0
    at.text = "```python\n" + CODE.replace("float", "int") + "```"
    code, out, _ = hone("src/reader.py", "--task", "whole numbers")
    assert code == 0 and out.startswith("src/reader.py | +1 -1\n")
    assert CODE in at.completions()[1]["messages"][1]["content"]


def test_a_persons_changes_are_not_overwritten_unless_told(serve: Any, there: Any, hone: Hone) -> None:
    at = serve("ollama", text=ANSWER)
    models(there, at)
    there.write("src/base.py", "base = 1\nmine = 2\n")
    there.write("src/new.py", "mine = 3\n")
    for file in ("src/base.py", "src/new.py"):
        before = Path(file).read_bytes()
        code, _, err = hone(file)
        assert code == 2 and "has changes that are not committed" in err and Path(file).read_bytes() == before
    assert at.seen == []
    Path("src/base.py").chmod(0o755)
    assert hone("src/base.py", "--force")[0] == 0
    assert Path("src/base.py").read_text() == CODE and Path("src/base.py").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("mode", "text", "ended", "said"),
    [
        ("length", ANSWER, "failed", "cut at the limit of tokens"),
        ("fine", "I cannot do that.", "failed", "holds no code blocks"),
        ("fine", f"{ANSWER}\nor\n{ANSWER}", "failed", "holds 2 code blocks"),
        ("missing", ANSWER, "unreachable", "no model 'coder:7b'"),
        ("stream-error", ANSWER, "unreachable", "while running the model"),
        ("slow", ANSWER, "timeout", "no answer"),
    ],
)
def test_what_is_no_file_is_not_written(serve: Any, there: Any, hone: Hone, mode: str, text: str, ended: str, said: str) -> None:
    models(there, serve("ollama", mode, text=text))
    before = Path("src/base.py").read_bytes()
    code, out, err = hone("src/base.py", "--timeout", "0.4" if mode == "slow" else "20")
    assert (code, out) == (1, "") and said in err
    assert Path("src/base.py").read_bytes() == before and there.git("status", "--porcelain", "src") == ""
    place = find(there.path)
    drain(place)
    results = [row["result"] for row in Store(place.data).rows("decisions") if row["kind"] == "model"]
    assert results == [{"ended": ended}]


def test_stars_become_the_reward_of_the_choice(serve: Any, there: Any, hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    models(there, serve("ollama", text=ANSWER))
    monkeypatch.setattr("click.prompt", lambda *_, **__: 4)
    assert hone("src/reader.py", "--feedback")[0] == 0
    place = find(there.path)
    drain(place)
    (row,) = [row for row in Store(place.data).rows("decisions") if row["kind"] == "model"]
    assert row["result"] == {"ended": "passed", "reward": 0.75}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["../out.py"], "not a file of this repository"),
        ([".git/hooks/post-commit"], "not a file of this repository"),
        ([".agent/model_variants.json"], "not a file of this repository"),
        (["src"], "not a file"),
        (["link/x.py"], "a symbolic link"),
        (["ignored.log"], "git ignores it"),
        (["sub/[x].log"], "git ignores it"),
        (["src/my_secret.py"], "privacy.exclude_patterns"),
        (["picture.bin"], "not UTF-8"),
        (["src/base.py", "--model", "codr"], "did you mean 'coder'"),
        (["src/base.py", "--task", " "], "--task: empty"),
        (["src/base.py", "--json", "--feedback"], "--feedback asks"),
    ],
)
def test_what_may_not_be_written(serve: Any, there: Any, hone: Hone, args: list[str], said: str) -> None:
    at = serve("ollama", text=ANSWER)
    models(there, at)
    Path("link").symlink_to("src")
    there.write(".gitignore", "*.log\n")
    Path("picture.bin").write_bytes(b"\xff\xfe\x00")
    code, _, err = hone(*args)
    assert code == 2 and said in err, err
    assert at.seen == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```\nx\n```", "x\n"),
        ("Sure!\n\n```python title=a\r\nx = 1\r\n```\n", "x = 1\n"),
        ("```md\n# Use\n```sh\nls\n```\nend\n```", "# Use\n```sh\nls\n```\nend\n"),
        ("````\n```\nx\n```\n````", "```\nx\n```\n"),
        ("~~~\nx\n~~~", "x\n"),
        ("```python\n```", ""),
        ("x = 1", None),
        ("```\na\n```\n```\nb\n```", None),
        ("```python\nx = 1", None),
    ],
)
def test_the_file_in_an_answer(text: str, expected: str | None) -> None:
    answer = Answer(text, None, None, 1, "m", "stop")
    if expected is None:
        with pytest.raises(EndpointError) as caught:
            content_of(answer, "m", "a.py")
        assert caught.value.kind == "nonsense"
    else:
        assert content_of(answer, "m", "a.py") == expected
