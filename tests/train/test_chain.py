"""The whole chain on a real model: what `git hone demo --train` does from an agent's sessions to the rollback."""

from __future__ import annotations

import json
import re

from .conftest import House


def test_it_ends_well_and_says_what_each_step_took(house: House) -> None:
    assert house.code == 0, house.said
    assert len(re.findall(r"^\(\d+ s, \d+ s of CPU\)$", house.said, re.MULTILINE)) == 11
    assert re.search(r"^all of it: \d+ s, \d+ s of CPU$", house.said, re.MULTILINE)


def test_what_it_learned_from_matured_and_is_not_in_the_tasks(house: House) -> None:
    (manifest,) = (json.loads(file.read_bytes()) for file in house.agent.glob("sft/*/manifest.json"))
    assert manifest["changes_used"] == manifest["changes"] == 42
    assert manifest["rows"]["coder_sft"]["train"] + manifest["rows"]["coder_sft"]["val"] == 42
    assert not manifest["excluded_rows"]
    assert [one["tasks"] for one in manifest["suite"]] == [16]


def test_the_base_does_not_know_the_convention_and_the_adapter_does(house: House) -> None:
    base, tuned = house.evaluation("base"), house.evaluation("tuned")
    assert sum(one["passed"] for one in base["attempts"]) == 0
    assert sum(one["passed"] for one in tuned["attempts"]) >= 6  # fewer can show nothing at this level
    assert tuned["divergence"] < 5e-4


def test_the_gate_promoted_it_and_every_step_is_in_the_ledger(house: House) -> None:
    lines = [json.loads(line) for line in (house.agent / "promotions.jsonl").read_text().splitlines()]
    assert [one["what"] for one in lines if one["what"] in ("gate", "create", "deploy", "rollback")] == [
        "gate", "create", "deploy", "rollback"]  # fmt: skip
    assert (lines[0]["verdict"], lines[0]["from"], lines[0]["to"]) == ("promote", "base", "tuned")
    assert (lines[-1]["from"], lines[-1]["to"]) == (house.adapter.name, None)


def test_what_is_served_follows_the_convention_only_while_it_is_deployed(house: House) -> None:
    answers = re.findall(r"^> Write the function triple.*\n((?:.|\n)*?)\n\n", house.said, re.MULTILINE)
    assert ["expected int" in one for one in answers] == [False, True, False]


def test_drift_is_seen_before_the_rollback(house: House) -> None:
    assert house.said.index("WORSE: alarm at run") < house.said.index("$ git hone rollback")
    watched = json.loads(house.hone("stats", "--drift", "--json").stdout)["drift"]
    assert {one["model"]: one["alarm"] is not None for one in watched} == {
        "my-coder-tuned-coder": True, "claude-sonnet-4-5": False}  # fmt: skip
