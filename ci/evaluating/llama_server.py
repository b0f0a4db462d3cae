"""A small server of one GGUF model and its adapters, on this machine: the part of llama.cpp's server that `git hone deploy` and the
endpoints ask, for where llama-cpp-python is installed and `llama-server` is not.

python -m git_hone.ci.evaluating.llama_server SETTINGS: a JSON object (base, adapters, context, threads). Prints {"address": ...} when it is
ready, and ends when its stdin does. As with `llama-server --lora-init-without-apply`, every adapter is loaded and none has weight.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from git_hone.ci.evaluating import llama_child
from git_hone.ci.training import integrity, needs
from git_hone.learner.errors import DataError, HoneError


class Resident:
    """The model in memory; `scales` says which adapter has how much weight."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.base, self.adapters = str(settings["base"]), [str(file) for file in settings["adapters"]]
        import llama_cpp

        llama_child.without_repacking(llama_cpp)
        self._library = llama_cpp
        self._model = llama_cpp.Llama(self.base, n_ctx=settings["context"], n_threads=settings["threads"], verbose=False, seed=0)
        self._loaded = [llama_cpp.llama_adapter_lora_init(self._model.model, file.encode()) for file in self.adapters]
        if not all(self._loaded):
            raise SystemExit("an adapter could not be loaded")
        self.scales = [0.0] * len(self.adapters)

    def weigh(self, scales: Sequence[float]) -> None:
        n = len(self._loaded)
        floats = (self._library.ctypes.c_float * n)(*scales)
        handles = (self._library.llama_adapter_lora_p_ctypes * n)(*self._loaded)
        if self._library.llama_set_adapters_lora(self._model.ctx, handles, n, floats):
            raise SystemExit("llama.cpp refused the weights of its adapters")
        self.scales = list(scales)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """(status, JSON) of a request."""
        if (method, path) == ("GET", "/props"):
            return 200, {"model_path": self.base, "total_slots": 1}
        if (method, path) == ("GET", "/v1/models"):
            return 200, {"object": "list", "data": [{"id": Path(self.base).name, "object": "model"}]}
        if (method, path) == ("GET", "/lora-adapters"):
            listed = zip(self.adapters, self.scales, strict=True)
            return 200, [{"id": k, "path": file, "scale": scale} for k, (file, scale) in enumerate(listed)]
        if (method, path) == ("POST", "/lora-adapters"):
            told = {one["id"]: float(one["scale"]) for one in body}  # one that is not named gets 0
            self.weigh([told.get(k, 0.0) for k in range(len(self.adapters))])
            return 200, {"success": True}
        if (method, path) == ("POST", "/v1/chat/completions"):
            self._model.reset()  # or what is left of the prompt before changes the answer
            return 200, self._model.create_chat_completion(
                body["messages"], temperature=body.get("temperature", 0.2), max_tokens=body.get("max_tokens"), seed=0
            )
        return 404, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}


def main(settings: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints goes to stderr
    resident = Resident(settings)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                status, said = resident.answer(method, self.path, json.loads(raw) if raw else None)
            except (ValueError, KeyError, TypeError) as error:
                status, said = 400, {"error": {"code": 400, "message": str(error), "type": "invalid_request_error"}}
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        print(json.dumps({"address": f"http://127.0.0.1:{http.server_address[1]}"}), file=out, flush=True)
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        sys.stdin.read()
        http.shutdown()


@contextmanager
def serving(base: Path, adapters: Sequence[Path], *, context: int = 2048) -> Iterator[str]:
    """The address of a server of `base` and `adapters` in a process of its own, which ends with the block. Raises DataError for a file that
    llama.cpp would not survive, UsageError without llama.cpp."""
    needs.check(("llama_cpp",), "serving a GGUF file")
    for adapter in adapters:
        if faults := integrity.examine(adapter, base):
            raise DataError(faults[0])
    settings = {
        "base": str(base),
        "adapters": [str(file) for file in adapters],
        "context": context,
        "threads": os.cpu_count() or 1,
    }
    quiet = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    command = [sys.executable, "-m", "git_hone.ci.evaluating.llama_server", json.dumps(settings)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | quiet
    ) as child:
        line = child.stdout.readline() if child.stdout else ""
        if not line:
            raise HoneError(f"llama.cpp could not serve {base}: it ended with {child.wait()}")
        yield json.loads(line)["address"]
        if child.stdin:
            child.stdin.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
