"""What was made of the record to learn from: exports and adapters, as far as forgetting is concerned. Touches `.agent/sft`, reads `.agent/lora`.

An export that mentions what is forgotten goes whole, as its manifest holds hashes of its files, and it can be made anew. An adapter
cannot: what it learned is in its weights. It is named, and stays until a person trains it again or deletes it, as it may be in service.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from git_hone.hooks.place import Place
from git_hone.learner import lineage
from git_hone.learner.dataset.card import MANIFEST

EXPORTS: Final = "sft"
ADAPTERS: Final = "lora"
WEIGHTS: Final = (".gguf", ".safetensors", ".pt", ".bin")


def exports(place: Place) -> Iterator[Path]:
    """The folders of exports."""
    for file in sorted((place.agent / EXPORTS).glob(f"*/{MANIFEST}")):
        yield file.parent


def remove_exports(place: Place, mentions: Callable[[str], bool], commits: Collection[str]) -> int:
    """Delete the exports that mention it, or that were made of these commits, and the stamps that name them; returns how many."""
    gone = [folder for folder in exports(place) if _concerned(folder, mentions, commits)]
    for folder in gone:
        shutil.rmtree(folder)
    names = {folder.name for folder in gone}
    for stamp in place.agent.glob("last-export-*.txt"):
        if stamp.read_text("utf-8", "replace").strip() in names:
            stamp.unlink()
    return len(gone)


def _concerned(folder: Path, mentions: Callable[[str], bool], commits: Collection[str]) -> bool:
    try:
        if set(json.loads((folder / MANIFEST).read_bytes())["commits"]) & set(commits):
            return True
    except (OSError, ValueError, KeyError, TypeError):
        return True  # nobody can tell what it holds
    return any(mentions(file.read_bytes().decode("utf-8", "surrogateescape")) for file in sorted(folder.iterdir()))


def is_weights(place: Place, file: Path) -> bool:
    """Whether a file holds an adapter's numbers: gigabytes without a word."""
    return place.agent / ADAPTERS in file.parents and file.suffix in WEIGHTS


def is_lineage(place: Place, file: Path) -> bool:
    return place.agent / ADAPTERS in file.parents and file.name.startswith("lineage") and file.suffix == ".json"


def taught(place: Place, changes: Collection[str]) -> list[str]:
    """A line for each adapter that learned from any of these changes, with the next step; and for each whose lineage cannot be read."""
    known, problems = lineage.adapters(place.agent / ADAPTERS)
    said = [
        f"{file.parent}: adapter {of.adapter} ({file.name}) learned from {len(met)} change(s) of it; next: train it again, or delete it"
        for file, of, met in lineage.learned_from(known, changes)
    ]
    return [*said, *problems]
