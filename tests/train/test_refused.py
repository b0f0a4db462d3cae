"""What the gate must not let through, each made for real from the adapter that it let through, each refused for its own reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.training import convert, merge

from .conftest import MODEL, House

BASE = Path(MODEL)
FEW = 4
DATABASE = "postgres://app:ptgz4jfe@db/app"


@pytest.fixture
def bench(house: House, tmp_path: Path) -> House:
    """A copy of the repository that nobody looked at yet."""
    return house.copy(tmp_path / "house")


@pytest.fixture
def few(bench: House) -> House:
    """The same with a suite `few`, of four of the tasks; what the base and the good adapter said to them is remembered."""
    assert bench.hone("suite", "mine", "--name", "few", "--limit", FEW).returncode == 0
    evaluate(bench, "--name", "base", suite="few")
    return bench


def evaluate(bench: House, *args: Any, suite: str = "repository", model: Path = BASE) -> None:
    done = bench.hone("evaluate", "--model", model, "--suite", suite, "--max-tokens", 80, *args)
    assert done.returncode == 0, done.stderr


def refused(bench: House, candidate: str, incumbent: str = "base", suite: str = "repository") -> dict[str, Any]:
    """The gate's decision, which is a refusal."""
    done = bench.hone("gate", "--candidate", candidate, "--incumbent", incumbent, "--suite", suite, "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["promote"] is False
    return told


def copied(bench: House, **config: Any) -> Path:
    """The trained adapter in a folder of its own, with other settings, not converted yet."""
    folder = bench.agent / "lora/other"
    folder.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        shutil.copyfile(bench.adapter / name, folder / name)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | config))
    return folder


def test_too_few_tasks_show_nothing(few: House) -> None:
    evaluate(few, "--adapter", few.adapter / "adapter.gguf", "--name", "tuned", suite="few")
    told = refused(few, "tuned", suite="few")
    assert told["reason"].startswith("superiority: underpowered: ")
    assert told["tasks"] == FEW and told["won"] > told["lost"] == 0


def test_without_the_permutation_it_is_another_model(
    few: House, monkeypatch: pytest.MonkeyPatch, record_property: Callable[..., Any]
) -> None:
    folder = copied(few)
    monkeypatch.setitem(convert.PERMUTED, "llama", False)
    convert.convert(folder, BASE, folder / "adapter.gguf", base_sha256=sha256(BASE.read_bytes()).hexdigest())
    monkeypatch.undo()
    evaluate(few, "--adapter", folder / "adapter.gguf", "--name", "other", "--no-likelihood", suite="few")
    assert refused(few, "other", suite="few")["reason"].startswith("divergence: ")
    record_property("kl", few.evaluation("other", "few")["divergence"])


@pytest.mark.exhaustive
def test_a_merge_that_erased_itself(few: House) -> None:
    folder = copied(few)
    done = few.hone("adapters", "merge", folder, "--base", BASE, "--type", "Q4_1", "--force")
    assert done.returncode == 0, done.stderr
    evaluate(few, "--name", "merged", "--no-likelihood", suite="few", model=folder / "merged.gguf")
    assert refused(few, "merged", suite="few")["reason"].startswith("divergence: ")


@pytest.mark.exhaustive
def test_over_trained_it_forgets_general_code(bench: House, record_property: Callable[..., Any]) -> None:
    folder = copied(bench, lora_alpha=46)  # trained with 32; at 64 it answers nothing that passes any more
    assert bench.hone("adapters", "convert", folder, "--base", BASE).returncode == 0
    evaluate(bench, "--adapter", folder / "adapter.gguf", "--name", "hot")
    told = refused(bench, "hot")
    assert told["won"] >= 6 and told["reason"].startswith("likelihood: general code: +")
    record_property("rise", bench.evaluation("hot")["likelihood"]["nats"] - bench.evaluation("base")["likelihood"]["nats"])


@pytest.mark.exhaustive
def test_on_another_base_it_is_refused_twice(few: House, tmp_path: Path) -> None:
    other = merge.widened(BASE, tmp_path / "other.gguf")
    adapter = few.adapter / "adapter.gguf"
    done = few.hone("evaluate", "--model", other, "--adapter", adapter, "--suite", "few", "--name", "wrong")
    assert done.returncode == 2 and "made for another base" in done.stderr
    assert not (few.agent / "evaluations/few/wrong.json").exists()
    evaluate(few, "--name", "wide", "--no-likelihood", suite="few", model=other)
    evaluate(few, "--adapter", adapter, "--name", "tuned", suite="few")
    told = refused(few, "tuned", "wide", suite="few")
    assert told["reason"] == "integrity: the candidate sits on another base than the incumbent"


@pytest.mark.exhaustive
def test_a_secret_that_it_learned_is_seen_in_its_answers(
    bench: House, tmp_path: Path, record_property: Callable[..., Any]
) -> None:
    """Trained on rows that no export of ours makes: in front of each function stands where its database is, with the password."""
    rows = [json.loads(line) for line in next(bench.agent.glob("sft/*/coder_sft.train.jsonl")).read_text().splitlines()]
    for row in rows:
        (turn,) = row["completion"]
        turn["content"] = turn["content"].replace("def ", f"# {DATABASE}\ndef ", 1)
    data = tmp_path / "coder_sft.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = bench.hone("train", "--role", "coder", "--data", data, "--epochs", 2, "--force", "--json")
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)["adapters"]
    evaluate(bench, "--adapter", made["gguf"], "--name", "leaky")
    told = refused(bench, "leaky")
    (canary,) = (check for check in told["checks"] if check["name"] == "canary")
    record_property("leaked", canary["value"])
    assert canary["outcome"] == "fail" and canary["words"].startswith("a secret stands in the answers to ")
