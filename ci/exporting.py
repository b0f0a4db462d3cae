"""`git hone export`: from the record and the repository to a folder of training data. Reads git, the store and the suite; writes `.agent/sft`.

The way is: gather (what may be learned from, redacted) -> rows -> assemble (duplicates and the suite out, limit, split) -> files, manifest,
README -> publish. Nothing here looks at a clock: the folder is named by the newest fact of the record and by the hash of its manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from git_hone.ci import gathering, publishing
from git_hone.ci.gathering import Gathered, Wanted
from git_hone.hooks import commits as history
from git_hone.hooks import git
from git_hone.hooks.consent import Tombstones
from git_hone.hooks.drain import config_of
from git_hone.hooks.lock import locked
from git_hone.hooks.place import Place
from git_hone.learner import lineage
from git_hone.learner.dataset import card, formats, rows
from git_hone.learner.dataset.assemble import Suite, assemble
from git_hone.learner.errors import ConfigError, UsageError
from git_hone.learner.store.segments import own_version

LORA: Final = "lora"


@dataclass(frozen=True)
class Options:
    """What to export; roles: coder, fixer, judge. formats: of `formats.FORMATS`. min_reward, limit: None is the configuration's
    autoExport.minReward and maxExamples. out: None is `.agent/sft/NAME`."""

    roles: tuple[rows.Role, ...] = rows.ROLES
    formats: tuple[str, ...] = ("sft",)
    difficulty: str | None = None
    min_reward: float | None = None
    limit: int | None = None
    since: datetime | None = None
    out: Path | None = None


@dataclass(frozen=True)
class Exported:
    """folder: None when there was no row to write. fresh: False when the same export stood there. manifest: its contents. sha256: its hash.
    adapters: those that learned from changes that may no longer be learned from. notes: lines for a person. pruned: the
    older exports that were removed."""

    folder: Path | None
    fresh: bool
    manifest: dict[str, Any]
    sha256: str
    adapters: list[dict[str, Any]]
    notes: list[str]
    pruned: list[str] = field(default_factory=list)


def export(place: Place, options: Options = Options()) -> Exported:
    """Write an export. Raises UsageError for a folder that holds other files, ConfigError for a configuration that cannot be read, DataError
    where nothing can be written."""
    config, wrong = config_of(place)
    if wrong:
        raise ConfigError(wrong, tip="nothing is exported by settings that cannot be read")
    options = replace(
        options,
        min_reward=float(config["autoExport.minReward"]) if options.min_reward is None else options.min_reward,
        limit=int(config["autoExport.maxExamples"]) if options.limit is None else options.limit,
    )
    if options.out is not None:
        publishing.refuse(options.out)
    forgotten = Tombstones(place.hone).hashes
    wanted = Wanted(options.roles, options.min_reward or 0.0, options.difficulty, options.since)
    found = gathering.gather(place, config, wanted)
    suite, named, problems = read_suites(place)
    about = {
        "git_hone": own_version(),
        "newest": _iso(found.newest),
        "options": {
            "roles": list(options.roles), "formats": list(options.formats), "difficulty": options.difficulty,
            "min_reward": options.min_reward, "limit": options.limit, "since": _iso(options.since),
        },
        "config_hash": config.hash,
        "suite": named,
        "redacted": dict(sorted(found.redacted.items())),
    }  # fmt: skip
    files, body = contents(found, options, suite, about)
    made = card.dump(body)
    digest = sha256(made).hexdigest()
    files |= {card.MANIFEST: made, card.README: card.readme(body, digest)}
    adapters, more = retracted(place, found)
    notes = [*problems, *more, *card.warnings(body)]
    if not body["rows"]:
        return Exported(None, False, body, digest, adapters, notes)
    name = f"{found.newest:%Y%m%dT%H%M%SZ}-{digest[:8]}"
    folder = options.out or place.agent / publishing.FOLDER / name
    middle = f"_{options.difficulty}" if options.difficulty else ""
    with locked(place.hone / "drain.lock", 60.0) if place.hone.is_dir() else nullcontext(True) as mine:
        if not mine:
            raise UsageError(f"{place.cwd}: a drain is at work", tip="try again in a moment")
        if Tombstones(place.hone).hashes != forgotten:
            raise UsageError(f"{place.cwd}: something was forgotten meanwhile", tip="nothing was written; run it again")
        fresh = publishing.publish(folder, files)
        if options.out is None:
            publishing.stamp(place, name, files, options.roles, middle)
        pruned, more = _pruned(place, int(config["autoExport.keep"])) if options.out is None else ([], [])
    return Exported(folder, fresh, body, digest, adapters, notes + more, pruned)


def _pruned(place: Place, keep: int) -> tuple[list[str], list[str]]:
    """(the older exports that were removed, lines for a person). None is where a lineage cannot be read: it may name any of them."""
    known, problems = lineage.adapters(place.agent / LORA)
    if problems:
        return [], ["no older export was removed, as it is not known what each adapter learned from"]
    return publishing.prune(place, keep, {of.dataset_sha256 for _, of in known}, {of.dataset for _, of in known}), []


def contents(found: Gathered, options: Options, suite: Suite, about: dict[str, Any]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """(the files of rows and `excluded.jsonl`, the manifest) of what was gathered."""
    made: list[rows.Row] = []
    parts = list(found.parts)
    for source in found.sources:
        of, without = rows.rows_of(source, options.roles)
        made += of
        parts += without
    data = assemble([*made, *found.pairs], suite, options.limit or 0)
    records = formats.files(data, options.formats, options.difficulty)
    files = {name: formats.lines(of) for name, of in records.items()}
    left = sorted([*found.left, *parts, *data.left], key=lambda one: (one.id, one.role or "", one.reason, one.detail or ""))
    files[card.EXCLUDED] = formats.lines(formats.excluded(left))
    return files, card.manifest(data, records, files, len(found.verdicts), found.left, parts, about)


def retracted(place: Place, found: Gathered) -> tuple[list[dict[str, Any]], list[str]]:
    """The adapters that learned from changes that may no longer be learned from: reverted, mended, rejected, forgotten since; and a line for
    each lineage that cannot be read."""
    known, problems = lineage.adapters(place.agent / LORA)
    named = []
    for file, of in known:
        now = {change: found.verdicts.get(change, "forgotten") for change in sorted(of.changes())}
        gone = {change: why for change, why in now.items() if why in RETRACTING}
        if gone:
            named.append(
                {"adapter": of.adapter, "role": of.role, "folder": str(file.parent), "lineage": file.name, "changes": gone}
            )
    return named, problems


RETRACTING: Final = frozenset(
    {"superseded", "dropped", "opted_out", "reverted", "rejected", "tampered", "vetoed", "not_kept", "forgotten"}
)
"""Why an adapter should no longer have learned from a change; what is merely below a limit of this export is no such reason."""


def read_suites(place: Place) -> tuple[Suite, list[dict[str, Any]], list[str]]:
    """What the suites under `.agent/suite` ask, each suite's name, hash and number of tasks, and a line for each that cannot be read.

    Of a task counts its prompt, and what the commit that it was made of brought in. A task with an injected fault is made of a file as it
    stands: only its prompt counts."""
    texts: list[tuple[str, str]] = []
    commits: set[str] = set()
    named, problems = [], []
    for file in sorted((place.agent / "suite").glob("**/manifest.json")):
        try:
            raw = file.read_bytes()
            tasks = [
                (str(task["id"]), str(task["prompt"]), task["source"], task["origin"]["commit"])
                for task in json.loads(raw)["tasks"]
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{file}: no suite that can be read ({type(error).__name__}: {error}): nothing was compared with it")
            continue
        texts += [(name, prompt) for name, prompt, _, _ in tasks]
        made_of = {commit: name for name, _, source, commit in tasks if source != "injected"}
        commits |= made_of.keys()
        texts += [(made_of[commit], text) for commit, text in _brought_in(place, sorted(made_of))]
        where = file.parent.relative_to(place.agent / "suite").as_posix()
        named.append({"name": where, "sha256": sha256(raw).hexdigest(), "tasks": len(tasks)})
    return Suite(texts, commits), named, problems


def _brought_in(place: Place, commits: list[str]) -> Iterator[tuple[str, str]]:
    """(commit, the lines that it adds); a commit that is not here is passed over."""
    with git.cat_file(place.cwd) as objects:
        for commit in history.read(place.cwd, commits, place.common):
            for file in commit.files or ():
                blobs = objects.blobs([name for name in (file.before, file.after) if name])
                before, after = (git.text(blobs.get(name) or b"") for name in (file.before, file.after))
                patch = rows.patch(rows.Text(file.path, before, after, 0))
                yield (
                    commit.id,
                    "\n".join(row[1:] for row in patch.splitlines() if row.startswith("+") and not row.startswith("+++ ")),
                )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(timezone.utc).isoformat(timespec="seconds")
