"""What a finished training leaves: adapter, configuration, checkpoints, the GGUF adapter, and a manifest that says what it was made of.

The manifest is an in-toto Statement (https://in-toto.io/Statement/v1), unsigned, without a time: the same training gives the same file.
Only files that are named here leave the run's folder, and no pickle.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from git_hone.ci.digests import file_sha256
from git_hone.ci.training import base as bases
from git_hone.ci.training import convert, lora, recipe
from git_hone.learner import lineage
from git_hone.learner.errors import DataError, HoneError, UsageError
from git_hone.learner.store.segments import sync

if TYPE_CHECKING:
    from git_hone.ci.training.train import Plan

MANIFEST: Final = "manifest.json"
GGUF: Final = "adapter.gguf"
CHECKPOINTS: Final = "checkpoints"
PREDICATE: Final = "https://git-hone.github.io/attestations/adapter/v1"


class Published(NamedTuple):
    """folder: of the finished adapter. gguf: the adapter for llama.cpp, None where it could not be made, and why_not then says why.
    losses: before each step. left_out: reason -> rows that were not trained on."""

    folder: Path
    sha256: str
    gguf: Path | None
    why_not: str | None
    losses: tuple[float, ...]
    left_out: dict[str, int]
    checkpoints: tuple[Path, ...]


def publish(made: Plan) -> Published:
    """Check what the script left in the run's folder and move it to its place. Raises DataError when it is no sound adapter."""
    result = _result(made.part / "result.json")
    fresh = made.part / "published"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        why_not = None
        for source, folder in _adapters(made.part, fresh):
            lora.read(source)  # shapes, finite numbers, nothing that cannot be served
            folder.mkdir(parents=True)
            for name in (lora.WEIGHTS, lora.CONFIG):
                shutil.copyfile(source / name, folder / name)
            why_not = _gguf(made, folder) or why_not
        _lineage(made, fresh, result["used"])
        (fresh / MANIFEST).write_text(json.dumps(statement(made, fresh, result), indent=1, sort_keys=True) + "\n", "utf-8")
        for path in (*fresh.rglob("*"), fresh):  # before the folder gets its name
            sync(path)
        if made.done.exists():
            shutil.rmtree(made.done)
        fresh.replace(made.done)
        shutil.rmtree(made.part)
    except OSError as error:
        raise UsageError(
            f"{error.filename or made.done}: cannot be written: {error.strerror}", tip="the same command goes on"
        ) from None
    return described(made.done, why_not)


def described(folder: Path, why_not: str | None = None) -> Published:
    """A published adapter, from its folder. Raises DataError when its manifest cannot be read or names another file than is there."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        digests = {each["name"]: each["digest"]["sha256"] for each in told["subject"]}
        of = told["predicate"]["training"]
        losses, left_out, sha256 = tuple(of["losses"]), dict(of["left_out"]), digests[lora.WEIGHTS]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder / MANIFEST}: not the manifest of an adapter: {error}", tip="train it again with --force"
        ) from None
    for name, digest in digests.items():
        if file_sha256(folder / name) != digest:
            raise DataError(f"{folder / name}: changed since it was published", tip="train it again with --force")
    gguf = folder / GGUF
    kept = tuple(sorted((folder / CHECKPOINTS).glob("step-*")))
    return Published(folder, sha256, gguf if gguf.is_file() else None, why_not, losses, left_out, kept)


def statement(made: Plan, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """The in-toto Statement of the adapter in `folder`."""
    subject = [
        {"name": str(path.relative_to(folder)), "digest": {"sha256": file_sha256(path)}}
        for path in sorted(folder.rglob("*")) if path.is_file()
    ]  # fmt: skip
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": PREDICATE,
        "predicate": {
            "id": made.id,
            "role": made.role,
            "difficulty": made.difficulty,
            "base": bases.described(made.base),
            "data": {
                "dataset": made.rows.dataset, "manifest_sha256": made.rows.manifest_sha256, "rows_sha256": made.rows.sha256,
                "rows": sorted(result["used"]),
            },
            "settings": asdict(made.settings),
            "code": {
                "git_hone": version("git-hone"), "recipe": made.recipe,
                "recipe_sha256": hashlib.sha256(recipe.template(made.recipe).encode()).hexdigest(), "libraries": _libraries(),
            },
            "training": {
                "steps": result["steps"], "losses": result["losses"], "left_out": _added(made.rows.left_out, result["left_out"]),
            },
        },
    }  # fmt: skip


def _lineage(made: Plan, folder: Path, used: list[str]) -> None:
    """The way back to the changes: `git hone export` and `forget` name the adapters that learned from one."""
    of = lineage.Lineage(
        f"{made.role}/{made.id}", made.role, made.rows.manifest_sha256 or made.rows.sha256, tuple(used), made.rows.dataset,
        made.base.name, made.base.sha256, {"rows_sha256": made.rows.sha256, "difficulty": made.difficulty},
    )  # fmt: skip
    lineage.write(folder, of)


def _adapters(part: Path, fresh: Path) -> Iterator[tuple[Path, Path]]:
    """Where each adapter was left, and where it goes. The last checkpoint is the adapter itself."""
    final = part / "final"
    yield final, fresh
    last = file_sha256(final / lora.WEIGHTS)
    for folder in sorted((part / CHECKPOINTS).glob("step-*")):
        if file_sha256(folder / lora.WEIGHTS) != last:
            yield folder, fresh / CHECKPOINTS / folder.name


def _gguf(made: Plan, folder: Path) -> str | None:
    """Write the GGUF adapter beside peft's; None, or why that cannot be done."""
    if made.base.kind != "gguf":
        return "the base is no GGUF file"
    try:
        convert.convert(folder, Path(made.base.at), folder / GGUF, base_sha256=made.base.sha256)
    except HoneError as error:
        return error.message
    return None


def _result(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        return {key: found[key] for key in ("steps", "losses", "left_out", "used")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: the script left no result: {error}", tip="run it again") from None


def _added(one: dict[str, int], two: dict[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + two.get(key, 0) for key in sorted({*one, *two})}


def _libraries() -> dict[str, str]:
    found = {}
    for name in ("torch", "transformers", "peft", "accelerate", "safetensors", "gguf"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
