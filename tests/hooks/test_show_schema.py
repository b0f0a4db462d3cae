"""`git hone show --json` is what the published schema says, and nothing that it does not say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from git_hone.hooks.drain import drain
from git_hone.hooks.identity import Kind
from git_hone.hooks.player import Player
from git_hone.hooks.view import View
from git_hone.learner.tables import CHANGES

SCHEMA = json.loads((Path(__file__).parents[2] / "cli" / "show.schema.json").read_text("utf-8"))


def closed(schema: Any) -> Any:
    """The schema with every object that lists its keys allowing no other."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tight = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False} | tight if "properties" in schema and schema.get("type") == "object" else tight


def check(repo: Path, rev: str = "HEAD") -> Any:
    command = [str(Path(sys.executable).with_name("git-hone")), "show", rev, "--json"]
    view = json.loads(subprocess.run(command, cwd=repo, check=True, capture_output=True).stdout)
    checker = Draft202012Validator(closed(SCHEMA), format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [f"{error.json_path}: {error.message}" for error in checker.iter_errors(view)] == []
    return view


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_names_the_keys_of_view() -> None:
    assert SCHEMA["required"] == list(SCHEMA["properties"]) == list(View.__annotations__)


def test_the_schema_names_each_kind() -> None:
    assert set(SCHEMA["properties"]["kind"]["enum"]) == {*get_args(Kind), None}
    assert "kind" in CHANGES.columns


def test_a_recorded_commit_is_valid(p: Any) -> None:
    p.turn("src/new.py", "one")
    p.human("src/base.py", p.read("src/base.py") + "y = 2\n")
    sha = p.commit("an agent's lines and a person's")
    view = check(p.repo)
    assert (view["source"], view["state"], view["commit"]) == ("record", "live", sha)
    assert (view["lines"]["ai"], view["lines"]["human"]) == (10, 1)


def test_a_moved_and_measured_commit_is_valid(p: Any) -> None:
    p.turn("src/new.py", "one")
    old = p.commit("first try")
    drain(p.place)
    p.human("src/new.py", p.read("src/new.py").replace("return x + 3", "return 3 + x"))
    p.git("add", "-A")
    p.git("commit", "-q", "--amend", "-m", "second try")
    subprocess.run([str(Path(sys.executable).with_name("git-hone")), "feedback", "--rating", "4"], cwd=p.repo, check=True)
    assert check(p.repo)["replaces"] == [old]
    assert check(p.repo, old)["state"] == "moved"


def test_an_unrecorded_commit_is_valid(p: Any) -> None:
    view = check(p.repo, "HEAD~1")
    assert (view["source"], view["state"], view["kind"], view["runs"]) == ("git", "none", None, [])


def test_a_commit_known_by_its_note_alone_is_valid(p: Any, tmp_path: Path, fresh: Callable[..., Player]) -> None:
    p.turn("src/new.py", "one")
    p.commit("noted")
    drain(p.place)
    clone = tmp_path / "clone"
    p.git("clone", "-q", str(p.repo), str(clone))
    p.git("fetch", "-q", "origin", "refs/notes/hone:refs/notes/hone", cwd=clone)
    assert check(clone)["source"] == "note"


@pytest.mark.parametrize("broken", [{"version": 2}, {"state": "gone"}, {"lines": {"ai": -1}}, {"reward": {"value": 2}}])
def test_a_wrong_answer_is_not_valid(broken: dict[str, Any], p: Any) -> None:
    view = check(p.repo, "HEAD~1") | broken
    assert not Draft202012Validator(SCHEMA).is_valid(view)
