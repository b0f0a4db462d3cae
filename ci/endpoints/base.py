"""What all endpoints share: the question, the answer, the guard of `local_only`, the retries, and the words of an error."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

from git_hone.learner.errors import HoneError
from git_hone.learner.variants import Model, is_loopback

Kind = Literal["unreachable", "timeout", "refused", "missing", "nonsense", "truncated", "local_only"]
Finish = Literal["stop", "length", "declined"]
RETRIES: Final = 2
FIRST_WAIT_S: Final = 0.5
LONGEST_WORD: Final = 300
_T = TypeVar("_T")


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Answer:
    """What a model said. tokens_in, tokens_out: as the endpoint counted them, None when it does not say. duration_ms: the wall time of
    the attempt that succeeded. model: the name that the endpoint gives itself. finish: "stop" (it had finished), "length" (cut at
    max_tokens or at the end of its context: the text is incomplete), "declined" (it would not answer)."""

    text: str
    tokens_in: int | None
    tokens_out: int | None
    duration_ms: int
    model: str
    finish: Finish


@dataclass(frozen=True)
class Look:
    """What an endpoint says of itself. server: its version, None when it has none to tell. present: whether the model is there, None
    when it cannot be asked. context_length: tokens, None when it does not say."""

    server: str | None = None
    present: bool | None = None
    context_length: int | None = None


@dataclass(frozen=True)
class Weights:
    """Which weights an endpoint serves, as far as it says. files: what -> SHA-256 in hex: "model" or "adapter", the file that is served, and
    "manifest", of everything (template, parameters, ...). base_sha256: of the model below an adapter, of the base that a merged model names,
    or of the model itself."""

    files: Mapping[str, str] = field(default_factory=dict)
    base_sha256: str | None = None


UNASKED: Final = "does not know what was asked"
"""How an error says 405 and 501: the server is there, and has nothing for this method at this path."""


class EndpointError(HoneError):
    """A model could not be asked, or did not answer.

    kind: "unreachable" (nobody there, or a server that keeps failing), "timeout", "refused" (a bad or missing key, too many requests, a
    request it will not take), "missing" (no such model), "nonsense" (an answer that is none), "truncated" (the connection broke in
    the middle of the answer), "local_only" (may not be asked; nothing was sent). No message ever holds a key.
    """

    exit_code = 1

    def __init__(
        self, kind: Kind, message: str, tip: str | None = None, *, again: bool = False, wait_s: float | None = None
    ) -> None:
        super().__init__(message, tip)
        self.kind: Kind = kind
        self.again, self.wait_s = again, wait_s


class Endpoint(ABC):
    """A model that can be asked.

    `environ` holds the keys (a variant names the variable). `retries`: how often an answer of 429 or 5xx, or a refused connection, is
    tried again, with a random wait that doubles, or as long as `Retry-After` says. `sleep` and `random` do the waiting.
    """

    def __init__(
        self,
        model: Model,
        *,
        local_only: bool = True,
        environ: Mapping[str, str] = os.environ,
        retries: int = RETRIES,
        sleep: Callable[[float], None] = time.sleep,
        random: Random | None = None,
    ) -> None:
        self.model, self.local_only, self.retries = model, local_only, retries
        self._environ, self._sleep, self._random = environ, sleep, random or Random()  # noqa: S311 - jitter

    def complete(
        self,
        messages: Sequence[Message],
        *,
        temperature: float,
        max_tokens: int,
        timeout_s: float,
        stop: Sequence[str] | None = None,
    ) -> Answer:
        """The model's answer to a conversation. temperature: 0..2 (Anthropic: 0..1); max_tokens: most tokens of the answer, at least
        1; timeout_s: for all attempts and waits together (one that is silent at the end may take as long again); stop: texts that end
        the answer. Raises EndpointError."""
        if not messages or max_tokens < 1 or timeout_s <= 0:
            raise ValueError("at least one message, max_tokens from 1, a timeout above 0")
        return self._patiently(lambda left: self._ask(messages, temperature, max_tokens, left, tuple(stop or ())), timeout_s)

    def look(self, timeout_s: float) -> Look:
        """What the endpoint says of itself and of the model. Raises EndpointError when it cannot be reached."""
        return self._patiently(self._look, timeout_s)

    def weights(self, timeout_s: float) -> Weights:
        """Which weights the model has. Raises EndpointError when it cannot be reached, or has no such model."""
        return self._patiently(self._weights, timeout_s)

    def _weights(self, timeout_s: float) -> Weights:
        return Weights()

    @abstractmethod
    def _ask(
        self, messages: Sequence[Message], temperature: float, max_tokens: int, timeout_s: float, stop: tuple[str, ...]
    ) -> Answer: ...

    @abstractmethod
    def _look(self, timeout_s: float) -> Look: ...

    def _patiently(self, attempt: Callable[[float], _T], timeout_s: float) -> _T:
        self._guard()
        end = time.monotonic() + timeout_s
        for k in range(self.retries + 1):
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                return attempt(left)
            except EndpointError as error:
                wait = self._random.uniform(0, FIRST_WAIT_S * 2**k) if error.wait_s is None else error.wait_s
                if not error.again or k == self.retries or wait >= end - time.monotonic():
                    raise
                self._sleep(wait)
        raise self._timeout(timeout_s)

    def _guard(self) -> None:
        """Fails closed: what counts is where the address leads, not what the variant says of itself."""
        if self.local_only and not (is_loopback(self.model.endpoint) and self.model.local):
            raise EndpointError(
                "local_only",
                f"{self.model.id}: {self._origin} is not this machine, and privacy.local_only is on; nothing was sent",
                tip="set privacy.local_only to false in .agent/learning-config.json to allow models elsewhere",
            )

    @property
    def _origin(self) -> str:
        parts = urlsplit(self.model.endpoint)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _key(self) -> str | None:
        """The key from the environment; None where the variant names no variable."""
        name = self.model.api_key_env
        if name is None:
            return None
        key = self._environ.get(name, "").strip()
        if not key:
            raise EndpointError("refused", f"{self.model.id}: the environment has no {name}", tip=f"export {name}=...")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise EndpointError("refused", f"{self.model.id}: {name} holds characters that no key has")
        return key

    def _timeout(self, timeout_s: float) -> EndpointError:
        return EndpointError("timeout", f"{self.model.id}: no answer from {self._origin} within {timeout_s:.3g} s")

    def _unreachable(self, said: str) -> EndpointError:
        tip = "is it running? `ollama serve` starts it" if self.model.provider == "ollama" else "check the endpoint's address"
        return EndpointError(
            "unreachable", f"{self.model.id}: {self._origin} cannot be reached: {self._clean(said)}", tip, again=True
        )

    def _truncated(self) -> EndpointError:
        return EndpointError(
            "truncated", f"{self.model.id}: the connection to {self._origin} broke in the middle of the answer", again=True
        )

    def _nonsense(self, what: str) -> EndpointError:
        return EndpointError("nonsense", f"{self.model.id}: {self._origin} did not answer as its documentation says: {what}")

    def _status(self, status: int, said: str, wait_s: float | None = None) -> EndpointError:
        """The error for an HTTP status that is not a success."""
        who, said = f"{self.model.id}: {self._origin}", self._clean(said)
        told = f" ({status}{': ' + said if said else ''})"
        if status == 404:
            tip = (
                f"`ollama pull {self.model.model}` fetches it" if self.model.provider == "ollama" else "check model and endpoint"
            )
            return EndpointError("missing", f"{who} has no model {self.model.model!r}{told}", tip)
        if status in (401, 402, 403):
            name = self.model.api_key_env
            tip = f"check the key in {name}" if name else "say with api_key_env which environment variable holds the key"
            return EndpointError("refused", f"{who} refused the key{told}", tip)
        if status == 429:
            return EndpointError("refused", f"{who} takes no more requests for now{told}", again=True, wait_s=wait_s)
        if status in (405, 501):
            return EndpointError("refused", f"{who} {UNASKED}{told}", "check the endpoint")
        if status >= 500 or status == 408:
            return EndpointError("unreachable", f"{who} failed{told}", again=True, wait_s=wait_s)
        return EndpointError("refused", f"{who} did not take the request{told}")

    def _clean(self, said: str) -> str:
        """The server's own words: on one line, short, and without the key, should it repeat it."""
        key = self._environ.get(self.model.api_key_env or "", "").strip()
        if key:
            said = said.replace(key, "***")
        return " ".join("".join(letter if letter.isprintable() else " " for letter in said).split())[:LONGEST_WORD]


def wait_of(header: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for; None without one, or for a date (then the usual wait applies).

    >>> wait_of("2"), wait_of(None), wait_of("Wed, 21 Oct 2026 07:28:00 GMT")
    (2.0, None, None)
    """
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
