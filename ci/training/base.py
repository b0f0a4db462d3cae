"""The model to adapt: a GGUF file, a folder of transformers, a model of Ollama's store, or an id of the Hugging Face hub.

It is looked at before a training process is started: is it whole, of a kind that is known, and does it fit into the memory?
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from math import prod
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from git_hone.ci.digests import file_sha256
from git_hone.ci.training import convert, header
from git_hone.learner.errors import DataError, UsageError

HUB: Final = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
OLLAMA: Final = re.compile(r"^(?:([\w.-]+)/)?([\w.-]+)(?::([\w.-]+))?$")
HASHED: Final = ("config.json", "tokenizer.json", "tokenizer_config.json")


class Base(NamedTuple):
    """name: for people, without this machine's folders. at: the file, the folder, or the hub's id. sha256: of a GGUF file, or of a folder's
    weights and settings (a digest over their digests); None for a hub id. size: what its memory depends on, None for a hub id."""

    kind: Literal["gguf", "folder", "hub"]
    name: str
    at: str
    sha256: str | None
    size: Size | None


class Size(NamedTuple):
    """parameters, words of the vocabulary, layers, and the width of a layer."""

    parameters: int
    words: int
    layers: int
    width: int


def find(name: str) -> Base:
    """The model that `name` means. Raises UsageError when there is none, DataError when it is damaged or cannot be adapted."""
    path = Path(name).expanduser()
    if path.is_file():
        return gguf(path, path.name)
    if path.is_dir():
        return _folder(path)
    stored = ollama(name)
    if stored is not None:
        return gguf(stored, name)
    if HUB.match(name) and not name.endswith(".gguf"):
        return Base("hub", name, name, None, None)
    raise UsageError(
        f"{name}: no such model here (neither a GGUF file, nor a folder, nor in Ollama's store)",
        tip=f"ollama pull {name}, or name a GGUF file with --base, or set autoTrain.baseModel",
    )


def gguf(path: Path, name: str) -> Base:
    """A GGUF file as a base, checked as far as its header goes."""
    head = header.read(path)
    if head.is_adapter:
        raise DataError(f"{path}: an adapter, not a base model", tip="name the model that it is for")
    convert.known(head.arch, path)
    words, layers, width = (_number(head, key) for key in ("vocab_size", "block_count", "embedding_length"))
    words = words or len(head.fields.get("tokenizer.ggml.tokens") or ())
    if not (words and layers and width) or "token_embd.weight" not in head.tensors:
        raise DataError(f"{path}: says not enough of itself to be trained (words {words}, layers {layers}, width {width})")
    size = Size(sum(prod(tensor.shape) for tensor in head.tensors.values()), words, layers, width)
    return Base("gguf", name, str(path.resolve()), file_sha256(path), size)


def _number(head: header.Header, key: str) -> int:
    return head.number(key) or 0


def _folder(path: Path) -> Base:
    settings_file = path / "config.json"
    try:
        settings = json.loads(settings_file.read_bytes())
        words, layers, width = (int(settings[key]) for key in ("vocab_size", "num_hidden_layers", "hidden_size"))
        arch = str(settings["model_type"])
    except OSError:
        raise UsageError(f"{path}: not a model: it has no config.json", tip="name a folder that transformers saved") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{settings_file}: not the configuration of a transformers model") from None
    convert.known(arch, settings_file)
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        raise DataError(f"{path}: holds no safetensors", tip="weights in a pickle (.bin) are not read")
    parts = [file for file in (*weights, *(path / name for name in HASHED)) if file.is_file()]
    digest = hashlib.sha256("".join(f"{file_sha256(file)}  {file.name}\n" for file in parts).encode()).hexdigest()
    size = Size(sum(map(_parameters, weights)), words, layers, width)
    return Base("folder", path.resolve().name, str(path.resolve()), digest, size)


def _parameters(file: Path) -> int:
    """Values in a safetensors file, from its header; its length is checked against the file's."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        (n,) = struct.unpack("<Q", opened.read(8).ljust(8, b"\0"))
        try:
            head = json.loads(opened.read(n)) if n < min(size, header.MOST_STRING) else None
            held = [each for name, each in head.items() if name != "__metadata__"] if isinstance(head, dict) else []
            ends = [int(each["data_offsets"][1]) for each in held]
            if not held or 8 + n + max(ends) != size:
                raise ValueError
            return sum(prod(each["shape"]) for each in held)
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{file}: damaged or cut short", tip="get the file again") from None


def ollama(name: str) -> Path | None:
    """The GGUF file behind a model of Ollama's store on this machine, None when it has no such model."""
    match = OLLAMA.match(name)
    if not match:
        return None
    owner, model, tag = match[1] or "library", match[2], match[3] or "latest"
    own = os.environ.get("OLLAMA_MODELS")
    for store in [Path(own)] if own else [Path.home() / ".ollama/models", Path("/usr/share/ollama/.ollama/models")]:
        try:
            manifest = json.loads((store / "manifests/registry.ollama.ai" / owner / model / tag).read_bytes())
            digests = [each["digest"] for each in manifest["layers"] if each["mediaType"] == "application/vnd.ollama.image.model"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        for digest in digests:
            blob = store / "blobs" / str(digest).replace(":", "-")
            if re.fullmatch(r"sha256-[0-9a-f]{64}", blob.name) and blob.is_file():
                return blob
    return None


def memory_needed(size: Size, tokens: int, rank: int) -> int:
    """Bytes that training on a CPU takes at most, about: weights in float32 and once more while they are read, one row of `tokens` through
    all layers with what the way back needs, its words' scores three times, and an adapter with the two moments of Adam.

    The factors were set so that what was measured with SmolLM2-135M lies below (docs/how-to/train-an-adapter.md).
    """
    weights = 2 * 4 * size.parameters
    row = 4 * tokens * (size.layers * size.width * 34 + 3 * size.words)
    adapter = 4 * 4 * 14 * size.layers * size.width * 2 * rank
    return weights + row + adapter + (300 << 20)


def memory_free() -> int | None:
    """Bytes of memory that a process can get here: the machine's, or what its control group leaves; None where that is not told."""
    lines = _text("/proc/meminfo").splitlines()
    found = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    for most, used in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        limit, taken = _text(f"/sys/fs/cgroup/{most}").strip(), _text(f"/sys/fs/cgroup/{used}").strip()
        if limit.isdigit() and taken.isdigit():
            found.append(max(0, int(limit) - int(taken)))
    return min(found) if found else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except (OSError, ValueError):
        return ""


def described(found: Base) -> dict[str, Any]:
    """What a manifest says of a base."""
    return {"name": found.name, "kind": found.kind, "sha256": found.sha256}
