"""Runs a command of which nothing good is known, so that it cannot hang, fill the memory or the disk, reach the network or stay on.

It keeps accidents and blind retries of a model in; it is no wall against an attacker, who could still read the disk: run a suite of
unknown origin in a container.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

LAUNCH: Final = Path(__file__).with_name("launch.py")
TAIL: Final = 64_000
_RUNNING: Final = set["subprocess.Popen[bytes]"]()
_STOPPING: Final = threading.Event()
MEMORY: Final = 4 << 30
FILE: Final = 256 << 20
PROCESSES: Final = 256


@dataclass(frozen=True)
class Limits:
    """What one run may use. seconds: on the clock, and as much CPU time on each of two cores; memory_bytes: address space of a
    process; file_bytes: of one file; processes: beside those that the user has already (not held against root)."""

    seconds: float
    memory_bytes: int = MEMORY
    file_bytes: int = FILE
    processes: int = PROCESSES


@dataclass(frozen=True)
class Ran:
    """code: the command's exit code, 128 + n when signal n ended it, None when the time was over; seconds: on the clock;
    output: the last TAIL bytes of stdout and stderr together; sealed: whether it had no network."""

    code: int | None
    seconds: float
    output: str
    sealed: bool

    @property
    def timed_out(self) -> bool:
        return self.code is None


def run(
    argv: Sequence[str],
    cwd: Path,
    limits: Limits,
    *,
    env: Mapping[str, str] | None = None,
    path: Sequence[Path] = (),
    network: bool = False,
) -> Ran:
    """Run `argv` (its first word an absolute path) in `cwd` and wait for it and all that it started.

    The environment is empty but for PATH (`path`, then the system's), a home and a temporary folder that are deleted afterwards, a
    UTF-8 locale, and `env`. Without `network`, no other address than this machine's own loopback can be reached, where the
    kernel gives namespaces to users; `Ran.sealed` says whether it did.

    >>> done = run(["/bin/sh", "-c", "echo $HOME; exit 3"], Path("/"), Limits(seconds=10))
    >>> done.code, done.output.startswith("/")
    (3, True)
    """
    sealed = not network and namespaces()
    with (
        tempfile.TemporaryDirectory(prefix="git-hone-run-", ignore_cleanup_errors=True) as scratch,
        tempfile.TemporaryFile() as said,
    ):
        words = {"PATH": ":".join([*map(str, path), "/usr/local/bin", "/usr/bin", "/bin"]), "HOME": scratch, "TMPDIR": scratch,
                 "LANG": "C.UTF-8", "TZ": "UTC"} | dict(env or {})  # fmt: skip
        asked = {"argv": list(argv), "cwd": str(cwd), "env": words, "namespaces": sealed,
                 "limits": {"cpu": int(2 * limits.seconds) + 2, "memory": limits.memory_bytes, "file": limits.file_bytes,
                            "processes": _processes() + limits.processes}}  # fmt: skip
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCH), json.dumps(asked)],
            cwd="/", env={}, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        code: int | None
        _RUNNING.add(process)
        try:
            if _STOPPING.is_set():
                process.terminate()
            code = process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            code = None
            process.terminate()  # without a namespace the launcher ends what the command left; then, or if it cannot, it is ended
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
        finally:
            _kill(process)
            _RUNNING.discard(process)
        seconds = time.monotonic() - began
        said.seek(max(0, said.seek(0, os.SEEK_END) - TAIL))
        return Ran(code, seconds, said.read().decode("utf-8", "replace"), sealed)


@contextlib.contextmanager
def stopped_together() -> Iterator[None]:
    """Around runs in several threads: when the block is left by an error or Ctrl-C, every run still going is ended at once."""
    _STOPPING.clear()
    try:
        yield
    except BaseException:
        _STOPPING.set()
        for process in list(_RUNNING):
            with contextlib.suppress(OSError):
                process.terminate()
        raise


def stopping() -> bool:
    """Whether a run that has just ended may have been ended by us, so that it says nothing."""
    return _STOPPING.is_set()


@lru_cache(maxsize=1)
def namespaces() -> bool:
    """Whether this kernel gives a user namespaces of processes and network, asked once by trying."""
    limits = {"cpu": 10, "memory": MEMORY, "file": FILE, "processes": _processes() + PROCESSES}
    asked = {"argv": ["/bin/true"], "cwd": "/", "env": {}, "namespaces": True, "limits": limits}
    command = [sys.executable, "-I", "-S", str(LAUNCH), json.dumps(asked)]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, cwd="/", env={}, capture_output=True, timeout=30, check=False).returncode == 0
    return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The launcher and its group; its namespace, or the kernel on the death of a parent, takes the rest."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _processes() -> int:
    """How many processes and threads this user has: RLIMIT_NPROC counts them all."""
    uid, count = os.getuid(), 0
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if entry.stat().st_uid == uid:
                        count += sum(1 for _ in os.scandir(f"/proc/{entry.name}/task"))
    return count
