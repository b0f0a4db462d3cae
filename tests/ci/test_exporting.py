"""Exports of real repositories: what is in them, what is not and why, and that they are the same everywhere."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.exporting import Exported, Options, export
from git_hone.cli import main
from git_hone.learner.lineage import change_of
from git_hone.learner.store import Store

_spec = importlib.util.spec_from_file_location("hone_played", Path(__file__).with_name("played.py"))
assert _spec and _spec.loader
played = importlib.util.module_from_spec(_spec)
sys.modules["hone_played"] = played
_spec.loader.exec_module(played)
code = played.code

EVERYTHING = Options(formats=("sft", "messages", "dpo", "kto"))
TOKEN = "ghp_" + "aB3xY9" * 6


@pytest.fixture
def made(tmp_path: Path, home: Path) -> Any:
    """A repository without changes yet."""
    return played.History(tmp_path / "repo", home)


def change(h: Any, sha: str) -> str:
    (row,) = [row for row in Store(h.place.data).rows("changes") if row["commit"] == sha]
    return str(row["change_id"])


def rows(done: Exported, name: str) -> list[dict[str, Any]]:
    """The rows of both sides of one set, as a trainer reads them."""
    assert done.folder is not None
    files = sorted(done.folder.glob(f"{name}.*"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def why(done: Exported) -> dict[str, set[str]]:
    """Change -> the reasons that stand in excluded.jsonl."""
    found: dict[str, set[str]] = {}
    for row in rows(done, "excluded"):
        found.setdefault(row["change_id"], set()).add(row["reason"])
    return found


def whole(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_one_of_everything(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    h = made
    good = h.weeks(6)
    reverted = h.work("src/bad.py", code("bad"), "Write the bad module", "Add bad", 80)
    h.git("revert", "--no-edit", reverted, GIT_AUTHOR_DATE=stamp(79), GIT_COMMITTER_DATE=stamp(79))
    h.write("tests/test_parse.py", "def test_parse():\n    assert 1 + 1 == 2\n")
    h.commit("Test it", 78)
    tampered = h.work("tests/test_parse.py", "import pytest\n\n\n@pytest.mark.skip\ndef test_parse():\n    assert 1 + 1 == 2\n",
                      "Make it green", "Skip the test", 77)  # fmt: skip
    private = h.work("config/secret_keys.py", code("keys"), "Write the keys", "Add keys", 76)
    twin = h.work("src/parse_again.py", code("parse"), "Write the module that can parse values", "Add parse again", 75)
    untold = h.work("src/untold.py", code("untold"), None, "Tell nobody about it (#12)", 74)
    wip = h.work("src/wip.py", code("wip"), None, "wip", 73)
    leaky = h.work("src/leaky.py", code("leaky") + f'\n\nTOKEN = "{TOKEN}"  # TODO(zebedee): ask Zebedee Quux\n', "Write what leaks",
                   "Add leaky", 72, author="Zebedee Quux <zq@corp.test>")  # fmt: skip
    with played.Player(h.repo, h.home, dict(os.environ)) as agent:
        agent.prompt("Write the edited module")
        agent.write("src/edited.py", code("edited"))
    h.write("src/edited.py", h.read("src/edited.py").replace("return edited.edited_7(value) + 1", "return other(value, by=1)"))
    edited = h.commit("Add edited", 70)
    mended = h.work("src/mended.py", code("mended"), "Write the mended module", "Add mended", 60)
    h.write("src/mended.py", code("mended", 2) + "\n\ndef rest():\n    return None\n")
    h.commit("Fix the mended module", 55)
    young = h.work("src/young.py", code("young"), "Write the young module", "Add young", 3)
    h.settle()
    done = export(h.place, EVERYTHING)
    assert done.folder is not None
    reasons = why(done)
    ids = {change(h, sha): sha for sha in (reverted, tampered, private, twin, wip, mended, young, edited, leaky, untold, *good)}
    named = {sha: reasons.get(name, set()) for name, sha in ids.items()}
    assert (named[reverted], named[tampered], named[private]) == ({"reverted"}, {"tampered"}, {"private_path"})
    assert (named[wip], named[young]) == ({"no_prompt"}, {"not_matured"})
    assert "near_duplicate" in named[twin] or "near_duplicate" in named[good[0]]
    body = done.manifest
    assert body["changes"] == body["changes_used"] + body["changes_without_rows"] + sum(body["excluded_changes"].values()) == 16
    assert body["excluded_changes"] == {"reverted": 1, "tampered": 1, "not_matured": 1, "private_path": 1, "no_prompt": 1}

    sft = {row["id"]: row for row in rows(done, "coder_sft")}
    learned = {ids[change_of(name)] for name in sft}
    assert {*good[1:], untold, leaky, edited} <= learned | {ids[c] for c, r in reasons.items() if "held_out" in r}
    assert not learned & {reverted, tampered, private, wip, young, mended}
    for row in sft.values():
        assert list(row) == ["id", "prompt", "completion", "role", "label", "provenance"]
        assert (row["role"], row["label"]) == ("coder", True)
        assert [message["role"] for message in row["prompt"] + row["completion"]] == ["system", "user", "assistant"]
        path = json.loads(row["provenance"])["paths"][0]
        if ids[change_of(row["id"])] != leaky:
            stood = h.git("show", f"{ids[change_of(row['id'])]}:{path}")
            assert row["completion"][0]["content"] == f"```\n{stood}\n```"
    told = {json.loads(row["provenance"])["commit"]: json.loads(row["provenance"])["prompt_from"] for row in sft.values()}
    assert told[untold] == "commit message"
    assert "(#12)" not in (done.folder / "coder_sft.train.jsonl").read_text()
    assert set(told.values()) == {"prompt", "commit message"}

    pairs = {change_of(row["id"]): row for row in rows(done, "coder_dpo")}
    assert set(pairs) == {change(h, edited), change(h, mended)}
    pair = pairs[change(h, edited)]
    assert "return other(value, by=1)" in pair["chosen"][0]["content"]
    assert "edited_7" in pair["rejected"][0]["content"]
    kto = rows(done, "coder_kto")
    assert {change_of(row["id"]) for row in kto if not row["label"]} == {change(h, edited), change(h, mended)}
    assert len({row["id"] for row in kto}) == len(kto) == len(sft) + 2 * len(pairs) + 1  # and the mended one
    verdicts = {change_of(row["id"]): json.loads(row["completion"][0]["content"]) for row in rows(done, "judge_sft")}
    assert verdicts[change(h, mended)]["verdict"] == "revise"
    assert verdicts[change(h, edited)] == {"verdict": "accept", "because": "100 % of its lines stood after 14 days"}

    everything = b"".join(whole(done.folder).values()).decode()
    for secret in (TOKEN, "Zebedee", "zebedee", "zq@corp.test", "secret_keys", "dev@example.com"):
        assert secret not in everything, secret
    assert "[redacted:github-token]" in everything
    assert body["redacted"]["texts"] >= 1
    os.chdir(h.repo)
    assert main(["export", "--format", "all"]) == 0
    said = capsys.readouterr().out
    assert "stands unchanged in" in said
    assert "reverted, and not landed again" in said


def stamp(days: float) -> str:
    return f"{int(played.NOW - days * 86_400)} +0000"
