"""What a round does, from top to bottom: export; then for each role train, choose a checkpoint, make the file that would be served, evaluate
it and what is served now, ask the gate, deploy. Each step has its switch. What can only be refused after hours is asked for first.

The gate sees one checkpoint of a training, chosen by what its verdict is not read from (`git_hone.learner.gating.checkpoints`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from git_hone.ci import gating
from git_hone.ci.deploying import candidates, champions, targets
from git_hone.ci.suite import storing
from git_hone.ci.training import base as bases
from git_hone.ci.training import needs, publishing
from git_hone.ci.training.train import LIBRARIES
from git_hone.ci.watching.rounds import Runner, Stop
from git_hone.hooks.place import Place
from git_hone.learner import ledger
from git_hone.learner.config import Config
from git_hone.learner.errors import HoneError

Check = Callable[[Place, Config], None]


def chain(run: Runner, config: Config, check: Check) -> tuple[str, str]:
    """Go through the steps; (reason, tip) of a good end. Raises Stop where a step says no, and HoneError for what cannot be read."""
    rows = _export(run, config)
    ends, stops = [], []
    for role in config["autoTrain.roles"]:
        try:
            ends.append(_role(run, config, role, rows, check))
        except Stop as stop:
            if stop.how in ("failed", "waiting"):
                raise
            stops.append(stop)
    if ends:
        return ends[0]
    raise stops[0]


def preflight(place: Place, config: Config) -> None:
    """What a round needs after its training: the libraries, suites, a look at them that is left, a server. Raises HoneError or Stop."""
    needs.check(LIBRARIES, "training")
    needs.check(("llama_cpp",), "evaluating")
    judged(place, config)
    if config["autoDeploy.enabled"]:
        targets.connect(str(config["autoDeploy.server"]), local_only=bool(config["privacy.local_only"]))


def judged(place: Place, config: Config) -> None:
    """Raises Stop without the suites that the gate asks for, or when its last look was taken and the gate said no."""
    name = str(config["promotion.suite"])
    try:
        suite = storing.read_manifest(storing.folder_of(place.agent, name))
    except HoneError as error:
        raise Stop("refused", f"no candidate can be judged: {error.message}", error.tip) from None
    if not suite.tasks:
        raise Stop("refused", f"no candidate can be judged: the suite {name} holds no task", "git hone suite mine")
    guard = str(config["promotion.guard"])
    if "guard" not in config["promotion.optional"] and (guard == name or guard not in storing.names(place.agent)):
        tip = f"git hone suite inject --name {guard}, or add guard to promotion.optional"
        raise Stop("refused", f"no candidate can be judged: there is no suite {guard} on which it must not be worse", tip)
    choice = str(config["promotion.choice"])
    if choice in (name, guard):
        tip = "promotion.choice names a suite of its own, or one that is not there"
        raise Stop("refused", f"no checkpoint can be chosen by {choice}: the gate decides on it", tip)
    looks = [one for one in ledger.read(place.agent) if one.get("what") == gating.WHAT and one.get("suite_hash") == suite.hash]
    taken, most = len({(one.get("candidate_hash"), one.get("incumbent_hash")) for one in looks}), config["promotion.maxLooks"]
    if taken >= most and looks[-1].get("verdict") != "promote":
        raise Stop("refused", f"the suite {name} has judged {taken} of {most} candidates", "git hone suite mine adds new tasks")


def _export(run: Runner, config: Config) -> dict[str, int] | None:
    """Rows to train on by role; None where exporting is switched off and an older export counts."""
    if not config["autoExport.enabled"]:
        return None
    told = run.do("export", ["export", "--json"], says=(0, 1))
    if not told.get("folder"):
        raise Stop("refused", "nothing to export: no change has proved itself", "git hone export says why each is left out")
    sets = told["manifest"]["rows"]
    return {name.removesuffix("_sft"): int(of["train"]) for name, of in sets.items() if name.endswith("_sft")}


def _role(run: Runner, config: Config, role: str, rows: dict[str, int] | None, check: Check) -> tuple[str, str]:
    place, least = run.place, int(config["autoTrain.minExamples"])
    if not config["autoTrain.enabled"]:
        raise Stop("done", "exported; autoTrain is off", f"git hone train --role {role}")
    if rows is not None and rows.get(role, 0) < least:
        run.found["step"] = "train"
        raise Stop(
            "refused", f"{rows.get(role, 0)} of {least} examples of {role} to train on", "autoTrain.minExamples sets how many"
        )
    if not any(one["step"] == "train" for one in run.found["steps"]):
        run.found["step"] = "train"
        check(place, config)
    told = run.do("train", ["train", "--role", role, "--json"], role)
    (made,) = told["adapters"]
    if not made["gguf"]:
        raise Stop(
            "refused", f"adapter {made['id']} could not be converted for llama.cpp", f"git hone train --role {role} says why"
        )
    _refuse_rolled_back(run, role, made["id"])
    roles = champions.load(place.agent)
    if role in roles and champions.training(roles[role].champion) == made["id"]:
        return f"adapter {roles[role].champion} serves {role} already", "new examples make a new one"
    base = bases.find(str(config["autoTrain.baseModel"])).at
    before, weights = _incumbent(place, role, roles.get(role), base)
    id_, folder = _chosen(run, role, made, base, weights)
    server, deploys = str(config["autoDeploy.server"]), bool(config["autoDeploy.enabled"])
    where = ["--role", role, "--adapter", folder, "--server", server, "--json"]
    file = str(Path(folder) / publishing.GGUF)
    if deploys:
        file = run.do("deploy", ["deploy", *where, "--prepare"], f"{role}, the file to be served")["file"]
    suites = [str(config["promotion.suite"])]
    guard = str(config["promotion.guard"])
    suites += [guard] if guard in storing.names(place.agent) and guard not in suites else []
    for suite in suites:
        for name, of in ((id_, _weights(base, Path(file))), (before, weights)):
            run.do("evaluate", ["evaluate", *of, "--suite", suite, "--name", name], f"{role}, {name} on {suite}")
    asked = ["gate", "--candidate", id_, "--incumbent", before, "--suite", suites[0], "--json"]
    verdict = run.do("gate", [*asked, *(["--guard", guard] if len(suites) > 1 else [])], role, says=(0, 1))
    if not verdict.get("promote"):
        raise Stop("refused", f"the gate refused {id_}: {verdict.get('reason')}", "what is served stays")
    if not deploys:
        return (
            f"the gate let {id_} through; autoDeploy is off",
            f"git hone deploy --role {role} --adapter {folder}",
        )
    told = run.do("deploy", ["deploy", *where], role)
    return (
        f"{told['model']} is adapter {told['id']}, in place of {told['before'] or 'nothing'}",
        f"git hone rollback --role {role}",
    )


def _chosen(run: Runner, role: str, made: dict[str, Any], base: str, weights: list[str]) -> tuple[str, str]:
    """(id, folder) of the one checkpoint that the gate shall see; the suite that it decides on is not looked at. Raises Stop where each would be
    refused for what it forgot, before a look is spent."""
    if not made.get("checkpoints"):
        return made["id"], made["folder"]
    serves = weights[-1:] if weights != ["--model", base] else []
    asked = ["adapters", "choose", made["folder"], "--base", base, *(["--incumbent", *serves] if serves else []), "--json"]
    told = run.do("evaluate", asked, f"{role}, the checkpoints", says=(0, 1))
    if not told.get("id"):
        raise Stop(
            "refused", f"no checkpoint of {made['id']} can pass: {told.get('why')}", "docs/explanation/lora.md says what helps"
        )
    return told["id"], told["folder"]


def _weights(base: str, file: Path) -> list[str]:
    """The options that name what would be served: a merged model, or the base with its adapter."""
    return ["--model", str(file)] if file.name == candidates.MERGED else ["--model", base, "--adapter", str(file)]


def _incumbent(place: Place, role: str, pointers: champions.Role | None, base: str) -> tuple[str, list[str]]:
    """(name, options) of what serves the role now; the base, where nothing of ours does."""
    id_ = pointers.champion if pointers else None
    entry = pointers.deployments[id_] if pointers and id_ else {}
    if id_ is None or not entry.get("file"):
        return f"base-{re.sub(r'[^A-Za-z0-9.-]', '-', Path(base).stem)[:60]}", ["--model", base]
    return id_, _weights(base, place.agent.parent / str(entry["file"]))


def _refuse_rolled_back(run: Runner, role: str, id_: str) -> None:
    """What was led back once is not served again without somebody's word."""
    lines: list[dict[str, Any]] = [
        one for one in ledger.read(run.place.agent)
        if one.get("role") == role
        and ((one.get("what") == "deploy" and champions.training(one.get("to")) == id_)
             or (one.get("what") == "rollback" and champions.training(one.get("from")) == id_))
    ]  # fmt: skip
    if lines and lines[-1]["what"] == "rollback":
        at = str(lines[-1]["at"])[:10]
        raise Stop(
            "refused", f"adapter {id_} was rolled back on {at}, and nothing new was learned", f"git hone deploy --role {role}"
        )
