"""A child process of `integrity.parity`: what transformers with peft's adapter thinks of each next token.

python -m git_hone.ci.training.scores_peft FOLDER BASE ADAPTER: reads FOLDER/prompts.json, writes tokens.json and scores_peft.npy there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path, base: Path, adapter: Path) -> None:
    """Write (tokens, words) scores in float32, all prompts one after the other."""
    import numpy
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(base.parent, gguf_file=base.name)
    model = AutoModelForCausalLM.from_pretrained(
        base.parent, gguf_file=base.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    model = PeftModel.from_pretrained(model, str(adapter)).eval()
    prompts = json.loads((folder / "prompts.json").read_bytes())
    tokens = [tokenizer.encode(text, add_special_tokens=False) for text in prompts]
    with torch.no_grad():
        scores = [model(torch.tensor([each])).logits[0].float().numpy() for each in tokens]
    (folder / "tokens.json").write_text(json.dumps(tokens))
    numpy.save(folder / "scores_peft.npy", numpy.concatenate(scores))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
