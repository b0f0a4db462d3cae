"""A server of ours that speaks as Ollama, as an OpenAI-compatible server or as Anthropic, and holds every request against the
provider's documentation. What breaks it is answered with 400 and kept in `broken`, which no test may leave filled.

Ollama      docs.ollama.com/api/{chat,tags,errors}, docs.ollama.com/api-reference/{show-model-details,get-version}
OpenAI      developers.openai.com/api/reference/resources/chat (create), /models (list)
Anthropic   platform.claude.com/docs/en/api/messages/create, /models/retrieve, /errors
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Mode = Literal[
    "fine", "slow", "flaky", "busy", "failing", "auth", "nonsense", "empty", "truncated", "stream-error", "missing", "length",
    "declined", "no-temperature", "other-limit", "moved", "echo-key", "listless", "unlisted", "postless",
]  # fmt: skip
KEY = "sk-test-0123456789abcdef"
MODEL = "coder:7b"
CREATED = "2026-01-05T10:00:00.000000Z"


class Server:
    """`mode` says how it behaves; it may be changed between requests. `text`: what the model says, or a function of the body."""

    def __init__(self, provider: str, mode: Mode = "fine", text: str | Callable[[Any], str] = "ready") -> None:
        self.provider, self.mode, self.text = provider, mode, text
        self.broken: list[str] = []
        self.seen: list[tuple[str, str, Any]] = []
        self.authorizations: list[str | None] = []
        self.release = threading.Event()
        self.tokens = (11, 3)
        self.digests = {"manifest": "0" * 64, "model": "1" * 64}
        """Ollama: SHA-256 of the model's manifest and layers; "adapter" too, and "base", which a merged model names. Without "model" it runs in
        Ollama's cloud, and its Modelfile names no file."""

    endpoint = ""

    def completions(self) -> list[Any]:
        """The bodies of the questions that came in."""
        return [body for method, _, body in self.seen if method == "POST" and body and "messages" in body]


@contextmanager
def serve(provider: str, mode: Mode = "fine", text: str | Callable[[Any], str] = "ready") -> Iterator[Server]:
    """Run one; at the end, fail if a request broke the documented contract."""
    server = Server(provider, mode, text)
    handler = type("Handler", (_Handler,), {"at": server})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.endpoint = f"http://127.0.0.1:{http.server_address[1]}" + ("/v1" if provider == "openai-compatible" else "")
    try:
        yield server
    finally:
        server.release.set()
        http.shutdown()
        http.server_close()
        thread.join()
    assert not server.broken, server.broken


class _Handler(BaseHTTPRequestHandler):
    at: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._take("GET")

    def do_POST(self) -> None:
        self._take("POST")

    def _take(self, method: str) -> None:
        at = self.at
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        problems: list[str] = []
        body = None
        if method == "POST":
            if self.headers.get_content_type() != "application/json":
                problems.append("content-type: application/json is wanted")
            try:
                body = json.loads(raw)
            except ValueError:
                problems.append("body: not JSON")
        at.seen.append((method, self.path, body))
        at.authorizations.append(self.headers.get("authorization"))
        asks = CONTRACTS[at.provider](method, self.path, dict(self.headers.items()), body, problems)
        if problems or asks is None:
            at.broken += [f"{method} {self.path}: {problem}" for problem in problems or ["no such path in the documentation"]]
            self._error(400, "; ".join(problems) or "no such path")
            return
        if self._misbehaves(asks, len(at.seen), body):
            return
        getattr(self, f"_{at.provider.split('-')[0]}")(asks, body)

    def _misbehaves(self, asks: str, n: int, body: Any) -> bool:
        mode, chat = self.at.mode, asks == "chat"
        if mode == "slow":
            self.at.release.wait(30)
            self.close_connection = True
        elif mode == "failing" or (mode == "flaky" and n == 1):
            self._error(500, "the server had an error")
        elif mode == "busy" and n == 1:
            self._error(429, "too many requests", {"retry-after": "7"})
        elif mode == "auth":
            self._error(401, "invalid key")
        elif mode == "echo-key":
            self._error(401, f"Incorrect API key provided: {KEY}\nsee the page")
        elif mode == "nonsense":
            self._send(200, b"<html>not here</html>", {"content-type": "text/html"})
        elif mode == "moved":
            self._send(307, b"", {"location": "http://192.0.2.1/elsewhere"})
        elif mode == "listless" and asks == "models":
            self._error(404, "not found")
        elif mode == "postless" and asks == "models":
            self._error(501, "Unsupported method ('GET')")
        elif mode == "missing" and asks in ("chat", "show", "model"):
            self._error(404, f"model '{MODEL}' not found")
        elif chat and mode == "truncated" and self.at.provider != "ollama":
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "4000")
            self.end_headers()
            self.wfile.write(b'{"id": "x", "cho')
            self.close_connection = True
        elif chat and mode == "stream-error" and self.at.provider != "ollama":
            self._send(200, json.dumps({"error": {"message": "the model fell over", "code": 502}}).encode())
        elif chat and mode == "no-temperature" and "temperature" in body:
            self._error(400, "`temperature` is deprecated for this model.")
        elif chat and mode == "other-limit" and "max_tokens" in body:
            self._error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. "
                             "Use 'max_completion_tokens' instead.")  # fmt: skip
        else:
            return False
        return True

    def _error(self, status: int, said: str, headers: Mapping[str, str] | None = None) -> None:
        shape: dict[str, Any] = {"error": said}
        if self.at.provider == "openai-compatible":
            shape = {"error": {"message": said, "type": "invalid_request_error", "param": None, "code": None}}
        elif self.at.provider == "anthropic":
            shape = {"type": "error", "error": {"type": "api_error", "message": said}, "request_id": "req_1"}
        self._send(status, json.dumps(shape).encode(), headers)

    def _send(self, status: int, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"content-type": "application/json"} | dict(headers or {})).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _say(self, body: Any) -> str:
        if self.at.mode == "empty":
            return ""
        return self.at.text if isinstance(self.at.text, str) else self.at.text(body)

    def _ollama(self, asks: str, body: Any) -> None:
        mode = self.at.mode
        if asks == "version":
            self._send(200, b'{"version": "0.34.1"}')
        elif asks == "tags":
            name = "other:1b" if mode == "missing" else MODEL
            row = {"name": name, "model": name, "modified_at": CREATED, "size": 1, "digest": self.at.digests["manifest"],
                   "details": {}}  # fmt: skip
            self._send(200, json.dumps({"models": [row]}).encode())
        elif asks == "show":
            digests = self.at.digests
            info = {"qwen2.context_length": 32768} | ({"hone.base.sha256": digests["base"]} if "base" in digests else {})
            about = {"details": {}, "model_info": info, "capabilities": ["completion"], "modelfile": modelfile(digests)}
            self._send(200, json.dumps(about).encode())
        else:
            self._stream(self._say(body))

    def _stream(self, text: str) -> None:
        mode = self.at.mode
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        base = {"model": MODEL, "created_at": CREATED}
        for part in (text[: len(text) // 2], text[len(text) // 2 :]):
            self._chunk(base | {"message": {"role": "assistant", "content": part}, "done": False})
            if mode == "stream-error":
                self._chunk({"error": "an error was encountered while running the model"})
                break
            if mode == "truncated":
                self.close_connection = True
                return
        else:
            end = {"message": {"role": "assistant", "content": ""}, "done": True,
                   "done_reason": "length" if mode == "length" else "stop",
                   "total_duration": 5, "load_duration": 1, "prompt_eval_count": self.at.tokens[0], "prompt_eval_duration": 1,
                   "eval_count": self.at.tokens[1], "eval_duration": 1}  # fmt: skip
            self._chunk(base | end)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, row: Any) -> None:
        raw = json.dumps(row).encode() + b"\n"
        self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")

    def _openai(self, asks: str, body: Any) -> None:
        if asks == "models":
            name = "other" if self.at.mode in ("missing", "unlisted") else MODEL
            self._send(200, json.dumps({"object": "list", "data": [{"id": name, "object": "model", "created": 1}]}).encode())
            return
        mode, text = self.at.mode, self._say(body)
        reason = {"length": "length", "declined": "content_filter"}.get(mode, "stop")
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": reason}
        usage = {"prompt_tokens": self.at.tokens[0], "completion_tokens": self.at.tokens[1], "total_tokens": sum(self.at.tokens)}
        row = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
        self._send(200, json.dumps(row).encode())

    def _anthropic(self, asks: str, body: Any) -> None:
        if asks == "model":
            row: Any = {"type": "model", "id": MODEL, "display_name": "Coder", "created_at": CREATED, "max_input_tokens": 200000}
            self._send(200, json.dumps(row).encode())
            return
        reason = {"length": "max_tokens", "declined": "refusal"}.get(self.at.mode, "end_turn")
        row = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "stop_reason": reason, "stop_sequence": None,
               "content": [{"type": "text", "text": self._say(body)}],
               "usage": {"input_tokens": self.at.tokens[0] - 4, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4,
                         "output_tokens": self.at.tokens[1]}}  # fmt: skip
        self._send(200, json.dumps(row).encode())


def modelfile(digests: Mapping[str, str]) -> str:
    """As `/api/show` tells it (ollama/ollama: docs/api.md "Show Model Information", server/images.go Model.String): the layers first, by where
    they lie, then template, system and parameters. A text in it may look like a layer."""
    lines = ['# Modelfile generated by "ollama show"', "# To build a new Modelfile based on this, replace FROM with:",
             f"# FROM {MODEL}", ""]  # fmt: skip
    store = "/usr/share/ollama/.ollama/models/blobs"
    lines += [f"FROM {store}/sha256-{digests['model']}" if "model" in digests else f"FROM {MODEL}"]
    lines += [f"ADAPTER {store}/sha256-{digests['adapter']}"] if "adapter" in digests else []
    lines += ['TEMPLATE """', f"FROM {store}/sha256-{'e' * 64}", '{{ .Prompt }}"""', "PARAMETER top_k 40"]
    return "\n".join(lines) + "\n"


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_text(one) for one in value)


def _turns(*roles: str) -> Callable[[Any], bool]:
    def good(value: Any) -> bool:
        return isinstance(value, list) and bool(value) and all(
            isinstance(one, dict) and set(one) == {"role", "content"} and one["role"] in roles and _text(one["content"])
            for one in value
        )  # fmt: skip

    return good


def _fields(body: Any, rules: Mapping[str, Callable[[Any], bool]], required: set[str], problems: list[str], at: str = "") -> None:
    if not isinstance(body, dict):
        problems.append(f"{at or 'body'}: an object is wanted")
        return
    problems += [f"{at}{name}: is required" for name in sorted(required - set(body))]
    for name, value in body.items():
        if name not in rules:
            problems.append(f"{at}{name}: not in the documentation")
        elif not rules[name](value):
            problems.append(f"{at}{name}: {value!r} is not what is documented")


def _ollama(method: str, path: str, headers: Mapping[str, str], body: Any, problems: list[str]) -> str | None:
    if (method, path) in {("GET", "/api/version"), ("GET", "/api/tags")}:
        return path.rpartition("/")[2]
    if (method, path) == ("POST", "/api/show"):
        _fields(body, {"model": _text, "verbose": lambda one: isinstance(one, bool)}, {"model"}, problems)
        return "show"
    if (method, path) != ("POST", "/api/chat"):
        return None
    rules: dict[str, Callable[[Any], bool]] = {
        "model": _text, "messages": _turns("system", "user", "assistant"), "options": lambda one: isinstance(one, dict),
        "stream": lambda one: isinstance(one, bool), "tools": lambda one: isinstance(one, list),
        "keep_alive": _text, "format": lambda one: True, "think": lambda one: isinstance(one, (bool, str)),
    }  # fmt: skip
    _fields(body, rules, {"model", "messages"}, problems)
    options = {"temperature": _number(0, 2), "num_predict": _whole, "num_ctx": _whole, "stop": _texts}
    _fields((body or {}).get("options", {}), options, set(), problems, "options.")
    return "chat"


def _openai(method: str, path: str, headers: Mapping[str, str], body: Any, problems: list[str]) -> str | None:
    if headers.get("authorization") != f"Bearer {KEY}":
        problems.append("authorization: Bearer KEY is wanted")
    if (method, path) == ("GET", "/v1/models"):
        return "models"
    if (method, path) != ("POST", "/v1/chat/completions"):
        return None
    rules = {
        "model": _text, "messages": _turns("system", "user", "assistant"), "temperature": _number(0, 2), "max_tokens": _whole,
        "max_completion_tokens": _whole, "stream": lambda one: one is False,
        "stop": lambda one: _text(one) or (_texts(one) and len(one) <= 4),
    }  # fmt: skip
    _fields(body, rules, {"model", "messages"}, problems)
    return "chat"


def _anthropic(method: str, path: str, headers: Mapping[str, str], body: Any, problems: list[str]) -> str | None:
    if headers.get("x-api-key") != KEY:
        problems.append("x-api-key: the key is wanted")
    if headers.get("anthropic-version") != "2023-06-01":
        problems.append("anthropic-version: 2023-06-01 is wanted")
    if (method, path) == ("GET", f"/v1/models/{MODEL}"):
        return "model"
    if (method, path) != ("POST", "/v1/messages"):
        return None
    rules = {
        "model": _text, "max_tokens": _whole, "messages": _turns("user", "assistant"), "system": _text,
        "temperature": _number(0, 1), "stream": lambda one: isinstance(one, bool),
        "stop_sequences": lambda one: _texts(one) and all(text.strip() for text in one),
    }  # fmt: skip
    _fields(body, rules, {"model", "max_tokens", "messages"}, problems)
    if (
        isinstance(body, dict)
        and isinstance(body.get("messages"), list)
        and body["messages"][:1]
        and body["messages"][0].get("role") != "user"
    ):
        problems.append("messages: the first one is the user's")
    return "chat"


CONTRACTS: dict[str, Callable[[str, str, Mapping[str, str], Any, list[str]], str | None]] = {
    "ollama": _ollama, "openai-compatible": _openai, "anthropic": _anthropic,
}  # fmt: skip
