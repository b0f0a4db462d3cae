"""Ask a model: one interface to Ollama, to OpenAI-compatible servers and to Anthropic. Touches the network, and only when asked to.

>>> from git_hone.learner.variants import Model
>>> there = Model("m", "openai-compatible", "https://api.example.com/v1", "m", api_key_env="KEY")
>>> connect(there).complete([{"role": "user", "content": "Hello"}], temperature=0, max_tokens=10, timeout_s=5)
Traceback (most recent call last):
    ...
git_hone.ci.endpoints.base.EndpointError: m: https://api.example.com is not this machine, and privacy.local_only is on; nothing was sent

What goes over the wire follows each provider's own documentation:
Ollama        https://docs.ollama.com/api (its client library makes the requests)
OpenAI        https://developers.openai.com/api/reference (POST /chat/completions, GET /models)
Anthropic     https://platform.claude.com/docs/en/api (POST /v1/messages, GET /v1/models/ID)
"""

from __future__ import annotations

from typing import Any

from git_hone.ci.endpoints.base import Answer, Endpoint, EndpointError, Kind, Look, Message, Weights
from git_hone.learner.variants import Model

__all__ = ["Answer", "Endpoint", "EndpointError", "Kind", "Look", "Message", "Weights", "connect"]


def connect(model: Model, *, local_only: bool = True, **options: Any) -> Endpoint:
    """The endpoint of a model. Nothing is sent yet, and no client library imported.

    `local_only` (`privacy.local_only`): a model whose address is not this machine's is refused, before anything is sent. Other
    options: see `Endpoint`.
    """
    if model.provider == "ollama":
        from git_hone.ci.endpoints.ollama import Ollama

        return Ollama(model, local_only=local_only, **options)
    from git_hone.ci.endpoints.http import Anthropic, OpenAICompatible

    kind = Anthropic if model.provider == "anthropic" else OpenAICompatible
    return kind(model, local_only=local_only, **options)
