"""peft's LoRA as a GGUF adapter: against matrices that are multiplied out, and what must be refused."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_hone.ci.training import convert, header, lora
from git_hone.learner.errors import DataError

from .conftest import ALPHA, GGUF_NAMES, HEADS, RANK, WIDE, Tiny, as_gguf, interleaved

Make = Callable[..., Tiny]


def read_back(path: Path) -> tuple[dict[str, Any], float]:
    """Tensors and alpha, by gguf's own reader."""
    import gguf

    reader = gguf.GGUFReader(path)
    field = reader.get_field("adapter.lora.alpha")
    assert field is not None
    return {tensor.name: numpy.array(tensor.data) for tensor in reader.tensors}, float(field.contents())


@pytest.mark.parametrize("arch", ["llama", "qwen2", "qwen3"])
def test_what_the_adapter_adds_in_gguf_is_what_it_adds_in_transformers(tiny: Make, arch: str) -> None:
    made = tiny(arch)
    found, alpha = read_back(convert.convert(made.adapter, made.base, made.folder / "out.gguf").path)
    assert len(found) == 2 * len(made.weights)
    for name, b in made.b.items():
        number, module = name.split(".", 1)
        weight = f"blk.{number}.{GGUF_NAMES[module]}.weight"
        added = alpha / RANK * (found[f"{weight}.lora_b"] @ found[f"{weight}.lora_a"])
        wanted = as_gguf(module, ALPHA / RANK * (b @ made.a[name]), arch)
        assert numpy.array_equal(found[f"{weight}.lora_a"], made.a[name])
        numpy.testing.assert_allclose(added, wanted, rtol=0, atol=1e-7)


def test_rotating_neighbours_of_permuted_rows_is_rotating_halves() -> None:
    """Why the rows are permuted: attention scores after the two kinds of rotary embedding are the same."""
    random = numpy.random.default_rng(3)
    size, x, y = WIDE // HEADS, random.normal(size=WIDE), random.normal(size=WIDE)
    q, k = random.normal(size=(2, WIDE, WIDE))

    def angle(place: int) -> tuple[Any, Any]:
        turns = place * 10000.0 ** (-numpy.arange(0, size, 2) / size)
        return numpy.cos(turns), numpy.sin(turns)

    def halves(v: Any, place: int) -> Any:
        cos, sin = angle(place)
        one, two = v[: size // 2], v[size // 2 :]
        return numpy.concatenate([one * cos - two * sin, two * cos + one * sin])

    def neighbours(v: Any, place: int) -> Any:
        cos, sin = angle(place)
        out = numpy.empty_like(v)
        out[0::2], out[1::2] = v[0::2] * cos - v[1::2] * sin, v[1::2] * cos + v[0::2] * sin
        return out

    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        theirs = halves((q @ x)[part], 5) @ halves((k @ y)[part], 2)
        mine_q, mine_k = (convert.permuted(w.astype("f4"), HEADS).astype("f8") for w in (q, k))
        assert neighbours((mine_q @ x)[part], 5) @ neighbours((mine_k @ y)[part], 2) == pytest.approx(theirs, rel=1e-4)
        plain = neighbours((q @ x)[part], 5) @ neighbours((k @ y)[part], 2)
        assert plain != pytest.approx(theirs, rel=1e-2)


def test_rows_go_where_they_went_one_by_one() -> None:
    rows = numpy.random.default_rng(1).normal(size=(48, 3)).astype("f4")
    assert numpy.array_equal(convert.permuted(rows, 3), interleaved(rows, 3))


def test_the_metadata_name_base_and_adapter(tiny: Make) -> None:
    made = tiny()
    written = convert.convert(made.adapter, made.base, made.folder / "out.gguf", base_sha256="ab" * 32)
    head = header.read(written.path)
    assert head.is_adapter and head.arch == "llama"
    assert head.fields["adapter.type"] == "lora"
    assert head.fields[convert.BASE_SHA256] == "ab" * 32
    assert head.fields[convert.ADAPTER_SHA256] == lora.read(made.adapter).sha256


def test_rank_stabilised_scale_is_carried(tiny: Make) -> None:
    made = tiny()
    made.settings(use_rslora=True)
    _, alpha = read_back(convert.convert(made.adapter, made.base, made.folder / "out.gguf").path)
    assert alpha / RANK == pytest.approx(ALPHA / math.sqrt(RANK))


def test_the_same_input_gives_the_same_bytes(tiny: Make) -> None:
    made = tiny()
    one, two = (convert.convert(made.adapter, made.base, made.folder / name).path for name in ("1.gguf", "2.gguf"))
    assert one.read_bytes() == two.read_bytes()


def test_half_precision_is_half_the_size(tiny: Make) -> None:
    made = tiny()
    full = convert.convert(made.adapter, made.base, made.folder / "f32.gguf")
    half = convert.convert(made.adapter, made.base, made.folder / "f16.gguf", kind="F16")
    for name, array in half.tensors.items():
        assert array.dtype == numpy.float16
        numpy.testing.assert_allclose(array, full.tensors[name], atol=1e-3)
    assert {tensor.type for tensor in header.read(half.path).tensors.values()} == {"F16"}


def test_bfloat16_is_read(tiny: Make) -> None:
    made, head, data = tiny(), {}, b""
    for half, arrays in (("A", made.a), ("B", made.b)):
        cut = (arrays["0.self_attn.q_proj"].view("<u4") >> 16).astype("<u2")
        place = [len(data), len(data) + cut.nbytes]
        name = f"base_model.model.model.layers.0.self_attn.q_proj.lora_{half}.weight"
        head[name] = {"dtype": "BF16", "shape": list(cut.shape), "data_offsets": place}
        data += cut.tobytes()
    text = json.dumps(head).encode()
    (made.adapter / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (layer,) = lora.read(made.adapter).layers
    numpy.testing.assert_allclose(layer.a, made.a["0.self_attn.q_proj"], rtol=1 / 128)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "lora_only"}, "bias"),
        ({"lora_bias": True}, "lora_bias"),
        ({"trainable_token_indices": [1]}, "tokens"),
        ({"fan_in_fan_out": True}, "transposed"),
        ({"peft_type": "IA3"}, "not a LoRA"),
        ({"lora_alpha": 0}, "lora_alpha is 0"),
        ({"r": 0}, "r is 0"),
        ({"r": RANK + 1}, "does not fit rank"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_carried_are_refused(tiny: Make, changes: dict[str, Any], word: str) -> None:
    made = tiny()
    made.settings(**changes)
    with pytest.raises(DataError, match=word):
        convert.convert(made.adapter, made.base, made.folder / "out.gguf")
    assert not list(made.folder.glob("*out.gguf*"))


def test_tensors_that_cannot_be_carried_are_refused(tiny: Make) -> None:
    made = tiny()
    a, b = made.a["0.self_attn.q_proj"], made.b["0.self_attn.q_proj"]
    start = "base_model.model.model.layers.0.self_attn.q_proj"
    pair = {f"{start}.lora_A.weight": a, f"{start}.lora_B.weight": b}
    for more, word in [
        ({"base_model.model.model.embed_tokens.lora_embedding_A": a}, "embed_tokens"),
        ({"base_model.model.lm_head.lora_A.weight": a}, "lm_head"),
        ({f"{start}.lora_magnitude_vector": b[:, 0].copy()}, "magnitude"),
        ({"base_model.model.model.layers.1.mlp.up_proj.lora_A.weight": a}, "one matrix only"),
        ({f"{start}.lora_B.weight": numpy.full_like(b, numpy.nan)}, "not finite"),
        ({f"{start}.lora_A.weight": a.astype("i4")}, "I32"),
    ]:
        made.save(pair | more)
        with pytest.raises(DataError, match=word):
            convert.convert(made.adapter, made.base, made.folder / "out.gguf")


def test_an_adapter_for_another_base_is_refused(tiny: Make) -> None:
    made = tiny(layers=1)
    extra = {f"base_model.model.model.layers.3.self_attn.q_proj.lora_{half}.weight": (made.a if half == "A" else made.b)[
        "0.self_attn.q_proj"] for half in "AB"}  # fmt: skip
    made.save(extra)
    with pytest.raises(DataError, match=r"has no tensor blk\.3\.attn_q\.weight"):
        convert.convert(made.adapter, made.base, made.folder / "out.gguf")


def test_an_architecture_that_is_not_known_is_refused(tiny: Make) -> None:
    made = tiny("gemma2")
    with pytest.raises(DataError, match="gemma2"):
        convert.convert(made.adapter, made.base, made.folder / "out.gguf")


def test_a_folder_of_transformers_gives_the_same_file(tiny: Make) -> None:
    made = tiny()
    folder = made.folder / "hf"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"model_type": "llama", "num_attention_heads": HEADS, "num_key_value_heads": 2})
    )
    one = convert.convert(made.adapter, made.base, made.folder / "1.gguf").path
    two = convert.convert(made.adapter, folder, made.folder / "2.gguf").path
    assert one.read_bytes() == two.read_bytes()


def test_a_pickle_is_not_read(tiny: Make) -> None:
    made = tiny()
    (made.adapter / "adapter_model.safetensors").rename(made.adapter / "adapter_model.bin")
    with pytest.raises(DataError, match="cannot be read"):
        convert.convert(made.adapter, made.base, made.folder / "out.gguf")


def test_damaged_weights_are_refused(tiny: Make) -> None:
    made = tiny()
    file = made.adapter / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match="damaged"):
        convert.convert(made.adapter, made.base, made.folder / "out.gguf")


def test_no_training_library_is_loaded() -> None:
    code = "import git_hone.ci.training.convert, git_hone.ci.training.merge, sys; print([m for m in ('torch', 'gguf', 'numpy', 'safetensors') if m in sys.modules])"  # noqa: E501 - a program in one line
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
