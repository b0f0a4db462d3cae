"""Deploying to llama.cpp's server over real HTTP: which adapter has weight. The server holds requests against tools/server/README.md."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.deploying import champions
from git_hone.cli import main

from .conftest import Tiny
from .deploying_bench import NAME, Bench


class Llama:
    """`GET /props`, `GET /lora-adapters` and `POST /lora-adapters`; adapters are loaded at the start, with scale 0."""

    def __init__(self, model: Path, files: list[Path]) -> None:
        self.model, self.address, self.broken = model, "", list[str]()
        self.scales = {str(file): 0.0 for file in files}

    def weighted(self) -> list[str]:
        """The ids of the adapters that have weight."""
        return [Path(file).parent.name for file, scale in self.scales.items() if scale]

    def answer(self, method: str, path: str, raw: bytes) -> tuple[int, Any]:
        if (method, path) == ("GET", "/props"):
            return 200, {"model_path": str(self.model), "total_slots": 1}
        if path != "/lora-adapters":
            return 404, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}
        if method == "POST":
            body = json.loads(raw)
            known = range(len(self.scales))
            if not all(set(one) == {"id", "scale"} and one["id"] in known and 0 <= one["scale"] <= 1 for one in body):
                self.broken.append(raw.decode())
                return 400, {"error": {"code": 400, "message": "bad scales", "type": "invalid_request_error"}}
            told = {one["id"]: float(one["scale"]) for one in body}  # one that is not named gets 0
            self.scales = {file: told.get(k, 0.0) for k, file in enumerate(self.scales)}
            return 200, {"success": True}
        return 200, [{"id": k, "path": file, "scale": scale} for k, (file, scale) in enumerate(self.scales.items())]


@contextmanager
def serve(at: Llama) -> Iterator[Llama]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._take("GET")

        def do_POST(self) -> None:
            self._take("POST")

        def _take(self, method: str) -> None:
            status, body = at.answer(method, self.path, self.rfile.read(int(self.headers.get("content-length", 0))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    at.address = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield at
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
    assert not at.broken, at.broken


@pytest.fixture
def bench(repo: Callable[..., Any], tiny: Callable[..., Tiny], monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = repo()
    monkeypatch.chdir(made.path)
    return Bench(made.path, tiny(kind="Q8_0"), lambda _: None)


def test_the_champion_has_the_weight_and_rollback_gives_it_back(bench: Bench) -> None:
    folders = [bench.adapter(id_) for id_ in ("aaa", "bbb")]
    for folder in folders:
        bench.gate(folder / "adapter.gguf", name=folder.name)
    with serve(Llama(bench.made.base, [folder / "adapter.gguf" for folder in folders])) as server:
        for folder in folders:
            assert bench.deploy(server, "--adapter", str(folder)) == 0
            assert server.weighted() == [folder.name]
        model = bench.models()[NAME]
        assert (model.provider, model.endpoint) == ("openai-compatible", f"{server.address}/v1")
        assert main(["rollback", "--role", "coder"]) == 0
        assert server.weighted() == ["aaa"]
        assert main(["rollback", "--role", "coder"]) == 0
        assert server.weighted() == []
    assert NAME not in bench.models()


def test_what_it_has_not_loaded_is_refused_with_the_command_that_loads_it(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [bench.adapter(id_) for id_ in ("aaa", "bbb")]
    other = bench.root / "other.gguf"
    other.write_bytes(bench.made.base.read_bytes() + b"\0")
    with serve(Llama(bench.made.base, [folders[0] / "adapter.gguf"])) as server:
        assert bench.deploy(server, "--adapter", str(folders[0]), "--force") == 0
        assert bench.deploy(server, "--adapter", str(folders[1]), "--force") == 2
        assert f"--lora {folders[1]}/adapter.gguf" in capsys.readouterr().err.replace("\n", "")
        assert bench.deploy(server, "--adapter", str(folders[0]), "--canary", "0.1", "--force") == 2
        server.model = other
        assert bench.deploy(server, "--adapter", str(folders[1]), "--force") == 2
        assert "not the base of this adapter" in capsys.readouterr().err
        assert server.weighted() == ["aaa"]
    assert champions.load(bench.agent)["coder"].champion == "aaa"
