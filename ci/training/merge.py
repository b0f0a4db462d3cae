"""An adapter merged into its base: one whole GGUF model, for servers that take no adapters.

W + scale * B A, layer by layer, in float32, then rounded to the type of the new file. The type decides: an adapter changes weights by less
than a four-bit grid is wide, so on the base's own grid most of it is rounded away again. `Merged.kept` says how much came through; what is
served must be evaluated as it is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from git_hone.ci.training import convert, header, lora
from git_hone.ci.training.needs import need
from git_hone.ci.training.writing import writing
from git_hone.learner.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Deltas = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

KINDS: Final = {"F32": 0, "F16": 1, "BF16": 32, "Q8_0": 7, "Q5_1": 9, "Q5_0": 8, "Q4_1": 3, "Q4_0": 2}
"""Types that gguf can write -> llama.cpp's number for a file of them."""
WIDE: Final = ("F32", "F16", "BF16")
"""Types whose numbers are no multiples of a step, so that nothing is rounded to a grid of blocks."""
MISSING: Final = ("split.count", "split.no", "split.tensors.count")


class Merged(NamedTuple):
    """kept: share of the adapter's change that is in the file after rounding, 1.0 all, 0.0 none (the change in the file projected on the
    change that was trained). changed: tensors with an adapter's part."""

    path: Path
    kind: str
    kept: float
    changed: int


def merge(
    base: Path, adapter: Path, target: Path, kind: str = "Q8_0", *, base_sha256: str | None = None, least: float = 0.0
) -> Merged:
    """Write the GGUF model `base` with the peft adapter in folder `adapter` merged in to `target`; weights of type `kind`.

    A tensor that the adapter does not touch is copied when its type is no wider than `kind`. Needs the memory of the largest tensor in
    float32, several times. Raises DataError for what does not fit, and where less than the share `least` of the change is left, UsageError for
    an unknown type, or where it cannot be written; `target` is then as it was.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind}: not a type that can be written", tip=f"one of {', '.join(KINDS)}")
    need("gguf", "merging an adapter")
    head = header.read(base)
    read = lora.read(adapter)
    return _write(head, target, kind, _deltas(head, read), read.scale, _lineage(read, base_sha256), least=least)


def widened(base: Path, target: Path) -> Path:
    """Write the GGUF model `base` with its matrices in F16 to `target`: the same model where no type is wider, for comparisons."""
    need("gguf", "reading a model")
    head = header.read(base)
    return _write(head, target, "F16", {}, 0.0, {}, keep=frozenset(WIDE)).path


def _write(
    head: header.Header, target: Path, kind: str, deltas: Deltas, scale: float, more: dict[str, str], *, keep: frozenset[str] | None = None,
    least: float = 0.0,
) -> Merged:  # fmt: skip
    """`keep`: types that stay as they are, all others becoming `kind`; None: what no delta touches stays, where its type is no wider."""
    gguf = need("gguf", "writing a model")
    if head.fields.get("split.count", 1) not in (0, 1):
        raise DataError(f"{head.path}: one part of a split model", tip="join the parts with llama-gguf-split --merge")
    with writing(gguf, target, head.arch) as writer:
        _fields(gguf, head.path, writer, {**more, "general.file_type": KINDS[kind]})
        kinds = {name: _kind(tensor, kind, name in deltas, keep) for name, tensor in head.tensors.items()}
        for name, tensor in head.tensors.items():
            writer.add_tensor_info(name, tensor.shape, *_sizes(gguf, tensor.shape, kinds[name]))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        along = whole = 0.0
        for raw, one, all_ in _rounded(gguf, head, kinds, deltas, scale):
            writer.write_tensor_data(raw)
            along, whole = along + one, whole + all_
        kept = along / whole if whole else 0.0
        if kept < least:
            raise DataError(
                f"{target}: not written: merged at {kind}, {kept:.0%} of the adapter is left",
                tip="a finer type, or a base of one",
            )
    return Merged(target, kind, kept, len(deltas))


def weights(gguf: Any, head: header.Header, name: str) -> NDArray[np.float32]:
    """The tensor `name` in float32. Raises DataError for a type that gguf cannot read."""
    tensor = head.tensors[name]
    try:
        wide: NDArray[np.float32] = gguf.quants.dequantize(raw_of(head, name), gguf.GGMLQuantizationType[tensor.type])
    except NotImplementedError:  # what gguf says of a type that it has no code for
        raise DataError(
            f"{head.path}: {name} is of type {tensor.type}, which cannot be read", tip="use a base of another type"
        ) from None
    return wide.reshape(tensor.shape)


def raw_of(head: header.Header, name: str) -> NDArray[np.uint8]:
    """The bytes of a tensor, one row of bytes for each row of values."""
    import numpy

    tensor = head.tensors[name]
    flat = numpy.fromfile(head.path, numpy.uint8, tensor.size, offset=tensor.start)
    return flat.reshape(*tensor.shape[:-1], -1)


def _deltas(head: header.Header, read: lora.Lora) -> Deltas:
    """Weight -> A and B, in the order of rows that the file has."""
    heads = convert.heads_of_file(head)
    arrays = convert.matrices(read, heads)
    convert.fit(arrays, head)
    names = [name.removesuffix(".lora_a") for name in arrays if name.endswith(".lora_a")]
    return {name: (arrays[f"{name}.lora_a"], arrays[f"{name}.lora_b"]) for name in names}


def _lineage(read: lora.Lora, base_sha256: str | None) -> dict[str, str]:
    found = {convert.ADAPTER_SHA256: read.sha256}
    return {**found, convert.BASE_SHA256: base_sha256} if base_sha256 else found


def _fields(gguf: Any, base: Path, writer: Any, more: dict[str, Any]) -> None:
    """Copy the base's keys, those in `more` with new values."""
    for field in gguf.GGUFReader(base).fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture" or field.name in (*more, *MISSING):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    for key, value in more.items():
        writer.add_string(key, value) if isinstance(value, str) else writer.add_uint32(key, value)
    if "general.quantization_version" not in writer.kv_data[0]:
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _kind(tensor: header.Tensor, kind: str, changed: bool, keep: frozenset[str] | None = None) -> str:
    """The type of a tensor in the new file.

    >>> _kind(header.Tensor((64,), "F32", 0, 256), "Q8_0", False), _kind(header.Tensor((64, 48), "F16", 0, 6144), "Q8_0", True)
    ('F32', 'F16')
    >>> _kind(header.Tensor((64, 64), "F32", 0, 16384), "F16", False, frozenset(WIDE))
    'F32'
    """
    if len(tensor.shape) < 2:
        return tensor.type
    if keep is not None:
        changed = tensor.type not in keep
        if not changed:
            return tensor.type
    bits = {name: 8 * size / block for name, block, size in header.TYPES.values()}
    if not changed and bits[tensor.type] <= bits[kind]:
        return tensor.type
    block = next(block for name, block, _ in header.TYPES.values() if name == kind)
    return "F16" if tensor.shape[-1] % block else kind


def _sizes(gguf: Any, shape: tuple[int, ...], kind: str) -> tuple[Any, int, Any]:
    """What `add_tensor_info` wants to know: a dtype that leaves the shape alone, bytes, and the type."""
    import numpy

    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    n = shape[-1] // block * size
    for side in shape[:-1]:
        n *= side
    return numpy.dtype("f4"), n, gguf.GGMLQuantizationType[kind]


def _rounded(
    gguf: Any,
    head: header.Header,
    kinds: dict[str, str],
    deltas: Deltas,
    scale: float,
) -> Iterator[tuple[NDArray[Any], float, float]]:
    """For each tensor, in the file's order, its bytes, how far it went along the change that was trained, and that change squared."""
    import numpy

    for name, tensor in head.tensors.items():
        kind = gguf.GGMLQuantizationType[kinds[name]]
        if name not in deltas and kinds[name] == tensor.type:
            yield raw_of(head, name), 0.0, 0.0
            continue
        before = weights(gguf, head, name)
        change = numpy.zeros((), "f4") if name not in deltas else numpy.float32(scale) * (deltas[name][1] @ deltas[name][0])
        after = gguf.quants.quantize(before + change, kind)
        if name not in deltas:
            yield after, 0.0, 0.0
            continue
        moved = gguf.quants.dequantize(after, kind).reshape(before.shape) - before
        yield after, float((moved * change).sum(dtype="f8")), float((change * change).sum(dtype="f8"))
