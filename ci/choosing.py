"""Ask for a plan and write down that it was asked: what `git hone route` and everything that starts a model share.

Only the standard library is imported on the way, and the one write is a small file in the inbox: the worker makes a row of it. A router
or a configuration that cannot be used is said in a line, and the priors or the defaults stand in; nothing is silently other than asked.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from git_hone.hooks import inbox
from git_hone.hooks.place import Place
from git_hone.hooks.recall import gates, has_examples, nearest, recall
from git_hone.learner import bandit, canary, plans, routing, variants
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.past import Past
from git_hone.learner.prompts import prompt_chances
from git_hone.learner.router import exported
from git_hone.learner.router.features import Task, task

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Final, NamedTuple, TypeVar

    from git_hone.learner.context import Offer
    from git_hone.learner.examples import Shot

    _T = TypeVar("_T")
else:
    from git_hone.learner.named import NamedTuple


CONFIG: Final = "learning-config.json"
ROUTER: Final = "router.json"
CONTEXT: Final = "context.json"
CHAMPIONS: Final = "champions.json"
DIFFICULTIES: Final = ("easy", "medium", "hard")
KINDS: Final = ("feature", "fix", "refactor", "test", "docs", "chore")
TEXT_LIMIT: Final = 20_000
"""Characters of a task that are kept; the whole is handed to the model."""


class Shaped(NamedTuple):
    """What was drawn. offers: every draw, for the record; context, examples: as they go into the prompt; items: the context that is in
    it, by id; shots: the examples that are in it."""

    offers: tuple[Offer, ...] = ()
    context: str = ""
    examples: str = ""
    items: tuple[str, ...] = ()
    shots: tuple[Shot, ...] = ()
    notes: tuple[str, ...] = ()


NOTHING: Final = Shaped()


class Decided(NamedTuple):
    """A choice and its id. task: what it was made for, `files` those that it names; asked: the columns of its rows that say so. shaped:
    context and examples. `notes` are lines for a person about what could not be used. `logged`: whether it is on record."""

    id: str
    choice: routing.Choice
    task: Task
    files: tuple[str, ...]
    asked: Mapping[str, Any]
    shaped: Shaped
    notes: tuple[str, ...]
    logged: bool

    @property
    def prompt(self) -> str:
        """The whole prompt, rendered."""
        return clean(self.choice.prompt.render(self.task.text, self.files, self.shaped.context, self.shaped.examples))


def choose(
    place: Place | None,
    agent: Path,
    text: str,
    *,
    files: Iterable[str] = (),
    kind: str | None = None,
    difficulty: str | None = None,
    budget_usd: float | None = None,
    gate_kinds: Sequence[str] | None = None,
    only_model: str | None = None,
    only_prompt: str | None = None,
    max_per_1k_usd: float | None = None,
    random: bandit.Draws | None = None,
    log: bool = True,
    shape: bool = True,
) -> Decided:
    """Choose for a task and put the decision on record. `agent`: the `.agent` folder; `place`: None outside of an installed repository,
    which then only has the files to go by. `shape`: whether the prompt is going to be used.
    `gate_kinds`: what will judge an attempt; by default those that the configuration names, and all of `plans.GATES` where it names
    none, which the reasons say.
    `max_per_1k_usd`: the dearest model to consider, by default that of the configuration.

    Raises UsageError when no model may be asked or none fits the budget, ConfigError for variants that cannot be read.
    """
    config, notes = _kept(agent / CONFIG, lambda: _config(agent, place))
    router, said = _kept(agent / ROUTER, lambda: exported.in_use(agent / ROUTER))
    models = _kept(agent / variants.MODELS, lambda: variants.load_models(agent))
    prompts = _kept(agent / variants.PROMPTS, lambda: variants.load_prompts(agent))
    canaries, unread = _kept(agent / CHAMPIONS, lambda: _canaries(agent / CHAMPIONS))
    notes = (*notes, *unread)
    if only_model:
        models = [variants.find(models, only_model, variants.MODELS)]
    if only_prompt:
        prompts = [variants.find(prompts, only_prompt, variants.PROMPTS)]
    else:
        prompts = _listed(prompts, config)
    past = recall(place) if place else []
    configured = tuple(kind for kind in plans.GATES if kind in (config.get("gates") or {}))
    kinds = (configured or plans.GATES) if gate_kinds is None else gate_kinds
    named = list(files)
    limits = routing.Settings(
        epsilon=float(config["modelRouter"]["epsilon"]),
        max_per_1k_usd=_limit(config) if max_per_1k_usd is None else max_per_1k_usd,
        local_only=bool(config["privacy"]["local_only"]),
        stop_error=float(config["promptBandit"]["stopError"]),
    )
    asked_for, chance = task(text, kind=kind, difficulty=difficulty, files=named), random or _Chance()
    try:
        choice = routing.decide(
            asked_for, models, prompts, random=chance, router=router,
            past=past, gates=gates(place, kinds) if place else [plans.measured(one, ()) for one in kinds],
            policy=_policy(config), settings=limits, budget_usd=budget_usd, canaries=canaries,
        )  # fmt: skip
    except UsageError as error:  # whatever could not be used may be why
        raise UsageError("\n".join((error.message, *notes, *([said] if said else []))), tip=error.tip) from None
    if said:
        instead = "the trained router cannot be used, so the shipped priors stand in"
        choice = choice._replace(reasons=tuple(instead if one == routing.NO_ROUTER else one for one in choice.reasons))
    if gate_kinds is None and not configured and len(choice.plan.steps) > 1:
        choice = choice._replace(
            reasons=(*choice.reasons, f"these gates are assumed to run: `gates` of .agent/{CONFIG} names none")
        )
    id_ = new_id()
    asked = {"task": text[:TEXT_LIMIT] or None, "task_kind": kind, "difficulty": difficulty, "budget_usd": budget_usd}
    planned = [one for one in models if one.id in choice.plan.models]
    shaped = NOTHING
    if shape and ((agent / CONTEXT).exists() or (place is not None and has_examples(place))):
        from git_hone.ci import shaping

        shaped = shaping.shape(place, agent, asked_for, choice.prompt, planned, config, chance)
    rows = list(rows_of(id_, choice, asked, named, shaped))
    told = (*notes, *([said] if said else []), *shaped.notes)
    return Decided(id_, choice, asked_for, tuple(named), asked, shaped, told, log and place is not None and put(place, rows))


def choose_prompt(place: Place, random: bandit.Draws | None = None) -> tuple[variants.Prompt, dict[str, float]]:
    """(the prompt, the probability of each that could have been chosen). Nothing is put on record."""
    config, _ = _config(place.agent, place)
    prompts = _listed(variants.load_prompts(place.agent), config)
    shares = prompt_chances(prompts, recall(place), _policy(config), float(config["promptBandit"]["stopError"]))
    chosen, _ = bandit.draw(shares, random or _Chance())
    return variants.find(prompts, chosen, variants.PROMPTS), dict(shares)


def _listed(prompts: Sequence[variants.Prompt], config: Mapping[str, Any]) -> list[variants.Prompt]:
    """Those that the configuration names; all, when it names none of them."""
    return [one for one in prompts if one.id in config["promptBandit"]["variants"]] or list(prompts)


def clean(text: str) -> str:
    """Text that any output and any endpoint takes: bytes that were no UTF-8 on the command line become U+FFFD.

    >>> clean("caf\\udcc3")
    'caf\ufffd'
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def absent(file: str) -> str:
    """What is said of a named file that is not there: it is named to the model all the same, as a task may be to make one."""
    return f"--file {clean(file)}: there is no such file"


def new_id() -> str:
    """The id of a decision."""
    return f"d{time.time_ns():x}{os.urandom(3).hex()}"


def rows_of(
    id_: str,
    choice: routing.Choice,
    asked: Mapping[str, Any],
    files: Sequence[str],
    shaped: Shaped = NOTHING,
) -> Iterable[dict[str, Any]]:
    """The rows of a decision: the plan `id`, its first attempt `id.0`, the prompt `id.prompt` and, where context was drawn, `id.context`,
    each with its own propensity; that of the context is the product of its draws."""
    shared = {**asked, "policy": choice.policy, "policy_version": choice.policy_version}
    plan = {**plans.as_json(choice.plan), "prompt": choice.prompt.id}
    yield {
        **shared, "decision_id": id_, "kind": "plan", "chosen": routing.name_of(choice.plan), "propensity": choice.propensity,
        "propensities": dict(choice.shares), "features": {"files": len(files)}, "plan": plan, "reasons": list(choice.reasons),
        "expected": {name: one._asdict() for name, one in choice.expected.items()},
    }  # fmt: skip
    yield attempt(id_, choice, asked, 0)
    yield {
        **shared, "decision_id": f"{id_}.prompt", "kind": "prompt", "chosen": choice.prompt.id, "policy": "bandit",
        "propensity": choice.prompt_shares[choice.prompt.id], "propensities": dict(choice.prompt_shares),
    }  # fmt: skip
    if shaped.offers:
        drawn = [one.propensity if one.included else 1.0 - one.propensity for one in shaped.offers]
        yield {
            **asked, "decision_id": f"{id_}.context", "kind": "context", "policy": "thompson", "propensity": math.prod(drawn),
            "chosen": " + ".join(one.id for one in shaped.offers if one.included) or "nothing",
            "context": [one._asdict() for one in shaped.offers], "features": {"examples": [one.change_id for one in shaped.shots]},
        }  # fmt: skip


def attempt(
    id_: str, choice: routing.Choice, asked: Mapping[str, Any], step: int, result: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The row of one attempt. The first model was drawn among those that plans begin with; the next follow from the plan."""
    first: dict[str, float] = {}
    for name, share in choice.shares.items():
        model = name.split(" > ")[0]
        first[model] = first.get(model, 0.0) + share
    chosen = choice.plan.models[step]
    shares = first if step == 0 else {chosen: 1.0}
    return {
        **asked, "decision_id": f"{id_}.{step}", "kind": "model", "chosen": chosen, "step": step, "propensity": shares[chosen],
        "propensities": shares, "plan": {"prompt": choice.prompt.id}, "result": dict(result) if result else None,
        "policy": choice.policy, "policy_version": choice.policy_version,
    }  # fmt: skip


def put(place: Place, rows: Iterable[Mapping[str, Any]]) -> bool:
    """Leave the rows in the inbox; a folder that cannot be written stops no decision."""
    try:
        inbox.put(place.inbox, {"v": 1, "type": "decision", "at": time.time(), "rows": [dict(row) for row in rows]})
    except OSError:
        return False
    return True


class _Chance:
    """The system's own randomness; importing `random` costs more than a draw may."""

    def random(self) -> float:
        """A number in [0, 1), of 53 bits."""
        return (int.from_bytes(os.urandom(7), "big") >> 3) * 2.0**-53


def _kept(file: Path, load: Callable[[], _T]) -> _T:
    """What was read from the file, until it is another: for a process that asks again and again. A file that was written within the last
    second is read again, as its time may not tell the next write from this one."""
    try:
        seen = os.stat(file)  # noqa: PTH116 - it may be the plain path of cli/quick.py, which has no stat
        mark = (seen.st_mtime_ns, seen.st_size, seen.st_ino) if time.time() - seen.st_mtime > 1.0 else None
    except OSError:
        mark = None
    known = _read.get(str(file))
    if known is not None and mark is not None and known[0] == mark:
        return known[1]  # type: ignore[no-any-return]  # what `load` gave for this file before
    value = load()
    if mark is not None:
        _read[str(file)] = mark, value
    return value


_read: Final[dict[str, tuple[tuple[int, int, int], Any]]] = {}


def _config(agent: Path, place: Place | None) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The configuration; an unchanged file is not checked again (that takes a library), its verdict is kept beside the state."""
    from git_hone.learner import config

    try:
        return config.load(agent / CONFIG, place.hone / "config-verdict.json" if place else None).values, ()
    except ConfigError as error:
        return config.DEFAULTS, (f"{error.message.splitlines()[0]}; the defaults stand in",)


def _canaries(file: Path) -> tuple[list[canary.Canary], tuple[str, ...]]:
    """The challengers that are tried on a share, and a line where the file cannot be read: then none is."""
    if not file.exists():
        return [], ()
    try:
        return canary.of(json.loads(file.read_text("utf-8"))), ()
    except (OSError, ValueError) as error:
        return [], (f"{file}: {error}; no challenger is tried",)


def _limit(config: Mapping[str, Any]) -> float | None:
    value = config["modelRouter"].get("max_cost_per_1k_usd")
    return None if value is None else float(value)


def _policy(config: Mapping[str, Any]) -> bandit.Policy:
    said = config["promptBandit"]
    if said.get("policy") == "epsilon-greedy":
        return bandit.EpsilonGreedy(float(said["epsilon"]))
    return bandit.Thompson()


def as_json(decided: Decided, near: Sequence[tuple[float, Past]] = ()) -> dict[str, Any]:
    """The answer for machines; `near`: past runs like the task."""
    choice, shaped = decided.choice, decided.shaped
    return {
        "version": 1, "decision_id": decided.id, "logged": decided.logged, "policy": choice.policy,
        "policy_version": choice.policy_version, **plans.as_json(choice.plan), "propensity": round(choice.propensity, 6),
        "propensities": {name: round(share, 6) for name, share in choice.shares.items()},
        "prompt": {"id": choice.prompt.id, "propensity": round(choice.prompt_shares[choice.prompt.id], 6), "text": decided.prompt},
        "context": [{"id": one.id, "included": one.included, "propensity": round(one.propensity, 6)} for one in shaped.offers],
        "examples": [
            {"change_id": one.change_id, "task": one.prompt, "similarity": one.alike, "tokens": one.tokens} for one in shaped.shots
        ],
        "models": {name: {key: round(value, 6) for key, value in one._asdict().items()} for name, one in choice.expected.items()},
        "reasons": list(choice.reasons),
        "nearest": [
            {"change_id": past.change_id, "similarity": score, "model": past.model, "reward": past.reward, "task": past.title}
            for score, past in near
        ],
        "notes": list(decided.notes),
    }  # fmt: skip


def dumps(decided: Decided, near: Sequence[tuple[float, Past]] = ()) -> str:
    return json.dumps(as_json(decided, near), ensure_ascii=False)


def like(place: Place | None, decided: Decided) -> list[tuple[float, Past]]:
    """The past runs most like its task: they explain, and choose nothing."""
    return nearest(place, decided.task) if place else []
