"""The training script, from its template and the settings: a plain file that a person can read, change and run without git-hone."""

from __future__ import annotations

import hashlib
import json
import pprint
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from git_hone.ci.training.base import Base
from git_hone.ci.training.dataset import Rows
from git_hone.learner.config import Config

Recipe = Literal["plain", "unsloth"]
RECIPES: Final = ("plain", "unsloth")


@dataclass(frozen=True)
class Settings:
    """How to train. rank, alpha: of the adapter, whose scale is alpha / rank. batch_size: rows of one step, over all processes.
    max_tokens: longer rows are left out. checkpoints: adapters that are kept, after all steps, half of them, a quarter, ..."""

    rank: int = 16
    alpha: int = 32
    epochs: int = 3
    batch_size: int = 2
    learning_rate: float = 2e-4
    seed: int = 0
    max_tokens: int = 2048
    checkpoints: int = 3
    device: Literal["cpu", "cuda"] = "cpu"
    processes: int = 1

    @classmethod
    def of(cls, config: Config, **changes: Any) -> Settings:
        """Those of `autoTrain`, with the changes that are not None.

        >>> from git_hone.learner.config import DEFAULTS
        >>> made = Settings.of(Config(DEFAULTS), epochs=1, seed=None)
        >>> made.rank, made.epochs, made.seed
        (16, 1, 0)
        """
        own = config["autoTrain"]
        named = {
            "rank": "loraRank", "alpha": "loraAlpha", "epochs": "epochs", "batch_size": "batchSize", "learning_rate": "learningRate",
            "seed": "seed", "max_tokens": "maxTokens", "checkpoints": "checkpoints",
        }  # fmt: skip
        values = {name: own[key] for name, key in named.items()}
        return cls(**values | {name: value for name, value in changes.items() if value is not None})


def identity(role: str, difficulty: str | None, base: Base, rows: Rows, settings: Settings, recipe: Recipe) -> str:
    """Twelve hex digits of what decides an adapter's bytes on one machine: the rows, the base, the settings and the script."""
    made_of = [role, difficulty, base.sha256 or base.name, rows.sha256, asdict(settings), template(recipe)]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


def template(recipe: Recipe) -> str:
    """The text of a script with its @PLACES@."""
    return files("git_hone.ci.training").joinpath(f"{recipe}.txt").read_text("utf-8")


def script(recipe: Recipe, file: Path, role: str, base: Base, settings: Settings, *, id: str, data: Path, out: Path) -> str:
    """The script that trains: as it is written to `file`, reading `data` and writing below `out`."""
    told = asdict(settings) | {
        "id": id, "base": base.at, "base_kind": base.kind, "base_name": base.name, "data": str(data), "out": str(out), "save_every_s": 60,
    }  # fmt: skip
    text = template(recipe)
    for place, value in {
        "@BASE@": _harmless(base.name), "@ROLE@": role, "@FILE@": file.name,
        "@SETTINGS@": pprint.pformat(told, width=120, sort_dicts=False).replace("{", "{\n ", 1).removesuffix("}") + ",\n}",
    }.items():  # fmt: skip
        text = text.replace(place, value)
    return text


def _harmless(name: str) -> str:
    """A name that ends no docstring and begins no place.

    >>> _harmless('a\\"\\"\\"b.gguf')
    'a___b.gguf'
    """
    return "".join(letter if letter.isalnum() or letter in "-_.:/ " else "_" for letter in name)
