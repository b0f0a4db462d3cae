"""What answers: a model of the variants, through its endpoint. `llama` holds the other engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from git_hone.ci import endpoints
from git_hone.ci.endpoints import Answer, Message
from git_hone.learner.gating.evaluation import Likelihood
from git_hone.learner.variants import Model


class Engine(Protocol):
    """name: of the model, for people. files: {name: SHA-256} of the weights; base_sha256: of what an adapter sits on."""

    name: str
    files: Mapping[str, str]
    base_sha256: str | None

    def ask(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, timeout_s: float) -> Answer:
        """Raises EndpointError where there is no answer."""

    def likelihood(self, text: str) -> Likelihood | None:
        """Of general code; None where the engine does not say."""

    def close(self) -> None:
        """Gives back what it holds; may be called twice."""


class Served:
    """A model of `.agent/model_variants.json`, asked through its endpoint. Its weights lie with the server."""

    def __init__(self, model: Model, *, local_only: bool) -> None:
        self.name, self._endpoint = model.id, endpoints.connect(model, local_only=local_only)
        self.files: Mapping[str, str] = {}
        self.base_sha256: str | None = None

    def ask(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, timeout_s: float) -> Answer:
        return self._endpoint.complete(messages, temperature=temperature, max_tokens=max_tokens, timeout_s=timeout_s)

    def likelihood(self, text: str) -> Likelihood | None:
        return None

    def close(self) -> None:
        pass
