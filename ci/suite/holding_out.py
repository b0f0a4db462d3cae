"""Tasks held out of training: commits in which a person made an agent's work better, as far as tests can tell the two apart.

The record's pairs say which changes those are. The texts of a pair are redacted, so the task is the commit itself: what stood before
it, and the person's version as the reference solution.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from git_hone.ci.suite import candidates, mining
from git_hone.ci.suite.candidates import Candidate, is_run
from git_hone.ci.suite.doctor import Doctor
from git_hone.ci.suite.trees import Trees, Unfit
from git_hone.ci.suite.verifying import NotATask
from git_hone.ci.suite.working import Work
from git_hone.hooks.place import Place
from git_hone.learner.store import Store
from git_hone.learner.suite.tasks import Task

MAX_TEST_FILES: Final = 6


def work(place: Place, trees: Trees, doctor: Doctor) -> list[Work]:
    """One piece of work for each commit that holds a person's version, newest first."""
    made = []
    for commit, (change, asked) in _commits(place).items():
        made.append(Work(("held-out", commit, asked), lambda commit=commit, change=change, asked=asked:  # type: ignore[misc]  # mypy infers no type for a default of a lambda
                         _hold_out(trees, doctor, commit, change, asked), commit))  # fmt: skip
    return made


def _commits(place: Place) -> dict[str, tuple[str, str]]:
    """{commit: (change, what the agent was asked)}: the commit that carries the change, when the person edited before committing, and
    those that reworked it later."""
    store = Store(place.data)
    pairs = [pair for pair in store.rows("pairs") if pair["origin"] == "human-improved"]
    if not pairs:
        return {}
    changes = {row["change_id"]: row for row in store.rows("changes")}
    later: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("outcomes", where={"kind": "edited"}):
        later.setdefault(row["change_id"], []).append(row)
    found: dict[str, tuple[str, str]] = {}
    for pair in sorted(pairs, key=lambda one: (one["recorded_at"], one["pair_id"]), reverse=True):
        change = changes.get(pair["change_id"])
        if change is None or change["state"] != "live":
            continue
        asked = (pair["prompt"] or {}).get("task") or ""
        found.setdefault(change["commit"], (pair["change_id"], asked))
        for outcome in later.get(pair["change_id"], []):
            if outcome["commit"]:
                found.setdefault(outcome["commit"], (pair["change_id"], ""))
    return found


def _hold_out(trees: Trees, doctor: Doctor, commit: str, change: str, asked: str) -> Task:
    """Raises NotATask for a commit that is not here, and where no test tells its state from the one before."""
    candidate = candidates.any_commit(trees.cwd, commit)
    if candidate is None:
        raise NotATask("no commit of this clone that changes a source file")
    if not candidate.test_files:
        candidate = replace(candidate, test_files=_related(trees, candidate))
        if not candidate.test_files:
            raise NotATask("no test could judge it")
    if asked:
        candidate = replace(candidate, message=asked)
    return mining.mine(trees, doctor, candidate, "held-out", change)


def _related(trees: Trees, candidate: Candidate) -> tuple[str, ...]:
    """The test files that name a changed module, where the commit changes no test: those with most mentions."""
    try:
        files = trees.files(candidate.commit)
    except Unfit as error:
        raise NotATask(str(error)) from None
    stems = {path.rpartition("/")[2].removesuffix(".py") for path in candidate.sources}
    stems |= {path.split("/")[-2] for path in candidate.sources if path.endswith("/__init__.py") and "/" in path.rstrip("/")}
    word = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, stems - {'__init__'})))})\b") if stems - {"__init__"} else None
    counted = [(len(word.findall(trees.text(files[path]) or "")), path) for path in files if is_run(path)] if word else []
    return tuple(path for count, path in sorted(counted, key=lambda one: (-one[0], one[1]))[:MAX_TEST_FILES] if count)
