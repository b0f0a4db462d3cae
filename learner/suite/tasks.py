"""A suite's manifest: tasks, each with the hash of everything in it, and the suite with the hash of everything in it.

The format is `suite.schema.json` beside this module. Whatever a manifest says is checked before any of it reaches a disk: a path
that leaves its folder, a link that does, a hash that does not fit, are refused with the task and the place.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from git_hone.learner.errors import DataError

VERSION: Final = 1
SCHEMA_PATH: Final = Path(__file__).with_name("suite.schema.json")
TIP: Final = "make the suite again with `git hone suite mine`, or restore its folder from Git"
MAX_LINK: Final = 4096


@dataclass(frozen=True)
class File:
    """What stands at a path. sha256: of the content, of a link's target; kind: file | executable | link."""

    sha256: str
    kind: str = "file"


@dataclass(frozen=True)
class Environment:
    """What the tests need. requirements, constraints: as pip reads them; paths: folders of the arena on PYTHONPATH; package: the
    project's own name; entry_points: its entry_points.txt; generated: files that its build would write; step: of the doctor."""

    python: str
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    paths: tuple[str, ...]
    package: str | None
    entry_points: str
    generated: Mapping[str, str]
    step: str

    @property
    def fingerprint(self) -> str:
        """Of what is installed: tasks with the same one share a virtual environment."""
        return digest([self.python, sorted(self.requirements), sorted(self.constraints), self.package])[:20]


@dataclass(frozen=True)
class Origin:
    """commit: where the solution stands; date: the committer's, ISO 8601 in UTC; detail: what the source says more."""

    commit: str
    date: str
    detail: str = ""


@dataclass(frozen=True)
class Task:
    """One task; the schema says what each part means. `tests` and `solution` map a path to None where it is deleted."""

    id: str
    source: str
    prompt: str
    edit: tuple[str, ...]
    files: Mapping[str, File]
    tests: Mapping[str, File | None]
    solution: Mapping[str, File | None]
    test_command: tuple[str, ...]
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    flaky: int
    time_limit_seconds: float
    reference_seconds: float
    environment: Environment
    origin: Origin

    @property
    def hash(self) -> str:
        return digest(_plain(self))

    def contents(self) -> set[str]:
        """The SHA-256 of every content that the task needs."""
        parts = [*self.files.values(), *self.tests.values(), *self.solution.values()]
        return {file.sha256 for file in parts if file is not None}


@dataclass(frozen=True)
class Manifest:
    """A suite without its contents. counts: {source: {"candidates", "valid", reason: how many}}."""

    name: str
    tasks: tuple[Task, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        return digest(self._body())

    def to_json(self) -> str:
        """Canonical: the same suite is the same bytes. One task a line, so that a diff says which task changed."""
        body = self._body()
        rows = ",\n".join(canonical(task) for task in body.pop("tasks"))
        head = canonical(body)[1:-1]
        return f'{{{head},"hash":"{self.hash}","tasks":[\n{rows}\n]}}\n'

    def _body(self) -> dict[str, Any]:
        tasks = [_plain(task) | {"hash": task.hash} for task in sorted(self.tasks, key=lambda task: task.id)]
        return {"version": VERSION, "name": self.name, "tasks": tasks, "counts": {k: dict(v) for k, v in self.counts.items()}}


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, in ASCII.

    >>> canonical({"b": 1, "a": "é"})
    '{"a":"\\\\u00e9","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12); do not change it."""
    loaded: dict[str, Any] = json.loads(SCHEMA_PATH.read_text("utf-8"))
    return loaded


def parse(text: str | bytes, where: str = "manifest.json") -> Manifest:
    """The manifest in `text`. Raises DataError, which names `where`, for what is no JSON, does not fit the schema, was changed
    after it was frozen, or holds a path that leaves the arena."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {error}", tip=TIP) from None
    if isinstance(raw, dict) and isinstance(raw.get("version"), int) and raw["version"] > VERSION:
        raise DataError(
            f"{where}: version {raw['version']} is newer than this git-hone knows ({VERSION})", tip="upgrade git-hone"
        )
    _fits(raw, where)
    manifest = Manifest(raw["name"], tuple(_task(one) for one in raw["tasks"]), raw["counts"])
    for task, one in zip(manifest.tasks, raw["tasks"], strict=True):
        check(task, where)
        if task.hash != one["hash"]:
            raise DataError(f"{where}: task {task.id}: was changed after it was frozen (its hash does not fit)", tip=TIP)
    names = [task.id for task in manifest.tasks]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{where}: two tasks are named {min(twice)}", tip=TIP)
    if manifest.hash != raw["hash"]:
        raise DataError(f"{where}: was changed after it was frozen (the suite's hash does not fit)", tip=TIP)
    return manifest


def check(task: Task, where: str = "manifest.json") -> None:
    """Raises DataError for a path of the task that leaves the arena or cannot be written, or a file below another."""
    for part in (task.files, task.tests, task.solution):
        for path in part:
            if wrong := unsafe(path):
                raise DataError(f"{where}: task {task.id}: path {path!r} {wrong}", tip=TIP)
        if under := _below_a_file(path for path, file in part.items() if file is not None):
            raise DataError(f"{where}: task {task.id}: {under[0]!r} is both a file and the folder of {under[1]!r}", tip=TIP)
    for path in (*task.edit, *task.environment.generated, *(each for each in task.environment.paths if each != ".")):
        if wrong := unsafe(path):
            raise DataError(f"{where}: task {task.id}: path {path!r} {wrong}", tip=TIP)
    if not task.fail_to_pass:
        raise DataError(f"{where}: task {task.id}: no test that the solution makes pass", tip=TIP)


def unsafe(path: str) -> str | None:
    """What is wrong with a path inside an arena; None for a good one. A path into `.git` could change what git does there.

    >>> unsafe("src/a.py"), unsafe("../a"), unsafe("/etc/passwd"), unsafe("a/.git/config")
    (None, 'leaves its folder', 'is absolute', 'leads into a git folder')
    >>> unsafe("a\\x00b"), unsafe("a//b"), unsafe("a" * 5000)
    ('holds a NUL', 'has an empty part', 'is too long')
    """
    parts = path.split("/")
    if "\0" in path:
        return "holds a NUL"
    if path.startswith("/"):
        return "is absolute"
    if ".." in parts or "." in parts:
        return "leaves its folder"
    if "" in parts:
        return "has an empty part"
    if any(part.casefold() == ".git" for part in parts):
        return "leads into a git folder"
    raw = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    return "is too long" if max(raw) > 255 or sum(raw) + len(raw) > 4000 else None


def leads_out(path: str, target: str) -> bool:
    """Whether a link at `path` inside an arena leads out of it, whatever its target's own links.

    >>> leads_out("docs/x", "../README"), leads_out("docs/x", "../../etc"), leads_out("x", "/etc/passwd"), leads_out("x", "a/../..")
    (False, True, True, True)
    """
    if not target or target.startswith("/") or "\0" in target or len(target) > MAX_LINK:
        return True
    there = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return there == ".." or there.startswith("../") or there.split("/")[0].casefold() == ".git"


def _below_a_file(paths: Iterable[str]) -> tuple[str, str] | None:
    files = set(paths)
    for path in files:
        above = posixpath.dirname(path)
        while above:
            if above in files:
                return above, path
            above = posixpath.dirname(above)
    return None


def _fits(raw: Any, where: str) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema())
    error = next(iter(sorted(validator.iter_errors(raw), key=lambda one: [str(step) for step in one.absolute_path])), None)
    if error is None:
        return
    steps = list(error.absolute_path)
    place = ".".join(str(step) for step in steps) or "the whole"
    raise DataError(f"{where}: {place}: {error.message[:300]}", tip=TIP)


def _plain(task: Task) -> dict[str, Any]:
    made: dict[str, Any] = asdict(task)
    return made


def _task(raw: Mapping[str, Any]) -> Task:
    environment = raw["environment"]
    parts: dict[str, Any] = dict(raw)
    parts.pop("hash", None)
    for key in ("edit", "test_command", "fail_to_pass", "pass_to_pass"):
        parts[key] = tuple(raw[key])
    for key in ("files", "tests", "solution"):
        parts[key] = {path: None if file is None else File(**file) for path, file in raw[key].items()}
    lists = {key: tuple(environment[key]) for key in ("requirements", "constraints", "paths")}
    parts |= {"environment": Environment(**environment | lists), "origin": Origin(**raw["origin"])}
    return Task(**parts)


def from_dict(raw: Mapping[str, Any]) -> Task:
    """A task from the JSON that `to_dict` made; the caller's own, so neither the schema nor hashes are asked."""
    return _task(raw)


def to_dict(task: Task) -> dict[str, Any]:
    return _plain(task)
