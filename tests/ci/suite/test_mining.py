"""`git hone suite mine`, on real repositories with real runs of pytest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.learner.errors import DataError


def mined(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["suite", "mine", "--jobs", "2", "--json", *options]) == 0
    said = capsys.readouterr()
    assert said.err == ""  # a pipe gets no progress
    told: dict[str, Any] = json.loads(said.out)
    return told


def test_a_commit_with_its_test_becomes_a_task(project: Any, none_taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = mined(capsys)
    assert told["counts"] == {"candidates": 1, "valid": 1, "environment: declared": 1}
    suite = storing.load(Path(told["folder"]))
    (task,) = suite.manifest.tasks
    assert (task.fail_to_pass, task.pass_to_pass) == (("tests/test_calc.py::test_none",), ("tests/test_calc.py::test_add",))
    assert (task.source, task.origin.commit, task.edit) == ("mined", none_taken, ("src/calc/__init__.py",))
    assert task.prompt == "Take None for nothing\n\nChange this file:\n- src/calc/__init__.py\n"
    assert b"None" not in suite.content(task.files["src/calc/__init__.py"].sha256)
    assert b"None" not in suite.content(task.files["tests/test_calc.py"].sha256)
    assert b"if a is None" in suite.content(task.solution["src/calc/__init__.py"].sha256)
    assert suite.manifest.hash == told["hash"]


def test_again_is_the_same_suite_without_running_anything(
    project: Any, none_taken: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mined(capsys)
    before = {path.name: path.read_bytes() for path in Path(first["folder"]).iterdir()}
    monkeypatch.setattr("git_hone.ci.arena.sandbox.LAUNCH", Path("/nowhere"))
    second = mined(capsys)
    assert (second["hash"], second["changed"]) == (first["hash"], False)
    assert {path.name: path.read_bytes() for path in Path(first["folder"]).iterdir()} == before


SEEN = {
    "its tests pass without the change": "2 tests pass with and without it",
    "no test passes with the change": "SyntaxError: '(' was never closed",
    "its tests are flaky": "",
}
REFUSED = {
    "its tests pass without the change": ("def add(a, b):\n    return b + a\n", "\n\ndef test_more():\n    assert add(2, 2) == 4\n"),
    "no test passes with the change": ("def add(a, b:\n", "\n"),
    "its tests are flaky": (
        "import os\n\n\ndef add(a, b):\n    return a + b\n\n\ndef odd():\n    return os.urandom(1)[0] < 256\n",
        "\n\ndef test_odd(tmp_path_factory):\n    from calc import odd\n    assert odd()\n    from pathlib import Path\n"
        "    mark = Path(__file__).parents[2] / 'seen'\n    seen = mark.exists()\n    mark.write_text('')\n    assert not seen\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_task_is_counted_with_its_reason(project: Any, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, more = REFUSED[reason]
    test = project.path / "tests/test_calc.py"
    project.write("src/calc/__init__.py", source)
    project.write("tests/test_calc.py", test.read_text() + more)
    project.commit("Change what add does")
    told = mined(capsys)
    assert told["counts"] == {"candidates": 1, "valid": 0, reason: 1}
    assert told["tasks"] == 0
    commit = project.git("rev-parse", "HEAD")
    assert told["refused"] == [{"name": commit, "reason": reason, "detail": SEEN[reason]}]
    assert main(["suite", "mine", "--why"]) == 0  # what is remembered still says it
    shown = f" ({SEEN[reason]})" if SEEN[reason] else ""
    assert f"\n{commit[:12]}: {reason}{shown}\n" in capsys.readouterr().out


def test_a_message_that_says_nothing_makes_no_task(project: Any, capsys: pytest.CaptureFixture[str]) -> None:
    project.write("src/calc/__init__.py", "def add(a, b):\n    return a + b + 0\n")
    project.write("tests/test_calc.py", (project.path / "tests/test_calc.py").read_text() + "\n# more\n")
    project.commit("wip (#3)")
    assert mined(capsys)["counts"] == {"candidates": 1, "valid": 0, "its message says nothing that could be asked": 1}


def test_the_documented_way_to_judge_an_attempt_works(
    project: Any, none_taken: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs/reference/suite.md").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)  # noqa: S102 - our own page
    suite = storing.load(Path(mined(capsys)["folder"]))
    name, path = suite.manifest.tasks[0].id, "src/calc/__init__.py"
    tries = {
        b"def add(a, b):\n    return b if a is None else a + b\n": True,
        b"def add(a, b):\n    return b\n": False,
        b"def add(a, b:\n": False,
        b"while True: pass\n": False,
        b"import os\nos._exit(0)\n": False,
    }
    for number, (text, passed) in enumerate(tries.items()):
        assert names["attempt"](suite, name, {path: text}, tmp_path / str(number)) == passed
    with pytest.raises(DataError, match="leaves its folder"):
        names["attempt"](suite, name, {"../conftest.py": b""}, tmp_path / "out")


def test_the_list_names_the_tasks(project: Any, none_taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    mined(capsys)
    assert main(["suite", "list"]) == 0
    assert f"mined-{none_taken[:12]}" in capsys.readouterr().out
    assert main(["suite", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["tasks"]
    assert (row["fail_to_pass"], row["pass_to_pass"], row["origin"]) == (1, 1, none_taken)


def test_a_repository_without_a_commit_is_told_so(
    repo: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo().path)
    assert main(["suite", "mine"]) == 2
    assert "no commit yet" in capsys.readouterr().err


def test_an_unknown_suite_and_a_bad_name_are_refused(project: Any, none_taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    mined(capsys)
    assert main(["suite", "list", "--name", "other"]) == 2
    assert "no suite there" in capsys.readouterr().err
    assert main(["suite", "list", "--name", "../other"]) == 2
    assert "is no name for a suite" in capsys.readouterr().err


def test_a_commit_whose_links_lead_out_is_left_out_and_the_others_stay(
    project: Any, none_taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.path / "top").mkdir()
    project.write("top/x.txt", "x")
    (project.path / "a/b/c").mkdir(parents=True)
    (project.path / "a/b/c/up").symlink_to("../../../top")
    (project.path / "way").symlink_to("a/b/c/up/../..")
    project.write("src/calc/__init__.py", (project.path / "src/calc/__init__.py").read_text() + "\n\ndef one():\n    return 1\n")
    project.write("tests/test_one.py", "from calc import one\n\n\ndef test_one():\n    assert one() == 1\n")
    project.commit("Give one where one is wanted")
    told = mined(capsys)
    assert told["counts"] == {
        "candidates": 2, "valid": 1, "environment: declared": 1, "a path or link that leads out of the arena": 1,
    }  # fmt: skip
    (task,) = storing.load(Path(told["folder"])).manifest.tasks
    assert task.origin.commit == none_taken


def test_a_kernel_without_namespaces_is_said(
    project: Any, none_taken: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_hone.ci.arena.sandbox.namespaces", lambda: False)
    assert main(["suite", "mine"]) == 0
    assert "can reach the network" in capsys.readouterr().err
