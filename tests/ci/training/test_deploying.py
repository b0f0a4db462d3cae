"""`git hone deploy`, `rollback` and `adapters` over real HTTP, against an Ollama that takes adapters and one that does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from git_hone.ci import gating
from git_hone.ci.deploying import champions
from git_hone.ci.digests import file_sha256
from git_hone.ci.evaluating.engines import Served
from git_hone.ci.training import header
from git_hone.cli import main
from git_hone.learner import ledger
from git_hone.learner.gating import evaluation
from git_hone.learner.gating.evaluation import Attempt, Evaluation

from .deploying_bench import NAME, REFUSES, TAKES, Bench


@pytest.mark.parametrize("version", [TAKES, REFUSES])
def test_what_the_gate_let_through_is_served(bench: Bench, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = bench.serve(version)
    bench.promoted(server, "aaa", capsys)
    asked = server.serving(NAME)["asked"]
    assert asked["parameters"] == {"temperature": 0.2, "top_p": 0.9, "top_k": 40}
    assert "fenced code block" in asked["system"]
    if version == TAKES:
        assert set(asked["files"]) == {"base.gguf"}
        assert server.blobs[asked["adapters"]["adapter.gguf"]] == (bench.agent / "lora/coder/aaa/adapter.gguf").read_bytes()
    else:
        assert "adapters" not in asked
        merged = bench.agent / "lora/coder/aaa/merged.gguf"
        assert server.blobs[asked["files"]["model.gguf"]] == merged.read_bytes()
        assert header.read(merged).tensors["blk.0.attn_v.weight"].type == "F16"
    model = bench.models()[NAME]
    assert (model.provider, model.endpoint, model.model, model.context_length) == ("ollama", server.address, NAME, 128)
    role = champions.load(bench.agent)["coder"]
    assert (role.champion, role.before, role.moving) == ("aaa", [None], False)
    assert bench.whats() == ["gate", "create", "deploy"]
    written = (bench.agent / "Modelfile.coder").read_text()
    assert "PARAMETER temperature 0.2\nPARAMETER top_p 0.9\nPARAMETER top_k 40\nSYSTEM" in written
    assert ("\nADAPTER " in written) == (version == TAKES)


def test_a_base_that_ollama_holds_is_named_and_its_template_kept(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server = bench.serve(TAKES)
    server.models["base.gguf:latest"] = {
        "modelfile": f"FROM /models/blobs/sha256-{bench.base_sha256}",
        "template": "{{ .Prompt }}",
    }
    bench.promoted(server, "aaa", capsys)
    asked = server.serving(NAME)["asked"]
    assert (asked["from"], asked["template"]) == ("base.gguf", "{{ .Prompt }}")
    assert "files" not in asked
    assert 'TEMPLATE """{{ .Prompt }}"""' in (bench.agent / "Modelfile.coder").read_text()


@pytest.mark.parametrize("verdict", [None, "refuse"])
def test_what_the_gate_did_not_let_through_is_not_sent(
    bench: Bench, verdict: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    server, folder = bench.serve(TAKES), bench.adapter("aaa")
    if verdict:
        bench.gate(folder / "adapter.gguf")
        bench.gate(folder / "adapter.gguf", verdict)
    assert bench.deploy(server) == 1
    said = capsys.readouterr().err
    assert "not better" in said if verdict else "git hone evaluate" in said
    assert (server.models, server.blobs) == ({}, {})
    assert not (bench.agent / champions.FILE).exists()
    assert bench.deploy(server, "--force") == 0
    assert [line["forced"] for line in ledger.read(bench.agent) if line["what"] == "create"] == [True]


def test_the_word_on_the_adapter_is_not_one_on_the_merged_model(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server, folder = bench.serve(REFUSES), bench.adapter("aaa")
    bench.gate(folder / "adapter.gguf")
    assert bench.deploy(server) == 1
    assert "merged.gguf was not through the gate" in capsys.readouterr().err
    assert not server.models


@pytest.mark.parametrize("version", [TAKES, REFUSES])
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        ("create", "500: internal server error"), ("stream", "gave up: write /root/.ollama/models/blobs: no space left on device"),
        ("silent", "broke before it had finished"), ("upload", "no space left"), ("copy", "disk full"), ("copied", "old layers"),
    ],
)  # fmt: skip
def test_a_deployment_that_breaks_leaves_the_incumbent(
    bench: Bench, version: str, breaks: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = bench.serve(version)
    bench.promoted(server, "aaa", capsys)
    incumbent, known = server.serving(NAME), bench.models()
    installed = (bench.agent / "lora/coder/adapter.gguf").read_bytes()
    folder = bench.adapter("bbb")
    bench.gate(bench.prepared(server, folder, capsys), name="bbb")
    server.breaks = breaks
    assert bench.deploy(server) == 1
    assert says in capsys.readouterr().err
    server.breaks = ""
    assert server.serving(NAME) == incumbent
    assert bench.models() == known
    assert (bench.agent / "lora/coder/adapter.gguf").read_bytes() == installed
    assert champions.load(bench.agent)["coder"].champion == "aaa"
    assert bench.deploy(server) == 0
    assert champions.load(bench.agent)["coder"].before == [None, "aaa"]
    assert server.serving(NAME) != incumbent


def test_a_killed_move_is_led_back_by_the_next_call(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server = bench.serve(TAKES)
    bench.promoted(server, "aaa", capsys)
    incumbent, folder = server.serving(NAME), bench.adapter("bbb")
    bench.gate(folder / "adapter.gguf", name="bbb")
    server.breaks = "hang"
    command = [sys.executable, "-m", "git_hone.cli", "deploy", "--base", str(bench.made.base), "--server", server.address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert server.reached.wait(60)
        process.kill()
    server.breaks = ""
    server.release.set()
    role = champions.load(bench.agent)["coder"]
    assert (role.champion, role.moving) == ("aaa", True)
    assert server.serving(NAME) != incumbent
    capsys.readouterr()
    assert main(["adapters"]) == 0
    assert "a change was broken off" in capsys.readouterr().out
    assert bench.deploy(server) == 0
    assert [what for what in bench.whats() if what in ("undone", "deploy")] == ["deploy", "undone", "deploy"]
    assert server.models[f"{NAME}-champion:latest"] == incumbent
    role = champions.load(bench.agent)["coder"]
    assert (role.champion, role.before, role.moving) == ("bbb", [None, "aaa"], False)


def test_rollback_moves_one_pointer(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server = bench.serve(TAKES)
    bench.promoted(server, "aaa", capsys)
    first, adapter = server.serving(NAME), (bench.agent / "lora/coder/adapter.gguf").read_bytes()
    bench.promoted(server, "bbb", capsys)
    assert server.models[f"{NAME}-champion:latest"] == first
    assert (bench.agent / "lora/coder/adapter.backup.gguf").read_bytes() == adapter
    assert main(["rollback", "--role", "coder"]) == 0
    assert server.serving(NAME) == first
    assert (bench.agent / "lora/coder/adapter.gguf").read_bytes() == adapter
    assert "adapter aaa" in bench.models()[NAME].name
    assert main(["rollback", "--role", "coder"]) == 0
    assert server.serving(NAME) is None
    assert NAME not in bench.models()
    assert not (bench.agent / "lora/coder/adapter.gguf").exists()
    assert main(["rollback", "--role", "coder"]) == 2
    assert bench.whats()[-2:] == ["rollback", "rollback"]


def test_a_model_that_had_the_name_comes_back(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server = bench.serve(TAKES)
    server.models[f"{NAME}:latest"] = theirs = {"modelfile": "FROM y", "template": ""}
    bench.promoted(server, "aaa", capsys)
    assert server.serving(NAME) != theirs
    assert main(["rollback", "--role", "coder"]) == 0
    assert server.serving(NAME) == theirs


def test_a_challenger_is_served_beside_the_champion(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server = bench.serve(TAKES)
    bench.promoted(server, "aaa", capsys)
    champion, folder = server.serving(NAME), bench.adapter("bbb")
    bench.gate(folder / "adapter.gguf", name="bbb")
    assert bench.deploy(server, "--canary", "0.1") == 0
    assert server.serving(NAME) == champion
    assert server.serving(f"{NAME}-challenger")["asked"]["model"] == f"{NAME}:bbb"
    told = champions.load(bench.agent)["coder"].challenger or {}
    assert (told["id"], told["share"], told["model"], told["beside"]) == ("bbb", 0.1, f"{NAME}-challenger", NAME)
    assert f"{NAME}-challenger" in bench.models()
    assert main(["rollback", "--role", "coder"]) == 0
    assert server.serving(f"{NAME}-challenger") is None
    assert (server.serving(NAME), champions.load(bench.agent)["coder"].champion) == (champion, "aaa")


def test_an_unknown_version_is_asked_what_it_takes(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for version, merged in (("0.34.0", False), ("unknown", True)):
        server, folder = bench.serve(version), bench.adapter(f"of-{merged}")
        assert (bench.prepared(server, folder, capsys).name == "merged.gguf") == merged
        assert not server.models


def test_nothing_leaves_this_machine(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.adapter("aaa")
    assert main(["deploy", "--base", str(bench.made.base), "--server", "http://192.0.2.1:11434", "--force"]) == 1
    assert "nothing was sent" in capsys.readouterr().err


def test_a_server_that_is_down_and_files_that_were_changed_are_refused(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.adapter("aaa")
    assert main(["deploy", "--base", str(bench.made.base), "--server", "http://127.0.0.1:9", "--force"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    (folder / "adapter.gguf").write_bytes((folder / "adapter.gguf").read_bytes()[:-4])
    assert bench.deploy(bench.serve(TAKES), "--force") == 2
    assert "changed since it was published" in capsys.readouterr().err


def test_what_there_is_is_listed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapters"]) == 0
    assert "no adapter: git hone train" in capsys.readouterr().out
    server = bench.serve(TAKES)
    bench.promoted(server, "aaa", capsys)
    bench.adapter("bbb")
    capsys.readouterr()
    assert main(["adapters", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["gate"], one["champion"]) for one in told["adapters"]] == [
        ("aaa", "promote", True),
        ("bbb", None, False),
    ]
    assert told["deployed"]["coder"]["server"] == server.address


def test_a_merged_model_of_something_else_is_refused(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server, first, second = bench.serve(REFUSES), bench.adapter("aaa"), bench.adapter("bbb")
    shutil.copyfile(bench.prepared(server, first, capsys), second / "merged.gguf")
    assert bench.deploy(server, "--force") == 2
    assert "not this adapter merged into this base" in capsys.readouterr().err
    assert not server.models


def test_another_base_and_another_role_are_refused(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    server, folder = bench.serve(TAKES), bench.adapter("aaa", "fixer")
    assert bench.deploy(server, "--adapter", str(folder), "--force") == 2
    assert "trained for fixer" in capsys.readouterr().err
    bench.adapter("bbb")
    bench.made.base.write_bytes(bench.made.base.read_bytes() + b"\0")
    assert bench.deploy(server, "--force") == 2
    assert "is not the base of coder/bbb" in capsys.readouterr().err
    assert not server.models


@pytest.mark.parametrize("version", [TAKES, REFUSES])
def test_what_was_evaluated_on_the_server_is_what_may_be_deployed(
    bench: Bench, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made on the server by hand, evaluated through it, judged by the gate, deployed: the digests are the only link."""
    server = bench.serve(version)
    folder = bench.adapter("aaa")
    file = bench.prepared(server, folder, capsys)
    assert bench.deploy(server, "--adapter", str(folder), "--force", "--canary", "0.1") == 0
    model = bench.models()[f"{NAME}-challenger"]
    engine = Served(model, local_only=True)
    merged = version == REFUSES
    assert engine.files["server:model" if merged else "server:adapter"] == file_sha256(file)
    assert engine.base_sha256 == bench.base_sha256
    assert engine.files["server:manifest"] not in (file_sha256(file), bench.base_sha256)
    assert engine.unchanged()
    assert bench.deploy(server, "--adapter", str(folder)) == 1
    assert "was not through the gate" in capsys.readouterr().err
    of = Evaluation("tuned", "repository", "s" * 64, (Attempt("t", "f.py", True, True, 0, 1.0),), files=dict(engine.files))
    gating.file_of(bench.agent, "repository", "tuned").parent.mkdir(parents=True)
    gating.file_of(bench.agent, "repository", "tuned").write_text(evaluation.dump(of))
    ledger.append(bench.agent, {"what": "gate", "to": "tuned", "verdict": "promote", "candidate_hash": of.hash})
    assert bench.deploy(server, "--adapter", str(folder)) == 0
    other = bench.adapter("bbb")
    assert bench.deploy(server, "--adapter", str(other), "--force") == 0
    assert set(Served(bench.models()[NAME], local_only=True).files.values()).isdisjoint(engine.files.values())
