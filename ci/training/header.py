"""What a GGUF file says that it holds, and whether it can be true. Nothing but the standard library.

llama.cpp ends the process on some damaged files, so each is read here first: magic, version, every length against the file's own, every
tensor's place and size. Only the header is read, a few MB. Format: ggml's docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from git_hone.learner.errors import DataError

MAGIC: Final = b"GGUF"
MOST_FIELDS, MOST_TENSORS, MOST_STRING, MOST_ITEMS = 100_000, 1_000_000, 64 << 20, 1 << 24
"""Above these it is no model but damage; the largest vocabularies known hold some 300,000 items."""

SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

TYPES: Final[dict[int, tuple[str, int, int]]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1),
    25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip
"""ggml's number of a tensor type -> its name, values in a block, bytes of a block."""


class Tensor(NamedTuple):
    """shape: rows first, as numpy has it (GGUF writes the fastest axis first). start: byte of the file. size: bytes."""

    shape: tuple[int, ...]
    type: str
    start: int
    size: int


class Header(NamedTuple):
    """fields: key -> value; arrays are lists. tensors: name -> where it lies, in the file's order."""

    path: Path
    version: int
    fields: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def arch(self) -> str:
        """`llama`, `qwen2`, ..."""
        return str(self.fields["general.architecture"])

    @property
    def is_adapter(self) -> bool:
        return self.fields.get("general.type") == "adapter"

    def number(self, key: str) -> int | None:
        """The whole number at `ARCH.key`, None where the file has none."""
        value = self.fields.get(f"{self.arch}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def read(path: Path) -> Header:
    """The header of the GGUF file at `path`, every length checked.

    Raises DataError where there is no such file, it is no GGUF, of a version that is not known, cut short, or says what cannot be.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _Reader(path, file, size).header()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size

    def wrong(self, words: str) -> DataError:
        return DataError(f"{self.path}: {words}", tip="get the file again, or name another")

    def header(self) -> Header:
        if self.take(4) != MAGIC:
            raise self.wrong("not a GGUF file (it does not begin with GGUF)")
        (version,) = self.unpack("I")
        if version not in (2, 3):
            raise self.wrong(f"GGUF version {version} is not known (2 and 3 are; a big-endian file reads like this too)")
        n_tensors, n_fields = self.unpack("QQ")
        if n_tensors > MOST_TENSORS or n_fields > MOST_FIELDS:
            raise self.wrong(f"says it holds {n_tensors} tensors and {n_fields} keys: damaged")
        fields: dict[str, Any] = {}
        for _ in range(n_fields):
            key = self.string()
            if key in fields:
                raise self.wrong(f"key {key!r} stands twice")
            fields[key] = self.value(self.unpack("I")[0])
        if not isinstance(fields.get("general.architecture"), str):
            raise self.wrong("names no architecture (general.architecture)")
        places = [self.place() for _ in range(n_tensors)]
        align = fields.get("general.alignment", 32)
        if not isinstance(align, int) or align <= 0 or align % 8:
            raise self.wrong(f"alignment {align!r} cannot be")
        data = -(-self.file.tell() // align) * align
        return Header(self.path, version, fields, self.placed(places, data, align))

    def placed(self, places: list[tuple[str, tuple[int, ...], int, int]], data: int, align: int) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        for name, shape, kind, offset in places:
            if name in tensors:
                raise self.wrong(f"tensor {name!r} stands twice")
            if kind not in TYPES:
                raise self.wrong(f"tensor {name!r} is of type {kind}, which is not known")
            word, block, bytes_ = TYPES[kind]
            if shape[-1] % block:
                raise self.wrong(f"tensor {name!r}: rows of {shape[-1]} values do not fit {word}")
            size = shape[-1] // block * bytes_
            for n in shape[:-1]:
                size *= n
            if offset % align or data + offset + size > self.size:
                raise self.wrong(f"cut short: tensor {name!r} ends at byte {data + offset + size}, the file at {self.size}")
            tensors[name] = Tensor(shape, word, data + offset, size)
        return tensors

    def place(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.string()
        (n,) = self.unpack("I")
        if not 1 <= n <= 4:
            raise self.wrong(f"tensor {name!r} has {n} dimensions")
        shape = self.unpack(f"{n}Q")
        if not all(0 < side < 1 << 40 for side in shape):
            raise self.wrong(f"tensor {name!r} has the shape {shape}")
        kind, offset = self.unpack("IQ")
        return name, tuple(reversed(shape)), kind, offset

    def take(self, n: int) -> bytes:
        data = self.file.read(n)
        if len(data) != n:
            raise self.wrong(f"cut short at byte {self.file.tell()}, inside the header")
        return data

    def unpack(self, form: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def string(self) -> str:
        (n,) = self.unpack("Q")
        if n > min(MOST_STRING, self.size):
            raise self.wrong(f"a text of {n} bytes at byte {self.file.tell()}: damaged")
        return self.take(n).decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        if kind in SCALARS:
            return self.unpack(SCALARS[kind])[0]
        if kind == STRING:
            return self.string()
        if kind != ARRAY or depth > 2:
            raise self.wrong(f"a value of kind {kind} at byte {self.file.tell()}: damaged")
        inner, n = self.unpack("IQ")
        if n > min(MOST_ITEMS, self.size):
            raise self.wrong(f"a list of {n} items at byte {self.file.tell()}: damaged")
        if inner in SCALARS:
            return list(self.unpack(f"{n}{SCALARS[inner]}"))
        return [self.value(inner, depth + 1) for _ in range(n)]
