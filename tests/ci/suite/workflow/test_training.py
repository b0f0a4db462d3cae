"""The workflow with an adapter that it trains itself: only `nox -s train` installs what that needs, and names the model."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from git_hone.learner import ledger

MODEL = os.environ.get("HONE_TRAIN_MODEL", "")
pytestmark = [pytest.mark.skipif(not MODEL, reason="nox -s train"), pytest.mark.exhaustive]


def rows(n: int) -> str:
    made = []
    for i in range(n):
        asked = {"role": "user", "content": f"Let double of m{i} double."}
        code = {"role": "assistant", "content": f"FILE: m{i}.py\n```python\ndef double(x):\n    return x + x\n```\n"}
        made.append({"id": f"c{i}-coder-{i:010}", "prompt": [asked], "completion": [code], "role": "coder", "label": True,
                     "provenance": json.dumps({"difficulty": "easy"})})  # fmt: skip
    return "".join(f"{json.dumps(row)}\n" for row in made)


@pytest.mark.parametrize("scratch", [1], indirect=True)
def test_an_adapter_is_trained_measured_and_judged(scratch: Any) -> None:
    before = scratch.refs()
    jobs = scratch.after_export(rows(12), HONE_BASE=MODEL)
    assert [(name, job.result) for name, job in jobs.items()][1:] == [
        ("train", "success"), ("evaluate", "success"), ("gate", "success"), ("promote", "skipped")], [job.log for job in jobs.values()]  # fmt: skip
    assert jobs["train"].summary.startswith("# Train: adapter ")
    assert jobs["evaluate"].summary.count(" of 1 | ") == 2
    assert "underpowered" in jobs["gate"].summary  # one task tells nothing
    assert "| integrity | yes |" in jobs["gate"].summary  # the adapter came along
    assert scratch.refs() == before

    id_ = jobs["evaluate"].outputs["candidate"]
    assert id_.startswith(jobs["train"].outputs["adapter"]), "one of its checkpoints"
    assert f"Checkpoint {id_}: it was trained longest of the " in jobs["evaluate"].summary
    (judged,) = ledger.read(scratch.work / "gate/workspace/.agent")
    assert (judged["role"], judged["to"]) == ("coder", id_)
    ledger.append(
        scratch.clone.path / ".agent", {**judged, "verdict": "promote"}
    )  # as if the gate had let it through, and it was merged
    scratch.clone.commit("Promote it")
    scratch.clone.git("push", "-q", "origin", "main")
    (scratch.gh.parent / "gh.runs").write_text(scratch.work.name)
    scratch.work = scratch.work.with_name("second")
    jobs = scratch.run({"candidate": "good", "base": MODEL})
    assert jobs["gate"].result == "success", jobs
    assert f"| {id_} | repository | " in jobs["evaluate"].summary, "the adapter in place, not the base"
    assert ledger.read(scratch.work / "gate/workspace/.agent")[-1]["from"] == id_
