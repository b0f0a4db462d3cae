"""The learning loop as one object, for people who call models from their own code: choose, do the work, say what came of it.

>>> LearningPipeline("/no/such/folder")
Traceback (most recent call last):
    ...
git_hone.learner.errors.UsageError: /no/such/folder: not a folder

The names of older code (`selectPrompt`, `updateModelVariant`, ...) are there as well and do the same.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Literal

from git_hone.ci import choosing
from git_hone.hooks import inbox, place
from git_hone.hooks.worker import drain_now
from git_hone.learner import variants
from git_hone.learner.bandit import Arm
from git_hone.learner.errors import UsageError
from git_hone.learner.stats import Mean
from git_hone.learner.variants import Model, Prompt

Role = Literal["coder", "fixer", "judge"]
Difficulty = Literal["easy", "medium", "hard"]
SIGNALS: Final = ("compile_pass", "lint_errors", "type_errors", "schema_errors", "boundary_errors", "tests_passed", "tests_total",
                  "coverage_pct", "human_accept")  # fmt: skip
USAGE: Final = ("tokens_in", "tokens_out", "cost_usd", "duration_ms", "prompt", "output")
RECENT: Final = 100


@dataclass(frozen=True)
class Recorded:
    """What `record_run` wrote down. reward: 0..1, None when the result holds nothing to judge by."""

    decision_id: str
    reward: float | None


@dataclass(frozen=True)
class Stats:
    """recent: means over the last 100 runs, their tokens (in and out) and milliseconds. models, prompts: id -> how many of its tries have a
    reward, and their mean with its 95 % interval. A mean of fewer than five values is None."""

    runs: int
    reward: Mean
    tokens: Mean
    duration_ms: Mean
    models: Mapping[str, Mean]
    prompts: Mapping[str, Mean]


class LearningPipeline:
    """Choose prompts and models for the repository at `repo_root`, and learn from what came of it.

    Every choice goes on record with the probability it had, and every reward with the choice it belongs to: the state is nothing but
    these records, so two processes may use a pipeline at once, and a deleted cache changes nothing. `random`: where chance comes
    from. Raises UsageError where git-hone is not installed.

    ```python
    with LearningPipeline(".") as learning:
        prompt = learning.select_prompt()
        model = learning.select_model("medium", max_cost_per_1k_usd=0.002)
        ...                                    # ask the model, run the checks
        learning.record_run("add a reader", model.id, prompt.id, {"compile_pass": True, "tests_passed": 8, "tests_total": 10})
    ```
    """

    def __init__(self, repo_root: str | Path, *, random: Random | None = None) -> None:
        if not Path(repo_root).is_dir():
            raise UsageError(f"{repo_root}: not a folder")
        self.place = place.find(Path(repo_root))
        if not self.place.inbox.is_dir():
            raise place.not_installed(self.place)
        self._random = random
        self._id: str | None = None
        self._open: dict[tuple[str, str], dict[str, Any]] = {}

    def select_prompt(self, task: str = "") -> Prompt:
        """The prompt variant for the next try; its `render` makes the text."""
        self._refresh()
        prompt, shares = choosing.choose_prompt(self.place, self._random)
        self._choose("prompt", {"chosen": prompt.id, "policy": "bandit", "propensity": shares[prompt.id], "propensities": shares,
                                "task": task or None})  # fmt: skip
        return prompt

    def select_model(
        self,
        difficulty: Difficulty | None = None,
        max_cost_per_1k_usd: float | None = None,
        *,
        task: str = "",
        files: tuple[str, ...] = (),
    ) -> Model:
        """The model for the next try. `max_cost_per_1k_usd`: the dearest to consider, in USD per 1,000 tokens, by default
        `modelRouter.max_cost_per_1k_usd`. Raises UsageError when no model may be asked: a limit is never passed over."""
        if difficulty not in (None, *choosing.DIFFICULTIES):
            raise UsageError(f"difficulty: {difficulty!r} is none of {', '.join(choosing.DIFFICULTIES)}")
        self._refresh()
        decided = choosing.choose(
            self.place, self.place.agent, task, files=files, difficulty=difficulty, gate_kinds=(), log=False, shape=False, random=self._random,
            max_per_1k_usd=max_cost_per_1k_usd,
        )  # fmt: skip
        row = choosing.attempt(decided.id, decided.choice, decided.asked, 0)
        self._choose(
            "model", row | {"task": task or None, "difficulty": difficulty, "plan": None, "reasons": list(decided.choice.reasons)}
        )
        return variants.find(variants.load_models(self.place.agent), str(row["chosen"]), variants.MODELS)

    def update_prompt(self, id: str, reward: float) -> None:
        """Say what a prompt variant earned, 0..1. It belongs to the last choice of this prompt by this pipeline that has no reward yet;
        without one it counts as a choice made by hand."""
        variants.find(variants.load_prompts(self.place.agent), id, variants.PROMPTS)
        self._reward("prompt", id, reward)

    def update_model(self, id: str, reward: float) -> None:
        """Say what a model earned, 0..1; as `update_prompt`."""
        variants.find(variants.load_models(self.place.agent), id, variants.MODELS)
        self._reward("model", id, reward)

    def record_run(
        self, task: str, model: str, prompt: str | None, result: Mapping[str, Any] | None = None, role: Role = "coder"
    ) -> Recorded:
        """Record a run that is over. `result` may hold the signals (compile_pass, lint_errors, type_errors, schema_errors,
        boundary_errors, tests_passed with tests_total, coverage_pct, human_accept) and tokens_in, tokens_out, cost_usd,
        duration_ms, prompt (the whole text), output; a key that is left out is not known.

        The reward is that of the configured mode over these signals, and stands until a change has one of its own. Whose lines are
        whose is not said here: put the edits into `git_hone.hooks.run(...)`, or let the agent's hooks say it.
        """
        said = _checked(result or {})
        find_model = {name: one.id for one in variants.load_models(self.place.agent) for name in (one.model, one.id)}
        id_ = find_model.get(model) or variants.find(variants.load_models(self.place.agent), model, variants.MODELS).id
        if prompt is not None:
            variants.find(variants.load_prompts(self.place.agent), prompt, variants.PROMPTS)
        reward = self._judge(said)
        row = self._take("model", id_) | {"plan": {"prompt": prompt} if prompt else None, "task": task}
        if prompt is not None:
            self._open.pop(("prompt", prompt), None)
        self._id = None
        end = {"ended": "passed"} | ({} if reward is None else {"reward": reward})
        self._put(row | {"result": end})
        self._file_run(task, id_, prompt, role, str(row["decision_id"]), said)
        return Recorded(str(row["decision_id"]), reward)

    def fetch_web_knowledge(self, card: Mapping[str, Any], query: str, library: str) -> str:
        """What the documentation of a library says about `query`, as text for a prompt, with the addresses it is from: the first
        paragraphs of at most three pages. Empty where the design card does not say `web: on`, and where no page fits.

        library: a name of `git_hone.ci.web.LIBRARIES`, or the address of a page to begin with. Only pages of `web.allowed_domains` are
        fetched, and none while `privacy.local_only` is on: then only cached pages are used. Raises UsageError for what is not allowed,
        WebError for a first page that cannot be had.
        """
        from git_hone.ci import web

        if card.get("web") not in (True, "on", "yes", "true"):
            return ""
        return web.for_prompt(web.Web(self.place).search(query, library))

    def stats(self) -> Stats:
        """What worked here, from everything that is on record."""
        from git_hone.learner import experience
        from git_hone.learner import stats as statistics
        from git_hone.learner.store import Store

        self._refresh()
        store = Store(self.place.data)
        models = variants.load_models(self.place.agent)
        of_prompts, of_models = experience.counts(store, models)
        recent = statistics.recent(store, RECENT)
        rewards = [one.reward for one in experience.tried(store, models)[-RECENT:] if one.reward is not None]
        whole = Arm(sum(rewards), len(rewards))
        return Stats(recent.runs, _told(whole), recent.tokens, recent.duration_ms,
                     *({name: _told(arm) for name, arm in found.items()} for found in (of_models, of_prompts)))  # fmt: skip

    def close(self) -> None:
        """Bring everything that was said onto the record."""
        self._refresh()

    def __enter__(self) -> LearningPipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _refresh(self) -> None:
        if inbox.pending(self.place.inbox):
            drain_now(self.place)

    def _choose(self, kind: str, row: Mapping[str, Any]) -> None:
        """Put a choice on record; a prompt and a model that are chosen one after the other belong to one choice."""
        if self._id is None or any(
            name == kind and one["decision_id"].startswith(self._id) for (name, _), one in self._open.items()
        ):
            self._id = choosing.new_id()
        whole = {**row, "decision_id": f"{self._id}.{'prompt' if kind == 'prompt' else 0}", "kind": kind}
        self._put(whole)
        self._open[kind, str(whole["chosen"])] = whole

    def _take(self, kind: str, arm: str) -> dict[str, Any]:
        """The choice that a reward belongs to."""
        known = self._open.pop((kind, arm), None)
        if known is not None:
            return known
        end = "prompt" if kind == "prompt" else "0"
        return {"decision_id": f"{choosing.new_id()}.{end}", "kind": kind, "chosen": arm, "policy": "fixed", "propensity": 1.0,
                "propensities": {arm: 1.0}, "step": 0 if kind == "model" else None}  # fmt: skip

    def _reward(self, kind: str, arm: str, reward: float) -> None:
        if isinstance(reward, bool) or not isinstance(reward, (int, float)) or not 0.0 <= reward <= 1.0:
            raise UsageError(f"reward: a number in 0..1, not {reward!r}")
        self._put(self._take(kind, arm) | {"result": {"ended": "passed", "reward": float(reward)}})

    def _put(self, row: Mapping[str, Any]) -> None:
        inbox.put(self.place.inbox, {"v": 1, "type": "decision", "at": time.time(), "row": dict(row)})

    def _judge(self, said: Mapping[str, Any]) -> float | None:
        from git_hone.learner import config
        from git_hone.learner.evidence import Evidence, Measured, Outcome
        from git_hone.learner.reward import reward, seed_reward

        settings = config.load(self.place.agent / "learning-config.json")
        known = {name: said[name] for name in SIGNALS if said.get(name) is not None}
        if not known:
            return None
        if settings.reward_mode == "seed" and "compile_pass" in known:
            known.pop("coverage_pct", None)
            return seed_reward(**known, weights=settings.reward_weights).value
        words = [Outcome("accepted" if known["human_accept"] else "rejected", time.time())] if "human_accept" in known else []
        signals = [Measured(**{key: row[key] for key in row if key != "tree"}) for row in _signals(known)]
        return reward(Evidence(signals=signals, outcomes=words), settings.reward_mode, settings.reward_weights).value

    def _file_run(self, task: str, model: str, prompt: str | None, role: Role, decision_id: str, said: Mapping[str, Any]) -> None:
        """The run, as an agent would tell it, begun so long ago as it took; and its signals, for the tree that lies here."""
        import json
        import uuid

        from git_hone.hooks.reports.trees import measured_tree

        base = {"agent": "pipeline", "session_id": str(uuid.uuid4()), "role": role, "source": "api", "model": model, "prompt_variant": prompt,
                "decision_id": decision_id}  # fmt: skip
        base = {key: value for key, value in base.items() if value is not None}
        usage = {key: said[key] for key in ("tokens_in", "tokens_out", "cost_usd") if said.get(key) is not None}
        fields = {"root": str(self.place.top or ""), "git": str(self.place.git_dir), "blobs": "{}", "tree": ""}
        now = time.time()
        began = now - (said.get("duration_ms") or 0) / 1000
        events: list[tuple[float, dict[str, Any]]] = [
            (began, {**base, "event": "prompt", "prompt": said.get("prompt", task)}),
            (now, {**base, "event": "stop", "output": said.get("output")} | ({"usage": usage} if usage else {})),
        ]
        for at, body in events:
            path = inbox.put_payload(self.place.inbox, "generic", fields, json.dumps(body).encode())
            os.utime(path, (at, at))
        rows = _signals(said)
        if rows and self.place.top is not None:
            tree = measured_tree(self.place, os.environ)
            for row in rows:
                inbox.put(self.place.inbox, {"v": 1, "type": "signal", "at": now, "row": row | {"tree": tree}})

    selectPrompt = selectPromptVariant = select_prompt
    selectModel = select_model
    updatePrompt = updatePromptVariant = update_prompt
    updateModel = updateModelVariant = update_model
    recordRun = record_run
    getStats = stats
    fetchWebKnowledge = fetch_web_knowledge


def _checked(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result without what is not known. Raises UsageError, naming the key, for one that is unknown or impossible."""
    found: dict[str, Any] = {}
    for key, value in result.items():
        if key not in (*SIGNALS, *USAGE):
            near = get_close_matches(key, (*SIGNALS, *USAGE), 1)
            raise UsageError(f"result: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
                             tip=f"known: {', '.join((*SIGNALS, *USAGE))}")  # fmt: skip
        if value is None:
            continue
        wanted = (
            "true or false"
            if key in ("compile_pass", "human_accept")
            else "text"
            if key in ("prompt", "output")
            else "a number from 0 up"
        )
        good = {
            "true or false": isinstance(value, bool),
            "text": isinstance(value, str),
            "a number from 0 up": isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"),
        }[wanted]
        if not good:
            raise UsageError(f"result: {key}: {wanted} is wanted, not {value!r}")
        found[key] = value
    if ("tests_passed" in found) != ("tests_total" in found) or found.get("tests_passed", 0) > found.get("tests_total", 0):
        raise UsageError("result: tests_passed and tests_total go together, and no more can pass than there are")
    return found


def _signals(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the table of signals that a result amounts to, without their tree."""
    rows: list[dict[str, Any]] = []
    if "compile_pass" in said:
        rows.append({"kind": "compile", "passed": said["compile_pass"]})
    counts = {kind: said[f"{kind}_errors"] for kind in ("lint", "type", "schema", "boundary") if f"{kind}_errors" in said}
    rows += [{"kind": kind, "passed": n == 0, "errors": int(n)} for kind, n in counts.items()]
    if (total := said.get("tests_total")) is not None:
        passed = int(said["tests_passed"])
        rows.append({"kind": "test", "passed": passed == total and total > 0 if total else None, "tests_passed": passed,
                     "tests_failed": int(total) - passed, "tests_total": int(total)})  # fmt: skip
    if (share := said.get("coverage_pct")) is not None:
        rows.append({"kind": "coverage", "passed": None, "coverage_pct": float(share)})
    return [{"tool": "pipeline", **row} for row in rows]


def _told(arm: Arm) -> Mean:
    """With the interval of the widest spread that rewards in 0..1 of this mean can have: too wide rather than too narrow."""
    n, mean = round(arm.trials), min(1.0, max(0.0, arm.wins / arm.trials)) if arm.trials else None
    return Mean.of_rewards(n, mean, None if mean is None else math.sqrt(mean * (1.0 - mean)))
