"""Run a command and hand its output on, byte for byte and live, while keeping a copy of its end.

No shell, no pty. Where no copy is wanted the command gets our own streams and notices nothing.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

KEEP: Final = 64 << 20
"""Bytes of each stream that are kept to be read as a report; of a longer one, the end."""
GRACE_S: Final = 1.0
"""How long a pipe that a background process still holds is listened to after the command ended."""


@dataclass(frozen=True)
class Ran:
    """returncode: as the shell has it (128 + n for a signal). stdout, stderr: empty where no copy was kept; when both
    go to the same place they are one, in the order in which they were written, in stdout. cut: the beginning is lost."""

    returncode: int
    duration_ms: int
    stdout: bytes = b""
    stderr: bytes = b""
    cut: bool = False


def run(command: Sequence[str], env: Mapping[str, str], *, keep: bool) -> Ran:
    """Run `command` with our standard input. Raises OSError when it cannot be started."""
    began = time.monotonic()
    pipe = subprocess.PIPE if keep else None
    joined = keep and _same_file(1, 2)
    process = subprocess.Popen(command, env=dict(env), stdout=pipe, stderr=subprocess.STDOUT if joined else pipe, bufsize=0)
    with _Signals(process):
        tees = [_Tee(source, to) for source, to in ((process.stdout, 1), (process.stderr, 2)) if source is not None]
        process.wait()
        ended = time.monotonic()
        for tee in tees:
            tee.finish()
    code = process.returncode
    kept = [tee.kept() for tee in tees] + [b"", b""]
    return Ran(128 - code if code < 0 else code, round((ended - began) * 1000), kept[0], kept[1], any(tee.cut for tee in tees))


def _same_file(one: int, other: int) -> bool:
    try:
        a, b = os.fstat(one), os.fstat(other)
    except OSError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


class _Tee:
    """A thread that copies one descriptor to another and keeps the end of what went through."""

    def __init__(self, source: IO[bytes], to: int) -> None:
        self._source, self._to, self._last = source, to, time.monotonic()
        self._chunks: list[bytes] = []
        self._size, self.cut = 0, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._source:  # closed early when whoever listened has gone: the command notices, as it would without us
            self._copy()

    def _copy(self) -> None:
        while data := os.read(self._source.fileno(), 1 << 16):
            self._last = time.monotonic()
            if not _write(self._to, data):
                return
            self._chunks.append(data)
            self._size += len(data)
            while self._size > KEEP:
                self._size -= len(self._chunks.pop(0))
                self.cut = True

    def finish(self) -> None:
        self._last = time.monotonic()
        while self._thread.is_alive() and time.monotonic() - self._last < GRACE_S:
            self._thread.join(0.05)

    def kept(self) -> bytes:
        return b"".join(self._chunks)


def _write(to: int, data: bytes) -> bool:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(to, view) :]
        except BlockingIOError:
            select.select([], [to], [])
        except OSError:
            return False
    return True


class _Signals:
    """While the command runs: leave Ctrl-C to it (the terminal sends it to both), hand on what is sent to us alone."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, lambda got, _: self._process.send_signal(got))

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
