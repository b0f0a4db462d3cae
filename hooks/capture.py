"""File an agent's event from Python: the command `git hone capture`, and the API for people's own agents.

from git_hone.hooks import run
with run("my-agent", model="qwen2.5-coder:7b", task="add a reader") as r:
    ...                                  # edit files, run tools
    r.usage(tokens_in=900, tokens_out=120)
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from git_hone.hooks import git, inbox, worker
from git_hone.hooks.paths import quote
from git_hone.hooks.payloads import claude_code, generic
from git_hone.hooks.place import Place, find, not_installed
from git_hone.learner.errors import DataError, GitError


def capture(cwd: Path, agent: str, raw: bytes) -> None:
    """Check one payload, look at the files it names, and file it. Raises DataError, naming the field, for a payload that
    cannot be used."""
    try:
        payload = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"standard input: not JSON ({error})", tip="see hooks/payloads/generic.schema.json") from error
    if not isinstance(payload, dict):
        raise DataError("standard input: a JSON object is wanted")
    folder = payload.get("repo_working_dir") or payload.get("cwd") or cwd
    if not isinstance(folder, (str, Path)) or not Path(folder).is_dir():
        raise DataError(f"cwd: {folder!r} is not a folder")
    place = find(Path(folder))
    if not place.inbox.is_dir():
        raise not_installed(place)
    blobs, tree = _look(place, agent, payload, Path(folder))
    observe = claude_code.observe if agent == "claude-code" else generic.observe
    if agent != "claude-code" and "event" not in payload:
        observe = generic.observe_agent_v1
    try:
        observe(payload, blobs, tree)
    except ValueError as error:
        raise DataError(str(error), tip="see hooks/payloads/generic.schema.json") from error
    _file(place, agent, payload, blobs, tree)


def _look(place: Place, agent: str, payload: Mapping[str, Any], folder: Path) -> tuple[dict[str, str], str | None]:
    if agent == "claude-code":
        tool_input = payload.get("tool_input")
        named = tool_input.get("file_path") or tool_input.get("notebook_path") if isinstance(tool_input, dict) else None
        if payload.get("hook_event_name") not in ("PreToolUse", "PostToolUse", "PostToolUseFailure"):
            return {}, None
        paths = [named] if isinstance(named, str) else None
    elif not generic.looks(payload):
        return {}, None
    else:
        paths = generic.files(payload)
    if place.top is None:
        return {}, None
    return ({}, snapshot(place)) if paths is None else (blobs_of(place, folder, paths), None)


def blobs_of(place: Place, folder: Path, paths: list[str]) -> dict[str, str]:
    """Path inside the repository -> blob id (stored as a git object), "" for a file that is not there. Symbolic links and
    files outside the work tree are left out."""
    top = place.top or place.git_dir
    found: dict[str, str] = {}
    for name in paths:
        whole = Path(os.path.normpath(folder / name))
        inside = os.path.relpath(whole, top)
        if inside.startswith("..") or whole.is_symlink():
            continue
        key = quote(os.fsencode(inside))
        if whole.is_file():
            found[key] = git.text(git.run(["hash-object", "-w", "--", os.fsencode(whole)], top)).strip()
        else:
            found[key] = ""
    return found


def snapshot(place: Place) -> str | None:
    """The work tree as a tree object, by a private index that keeps git's stat cache; the user's index is left alone."""
    index = place.git_dir / f"hone-index.{os.getpid()}"
    for base in (place.git_dir / "hone-index", place.git_dir / "index"):
        if base.is_file():
            shutil.copyfile(base, index)
            break
    env = {"GIT_INDEX_FILE": str(index)}
    try:
        with suppress(GitError):  # then it is as the index has it
            git.add_all(place.cwd, place.git_dir, index)
        out = git.attempt(["write-tree"], place.cwd, env=env)
        return git.text(out).strip() if out else None
    finally:
        index.unlink(missing_ok=True)


def _file(place: Place, agent: str, payload: Mapping[str, Any], blobs: Mapping[str, str], tree: str | None) -> None:
    fields = {"root": str(place.top or ""), "git": str(place.git_dir), "blobs": json.dumps(blobs), "tree": tree or ""}
    inbox.put_payload(place.inbox, agent, fields, json.dumps(payload).encode())
    if payload.get("event") in ("stop", "end"):
        worker.start(place)


class Run:
    """One execution of a model, while it goes on. `id` names its session."""

    def __init__(self, place: Place, base: dict[str, Any]) -> None:
        self._place, self._base = place, base
        self.id = str(base["session_id"])
        self._usage: dict[str, float] = {}
        self._output: str | None = None
        self._edits = 0
        self.edits_are_known = False
        """Set it when the agent told of its edits itself: then what changed in the work tree is not credited a second time."""

    def usage(self, **counts: float) -> None:
        """tokens_in, tokens_out, tokens_cache_read, tokens_cache_write (counts), cost_usd (US dollars): totals of the run."""
        self._usage |= counts

    def output(self, text: str) -> None:
        """The model's last message; kept in the local store, redacted."""
        self._output = text

    def send(self, event: str, **more: Any) -> None:
        """One event in the generic form."""
        payload = {**self._base, "event": event, **more}
        look, paths = generic.looks(payload), generic.files(payload)
        blobs = blobs_of(self._place, self._place.cwd, paths) if look and paths is not None else {}
        tree = snapshot(self._place) if look and paths is None else None
        generic.observe(payload, blobs, tree)
        _file(self._place, "generic", payload, blobs, tree)

    @contextmanager
    def edit(self, *files: str | Path) -> Iterator[None]:
        """What changes in these files inside the `with` block was written by this run."""
        self._edits += 1
        call = {"files": [str(Path(file).absolute()) for file in files], "tool_use_id": f"edit-{self._edits}"}
        self.send("before", **call)
        try:
            yield
        finally:
            self.send("after", **call)

    def finish(self) -> None:
        self.send("stop", usage=self._usage or None, output=self._output)


@contextmanager
def run(
    agent: str,
    *,
    model: str | None = None,
    task: str | None = None,
    role: str = "coder",
    difficulty: str | None = None,
    task_kind: str | None = None,
    prompt_variant: str | None = None,
    decision_id: str | None = None,
    repository: Path | None = None,
    whole: bool = True,
) -> Iterator[Run]:
    """Everything that changes in the work tree inside the `with` block was written by this run; without `whole`, only what changes
    inside its `edit(...)` blocks, so that a person may go on working in the meantime.

    Raises UsageError where git-hone is not installed; an exception from the block passes through, and the run is recorded
    all the same.
    """
    place = find(repository or Path.cwd())
    if not place.inbox.is_dir():
        raise not_installed(place)
    known = {
        "model": model,
        "difficulty": difficulty,
        "task_kind": task_kind,
        "prompt_variant": prompt_variant,
        "decision_id": decision_id or os.environ.get("HONE_DECISION"),
    }
    base: dict[str, Any] = {"agent": agent, "session_id": str(uuid.uuid4()), "role": role, "source": "api", "tool_use_id": "run"}
    this = Run(place, base | {key: value for key, value in known.items() if value})
    this.send("prompt", prompt=task)
    if whole:
        this.send("before")
    try:
        yield this
    finally:
        if whole and not this.edits_are_known:
            this.send("after")
        this.finish()
