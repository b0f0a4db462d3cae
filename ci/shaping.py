"""What goes into a prompt beside its task: context from `.agent/context.json` and examples of what was kept, each drawn with a probability
that is written down. Reads the files that an item names; asks nothing of git and of the network.

An item that cannot be had (no such file, no text, excluded by `privacy.exclude_patterns`) is not drawn, and a line says so: what a model
was never shown must not be learned from. The same for a prompt whose template has no place for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from git_hone.ci.choosing import NOTHING, Shaped
from git_hone.hooks import recall
from git_hone.hooks.place import Place
from git_hone.learner import context
from git_hone.learner.bandit import Draws
from git_hone.learner.context import Bundle, Item
from git_hone.learner.dataset.chat import fenced
from git_hone.learner.errors import ConfigError
from git_hone.learner.examples import Shot, pick, render
from git_hone.learner.router.features import Task
from git_hone.learner.variants import Model, Prompt

LARGEST: Final = 400_000
MOST_FILES: Final = 200
ROOM: Final = 4
"""A part of so many of the smallest model's context length is what context and examples may take."""


def shape(
    place: Place | None,
    agent: Path,
    asked: Task,
    prompt: Prompt,
    models: Sequence[Model],
    config: Mapping[str, Any],
    random: Draws,
) -> Shaped:
    """What goes into this prompt for this task. `models`: those that may be asked with it."""
    rooms = [one.context_length // ROOM for one in models if one.context_length]
    budget = min([int(config["context"]["budget_tokens"]), *rooms])
    bundles, texts, notes = _bundles(place, agent, config) if "{context}" in prompt.template else ([], {}, [])
    shots: list[Shot] = []
    most = int(config["context"]["examples"])
    if "{examples}" in prompt.template and place is not None and most and recall.has_examples(place):
        shots = pick(asked, recall.examples(place, asked), most=most, budget_tokens=budget)
    if shots:
        tokens = sum(shot.tokens for shot in shots)
        bundles.append(Bundle(context.EXAMPLES, (Item("shots", "text", "-", tokens),)))
    if not bundles:
        return NOTHING._replace(notes=tuple(notes))
    known = recall.lifts(place) if place is not None else {}
    offers = context.choose(bundles, known, random, kind=asked.path[0], budget_tokens=budget)
    drawn = [
        f"{bundle.id}/{item.id}"
        for bundle in bundles
        for item in context.items_of([bundle], offers)
        if bundle.id != context.EXAMPLES
    ]
    kept = tuple(shots) if any(one.included for one in offers if one.id == context.EXAMPLES) else ()
    return Shaped(tuple(offers), "\n\n".join(texts[name] for name in drawn), render(kept), tuple(drawn), kept, tuple(notes))


def _bundles(place: Place | None, agent: Path, config: Mapping[str, Any]) -> tuple[list[Bundle], dict[str, str], list[str]]:
    """(bundles of what can be had, "BUNDLE/ITEM" -> its text, lines about the rest)."""
    try:
        known = context.load(agent)
    except ConfigError as error:
        return [], {}, [f"{error.message.splitlines()[0]}; no context is offered"]
    top = (place.top if place is not None else None) or agent.parent
    excluded = config["privacy"]["exclude_patterns"]
    bundles, texts, notes = list[Bundle](), dict[str, str](), list[str]()
    for bundle in known:
        items = []
        for item in bundle.items:
            text, why = _text(top, item, excluded)
            if text is None:
                notes.append(f"context {bundle.id}/{item.id}: {why}; not offered")
                continue
            texts[f"{bundle.id}/{item.id}"] = text
            items.append(item._replace(tokens=max(1, len(text) // 4)))
        if items:
            bundles.append(bundle._replace(items=tuple(items)))
    return bundles, texts, notes


def _text(top: Path, item: Item, excluded: Sequence[str]) -> tuple[str | None, str]:
    """(what goes into the prompt, "") or (None, why not)."""
    if item.kind == "text":
        return item.value, ""
    if item.kind == "doc" and item.value.startswith(("http://", "https://")):
        return f"See {item.value}", ""
    if item.kind == "pattern":
        return None, f"there is no pattern {item.value!r} here"
    if item.kind == "doc":
        return _file(top, item.value, excluded)
    try:
        names = sorted(path.relative_to(top).as_posix() for path in top.glob(item.value) if path.is_file())[: MOST_FILES + 1]
    except (OSError, ValueError, NotImplementedError, IndexError):  # pathlib says NotImplementedError of a pattern from the root
        return None, f"{item.value}: not a glob below the repository"
    found = [text for text, _ in (_file(top, name, excluded) for name in names[:MOST_FILES]) if text is not None]
    if not found or len(names) > MOST_FILES:
        return None, f"{item.value}: " + (f"more than {MOST_FILES} files" if found else "no file that may be handed out")
    whole = "\n\n".join(found)
    return (whole, "") if len(whole) <= LARGEST else (None, f"{item.value}: more than {LARGEST // 1000} kB")


def _file(top: Path, name: str, patterns: Sequence[str]) -> tuple[str | None, str]:
    from git_hone.hooks.consent import excluded

    path = Path(os.path.normpath(top / name))
    inside = path.relative_to(top).as_posix() if path.is_relative_to(top) else None
    if (
        inside is None
        or not path.resolve().is_relative_to(top.resolve())
        or path.parts[len(top.parts) :][:1] in ((".git",), (".agent",))
    ):
        return None, f"{name}: not a file of the work tree"
    if excluded(inside, patterns):
        return None, f"{name}: privacy.exclude_patterns says that nothing of it is handed out"
    try:
        if path.stat().st_size > LARGEST:
            return None, f"{name}: more than {LARGEST // 1000} kB"
        text = path.read_text("utf-8")
        return (f"{inside}:\n{fenced(text)}", "") if "\0" not in text else (None, f"{name}: not UTF-8 text")
    except OSError as error:
        return None, f"{name}: {error.strerror}"
    except UnicodeDecodeError:
        return None, f"{name}: not UTF-8 text"
