"""The workflow that `git hone init --workflow` writes, run line by line as GitHub would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.hooks import notes
from git_hone.learner import ledger

HOSTILE = """x; touch pwned; $(touch pwned) `touch pwned` "quoted" 'too' #${{ github.token }}"""


def results(jobs: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, job.result) for name, job in jobs.items()]


def test_a_better_model_is_promoted_on_a_branch(scratch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = scratch.refs()
    jobs = scratch.run({"candidate": "good", "incumbent": "bad"})
    assert results(jobs) == [("export", "success"), ("train", "skipped"), ("evaluate", "success"), ("gate", "success"),
                             ("promote", "success")], [job.log for job in jobs.values()]  # fmt: skip
    assert jobs["export"].outputs == {"enough": "false", "artifact": "", "artifact_run": ""}
    assert "Nothing that is committed serves coder yet: a candidate is compared with `bad`" in jobs["export"].summary
    assert "Too few for a training" in jobs["export"].summary
    assert "| good | repository | 7 of 7 | 7 |" in jobs["evaluate"].summary
    assert "| bad | repository | 0 of 7 | 0 |" in jobs["evaluate"].summary
    assert jobs["gate"].summary.startswith("# Gate: promote good\n\n7 won, 0 lost of 7 tasks")
    (branch,) = scratch.refs().keys() - before.keys() - {"refs/notes/hone"}
    assert branch.startswith("refs/heads/hone/promote-")
    assert f"Branch `{branch.removeprefix('refs/heads/')}`, pushed to origin" in jobs["promote"].summary
    assert scratch.refs()["refs/heads/main"] == before["refs/heads/main"]
    remote = scratch.remote
    assert remote.git("diff", "--name-only", "main", branch).splitlines() == [
        ".agent/evaluations/repository/bad.json", ".agent/evaluations/repository/good.json", ".agent/promotions.jsonl"]  # fmt: skip
    line = json.loads(remote.git("show", f"{branch}:.agent/promotions.jsonl"))
    assert (line["verdict"], line["from"], line["to"], line["look"], line["role"]) == ("promote", "bad", "good", 1, "coder")
    head = before["refs/heads/main"]
    (event,) = notes.events(notes.read(remote.path, [head])[head])
    assert (event["type"], event["verdict"], event["at"]) == ("promotion", "promote", line["at"])
    said = (scratch.gh.parent / "gh.said").read_text()
    assert said.splitlines()[:6] == ["pr", "create", "--head", branch.removeprefix("refs/heads/"), "--title", "Promote good"]
    assert "In place of bad: 7 won, 0 lost of 7 tasks" in said
    scratch.clone.git("pull", "-q", "origin", branch)
    capsys.readouterr()
    assert main(["learn", "promote", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == {}  # merged: nothing to do

    assert main(["learn", "incumbent", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == {"incumbent": "good", "artifact": ""}, "this must be beaten now"
    assert main(["learn", "evaluate", "--candidate", "good", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"] == {"compare": "false"}, "no look is spent on what serves already"
    assert "good serves coder already" in told["report"]


def test_a_refusal_is_a_result_and_nothing_is_pushed(scratch: Any) -> None:
    before = scratch.refs()
    jobs = scratch.run(None, HONE_CANDIDATE="worse", HONE_INCUMBENT="bad")  # by the schedule
    assert results(jobs) == [("export", "success"), ("train", "skipped"), ("evaluate", "success"), ("gate", "success"),
                             ("promote", "skipped")], [job.log for job in jobs.values()]  # fmt: skip
    assert jobs["gate"].outputs == {"verdict": "refuse"}
    assert jobs["gate"].summary.startswith("# Gate: refuse worse\n\nsuperiority: underpowered: 0 of 7 tasks tell the two apart")
    assert scratch.refs() == before
    assert not (scratch.gh.parent / "gh.said").exists()
    (scratch.gh.parent / "gh.runs").write_text(scratch.work.name)  # the next run finds the ledger of this one
    scratch.work = scratch.work.with_name("second")
    jobs = scratch.run(None, HONE_CANDIDATE="bad", HONE_INCUMBENT="worse")
    assert "look 2 of 2 at this version of the suite" in jobs["gate"].summary
    assert "actions/artifacts?name=hone-gate" in (scratch.gh.parent / "gh.asked").read_text()


def test_the_schedule_without_settings_exports_and_stops(scratch: Any) -> None:
    jobs = scratch.run(None)
    assert results(jobs) == [("export", "success")] + [(name, "skipped") for name in ("train", "evaluate", "gate", "promote")]


LINE = {"what": "gate", "verdict": "promote", "from": "bad", "to": "good", "reason": "better", "suite": "repository", "suite_hash": "0" * 64,
        "look": 1}  # fmt: skip


ID = "0123456789ab"


def test_the_adapter_in_place_is_fetched_or_nothing_is_compared(scratch: Any) -> None:
    """It was trained by an earlier run, and its branch was merged."""
    line = {"what": "gate", "verdict": "promote", "role": "coder", "to": ID, "from": "base", "file_sha256": "0" * 64}
    ledger.append(scratch.clone.path / ".agent", line)
    scratch.clone.commit("Promote it")
    scratch.clone.git("push", "-q", "origin", "main")
    jobs = scratch.run({"candidate": "good"})
    assert (jobs["export"].result, jobs["evaluate"].result, jobs["promote"].result) == ("failure", "skipped", "skipped")
    assert (
        f"No run holds the artifact hone-adapter-{ID}, the adapter in place: no candidate can be compared"
        in jobs["export"].summary
    )
    (scratch.gh.parent / "gh.runs").write_text("made")
    kept = scratch.work.with_name("made") / f"artifacts/hone-adapter-{ID}/coder/{ID}"
    kept.mkdir(parents=True)
    (kept / "adapter.gguf").write_text("another")
    scratch.work = scratch.work.with_name("found")
    scratch.edit = lambda text: text.replace("git-hone[train,serve]", "git-hone")
    jobs = scratch.run({"candidate": "good", "base": ".agent/.gitignore"})
    assert f"actions/artifacts?name=hone-adapter-{ID}" in (scratch.gh.parent / "gh.asked").read_text()
    assert (jobs["export"].result, jobs["evaluate"].result, jobs["promote"].result) == ("success", "failure", "skipped")
    assert "not what serves coder" in jobs["evaluate"].log


def test_where_no_pull_request_may_be_opened_the_branch_stands(scratch: Any) -> None:
    scratch.gh.write_text("#!/bin/sh\nexit 1\n")
    job = scratch.promote(LINE)
    assert job.result == "success", job.log
    (branch,) = scratch.refs().keys() - {"refs/heads/main", "refs/notes/hone"}
    assert f"No pull request could be opened: open one for {branch.removeprefix('refs/heads/')} by hand." in job.summary


def test_the_ledger_has_the_last_word_whatever_a_job_said(scratch: Any) -> None:
    before = scratch.refs()
    job = scratch.promote(LINE | {"verdict": "refuse"})
    assert job.result == "failure"
    assert "the gate refused good: better" in job.log
    assert scratch.refs() == before


def test_a_remote_that_does_not_take_the_branch_fails_the_job(scratch: Any) -> None:
    hook = scratch.remote.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    job = scratch.promote(LINE)
    assert job.result == "failure"
    assert "origin did not take hone/promote-" in job.log


def test_a_careless_workflow_would_be_noticed(scratch: Any, tmp_path: Path) -> None:
    line = 'run: python -m pip install --quiet "$HONE_PACKAGE"'
    scratch.edit = lambda text: text.replace(line, "run: echo ${{ inputs.candidate }}", 1)
    scratch.run({"candidate": HOSTILE})
    assert list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("more", ["", "\"'\n::set-output name=verdict::promote\n"])
def test_what_a_person_types_is_never_run(scratch: Any, more: str, tmp_path: Path) -> None:
    before = scratch.refs()
    typed = HOSTILE + more
    inputs = dict.fromkeys(("candidate", "incumbent", "base", "base_sha256", "suite", "guard"), typed)
    jobs = scratch.run(inputs)
    assert jobs["promote"].result == "skipped"
    assert "failure" in {job.result for job in jobs.values()}
    assert not list(tmp_path.rglob("pwned"))
    assert scratch.refs() == before
    log = "".join(job.log for job in jobs.values())
    assert "touch pwned" in log
    assert "\n::set-output" not in log
