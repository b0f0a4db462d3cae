"""Libraries of the extras, loaded when they are needed, or a sentence that says how to get them."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from git_hone.learner.errors import UsageError

EXTRAS: Final = {
    "torch": "train", "transformers": "train", "peft": "train", "accelerate": "train", "safetensors": "train", "gguf": "train",
    "llama_cpp": "serve",
}  # fmt: skip
CPU_TORCH: Final = "pip install torch --index-url https://download.pytorch.org/whl/cpu"


def need(name: str, what_for: str) -> ModuleType:
    """The module `name`; `what_for` is what cannot be done without it. Raises UsageError naming the command that installs it."""
    check((name,), what_for)
    return importlib.import_module(name)


def check(names: tuple[str, ...], what_for: str) -> None:
    """Raises UsageError when one of `names` is not installed; loads none.

    >>> check(("json",), "reading")
    """
    missing = [name for name in names if find_spec(name) is None]
    if not missing:
        return
    extra = EXTRAS[missing[0]]
    first = f"{CPU_TORCH}  (the small build, for a machine without a GPU); then " if "torch" in missing else ""
    raise UsageError(f"{what_for} needs {', '.join(missing)}", tip=f"{first}pip install 'git-hone[{extra}]'")
