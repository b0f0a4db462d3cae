"""The process that holds a model of llama.cpp: it may die on a damaged file, and nothing else does then.

python -m git_hone.ci.evaluating.llama_child SETTINGS: a JSON object (base, adapter or null, context, threads). Then a JSON object a line on
stdin, and one a line on stdout: {"do": "chat", ...} or {"do": "nats", "text": ...}.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any, Final

WINDOW: Final = 256
"""Tokens scored at once: their scores over the whole vocabulary lie in memory together."""


def main(settings: dict[str, Any]) -> None:
    """Answer until stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints goes to stderr
    import inspect

    import llama_cpp
    from llama_cpp import Llama

    without_repacking(llama_cpp)
    if settings["adapter"] and "lora_path" not in inspect.signature(Llama.__init__).parameters:
        sys.exit("this llama-cpp-python takes no adapter (lora_path)")
    model = Llama(
        settings["base"], n_ctx=settings["context"], n_threads=settings["threads"], lora_path=settings["adapter"], verbose=False,
        logits_all=settings["logits"], seed=0,
    )  # fmt: skip
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        model.reset()  # or what is left of the prompt before changes the answer
        try:
            said = _chat(model, asked) if asked["do"] == "chat" else _nats(model, asked["text"])
        except ValueError as error:  # a prompt longer than the context
            said = {"error": str(error)}
        print(json.dumps(said), file=out, flush=True)


def without_repacking(library: Any) -> None:
    """Leave the weights as the file has them: repacked for Intel's AMX, the process dies (signal 11) on virtual machines that show the
    instructions and do not grant them. Seen with 0.3.36, whose `Llama` has no argument for it."""
    inner = library.llama_cpp
    defaults = inner.llama_model_default_params

    def plain() -> Any:
        params = defaults()
        if hasattr(params, "use_extra_bufts"):
            params.use_extra_bufts = False
        return params

    library.llama_model_default_params = inner.llama_model_default_params = plain


def _chat(model: Any, asked: dict[str, Any]) -> dict[str, Any]:
    done = model.create_chat_completion(
        asked["messages"], temperature=asked["temperature"], max_tokens=asked["max_tokens"], stop=asked["stop"], seed=0
    )
    (choice,) = done["choices"]
    return {"text": choice["message"]["content"] or "", "finish": choice["finish_reason"],
            "tokens_in": done["usage"]["prompt_tokens"], "tokens_out": done["usage"]["completion_tokens"]}  # fmt: skip


def _nats(model: Any, text: str) -> dict[str, Any]:
    """-log P of each token after the first of its window, summed."""
    import numpy

    tokens = model.tokenize(text.encode(), add_bos=True, special=False)
    total, count, size = 0.0, 0, min(WINDOW, model.n_ctx())
    for start in range(0, len(tokens), size):
        window = tokens[start : start + size]
        model.reset()
        model.eval(window)
        scores = numpy.asarray(model.scores[: len(window) - 1], "f4")
        low = scores - scores.max(axis=1, keepdims=True)
        logs = low - numpy.log(numpy.exp(low).sum(axis=1, keepdims=True))
        total -= math.fsum(logs[k, token] for k, token in enumerate(window[1:]))
        count += len(window) - 1
    return {"nats": total, "tokens": count}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
