"""What `git hone route`, `run` and `variants` say to input that cannot be used: a clear error or a stated fallback, and nothing is lost."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.hooks import inbox
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import Place, find
from git_hone.learner.store import Store

HONE = [sys.executable, "-c", "import sys; from git_hone.cli import main; sys.exit(main())"]
REMOTE = {"id": "r", "provider": "openai-compatible", "endpoint": "https://api.example/v1"}
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(repo: Any, monkeypatch: pytest.MonkeyPatch) -> Place:
    top = repo()
    monkeypatch.chdir(top.path)
    setup.install(find(top.path), ())
    return find(top.path)


@pytest.fixture
def hone(place: Place, capsys: pytest.CaptureFixture[str]) -> Said:
    """`hone("route", ...)`: exit code, stdout, stderr."""

    def call(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def models(place: Place, text: str | list[Any]) -> None:
    (place.agent / "model_variants.json").write_text(text if isinstance(text, str) else json.dumps(text))


def elsewhere(place: Place) -> None:
    models(place, [REMOTE])
    (place.agent / "learning-config.json").write_text(json.dumps({"privacy": {"local_only": False}}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"id":"a"},{"id":"a"}]', "entry 2 (a): the id is already that of entry 1"),
        ('[{"id":"a","input_per_1m_usd":-3}]', "input_per_1m_usd: at least 0"),
        ('[{"id":"a","input_per_1m_usd":NaN}]', "input_per_1m_usd: a number"),
        ('[{"id":"a","context_length":1e999}]', "context_length: a integer"),
        ('[{"id":"a","provider":"nope"}]', "provider: one of ollama"),
        ('[{"id":"a","providr":"ollama"}]', "did you mean 'provider'?"),
        ('[{"id":"a","endpoint":"http://[::1"}]', "endpoint: an address"),
        ('[{"id":"a","endpoint":"http://127.0.0.1:99999"}]', "endpoint: an address"),
        ('[{"id":"a","endpoint":"http://"}]', "endpoint: "),
        ("[]", "at least one entry"),
        ("{", "not JSON"),
        ("", "not JSON"),
    ],
)
@pytest.mark.parametrize("command", [("route", "--task", "x"), ("run", "--task", "x", "--", "true"), ("variants", "list")])
def test_models_that_cannot_be_used_are_refused_by_file_and_entry(
    place: Place, hone: Said, text: str, says: str, command: tuple[str, ...]
) -> None:
    models(place, text)
    code, out, errors = hone(*command)
    assert (code, out) == (2, "")
    assert says in errors and "model_variants.json" in errors


def test_a_template_that_never_says_the_task_is_refused(place: Place, hone: Said) -> None:
    (place.agent / "prompt_variants.json").write_text('[{"id": "solo", "template": "work"}]')
    code, _, errors = hone("route", "--task", "x")
    assert code == 2 and "entry 1 (solo): template: text with {task}" in errors


@pytest.mark.parametrize("command", [("route",), ("run", "--", "true")])
@pytest.mark.parametrize("budget", ["-1", "nan", "inf", "1e9", "cheap"])
def test_a_budget_that_is_none_is_wrong_use_and_nothing_is_on_record(
    place: Place, hone: Said, command: tuple[str, ...], budget: str
) -> None:
    name, *rest = command
    code, _, errors = hone(name, "--task", "x", "--budget", budget, *rest)
    assert code == 2 and "--budget" in errors
    assert not [file for file, _ in inbox.pending(place.inbox) if b"decision" in file.read_bytes()]


def test_a_row_that_fits_no_column_is_set_aside_and_the_rest_is_recorded(place: Place, hone: Said) -> None:
    for budget in (0.5, float("inf")):
        inbox.put(
            place.inbox, {"v": 1, "type": "decision", "row": {"decision_id": f"d{budget}", "kind": "plan", "budget_usd": budget}}
        )
    inbox.put(place.inbox, {"v": 1, "type": "decision", "rows": "nonsense"})
    assert drain(place).unreadable == 1
    assert [row["decision_id"] for row in Store(place.data).rows("decisions")] == ["d0.5"]
    (reason,) = (place.hone / "unreadable").glob("*.reason")
    assert "budget_usd" in reason.read_text()
    assert hone("route", "--task", "x")[0] == 0


def test_one_model_only_is_a_plan_of_one(place: Place, hone: Said) -> None:
    models(place, [{"id": "only", "provider": "ollama"}])
    told = json.loads(hone("route", "--task", "x", "--json")[1])
    assert (told["steps"][0]["model"], told["propensity"]) == ("only", 1.0)
    assert hone("run", "--task", "x", "--model", "other", "--", "true")[2].startswith(
        "git-hone: .agent/model_variants.json: there is no 'other'"
    )


def test_an_endpoint_that_is_dead_is_said_and_counts_against_nobody(place: Place, hone: Said) -> None:
    models(place, [{"id": "dead", "provider": "ollama", "endpoint": "http://127.0.0.1:9"}])
    code, _, errors = hone("run", "--task", "x", "--", "true")
    assert code == 1 and "unreachable (nothing answers at http://127.0.0.1:9)" in errors and "variants test" in errors
    drain(place)
    (row,) = Store(place.data).rows("decisions", where={"kind": "model"})
    assert row["result"]["ended"] == "unreachable"


def test_a_megabyte_goes_in_on_standard_input_and_not_on_a_command_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(place)
    text = b"word " * 200_000
    script = "import os, sys; print(len(sys.stdin.read()), 'HONE_TASK' in os.environ, os.environ['HONE_MODEL'])"
    done = subprocess.run([*HONE, "run", "--task", "-", "--", sys.executable, "-c", script], input=text, capture_output=True)
    size, is_set, model = done.stdout.split()
    assert (done.returncode, is_set, model) == (0, b"False", b"r") and int(size) > 999_000
    done = subprocess.run([*HONE, "run", "--task", "-", "--", "echo", "{prompt}"], input=text, capture_output=True)
    assert done.returncode == 2 and b"too long for a command line" in done.stderr
    done = subprocess.run([*HONE, "route", "--task", "-", "--json"], input=text, capture_output=True)
    assert done.returncode == 0 and json.loads(done.stdout)["logged"]


def test_bytes_that_are_no_text(place: Place) -> None:
    elsewhere(place)
    done = subprocess.run([*HONE, "run", "--task", b"a\xffb", "--file", b"c\xff.py", "--", "cat"], capture_output=True)
    assert done.returncode == 0 and "a\ufffdb" in done.stdout.decode()
    done = subprocess.run([*HONE, "route", "--json", "--task", b"a\xffb", "--file", b"c\xff.py"], capture_output=True)
    assert done.returncode == 0 and "a\ufffdb" in json.loads(done.stdout)["prompt"]["text"]
    done = subprocess.run([*HONE, "run", "--task", "-", "--", "cat"], input=b"a\0b", capture_output=True)
    assert done.returncode == 2 and b"NUL" in done.stderr


def test_an_empty_task_is_wrong_use(hone: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "  \n"):
        assert "--task: empty" in hone("route", "--task", text)[2]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "--task: empty" in hone("route", "--task", "-")[2]


def test_a_broken_configuration_is_said_also_where_it_leaves_no_model(place: Place, hone: Said) -> None:
    models(place, [REMOTE])
    (place.agent / "learning-config.json").write_text('{"modelRouter": {"epsilon": 7}, "privacy": {"local_only": false}}')
    code, _, errors = hone("route", "--task", "x")
    assert code == 2 and "local_only is on" in errors and "epsilon: must be at most 1" in errors


@pytest.mark.parametrize("text", ["{", '{"version": 9}', "[]", '{"version": 1, "hash": "x"}'])
def test_a_router_that_cannot_be_used_is_named_and_the_priors_stand_in(place: Place, hone: Said, text: str) -> None:
    (place.agent / "router.json").write_text(text)
    code, out, errors = hone("route", "--task", "x", "--json")
    assert code == 0 and json.loads(out)["policy"] == "prior"
    assert "router.json" in errors and "the priors stand in" in errors
    reasons = " ".join(json.loads(out)["reasons"])
    assert "the trained router cannot be used" in reasons and "no trained router yet" not in reasons
    assert hone("router", "show")[0] == 2


@pytest.mark.parametrize("gate", ["banana", "test=", "lint", "test='"])
def test_a_gate_that_is_no_command_is_wrong_use_before_anything_runs(hone: Said, gate: str) -> None:
    code, _, errors = hone("run", "--task", "x", "--gate", gate, "--", "touch", "ran")
    assert code == 2 and "gate" in errors and not Path("ran").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--gate", "test=no-such-tool -q", "--", "touch", "ran"), "gate test: no-such-tool: command not found"),
        (("--gate", "test=A=1 pytest", "--", "touch", "ran"), "sh -c"),
        (("--", "no-such-agent"), "no-such-agent: command not found"),
        (("--", "./.agent"), "./.agent: not an executable file"),
    ],
)
def test_a_command_that_is_not_there_is_wrong_use_before_anything_is_decided(
    place: Place, hone: Said, words: tuple[str, ...], says: str
) -> None:
    code, _, errors = hone("run", "--task", "x", *words)
    assert code == 2 and says in errors and "decision " not in errors and not Path("ran").exists()
    drain(place)
    assert not list(Store(place.data).rows("decisions"))


@pytest.mark.parametrize("extra", [(), ("--dry-run", "--json")])
def test_a_file_that_is_not_there_is_said_and_named_all_the_same(place: Place, hone: Said, extra: tuple[str, ...]) -> None:
    (place.cwd / "there.py").write_text("x = 1\n")
    code, _, errors = hone("route", "--task", "x", "--file", "there.py", "--file", "typo.py", "--file", "../far.py", *extra)
    assert code == 0
    assert errors.splitlines() == [
        "git-hone: --file typo.py: there is no such file",
        "git-hone: --file ../far.py: not in this repository",
    ]
    assert hone("route", "--task", "x", "--file", "typo.py", *extra)[2] == "git-hone: --file typo.py: there is no such file\n"


def test_a_file_is_named_from_where_the_person_is(place: Place, hone: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.cwd / "src").mkdir()
    (place.cwd / "src" / "a.py").write_text("x = 1\n")
    monkeypatch.chdir(place.cwd / "src")
    code, out, errors = hone("route", "--task", "x", "--file", "a.py", "--json")
    assert (code, errors) == (0, "") and "- src/a.py" in json.loads(out)["prompt"]["text"]


@pytest.mark.parametrize("command", [("route",), ("run",)])
def test_a_kind_of_work_that_there_is_not_is_wrong_use(place: Place, hone: Said, command: tuple[str, ...]) -> None:
    code, _, errors = hone(*command, "--task", "x", "--kind", "bugfix", *(("--", "true") if command == ("run",) else ()))
    assert code == 2 and "'bugfix' is not one of 'feature', 'fix'" in errors


def test_the_gates_of_a_plan_are_those_of_the_configuration_and_else_said_to_be_assumed(place: Place, hone: Said) -> None:
    models(place, [{"id": "a", "cost_per_1k": 0}, {"id": "b", "cost_per_1k": 0}])
    body = json.loads(hone("route", "--task", "x", "--json")[1])
    assert len(body["steps"]) == 2 and body["gates"] == ["compile", "lint", "type", "test"]
    assert body["reasons"][-1] == "these gates are assumed to run: `gates` of .agent/learning-config.json names none"
    (place.agent / "learning-config.json").write_text('{"gates": {"test": "pytest -q", "lint": "ruff check ."}}')
    body = json.loads(hone("route", "--task", "x", "--json")[1])
    assert body["gates"] == ["lint", "test"] and "assumed" not in " ".join(body["reasons"])


def test_a_gate_of_the_configuration_judges_a_run(place: Place) -> None:
    elsewhere(place)
    path = place.agent / "learning-config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "gates": {"lint": "test -f made"}}))
    done = subprocess.run([*HONE, "run", "--task", "x", "--json", "--", "touch", "other"], capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["attempts"][0]["gates"]) == (1, {"lint": False})
    done = subprocess.run([*HONE, "run", "--task", "x", "--", "touch", "made"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_everything_works_on_an_empty_record(hone: Said) -> None:
    for command, code in (("router train", 1), ("router evaluate", 2), ("router adopt", 2), ("router show", 0), ("router context", 0),
                          ("variants list", 0), ("stats --decisions", 0)):  # fmt: skip
        assert hone(*command.split())[0] == code, command


def test_variants_added_at_once_are_all_there(place: Place) -> None:
    adding = [
        subprocess.Popen([*HONE, "variants", "add", f"m{k}", "--provider", "ollama"], stderr=subprocess.PIPE) for k in range(8)
    ]
    for child in adding:
        errors = child.communicate()[1]
        assert child.returncode == 0, errors
    ids = [row["id"] for row in json.loads((place.agent / "model_variants.json").read_text())]
    assert sorted(ids[1:]) == [f"m{k}" for k in range(8)]
    assert not list(place.agent.glob(".tmp-*"))
    again = subprocess.run([*HONE, "variants", "add", "m0", "--provider", "ollama"], capture_output=True)
    assert again.returncode == 2 and b"already" in again.stderr
