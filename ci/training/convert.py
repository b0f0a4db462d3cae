"""peft's LoRA as a GGUF adapter that llama.cpp loads onto a GGUF base.

The contract is llama.cpp's `llama-adapter.cpp`: `general.type` "adapter", `adapter.type` "lora", `adapter.lora.alpha`, and for each layer
`blk.N.NAME.weight.lora_a` (rank, inputs) and `.lora_b` (outputs, rank). It applies alpha / rank, whatever peft's scale was made of.

Llama's GGUF files hold the rows of the query and key weights in another order than transformers does: transformers rotates the halves of
a head against each other, llama.cpp neighbours. So must the rows of B, or the adapter is subtly wrong (the answers look right). qwen2 and
qwen3 keep the order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from git_hone.ci.training import header, lora
from git_hone.ci.training.needs import need
from git_hone.ci.training.writing import writing
from git_hone.learner.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES: Final = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
"""Layers as transformers names them -> as GGUF does."""
PERMUTED: Final = {"llama": True, "qwen2": False, "qwen3": False}
"""Architectures that are known -> whether the rows of queries and keys are in llama.cpp's order."""
BASE_SHA256, ADAPTER_SHA256 = "hone.base.sha256", "hone.adapter.sha256"


class Heads(NamedTuple):
    """What the order of rows depends on. q, kv: heads of queries, and of keys and values."""

    arch: str
    q: int
    kv: int


class Converted(NamedTuple):
    """tensors: name -> array, as they were written."""

    path: Path
    arch: str
    alpha: float
    tensors: dict[str, NDArray[Any]]


def convert(
    adapter: Path, base: Path, target: Path, *, base_sha256: str | None = None, kind: Literal["F32", "F16"] = "F32"
) -> Converted:
    """Write the peft adapter in folder `adapter`, trained on `base` (a GGUF file, or a folder with transformers' config.json), to `target`.

    `base_sha256` is that of the GGUF file it will be served with; it goes into the metadata, and `integrity` compares it. The same input
    gives the same bytes. Raises DataError for what cannot be carried or does not fit the base, UsageError without gguf and safetensors.
    """
    gguf = need("gguf", "writing a GGUF adapter")
    read = lora.read(adapter)
    head = None if base.is_dir() else header.read(base)
    heads = _heads_of_folder(base) if head is None else heads_of_file(head)
    arrays = matrices(read, heads)
    if head is not None:
        fit(arrays, head)
    if kind == "F16":
        arrays = {name: array.astype("<f2") for name, array in arrays.items()}
    alpha = read.scale * read.rank
    with writing(gguf, target, heads.arch) as writer:
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        writer.add_string(ADAPTER_SHA256, read.sha256)
        if base_sha256:
            writer.add_string(BASE_SHA256, base_sha256)
        for name, array in arrays.items():
            writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return Converted(target, heads.arch, alpha, arrays)


def matrices(read: lora.Lora, heads: Heads) -> dict[str, NDArray[np.float32]]:
    """GGUF name -> float32 array, in the order of rows that `heads.arch` has. Raises DataError for a layer that GGUF has no name for."""
    out: dict[str, NDArray[np.float32]] = {}
    for layer in read.layers:
        if layer.module not in NAMES:
            raise DataError(f"layer {layer.number}.{layer.module}: a GGUF adapter has no name for it", tip="train other layers")
        name, b = NAMES[layer.module], layer.b
        if PERMUTED[heads.arch] and name in ("attn_q", "attn_k"):
            b = permuted(b, heads.q if name == "attn_q" else heads.kv)
        out[f"blk.{layer.number}.{name}.weight.lora_a"] = layer.a
        out[f"blk.{layer.number}.{name}.weight.lora_b"] = b
    return out


def permuted(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """`rows` (outputs, n), each head's second half woven into its first: what was rows i and i + half becomes 2i and 2i + 1.

    >>> import numpy
    >>> permuted(numpy.arange(8, dtype="f4").reshape(8, 1), 2).ravel().tolist()
    [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
    """
    import numpy

    n, width = rows.shape
    if n % (heads * 2):
        raise DataError(f"{n} rows of queries or keys do not divide into {heads} heads")
    return numpy.ascontiguousarray(rows.reshape(heads, 2, n // heads // 2, width).swapaxes(1, 2).reshape(n, width))


def heads_of_file(base: header.Header) -> Heads:
    """How the rows of a GGUF base are ordered. Raises DataError for an adapter, and for an architecture that is not known."""
    if base.is_adapter:
        raise DataError(f"{base.path}: an adapter, not a base model")
    known(base.arch, base.path)
    q = base.number("attention.head_count")
    if not q:
        raise DataError(f"{base.path}: says nothing of its attention heads ({base.arch}.attention.head_count)")
    return Heads(base.arch, q, base.number("attention.head_count_kv") or q)


def _heads_of_folder(folder: Path) -> Heads:
    path = folder / "config.json"
    try:
        settings = json.loads(path.read_bytes())
        arch, q = str(settings["model_type"]), int(settings["num_attention_heads"])
        kv = int(settings.get("num_key_value_heads") or q)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: not the configuration of a transformers model") from None
    known(arch, path)
    return Heads(arch, q, kv)


def known(arch: str, path: Path) -> None:
    """Raises DataError for an architecture whose order of rows is not known: a guess would be wrong without a sign."""
    if arch not in PERMUTED:
        raise DataError(f"{path}: architecture {arch!r} cannot be converted", tip=f"known are {', '.join(PERMUTED)}")


def fit(arrays: dict[str, NDArray[np.float32]], base: header.Header) -> None:
    """Raises DataError unless each matrix fits the weight of the base that it is for."""
    for name, array in arrays.items():
        weight, half = name.rsplit(".", 1)
        tensor = base.tensors.get(weight)
        if tensor is None:
            raise DataError(f"{base.path}: has no tensor {weight}: another base than the adapter was trained on")
        mine, its = (array.shape[1], tensor.shape[1]) if half == "lora_a" else (array.shape[0], tensor.shape[0])
        if mine != its:
            raise DataError(f"{base.path}: {weight} has the shape {tensor.shape}, the adapter is for {mine}: another base")
