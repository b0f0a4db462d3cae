"""A round: its steps one after the other, each a process of its own, each result kept, so that a killed round goes on where it was.

Every step is a command of `git hone` (`COMMAND`), called as a person would call it. A step that says no ends the round, and its words are kept.
A step that was killed is done again; its own command knows how far it had come. Touches `<common git dir>/hone/loop`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import journal, zero_touch
from git_hone.hooks.place import Place
from git_hone.learner import ledger
from git_hone.learner.config import Config
from git_hone.learner.errors import DataError

COMMAND: Final = (sys.executable, "-I", "-m", "git_hone.cli")
HEAVY: Final = ("train", "evaluate")
"""Steps of which one runs on a machine at a time, whatever the repository."""
LOG_BYTES: Final = 1 << 20
DEATHS: Final = 3
"""A step that was killed so often is not begun again by itself."""
TICK_S: Final = 30.0


class Stop(Exception):
    """A round ends here. how: done | refused | failed | waiting; reason and tip for a person."""

    def __init__(self, how: str, reason: str, tip: str | None = None) -> None:
        super().__init__(reason)
        self.how, self.reason, self.tip = how, reason, tip


class Runner:
    """The steps of one round. `tell` gets a line for a person at each; `command` is what each step's words are put behind."""

    def __init__(
        self, place: Place, found: dict[str, Any], held: Sequence[int], tell: Callable[[str], None], command: Sequence[str]
    ) -> None:
        self.place, self.found, self._held, self._tell, self._command = place, found, tuple(held), tell, tuple(command)

    def do(self, step: str, words: Sequence[str], of: str = "", *, says: Sequence[int] = (0,)) -> dict[str, Any]:
        """What a step answered, as its JSON ({} for one that gives none); from the file when it was done before in this round. `of`: what
        tells it from other steps of its kind; `says`: exit codes that are an answer. Raises Stop when it says no or does not end well."""
        key = f"{step} {of}".strip()
        for one in self.found["steps"]:
            if one["key"] == key:
                told: dict[str, Any] = one["told"]
                return told
        began = self.found.get("began") or {}
        times = 1 + (began.get("times", 0) if began.get("key") == key else 0)
        self.found["step"] = step
        log = zero_touch.folder(self.place) / f"{step}.log"
        if times > DEATHS:
            raise Stop("refused", f"{key} was killed {DEATHS} times; the log is {log}", "git hone watch --once")
        self.found["began"] = {"key": key, "step": step, "at": time.time(), "times": times}
        with ExitStack() as stack:
            held = self._held + (stack.enter_context(machine()) if step in HEAVY else ())
            self.save()
            self._say(key, "begins")
            told = _run([*self._command, *words], self.place.cwd, log, held, says)
        self.found["steps"].append(
            {"key": key, "began": self.found["began"]["at"], "ended": time.time(), "told": told, "step": step}
        )
        self.found["began"] = None
        self.save()
        self._say(key, "done")
        return told

    def end(self, how: str, reason: str, tip: str | None = None) -> None:
        """Write how the round ended."""
        self.found |= {"how": how, "reason": reason, "tip": tip, "ended": time.time()}
        self.save()
        self._tell(f"{how}: {reason}" + (f"\n  next: {tip}" if tip else ""))
        told = {"event": "loop_ended", "how": how, "step": self.found["step"]}
        journal.append(self.place.hone / "journal.jsonl", time.time(), [told])

    def save(self) -> None:
        write(zero_touch.folder(self.place) / "round.json", self.found)

    def _say(self, key: str, what: str) -> None:
        self._tell(f"{key}: {what}")
        journal.append(self.place.hone / "journal.jsonl", time.time(), [{"event": "loop_step", "step": key, "what": what}])


def begin(place: Place, config: Config, ready: int, why: str, now: float) -> dict[str, Any]:
    """The round that was left open, or a new one."""
    last = zero_touch.last_round(place)
    if last is not None and last["how"] in ("running", "waiting"):
        return last | {"how": "running", "reason": None, "tip": None, "ended": None}
    return {
        "version": zero_touch.VERSION, "at": now, "ready": ready, "why": why, "config": config.hash, "how": "running", "step": None,
        "reason": None, "tip": None, "ended": None, "began": None, "steps": [],
    }  # fmt: skip


def write(file: Path, value: dict[str, Any]) -> None:
    """One JSON file, in one step. Raises DataError."""
    try:
        ledger.replace(file, json.dumps(value, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise DataError(
            f"{file}: cannot be written: {error.strerror}", tip="free space; the round goes on where it was"
        ) from None


@contextmanager
def machine() -> Iterator[tuple[int, ...]]:
    """Holds this machine for a heavy step. Raises Stop when another repository does; () where the lock's folder cannot be made."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "git-hone"
    with ExitStack() as stack:
        try:
            home.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(zero_touch.alone(home / "loop.lock"))
        except OSError:
            yield ()
            return
        if handle is None:
            raise Stop("waiting", "another repository on this machine trains or evaluates", "it goes on after the next commit")
        yield (handle,)


def _run(words: Sequence[str], cwd: Path, log: Path, held: Sequence[int], says: Sequence[int]) -> dict[str, Any]:
    out = log.with_suffix(".out")
    try:
        with log.open("wb") as errors, out.open("wb") as answer:
            child = subprocess.Popen(
                words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=answer, stderr=errors, pass_fds=held
            )  # fmt: skip
            code = _wait(child, (log, out))
        said, text = log.read_text("utf-8", "replace"), out.read_bytes()
        out.unlink()
    except OSError as error:
        raise Stop("failed", f"{error.filename or log}: {error.strerror}", "free space or fix the rights") from None
    if code in says:
        return _json(text)
    if code < 0:
        raise Stop("failed", f"killed by signal {-code}; the log is {log}", "git hone watch --once goes on from there")
    reason, tip = words_of(said)
    raise Stop("refused" if code in (1, 2) else "failed", reason or f"exit code {code}; the log is {log}", tip)


def _wait(child: subprocess.Popen[bytes], files: Sequence[Path]) -> int:
    """Its exit code. What it writes is held below the limit: the beginning goes."""
    while True:
        try:
            code = child.wait(TICK_S)
        except subprocess.TimeoutExpired:
            for file in files:
                if file.stat().st_size > LOG_BYTES and file.suffix == ".log":
                    os.truncate(file, 0)
            continue
        except KeyboardInterrupt:
            child.wait()  # it was interrupted too, and saves where it is
            raise
        log = files[0]
        if log.stat().st_size > LOG_BYTES:
            log.write_bytes(log.read_bytes()[-LOG_BYTES // 2 :])
        return code


def words_of(said: str) -> tuple[str | None, str | None]:
    """(reason, tip) of what a command of ours wrote to standard error when it said no.

    >>> words_of("training ...\\ngit-hone: 3 examples of coder; 500 are wanted\\n  next: git hone export\\n")
    ('3 examples of coder; 500 are wanted', 'git hone export')
    """
    last = said.rpartition("git-hone: ")[2] if "git-hone: " in said else said.rpartition("Error: ")[2]
    reason, _, tip = last.strip().partition("\n  next: ")
    return (reason.strip() or None), (tip.strip() or None)


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
