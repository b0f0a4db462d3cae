"""An adapter before it is served: found, whole, for its base, and what the gate said of the very file that would be served."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from git_hone.ci import gating
from git_hone.ci.digests import file_sha256
from git_hone.ci.training import base as bases
from git_hone.ci.training import by_hand, convert, header, integrity, lora, merge, publishing
from git_hone.learner import ledger, lineage
from git_hone.learner.errors import DataError, HoneError, UsageError
from git_hone.learner.gating import evaluation

MERGED: Final = by_hand.MERGED


class NotPromoted(HoneError):
    """The gate has not let this file through."""

    exit_code = 1


class Candidate(NamedTuple):
    """id: of the adapter, with its checkpoint. base: the GGUF file that it is for. context_length: tokens, None where the base does not
    say."""

    id: str
    folder: Path
    gguf: Path
    base: bases.Base
    lineage: lineage.Lineage
    context_length: int | None


def adapters(agent: Path, role: str) -> list[Path]:
    """The folders of the finished adapters of a role, oldest first."""
    home = agent / "lora" / role
    found = [file.parent for file in home.glob(f"*/{publishing.MANIFEST}") if not file.parent.name.endswith(".part")]
    return sorted(found, key=lambda folder: ((folder / publishing.MANIFEST).stat().st_mtime_ns, folder.name))


def find(agent: Path, role: str, folder: Path | None, base_name: str) -> Candidate:
    """The adapter in `folder` (the newest of the role, when None), checked against the base `base_name`.

    Raises UsageError when there is none, it is another role's, or its base is not here; DataError for what may not be served.
    """
    if folder is None:
        known = adapters(agent, role)
        if not known:
            raise UsageError(f"no adapter of {role} in {agent / 'lora' / role}", tip=f"git hone train --role {role}")
        folder = known[-1]
    home = folder.parent.parent if folder.parent.name == publishing.CHECKPOINTS else folder
    publishing.described(home)  # every file of it is what was published
    of = lineage.read(home / lineage.FILE)
    if of.role != role:
        raise UsageError(f"{folder} was trained for {of.role}, not for {role}", tip=f"--role {of.role}")
    gguf = folder / publishing.GGUF
    if not gguf.is_file():
        raise UsageError(f"{folder} holds no GGUF adapter", tip="train it with a GGUF file as its base")
    base = bases.find(base_name)
    if base.kind != "gguf" or (of.base_sha256 and base.sha256 != of.base_sha256):
        raise UsageError(f"{base_name} is not the base of {of.adapter}, which is {of.base}", tip="name it with --base")
    if faults := integrity.examine(gguf, Path(base.at), base_sha256=base.sha256):
        raise DataError(faults[0], tip="nothing was deployed; train or convert it again")
    id_ = home.name if home == folder else f"{home.name}-{folder.name}"
    return Candidate(id_, folder, gguf, base, of, header.read(Path(base.at)).number("context_length"))


def merged(of: Candidate, kind: str) -> Path:
    """The base with the adapter merged in, beside the adapter, of type `kind`; made where it is not there yet. The same input gives the same
    bytes."""
    target = of.folder / MERGED
    if not target.is_file() or header.read(target).fields.get("general.file_type") != merge.KINDS[kind]:
        merge.merge(Path(of.base.at), of.folder, target, kind, base_sha256=of.base.sha256, least=by_hand.LEAST_KEPT)
    head = header.read(target)  # whole? llama.cpp ends the process on a damaged one
    told = head.fields.get(convert.BASE_SHA256), head.fields.get(convert.ADAPTER_SHA256)
    if head.is_adapter or told != (of.base.sha256, file_sha256(of.folder / lora.WEIGHTS)):
        raise DataError(f"{target}: not this adapter merged into this base", tip="delete it; it is made again")
    return target


def verdict(agent: Path, sha256: str) -> dict[str, Any] | None:
    """The newest line of the gate about evaluations of the file of this SHA-256; None without one."""
    hashes = set()
    for file in sorted((agent / gating.FOLDER).glob("*/*.json")):
        try:
            one = evaluation.load(file)
        except DataError:
            continue  # says nothing for the file
        if sha256 in one.files.values():
            hashes.add(one.hash)
    lines = [line for line in ledger.read(agent) if line.get("what") == gating.WHAT and line.get("candidate_hash") in hashes]
    return lines[-1] if lines else None


def permitted(agent: Path, file: Path, sha256: str, of: Candidate) -> dict[str, Any]:
    """The line of the gate that lets this file through. Raises NotPromoted, with the reason."""
    line = verdict(agent, sha256)
    if line is None:
        model = file if file.name == MERGED else f"{of.base.at} --adapter {file}"
        raise NotPromoted(
            f"{file} was not through the gate, and it is the file that would be served",
            tip=f"git hone evaluate --model {model} --name {of.id}; then git hone gate --candidate {of.id} --incumbent ...",
        )
    if line.get("verdict") != "promote":
        raise NotPromoted(f"the gate refused {line.get('to')} ({line.get('at')}): {line.get('reason')}", tip="train it anew")
    return line
