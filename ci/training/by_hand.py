"""`git hone adapters convert`, `merge` and `check` as jobs: for an adapter that peft saved, wherever it was trained."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, NamedTuple

from git_hone.ci.digests import file_sha256
from git_hone.ci.training import base as bases
from git_hone.ci.training import convert, integrity, merge, publishing
from git_hone.learner.errors import DataError, UsageError

MERGED: Final = "merged.gguf"
"""Beside the adapter; `git hone deploy` serves it where a server takes no adapters."""
LEAST_KEPT: Final = 0.5
"""Of an adapter's change, after rounding: with less, most of what was trained is gone."""


class Written(NamedTuple):
    """sha256: of the file. base_sha256: of the base, None for a folder of transformers. layers: how many the adapter changes. kept: of a
    merged model, the share of the change that is left in it, about 0..1; None for an adapter. divergence: of a merged model from base and adapter
    side by side, mean nats a token; None where it was not measured."""

    path: Path
    sha256: str
    base_sha256: str | None
    layers: int
    kept: float | None = None
    divergence: float | None = None


class Cost(NamedTuple):
    """What a type costs. bytes: of the file. kept: as in `Written`. divergence, worst: from base and adapter side by side, mean nats a token and at
    one token; None for both where llama.cpp is not installed. top: share of tokens at which the same word comes first."""

    kind: str
    bytes: int
    kept: float
    divergence: float | None
    worst: float | None
    top: float | None


class Checked(NamedTuple):
    """faults: what is wrong, one finding each, () when it may be served. parity: None where it was not measured."""

    file: Path
    faults: tuple[str, ...]
    parity: integrity.Parity | None = None


def to_gguf(adapter: Path, base: str, out: Path | None, kind: Literal["F32", "F16"]) -> Written:
    """Write peft's adapter in folder `adapter`, trained on `base`, as GGUF, by default beside it.

    Raises UsageError when `out` is the base or there is no such base, DataError for what a GGUF adapter cannot carry.
    """
    model, target = bases.find(base), out or adapter / publishing.GGUF
    if model.kind == "hub":
        raise UsageError(f"{base}: only a name of the hub; its settings are needed here", tip="name a GGUF file or a folder")
    _apart(target, model)
    done = convert.convert(adapter, Path(model.at), target, base_sha256=model.sha256 if model.kind == "gguf" else None, kind=kind)
    return Written(target, file_sha256(target), model.sha256, len(done.tensors) // 2)


def merged(
    adapter: Path, base: str, out: Path | None, kind: str, *, force: bool = False, most: float = integrity.MOST_KL
) -> Written:
    """Write the GGUF model `base` with the adapter merged in, by default beside the adapter.

    Raises DataError where less than `LEAST_KEPT` of the change is left at that type, or where what is written is further than `most` nats from base
    and adapter side by side, unless `force`; what was there stays then. The distance is measured where llama.cpp is installed and the memory holds
    five times the base.
    """
    model, target = _gguf(base), out or adapter / MERGED
    _apart(target, model)
    least = 0.0 if force else LEAST_KEPT
    if not _measurable(model):
        done = merge.merge(Path(model.at), adapter, target, kind, base_sha256=model.sha256, least=least)
        return Written(target, file_sha256(target), model.sha256, done.changed, done.kept)
    with tempfile.TemporaryDirectory(prefix=".hone-", dir=target.parent) as name:
        done = merge.merge(Path(model.at), adapter, Path(name) / MERGED, kind, base_sha256=model.sha256, least=least)
        with _beside(adapter, model, Path(name)) as measure:
            found = measure(done.path).kl
        if found > most and not force:
            raise DataError(
                f"{target}: not written: at {kind} it is {found:.2g} nats a token from base and adapter, at most {most:g} may be",
                tip="--type F16, or a larger promotion.maxDivergence; --costs measures every type",
            )
        done.path.replace(target)
    return Written(target, file_sha256(target), model.sha256, done.changed, done.kept, found)


def costs(adapter: Path, base: str, tell: Callable[[Cost], None]) -> list[Cost]:
    """What each type that a merged model may have costs, the widest first; `tell` is called after each. Nothing is left behind.

    Raises UsageError when `base` is no GGUF file, DataError for what does not fit together.
    """
    model, found = _gguf(base), list[Cost]()
    with tempfile.TemporaryDirectory(prefix="hone-costs-") as name, ExitStack() as stack:
        measure = stack.enter_context(_beside(adapter, model, Path(name))) if _measurable(model) else None
        for kind in merge.KINDS:
            done = merge.merge(Path(model.at), adapter, Path(name) / MERGED, kind, base_sha256=model.sha256)
            far = measure(done.path) if measure else None
            size = done.path.stat().st_size
            found.append(Cost(kind, size, done.kept, *((far.kl, far.worst, far.top) if far else (None, None, None))))
            tell(found[-1])
    return found


@contextmanager
def _beside(adapter: Path, model: bases.Base, folder: Path) -> Iterator[Callable[[Path], integrity.Parity]]:
    made = convert.convert(adapter, Path(model.at), folder / publishing.GGUF, base_sha256=model.sha256)
    with integrity.against(Path(model.at), made.path) as measure:
        yield measure


def _measurable(model: bases.Base) -> bool:
    return find_spec("llama_cpp") is not None and integrity.affordable(Path(model.at))


def checked(adapter: Path, base: str, trained: Path | None, *, scores: bool) -> Checked:
    """Whether a GGUF adapter (a file, or the one in a folder of peft's, with which it is compared then) may be served on `base`.

    `scores`: llama.cpp's against transformers' too, which needs the folder. Raises UsageError where something asked for is missing.
    """
    if adapter.is_dir():
        trained, adapter = trained or adapter, adapter / publishing.GGUF
        if not adapter.is_file():
            raise UsageError(f"{adapter}: no such file", tip=f"git hone adapters convert {adapter.parent}")
    if scores and trained is None:
        raise UsageError("there is nothing to compare the scores with", tip="name the folder that peft saved with --trained")
    model = _gguf(base)
    faults = tuple(integrity.examine(adapter, Path(model.at), trained, base_sha256=model.sha256))
    if faults or not scores or trained is None:
        return Checked(adapter, faults)
    parity = integrity.parity(Path(model.at), adapter, trained)
    far = f"{adapter}: llama.cpp's scores are {parity.kl:.2g} nats from transformers', at most {integrity.MOST_KL:g} may be"
    return Checked(adapter, () if parity.same else (far,), parity)


def _gguf(base: str) -> bases.Base:
    found = bases.find(base)
    if found.kind != "gguf":
        raise UsageError(f"{base}: no GGUF file", tip="name the GGUF file that is served with --base")
    return found


def _apart(target: Path, model: bases.Base) -> None:
    at = Path(model.at)
    if target.is_dir():
        raise UsageError(f"{target}: a folder", tip="name a file with --out")
    if target.exists() and at.exists() and target.samefile(at):
        raise UsageError(f"{target}: the base itself; it is not written over", tip="name another file with --out")
