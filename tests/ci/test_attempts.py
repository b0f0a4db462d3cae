"""A plan carried out around real commands, in a real repository: attempts, gates, undoing, escalation, and what is on record."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from git_hone.ci import attempts, choosing
from git_hone.ci.attempts import Orders
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import Place, find
from git_hone.hooks.recall import recall
from git_hone.hooks.view import show
from git_hone.learner.errors import UsageError
from git_hone.learner.experience import tried
from git_hone.learner.store import Store

CHECK = "python3 -c \"import sys; sys.exit('good' not in open('app.py').read())\""
AGENT = """\
import os, pathlib, sys
model = os.environ["HONE_MODEL"]
text = "good = 1\\n" if model == "large" else "bad = 1\\n"
pathlib.Path("app.py").write_text(text)
pathlib.Path("new folder").mkdir(exist_ok=True)
pathlib.Path("new folder", f"{model}.txt").write_text(" ".join(sys.argv[1:]))
pathlib.Path("kept.txt").unlink(missing_ok=True)
"""


@pytest.fixture
def here(repo: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A repository with two models, the small one first: its endpoint answers on this machine."""
    made = repo()
    top = made.path
    (top / "kept.txt").write_text("committed\n")
    (top / "agent.py").write_text(AGENT)
    (top / ".gitignore").write_text(".agent/\nignored.txt\n")
    made.git("add", "-A")
    made.git("commit", "-qm", "base")
    setup.install(find(top), ())
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: _accept(server), daemon=True)
        thread.start()
        models = [
            {"id": "small", "provider": "ollama", "endpoint": f"http://127.0.0.1:{server.getsockname()[1]}", "cost_per_1k": 0},
            {
                "id": "large",
                "provider": "openai-compatible",
                "endpoint": "https://api.example",
                "input_per_1m_usd": 3,
                "output_per_1m_usd": 15,
            },
        ]
        config = {"privacy": {"local_only": False}, "modelRouter": {"epsilon": 0.0, "max_cost_per_1k_usd": 1}}
        (top / ".agent" / "model_variants.json").write_text(json.dumps(models))
        (top / ".agent" / "learning-config.json").write_text(json.dumps(config))
        monkeypatch.chdir(top)
        yield find(top)
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _accept(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def cascade(place: Place, *models: str) -> choosing.Decided:
    """A decision whose plan has these models in this order, whatever the priors think of them."""
    decided = choosing.choose(place, place.agent, "make it good", random=random.Random(0), gate_kinds=("test",))
    plan = decided.choice.plan._replace(steps=tuple(decided.choice.plan.steps[0]._replace(model=name) for name in models))
    return decided._replace(choice=decided.choice._replace(plan=plan, shares={" > ".join(models): 1.0}))


def carry_out(place: Place, decided: choosing.Decided, *words: str, **more: Any) -> tuple[list[attempts.Attempt], list[str]]:
    said: list[str] = []
    given = {"gates": {"test": CHECK}, "timeout_s": 30.0} | more
    orders = Orders("make it good", words or (sys.executable, "agent.py", "{task}", "--model={model}"), **given)
    return attempts.carry_out(place, decided, orders, said.append, quiet=True), said


def git(place: Place, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=place.cwd, capture_output=True, text=True, check=True).stdout.strip()


def state(place: Place) -> dict[str, bytes]:
    top = place.cwd
    files = {
        str(f.relative_to(top)): f.read_bytes()
        for f in sorted(top.rglob("*"))
        if f.is_file() and not {".git", ".agent"} & set(f.parts)
    }
    return files | {"(status)": subprocess.run(["git", "status", "--porcelain"], cwd=top, capture_output=True, check=True).stdout}


def test_what_the_gates_stop_is_undone_and_the_next_model_does_it(here: Place) -> None:
    done, said = carry_out(here, cascade(here, "small", "large"))
    assert [(one.model, one.ended, one.gates) for one in done] == [
        ("small", "stopped", {"test": False}),
        ("large", "passed", {"test": True}),
    ]
    assert (here.cwd / "app.py").read_text() == "good = 1\n"
    assert (here.cwd / "new folder" / "large.txt").read_text() == "make it good --model=large"
    assert not (here.cwd / "new folder" / "small.txt").exists()
    assert git(here, "show", f"{done[0].kept}:app.py") == "bad = 1"
    assert any("attempt 2 of 2: large" in line for line in said)


def test_each_step_is_on_record_and_the_survivor_has_its_lines(here: Place) -> None:
    decided = cascade(here, "small", "large")
    decided = decided._replace(asked={**decided.asked, "task_kind": "fix", "difficulty": "hard"})
    carry_out(here, decided)
    subprocess.run(["git", "add", "-A"], cwd=here.cwd, check=True)
    subprocess.run(["git", "commit", "-qm", "work"], cwd=here.cwd, check=True)
    drain(here)
    seen = show(here, "HEAD")
    (run,) = seen["runs"]
    assert (run["model"], run["decision_id"]) == ("large", f"{decided.id}.1")
    assert (run["task_kind"], run["difficulty"]) == ("fix", "hard")
    rows = {row["decision_id"]: row for row in Store(here.data).rows("decisions")}
    assert rows[f"{decided.id}.0"]["result"]["ended"] == "stopped"
    assert rows[f"{decided.id}.1"]["result"] == {"ended": "passed", "gates": {"test": True}, "exit_code": 0,
                                                 "seconds": rows[f"{decided.id}.1"]["result"]["seconds"]}  # fmt: skip
    by_model = {one.model: one for one in tried(Store(here.data))}
    assert by_model["small"].reward == 0.0 and by_model["small"].ended == "stopped"
    assert by_model["large"].decision_id == f"{decided.id}.1" and (by_model["large"].reward or 0) > 0.5
    assert {past.model: past.reward > 0.5 for past in recall(here)} == {"small": False, "large": True}


def test_what_a_person_had_not_committed_comes_back_byte_for_byte(here: Place) -> None:
    top = here.cwd
    (top / "app.py").write_text("mine, not yet committed\n")
    (top / "untracked.txt").write_bytes(b"\xff\x00 mine\r\n")
    (top / "kept.txt").write_text("staged\n")
    subprocess.run(["git", "add", "kept.txt"], cwd=top, check=True)
    (top / "ignored.txt").write_text("left alone\n")
    (top / "agent.py").chmod(0o700)
    before = state(here)
    mess = "rm kept.txt agent.py; mkdir app.d; echo x > app.d/y; echo bad > app.py; printf z >> untracked.txt; git add -A; git commit -qm z"
    script = f'test "$HONE_MODEL" = large || {{ {mess}; }}'
    done, _ = carry_out(here, cascade(here, "small", "large"), "sh", "-c", script, gates={"test": "false"})
    assert [one.ended for one in done] == ["stopped", "stopped"]
    assert state(here) == before
    assert os.access(top / "agent.py", os.X_OK)
    assert git(here, "show", f"{done[0].kept}:app.d/y") == "x"


def test_uncommitted_work_that_an_agent_destroys_stays_under_a_ref(here: Place) -> None:
    top = here.cwd
    (top / "kept.txt").write_text("mine, not yet committed\n")
    (top / "new.txt").write_text("staged\n")
    subprocess.run(["git", "add", "new.txt"], cwd=top, check=True)
    (top / "new.txt").write_text("staged, and more\n")
    (top / "untracked.txt").write_bytes(b"\xff\x00 mine\r\n")
    done, said = carry_out(here, cascade(here, "large"), "sh", "-c", "echo good > app.py", gates={})
    assert done[0].ended == "passed" and not any("uncommitted" in line for line in said)
    assert git(here, "for-each-ref", "refs/hone/attempts") == ""  # nothing of it was touched
    decided = cascade(here, "large")
    done, said = carry_out(here, decided, "sh", "-c", "git reset -q --hard; git clean -fdq", gates={})
    ref = f"refs/hone/attempts/{decided.id}.before"
    assert "your uncommitted work was changed in app.py, kept.txt, new.txt and 1 more" in said[-1] and ref in said[-1]
    git(here, "restore", f"--source={ref}", "kept.txt", "new.txt", "untracked.txt")
    assert (top / "kept.txt").read_text() == "mine, not yet committed\n"
    assert (top / "new.txt").read_text() == "staged, and more\n"
    assert (top / "untracked.txt").read_bytes() == b"\xff\x00 mine\r\n"
    assert git(here, "show", f"{ref}^2:new.txt") == "staged"


def test_what_was_only_staged_is_kept_where_an_agent_unstages_it(here: Place) -> None:
    (here.cwd / "kept.txt").write_text("only staged\n")
    git(here, "add", "kept.txt")
    (here.cwd / "kept.txt").write_text("committed\n")
    decided = cascade(here, "large")
    _, said = carry_out(here, decided, "git", "reset", "-q", gates={})
    assert "changed in kept.txt" in said[-1]
    assert git(here, "show", f"refs/hone/attempts/{decided.id}.before^2:kept.txt") == "only staged"


def test_an_agent_that_commits_a_persons_work_has_lost_nothing(here: Place) -> None:
    (here.cwd / "kept.txt").write_text("mine\n")
    _, said = carry_out(here, cascade(here, "large"), "sh", "-c", "git add -A; git commit -qm all", gates={})
    assert "uncommitted" not in said[-1] and git(here, "for-each-ref", "refs/hone/attempts") == ""


def test_an_interruption_says_where_things_stand(here: Place) -> None:
    (here.cwd / "kept.txt").write_text("mine\n")
    code = (  # a shell starts what it puts into the background with interruptions ignored, tests among it
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from git_hone.cli import main; raise SystemExit(main())"
    )
    agent = ["sh", "-c", "echo half > kept.txt; kill -INT $PPID; sleep 300"]
    words = [sys.executable, "-c", code, "run", "--task", "x", "--model", "large", "--", *agent]
    done = subprocess.run(words, cwd=here.cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130
    assert "interrupted; what the attempt wrote so far is in the work tree" in done.stderr
    (ref,) = git(here, "for-each-ref", "--format=%(refname)", "refs/hone/attempts").split()
    assert f"your uncommitted work was changed in kept.txt; as it was: `git diff -R {ref}`" in done.stderr
    assert git(here, "show", f"{ref}:kept.txt") == "mine"


def test_commits_of_a_stopped_attempt_are_undone_and_kept(here: Place) -> None:
    head = git(here, "rev-parse", "HEAD")
    script = 'echo bad > app.py; git add -A; git commit -qm wip; git switch -qc other; test "$HONE_MODEL" = small || echo good > app.py'
    done, _ = carry_out(here, cascade(here, "small", "large"), "sh", "-c", script)
    assert [one.ended for one in done] == ["stopped", "passed"]
    assert git(here, "log", "--format=%s", "-1", f"{done[0].kept}^") == "wip"
    assert git(here, "rev-parse", "HEAD~1") == head


def test_a_time_out_ends_the_whole_group_and_escalates(here: Place) -> None:
    script = 'test "$HONE_MODEL" = large && exit; (trap "" TERM; sleep 300 & echo $! > ignored.txt; wait) & sleep 300'
    done, _ = carry_out(here, cascade(here, "small", "large"), "sh", "-c", script, timeout_s=1.0, gates={})
    assert [one.ended for one in done] == ["timeout", "passed"]
    stubborn = (here.cwd / "ignored.txt").read_text().strip()
    found = subprocess.run(["ps", "-o", "stat=", "-p", stubborn], capture_output=True, text=True, check=False).stdout
    assert found.strip()[:1] in ("", "Z")  # gone, or dead and not yet buried: it does not write into the next attempt
    drain(here)
    assert all(past.model != "small" for past in recall(here))


def test_a_dead_endpoint_is_the_next_step_visibly(here: Place) -> None:
    rows = json.loads((here.agent / "model_variants.json").read_text())
    with socket.create_server(("127.0.0.1", 0)) as server:
        rows[0]["endpoint"] = f"http://127.0.0.1:{server.getsockname()[1]}"
    (here.agent / "model_variants.json").write_text(json.dumps(rows))
    done, said = carry_out(here, cascade(here, "small", "large"))
    assert [one.ended for one in done] == ["unreachable", "passed"]
    assert any("nothing answers at http://127.0.0.1" in line for line in said)


def test_a_command_that_fails_without_a_change_is_started_again_and_blames_nobody(here: Place) -> None:
    done, said = carry_out(here, cascade(here, "large"), "sh", "-c", "exit 7", retries=2)
    assert (done[0].ended, done[0].exit_code) == ("unreachable", 7)
    assert sum("once more" in line for line in said) == 2


def test_a_gate_that_was_red_before_judges_nobody(here: Place) -> None:
    subprocess.run(
        [sys.executable, "-c", "from git_hone.cli import main; main()", "check", "test", "--", "false"], cwd=here.cwd, check=False
    )
    drain(here)
    done, said = carry_out(here, cascade(here, "small", "large"), gates={"test": "false", "lint": "true"})
    assert [(one.ended, one.gates) for one in done] == [("passed", {"lint": True})]
    assert any("gate test: already failing" in line for line in said)


def test_a_gate_that_was_red_before_must_pass_where_it_was_named_for_the_task(here: Place) -> None:
    code = "from git_hone.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, "check", "test", "--", "false"], cwd=here.cwd, check=False)
    drain(here)
    done, said = carry_out(here, cascade(here, "small", "large"), named=("test",))
    assert [(one.ended, one.gates) for one in done] == [("stopped", {"test": False}), ("passed", {"test": True})]
    assert any("it was named for this task, so it must pass now" in line for line in said)


def test_a_gate_that_cannot_run_judges_nobody_and_the_next_model_follows(here: Place) -> None:
    gate = "sh -c 'grep -q good app.py || exit 127'"
    done, said = carry_out(here, cascade(here, "small", "large"), gates={"test": gate})
    assert [(one.ended, one.gates) for one in done] == [("unjudged", {}), ("passed", {"test": True})]
    assert any("gate test could not run, so it judges nobody" in line for line in said)
    drain(here)
    assert {one.model: one.reward for one in tried(Store(here.data))} == {"small": None, "large": None}
    assert recall(here) == ()


def test_a_gate_without_an_end_is_ended(here: Place) -> None:
    done, _ = carry_out(here, cascade(here, "large"), "true", gates={"test": "sleep 300"}, timeout_s=1.0)
    assert [(one.ended, one.gates, one.why) for one in done] == [("timeout", {}, "gate test: no end after 1 s")]


def test_command_and_named_gates_run_where_the_person_is_and_other_gates_at_the_top(here: Place) -> None:
    sub = here.cwd / "sub"
    sub.mkdir()
    gates = {"lint": "test -f sub/app.py", "test": "test -f app.py"}
    given = {"gates": gates, "named": ("test",), "cwd": sub}
    done, _ = carry_out(here, cascade(here, "large"), "sh", "-c", "echo good > app.py", **given)
    assert (done[0].ended, done[0].gates) == ("passed", {"lint": True, "test": True})
    assert (sub / "app.py").exists() and not (here.cwd / "app.py").exists()


def test_an_attempt_that_changed_nothing_is_said(here: Place) -> None:
    done, said = carry_out(here, cascade(here, "large"), "true", gates={})
    assert (done[0].ended, done[0].changed) == ("passed", False) and "passed (it changed nothing)" in said[-1]


def test_the_prompt_comes_on_standard_input_where_the_command_names_none(here: Place) -> None:
    done, _ = carry_out(here, cascade(here, "large"), "sh", "-c", "cat > app.py", gates={})
    assert done[0].ended == "passed"
    assert "make it good" in (here.cwd / "app.py").read_text()


def test_a_task_that_names_a_placeholder_is_not_filled_again(here: Place) -> None:
    assert attempts._filled("do {task} with {model}", {"{task}": "say {model}", "{model}": "m"}) == "do say {model} with m"


def test_a_command_that_is_not_there_says_so_and_undoes_nothing(here: Place) -> None:
    before = state(here)
    with pytest.raises(UsageError, match="no-such-agent: command not found"):
        carry_out(here, cascade(here, "large"), "no-such-agent")
    assert state(here) == before


def test_in_the_middle_of_a_merge_it_does_not_begin(here: Place) -> None:
    (here.git_dir / "MERGE_HEAD").write_text("0" * 40 + "\n")
    with pytest.raises(UsageError, match="in the middle of something"):
        carry_out(here, cascade(here, "large"))


@pytest.mark.parametrize("word", ["test", "test=", "smell=true"])
def test_a_gate_must_name_its_kind_and_command(here: Place, word: str) -> None:
    with pytest.raises(UsageError, match="KIND=COMMAND"):
        attempts.gates_of(here, {}, [word])


def test_gates_of_the_configuration_and_of_the_call(here: Place) -> None:
    assert attempts.gates_of(here, {"gates": {"lint": "a", "test": "b"}}, ["test=c d"]) == {"lint": "a", "test": "c d"}


def test_the_command_from_end_to_end(here: Place) -> None:
    def hone(gate: str) -> tuple[int, Any]:
        code = "from git_hone.cli import main; raise SystemExit(main())"
        words = [
            "run",
            "--task",
            "make it good",
            "--gate",
            f"test={gate}",
            "--model",
            "large",
            "--json",
            "--",
            sys.executable,
            "agent.py",
        ]
        done = subprocess.run([sys.executable, "-c", code, *words], cwd=here.cwd, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    code, body = hone(CHECK)
    assert (code, body["ended"], body["attempts"][0]["gates"]) == (0, "passed", {"test": True})
    code, body = hone("false")
    assert (code, body["ended"]) == (1, "stopped")
