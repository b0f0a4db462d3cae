"""How much of a model is lost while it learns a house convention: an adapter after so many steps, judged at each checkpoint.

python -m bench.overtraining MODEL.gguf [--epochs N] [--json]      needs the extras train and serve; some CPU minutes with SmolLM2-135M

Learned is a convention that no prompt tells (a function returns its value and an error, and checks its argument), from 24 examples. *house* is
the share of 12 other functions that follow it; *general code* is nats a token on parts of Python's own library, as the gate measures it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from git_hone.ci.evaluating.evaluating import general_code
from git_hone.ci.evaluating.llama import Llama

LEARNED: Final = ("add", "subtract", "multiply", "maximum", "minimum", "modulo", "power", "average")
ASKED: Final = (
    "divide", "negate", "double", "halve", "square", "increment", "decrement", "clamp", "remainder", "difference", "product", "total",
)  # fmt: skip
CHECKPOINTS: Final = 5
ORDER: Final = "Write a Python function {} of {} and {}."


def rows(n: int = 24) -> list[dict[str, Any]]:
    """n examples, as `git hone export` writes them."""
    made = []
    for i in range(n):
        name, (a, b) = f"{LEARNED[i % len(LEARNED)]}_{i}", ("ab", "xy", "cd")[i % 3]
        code = f"def {name}({a}, {b}):\n    if not isinstance({a}, int):\n        return (None, 'expected int')\n    return ({a}, None)\n"
        made.append({"id": f"c{i}-coder-{i:010}", "prompt": [{"role": "user", "content": ORDER.format(name, a, b)}],
                     "completion": [{"role": "assistant", "content": code}], "role": "coder", "label": True, "provenance": "{}"})  # fmt: skip
    return made


def train(model: Path, folder: Path, epochs: int) -> Path:
    """The folder of the adapter, its checkpoints inside."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / ".agent").mkdir()
    (folder / ".agent/learning-config.json").write_text(json.dumps({"version": 1, "autoTrain": {"checkpoints": CHECKPOINTS}}))
    data = folder / "rows.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows()))
    done = subprocess.run(
        [sys.executable, "-m", "git_hone.cli", "train", "--base", str(model), "--data", str(data), "--force", "--epochs", str(epochs),
         "--batch-size", "4", "--learning-rate", "1e-3", "--json"],
        cwd=folder, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return Path(json.loads(done.stdout)["adapters"][0]["folder"])


def judged(model: Path, adapter: Path | None) -> dict[str, Any]:
    """Of the model with an adapter, or alone."""
    engine = Llama("m", model, adapter, model.parent)
    try:
        answers = [
            engine.ask(
                [{"role": "user", "content": ORDER.format(name, "p", "q")}], temperature=0.0, max_tokens=70, timeout_s=900
            ).text
            for name in ASKED
        ]
        found = engine.likelihood(general_code())
        if found is None:
            raise LookupError("llama.cpp tells no likelihood")
        return {
            "house": sum(", None)" in text and "(None, " in text for text in answers),
            "nats": found.nats,
            "tokens": found.tokens,
        }
    finally:
        engine.close()


def measure(model: Path, epochs: int) -> list[dict[str, Any]]:
    """One row for the model alone and one for each checkpoint."""
    with tempfile.TemporaryDirectory(prefix="hone-overtraining-") as name:
        adapter = train(model, Path(name), epochs)
        steps = len(json.loads((adapter / "manifest.json").read_text())["predicate"]["training"]["losses"])
        known = {int(one.name.removeprefix("step-")): one for one in (adapter / "checkpoints").glob("step-*")} | {steps: adapter}
        return [{"steps": 0, **judged(model, None)}] + [
            {"steps": step, **judged(model, folder / "adapter.gguf")} for step, folder in sorted(known.items())
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(asked.model.resolve(), asked.epochs)
    if asked.json:
        print(json.dumps(found))
        return
    print("| steps | house, of 12 | general code, nats a token | rise |\n|---|---|---|---|")
    for row in found:
        print(f"| {row['steps']} | {row['house']} | {row['nats']:.3f} | {row['nats'] - found[0]['nats']:+.3f} |")


if __name__ == "__main__":
    main()
