"""Ollama, by its own client library."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from git_hone.ci.endpoints.base import Answer, Endpoint, EndpointError, Look, Message, Weights, wait_of
from git_hone.learner.variants import is_loopback

if TYPE_CHECKING:
    import httpx
    import ollama

LETTERS_PER_TOKEN: Final = 3
"""Fewer than code and English have, so that the context is rather too large: Ollama cuts a prompt that does not fit, silently."""
LEAST_CONTEXT: Final = 4096
LINE: Final = re.compile(r'^(FROM|ADAPTER) .*\bsha256[-:]([0-9a-f]{64})"?\s*$')
"""Of the Modelfile that `/api/show` tells: where a layer lies in the server's store, named by its SHA-256."""
MANIFEST: Final = re.compile(r"^(?:sha256:)?([0-9a-f]{64})$")
BASE: Final = "hone.base.sha256"
"""The key of a merged model's metadata that names its base; `git_hone.ci.training.convert` writes it."""


class Ollama(Endpoint):
    """POST /api/chat as a stream: an error after the first word comes as an object inside a 200, and is an error here too."""

    def _ask(
        self, messages: Sequence[Message], temperature: float, max_tokens: int, timeout_s: float, stop: tuple[str, ...]
    ) -> Answer:
        began = time.monotonic()
        options: dict[str, Any] = {"temperature": temperature, "num_predict": max_tokens}
        options |= ({"num_ctx": self._context(messages, max_tokens)} if self.model.context_length else {}) | (
            {"stop": list(stop)} if stop else {}
        )
        words: list[str] = []
        last = None
        with self._client(timeout_s) as client:
            for part in client.chat(self.model.model, [dict(one) for one in messages], stream=True, options=options):
                words.append(part.message.content or "")
                if part.done:
                    last = part
                if time.monotonic() - began > timeout_s:
                    raise self._timeout(timeout_s)
        if last is None:
            raise self._truncated()
        finish = "length" if last.done_reason == "length" else "stop"
        text = "".join(words)
        if not text.strip() and finish == "stop":
            raise self._nonsense("an answer without text")
        return Answer(text, last.prompt_eval_count, last.eval_count, round((time.monotonic() - began) * 1000),
                      last.model or self.model.model, "length" if finish == "length" else "stop")  # fmt: skip

    def _context(self, messages: Sequence[Message], max_tokens: int) -> int:
        """Tokens to make room for, a power of two: Ollama loads the model anew for each other size."""
        need = sum(len(one["content"]) for one in messages) // LETTERS_PER_TOKEN + max_tokens
        size = LEAST_CONTEXT
        while size < need:
            size *= 2
        return min(size, self.model.context_length or size)

    def _look(self, timeout_s: float) -> Look:
        from ollama import ResponseError

        with self._client(timeout_s) as client:
            known = {one.model for one in client.list().models}
            name = self.model.model
            present = name in known or f"{name}:latest" in known
            length = None
            if present:
                try:
                    about = client.show(name).modelinfo or {}
                except ResponseError as error:
                    if error.status_code != 404:
                        raise
                    present, about = False, {}
                length = next((int(value) for key, value in about.items() if key.endswith(".context_length")), None)
        return Look(self._version(timeout_s), present, length)

    def _weights(self, timeout_s: float) -> Weights:
        name = self.model.model
        with self._client(timeout_s) as client:
            digests = {str(one.model): str(one.digest) for one in client.list().models}
            about = client.show(name)
        lines = [LINE.match(line) for line in layers(about.modelfile or "")]
        models, adapters = ([match[2] for match in lines if match and match[1] == what] for what in ("FROM", "ADAPTER"))
        if not models:  # it runs somewhere else, and its weights are not here
            return Weights()
        manifest = MANIFEST.match(digests.get(name) or digests.get(f"{name}:latest") or "")
        served = numbered("adapter", adapters) if adapters else numbered("model", models)
        told = (about.modelinfo or {}).get(BASE)
        base = str(told) if not adapters and told else models[0]
        return Weights({**served, **({"manifest": manifest[1]} if manifest else {})}, base)

    def _version(self, timeout_s: float) -> str | None:
        """GET /api/version, which the client library lacks."""
        import httpx

        try:
            with httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=not self._mine) as client:
                said = client.get(f"{self.model.endpoint}/api/version", headers=self._headers()).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return None
        return str(said["version"]) if isinstance(said, dict) and "version" in said else None

    @property
    def _mine(self) -> bool:
        return is_loopback(self.model.endpoint)

    def _headers(self) -> dict[str, str]:
        key = self._key()
        return {"authorization": f"Bearer {key}"} if key else {}

    @contextmanager
    def _client(self, timeout_s: float) -> Iterator[ollama.Client]:
        """The library's client, its errors turned into ours."""
        import httpx
        import ollama

        wait: list[float | None] = [None]

        def sent(request: httpx.Request) -> None:
            if self.model.api_key_env is None:  # the library would add OLLAMA_API_KEY, wherever the request goes
                request.headers.pop("authorization", None)

        def got(response: httpx.Response) -> None:
            wait[0] = wait_of(response.headers.get("retry-after"))
            if response.is_redirect:
                raise self._nonsense("it leads elsewhere")

        # a proxy or a redirect must not carry what is meant for this machine elsewhere
        client = ollama.Client(self.model.endpoint, timeout=timeout_s, headers=self._headers(), follow_redirects=False,
                               trust_env=not self._mine, event_hooks={"request": [sent], "response": [got]})  # fmt: skip
        try:
            with client:
                yield client
        except EndpointError:
            raise
        except ollama.ResponseError as error:
            status = error.status_code if error.status_code > 0 else 500  # -1: told inside a stream that began well
            raise self._status(status, str(error.error), wait[0]) from None
        except httpx.TimeoutException:
            raise self._timeout(timeout_s) from None
        except (httpx.RemoteProtocolError, httpx.ReadError):
            raise self._truncated() from None
        except (ConnectionError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(str(error)) from None
        except (json.JSONDecodeError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise self._nonsense(type(error).__name__) from None


def layers(modelfile: str) -> list[str]:
    """The lines of a Modelfile that name its layers: those before the first other instruction, whose text could look like one.

    >>> layers('# FROM it\\n\\nFROM /store/blobs/sha256-ab\\nSYSTEM Say:\\nFROM nobody')
    ['FROM /store/blobs/sha256-ab']
    """
    found = []
    for line in modelfile.splitlines():
        if line.startswith(("FROM ", "ADAPTER ")):
            found.append(line)
        elif line.strip() and not line.startswith("#"):
            break
    return found


def numbered(what: str, digests: Sequence[str]) -> dict[str, str]:
    """Each digest with a name.

    >>> numbered("model", ["a", "b"])
    {'model': 'a', 'model-2': 'b'}
    """
    return {what if number == 1 else f"{what}-{number}": digest for number, digest in enumerate(digests, 1)}
