"""An adapter before it is served: for this base, whole, and what was trained."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_hone.ci.training import convert, integrity
from git_hone.learner.errors import DataError

from .conftest import ALPHA, RANK, Tiny

Make = Callable[..., Tiny]


def converted(made: Tiny, **more: Any) -> Path:
    digest = sha256(made.base.read_bytes()).hexdigest()
    return convert.convert(made.adapter, made.base, made.folder / "adapter.gguf", base_sha256=digest, **more).path


def rewritten(path: Path, change: Callable[[str, Any], Any], alpha: float = ALPHA, **fields: str) -> Path:
    """The adapter at `path` with its tensors (and keys) changed, by gguf alone."""
    import gguf

    reader = gguf.GGUFReader(path)
    told = {key: reader.get_field(key) for key in (convert.BASE_SHA256, convert.ADAPTER_SHA256)}
    target = path.with_name("changed.gguf")
    writer = gguf.GGUFWriter(target, fields.pop("arch", "llama"))
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for key, field in told.items():
        assert field is not None
        writer.add_string(key, fields.get(key, str(field.contents())))
    for tensor in reader.tensors:
        array = change(tensor.name, numpy.array(tensor.data))
        if array is not None:
            writer.add_tensor(tensor.name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def same(_: str, array: Any) -> Any:
    return array


@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_what_was_converted_is_what_was_trained(tiny: Make, kind: str) -> None:
    made = tiny()
    assert integrity.examine(converted(made, kind=kind), made.base, made.adapter) == []


def test_rows_in_the_order_of_transformers_are_found(tiny: Make) -> None:
    made = tiny()
    plain = {name: (made.a if name.endswith("a") else made.b) for name in ("lora_a", "lora_b")}

    def unpermuted(name: str, array: Any) -> Any:
        number, half = name.split(".")[1], name.rsplit(".", 1)[1]
        return plain[half][f"{number}.self_attn.q_proj"] if ".attn_q." in name else array

    wrong = rewritten(converted(made), unpermuted)
    assert integrity.examine(wrong, made.base) == []  # it looks sound
    (finding, _) = integrity.examine(wrong, made.base, made.adapter)
    assert "blk.0.attn_q.weight.lora_b is not what was trained" in finding


def test_another_base_is_found(tiny: Make) -> None:
    made = tiny()
    adapter = converted(made)
    made.base.write_bytes(made.base.read_bytes()[:-1] + b"\x01")
    (finding,) = integrity.examine(adapter, made.base)
    assert "made for another base" in finding


def test_a_base_that_is_not_named_is_found(tiny: Make) -> None:
    made = tiny()
    convert.convert(made.adapter, made.base, made.folder / "adapter.gguf")
    (finding,) = integrity.examine(made.folder / "adapter.gguf", made.base)
    assert "does not say which base" in finding


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda name, array: None if name.endswith("blk.0.attn_q.weight.lora_a") else array, "one matrix only"),
        (lambda name, array: array[:, :-1].copy() if name.endswith("ffn_up.weight.lora_a") else array, "does not fit the base's"),
        (lambda name, array: array * numpy.float32("nan") if "attn_v" in name else array, "not finite"),
        (lambda name, array: array.astype("f8") if "attn_v" in name else array, "is F64"),
    ],
    ids=["lonely", "shape", "nan", "type"],
)
def test_what_llama_cpp_would_die_of_is_found(tiny: Make, change: Callable[[str, Any], Any], words: str) -> None:
    made = tiny()
    assert any(words in finding for finding in integrity.examine(rewritten(converted(made), change), made.base))


def test_another_scale_architecture_or_adapter_is_found(tiny: Make) -> None:
    made = tiny()
    adapter = converted(made)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"alpha": 2 * ALPHA}, f"its scale is {2 * ALPHA / RANK:g}"),
        ({"alpha": 0.0}, "adapter.lora.alpha"),
        ({"arch": "qwen2"}, "for architecture qwen2"),
        ({convert.ADAPTER_SHA256: "0" * 64}, "made from another adapter"),
    ]
    for changes, words in cases:
        wrong = rewritten(adapter, same, **changes)
        assert any(words in finding for finding in integrity.examine(wrong, made.base, made.adapter)), words


def test_files_that_are_no_adapters_are_named(tiny: Make) -> None:
    made = tiny()
    adapter = converted(made)
    assert "not a LoRA adapter" in integrity.examine(made.base, made.base)[0]
    assert "an adapter, not a base" in integrity.examine(adapter, adapter)[0]
    cut = made.folder / "cut.gguf"
    cut.write_bytes(adapter.read_bytes()[:-500])
    assert "cut short" in integrity.examine(cut, made.base)[0]


def test_divergence_is_that_of_the_formula() -> None:
    random = numpy.random.default_rng(2)
    one, two = random.normal(size=(2, 5, 7))
    p, q = (numpy.exp(each) / numpy.exp(each).sum(1, keepdims=True) for each in (one, two))
    found = integrity.compared(one, two)
    assert found.kl == pytest.approx(float(numpy.mean([sum(a * numpy.log(a / b)) for a, b in zip(p, q, strict=True)])))
    assert found.tokens == 5 and not found.same
    with pytest.raises(DataError, match="another vocabulary"):
        integrity.compared(one, two[:, :3])
