"""The format of a suite: the same bytes back, and every manifest that was touched refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from git_hone.learner.errors import DataError
from git_hone.learner.suite.tasks import Environment, File, Manifest, Origin, Task, digest, parse, schema

SHA = "a" * 64
ENVIRONMENT = Environment("3.11", ("pytest",), (), ("src", "."), "calc", "", {}, "declared")


def task(**other: Any) -> Task:
    parts: dict[str, Any] = {
        "id": "mined-1", "source": "mined", "prompt": "Do it", "edit": ("a.py",), "files": {"a.py": File(SHA)}, "tests": {},
        "solution": {"a.py": None}, "test_command": ("{python}",), "fail_to_pass": ("t::a",), "pass_to_pass": (), "flaky": 0,
        "time_limit_seconds": 10.0, "reference_seconds": 1.0, "environment": ENVIRONMENT, "origin": Origin("0" * 40, "2026-01-01T00:00:00Z"),
    }  # fmt: skip
    return Task(**parts | other)


def resealed(raw: dict[str, Any]) -> str:
    """The manifest with all its hashes made to fit."""
    for one in raw["tasks"]:
        one.pop("hash", None)
        one["hash"] = digest(one)
    raw.pop("hash", None)
    return json.dumps(raw | {"hash": digest(raw)})


def test_a_manifest_comes_back_as_it_was_and_orders_its_tasks() -> None:
    manifest = Manifest("repository", (task(id="b"), task(id="a", prompt="\udcff é")), {"mined": {"candidates": 2, "valid": 2}})
    text = manifest.to_json()
    read = parse(text)
    assert [one.id for one in read.tasks] == ["a", "b"]
    assert (read.hash, read.to_json()) == (manifest.hash, text)
    assert json.loads(text)["hash"] == manifest.hash


def test_the_schema_is_a_schema() -> None:
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(schema())


CHANGED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a prompt": (lambda raw: raw["tasks"][0].update(prompt="Do nothing"), "task mined-1: was changed after it was frozen"),
    "a count": (lambda raw: raw["counts"].update(mined={"valid": 9}), "the suite's hash does not fit"),
    "a limit as text": (lambda raw: raw["tasks"][0].update(time_limit_seconds="1"), "tasks.0.time_limit_seconds"),
    "an unknown field": (lambda raw: raw["tasks"][0].update(surprise="rm"), "tasks.0"),
    "a newer version": (lambda raw: raw.update(version=2), "version 2 is newer"),
    "no tasks": (lambda raw: raw.pop("tasks"), "'tasks' is a required property"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_manifest_that_was_touched_is_refused(what: str) -> None:
    touch, words = CHANGED[what]
    raw = json.loads(Manifest("repository", (task(),)).to_json())
    touch(raw)
    with pytest.raises(DataError, match=words):
        parse(json.dumps(raw))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"version": 1}', "[" * 100_000])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"manifest\.json"):
        parse(text)


HOSTILE = (
    "../../etc/cron.d/x",
    "/etc/passwd",
    "a/../../b",
    ".git/hooks/post-checkout",
    "a/.GIT/config",
    "a\0b",
    "x" * 300,
    "a//b",
)


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("part", ["files", "tests", "solution"])
def test_a_hostile_file_name_is_refused_though_the_hashes_fit(part: str, path: str) -> None:
    raw = json.loads(Manifest("repository", (task(),)).to_json())
    raw["tasks"][0][part][path] = {"sha256": SHA, "kind": "file"}
    with pytest.raises(DataError, match="task mined-1: path"):
        parse(resealed(raw))


def test_a_hostile_path_of_the_environment_is_refused() -> None:
    raw = json.loads(Manifest("repository", (task(),)).to_json())
    raw["tasks"][0]["environment"]["generated"] = {"../x.py": "import os"}
    with pytest.raises(DataError, match=r"'\.\./x\.py' leaves its folder"):
        parse(resealed(raw))


def test_a_file_below_a_file_and_a_doubled_id_are_refused() -> None:
    raw = json.loads(Manifest("repository", (task(files={"a": File(SHA), "a/b": File(SHA)}),)).to_json())
    with pytest.raises(DataError, match="both a file and the folder"):
        parse(resealed(raw))
    raw = json.loads(Manifest("repository", (task(), task())).to_json())
    with pytest.raises(DataError, match="two tasks are named mined-1"):
        parse(resealed(raw))
