"""A child process of `integrity.parity` and `against`: what llama.cpp with the GGUF adapter thinks of each next token. It may die; nothing else
does then.

python -m git_hone.ci.training.scores_llama FOLDER BASE [ADAPTER]: reads FOLDER/tokens.json, or, where that is not there, cuts FOLDER/prompts.json
into tokens and writes it; writes scores_llama.npy there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path, base: Path, adapter: Path | None = None) -> None:
    """Write (tokens, words) scores in float32, all prompts one after the other."""
    import inspect

    import numpy
    from llama_cpp import Llama

    if "lora_path" not in inspect.signature(Llama.__init__).parameters:
        sys.exit("this llama-cpp-python takes no adapter (lora_path)")
    told = folder / "tokens.json"
    if not told.is_file():
        words = Llama(str(base), vocab_only=True, verbose=False)
        prompts = json.loads((folder / "prompts.json").read_bytes())
        told.write_text(json.dumps([words.tokenize(text.encode(), add_bos=False) for text in prompts]))
    tokens = json.loads(told.read_bytes())
    longest = max(map(len, tokens))
    with_ = str(adapter) if adapter else None
    model = Llama(str(base), n_ctx=max(64, longest), n_batch=max(64, longest), logits_all=True, lora_path=with_, verbose=False)
    scores = []
    for each in tokens:
        model.reset()  # or what is left of the prompt before changes the numbers
        model.eval(each)
        scores.append(numpy.array(model.scores[: len(each)], "f4"))
    numpy.save(folder / "scores_llama.npy", numpy.concatenate(scores))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
