"""Each job of the loop: export, incumbent, train, evaluate, gate. Each reads `.agent`, writes there, and says what the next one needs to know.

`promote` is in `promoting`: it alone talks to a remote.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from git_hone.ci import gating
from git_hone.ci.deploying import candidates, champions
from git_hone.ci.learning import bases, incumbent
from git_hone.ci.learning.settings import Settings
from git_hone.ci.suite import storing
from git_hone.ci.training import publishing
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner import ledger
from git_hone.learner.errors import UsageError
from git_hone.learner.gating import evaluation, report

if TYPE_CHECKING:
    from git_hone.ci.training.train import Step
    from git_hone.learner.gating.evaluation import Attempt, Evaluation


EARLIER: Final = "earlier"


class Told(NamedTuple):
    """outputs: for the next job, name -> value. text: Markdown for a person. no: the job's answer is no, which is no fault."""

    outputs: dict[str, str]
    text: str
    no: bool = False


def export(place: Place, of: Settings) -> Told:
    """Write the examples of the role. Outputs: rows, and enough: "true" where a training may start."""
    from git_hone.ci import exporting
    from git_hone.learner.dataset import card, choosing, rows

    roles = tuple(role for role in rows.ROLES if role == of.role)
    done = exporting.export(place, exporting.Options(roles))
    n = int(done.manifest["rows"].get(f"{of.role}_sft", {}).get("train", 0))
    least = int(configuration.load(place.agent / "learning-config.json")["autoTrain.minExamples"])
    enough = n >= least
    head = f"# Export: {n} examples of {of.role} to train on\n\n"
    head += "Enough for a training.\n" if enough else f"Too few for a training, which wants {least} (`autoTrain.minExamples`).\n"
    if done.folder is None:
        rest = "".join(f"- {n} left out: {choosing.REASONS[why]}\n" for why, n in done.manifest["excluded_changes"].items())
    else:
        rest = card.readme(done.manifest, done.sha256).decode().split("---\n", 2)[-1]
    return Told({"rows": str(n), "enough": str(enough).lower()}, f"{head}\n{rest}", done.folder is None)


def in_place(place: Place, of: Settings) -> Told:
    """Say what a candidate must beat, before anybody trains for hours. Outputs: incumbent, what it is called, empty for the base; artifact,
    the name under which the workflow kept its adapter, empty where there is nothing to fetch.

    Raises UsageError where a person names another incumbent, or the champion's file is neither here nor was ever kept by the workflow.
    """
    champion = incumbent.committed(place, of.role)
    incumbent.agreed(champion, of)
    if champion is None:
        who = f"`{report.cell(of.incumbent)}`, which was named" if of.incumbent is not None else "the base"
        head = f"# Incumbent: {report.cell(of.incumbent or 'the base')}\n\n"
        text = f"{head}Nothing that is committed serves {of.role} yet: a candidate is compared with {who}.\n"
        return Told({"incumbent": of.incumbent or "", "artifact": ""}, text)
    since = f" since {champion.since}" if champion.since else ""
    text = f"# Incumbent: {report.cell(champion.id)}\n\nIt serves {of.role}{since}, by what is committed; a candidate is compared with it.\n"
    if champion.folder is not None and not champion.here and champion.artifact is None:
        raise UsageError(f"{champion.id} serves {of.role}, and its adapter is not here", tip=incumbent.missing(champion))
    return Told({"incumbent": champion.id, "artifact": champion.artifact or ""}, text)


def train(place: Place, of: Settings, tell: Callable[[Step], None]) -> Told:
    """Train on the newest export. Outputs: adapter, its id; empty where that very adapter serves already."""
    from git_hone.ci.training import base, dataset, recipe
    from git_hone.ci.training import train as training

    config = configuration.load(place.agent / "learning-config.json")
    data = dataset.read(dataset.find(place.agent, of.role, None), of.role, None)
    device = "cuda" if any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/kfd")) else "cpu"
    plan = training.plan(place.agent, of.role, data, base.find(str(bases.fetched(of))), recipe.Settings.of(config, device=device))
    training.check(plan, config["autoTrain.minExamples"])
    champion = incumbent.committed(place, of.role)
    if champion is not None and champions.training(champion.id) == plan.id:
        return Told(
            {"adapter": ""}, f"# Train: nothing new\n\nThe same examples made adapter {plan.id}, which serves {of.role}.\n"
        )
    done = training.train(place.agent, plan, tell)
    text = f"# Train: adapter {plan.id}\n\n{len(data.rows)} examples, {len(done.losses)} steps, loss {done.losses[0]:.3f} to {done.losses[-1]:.3f}"
    return Told({"adapter": plan.id}, f"{text}\n")


def evaluate(place: Place, of: Settings, tell: Callable[[int, int, Attempt], None]) -> Told:
    """Try candidate and incumbent on the suite, and on the guard suite; the suite is mined first where there is none.

    Outputs: compare, "false" where the candidate serves already or each of its checkpoints forgot too much, so that no look is spent on it;
    candidate, its name: of a training with checkpoints, the one that `git_hone.ci.evaluating.checkpoints` chooses. The incumbent is the champion
    by what is committed (`incumbent`), and it must be here.
    """
    from git_hone.ci.evaluating import evaluating

    champion = incumbent.committed(place, of.role)
    candidate = _candidate(place, of, champion)
    if champion is not None and candidate[1] == incumbent.named(champion, of):
        text = f"# Evaluate: nothing to compare\n\n{report.cell(candidate[1])} serves {of.role} already, by what is committed.\n"
        return Told({"compare": "false"}, text)
    known = incumbent.weights(place, champion, of)
    suite, guard = _suites(place, of)
    if not (storing.folder_of(place.agent, suite) / storing.MANIFEST).exists():
        _mine(place, suite)
    chosen = ""
    if candidate[2] is not None and (candidate[2].parent / publishing.CHECKPOINTS).is_dir():
        from git_hone.ci.evaluating import checkpoints

        serves = known[2] or (Path(known[0]) if champion is not None and champion.folder is not None else None)
        judging = frozenset({suite, guard or suite})
        wanted = checkpoints.Asked(candidate[2].parent, candidate[0], serves, judging=judging)
        choice = checkpoints.choose(place, wanted, lambda *_: None)
        if choice.id is None or choice.folder is None:
            return Told({"compare": "false"}, f"# Evaluate: nothing to compare\n\nOf {candidate[1]}: {choice.why}.\n")
        candidate, chosen = (
            (candidate[0], choice.id, choice.folder / publishing.GGUF),
            f"Checkpoint {choice.id}: {choice.why}.\n\n",
        )
    rows = []
    for name in (suite, *((guard,) if guard else ())):
        for model, called, adapter in (known, candidate):
            asked = evaluating.Asked(model, name, adapter, called)
            made, _ = evaluating.evaluate(place, asked, tell)
            rows.append(_row(made))
    head = ["| model | suite | passed | usable answers | seconds a task |", "|---|---|---|---|---|"]
    text = "\n".join(["# Evaluate", "", f"{chosen}{head[0]}", *head[1:], *rows, ""])
    return Told({"compare": "true", "candidate": candidate[1]}, text)


def gate(place: Place, of: Settings) -> Told:
    """Compare the two. Outputs: verdict, "promote", "refuse", or "stands" for what was let through before, with its line in the ledger.

    Looks that ended in a refusal elsewhere count: those in `.agent/earlier/promotions.jsonl`, the ledger of an earlier run. Nothing else of it
    does, so whoever could put a file there could only have a candidate refused.
    """
    known = ledger.read(place.agent)
    for line in ledger.read(place.agent / EARLIER):
        if line.get("what") == gating.WHAT and line.get("verdict") == "refuse" and line not in known:
            ledger.append(place.agent, line)
    before = len(ledger.read(place.agent))
    champion = incumbent.committed(place, of.role)
    sides = gating.Sides(_candidate(place, of, champion)[1], incumbent.named(champion, of), *_suites(place, of), of.role)
    _measured(place, sides, champion)
    decision = gating.gate(place.agent.parent, place.agent, sides)
    text = report.markdown(decision)
    if not decision.promote:
        return Told({"verdict": "refuse"}, text, True)
    if len(ledger.read(place.agent)) == before:
        return Told({"verdict": "stands"}, f"{text}\nThis was decided before, and stands in the ledger.\n")
    return Told({"verdict": "promote"}, text)


def _suites(place: Place, of: Settings) -> tuple[str, str | None]:
    config = configuration.load(place.agent / "learning-config.json")
    suite, guard = of.suite or str(config["promotion.suite"]), str(config["promotion.guard"])
    known = storing.names(place.agent)
    return suite, of.guard or (guard if guard in known and guard != suite else None)


def _measured(place: Place, sides: gating.Sides, champion: incumbent.Champion | None) -> None:
    """Raises UsageError unless the incumbent's evaluation is of the file that serves."""
    file = gating.file_of(place.agent, sides.suite, sides.incumbent)
    if champion is None or champion.sha256 is None or not file.is_file():
        return  # `gating.gate` says that there is none
    if champion.sha256 not in (of := evaluation.load(file)).files.values():
        raise UsageError(
            f"{file}: not of the file that serves ({champion.sha256[:12]}), but of {', '.join(of.files) or 'none'}",
            tip="evaluate again",
        )


def _candidate(place: Place, of: Settings, champion: incumbent.Champion | None) -> tuple[str, str, Path | None]:
    """(model, what its evaluation is called, adapter): the adapter or the model that was named, else the newest adapter that does not serve."""
    known = {folder.name: folder for folder in candidates.adapters(place.agent, of.role)}
    known |= {f"{name}-{one.name}": one for name, home in known.items() for one in (home / publishing.CHECKPOINTS).glob("step-*")}
    if of.candidate is not None and of.candidate not in known:
        return of.candidate, of.candidate, None
    serves = champions.training(champion.id) if champion is not None else None
    fresh = [name for name in known if champions.training(name) == name != serves]
    name = of.candidate or (fresh[-1] if fresh else None)
    if name is None:
        raise UsageError(
            f"no candidate, and no new adapter of {of.role} in {place.agent / 'lora'}", tip="name one with --candidate"
        )
    return str(bases.fetched(of)), name, known[name] / publishing.GGUF


def _mine(place: Place, name: str) -> None:
    import os

    from git_hone.ci.suite import making

    making.mine(place, name, len(os.sched_getaffinity(0)), lambda _: None)


def _row(made: Evaluation) -> str:
    n = len(made.attempts)
    passed, usable = sum(one.passed for one in made.attempts), sum(one.usable for one in made.attempts)
    middle = sorted(one.seconds for one in made.attempts)[n // 2]
    return f"| {report.cell(made.model)} | {made.suite} | {passed} of {n} | {usable} | {middle:.1f} |"
