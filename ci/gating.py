"""The gate as a job: reads evaluations, looks at the files that were measured, decides, and writes the ledger. Asks no model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from git_hone.ci import promotions
from git_hone.ci.digests import file_sha256
from git_hone.ci.suite import storing
from git_hone.learner import config as configuration
from git_hone.learner import ledger
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.gating import evaluation, verdict
from git_hone.learner.gating.evaluation import Evaluation
from git_hone.learner.gating.verdict import Case, Decision

FOLDER: Final = "evaluations"
WHAT: Final = "gate"


@dataclass(frozen=True)
class Sides:
    """Whom to compare: models that were evaluated, or files of evaluations. suite, guard: names; guard None leaves the guard out. role: whose
    place the candidate would take, where that is known; then the ledger's line says it, and a candidate that is let through is the role's
    champion (`git_hone.ci.learning.incumbent`)."""

    candidate: str
    incumbent: str
    suite: str
    guard: str | None = None
    role: str | None = None


def file_of(agent: Path, suite: str, model: str) -> Path:
    """Where the newest evaluation of a model on a suite stands: `.agent/evaluations/SUITE/MODEL.json`, with what is no letter, digit,
    "." or "-" of the model's name as "_".

    >>> file_of(Path(".agent"), "repository", "hf.co/x:7b").as_posix()
    '.agent/evaluations/repository/hf.co_x_7b.json'
    """
    return agent / FOLDER / suite / f"{re.sub(r'[^A-Za-z0-9.-]', '_', model).lstrip('.') or '_'}.json"


def gate(root: Path, agent: Path, sides: Sides) -> Decision:
    """Decide, and add the look to the ledger. A look at the same two evaluations again is the same look.

    root: the top of the work tree, in which the files of an evaluation are named. Raises UsageError for what was not evaluated or
    does not belong together, DataError for a damaged evaluation, suite or ledger, ConfigError where the ledger cannot be written.
    """
    limits = verdict.thresholds(configuration.load(agent / "learning-config.json"))
    candidate, incumbent = (_evaluation(agent, sides.suite, name) for name in (sides.candidate, sides.incumbent))
    _current(agent, sides.suite, candidate)
    guard = None
    if sides.guard is not None:
        guard = (_evaluation(agent, sides.guard, candidate.model), _evaluation(agent, sides.guard, incumbent.model))
        _current(agent, sides.guard, guard[0])
    before = [line for line in ledger.read(agent) if line.get("what") == WHAT and line.get("suite_hash") == candidate.suite_hash]
    looks = list(dict.fromkeys((str(line["candidate_hash"]), str(line["incumbent_hash"])) for line in before))
    this = candidate.hash, incumbent.hash
    seen = this in looks
    case = Case(
        replace(candidate, faults=(*candidate.faults, *_changed(root, candidate))),
        incumbent,
        guard,
        looks.index(this) + 1 if seen else len(looks) + 1,
        limits,
        str(before[0]["thresholds"]) if before else None,
    )
    decision = verdict.decide(case)
    line = _line(decision, this, limits.hash) | _of_whom(candidate, sides.role)
    if not any(_same(line, old) for old in before):
        try:
            promotions.record(agent, line)
        except OSError as error:
            raise ConfigError(
                f"{agent / ledger.FILE}: cannot be written: {error.strerror}", tip="no look counts without it"
            ) from None
    return decision


def _evaluation(agent: Path, suite: str, name: str) -> Evaluation:
    file = Path(name) if name.endswith(".json") else file_of(agent, suite, name)
    if not file.exists():
        raise UsageError(f"{file}: no such evaluation", tip=f"`git hone evaluate --model {name} --suite {suite}` writes it")
    return evaluation.load(file)


def _current(agent: Path, suite: str, of: Evaluation) -> None:
    now = storing.read_manifest(storing.folder_of(agent, suite)).hash
    if of.suite_hash != now:
        raise UsageError(
            f"{of.model} was evaluated on another version of {suite} ({of.suite_hash[:12]}, now {now[:12]})", tip="evaluate again"
        )


def _changed(root: Path, of: Evaluation) -> list[str]:
    """What became of the files that were measured: the very file that will be served must be the one that was gated."""
    faults = []
    for name, sha256 in sorted(of.files.items()):
        if name.startswith(evaluation.SERVER):
            continue  # `git hone deploy` compares its digest with the file that it serves
        file = root / Path(name).expanduser()
        if not file.is_file():
            faults.append(f"{name}: is gone")
        elif file_sha256(file) != sha256:
            faults.append(f"{name}: was changed after it was measured")
        elif file.suffix in (".bin", ".pt", ".pkl", ".pickle"):
            faults.append(f"{name}: is a pickle, which runs code when it is read")
    return faults


def _line(of: Decision, hashes: tuple[str, str], limits: str) -> dict[str, Any]:
    return {
        "what": WHAT, "from": of.incumbent, "to": of.candidate, "verdict": "promote" if of.promote else "refuse", "reason": of.reason,
        "suite": of.suite, "suite_hash": of.suite_hash, "candidate_hash": hashes[0], "incumbent_hash": hashes[1], "look": of.look,
        "thresholds": limits,
        "numbers": {"tasks": of.tasks, "won": of.won, "lost": of.lost, "p": of.p, "detectable": of.detectable},
    }  # fmt: skip


def _of_whom(candidate: Evaluation, role: str | None) -> dict[str, Any]:
    """Whose place it was judged for, and the digests of its file and of the base, as far as they are known."""
    files = [sha256 for name, sha256 in candidate.files.items() if not name.startswith(evaluation.SERVER)]
    file = {"file_sha256": files[0]} if len(files) == 1 else {}
    base = {"base_sha256": candidate.base_sha256} if candidate.base_sha256 else {}
    return ({"role": role} if role else {}) | file | base


def _same(line: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a line says what an older one did; one of an earlier release says less of whom."""
    later = ("role", "file_sha256", "base_sha256")
    return all(old[name] == value if name in old else name in later for name, value in line.items())
