"""A whole model from base and adapter, at a chosen type, and how much of the adapter is left in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

from git_hone.ci.digests import file_sha256
from git_hone.ci.evaluating.llama import Llama
from git_hone.ci.training import convert, header, merge, needs
from git_hone.learner.errors import DataError, UsageError

from .conftest import ALPHA, GGUF_NAMES, RANK, Tiny, as_gguf

Make = Callable[..., Tiny]


def weights(path: Any) -> dict[str, Any]:
    import gguf

    return {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize(("kind", "near"), [("F32", 1e-6), ("F16", 3e-4), ("BF16", 3e-3), ("Q8_0", 3e-3)])
def test_merged_weights_are_base_and_adapter(tiny: Make, kind: str, near: float) -> None:
    made = tiny(kind="F32")
    done = merge.merge(made.base, made.adapter, made.folder / "merged.gguf", kind)
    found = weights(done.path)
    for name, weight in made.weights.items():
        number, module = name.split(".", 1)
        wanted = as_gguf(module, weight + ALPHA / RANK * (made.b[name] @ made.a[name]))
        numpy.testing.assert_allclose(found[f"blk.{number}.{GGUF_NAMES[module]}.weight"], wanted, atol=near)
    assert done.changed == len(made.weights)
    assert done.kept == pytest.approx(1.0, abs=0.05)


def test_the_base_s_own_coarse_grid_rounds_a_small_adapter_away(tiny: Make) -> None:
    made = tiny(kind="Q4_1")
    for b in made.b.values():
        b *= 0.02
    made.save()
    coarse = merge.merge(made.base, made.adapter, made.folder / "coarse.gguf", "Q4_1")
    fine = merge.merge(made.base, made.adapter, made.folder / "fine.gguf", "Q8_0")
    assert coarse.kept < 0.5 < 0.9 < fine.kept


def test_the_rest_of_the_model_is_as_it_was(tiny: Make) -> None:
    made = tiny(kind="Q8_0")
    done = merge.merge(made.base, made.adapter, made.folder / "merged.gguf", "Q8_0", base_sha256="cd" * 32)
    before, after = header.read(made.base), header.read(done.path)
    new = {convert.BASE_SHA256: "cd" * 32, "general.file_type": 7, "general.quantization_version": 2}
    assert after.fields == before.fields | new | {convert.ADAPTER_SHA256: after.fields[convert.ADAPTER_SHA256]}
    assert list(after.tensors) == list(before.tensors)
    for name in ("token_embd.weight", "blk.0.attn_norm.weight"):
        assert merge.raw_of(after, name).tobytes() == merge.raw_of(before, name).tobytes()


def test_an_unknown_type_is_refused(tiny: Make) -> None:
    made = tiny()
    with pytest.raises(UsageError, match="Q4_K_M"):
        merge.merge(made.base, made.adapter, made.folder / "merged.gguf", "Q4_K_M")


def test_an_adapter_as_a_base_is_refused(tiny: Make) -> None:
    made = tiny()
    written = convert.convert(made.adapter, made.base, made.folder / "adapter.gguf").path
    with pytest.raises(DataError, match="an adapter, not a base"):
        merge.merge(written, made.adapter, made.folder / "merged.gguf")


def test_a_merged_model_is_judged_on_the_base_it_was_merged_into(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the gate would call it another base than that of the incumbent, which is the base itself."""
    monkeypatch.setattr(needs, "find_spec", lambda name: name)  # what is asked is decided before llama.cpp is loaded
    made = tiny()
    digest = file_sha256(made.base)
    done = merge.merge(made.base, made.adapter, made.folder / "merged.gguf", base_sha256=digest)
    base, merged = (Llama("m", file, None, made.folder) for file in (made.base, done.path))
    assert base.base_sha256 == merged.base_sha256 == digest
    assert dict(merged.files) == {"merged.gguf": file_sha256(done.path)}
    for one in (base, merged):
        one.close()
