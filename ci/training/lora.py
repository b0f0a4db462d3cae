"""A LoRA adapter as peft saves it: `adapter_config.json` and `adapter_model.safetensors`.

Read strictly: what a plain pair of matrices for each layer cannot say (DoRA, ranks by layer, trained embeddings, biases, ...) is refused,
since an adapter that lost it on the way would still load, and be another model.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from git_hone.ci.training.needs import need
from git_hone.learner.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
KEY: Final = re.compile(r"^base_model\.model\.(?:model\.)?layers\.(\d+)\.((?:self_attn|mlp)\.[a-z_]+)\.lora_([AB])\.weight$")
REFUSED: Final = {
    "use_dora": "DoRA scales each row",
    "rank_pattern": "ranks that differ by layer",
    "alpha_pattern": "scales that differ by layer",
    "modules_to_save": "whole layers trained beside the adapter",
    "trainable_token_indices": "trained tokens",
    "layer_replication": "layers used twice",
    "megatron_config": "Megatron's parallel layers",
    "use_qalora": "QALoRA groups the inputs",
    "alora_invocation_tokens": "an adapter that wakes up on a token",
    "target_parameters": "parameters that are no linear layer",
    "lora_bias": "biases beside the matrices",
    "use_bdlora": "block-diagonal matrices",
    "arrow_config": "several adapters with a router",
    "fan_in_fan_out": "transposed weights",
}
"""Settings of a peft configuration that two matrices for each linear layer cannot carry."""


class Layer(NamedTuple):
    """One linear layer, y += scale * B (A x). a: (rank, inputs), b: (outputs, rank), float32."""

    number: int
    module: str
    a: NDArray[np.float32]
    b: NDArray[np.float32]


class Lora(NamedTuple):
    """scale: what B A is multiplied by, alpha / rank (rsLoRA: alpha / sqrt(rank)). sha256: of the weights' file. layers: by number, then
    module."""

    rank: int
    scale: float
    sha256: str
    layers: tuple[Layer, ...]


def read(folder: Path) -> Lora:
    """The adapter in `folder`. Raises DataError naming the file and what it cannot be, UsageError without safetensors and numpy."""
    settings = config(folder)
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1:
        raise DataError(f"{folder / CONFIG}: r is {rank!r}, not a whole number from 1 on")
    if not isinstance(alpha, (int, float)) or not math.isfinite(alpha) or alpha <= 0:
        raise DataError(f"{folder / CONFIG}: lora_alpha is {alpha!r}; GGUF reads 0 as a scale of 1, so it must be above 0")
    scale = alpha / math.sqrt(rank) if settings.get("use_rslora") else alpha / rank
    path = folder / WEIGHTS
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", tip="only safetensors is read, never a pickle") from None
    return Lora(rank, scale, hashlib.sha256(raw).hexdigest(), _layers(path, tensors(path, raw), rank))


def config(folder: Path) -> dict[str, Any]:
    """The configuration, or DataError with what it asks for that cannot be carried."""
    path = folder / CONFIG
    try:
        loaded = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", tip="name the folder that peft saved") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    if not isinstance(loaded, dict) or loaded.get("peft_type") != "LORA":
        raise DataError(f"{path}: not a LoRA adapter")
    found = [f"{key} ({words})" for key, words in REFUSED.items() if loaded.get(key)]
    if loaded.get("bias", "none") != "none":
        found.append(f"bias = {loaded['bias']!r} (trained biases)")
    if found:
        raise DataError(f"{path}: cannot be carried by a GGUF adapter: {', '.join(found)}", tip="train it as a plain LoRA")
    return loaded


def tensors(path: Path, raw: bytes) -> dict[str, NDArray[np.float32]]:
    """name -> float32 array of a safetensors file; bfloat16 too. Raises DataError for a damaged file and for other kinds of numbers."""
    import numpy

    safetensors = need("safetensors", "reading an adapter")
    try:
        found = safetensors.deserialize(raw)
    except Exception as error:  # its own class of exceptions is not importable under one name over versions
        raise DataError(f"{path}: damaged: {error}") from None
    out: dict[str, NDArray[np.float32]] = {}
    for name, each in found:
        kind, shape, data = each["dtype"], each["shape"], each["data"]
        if kind == "BF16":
            wide = (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        elif kind in ("F32", "F16"):
            wide = numpy.frombuffer(data, "<f4" if kind == "F32" else "<f2").astype("<f4")
        else:
            raise DataError(f"{path}: {name} holds {kind}; an adapter holds F32, F16 or BF16")
        out[name] = wide.reshape(shape)
    return out


def _layers(path: Path, found: dict[str, NDArray[np.float32]], rank: int) -> tuple[Layer, ...]:
    import numpy

    halves: dict[tuple[int, str], dict[str, NDArray[np.float32]]] = {}
    for name, array in found.items():
        match = KEY.match(name)
        if not match:
            raise DataError(f"{path}: {name}: not a matrix of a linear layer in attention or MLP", tip="train those layers only")
        if array.ndim != 2 or array.shape[0 if match[3] == "A" else 1] != rank:
            raise DataError(f"{path}: {name}: shape {array.shape} does not fit rank {rank}")
        if not numpy.isfinite(array).all():
            raise DataError(f"{path}: {name}: holds a number that is not finite", tip="a smaller learning rate")
        halves.setdefault((int(match[1]), match[2]), {})[match[3]] = array
    lonely = [f"{number}.{module}" for (number, module), pair in halves.items() if len(pair) == 1]
    if lonely or not halves:
        raise DataError(f"{path}: {'one matrix only for layer ' + lonely[0] if lonely else 'holds no layer'}")
    return tuple(Layer(number, module, pair["A"], pair["B"]) for (number, module), pair in sorted(halves.items()))
