"""Carry a plan out around any command-line agent: attempt, gates, back to where it stood, escalate. Each step is on record.

The model's name reaches the agent by HONE_MODEL and by `{model}` in its command; the prompt by HONE_PROMPT, `{prompt}`, or, where the
command names neither `{prompt}` nor `{task}`, on standard input. Context and examples are in the prompt, and in HONE_CONTEXT, `{context}`,
HONE_EXAMPLES and `{examples}` by themselves. HONE_DECISION makes the runs of the agent name the choice.

What ends an attempt: passed; stopped (a gate said no); failed (the command said no after it changed something); timeout (its own or a
gate's); unjudged (a gate could not run); unreachable (the model's endpoint on this machine does not answer, or the command said no without
having changed anything, again and again). Only stopped and failed count against the model.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from git_hone.ci import choosing, worktree
from git_hone.hooks import capture, git, inbox
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.learner import variants
from git_hone.learner.errors import UsageError
from git_hone.learner.plans import GATES
from git_hone.learner.variants import Model

Say = Callable[[str], None]
NOT_FOUND: Final = (126, 127)
LONGEST_WORD: Final = 100_000
"""Bytes of a text that is put into the environment; Linux takes 128 KiB a variable. A longer one is not set."""
JUDGE: Final = """\
import sys
from git_hone.hooks.check import judged
kind, *words = sys.argv[1:]
sys.exit({True: 0, False: 10, None: 11}[judged(kind, words)[1]])
"""
"""What a gate's own process does; any other end of it judges nobody."""
VERDICTS: Final = {0: True, 10: False}
PATIENCE_S: Final = 5.0
GRACE_S: Final = 1.0
"""How long what a command left running has to end when it is asked to."""


@dataclass
class Attempt:
    """What became of one step. gates: kind -> whether it let the attempt through; kept: the ref under which undone work stays; changed:
    whether it left anything other than it was."""

    step: int
    model: str
    ended: str = "passed"
    gates: dict[str, bool] = field(default_factory=dict)
    exit_code: int | None = None
    seconds: float = 0.0
    kept: str | None = None
    changed: bool = False
    why: str = ""


@dataclass(frozen=True)
class Orders:
    """What is to be done. command: words with placeholders; gates: kind -> command line, run without a shell; named: the kinds of those
    gates that were named for this very task, which must pass even where they failed before; timeout_s: of one attempt, and of each gate;
    retries: how often a command is started again that ended badly and changed nothing; cwd: where the command and the gates that were named
    run, by default and for all other gates the top of the work tree."""

    task: str
    command: Sequence[str]
    files: Sequence[str] = ()
    gates: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 1800.0
    retries: int = 1
    named: Collection[str] = ()
    cwd: Path | None = None


def carry_out(place: Place, decided: choosing.Decided, orders: Orders, say: Say, *, quiet: bool = False) -> list[Attempt]:
    """Go through the plan; returns the attempts made, the last of which says how it ended. Its work stays in the work tree, whatever
    its gates said; the work of those before it is undone and kept under a ref. `quiet`: the agent's output goes to standard error."""
    before = worktree.look(place)
    usable, red = _usable_gates(place, before, orders)
    for kind in red:
        what = "it was named for this task, so it must pass now" if kind in usable else "so it cannot judge one"
        say(f"gate {kind}: already failing before the attempt; {what}")
    models = {one.id: one for one in variants.load_models(place.agent)}
    done: list[Attempt] = []
    steps = decided.choice.plan.models
    with _uncommitted_is_kept(place, before, f"{decided.id}.before", say):
        for k, name in enumerate(steps):
            last = k == len(steps) - 1
            say(f"attempt {k + 1} of {len(steps)}: {name}")
            one = _attempt(place, decided, k, models[name], orders, before, usable, say, quiet)
            if one.ended != "passed" and not last and worktree.changed(place, before):
                one.kept = worktree.go_back(place, before, f"{decided.id}.{k}")
            _record(place, decided, one)
            done.append(one)
            why = one.why or ("it changed nothing" if one.ended == "passed" and not one.changed else "")
            kept = f"; its work is kept as {one.kept}" if one.kept else ""
            say(f"{name}: {one.ended}{f' ({why})' if why else ''}, {one.seconds:.0f} s{kept}")
            if one.ended == "passed":
                break
    return done


@contextmanager
def _uncommitted_is_kept(place: Place, before: worktree.Before, name: str, say: Say) -> Iterator[None]:
    """What a person has not committed stays under a ref while agents work. The ref goes when all of it is as it was, else a line names it."""
    ref = worktree.keep(place, before, name)
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted; what the attempt wrote so far is in the work tree")
        raise
    finally:
        if ref is not None:
            files = worktree.touched(place, before)
            if files:
                some = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
                say(
                    f"your uncommitted work was changed in {some}; as it was: `git diff -R {ref}`, `git restore --source={ref} FILE`"
                )
            else:
                git.run(["update-ref", "-d", ref], place.cwd)


def _attempt(
    place: Place, decided: choosing.Decided, k: int, model: Model, orders: Orders, before: worktree.Before, usable: Mapping[str, str],
    say: Say, quiet: bool,
) -> Attempt:  # fmt: skip
    one, began = Attempt(k, model.id), time.monotonic()
    if not _answers(model):
        one.ended, one.why = "unreachable", f"nothing answers at {model.endpoint}"
        return one
    prompt = decided.prompt
    for tried in range(orders.retries + 1):
        if tried:
            say(f"{model.id}: ended with {one.exit_code} and changed nothing; once more")
        code = _run(place, decided, k, model, prompt, orders, quiet)
        one.exit_code, one.seconds = code, time.monotonic() - began
        one.changed = worktree.changed(place, before)
        if code is None or code == 0 or code in NOT_FOUND or one.changed:
            break
    if one.exit_code in NOT_FOUND and not one.changed:
        raise UsageError(f"{orders.command[0]}: {_missing(orders.command[0], _where(place, orders)) or 'it could not be started'}",
                         tip="name the agent's command after `--`")  # fmt: skip
    if one.exit_code is None:
        one.ended, one.why = "timeout", f"after {orders.timeout_s:g} s"
    elif one.exit_code:
        one.ended = "failed" if one.changed else "unreachable"
        one.why = f"the command ended with {one.exit_code}" + ("" if one.changed else ", having changed nothing")
    else:
        for kind, line in usable.items():
            ended, judged = _gate(place, kind, line, orders)
            if judged is not None:
                one.gates[kind] = judged
            if not judged:
                one.ended, one.why = ended, f"gate {kind}" + GATE_ENDED[ended].format(orders.timeout_s)
                break
    one.seconds = time.monotonic() - began
    return one


GATE_ENDED: Final = {"stopped": "", "timeout": ": no end after {:g} s", "unjudged": " could not run, so it judges nobody"}


def _where(place: Place, orders: Orders) -> Path:
    """Where the command runs. A folder that went with what was undone is made again."""
    where = orders.cwd or place.cwd
    where.mkdir(parents=True, exist_ok=True)
    return where


def _run(place: Place, decided: choosing.Decided, k: int, model: Model, prompt: str, orders: Orders, quiet: bool) -> int | None:
    """The command's exit code, None when its time was up."""
    shaped = decided.shaped
    parts = {
        "{model}": model.model,
        "{prompt}": prompt,
        "{task}": orders.task,
        "{context}": shaped.context,
        "{examples}": shaped.examples,
    }
    words = [_filled(word, parts) for word in orders.command]
    on_stdin = not any(name in word for word in orders.command for name in ("{prompt}", "{task}"))
    id_ = f"{decided.id}.{k}"
    told = {"HONE_DECISION": id_, **{f"HONE_{name[1:-1].upper()}": text for name, text in parts.items()}}
    env = os.environ | {name: text for name, text in told.items() if len(os.fsencode(text)) < LONGEST_WORD}
    with capture.run(
        Path(words[0]).name, model=model.id, task=orders.task, prompt_variant=decided.choice.prompt.id, decision_id=id_,
        task_kind=decided.asked["task_kind"], difficulty=decided.asked["difficulty"], repository=place.cwd,
    ) as run:  # fmt: skip
        try:
            child = subprocess.Popen(
                words, cwd=_where(place, orders), env=env, stdin=subprocess.PIPE if on_stdin else None, stdout=sys.stderr if quiet else None,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise UsageError(
                    f"{orders.command[0]}: the prompt of {len(prompt):,} characters is too long for a command line",
                    tip="leave {prompt} and {task} out of the command: the prompt then comes on standard input",
                ) from None
            return 127 if isinstance(error, FileNotFoundError) else 126
        try:
            child.communicate(prompt.encode() if on_stdin else None, timeout=orders.timeout_s)
            code: int | None = child.returncode
        except subprocess.TimeoutExpired:
            code = None
        except KeyboardInterrupt:
            _end(child)
            raise
        finally:
            _end(child)
        run.edits_are_known = _told(place, id_)
    return code


def _filled(word: str, parts: Mapping[str, str]) -> str:
    """Placeholders filled in one pass, so that a task that names one is not filled again."""
    found, rest = "", word
    while rest:
        name = next((name for name in parts if rest.startswith(name)), None)
        found, rest = (found + parts[name], rest[len(name) :]) if name else (found + rest[0], rest[1:])
    return found


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the whole group of processes, first politely: none of them may write on while the next attempt works."""
    with suppress(ProcessLookupError, PermissionError):  # there is none any more
        os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE_S)
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until:
            os.killpg(child.pid, 0)
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(PATIENCE_S)


def _told(place: Place, id_: str) -> bool:
    """Whether the agent itself told of edits under this decision."""
    wanted = f"\ndecision={id_}\n".encode()
    for file, _ in inbox.pending(place.inbox):
        with suppress(OSError):
            head = file.read_bytes()[:20_000].partition(b"\n%payload\n")[0] + b"\n"
            if wanted in head and b"%hone 1 agent generic" not in head:
                return True
    return False


def _answers(model: Model) -> bool:
    """Whether anything listens where a model on this machine should be. Of another machine's nothing is asked."""
    where = urlsplit(model.endpoint)
    if not variants.is_loopback(model.endpoint) or not where.hostname:
        return True
    try:
        socket.create_connection((where.hostname, where.port or (443 if where.scheme == "https" else 80)), timeout=2.0).close()
    except OSError:
        return False
    return True


def _usable_gates(place: Place, before: worktree.Before, orders: Orders) -> tuple[dict[str, str], list[str]]:
    """(gates that judge, in the order of `GATES`; those that failed already before). What was measured of this very tree is asked, else
    nothing is known against them."""
    gates = orders.gates
    with State(place.hone / "state.db") as state:
        known = {row["kind"]: row["passed"] for row in state.signals(before.tree)}
    order = sorted(gates, key=lambda kind: GATES.index(kind) if kind in GATES else len(GATES))
    red = [kind for kind in order if known.get(kind) is False]
    return {kind: gates[kind] for kind in order if kind not in red or kind in orders.named}, red


def _gate(place: Place, kind: str, line: str, orders: Orders) -> tuple[str, bool | None]:
    """Run a gate as `git hone check` does, which records its signal: (how that ends the attempt, whether it let it through). None: it
    had no end, or could not run."""
    where = _where(place, orders) if kind in orders.named else place.cwd
    words = [sys.executable, "-c", JUDGE, kind, *shlex.split(line)]
    child = subprocess.Popen(words, cwd=where, stdout=sys.stderr, start_new_session=True)
    try:
        verdict = VERDICTS.get(child.wait(orders.timeout_s))
    except subprocess.TimeoutExpired:
        return "timeout", None
    finally:
        _end(child)
    return ("unjudged", None) if verdict is None else ("stopped", verdict)


def commands_are_there(place: Place, orders: Orders) -> None:
    """Raises UsageError where the agent's command or a gate's is not there: before anything is decided, asked or paid."""
    checked = [(orders.command[0], orders.cwd, "", "name the agent's command after `--`")]
    for kind, line in orders.gates.items():
        where = orders.cwd if kind in orders.named else None
        checked.append(
            (next(iter(shlex.split(line)), ""), where, f"gate {kind}: ", "no shell is used; for its words: sh -c '...'")
        )
    for word, where, who, tip in checked:
        why = None if "{" in word else _missing(word, where or place.cwd)
        if why:
            raise UsageError(f"{who}{word}: {why}", tip=tip)


def _missing(word: str, where: Path) -> str | None:
    """Why a command cannot be started, None when it can."""
    if "/" not in word:
        return None if shutil.which(word) else "command not found"
    file = where / word
    if not file.exists():
        return "command not found"
    return None if file.is_file() and os.access(file, os.X_OK) else "not an executable file"


def _record(place: Place, decided: choosing.Decided, one: Attempt) -> None:
    result: dict[str, Any] = {
        "ended": one.ended,
        "gates": one.gates,
        "exit_code": one.exit_code,
        "seconds": round(one.seconds, 1),
    }
    row = choosing.attempt(decided.id, decided.choice, decided.asked, one.step, result)
    with suppress(OSError):
        inbox.put(place.inbox, {"v": 1, "type": "decision", "at": time.time(), "row": row})


def gates_of(place: Place, config: Mapping[str, Any], given: Sequence[str]) -> dict[str, str]:
    """Kind -> command line: those of the configuration, and `KIND=COMMAND` as given, which wins. Raises UsageError."""
    found = {kind: str(line) for kind, line in (config.get("gates") or {}).items()}
    for word in given:
        kind, sign, line = word.partition("=")
        if not sign or kind not in GATES or not line.strip():
            raise UsageError(
                f"--gate {word}: KIND=COMMAND is wanted", tip=f"kinds: {', '.join(GATES)}; as in --gate 'test=pytest -q'"
            )
        found[kind] = line
    for kind, line in found.items():
        try:
            shlex.split(line)
        except ValueError as error:
            raise UsageError(f"gate {kind}: {line}: {error}", tip="a command line as in a shell; close what was opened") from None
    return found
