"""HTTP with a server of models: no proxy and no redirect may lead what is meant for this machine elsewhere, and each way in which it can
fail is an `EndpointError` that says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import httpx

from git_hone.ci.endpoints.base import LONGEST_WORD, EndpointError
from git_hone.learner.variants import is_loopback

PATIENCE: Final = httpx.Timeout(30.0, read=900.0, write=900.0)
"""Seconds. A server writes a model of many GB to its disk before it answers."""


class Server:
    """One address. Nothing is sent to another machine while `local_only`; raises EndpointError then."""

    def __init__(self, address: str, *, local_only: bool = True, timeout: httpx.Timeout = PATIENCE) -> None:
        self.address, self._timeout = address.rstrip("/"), timeout
        if local_only and not is_loopback(self.address):
            raise EndpointError(
                "local_only", f"{self.address} is not this machine, and privacy.local_only is on; nothing was sent",
                tip="set privacy.local_only to false in .agent/learning-config.json to deploy elsewhere",
            )  # fmt: skip

    def ask(self, method: str, path: str, body: Any = None, content: IO[bytes] | None = None) -> httpx.Response:
        """The answer, whatever its status below 300 or 404. Raises EndpointError for any other."""
        with self._errors(), self._client() as client:
            response = client.request(method, self.address + path, json=body, content=content)
            return self._checked(response, response.text)

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer, None for 404. Raises EndpointError also where it is none."""
        response = self.ask(method, path, body)
        if response.status_code == 404:
            return None
        try:
            return response.json()
        except ValueError:
            raise self.nonsense("no JSON") from None

    def lines(self, path: str, body: Any) -> Iterator[dict[str, Any]]:
        """The objects of a stream, one a line. An error that is told inside a stream that began well is an error here too."""
        with self._errors(), self._client() as client, client.stream("POST", self.address + path, json=body) as response:
            if response.status_code != 200:
                self._checked(response, response.read().decode("utf-8", "replace"), missing=False)
            for line in response.iter_lines():
                if not line.strip():
                    continue
                try:
                    told = json.loads(line)
                except ValueError:
                    raise self.nonsense("a line that is no JSON") from None
                if not isinstance(told, dict):
                    raise self.nonsense("a line that is no object")
                if "error" in told:
                    raise EndpointError("refused", f"{self.address} gave up: {_clean(str(told['error']))}")
                yield told

    def nonsense(self, what: str) -> EndpointError:
        return EndpointError("nonsense", f"{self.address} did not answer as its documentation says: {what}")

    def truncated(self) -> EndpointError:
        return EndpointError("truncated", f"the connection to {self.address} broke before it had finished")

    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=self._timeout, follow_redirects=False, trust_env=not is_loopback(self.address))

    def _checked(self, response: httpx.Response, text: str, *, missing: bool = True) -> httpx.Response:
        status = response.status_code
        if 200 <= status < 300 or (missing and status == 404):
            return response
        if 300 <= status < 400:
            raise self.nonsense("it leads elsewhere")
        try:
            said = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            said = text
        raise EndpointError(
            "unreachable" if status >= 500 else "refused", f"{self.address} did not do it ({status}: {_clean(said)})"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise EndpointError(
                "unreachable", f"{self.address} cannot be reached: {_clean(str(error))}",
                tip="is it running? `ollama serve` starts Ollama; --server names another address",
            ) from None  # fmt: skip
        except httpx.TimeoutException:
            raise EndpointError("timeout", f"{self.address} does not answer") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise self.truncated() from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise EndpointError("unreachable", f"{self.address}: not an address: {error}") from None


def _clean(said: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in said).split())[:LONGEST_WORD]
