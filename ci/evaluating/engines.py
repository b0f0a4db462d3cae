"""What answers: a model of the variants, through its endpoint. `llama` holds the other engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, Protocol

from git_hone.ci import endpoints
from git_hone.ci.endpoints import Answer, Message, Weights
from git_hone.learner.gating.evaluation import SERVER, Likelihood
from git_hone.learner.variants import Model

PATIENCE_S: Final = 30.0


class Engine(Protocol):
    """name: of the model, for people. files: {name: SHA-256} of the weights; base_sha256: of what an adapter sits on."""

    name: str

    @property
    def files(self) -> Mapping[str, str]: ...
    @property
    def base_sha256(self) -> str | None: ...

    def ask(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, timeout_s: float) -> Answer:
        """Raises EndpointError where there is no answer."""

    def likelihood(self, text: str) -> Likelihood | None:
        """Of general code; None where the engine does not say."""

    def close(self) -> None:
        """Gives back what it holds; may be called twice."""


class Served:
    """A model of `.agent/model_variants.json`, asked through its endpoint. Its weights lie with the server, which may say which they are."""

    def __init__(self, model: Model, *, local_only: bool) -> None:
        self.name, self._endpoint = model.id, endpoints.connect(model, local_only=local_only)

    @cached_property
    def weights(self) -> Weights:
        """As the server tells when it is asked first. Raises EndpointError."""
        return self._endpoint.weights(PATIENCE_S)

    @property
    def files(self) -> Mapping[str, str]:
        return {SERVER + what: sha256 for what, sha256 in self.weights.files.items()}

    @property
    def base_sha256(self) -> str | None:
        return self.weights.base_sha256

    def unchanged(self) -> bool:
        """Whether the server still serves what it served at first. Raises EndpointError."""
        return self._endpoint.weights(PATIENCE_S) == self.weights

    def ask(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, timeout_s: float) -> Answer:
        return self._endpoint.complete(messages, temperature=temperature, max_tokens=max_tokens, timeout_s=timeout_s)

    def likelihood(self, text: str) -> Likelihood | None:
        return None

    def close(self) -> None:
        pass
