"""The script that `git hone train` writes, run: what it learns from, what it leaves, and what stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner import lineage

from .conftest import Bench, rows

ORACLE = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
base, data, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
loss = n = 0
for line in open(data):
    row = json.loads(line)
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=False)
    assert whole[: len(prompt)] == prompt
    with torch.no_grad():
        odds = model(torch.tensor([whole])).logits[0].log_softmax(-1)
    loss -= sum(odds[i - 1, whole[i]].item() for i in range(len(prompt), len(whole)))
    n += len(whole) - len(prompt)
print(loss / n)
"""


def digest(folder: str) -> str:
    return sha256((Path(folder) / "adapter_model.safetensors").read_bytes()).hexdigest()


def script_of(bench: Bench, *args: Any) -> tuple[Path, Path]:
    """(script, the run's folder), written and not run."""
    (told,), _ = bench("--write-only", *args)
    return Path(told["script"]), bench.path / ".agent/lora/coder" / f"{told['id']}.part"


def test_what_it_leaves(bench: Bench) -> None:
    (told,), said = bench("--epochs", 2)
    folder = Path(told["folder"])
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    steps = [f"checkpoints/step-{n:06}/adapter_{what}" for n in (3, 6) for what in ("config.json", "model.safetensors")]
    assert left == sorted([*steps, "adapter_config.json", "adapter_model.safetensors", "lineage.json", "manifest.json"])
    assert not list(folder.parent.glob("*.part"))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["_type"] == "https://in-toto.io/Statement/v1"
    for subject in manifest["subject"]:
        assert subject["digest"]["sha256"] == sha256((folder / subject["name"]).read_bytes()).hexdigest()
    assert manifest["predicate"]["data"]["rows"] == sorted(row["id"] for row in rows(12))
    assert lineage.read(folder / "lineage.json").changes() == {f"c{n}" for n in range(12)}
    for name in ("manifest.json", "adapter_config.json", "lineage.json"):
        assert str(bench.path) not in (folder / name).read_text() and str(bench.small.parent) not in (folder / name).read_text()
    assert told["losses"][-1] < told["losses"][0]
    assert (bench.path / ".agent/last-train-coder.txt").read_text().endswith("Z\n")
    assert "no GGUF adapter: the base is no GGUF file" in said


def test_the_loss_is_that_of_the_completions_alone(bench: Bench) -> None:
    (told,), _ = bench("--epochs", 1, "--batch-size", 12)
    command = [sys.executable, "-c", ORACLE, str(bench.small), str(bench.path / ".agent/sft/coder_sft.jsonl"), "12"]
    wanted = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert told["losses"] == [pytest.approx(wanted, abs=1e-4)]


def test_the_same_data_and_seed_give_the_same_bytes(bench: Bench) -> None:
    one, two, other = (bench("--epochs", 1, "--seed", seed)[0][0] for seed in (3, 3, 4))
    assert one["sha256"] == two["sha256"] != other["sha256"]


def killed(bench: Bench) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(what a whole training told, its weights, what one told that was killed after step 8 and went on, its weights)"""
    from safetensors.numpy import load_file

    (whole,), _ = bench("--epochs", 2)
    wanted = load_file(Path(whole["folder"]) / "adapter_model.safetensors")
    script, part = script_of(bench, "--epochs", 2)
    with subprocess.Popen(
        [sys.executable, "-u", str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        for line in child.stdout or ():
            if line.startswith("step 8/12"):
                child.send_signal(signal.SIGKILL)
    assert (part / "state.safetensors").is_file() and not (part / "result.json").exists()
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert "goes on after step 6" in done.stdout and "step 6/12" not in done.stdout
    (resumed,), _ = bench("--epochs", 2)
    return whole, wanted, resumed, load_file(Path(resumed["folder"]) / "adapter_model.safetensors")


def test_killed_it_goes_on_and_ends_where_it_would_have(bench: Bench) -> None:
    whole, wanted, resumed, found = killed(bench)
    assert resumed["losses"] == pytest.approx(whole["losses"], abs=2e-6)
    assert found.keys() == wanted.keys()
    apart, length = (
        sum(float((one**2).sum()) for one in each) for each in ([found[n] - wanted[n] for n in wanted], wanted.values())
    )
    assert apart <= 1e-6 * length


@pytest.mark.exhaustive
@pytest.mark.xfail(
    strict=False,
    reason="known fault: right after a kill, on a busy machine, one in 30 ended in other bytes: the first forward pass of the process that "
    "goes on (not its weights, not its rows, not the second pass) differs in the last digits, why is not known",
)
def test_killed_it_goes_on_and_ends_in_the_same_bytes(bench: Bench) -> None:
    whole, _, resumed, _ = killed(bench)
    assert (resumed["sha256"], resumed["losses"]) == (whole["sha256"], whole["losses"])


@pytest.mark.exhaustive
def test_asked_to_stop_it_saves_the_step_it_is_at(bench: Bench) -> None:
    from safetensors import safe_open

    script, part = script_of(bench, "--epochs", 2)
    with subprocess.Popen(
        [sys.executable, "-u", str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        for line in child.stdout or ():
            if line.startswith("step 4/12"):
                child.terminate()
        said = (child.stderr.read() if child.stderr else "").splitlines()[-1]
    with safe_open(part / "state.safetensors", "np") as saved:
        step = int(saved.metadata()["step"])
    assert child.returncode == 130 and said.startswith(f"train: stopped after step {step} of 12")
    assert step in (4, 5)  # the signal comes before or after the look for it


@pytest.mark.exhaustive
def test_left_alone_it_stops_instead_of_working_beside_its_successor(bench: Bench) -> None:
    script, part = script_of(bench, "--epochs", 4)
    with subprocess.Popen(
        [sys.executable, "-u", str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("step 2/24"):
                child.stdout.close()
                break
    assert child.returncode == 130 and (part / "state.safetensors").is_file() and not (part / "result.json").exists()


@pytest.mark.exhaustive
def test_interrupted_the_command_passes_it_on(bench: Bench) -> None:
    command = [sys.executable, "-m", "git_hone.cli", "train", "--force", "--epochs", "40", "--base", str(bench.small)]
    with subprocess.Popen(command, cwd=bench.path, stderr=subprocess.PIPE, text=True) as child:
        while not list(bench.path.glob(".agent/lora/coder/*.part/state.safetensors")):
            assert child.poll() is None
            time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        said = child.communicate()[1]
    assert child.returncode == 130 and "of 240; the same command goes on from there" in said


@pytest.mark.exhaustive
def test_a_full_disk_stops_it_with_a_sentence_and_keeps_the_last_state(bench: Bench) -> None:
    script, part = script_of(bench, "--epochs", 1)
    limited = ["bash", "-c", 'ulimit -f 8; exec "$0" "$@"', sys.executable, str(script)]
    done = subprocess.run(limited, capture_output=True, text=True)
    assert done.returncode == 74 and "cannot be written" in done.stderr.splitlines()[-1]
    assert sorted(path.name for path in part.iterdir()) == ["rows.jsonl"]
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)


@pytest.mark.exhaustive
def test_two_processes_do_what_one_does(bench: Bench) -> None:
    (one,), _ = bench("--epochs", 1, "--batch-size", 4)
    (two,), _ = bench("--epochs", 1, "--batch-size", 4, "--processes", 2)
    assert one["id"] != two["id"]
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)


@pytest.mark.exhaustive
def test_an_adapter_for_each_difficulty(bench: Bench) -> None:
    told, said = bench("--epochs", 1, "--difficulty", "each")
    assert [(one["difficulty"], one["steps"]) for one in told] == [("easy", 3), ("hard", 3)]
    assert "medium" in said


@pytest.mark.exhaustive
def test_long_rows_are_left_out_and_all_too_long_is_refused(bench: Bench) -> None:
    lengths = sorted(sum(len(turn["content"]) for part in ("prompt", "completion") for turn in row[part]) for row in rows(12))
    (told,), said = bench("--epochs", 1, "--max-tokens", lengths[6] + 21)  # what the template adds
    assert 0 < told["left_out"]["too long"] < 12 and "too long" in said
    _, said = bench("--max-tokens", 20, check=False)
    assert "every row is longer than 20 tokens" in said


@pytest.mark.exhaustive
def test_a_rate_that_breaks_the_model_is_told(bench: Bench) -> None:
    weights = bench.path / "broken"
    weights.mkdir()
    for file in bench.small.iterdir():
        (weights / file.name).write_bytes(file.read_bytes())
    raw = bytearray((weights / "model.safetensors").read_bytes())
    raw[-4:] = b"\x00\x00\xc0\x7f"  # not a number
    (weights / "model.safetensors").write_bytes(raw)
    _, said = bench("--epochs", 1, base=weights, check=False)
    assert "the loss is not a number after step 1" in said


@pytest.mark.exhaustive
def test_without_a_gpu_it_says_so_when_one_is_asked_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    _, said = bench("--epochs", 1, "--device", "cuda", check=False)
    assert "there is no GPU that can be used" in said and "--device cpu" in said


@pytest.mark.exhaustive
def test_a_base_that_cannot_be_fetched_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    _, said = bench(base="nobody-here/no-such-model", check=False)
    assert "the base could not be loaded\n  nobody-here/no-such-model cannot be loaded: " in said


def test_another_training_in_the_repository_waits(bench: Bench) -> None:
    import fcntl

    lock = bench.path / ".agent/lora/.lock"
    lock.parent.mkdir(parents=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _, said = bench(check=False)
    finally:
        os.close(handle)
    assert "another training runs in this repository" in said
