"""A model over a whole suite: interruptible, each attempt remembered by all that it depends on, the result as JSON and as Parquet."""

from __future__ import annotations

import json
import os
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from git_hone.ci import gating
from git_hone.ci.endpoints import EndpointError
from git_hone.ci.evaluating import divergence
from git_hone.ci.evaluating.engines import Engine, Served
from git_hone.ci.evaluating.trying import Settings, attempt
from git_hone.ci.suite import storing
from git_hone.hooks import git
from git_hone.hooks.consent import excluded
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner import convention, ledger, variants
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.gating import evaluation
from git_hone.learner.gating.evaluation import Attempt, Evaluation, Likelihood
from git_hone.learner.suite.tasks import Task, digest

RULES: Final = 1
"""Raised when what makes an attempt changes, so that older ones are not used again."""
PATIENCE: Final = 3
"""So many first tasks without any answer end it: what follows would fail alike, and say nothing of the model."""
GENERAL: Final = ("bisect", "fnmatch", "heapq", "textwrap", "shlex", "statistics")
GENERAL_EACH: Final = 1000
LARGEST_SOURCE: Final = 400_000


@dataclass(frozen=True)
class Asked:
    """model: an id of model_variants.json or a GGUF file. adapter: a GGUF adapter for that file. name: what the result is called, by
    default the model's own. tasks: only those ids. again: ask even where an answer is remembered."""

    model: str
    suite: str
    adapter: Path | None = None
    name: str | None = None
    settings: Settings = field(default_factory=Settings)
    again: bool = False
    likelihood: bool = True


def evaluate(place: Place, asked: Asked, tell: Callable[[int, int, Attempt], None]) -> tuple[Evaluation, Path]:
    """Try every task; `tell` is called after each with (done, of, attempt). The evaluation, and the file it was written to.

    Raises UsageError for a model, suite or file that is not there, EndpointError where the endpoint may not be asked or has no such
    model, DataError for a damaged file.
    """
    suite = storing.load(storing.folder_of(place.agent, asked.suite))
    if not suite.manifest.tasks:
        raise UsageError(f"{asked.suite}: holds no task", tip="`git hone suite mine` looks for some")
    engine = engine_of(place, asked)
    habits = convention.learn(sources(place))
    kept = place.hone / "evaluations"
    attempts = list[Attempt]()
    try:
        for number, task in enumerate(suite.manifest.tasks, 1):
            file = kept / f"{_key(engine, asked.model, task, asked.settings, habits)}.json"
            found = None if asked.again else _recall(file)
            if found is None:
                found, said = attempt(engine, suite, task, asked.settings, habits)
                if found.error is None or not _passing(found):
                    _keep(file, found, said)
            attempts.append(found)
            if number == min(PATIENCE, len(suite.manifest.tasks)) and all(map(_passing, attempts)):
                raise EndpointError("unreachable", str(found.error), tip="nothing was written; try again when it answers")
            tell(number, len(suite.manifest.tasks), found)
        nats = likelihood(engine, kept) if asked.likelihood else None
        if isinstance(engine, Served) and not engine.unchanged():
            raise EndpointError("refused", f"{engine.name} was changed on its server while it was tried", tip="try it again")
    finally:
        engine.close()
    base = str(configuration.load(place.agent / "learning-config.json")["autoTrain.baseModel"])
    compared = divergence.measured(Path(asked.model), asked.adapter, base, kept) if Path(asked.model).is_file() else None
    made = Evaluation(
        asked.name or engine.name, asked.suite, suite.manifest.hash, tuple(attempts), files=dict(engine.files),
        base_sha256=engine.base_sha256, divergence=compared, likelihood=nats, settings=asdict(asked.settings),
    )  # fmt: skip
    return made, write(place.agent, made)


def engine_of(place: Place, asked: Asked) -> Engine:
    """The engine that answers for what was asked; nothing is asked of it yet."""
    if asked.model.endswith(".gguf") or Path(asked.model).is_file():  # Ollama's store names its files by their hash
        from git_hone.ci.evaluating.llama import Llama

        return Llama(asked.name or Path(asked.model).stem, Path(asked.model), asked.adapter, place.agent.parent)
    if asked.adapter is not None:
        raise UsageError("--adapter goes with a GGUF file as the model", tip="a server loads its adapters itself")
    model = variants.find(variants.load_models(place.agent), asked.model, variants.MODELS)
    settings = configuration.load(place.agent / "learning-config.json")
    return Served(model, local_only=bool(settings["privacy.local_only"]))


def write(agent: Path, of: Evaluation) -> Path:
    """`.agent/evaluations/SUITE/MODEL.json`, and the attempts beside it as Parquet; each in one step."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = gating.file_of(agent, of.suite, of.model)
    rows = [{"model": of.model, "suite": of.suite, "suite_hash": of.suite_hash} | asdict(one) for one in of.attempts]
    table = pa.Table.from_pylist([row | {"failed": list(row["failed"])} for row in rows])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        ledger.replace(file.with_suffix(".parquet"), sink.getvalue().to_pybytes())
        ledger.replace(file, evaluation.dump(of).encode())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}", tip="make room; the answers are kept") from None
    return file


def sources(place: Place) -> list[str]:
    """The repository's own Python files as they stand in HEAD, without what the configuration keeps out."""
    patterns = configuration.load(place.agent / "learning-config.json").exclude_patterns
    listed = git.attempt(["ls-tree", "-r", "-z", "-l", "HEAD"], place.cwd) or b""
    texts = []
    with git.CatFile(place.cwd) as objects:
        for entry in listed.split(b"\0"):
            head, _, path = entry.partition(b"\t")
            if not path.endswith(b".py") or not head.startswith(b"100") or excluded(os.fsdecode(path), patterns):
                continue
            _, _, sha, size = head.split()
            found = objects.typed(sha.decode()) if size.isdigit() and int(size) <= LARGEST_SOURCE else None
            if found is not None:  # a partial clone may not hold it
                texts.append(found[1].decode("utf-8", "replace"))
    return texts


def general_code() -> str:
    """Code that no repository is about: parts of Python's own library. Another Python has another text, and so another hash."""
    folder = Path(sysconfig.get_path("stdlib"))
    return "\n\n".join((folder / f"{name}.py").read_text("utf-8")[:GENERAL_EACH] for name in GENERAL)


def likelihood(engine: Engine, kept: Path) -> Likelihood | None:
    """Of general code, remembered in the folder `kept` by the files' digests; None where the engine does not say."""
    text = general_code()
    file = kept / f"{digest([RULES, dict(engine.files), engine.base_sha256, text])}.json"
    if engine.files and file.exists():
        return Likelihood(**json.loads(file.read_text("utf-8")))
    found = engine.likelihood(text)
    if found is not None and engine.files:
        file.parent.mkdir(parents=True, exist_ok=True)
        ledger.replace(file, json.dumps(asdict(found)).encode())
    return found


def _key(engine: Engine, model: str, task: Task, settings: Settings, habits: Sequence[convention.Habit]) -> str:
    """Of all that an attempt depends on. Where a server does not say which weights it has, its model's name stands for them."""
    who = dict(engine.files) or {"model": model}
    return digest([RULES, who, engine.base_sha256, task.hash, asdict(settings), [[one.name, one.way] for one in habits]])


def _passing(of: Attempt) -> bool:
    """Whether a better day may give another end: nobody answered."""
    return bool(of.error) and of.tokens_in is None


def _recall(file: Path) -> Attempt | None:
    try:
        raw: dict[str, Any] = json.loads(file.read_text("utf-8"))["attempt"]
        return Attempt(**raw | {"failed": tuple(raw["failed"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(file: Path, of: Attempt, said: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    ledger.replace(file, json.dumps({"attempt": asdict(of), "answer": said}).encode())
