"""The one door to git: every call goes through here, with a clean environment and hostile configuration switched off.

Output is bytes (paths and messages need not be UTF-8); `text` decodes with surrogateescape, so every path survives the
way there and back. Nothing here imports more than the standard library.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType

from git_hone.learner.errors import GitError

SAFE = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "diff.external=", "-c", "core.hooksPath=/dev/null",
        "-c", "diff.renameLimit=400", "-c", "log.showSignature=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
        "-c", "color.ui=false", "-c", "i18n.logOutputEncoding=UTF-8", "--no-replace-objects", "--literal-pathspecs")  # fmt: skip
KEPT = {"GIT_SSL_CAINFO",
        "GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "GIT_ASKPASS", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL",
        "GIT_CEILING_DIRECTORIES"}  # fmt: skip


OURS: set[Path] = set()
"""Git folders that git itself, or the hook that it ran, told us of."""

PEOPLE = r"(user|author|committer)\.(name|email)"
"""The configuration's keys that name somebody, as `configured` takes them."""
ASKED_AT_ONCE = 200
"""Object ids that fit into a pipe together, whatever the system's is."""


def safe(cwd: Path) -> tuple[str, ...]:
    """What every call gets in front of its command. Where a person has set `safe.bareRepository=explicit`, git (before 2.44
    even inside `.git`) refuses to work in a git folder: one that we know to be the repository's own is explicit enough. A
    repository cannot track a folder named `.git`, so nobody can have slipped one in."""
    return (*SAFE, "-c", "safe.bareRepository=all") if ".git" in cwd.parts or cwd in OURS else SAFE


def clean_env(**extra: str) -> dict[str, str]:
    """The environment for a git child: no GIT_DIR, GIT_INDEX_FILE and the like, which git exports to hooks and which
    would point the call at another repository; no prompts, no lazy fetches, messages in English."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in KEPT}
    return env | {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C",
                  "GIT_HONE_OFF": "1"} | extra  # fmt: skip


def run(
    args: Sequence[str | bytes],
    cwd: Path,
    *,
    stdin: bytes | None = None,
    ok: Iterable[int] = (0,),
    env: Mapping[str, str] | None = None,
) -> bytes:
    """stdout of `git ARGS` in `cwd`. Raises GitError, with git's words, when the exit code is not in `ok`."""
    try:
        done = subprocess.run(
            ["git", *safe(cwd), *args], cwd=cwd, input=stdin, capture_output=True, env=clean_env(**(env or {})), check=False
        )
    except OSError as error:
        if isinstance(error, FileNotFoundError) and cwd.is_dir():
            raise GitError("git is not on the PATH", tip="install git 2.31 or newer") from error
        reason = "no such folder" if not cwd.exists() else "not a folder" if not cwd.is_dir() else error.strerror
        raise GitError(f"{cwd}: {reason}", tip="name a folder inside a repository") from error
    if done.returncode not in ok:
        words = text(done.stderr).strip().removeprefix("fatal: ") or f"git {text(args[0])} ended with {done.returncode}"
        raise GitError(words, done.returncode)
    return done.stdout


def attempt(
    args: Sequence[str | bytes], cwd: Path, *, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> bytes | None:
    """Like `run`, but None where git says no."""
    try:
        return run(args, cwd, stdin=stdin, env=env)
    except GitError:
        return None


def add_all(top: Path, git_dir: Path, index: Path, **env: str) -> None:
    """Put the work tree `top`, ignored files aside, into the index file `index`: what lies outside a sparse checkout as well.
    Raises GitError where git cannot read the index; a file that it cannot read is passed over."""
    args = ["-c", "core.safecrlf=false", "-c", "advice.addEmbeddedRepo=false", "add", "-A", "--ignore-errors"]
    env = {"GIT_INDEX_FILE": str(index), **env}
    sparse = (git_dir / "info" / "sparse-checkout").is_file()
    if not sparse or attempt([*args, "--sparse", "."], top, env=env) is None:  # before git 2.34 nothing is kept out, nor let in
        run([*args, "."], top, ok=(0, 1), env=env)


def text(raw: str | bytes) -> str:
    """Bytes from git as str, reversibly (`os.fsencode` gives the bytes back)."""
    return raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")


def line(args: Sequence[str | bytes], cwd: Path, env: Mapping[str, str] | None = None) -> str | None:
    """The one line that git answers, or None where it says no."""
    out = attempt(args, cwd, env=env)
    return None if out is None else text(out).rstrip("\n")


def configured(cwd: Path, *keys: str) -> list[tuple[str, str]]:
    """(key, value) of what git's configuration holds under keys that one of these patterns fits; of several values for one key the
    last one counts. The value of a key without one is "true"."""
    rows = attempt(["config", "-z", "--get-regexp", f"^({'|'.join(keys)})$"], cwd) or b""
    parts = (row.partition("\n") for row in text(rows).split("\0") if row)
    return [(key.lower(), value if equals else "true") for key, equals, value in parts]


LARGER = b"\0larger than asked for"
"""What stands for contents that were not kept."""


class CatFile:
    """One long-lived `git cat-file --batch`: contents of objects by name, None for a missing one. Use as a context."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            ["git", *safe(self._cwd), "cat-file", "--batch"],
            cwd=self._cwd,
            env=clean_env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> CatFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()

    def typed(self, name: str) -> tuple[str, bytes] | None:
        """(type, contents) of the object that `name` means, or None."""
        return self._answer() if self._ask(name) else None

    def small(self, name: str, limit: int) -> tuple[bytes | None, bool]:
        """(contents, whether that is more than `limit` bytes) of a blob. What is larger goes by in pieces, and is None."""
        found = self._answer(limit) if self._ask(name) else None
        if found is None or found[0] != "blob":
            return None, False
        return (None, True) if found[1] is LARGER else (found[1], False)

    def _ask(self, name: str) -> bool:
        if "\n" in name:
            return False
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - a PIPE
        stdin.write(os.fsencode(name) + b"\n")
        stdin.flush()
        return True

    def _answer(self, limit: int | None = None) -> tuple[str, bytes] | None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - a PIPE
        head = stdout.readline().rstrip(b"\n")
        if not head:  # git ends at a damaged object; the next name is for another process
            self.close()
            self._start()
            return None
        words = head.rsplit(b" ", 2)
        if len(words) != 3 or not words[2].isdigit():
            return None  # "NAME missing" or "NAME ambiguous"
        body, rest = b"", int(words[2])
        if limit is not None and rest > limit:
            body = LARGER
            while rest and (piece := stdout.read(min(rest, 1 << 20))):
                rest -= len(piece)
        else:
            body = stdout.read(rest)
        if stdout.read(1) != b"\n":  # it ended in the middle
            self.close()
            self._start()
            return None
        return words[1].decode(), body

    def blob(self, name: str) -> bytes | None:
        found = self.typed(name)
        return found[1] if found and found[0] == "blob" else None

    def tree_of(self, commit: str) -> str | None:
        """The tree of a commit, or None when that is not here."""
        found = self.typed(commit)
        head = found[1].partition(b"\n")[0] if found and found[0] == "commit" else b""
        return head.removeprefix(b"tree ").decode() if head.startswith(b"tree ") else None

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes | None]:
        """The contents of many blobs, asked for in groups small enough for a pipe: 10,000 in a tenth of the time."""
        wanted, found = list(dict.fromkeys(ids)), dict[str, bytes | None]()
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - a PIPE
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            group = wanted[start : start + ASKED_AT_ONCE]
            stdin.write("".join(f"{name}\n" for name in group).encode())
            stdin.flush()
            for name in group:
                answer = self._answer()
                found[name] = answer[1] if answer and answer[0] == "blob" else None
        return found


class _Shared:
    """One `CatFile` for these folders of one repository, started when it is first asked for."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(folders)
        self.process: CatFile | None = None

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
            self.process = None


_SHARED: ContextVar[_Shared | None] = ContextVar("shared", default=None)


@contextmanager
def sharing(*folders: Path) -> Iterator[None]:
    """Let every `cat_file` in one of these folders, which belong to one repository, be one and the same process."""
    shared = _Shared(folders)
    token = _SHARED.set(shared)
    try:
        yield
    finally:
        _SHARED.reset(token)
        shared.close()


@contextmanager
def cat_file(cwd: Path) -> Iterator[CatFile]:
    """A `CatFile`: closed at the end, or shared where `sharing` is at work."""
    shared = _SHARED.get()
    if shared is None or cwd not in shared.folders:
        with CatFile(cwd) as process:
            yield process
        return
    if shared.process is None:
        shared.process = CatFile(cwd)
    try:
        yield shared.process
    except BaseException:
        shared.close()  # it may be in the middle of an answer
        raise
