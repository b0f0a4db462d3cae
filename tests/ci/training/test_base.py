"""The model to adapt: found by its name, and looked at before it is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from git_hone.ci.training import base, convert
from git_hone.learner.errors import DataError, UsageError

from .conftest import WIDE, WORDS, Tiny

Make = Callable[..., Tiny]


def test_a_gguf_file_says_what_its_memory_depends_on(tiny: Make) -> None:
    made = tiny()
    found = base.find(str(made.base))
    assert (found.kind, found.name, found.at) == ("gguf", "base.gguf", str(made.base))
    assert found.sha256 == sha256(made.base.read_bytes()).hexdigest()
    assert found.size is not None
    numbers = WORDS * WIDE + 2 * WIDE + sum(weight.size for weight in made.weights.values())
    assert found.size == base.Size(numbers, WORDS, 2, WIDE)


def test_a_folder_is_known_by_its_weights_and_settings(tiny: Make) -> None:
    from safetensors.numpy import save_file

    made = tiny()
    folder = made.folder / "hf"
    folder.mkdir()
    settings = {"model_type": "llama", "vocab_size": WORDS, "num_hidden_layers": 2, "hidden_size": WIDE}
    (folder / "config.json").write_text(json.dumps(settings))
    save_file(made.weights, folder / "model.safetensors")
    found = base.find(str(folder))
    assert found.kind == "folder" and found.name == "hf" and found.size is not None
    assert found.size.parameters == sum(weight.size for weight in made.weights.values())
    (folder / "config.json").write_text(json.dumps(settings | {"rope_theta": 5}))
    assert base.find(str(folder)).sha256 != found.sha256
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-5])
    with pytest.raises(DataError, match="cut short"):
        base.find(str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="no safetensors"):
        base.find(str(folder))


def test_a_model_of_ollama_is_found_in_its_store(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny()
    digest = sha256(made.base.read_bytes()).hexdigest()
    store = made.folder / "models"
    manifest = store / "manifests/registry.ollama.ai/library/qwen2.5-coder/7b"
    manifest.parent.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"}
    manifest.write_text(json.dumps({"layers": [{"mediaType": "application/vnd.ollama.image.license", "digest": "x"}, layer]}))
    (store / "blobs").mkdir()
    made.base.rename(store / "blobs" / f"sha256-{digest}")
    monkeypatch.setenv("OLLAMA_MODELS", str(store))
    found = base.find("qwen2.5-coder:7b")
    assert (found.kind, found.name, found.sha256) == ("gguf", "qwen2.5-coder:7b", digest)
    with pytest.raises(UsageError, match="no such model"):
        base.find("qwen2.5-coder:14b")


def test_a_hub_id_is_left_to_the_hub() -> None:
    assert base.find("someone/some-model") == base.Base("hub", "someone/some-model", "someone/some-model", None, None)


def test_what_cannot_be_adapted_is_refused(tiny: Make) -> None:
    made = tiny("gemma2")
    with pytest.raises(DataError, match="gemma2"):
        base.find(str(made.base))
    made.base.write_bytes(made.base.read_bytes()[:5000])
    with pytest.raises(DataError, match="cut short"):
        base.find(str(made.base))


def test_an_adapter_is_no_base(tiny: Make) -> None:
    made = tiny()
    written = convert.convert(made.adapter, made.base, made.folder / "adapter.gguf").path
    with pytest.raises(DataError, match="an adapter, not a base"):
        base.find(str(written))


def test_a_longer_row_and_a_larger_model_need_more_memory() -> None:
    small = base.Size(134_515_008, 49_152, 30, 576)
    large = base.Size(7_615_616_512, 152_064, 28, 3584)
    assert base.memory_needed(small, 128, 16) < base.memory_needed(small, 1024, 16) < base.memory_needed(large, 128, 16)
    assert base.memory_needed(large, 128, 16) > 4 * large.parameters


def test_free_memory_is_that_of_this_machine() -> None:
    free = base.memory_free()
    assert free is None or 0 <= free < 1 << 50
    assert not Path("/proc/meminfo").exists() or free is not None
