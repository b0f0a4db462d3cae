"""What is damaged, foreign, full or silent: refused with a sentence before it does harm, and the model in place stays in place.

The rest of the list has its tests elsewhere: damaged files in test_header, test_base and test_adapters_command; empty and one-sided data in
test_dataset; memory and disk before a training in test_train_command, during one (killed, disk full, no GPU) in tests/train/test_training; servers
that are asked for answers in tests/ci/test_endpoints and tests/ci/suite/test_evaluating; file names and archives of suites in
tests/learner/suite/test_tasks and tests/ci/suite/test_storing and test_arena.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from git_hone.ci.deploying import asking, champions
from git_hone.ci.evaluating.llama import Llama
from git_hone.ci.training import convert, needs
from git_hone.cli import main
from git_hone.cli.commands import train
from git_hone.learner.errors import HoneError

from .conftest import Tiny
from .deploying_bench import NAME, TAKES, Bench

Make = Callable[..., Tiny]
CUT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda raw: raw[: len(raw) // 2], "cut short"),
    "another format": (lambda raw: b"PK\x03\x04" + raw[4:], "not a GGUF file"),
    "another architecture": (lambda raw: raw.replace(b"llama", b"mamba"), "'mamba' cannot be converted"),
    "nothing": (lambda raw: b"", "cut short"),
}


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp counts as installed, and must not be started."""

    def started(*_: object, **__: object) -> None:
        raise AssertionError("llama.cpp was started")

    monkeypatch.setattr(needs, "find_spec", lambda name: name)
    monkeypatch.setattr("git_hone.ci.evaluating.llama.subprocess.Popen", started)


@pytest.mark.usefixtures("no_child")
@pytest.mark.parametrize("what", [name for name in CUT if name != "another architecture"])
def test_a_damaged_model_never_reaches_llama_cpp(tiny: Make, tmp_path: Path, what: str) -> None:
    made = tiny(layers=1)
    damage, words = CUT[what]
    made.base.write_bytes(damage(made.base.read_bytes()))
    with pytest.raises(HoneError, match=words) as raised:
        Llama("m", made.base, None, tmp_path)
    assert str(made.base) in raised.value.message


@pytest.mark.usefixtures("no_child")
def test_an_adapter_that_does_not_belong_never_reaches_llama_cpp(tiny: Make, tmp_path: Path) -> None:
    made = tiny(layers=1)
    adapter = convert.convert(made.adapter, made.base, tmp_path / "adapter.gguf", base_sha256="0" * 64).path
    foreign, cut = tmp_path / "foreign.gguf", tmp_path / "cut.gguf"
    foreign.write_bytes(adapter.read_bytes().replace(b"llama", b"mamba"))
    cut.write_bytes(adapter.read_bytes()[:-100])
    for file, words in (
        (adapter, "another base"),
        (foreign, "for architecture mamba"),
        (cut, "cut short"),
        (made.base, "not a LoRA"),
    ):
        with pytest.raises(HoneError, match=words):
            Llama("m", made.base, file, tmp_path)
    with pytest.raises(HoneError, match="is an adapter, not a model"):
        Llama("m", adapter, None, tmp_path)


@pytest.mark.parametrize("what", CUT)
def test_a_damaged_base_is_not_deployed(bench: Bench, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench.adapter("aaa")
    server = bench.serve(TAKES)
    damage, words = CUT[what]
    bench.made.base.write_bytes(damage(bench.made.base.read_bytes()))
    assert bench.deploy(server, "--force") == 2
    assert words in capsys.readouterr().err
    assert not server.seen and not (bench.agent / champions.FILE).exists()


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            answer(self)

        do_POST = do_HEAD = do_DELETE = do_GET

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def send(status: int, body: bytes, length: int | None = None, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name, value)
        to.send_header("content-length", str(len(body) if length is None else length))
        to.end_headers()
        to.wfile.write(body)

    return answer


BAD_SERVERS = {
    "a page": (send(200, b"<html>hello</html>"), "did not answer as its documentation says: no JSON"),
    "somebody else": (send(200, b'{"version": 3}'), "neither Ollama nor llama.cpp's server"),
    "half an answer": (send(200, b'{"version": "0.3', length=400), "broke before it had finished"),
    "another place": (send(307, b"", location="http://192.0.2.1/"), "it leads elsewhere"),
    "an error": (send(500, b'{"error": "out of\\nmemory"}'), "did not do it (500: out of memory)"),
    "a refusal": (send(401, b"<html>no</html>"), "did not do it (401"),
}


@pytest.mark.parametrize("what", BAD_SERVERS)
def test_a_server_that_talks_nonsense_changes_nothing(bench: Bench, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer, words = BAD_SERVERS[what]
    bench.promoted(bench.serve(TAKES), "aaa", capsys)
    before, models = (bench.agent / champions.FILE).read_bytes(), bench.models()
    bench.adapter("bbb")
    with answering(answer) as address:
        assert main(["deploy", "--base", str(bench.made.base), "--server", address, "--force"]) == 1
    assert words in capsys.readouterr().err
    assert ((bench.agent / champions.FILE).read_bytes(), bench.models()) == (before, models)


def test_a_server_that_never_answers_is_given_up(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.adapter("aaa")
    never = threading.Event()
    monkeypatch.setattr(asking.Server.__init__, "__kwdefaults__", {"local_only": True, "timeout": httpx.Timeout(0.2)})
    with answering(lambda _: never.wait(30) and None) as address:
        assert main(["deploy", "--base", str(bench.made.base), "--server", address, "--force"]) == 1
        never.set()
    assert "does not answer" in capsys.readouterr().err
    assert not (bench.agent / champions.FILE).exists() and NAME not in bench.models()


@pytest.mark.parametrize("what", ["convert", "merge"])
def test_a_full_disk_leaves_what_was_there(tiny: Make, tmp_path: Path, what: str) -> None:
    made = tiny()
    target = tmp_path / "out.gguf"
    target.write_bytes(b"before")
    words = ["adapters", what, made.adapter, "--base", made.base, "--out", target]
    limited = ["bash", "-c", 'ulimit -f 8; exec "$0" "$@"', sys.executable, "-m", "git_hone.cli", *map(str, words)]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and f"{target.name}: cannot be written: the disk is full" in done.stderr
    assert target.read_bytes() == b"before" and not list(tmp_path.glob(".tmp-*"))


def test_without_a_gpu_it_is_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    there = set[str]()
    monkeypatch.setattr(train.Path, "exists", lambda self: str(self) in there)
    assert train._device("auto") == "cpu"
    there.add("/dev/nvidiactl")
    assert (train._device("auto"), train._device("cpu")) == ("cuda", "cpu")
