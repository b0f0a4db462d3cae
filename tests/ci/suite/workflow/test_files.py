"""What every workflow of ours must be, and whether the reader of expressions knows what GitHub does."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from git_hone.hooks.install import workflow

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
FILES = [*sorted((ROOT / ".github/workflows").glob("*.yml")), ROOT / "hooks/install/hone-learn.yml"]
expressions = sys.modules["hone_expressions"]
runner = sys.modules["hone_runner"]
STATUS = {"success": lambda: True, "failure": lambda: False, "cancelled": lambda: False, "always": lambda: True}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_workflow_is_pinned_and_may_do_little(file: Path) -> None:
    text = file.read_text()
    body = yaml.safe_load(text)
    assert body["permissions"] == {}
    assert body["concurrency"]["group"]
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in used), used
    for name, job in body["jobs"].items():
        assert job["timeout-minutes"] <= 360, name
        assert job["permissions"].get("contents") in ("read", "write"), name
        writes = [key for key, value in job["permissions"].items() if value == "write"]
        assert not writes or (name, file.name) == ("promote", "hone-learn.yml")
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            if "upload-artifact" in step.get("uses", ""):  # .agent is a hidden folder
                assert step["with"]["include-hidden-files"] is True


def test_our_own_workflow_differs_in_what_it_installs_alone() -> None:
    theirs = workflow.text("1.2.3").decode().splitlines()
    ours = (ROOT / workflow.FILE).read_text().splitlines()
    assert [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b] == [
        ("  HONE_PACKAGE: git-hone==1.2.3", "  HONE_PACKAGE: ./"),
        ("  HONE_TRAINING: git-hone[train,serve]==1.2.3", "  HONE_TRAINING: .[train,serve]"),
    ]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.a || vars.B || 'c'", "c"),
        ("inputs.x == 'YES' && !inputs.a", True),
        ("inputs.x != 'yes' || (vars.B && true)", None),
        ("always() && needs.one.result == 'success'", True),
        ("'it''s'", "it's"),
    ],
)
def test_expressions(source: str, value: Any) -> None:
    contexts = {"inputs": {"a": "", "x": "yes"}, "vars": {}, "needs": {"one": {"result": "success"}}}
    assert expressions.evaluate(source, contexts, STATUS) == value


@pytest.mark.parametrize(
    "source", ["format('{0}', inputs.a)", "inputs.typo", "env.A", "inputs.a == ", "inputs['a']", "needs.one", "inputs.a < 1"]
)
def test_what_is_not_known_is_no_guess(source: str) -> None:
    with pytest.raises(expressions.Unknown):
        expressions.evaluate(source, {"inputs": {"a": ""}, "needs": {}}, STATUS)


def test_a_condition_means_success_too_unless_it_asks() -> None:
    failed = STATUS | {"success": lambda: False}
    assert not expressions.condition("${{ true }}", {}, failed)
    assert expressions.condition("${{ !cancelled() }}", {}, failed)
    assert not expressions.condition(None, {}, failed)
    with pytest.raises(expressions.Unknown, match="in its middle"):
        expressions.condition("${{ true }} && false", {}, STATUS)


def test_outputs_are_read_as_github_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("a=1\nb<<end\nx=y\n\nz\nend\nc=p<<q\n")
    assert runner.read(file) == {"a": "1", "b": "x=y\n\nz", "c": "p<<q"}
