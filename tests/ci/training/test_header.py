"""The header of a GGUF file, read with nothing but the standard library, and what is no model."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from git_hone.ci.training import header
from git_hone.learner.errors import DataError

from .conftest import HEADS, WIDE, WORDS, Tiny

Make = Callable[..., Tiny]


def test_it_reads_what_gguf_reads(tiny: Make) -> None:
    import gguf

    made = tiny(kind="Q8_0")
    head, theirs = header.read(made.base), gguf.GGUFReader(made.base)
    assert head.arch == "llama" and not head.is_adapter
    assert head.number("attention.head_count") == HEADS
    assert len(head.fields["tokenizer.ggml.tokens"]) == WORDS
    assert head.tensors["token_embd.weight"].shape == (WORDS, WIDE)
    assert [(t.name, t.data_offset, t.n_bytes, t.tensor_type.name) for t in theirs.tensors] == [
        (name, tensor.start, tensor.size, tensor.type) for name, tensor in head.tensors.items()
    ]


def test_sizes_are_those_of_ggml() -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is in the extra `train`")
    for number, (name, block, size) in header.TYPES.items():
        kind = gguf.GGMLQuantizationType(number)
        assert (kind.name, *gguf.GGML_QUANT_SIZES[kind]) == (name, block, size)


def test_a_file_that_is_cut_short_is_refused_wherever_it_is_cut(tiny: Make) -> None:
    made = tiny(layers=1)
    whole = made.base.read_bytes()
    for end in [0, 3, 7, 20, 100, 500, 900, len(whole) // 2, len(whole) - 40]:
        made.base.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"cut short|not a GGUF|damaged"):
            header.read(made.base)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(64), "not a GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "no architecture"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62), "text of"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 4, 1 << 60), "list of"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 99), "kind 99"),
    ],
    ids=["zip", "old", "big-endian", "empty", "many", "long text", "long list", "kind"],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        header.read(file)
    assert str(file) in raised.value.message


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            header.read(path)


def test_damage_anywhere_in_the_header_is_an_error_or_harmless(tiny: Make) -> None:
    made = tiny(layers=1)
    whole = made.base.read_bytes()
    target = made.folder / "damaged.gguf"
    refused = 0
    for seed in range(400):
        random = Random(seed)
        damaged = bytearray(whole)
        for _ in range(random.randint(1, 5)):
            damaged[random.randrange(2000)] = random.randrange(256)
        target.write_bytes(damaged)
        try:
            head = header.read(target)
        except DataError:
            refused += 1
        else:
            assert all(tensor.start + tensor.size <= len(whole) for tensor in head.tensors.values())
    assert refused > 100
