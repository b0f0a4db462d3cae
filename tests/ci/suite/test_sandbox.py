"""Runs of which nothing good is known: each is ended, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_hone.ci.arena import sandbox
from git_hone.ci.arena.sandbox import Limits, Ran, run

PYTHON = sys.executable


def python(code: str, seconds: float = 60.0, **limits: int) -> Ran:
    return run([PYTHON, "-I", "-S", "-c", code], Path("/"), Limits(seconds, **limits))


@pytest.fixture(params=["namespaces", "plain"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "plain":
        monkeypatch.setattr(sandbox, "namespaces", lambda: False)
    elif not sandbox.namespaces():
        pytest.skip("this kernel gives users no namespaces")
    yield request.param


def test_the_environment_is_empty_and_the_home_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    done = python("import os; print(sorted(os.environ)); print(os.environ['HOME']); open(os.environ['TMPDIR'] + '/a', 'w')")
    names, home = done.output.splitlines()
    assert "SECRET" not in names and "HOME" in names
    assert not Path(home).exists()


def test_exit_codes_and_signals_are_told(either: str) -> None:
    assert python("raise SystemExit(3)").code == 3
    assert python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").code == 128 + 11
    missing = run(["/no/such/program"], Path("/"), Limits(60))
    assert (missing.code, "cannot be started" in missing.output) == (126, True)


def test_an_endless_loop_is_ended(either: str) -> None:
    done = python("while True: pass", seconds=1.0)
    assert done.timed_out


def test_memory_and_files_are_bounded(either: str, tmp_path: Path) -> None:
    assert "MemoryError" in python("bytearray(1 << 30)", memory_bytes=512 << 20).output
    big = tmp_path / "big"
    assert "File too large" in python(f"open({str(big)!r}, 'wb').write(bytes(2 << 20))", file_bytes=1 << 20).output
    assert big.stat().st_size <= 1 << 20


def test_output_is_cut_at_its_end() -> None:
    done = python("print('a' * 200_000); print('end')")
    assert len(done.output) <= sandbox.TAIL and done.output.endswith("end\n")


@pytest.mark.parametrize("ending", ["by itself", "by the limit"])
def test_what_it_left_running_is_ended(either: str, ending: str, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    stay = f"import os, time\nos.setsid()\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    hang = "time.sleep(600)" if ending == "by the limit" else ""
    code = (
        f"import os, sys, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.closerange(0, 3)\n"
        f"        exec({stay!r})\n    os._exit(0)\nwhile not os.path.exists({str(mark)!r}): time.sleep(0.01)\n{hang}"
    )
    before = _sleepers()
    done = python(code, seconds=8.0 if hang else 60.0)
    assert done.timed_out == bool(hang)
    assert mark.exists()
    until = time.monotonic() + 30
    while _sleepers() > before and time.monotonic() < until:
        threading.Event().wait(0.05)
    assert _sleepers() <= before


def _sleepers() -> int:
    """Python processes of ours whose code sets a session up, as the tests above do."""
    count = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                count += b"os.closerange(0, 3)" in Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
    return count


def test_no_address_but_the_own_is_reached() -> None:
    if not sandbox.namespaces():
        pytest.skip("this kernel gives users no namespaces")
    done = python(
        "import socket\nown = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(own.getsockname())\nprint('own')\n"
        "try:\n    socket.create_connection(('192.0.2.1', 9), 5)\nexcept OSError as error:\n    print(error.errno)"
    )
    import errno

    assert done.sealed
    assert done.output.split() == ["own", str(errno.ENETUNREACH)]


def test_interrupting_ends_the_runs_of_all_threads() -> None:
    ended: list[Ran] = []
    thread = threading.Thread(target=lambda: ended.append(python("import time; time.sleep(600)", seconds=500.0)))

    def interrupt() -> None:
        with sandbox.stopped_together():
            thread.start()
            while not sandbox._RUNNING:
                threading.Event().wait(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    thread.join(60)
    assert not thread.is_alive() and ended[0].seconds < 400
    assert sandbox.stopping()
    with sandbox.stopped_together():
        assert not sandbox.stopping()
