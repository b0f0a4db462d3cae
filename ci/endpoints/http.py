"""OpenAI-compatible servers and Anthropic, by httpx."""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from git_hone.ci.endpoints.base import UNASKED, Answer, Endpoint, EndpointError, Finish, Look, Message, wait_of
from git_hone.learner.variants import is_loopback

if TYPE_CHECKING:
    import httpx

MOST_BYTES: Final = 32 << 20
ANTHROPIC_VERSION: Final = "2023-06-01"


class _Http(Endpoint):
    """Requests and answers in JSON."""

    @abstractmethod
    def _headers(self) -> dict[str, str]: ...

    def _call(self, method: str, path: str, timeout_s: float, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that came back with a success. Raises EndpointError for anything else."""
        import httpx

        end = time.monotonic() + timeout_s
        mine = is_loopback(self.model.endpoint)
        try:
            # a proxy or a redirect must not carry what is meant for this machine elsewhere
            with (
                httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=not mine) as client,
                client.stream(method, self.model.endpoint + path, headers=self._headers(), json=body) as response,
            ):
                raw = bytearray()
                for part in response.iter_bytes():
                    raw += part
                    if time.monotonic() > end:
                        raise self._timeout(timeout_s)
                    if len(raw) > MOST_BYTES:
                        raise self._nonsense(f"more than {MOST_BYTES >> 20} MiB")
        except httpx.TimeoutException:
            raise self._timeout(timeout_s) from None
        except (httpx.RemoteProtocolError, httpx.ReadError):
            raise self._truncated() from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(str(error)) from None
        return self._object(response, bytes(raw))

    def _object(self, response: httpx.Response, raw: bytes) -> dict[str, Any]:
        try:
            said = json.loads(raw)
        except (ValueError, RecursionError):
            said = None
        told = said.get("error") if isinstance(said, dict) else None
        if not response.is_success:
            words = told.get("message") if isinstance(told, dict) else told
            words = words if isinstance(words, str) else raw[:1000].decode("utf-8", "replace")
            raise self._status(response.status_code, words, wait_of(response.headers.get("retry-after")))
        if not isinstance(said, dict):
            raise self._nonsense("not a JSON object")
        if told:  # some servers keep 200 for an error of the model
            raise self._status(500, str(told.get("message", told)) if isinstance(told, dict) else str(told))
        return said

    def _post(self, path: str, body: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """As `_call`, sent once more in other words when the model does not take a parameter."""
        end = time.monotonic() + timeout_s
        try:
            return self._call("POST", path, timeout_s, body)
        except EndpointError as error:
            other = self._reworded(body, error.message) if error.kind == "refused" and "(400" in error.message else None
            if other is None:
                raise
        return self._call("POST", path, max(0.001, end - time.monotonic()), other)

    def _reworded(self, body: Mapping[str, Any], said: str) -> dict[str, Any] | None:
        """Newer models refuse `temperature` (both), and `max_tokens` under that name (OpenAI)."""
        other = dict(body)
        if "max_tokens" in said and "max_completion_tokens" in said and "max_tokens" in other:
            other["max_completion_tokens"] = other.pop("max_tokens")
        if "temperature" in said:
            other.pop("temperature", None)
        return None if other == body else other

    def _count(self, usage: Any, *names: str) -> int | None:
        """The sum of those counts that are there, None when none is."""
        found = [usage.get(name) for name in names] if isinstance(usage, dict) else []
        counts = [one for one in found if isinstance(one, int) and not isinstance(one, bool) and one >= 0]
        return sum(counts) if counts else None

    def _told(self, text: Any, tokens: tuple[int | None, int | None], began: float, named: Any, finish: Finish) -> Answer:
        if not isinstance(text, str) or (not text.strip() and finish == "stop"):
            raise self._nonsense("an answer without text")
        name = named if isinstance(named, str) and named else self.model.model
        return Answer(text, *tokens, round((time.monotonic() - began) * 1000), name, finish)


class OpenAICompatible(_Http):
    """POST ENDPOINT/chat/completions, with the key as bearer; the endpoint ends with /v1 at most servers."""

    def _headers(self) -> dict[str, str]:
        key = self._key()
        return {"accept": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})

    def _ask(
        self, messages: Sequence[Message], temperature: float, max_tokens: int, timeout_s: float, stop: tuple[str, ...]
    ) -> Answer:
        began = time.monotonic()
        body: dict[str, Any] = {"model": self.model.model, "messages": [dict(one) for one in messages], "stream": False,
                                "temperature": temperature, "max_tokens": max_tokens}  # fmt: skip
        said = self._post("/chat/completions", body | ({"stop": list(stop)} if stop else {}), timeout_s)
        try:
            choice = said["choices"][0]
            text, reason, declined = (
                choice["message"].get("content"),
                choice.get("finish_reason"),
                choice["message"].get("refusal"),
            )
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._nonsense("no choices[0].message") from None
        finish: Finish = "declined" if declined or reason == "content_filter" else "length" if reason == "length" else "stop"
        tokens = (self._count(said.get("usage"), "prompt_tokens"), self._count(said.get("usage"), "completion_tokens"))
        return self._told(
            text if text is not None or finish == "stop" else declined or "", tokens, began, said.get("model"), finish
        )

    def _look(self, timeout_s: float) -> Look:
        try:
            rows = self._call("GET", "/models", timeout_s).get("data")
        except EndpointError as error:
            if error.kind == "missing" or UNASKED in error.message:  # it answers, and has no list of models
                return Look()
            raise
        if not isinstance(rows, list):
            return Look()
        return Look(present=any(isinstance(row, dict) and row.get("id") == self.model.model for row in rows))


class Anthropic(_Http):
    """POST ENDPOINT/v1/messages, with x-api-key and anthropic-version."""

    def _headers(self) -> dict[str, str]:
        key = self._key()
        if key is None and not is_loopback(self.model.endpoint):
            raise EndpointError("refused", f"{self.model.id}: Anthropic wants a key",
                                tip="say with api_key_env which environment variable holds it")  # fmt: skip
        return {"accept": "application/json", "anthropic-version": ANTHROPIC_VERSION} | ({"x-api-key": key} if key else {})

    def _ask(
        self, messages: Sequence[Message], temperature: float, max_tokens: int, timeout_s: float, stop: tuple[str, ...]
    ) -> Answer:
        began = time.monotonic()
        system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
        turns = [dict(one) for one in messages if one["role"] != "system"]
        body: dict[str, Any] = {"model": self.model.model, "max_tokens": max_tokens, "messages": turns,
                                "temperature": min(1.0, temperature)}  # fmt: skip
        body |= ({"system": system} if system else {}) | ({"stop_sequences": list(stop)} if stop else {})
        said = self._post("/v1/messages", body, timeout_s)
        parts, reason = said.get("content"), said.get("stop_reason")
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise self._nonsense("no list of content")
        text = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
        cut = reason in ("max_tokens", "model_context_window_exceeded")
        finish: Finish = "declined" if reason == "refusal" else "length" if cut else "stop"
        usage = said.get("usage")
        read = self._count(usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        return self._told(text, (read, self._count(usage, "output_tokens")), began, said.get("model"), finish)

    def _look(self, timeout_s: float) -> Look:
        try:
            said = self._call("GET", f"/v1/models/{self.model.model}", timeout_s)
        except EndpointError as error:
            if error.kind == "missing":
                return Look(present=False)
            raise
        return Look(present=True, context_length=self._count(said, "max_input_tokens"))
