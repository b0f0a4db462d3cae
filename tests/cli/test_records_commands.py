"""stats, log, feedback and export, through the command line's own door and as a process."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.hooks import worker
from git_hone.hooks.player import Player, clean_env
from git_hone.learner.store import Store

AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
Hone = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hone(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hone:
    """`hone("stats", ...)` in an empty repository: exit code, stdout, stderr."""
    monkeypatch.chdir(repo().path)

    def call(*args: str) -> tuple[int, str, str]:
        code = main(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def fill(n: int = 8) -> None:
    """n changes by two agents, an hour apart, the first reverted, the last joined into another."""
    rows = [
        {"record_id": f"c{i}", "recorded_at": AT + timedelta(hours=i), "change_id": f"I{i}", "commit": f"{i:040x}",
         "committed_at": AT + timedelta(hours=i), "state": "live" if i < n - 1 else "superseded", "run_ids": [f"r{i}"],
         "agent": "codex" if i == 1 else "claude-code", "model": "opus", "lines_ai": 8, "lines_human": 1, "lines_unknown": 0,
         "lines_written": 10, "reward": 0.5}
        for i in range(n)
    ]  # fmt: skip
    store = Store(Path(".agent/data"))
    store.append("changes", rows)
    store.append("runs", [{"record_id": f"e{i}", "recorded_at": AT, "run_id": f"r{i}", "agent": "codex",
                           "started_at": AT + timedelta(hours=i), "tokens_in": 90, "tokens_out": 10, "duration_ms": 1500}
                          for i in range(n)])  # fmt: skip
    store.append("outcomes", [{"record_id": "o", "recorded_at": AT, "change_id": "I0", "kind": "reverted", "at": AT}])


def test_nothing_recorded_says_what_to_do_next(hone: Hone) -> None:
    for name in ("stats", "log"):
        code, out, _ = hone(name)
        assert code == 0
        assert "recorded yet" in out
        assert "next:" in out
    code, out, _ = hone("stats", "--json")
    assert json.loads(out) == {
        "version": 1, "by": "agent", "groups": [],
        "recent": {"runs": 0, "reward": {"n": 0, "value": None, "low": None, "high": None},
                   "tokens": {"n": 0, "value": None}, "duration_ms": {"n": 0, "value": None}},
    }  # fmt: skip


def test_stats_for_people_and_for_machines(hone: Hone) -> None:
    fill()
    code, out, err = hone("stats")
    assert (code, err) == (0, "")
    head, _, names, claude, codex = out.splitlines()
    assert head.startswith("last 8 runs: reward 0.50 [")
    assert head.endswith("tokens 100, duration 1.5 s")
    assert names.split() == ["agent", "changes", "reward", "95", "%", "kept", "runs/change", "reverted"]
    assert claude.split()[:3] == ["claude-code", "6", "0.50"]
    assert claude.endswith("17 %")
    assert "too few (1)" in codex
    (found, other) = json.loads(hone("stats", "--json")[1])["groups"]
    assert found["agent"] == "claude-code"
    assert found["kept_share"] == 0.8
    assert other["reward"] == {"n": 1, "value": None, "low": None, "high": None}


def test_stats_options(hone: Hone) -> None:
    fill()
    assert json.loads(hone("stats", "--last", "3", "--json")[1])["recent"]["runs"] == 3
    late = json.loads(hone("stats", "--since", "2026-02-01T06:00:00", "--by", "model", "--json")[1])
    assert (late["recent"]["runs"], late["groups"][0]["model"], late["groups"][0]["changes"]) == (2, "opus", 1)
    assert hone("stats", "--by", "mood")[0] == 2


def test_log_lists_the_newest_first(hone: Hone) -> None:
    fill()
    code, out, _ = hone("log", "-n", "2")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["commit", "0" * 8, "0" * 8]
    changes = json.loads(hone("log", "--json")[1])["changes"]
    assert [change["change_id"] for change in changes] == [f"I{i}" for i in (6, 5, 4, 3, 2, 1, 0)]
    assert changes[-1]["outcomes"] == ["reverted"]
    assert changes[-1]["committed_at"] == "2026-02-01T00:00:00+00:00"
    assert hone("log")[1].splitlines()[-1].endswith("reverted")
    assert len(json.loads(hone("log", "--agent", "codex", "--json")[1])["changes"]) == 1
    assert "no change by nobody" in hone("log", "--agent", "nobody")[1]


def test_export_writes_a_database(hone: Hone) -> None:
    fill()
    code, out, err = hone("export", "--sqlite", "hone.db")
    assert (code, out) == (0, "")
    assert "8 runs" in err
    with sqlite3.connect("hone.db") as base:
        assert base.execute("SELECT count(*) FROM runs").fetchone() == (8,)
    base.close()
    assert hone("export", "--sqlite", "no/such/folder/hone.db")[0] == 2


@pytest.mark.parametrize("name", ["stats", "log", "feedback", "export"])
def test_help_has_an_example(hone: Hone, name: str) -> None:
    for flag in ("-h", "--help"):
        code, out, _ = hone(name, flag)
        assert code == 0
        assert "Example" in out
        assert f"git hone {name} " in out


def test_outside_a_repository(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from git_hone.cli import main; sys.exit(main(['stats']))"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "not inside a git repository" in done.stderr


# feedback


@pytest.mark.parametrize("args", [[], ["--accept", "--rating", "3"], ["--rating", "0"], ["--rating", "6"], ["--rating", "nan"]])
def test_feedback_wants_one_word(hone: Hone, args: list[str]) -> None:
    assert hone("feedback", *args)[0] == 2


def test_feedback_needs_a_commit_and_an_ai_change(hone: Hone) -> None:
    hone("init")
    code, _, err = hone("feedback", "--accept")
    assert code == 2
    assert "HEAD: no such commit" in err
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "by hand"], check=True)
    code, _, err = hone("feedback", "--accept")
    assert code == 2
    assert "no AI change is recorded for this commit" in err
    assert hone("feedback", "--upload-pack=x", "--accept")[0] == 2


def test_feedback_files_one_event(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    sha = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    row = {
        "record_id": "c",
        "recorded_at": AT,
        "change_id": "I",
        "commit": "f" * 40,
        "replaces": [sha],
        "state": "live",
        "agent": "x",
    }
    Store(Path(".agent/data")).append("changes", [row])
    monkeypatch.setattr(worker, "drain_now", lambda place: None)
    code, out, err = hone("feedback", "--rating", "4", "--note", "mail me@example.com")
    assert (code, out, err) == (0, "", f"{sha[:8]} rated 0.75\n")
    (file,) = Path(".git/hone/inbox").iterdir()
    body, end = file.read_text().splitlines()
    assert (file.suffix, end) == (".ev", "%end")
    event = json.loads(body)
    assert isinstance(event.pop("at"), float)
    assert event == {"v": 1, "type": "feedback", "rev": sha, "verdict": "rated", "value": 0.75, "note": "mail [redacted:email]"}


def test_feedback_shows_at_once(hone: Hone, home: Path) -> None:
    """From an agent's edit to a person's word, with nothing faked."""
    assert hone("init", "--agent", "claude-code")[0] == 0
    here = Path.cwd()
    with Player(here, home, clean_env(home, PATH=os.environ["PATH"])) as agent:
        agent.prompt("add a greeting")
        agent.write("hello.py", "def hello():\n    return 'hello'\n")
    subprocess.run(["git", "add", "hello.py"], check=True)
    subprocess.run(["git", "commit", "-q", "-m", "Add a greeting"], check=True)
    assert hone("feedback", "--rating", "3")[0] == 0
    (change,) = json.loads(hone("log", "--json")[1])["changes"]
    assert (change["agent"], "rated" in change["outcomes"]) == ("claude-code", True)
    assert hone("feedback", "--reject", "--note", "wrong word")[0] == 0
    (change,) = json.loads(hone("log", "--json")[1])["changes"]
    assert change["reward"] == 0.0


def test_survival_shows_shares_with_their_intervals(hone: Hone) -> None:
    code, out, _ = hone("stats", "--survival")
    assert code == 0 and "no change has been looked at yet" in out
    fill(12)
    looks = [{"record_id": f"s{i}", "recorded_at": AT, "change_id": f"I{i}", "at": AT + timedelta(days=day, hours=i),
              "kind": "survived", "value": 1.0, "detail": {"age_days": day, "alive": 8, "of": 8}}
             for day in (1, 7) for i in range(12)]  # fmt: skip
    Store(Path(".agent/data")).append(
        "outcomes", [{**row, "record_id": f"{row['record_id']}.{n}"} for n, row in enumerate(looks)]
    )
    code, out, _ = hone("stats", "--survival")
    head, claude, codex, *_ = out.splitlines()
    assert head.split() == ["agent", "changes", "1", "d", "7", "d", "14", "d", "30", "d", "90", "d"]
    assert claude.split()[:2] == ["claude-code", "10"] and "90 % [" in claude and "too few (0)" in claude
    assert codex.split()[:2] == ["codex", "1"] and "too few (1)" in codex
    code, out, _ = hone("stats", "--survival", "--json", "--by", "model")
    (group,) = json.loads(out)["survival"]
    assert (group["model"], group["changes"], group["fell"], group["points"][0]["at_risk"]) == ("opus", 11, 1, 10)


def test_drift_names_the_model_that_got_worse_and_both_rates_of_false_alarms(hone: Hone) -> None:
    code, out, _ = hone("stats", "--drift")
    assert code == 0 and "no run names its model yet" in out
    rewards = {"worse": [1.0, 1.0, 0.0] * 40 + [0.0] * 30, "same": [1.0, 1.0, 0.0] * 50, "young": [1.0] * 3}
    store = Store(Path(".agent/data"))
    for model, given in rewards.items():
        store.append("runs", [{"record_id": f"e{model}{i}", "recorded_at": AT, "run_id": f"{model}{i:03d}", "agent": "codex", "model": model,
                               "task_kind": "fix", "started_at": AT + timedelta(hours=i), "evidence": "hook"}
                              for i in range(len(given))])  # fmt: skip
        store.append("changes", [{"record_id": f"c{model}{i}", "recorded_at": AT, "change_id": f"I{model}{i}", "commit": f"{i:040x}",
                                  "committed_at": AT + timedelta(hours=i), "state": "live", "run_ids": [f"{model}{i:03d}"],
                                  "model": model, "reward": reward}
                                 for i, reward in enumerate(given)])  # fmt: skip
    code, out, _ = hone("stats", "--drift")
    assert code == 0
    _, worse, same, young, *_ = out.splitlines()
    assert worse.startswith("worse") and "WORSE: alarm at run 1" in worse
    assert same.startswith("same") and same.endswith("stands") and "% (seed " in same
    assert "too few (3 of 100 rewards)" in young
    code, out, _ = hone("stats", "--drift", "--json")
    told = json.loads(out)
    first = told["drift"][0]
    assert (code, told["rule"], told["drop"], told["window"], told["budget"], told["horizon"]) == (
        0,
        "cusum",
        0.05,
        20,
        0.05,
        300,
    )
    assert (first["model"], first["kind"], first["runs"], first["recent"], first["statistic"]) == (
        "worse",
        "fix",
        150,
        0.0,
        first["threshold"],
    )
    assert first["alarm"]["run_id"] == f"worse{first['alarm']['run'] - 1:03d}" and first["false_alarms"]["cusum"] <= 0.05
    Path(".agent/learning-config.json").write_text('{"driftDetection": {"rule": "seed"}}')
    code, out, _ = hone("stats", "--drift")
    assert code == 0 and "seed: alarms when the mean of the last 20 rewards" in out and "% (cusum " in out
    code, _, said = hone("stats", "--drift", "--survival")
    assert code == 2 and "ask one at a time" in said
