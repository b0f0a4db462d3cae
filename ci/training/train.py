"""`git hone train`: prepare a run, carry it out in a child process, and publish what came of it.

A run has the folder `.agent/lora/ROLE/ID.part` while it lasts: the rows, the state to go on from, the log. When it is done, the adapter, its
configuration, the checkpoints, a manifest and the GGUF adapter move to `.agent/lora/ROLE/ID`, nothing else. ID follows from the rows, the
base, the settings and the script (`recipe.identity`), so the same call goes on with a run that was killed, and finds one that is done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

from git_hone.ci.training import base as bases
from git_hone.ci.training import dataset, needs, publishing, recipe
from git_hone.ci.training.recipe import Settings
from git_hone.hooks.lock import locked
from git_hone.learner.errors import UsageError

FOLDER: Final = "lora"
LIBRARIES: Final = ("torch", "transformers", "peft", "safetensors", "gguf")
STEP: Final = re.compile(r"step (\d+)/(\d+)  loss (\S+)  left (.+)")
ENDS: Final = {
    65: "the rows and the base do not go together",
    66: "the base could not be loaded", 69: "there is no GPU that can be used", 70: "training broke down", 71: "there was not enough memory",
    74: "the disk is full, or cannot be written", 130: "stopped", -signal.SIGINT: "stopped", -signal.SIGTERM: "stopped",
    -signal.SIGKILL: "it was killed, most often because the machine ran out of memory",
}  # fmt: skip
"""Exit codes of the script -> what happened."""


class Stopped(UsageError):
    """Training was asked to stop, and saved where it was."""

    exit_code = 130


class Step(NamedTuple):
    """Where a run is: step of total, the loss before it, and about how long it will still take, in words."""

    step: int
    total: int
    loss: float
    left: str


class Plan(NamedTuple):
    """A run that is prepared. part: its folder while it lasts; done: its folder afterwards; script: the file that trains."""

    id: str
    role: str
    difficulty: str | None
    rows: dataset.Rows
    base: bases.Base
    settings: Settings
    recipe: recipe.Recipe
    script: Path
    part: Path
    done: Path


def plan(
    agent: Path, role: str, rows: dataset.Rows, base: bases.Base, settings: Settings, *, how: recipe.Recipe = "plain",
    difficulty: str | None = None, out: Path | None = None,
) -> Plan:  # fmt: skip
    """What is to be done; nothing is written. `out`: where the finished adapter goes instead of `.agent/lora/ROLE`."""
    id_ = recipe.identity(role, difficulty, base, rows, settings, how)
    home = out or agent / FOLDER / role
    script = agent / f"train_{role}{'_' + difficulty if difficulty else ''}.py"
    return Plan(id_, role, difficulty, rows, base, settings, how, script, home / f"{id_}.part", home / id_)


def check(made: Plan, least: int, *, force: bool = False) -> None:
    """Refuse what could only fail after long: too few rows, libraries that are missing, too little memory (not with `force`) or disk.
    Raises UsageError."""
    n = len(made.rows.rows)
    if n < least:
        raise UsageError(
            f"{n} examples of {made.role}{' (' + made.difficulty + ')' if made.difficulty else ''}; {least} are wanted before training",
            tip="autoTrain.minExamples sets how many; --force trains anyway",
        )
    if made.settings.processes > made.settings.batch_size:
        raise UsageError(
            f"{made.settings.processes} processes cannot share steps of {made.settings.batch_size} rows", "--batch-size"
        )
    if made.recipe == "plain":
        needs.check(LIBRARIES if made.settings.processes == 1 else (*LIBRARIES, "accelerate"), "training")
    free = None if force else bases.memory_free()
    if made.base.size and made.recipe == "plain" and made.settings.device == "cpu" and free is not None:
        wanted = made.settings.processes * bases.memory_needed(
            made.base.size, longest(made.rows, made.settings), made.settings.rank
        )
        if wanted > free:
            raise UsageError(
                f"training {made.base.name} here takes about {_gb(wanted)} of memory, and {_gb(free)} are free",
                tip="a smaller base, a smaller --max-tokens, a machine with more memory; --force tries anyway",
            )
    room(made, shutil.disk_usage(_standing(made.part)).free)


def room(made: Plan, free: int) -> None:
    """Raises UsageError when `free` bytes of disk are too few for the state and the adapters of a run."""
    if made.base.size is None:
        return
    adapter = 4 * 14 * made.base.size.layers * made.base.size.width * 2 * made.settings.rank
    wanted = adapter * (2 * 3 + made.settings.checkpoints + 3)
    if wanted > free:
        raise UsageError(
            f"{made.part.parent}: training takes up to {_gb(wanted)} of disk, and {_gb(free)} are free", tip="free space"
        )


def longest(rows: dataset.Rows, settings: Settings) -> int:
    """Tokens of the longest row at most: a token stands for at least one byte, and a longer row is left out."""
    sizes = (
        sum(len(turn["content"].encode()) + 16 for part in ("prompt", "completion") for turn in row[part]) for row in rows.rows
    )
    return min(settings.max_tokens, max(sizes))


def prepare(made: Plan) -> None:
    """Write the rows and the script. Raises UsageError where that cannot be done."""
    try:
        made.part.mkdir(parents=True, exist_ok=True)
        (made.part / "rows.jsonl").write_bytes(
            b"".join(json.dumps(row, sort_keys=True).encode() + b"\n" for row in made.rows.rows)
        )
        text = recipe.script(
            made.recipe,
            made.script,
            made.role,
            made.base,
            made.settings,
            id=made.id,
            data=made.part / "rows.jsonl",
            out=made.part,
        )
        made.script.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename or made.part}: cannot be written: {error.strerror}") from None


def run(made: Plan, watch: Callable[[Step], None]) -> None:
    """Run the script until it ends; `watch` is told of each step. Its other output goes to `train.log` in the run's folder.

    Raises UsageError with its last words when it does not end well, Stopped when it was interrupted: an interrupt of this process is
    passed on, and the state is saved first.
    """
    command = [sys.executable, "-u", str(made.script)]
    if made.settings.processes > 1:
        more = ["--cpu"] if made.settings.device == "cpu" else ["--multi_gpu"]
        launch = ["-m", "accelerate.commands.launch", "--num_processes", str(made.settings.processes), "--num_machines", "1"]
        command = [sys.executable, *launch, "--mixed_precision", "no", "--dynamo_backend", "no", *more, str(made.script)]
    log = made.part / "train.log"
    with log.open("wb") as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment(made), text=True,
            start_new_session=True,
        )  # fmt: skip
    with child, _passed_on(child):
        _follow(child.stdout, watch)
        code = child.wait()
    if code:
        words = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        said = [line.removeprefix("train: ") for line in words if line.startswith("train: ")]
        kind = Stopped if ENDS.get(code) == "stopped" else UsageError
        raise kind(
            f"training did not come to its end: {ENDS.get(code, f'exit code {code}')}\n  {(said or words or ['no word'])[-1]}",
            tip=f"the log is {log}; the same command goes on from the last saved step",
        )


def environment(made: Plan) -> dict[str, str]:
    """The child's variables. Threads that wait must not spin (on a busy machine that is three times slower), nothing is fetched for a
    base that is here, and nothing is told to anybody."""
    quiet = {
        "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }  # fmt: skip
    if made.base.kind != "hub":
        quiet |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return os.environ | quiet


def finished(made: Plan) -> bool:
    """Whether this very adapter is there already."""
    return (made.done / publishing.MANIFEST).is_file()


def train(agent: Path, made: Plan, watch: Callable[[Step], None]) -> publishing.Published:
    """Prepare, run and publish, one training at a time in a repository. Raises UsageError when another is under way."""
    (agent / FOLDER).mkdir(parents=True, exist_ok=True)
    with locked(agent / FOLDER / ".lock") as got:
        if not got:
            raise UsageError("another training runs in this repository", tip="wait for it, or stop it")
        prepare(made)
        if not (made.part / "result.json").is_file():
            run(made, watch)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        published = publishing.publish(made)
        (agent / f"last-train-{made.role}.txt").write_text(stamp + "\n", "utf-8")
        return published


def _follow(lines: IO[str] | None, watch: Callable[[Step], None]) -> None:
    for line in lines or ():
        match = STEP.match(line)
        if match:
            watch(Step(int(match[1]), int(match[2]), float(match[3]), match[4]))


@contextmanager
def _passed_on(child: subprocess.Popen[str]) -> Iterator[None]:
    """Pass SIGINT and SIGTERM on to the child, which saves its state and ends; we go on waiting for it."""

    def tell(*_: object) -> None:
        os.killpg(child.pid, signal.SIGTERM)

    try:
        before = {each: signal.signal(each, tell) for each in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread
        before = {}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _standing(path: Path) -> Path:
    """The nearest folder above that exists."""
    return next(each for each in path.parents if each.exists())


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
