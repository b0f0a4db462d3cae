"""Context and examples, from real commits through the command line: drawn, on record, in the agent's prompt, judged by what came of it."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from git_hone.ci import choosing
from git_hone.cli import main
from git_hone.hooks import inbox
from git_hone.hooks.drain import drain
from git_hone.hooks.recall import lifts
from git_hone.learner.context import EXAMPLES
from git_hone.learner.store import Store

from .conftest import block

Play = Any
BUNDLES = [
    {"id": "style", "items": [{"id": "guide", "kind": "doc", "value": "docs/style.md", "tokens": 900},
                              {"id": "rule", "kind": "text", "value": "Every function has a docstring."}]},
    {"id": "api", "items": [{"id": "types", "kind": "files", "value": "src/api/*.py", "tokens": 100}]},
]  # fmt: skip
AGENT = """\
import json, os, pathlib, sys
said = {name: os.environ.get("HONE_" + name) for name in ("MODEL", "CONTEXT", "EXAMPLES", "DECISION")}
pathlib.Path("said.json").write_text(json.dumps(said | {"stdin": sys.stdin.read(), "argv": sys.argv[1:]}))
"""


@pytest.fixture
def here(p: Play, monkeypatch: pytest.MonkeyPatch) -> Play:
    """A repository with a model that may be asked, two bundles, and an agent that writes down what it was told."""
    monkeypatch.chdir(p.repo)
    p.human("docs/style.md", "Be brief.\n")
    p.human("src/api/a.py", "api = 1\n")
    p.human("agent.py", AGENT)
    agent = p.place.agent
    model = {"id": "m", "provider": "openai-compatible", "endpoint": "https://api.example/v1", "context_length": 64000}
    (agent / "model_variants.json").write_text(json.dumps([model]))
    (agent / "learning-config.json").write_text(json.dumps({"privacy": {"local_only": False}}))
    p.commit("files")
    return p


def bundles(p: Play, rows: Any = BUNDLES) -> None:
    (p.place.agent / "context.json").write_text(json.dumps(rows))


def asked(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["route", "--json", "--task", "mend the date parser for leap seconds", *args]) == 0
    return dict(json.loads(capsys.readouterr().out))


def rows(p: Play, kind: str) -> list[dict[str, Any]]:
    drain(p.place)
    return [row for row in Store(p.place.data).rows("decisions") if row["kind"] == kind]


def kept(p: Play, text: str, path: str, days: float = 40, message: str = "a change") -> str:
    """A change that an agent made so many days ago, and that stands."""
    p.prompt(text)
    p.write(path, block(path[4:7]))
    when = f"{int(time.time() - days * 86_400)} +0000"
    p.git("add", "-A")
    p.git("commit", "-qm", message, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
    return str(p.git("rev-parse", "HEAD"))


def test_what_is_drawn_is_in_the_prompt_and_on_record(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    bundles(here)
    texts = {"style/guide": "Be brief.", "style/rule": "Every function has a docstring.", "api": "api = 1"}
    seen: set[tuple[str, bool]] = set()
    for _ in range(30):
        told = asked(capsys, "--kind", "fix")
        for one in told["context"]:
            assert one["propensity"] == pytest.approx(0.5 if "/" not in one["id"] else 0.841345)
            seen.add((one["id"], one["included"]))
        drawn = {one["id"] for one in told["context"] if one["included"]}
        assert {name for name, text in texts.items() if text in told["prompt"]["text"]} == drawn & set(texts)
    assert {("style", True), ("style", False), ("api", True), ("api", False)} <= seen
    found = rows(here, "context")
    assert len(found) == 30 and all(row["decision_id"].endswith(".context") and 0 < row["propensity"] < 1 for row in found)
    last = next(row for row in found if row["decision_id"] == f"{told['decision_id']}.context")
    assert [one["id"] for one in last["context"]] == [one["id"] for one in told["context"]]


def test_run_hands_over_the_context_and_the_run_says_what_was_offered(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    bundles(here, [{"id": "rule", "items": [{"id": "r", "kind": "text", "value": "Mind the {task} gap."}]}])
    told: dict[str, Any] = {}
    for _ in range(60):
        assert main(["run", "--task", "mend it", "--", "python3", "agent.py", "{context}"]) == 0
        told = json.loads((here.repo / "said.json").read_text())
        if told["CONTEXT"]:
            break
    assert told["CONTEXT"] == "Mind the {task} gap." and told["argv"] == [told["CONTEXT"]]
    assert told["CONTEXT"] in told["stdin"] and "mend it" in told["stdin"]
    drain(here.place)
    runs = {row["decision_id"]: row for row in Store(here.place.data).rows("runs") if row["decision_id"]}
    assert runs[told["DECISION"]]["context"] == [{"id": "rule", "included": True, "propensity": 0.5}]


def test_what_helps_is_offered_more_often_after_it_did(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    bundles(here)
    drawn, place = random.Random(5), here.place
    for _ in range(60):
        decided = choosing.choose(place, place.agent, "mend it", kind="fix", random=drawn)
        helped = any(one.id == "style" and one.included for one in decided.shaped.offers)
        result = {"ended": "passed", "reward": drawn.uniform(0.85, 0.95) if helped else drawn.uniform(0.15, 0.25)}
        choosing.put(place, [choosing.attempt(decided.id, decided.choice, decided.asked, 0, result)])
    drain(place)
    measured = lifts(place)
    assert measured[None]["style"].value == pytest.approx(0.7, abs=0.05) == measured["fix"]["style"].value
    shares = {one["id"]: one["propensity"] for one in asked(capsys, "--kind", "fix")["context"]}
    assert shares["style"] == pytest.approx(0.95) and 0.05 <= shares["api"] < 0.9
    assert main(["router", "context", "--json"]) == 0
    shown = {one["id"]: one for one in json.loads(capsys.readouterr().out)["context"]}
    assert shown["style"]["value"] == pytest.approx(measured[None]["style"].value)
    assert shown["style"]["low"] < 0.7 < shown["style"]["high"]


def test_what_cannot_be_had_is_not_offered_and_a_line_says_so(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    (here.repo / "docs" / "my-secret.md").write_text("x")
    (here.repo / "raw.bin").write_bytes(b"\xff\xfe\x00")
    (here.repo / "out").symlink_to("/etc")
    values = {"doc": ["gone.md", "../x.md", "docs/my-secret.md", "raw.bin", ".git/config", "out/passwd", "/etc/passwd"],
              "files": ["/etc/*", "nothing/*.py", "../*"], "pattern": ["p1"]}  # fmt: skip
    each = [(kind, value) for kind, of in values.items() for value in of]
    items = [{"id": f"i{k}", "kind": kind, "value": value, "tokens": 5} for k, (kind, value) in enumerate(each)]
    bundles(here, [{"id": "bad", "items": items}])
    assert main(["route", "--json", "--task", "x"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["context"] == []
    for k in range(len(each)):
        assert f"context bad/i{k}: " in said.err
    assert "secret" in said.err and "not offered" in said.err


@pytest.mark.parametrize("text", ["{", "[]", '[{"id": "a"}]', "[" * 100_000])
def test_a_wrong_file_is_said_and_the_plan_comes_all_the_same(here: Play, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here.place.agent / "context.json").write_text(text)
    assert main(["route", "--json", "--task", "x"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["context"] == []
    assert "context.json" in said.err and "no context is offered" in said.err


def test_the_budget_of_tokens_holds_and_what_does_not_fit_tells_nothing(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    bundles(here, [{"id": "big", "items": [{"id": "t", "kind": "text", "value": "word " * 5000}]}])
    (offer,) = asked(capsys)["context"]
    assert offer == {"id": "big", "included": False, "propensity": 0.0}


def test_examples_are_of_matured_changes_and_leave_with_their_revert(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    good = kept(here, "mend the date parser for leap years", "src/dates.py")
    kept(here, "write a tutorial on colours", "src/colours.py")
    kept(here, "mend the date parser for time zones", "src/zones.py", days=3)  # has not matured
    assert main(["drain", "--outcomes"]) == 0
    change = here.show(good)["change_id"]
    told = next(one for one in (asked(capsys, "--file", "src/dates.py") for _ in range(60)) if one["examples"])
    assert change in [one["change_id"] for one in told["examples"]]
    assert told["examples"][0]["change_id"] == change and told["examples"][0]["similarity"] > 0.5
    assert "time zones" not in told["prompt"]["text"] and "+def dat_0(x)" in told["prompt"]["text"]
    assert EXAMPLES in {one["id"] for one in told["context"]}
    assert change in [one["change_id"] for one in told["nearest"]]
    here.git("revert", "--no-edit", good)
    drain(here.place)
    for _ in range(10):
        assert change not in [one["change_id"] for one in asked(capsys, "--file", "src/dates.py")["examples"]]


def test_a_change_that_tampers_is_never_shown(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    here.human("tests/test_a.py", "def test_a():\n    assert 1 + 1 == 2\n")
    here.commit("a test")
    here.prompt("mend the date parser")
    here.write("tests/test_a.py", "import pytest\n\n\n@pytest.mark.skip\ndef test_a():\n    assert 1 + 1 == 2\n")
    when = f"{int(time.time() - 40 * 86_400)} +0000"
    here.git("add", "-A")
    here.git("commit", "-qm", "skip", GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
    kept(here, "mend the date parser for leap years", "src/dates.py", days=30)
    assert main(["drain", "--outcomes"]) == 0
    shown = [shot for _ in range(20) for shot in asked(capsys)["examples"]]
    assert {shot["task"] for shot in shown} == {"mend the date parser for leap years"}


def test_a_prompt_without_a_place_for_it_draws_none(here: Play, capsys: pytest.CaptureFixture[str]) -> None:
    bundles(here)
    (here.place.agent / "prompt_variants.json").write_text(json.dumps([{"id": "bare", "template": "{task}"}]))
    told = asked(capsys)
    assert (told["context"], told["prompt"]["text"]) == ([], "mend the date parser for leap seconds")
    assert rows(here, "context") == []


def test_a_reward_of_a_run_counts_once_for_the_context_it_had(here: Play) -> None:
    """The state's lifts and the record's are the same numbers."""
    from git_hone.learner import context

    bundles(here)
    drawn, place = random.Random(2), here.place
    for k in range(24):
        decided = choosing.choose(place, place.agent, "mend it", kind="fix", random=drawn)
        ended = {"ended": "stopped", "gates": {"test": False}} if k % 3 else {"ended": "passed", "reward": 0.8}
        inbox.put(
            place.inbox,
            {"v": 1, "type": "decision", "row": choosing.attempt(decided.id, decided.choice, decided.asked, 0, ended)},
        )
    drain(place)
    assert lifts(place) == context.measured(context.shown(Store(place.data)))
