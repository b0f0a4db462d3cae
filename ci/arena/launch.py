"""Starts one command under limits. Run as a script, by path, with `python -I -S`; imports nothing but the standard library.

argv[1] is JSON: {"argv", "cwd", "env", "limits": {"cpu", "memory", "file", "processes"}, "namespaces"}. In namespaces of its own the
command sees a network of which only the loopback is up, and is the child of a first process whose end ends whatever it left behind,
in however many sessions. Exit code: the command's; 128 + n when signal n ended it; 126 when it could not be started.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import sys
from typing import Any

NEW_USER, NEW_NETWORK, NEW_PROCESSES = 0x10000000, 0x40000000, 0x20000000
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41
DIE_WITH_PARENT, REAP_ORPHANS, NO_NEW_PRIVILEGES = 1, 36, 38


def main() -> int:
    asked = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if asked["namespaces"]:
        enter(libc)
        return first_process(libc, asked)
    libc.prctl(REAP_ORPHANS, 1, 0, 0, 0)
    child = start(libc, asked)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))  # the time is over
    return reap(child, alone=False)


def enter(libc: Any) -> None:
    """User, network and process namespaces, with the same user's number inside. Raises OSError where the kernel says no."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(NEW_USER | NEW_NETWORK | NEW_PROCESSES):
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib is slow to import
            file.write(text)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))


def first_process(libc: Any, asked: dict[str, Any]) -> int:
    """The first process of the new namespace: when it ends, the kernel kills all others in it."""
    child = os.fork()
    if child:
        return ended(os.waitpid(child, 0)[1])
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    os._exit(reap(start(libc, asked), alone=True))


def start(libc: Any, asked: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        limits = asked["limits"]
        for kind, most in ((resource.RLIMIT_CPU, limits["cpu"]), (resource.RLIMIT_AS, limits["memory"]),
                           (resource.RLIMIT_FSIZE, limits["file"]), (resource.RLIMIT_NPROC, limits["processes"]),
                           (resource.RLIMIT_CORE, 0)):  # fmt: skip
            lower(kind, most)
        os.chdir(asked["cwd"])
        os.execve(asked["argv"][0], asked["argv"], asked["env"])  # noqa: S606 - running the task's own command is its purpose; no shell is between
    except OSError as error:
        os.write(2, f"cannot be started: {asked['argv'][0]}: {error.strerror}\n".encode())
    os._exit(126)


def lower(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def reap(child: int, alone: bool) -> int:
    """Wait for the command; without a namespace, then end the orphans that it left."""
    code = 126
    while True:
        gone, status = os.wait()
        if gone == child:
            code = ended(status)
            break
    while not alone and (left := orphans()):
        for one in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(left[0], 0)
    return code


def orphans() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123 - pathlib is slow to import
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def ended(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    try:
        code = main()
    except OSError as error:
        print(f"cannot be started: {error}", file=sys.stderr)
        code = 126
    sys.stdout.flush()
    os._exit(code)
