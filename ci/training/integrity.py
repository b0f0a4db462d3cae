"""Whether an adapter that is to be served is the one that was trained, and fits the base: before llama.cpp sees it.

llama.cpp reports neither a missing nor a wrong adapter through its Python bindings: the process dies at the first token. And an adapter
whose rows are in the wrong order loads, and answers nearly right. So: the file's structure and metadata (`examine`), its tensors against
peft's converted again (`examine` with `trained`), and the scores of both programs on the same tokens (`parity`).
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from git_hone.ci.digests import file_sha256
from git_hone.ci.training import base as bases
from git_hone.ci.training import convert, header, lora, merge, needs
from git_hone.learner.errors import DataError, HoneError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_KL: Final = 5e-4
"""Nats, mean over tokens. Same adapter, other program: 0.0001 was measured; rows in the wrong order: 0.002."""
TIMES: Final = 5
"""So many times the base's size is taken in memory, at F16."""
NAME: Final = re.compile(rf"^(blk\.\d+\.(?:{'|'.join(convert.NAMES.values())})\.weight)\.lora_([ab])$")
PROMPTS: Final = (
    "Write a Python function that returns the larger of two numbers.",
    "def add(a, b):\n    return",
    "The quick brown fox jumps over the lazy dog.",
    "Fix this error: NameError: name 'x' is not defined",
)


class Parity(NamedTuple):
    """How near llama.cpp with the GGUF adapter is to transformers with peft's. kl: nats, mean over tokens; worst: at one token; top: share
    of tokens at which both put the same word first."""

    kl: float
    worst: float
    top: float
    tokens: int

    @property
    def same(self) -> bool:
        return self.kl <= MOST_KL


def examine(adapter: Path, base: Path, trained: Path | None = None, *, base_sha256: str | None = None) -> list[str]:
    """What is wrong with the GGUF adapter at `adapter` for the GGUF model at `base`, one finding a line; empty when it may be served.

    `trained`: peft's folder it was made from. `base_sha256`: of `base`, where it is known. Reads every tensor of the adapter.
    """
    try:
        head, model = header.read(adapter), header.read(base)
    except DataError as error:
        return [error.message]
    if not head.is_adapter or head.fields.get("adapter.type") != "lora":
        return [f"{adapter}: not a LoRA adapter"]
    found = []
    if model.is_adapter:
        return [f"{base}: an adapter, not a base model"]
    if head.arch != model.arch:
        found.append(f"{adapter}: for architecture {head.arch}, the base is {model.arch}")
    alpha = head.fields.get("adapter.lora.alpha")
    if not isinstance(alpha, float) or not math.isfinite(alpha) or alpha <= 0:
        found.append(f"{adapter}: its scale (adapter.lora.alpha) is {alpha}")
    told = head.fields.get(convert.BASE_SHA256)
    if told is None:
        found.append(f"{adapter}: does not say which base it is for ({convert.BASE_SHA256})")
    elif told != (base_sha256 or file_sha256(base)):
        found.append(f"{adapter}: made for another base than {base} (SHA-256 {str(told)[:12]}...)")
    found += _shapes(head, model)
    if not found:
        found += _values(head)
    if trained is not None and not found:
        found += _against(head, model, trained)
    return found


def _shapes(head: header.Header, model: header.Header) -> list[str]:
    found, halves = [], dict[str, dict[str, tuple[int, ...]]]()
    for name, tensor in head.tensors.items():
        match = NAME.match(name)
        if not match:
            found.append(f"{head.path}: tensor {name!r} has no place in an adapter")
        elif tensor.type not in ("F32", "F16") or len(tensor.shape) != 2:
            found.append(f"{head.path}: {name} is {tensor.type} {tensor.shape}")
        elif match[1] not in model.tensors:
            found.append(f"{head.path}: the base has no tensor {match[1]}")
        else:
            halves.setdefault(match[1], {})[match[2]] = tensor.shape
    for name, pair in halves.items():
        its = model.tensors[name].shape
        if len(pair) != 2:
            found.append(f"{head.path}: {name} has one matrix only")
        elif pair["a"][0] != pair["b"][1] or (pair["b"][0], pair["a"][1]) != its:
            found.append(f"{head.path}: {name}: {pair['b']} times {pair['a']} does not fit the base's {its}")
    return found or ([] if halves else [f"{head.path}: holds no layer"])


def _tensors(head: header.Header) -> dict[str, NDArray[np.float32]]:
    import numpy

    kinds = {"F32": "<f4", "F16": "<f2"}
    return {
        name: numpy.fromfile(head.path, kinds[each.type], math.prod(each.shape), offset=each.start).reshape(each.shape)
        for name, each in head.tensors.items()
    }


def _values(head: header.Header) -> list[str]:
    import numpy

    return [
        f"{head.path}: {name} holds numbers that are not finite"
        for name, each in _tensors(head).items()
        if not numpy.isfinite(each).all()
    ]


def _against(head: header.Header, model: header.Header, trained: Path) -> list[str]:
    """Convert peft's adapter again and compare bit by bit."""
    import numpy

    try:
        read = lora.read(trained)
        wanted = convert.matrices(read, convert.heads_of_file(model))
    except HoneError as error:
        return [error.message]
    mine, scale = _tensors(head), float(head.fields["adapter.lora.alpha"]) / read.rank
    if head.fields.get(convert.ADAPTER_SHA256) != read.sha256:
        return [f"{head.path}: made from another adapter than {trained}"]
    if not math.isclose(scale, read.scale, rel_tol=1e-6):
        return [f"{head.path}: its scale is {scale:g}, the trained one's {read.scale:g}"]
    if mine.keys() != wanted.keys():
        return [f"{head.path}: holds other layers than {trained}"]
    other = [name for name, each in mine.items() if not numpy.array_equal(each, wanted[name].astype(each.dtype))]
    return [f"{head.path}: {name} is not what was trained" for name in other[:3]]


def parity(
    base: Path, adapter: Path, trained: Path, prompts: Sequence[str] = PROMPTS, *, merged: bool = False, timeout_s: float = 600.0
) -> Parity:
    """Scores of llama.cpp with `base` and `adapter` (GGUF) against transformers with `base` and `trained` (peft's folder) on `prompts`.
    merged: `adapter` is a whole model, into which it was merged.

    llama.cpp computes with activations rounded to 8 bits where the weights are quantised, so both run on the base's weights in F16.
    Takes about five times the base's size on disk and in memory. Raises UsageError without the libraries, DataError when one of the two
    processes dies.
    """
    import numpy

    needs.check(("torch", "transformers", "peft", "llama_cpp"), "comparing an adapter with llama.cpp")
    if not merged and (found := examine(adapter, base)):
        raise DataError(found[0])
    with tempfile.TemporaryDirectory(prefix="hone-parity-") as name:
        folder = Path(name)
        wide = merge.widened(base, folder / "base.gguf")
        (folder / "prompts.json").write_text(json.dumps(list(prompts)), "utf-8")
        _child("scores_peft", folder, wide, trained, timeout_s)
        if merged:
            _child("scores_llama", folder, merge.widened(adapter, folder / "merged.gguf"), None, timeout_s)
        else:
            _child("scores_llama", folder, wide, adapter, timeout_s)
        theirs, mine = (
            numpy.load(folder / f"{name}.npy", allow_pickle=False).astype("f8") for name in ("scores_peft", "scores_llama")
        )
    return compared(theirs, mine)


@contextmanager
def against(
    base: Path, adapter: Path, prompts: Sequence[str] = PROMPTS, timeout_s: float = 600.0
) -> Iterator[Callable[[Path], Parity]]:
    """What rounding costs: a function that compares a whole model, into which the GGUF adapter was merged, with the base and the adapter side by
    side. Both by llama.cpp, with every weight in F16 at least, so that the numbers in the files are compared and not the ways to compute.

    With peft's scores in place of the base's and the adapter's the numbers are the same to 0.00001 nats, and need torch. Takes about five times the
    base's size on disk and in memory. Raises UsageError without llama.cpp, DataError when it dies.
    """
    import numpy

    needs.check(("llama_cpp",), "measuring what a type costs")
    with tempfile.TemporaryDirectory(prefix="hone-rounding-") as name:
        folder = Path(name)
        (folder / "prompts.json").write_text(json.dumps(list(prompts)), "utf-8")

        def scores(model: Path, adapter: Path | None) -> NDArray[np.float64]:
            _child("scores_llama", folder, model, adapter, timeout_s)
            return numpy.asarray(numpy.load(folder / "scores_llama.npy", allow_pickle=False).astype("f8"))

        beside = scores(merge.widened(base, folder / "wide.gguf"), adapter)

        def measure(merged: Path) -> Parity:
            return compared(beside, scores(merge.widened(merged, folder / "wide.gguf"), None))

        yield measure


def affordable(base: Path) -> bool:
    """Whether this machine's memory holds what `parity` and `against` need for a base; true where nobody says how much is free."""
    size, free = bases.gguf(base, base.name).size, bases.memory_free()
    return size is not None and (free is None or 2 * TIMES * size.parameters <= free)


def compared(theirs: NDArray[np.float64], mine: NDArray[np.float64]) -> Parity:
    """KL(theirs || mine) of two arrays of scores (tokens, words), before the softmax.

    >>> import numpy
    >>> same = compared(numpy.array([[1.0, 2.0]]), numpy.array([[2.0, 3.0]]))
    >>> round(same.kl, 9), same.top, same.same
    (0.0, 1.0, True)
    """
    import numpy

    if theirs.shape != mine.shape or not theirs.size:
        raise DataError(f"scores of {mine.shape} tokens and words against {theirs.shape}: another vocabulary")

    def logs(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        low = scores - scores.max(axis=1, keepdims=True)
        return numpy.asarray(low - numpy.log(numpy.exp(low).sum(axis=1, keepdims=True)))

    p, q = logs(theirs), logs(mine)
    each = (numpy.exp(p) * (p - q)).sum(axis=1)
    top = float((p.argmax(axis=1) == q.argmax(axis=1)).mean())
    return Parity(float(each.mean()), float(each.max()), top, len(each))


def _child(module: str, folder: Path, base: Path, adapter: Path | None, timeout_s: float) -> None:
    with_ = [str(adapter)] if adapter else []
    command = [sys.executable, "-m", f"git_hone.ci.training.{module}", str(folder), str(base), *with_]
    more: dict[str, Any] = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s, env=os.environ | more)
    except subprocess.TimeoutExpired:
        raise UsageError(f"{adapter or base}: comparing took longer than {timeout_s:g} s") from None
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise DataError(f"{adapter or base}: {module} ended with {how}: {words[-1] if words else 'no word'}")
