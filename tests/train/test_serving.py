"""SmolLM2-135M: from its GGUF file to an adapter that llama.cpp runs as transformers does."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.training import convert, header, integrity, lora, merge
from git_hone.learner.errors import DataError

from .conftest import MODEL, House

BASE = Path(MODEL)


@pytest.fixture(scope="module")
def adapter(house: House) -> Path:
    """An adapter as `git hone train` publishes it."""
    return house.adapter


def test_the_adapter_is_for_this_base_and_what_was_trained(adapter: Path) -> None:
    head = header.read(adapter / "adapter.gguf")
    assert head.fields[convert.BASE_SHA256] == sha256(BASE.read_bytes()).hexdigest()
    assert len(head.tensors) == 2 * 7 * 30
    assert integrity.examine(adapter / "adapter.gguf", BASE, adapter) == []
    assert (adapter / "checkpoints/step-000004/adapter.gguf").is_file()


@pytest.mark.exhaustive
def test_llama_cpp_thinks_what_transformers_thinks(adapter: Path) -> None:
    found = integrity.parity(BASE, adapter / "adapter.gguf", adapter, integrity.PROMPTS[:2])
    assert found.same and found.top == 1.0 and found.tokens > 10


@pytest.mark.exhaustive
def test_without_the_permutation_it_is_another_model(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[..., Any]
) -> None:
    monkeypatch.setitem(convert.PERMUTED, "llama", False)
    digest = sha256(BASE.read_bytes()).hexdigest()
    wrong = convert.convert(adapter, BASE, tmp_path / "adapter.gguf", base_sha256=digest).path
    monkeypatch.undo()
    assert any("is not what was trained" in finding for finding in integrity.examine(wrong, BASE, adapter))
    found = integrity.parity(BASE, wrong, adapter, integrity.PROMPTS[:2])
    record_property("kl", found.kl)
    assert not found.same


@pytest.mark.exhaustive
def test_a_fine_merge_keeps_the_adapter_and_the_base_s_own_grid_does_not(adapter: Path, tmp_path: Path) -> None:
    fine, coarse = (merge.merge(BASE, adapter, tmp_path / f"{kind}.gguf", kind) for kind in ("Q8_0", "Q4_1"))
    assert fine.kept > 0.9 > coarse.kept
    assert header.read(fine.path).fields[convert.ADAPTER_SHA256] == lora.read(adapter).sha256


def test_an_adapter_that_would_kill_llama_cpp_is_refused_before(adapter: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes((adapter / "adapter.gguf").read_bytes()[:-1000])
    with pytest.raises(DataError, match="cut short"):
        integrity.parity(BASE, cut, adapter)


def test_a_checkpoint_is_chosen_without_a_look_at_the_tasks(house: House, adapter: Path, tmp_path: Path) -> None:
    here = house.copy(tmp_path / "house")
    asked = ("adapters", "choose", here.agent / adapter.relative_to(house.agent), "--base", MODEL, "--json")
    told = json.loads(here.hone(*asked).stdout)
    early, whole = told["tried"]
    assert (early["id"], whole["id"]) == (f"{adapter.name}-step-000004", adapter.name)
    assert told["incumbent"] < early["nats"] < whole["nats"], "the longer it is trained, the more of general code is forgotten"
    limit = told["incumbent"] + 0.15  # as `git hone demo --train` sets it
    assert told["id"] == (whole["id"] if whole["nats"] <= limit else early["id"] if early["nats"] <= limit else None)
    assert not (here.agent / "promotions.jsonl").exists(), "no look was taken"


@pytest.mark.exhaustive
def test_a_merge_that_rounds_the_base_too_far_is_not_written(house: House, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged.gguf"
    asked = ("adapters", "merge", adapter, "--base", MODEL, "--out", out, "--json")
    refused = house.hone(*asked, "--type", "Q8_0")
    assert refused.returncode == 2 and "at most 0.0005 may be" in refused.stderr
    assert not out.exists()
    told = json.loads(house.hone(*asked).stdout)
    assert told["divergence"] < 5e-5 and told["kept"] > 0.999, "F16 is what holds, where nothing else is configured"
    assert integrity.parity(BASE, out, adapter, merged=True).kl == pytest.approx(told["divergence"], abs=2e-5), "as peft sees it"
    forced = json.loads(house.hone(*asked, "--type", "Q8_0", "--force").stdout)
    assert forced["divergence"] > 5e-4 and forced["kept"] > 0.99, "the adapter is whole; the base was rounded a second time"
