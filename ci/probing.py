"""Ask a model of the variants whether it is there, and what it says. Touches the network."""

from __future__ import annotations

from typing import Any, Final

from git_hone.ci.endpoints import Endpoint, EndpointError
from git_hone.learner.variants import Model

QUESTION: Final = "Answer with the one word: ready"
MOST_TOKENS: Final = 64


def probe(model: Model, endpoint: Endpoint, timeout_s: float) -> dict[str, Any]:
    """What a model's endpoint says of itself, and its answer to a tiny prompt.

    ok: whether it answered. reachable: None when nothing was sent. model_there: None when the endpoint cannot say. answer: None when
    there is none; its tokens and cost_usd are None when the endpoint does not count. problem: {"kind", "message", "tip"}, None when ok.
    """
    found: dict[str, Any] = {
        "version": 1, "id": model.id, "provider": model.provider, "endpoint": model.endpoint, "model": model.model, "local": model.local,
        "ok": False, "reachable": None, "server": None, "model_there": None, "context_length": None, "answer": None, "problem": None,
    }  # fmt: skip
    try:
        look = endpoint.look(timeout_s)
        found |= {"reachable": True, "server": look.server, "model_there": look.present, "context_length": look.context_length}
        said = endpoint.complete(
            [{"role": "user", "content": QUESTION}], temperature=0.0, max_tokens=MOST_TOKENS, timeout_s=timeout_s
        )
    except EndpointError as error:
        reached = error.kind not in ("unreachable", "local_only", "timeout")
        found["reachable"] = found["reachable"] or (None if error.kind == "local_only" else reached)
        if error.kind == "missing":
            found["model_there"] = False
        return found | {"problem": {"kind": error.kind, "message": error.message, "tip": error.tip}}
    tokens = (said.tokens_in, said.tokens_out)
    cost = None if said.tokens_in is None or said.tokens_out is None else model.cost(said.tokens_in, said.tokens_out)
    return found | {
        "ok": True, "model_there": True if look.present is None else look.present,
        "answer": {"text": said.text.strip(), "model": said.model, "finish": said.finish, "tokens_in": tokens[0], "tokens_out": tokens[1],
                   "duration_ms": said.duration_ms, "cost_usd": cost},
    }  # fmt: skip
