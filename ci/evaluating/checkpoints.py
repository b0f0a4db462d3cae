"""The checkpoints of a training, measured on what the gate does not decide on, and the one that goes there.

The rule and its statistics: `git_hone.learner.gating.checkpoints`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from git_hone.ci.evaluating import evaluating
from git_hone.ci.suite import storing
from git_hone.ci.training import base as bases
from git_hone.ci.training import header, publishing
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner.config import Config
from git_hone.learner.errors import UsageError
from git_hone.learner.gating import checkpoints
from git_hone.learner.gating.checkpoints import Tried
from git_hone.learner.gating.evaluation import Attempt
from git_hone.learner.suite import parting


class Chosen(NamedTuple):
    """id, folder: of the checkpoint for the gate, None where each would be refused. why: in words. tried: every checkpoint, the least trained
    first. incumbent: nats a token of general code, None where not measured. suite: what was chosen by, None for general code alone; tasks: how
    many of its tasks count, left_out: how many touch a file family that the gate judges on."""

    id: str | None
    folder: Path | None
    why: str
    tried: tuple[Tried, ...]
    incumbent: float | None
    suite: str | None
    tasks: int
    left_out: int


class Asked(NamedTuple):
    """adapter: the folder of the published adapter. base: the GGUF model that it is for. incumbent: the GGUF adapter or merged model that serves,
    None for the base. suite: what to choose by, None for `promotion.choice` where there is such a suite. judging: the suites that the gate decides
    on, None for those of the configuration."""

    adapter: Path
    base: str
    incumbent: Path | None = None
    suite: str | None = None
    judging: frozenset[str] | None = None


def choose(place: Place, asked: Asked, tell: Callable[[str, int, int, Attempt], None]) -> Chosen:
    """Measure the checkpoints of a training. `tell` is called after each task with (checkpoint, done, of, attempt). Can be interrupted: what was
    measured is remembered.

    Raises UsageError for a suite that the gate decides on or that is not there, and where the base is no GGUF file; DataError for damaged files.
    """
    config = configuration.load(place.agent / "learning-config.json")
    found = bases.find(asked.base)
    if found.kind != "gguf":
        raise UsageError(f"{asked.base}: no GGUF file, and llama.cpp tries the checkpoints", tip="name the GGUF file with --base")
    folders, incumbent = of_training(asked.adapter), asked.incumbent
    name, counted, left_out = _tasks(place, config, asked)
    model = Path(found.at)
    whole = incumbent is not None and not header.read(incumbent).is_adapter
    before = _nats(place, incumbent if incumbent and whole else model, None if whole else incumbent)
    limit = None if before is None else before + float(config["promotion.maxLikelihoodRise"])
    tried = [Tried(id_, _nats(place, model, folder / publishing.GGUF)) for id_, folder in folders.items()]
    if name is not None and counted:
        kept = {one.id for one in checkpoints.within(tried, limit)}
        for number, one in enumerate(tried):
            if one.id in kept and len(kept) > 1:
                trial = evaluating.Asked(str(model), name, folders[one.id] / publishing.GGUF, one.id, likelihood=False)
                made, _ = evaluating.evaluate(place, trial, lambda done, n, at, id_=one.id: tell(id_, done, n, at))  # type: ignore[misc]  # mypy infers no type for a default of a lambda
                tried[number] = one._replace(passed=sum(at.passed for at in made.attempts if at.task in counted))
    choice = checkpoints.choose(tried, limit, len(counted))
    folder = folders[choice.id] if choice.id is not None else None
    return Chosen(choice.id, folder, choice.why, tuple(tried), before, name if counted else None, len(counted), left_out)


def of_training(adapter: Path) -> dict[str, Path]:
    """id -> folder of each checkpoint that llama.cpp can run, the least trained first and the whole training last. Raises DataError where a file
    is not what was published, UsageError where none can be run."""
    made = publishing.described(adapter)
    every = {**{f"{adapter.name}-{folder.name}": folder for folder in made.checkpoints}, adapter.name: adapter}
    found = {id_: folder for id_, folder in every.items() if (folder / publishing.GGUF).is_file()}
    if not found:
        raise UsageError(f"{adapter} holds no GGUF adapter", tip="train it with a GGUF file as its base")
    return found


def _tasks(place: Place, config: Config, asked: Asked) -> tuple[str | None, set[str], int]:
    """(the suite to choose by, the ids of its tasks that count, how many do not)"""
    judging = {str(config["promotion.suite"]), str(config["promotion.guard"])} if asked.judging is None else asked.judging
    name = asked.suite or str(config["promotion.choice"])
    if name in judging:
        raise UsageError(
            f"{name}: the gate decides on it, so nothing may be chosen by it",
            tip="git hone suite set-aside, or git hone suite hold-out --name held-out",
        )
    known = storing.names(place.agent)
    if asked.suite is None and name not in known:
        return None, set(), 0
    tasks = storing.read_manifest(storing.folder_of(place.agent, name)).tasks
    taken = set[str]()
    for other in judging & set(known):
        taken |= parting.families(storing.read_manifest(storing.folder_of(place.agent, other)).tasks)
    counted = checkpoints.apart(tasks, taken)
    return name, counted, len(tasks) - len(counted)


def _nats(place: Place, model: Path, adapter: Path | None) -> float | None:
    from git_hone.ci.evaluating.llama import Llama

    engine = Llama((adapter or model).stem, model, adapter, place.agent.parent)
    try:
        found = evaluating.likelihood(engine, place.hone / "evaluations")
    finally:
        engine.close()
    return None if found is None else found.nats
