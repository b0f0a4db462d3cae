"""An Ollama of ours, in the two kinds that there are, which holds every request against the documentation and the server's own checks.

docs/api.md ("Create a Model", "Check if a Blob Exists", "Push a Blob", "List Local Models", "Show Model Information", "Copy a Model", "Delete a
Model", "Version") and server/create.go of ollama/ollama. A request that is not documented is answered with 400 and kept in `broken`.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIELDS = {
    "model": str,
    "from": str,
    "files": dict,
    "adapters": dict,
    "template": str,
    "system": str,
    "parameters": dict,
    "stream": bool,
}
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


class Ollama:
    """models: name -> what /api/create was asked for. breaks: what goes wrong: "create", "stream", "silent" (no last word), "upload",
    "copy", "copied" (once, after it was done), or "hang" (it was done, and no answer comes until `release`)."""

    def __init__(self, version: str) -> None:
        self.version, self.breaks = version, ""
        parts = tuple(map(int, version.split("-")[0].split("."))) if version[0].isdigit() else (9, 9, 9)
        self.refuses = parts >= (0, 34, 1)
        self.models: dict[str, Any] = {}
        self.blobs: dict[str, bytes] = {}
        self.seen: list[tuple[str, str]] = []
        self.broken: list[str] = []
        self.address = ""
        self.reached, self.release = threading.Event(), threading.Event()

    def serving(self, name: str) -> Any:
        return self.models.get(f"{name}:latest")


@contextmanager
def serve(version: str) -> Iterator[Ollama]:
    at = Ollama(version)
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"at": at}))
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    at.address = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield at
    finally:
        at.release.set()
        http.shutdown()
        http.server_close()
        thread.join()
    assert not at.broken, at.broken


class _Handler(BaseHTTPRequestHandler):
    at: Ollama
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        at = self.at
        at.seen.append(("GET", self.path))
        if self.path == "/api/version":
            self._json(200, {"version": at.version})
        elif self.path == "/api/tags":
            self._json(
                200,
                {"models": [{"name": name, "model": name, "size": 1, "digest": "0" * 64, "details": {}} for name in at.models]},
            )
        else:
            self._no("no such path")

    def do_HEAD(self) -> None:
        self.at.seen.append(("HEAD", self.path))
        digest = self.path.removeprefix("/api/blobs/")
        if not DIGEST.match(digest):
            self.at.broken.append(f"HEAD {self.path}")
        self._send(200 if digest in self.at.blobs else 404, b"")

    def do_POST(self) -> None:
        at = self.at
        at.seen.append(("POST", self.path))
        if self.path.startswith("/api/blobs/"):
            self._blob(self.path.removeprefix("/api/blobs/"), self._body())
            return
        body = self._object()
        if body is None:
            return
        known = at.models.get(_tagged(str(body.get("model") or body.get("source"))))
        if self.path == "/api/show" and set(body) == {"model"}:
            self._json(200, known) if known else self._json(404, {"error": f"model '{body['model']}' not found"})
        elif self.path == "/api/copy" and set(body) == {"source", "destination"}:
            if at.breaks == "copy" and ":" in body["source"]:
                self._json(500, {"error": "disk full"})
            elif known:
                at.models[_tagged(body["destination"])] = known
                if at.breaks == "hang" and ":" in body["source"]:
                    at.reached.set()
                    at.release.wait(60)
                late = at.breaks == "copied" and ":" in body["source"]
                at.breaks = "" if late else at.breaks
                self._json(500, {"error": "cannot remove the old layers"}) if late else self._send(200, b"")
            else:
                self._json(404, {"error": "model not found"})
        elif self.path == "/api/create":
            self._create(body)
        else:
            self._no(f"{sorted(body)} is not documented")

    def do_DELETE(self) -> None:
        self.at.seen.append(("DELETE", self.path))
        body = self._object()
        if body is None:
            return
        if self.path != "/api/delete" or set(body) != {"model"}:
            self._no("not documented")
        elif self.at.models.pop(_tagged(body["model"]), None) is None:
            self._json(404, {"error": "model not found"})
        else:
            self._send(200, b"")

    def _blob(self, digest: str, content: bytes) -> None:
        if self.at.breaks == "upload":
            self._json(500, {"error": "no space left on device"})
        elif f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            self._no("digest does not match")
        else:
            self.at.blobs[digest] = content
            self._send(201, b"")

    def _create(self, body: dict[str, Any]) -> None:
        """In the order of CreateHandler."""
        at = self.at
        wrong = [key for key, value in body.items() if key not in FIELDS or not isinstance(value, FIELDS[key])]
        named = {**body.get("files", {}), **body.get("adapters", {})}
        wrong += [key for key, digest in named.items() if not DIGEST.match(digest) or ":" in key or key.startswith("/")]
        wrong += [key for key in body.get("parameters", {}) if key not in ("temperature", "top_p", "top_k")]
        if wrong or not re.fullmatch(r"[\w.-]+(:[\w.-]+)?", str(body.get("model", ""))):
            self._no(f"{wrong or body.get('model')}")
            return
        if at.refuses and body.get("adapters"):
            self._json(400, {"error": "LoRA adapters are no longer supported"})
            return
        if "from" not in body and "files" not in body:
            self._json(400, {"error": "neither 'from' or 'files' was specified"})
            return
        if at.breaks == "create":
            self._json(500, {"error": "internal server error"})
            return
        lines: list[dict[str, Any]] = [{"status": "parsing GGUF"}]
        if lost := [digest for digest in named.values() if digest not in at.blobs]:
            lines.append({"error": f"blob not found: {lost[0]}"})
        elif "from" in body and _tagged(body["from"]) not in at.models:
            lines.append({"error": "pull model manifest: file does not exist"})
        elif at.breaks == "stream":
            lines.append({"error": "write /root/.ollama/models/blobs: no space left on device"})
        elif at.breaks != "silent":
            at.models[_tagged(body["model"])] = {"asked": body, "modelfile": "FROM x", "template": body.get("template", "")}
            lines += [{"status": "writing manifest"}, {"status": "success"}]
        raw = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self._send(200, raw, "application/x-ndjson")

    def _object(self) -> dict[str, Any] | None:
        try:
            body = json.loads(self._body())
            if isinstance(body, dict):
                return body
        except ValueError:
            pass
        self._no("no JSON object")
        return None

    def _body(self) -> bytes:
        if "content-length" not in self.headers:
            self.at.broken.append(f"{self.command} {self.path}: says no length")
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _no(self, why: str) -> None:
        self.at.broken.append(f"{self.command} {self.path}: {why}")
        self._json(400, {"error": why})

    def _json(self, status: int, body: Any) -> None:
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, raw: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"
