"""A tiny llama, as transformers would hold it and as GGUF does, with an adapter for it: built from the formulas, with numpy alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from .deploying_bench import Bench, ollama_server

Array = NDArray[Any]
WIDE, HEADS, KV, FED, WORDS, RANK, ALPHA = 64, 4, 2, 96, 40, 4, 8
SHAPES = {
    "self_attn.q_proj": (WIDE, WIDE), "self_attn.k_proj": (WIDE // HEADS * KV, WIDE), "self_attn.v_proj": (WIDE // HEADS * KV, WIDE),
    "self_attn.o_proj": (WIDE, WIDE), "mlp.gate_proj": (FED, WIDE), "mlp.up_proj": (FED, WIDE), "mlp.down_proj": (WIDE, FED),
}  # fmt: skip
SETTINGS = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none", "use_dora": False, "use_rslora": False,
            "target_modules": ["q_proj"], "modules_to_save": None, "rank_pattern": {}, "alpha_pattern": {}}  # fmt: skip


@dataclass(frozen=True)
class Tiny:
    """base: the GGUF file. adapter: the folder as peft saves it. weights, a, b: as transformers holds them, `layer.module` -> array."""

    folder: Path
    weights: dict[str, Array]
    a: dict[str, Array]
    b: dict[str, Array]

    @property
    def base(self) -> Path:
        return self.folder / "base.gguf"

    @property
    def adapter(self) -> Path:
        return self.folder / "adapter"

    def settings(self, **changes: Any) -> None:
        (self.adapter / "adapter_config.json").write_text(json.dumps(SETTINGS | changes))

    def save(self, tensors: dict[str, Array] | None = None) -> None:
        """Write the adapter's weights: its own, or others under the names given."""
        from safetensors.numpy import save_file

        own = {f"base_model.model.model.layers.{name}.lora_{half}.weight": array
               for half, arrays in (("A", self.a), ("B", self.b)) for name, array in arrays.items()}  # fmt: skip
        save_file(own if tensors is None else tensors, self.adapter / "adapter_model.safetensors")


def interleaved(rows: Array, heads: int) -> Array:
    """Rows i and i + half of each head become its rows 2i and 2i + 1: one row at a time, so that nothing is shared with the converter."""
    out = numpy.empty_like(rows)
    size = len(rows) // heads
    for head in range(heads):
        for i in range(size // 2):
            out[head * size + 2 * i] = rows[head * size + i]
            out[head * size + 2 * i + 1] = rows[head * size + size // 2 + i]
    return out


GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
              "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}  # fmt: skip


def as_gguf(module: str, rows: Array, arch: str = "llama") -> Array:
    """The weight of a layer in the order that its GGUF file has."""
    if arch != "llama" or module not in ("self_attn.q_proj", "self_attn.k_proj"):
        return rows
    return interleaved(rows, HEADS if module == "self_attn.q_proj" else KV)


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Tiny]:
    """`tiny(arch="llama", kind="F16", layers=2)` makes one."""

    def make(arch: str = "llama", kind: str = "F16", layers: int = 2) -> Tiny:
        gguf = pytest.importorskip("gguf", reason="gguf is in the extra `train`")
        pytest.importorskip("safetensors", reason="safetensors is in the extra `train`")
        random = numpy.random.default_rng(7)
        names = [f"{number}.{module}" for number in range(layers) for module in SHAPES]
        shape = {name: SHAPES[name.split(".", 1)[1]] for name in names}
        made = Tiny(
            tmp_path,
            {name: random.normal(0, 0.1, shape[name]).astype("f4") for name in names},
            {name: random.normal(0, 0.1, (RANK, shape[name][1])).astype("f4") for name in names},
            {name: random.normal(0, 0.01, (shape[name][0], RANK)).astype("f4") for name in names},
        )
        made.adapter.mkdir()
        made.settings()
        made.save()
        writer = gguf.GGUFWriter(made.base, arch)
        writer.add_block_count(layers)
        writer.add_embedding_length(WIDE)
        writer.add_feed_forward_length(FED)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV)
        writer.add_context_length(128)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list([f"t{n}" for n in range(WORDS)])
        quant = gguf.GGMLQuantizationType[kind]
        for name, array in [
            ("token_embd.weight", random.normal(0, 0.1, (WORDS, WIDE)).astype("f4")),
            *((f"blk.{n.split('.', 1)[0]}.{GGUF_NAMES[n.split('.', 1)[1]]}.weight", as_gguf(n.split(".", 1)[1], w, arch))
              for n, w in made.weights.items()),
        ]:  # fmt: skip
            writer.add_tensor(name, gguf.quants.quantize(array, quant), raw_dtype=quant)
        for n in range(layers):
            writer.add_tensor(f"blk.{n}.attn_norm.weight", numpy.ones(WIDE, "f4"))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return made

    return make


@pytest.fixture
def bench(repo: Callable[..., Any], tiny: Callable[..., Tiny], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = repo()
    monkeypatch.chdir(made.path)
    with ExitStack() as stack:
        yield Bench(made.path, tiny(kind="Q8_0"), lambda version: stack.enter_context(ollama_server.serve(version)))
