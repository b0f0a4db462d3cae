"""What an export is made of, read from the record and the repository: for each change its verdict, its texts, what was asked for.

Reads the store and git objects; writes nothing. Texts leave here redacted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from typing import Any, Final

from git_hone.hooks import commits as history
from git_hone.hooks import git
from git_hone.hooks.commits import Commit, FileChange
from git_hone.hooks.consent import Consent, consent, excluded
from git_hone.hooks.place import Place
from git_hone.hooks.redaction import Identity, Redactor, gazetteer, scanners
from git_hone.learner.config import Config
from git_hone.learner.dataset import choosing, diagnostics, rows
from git_hone.learner.dataset.choosing import MENDED, STANDS, Judged
from git_hone.learner.dataset.rows import LONGEST, Left, Row, Source, Text
from git_hone.learner.evidence import Evidence
from git_hone.learner.histories import read as read_histories
from git_hone.learner.histories import signals_of
from git_hone.learner.reward import hone_reward
from git_hone.learner.store import Store

AT_ONCE: Final = 50
"""Changes whose texts are in memory before they are redacted."""
NAMED: Final = ("agent", "model", "prompt_variant", "task_kind")


@dataclass(frozen=True)
class Wanted:
    """What to export. min_reward: 0..1; difficulty: None any; since: committed at or after it."""

    roles: tuple[rows.Role, ...]
    min_reward: float
    difficulty: str | None = None
    since: datetime | None = None


@dataclass
class Gathered:
    """sources: changes that rows are made of. pairs: rows from what people changed. left: what gives no row. verdicts: change id -> why
    it may (not) be learned from. newest: the newest time in the record, None when it is empty."""

    sources: list[Source] = field(default_factory=list)
    pairs: list[Row] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    parts: list[Left] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    newest: datetime | None = None
    redacted: Counter[str] = field(default_factory=Counter)


class Cleaner:
    """Takes secrets and people out, and counts. What the history knows goes first, so that what only this machine knows (its user, host,
    home, a scanner on its PATH) is counted apart: it is why two machines could write different bytes."""

    def __init__(self, place: Place, config: Config) -> None:
        people = {
            Identity(kind, value)
            for pair in gazetteer.authors(place)
            for kind, value in zip(("name", "email"), pair, strict=True)
        }
        known, anonymous = gazetteer.identities(place), bool(config["privacy.anonymize"])
        self._history = Redactor(known & people, anonymous=anonymous)
        self._here = Redactor(known - people, anonymous=anonymous)
        self.counts: Counter[str] = Counter(looked_at=0, texts=0, here_only=0)

    def scan(self, texts: Iterable[str]) -> None:
        """Let another scanner, where there is one, see what is about to be cleaned."""
        self._here.add(scanners.find(texts))

    def prose(self, text: str) -> str:
        first = self._history.prose(text)
        return self._counted(text, first, self._here.prose(first))

    def code(self, text: str, path: str) -> str:
        first = self._history.code(text, path, anybody=True)
        return self._counted(text, first, self._here.code(first, path))

    def _counted(self, text: str, first: str, last: str) -> str:
        self.counts.update(looked_at=1, texts=int(last != text), here_only=int(last != first))
        return last


@dataclass
class _Raw:
    """A change as it was read, before it is cleaned. texts: path, before, after, the agent's lines."""

    change: Mapping[str, Any]
    judged: Judged
    commit: Commit
    texts: list[tuple[str, str | None, str, int]]
    whole: bool


def gather(place: Place, config: Config, wanted: Wanted) -> Gathered:
    """Everything that an export is made of. Raises DataError where the store cannot be read."""
    store, found = Store(place.data), Gathered()
    changes = sorted(store.rows("changes"), key=lambda row: (row["committed_at"], row["change_id"]))
    outcomes = store.rows("outcomes")
    found.newest = max((row["recorded_at"] for row in (*changes, *outcomes)), default=None)
    may = consent(place, config)
    live = [row for row in changes if row["state"] == "live" and row["lines_ai"]]
    commits = {one.id: one for one in history.read(place.cwd, sorted({row["commit"] for row in live}), place.common)}
    judged = _judged(store, changes, commits, may, config, wanted)
    found.verdicts = {name: one.verdict for name, one in judged.items()}
    used = []
    for row in changes:
        verdict = judged[row["change_id"]]
        if verdict.verdict in (STANDS, MENDED):
            used.append((row, verdict))
        else:
            found.left.append(Left(row["change_id"], row["change_id"], verdict.verdict))
    cleaner = Cleaner(place, config)
    signals = signals_of(store, {tree for row, _ in used for tree in (row["tree"], row["parent_tree"]) if tree})
    context = _Context(
        {row["run_id"]: row for row in store.rows("runs")},
        signals,
        _by_change(outcomes),
        _by_change(store.rows("pairs")),
        cleaner,
    )
    read = _Reader(place, config, may, commits, found)
    with git.cat_file(place.cwd) as objects:
        todo = read.raws(used, objects)
        while part := list(islice(todo, AT_ONCE)):
            cleaner.scan(text for raw in part for _, before, after, _ in raw.texts for text in (before, after) if text)
            for raw in part:
                _add(raw, context, config, may, wanted, found)
    found.redacted = cleaner.counts
    return found


def _by_change(found: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    by: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(found, key=lambda row: str(row["record_id"])):
        by.setdefault(str(row["change_id"]), []).append(row)
    return by


def _judged(
    store: Store,
    changes: Sequence[Mapping[str, Any]],
    commits: Mapping[str, Commit],
    may: Consent,
    config: Config,
    wanted: Wanted,
) -> dict[str, Judged]:
    known = {one.row["change_id"]: (one, kept) for one, kept in read_histories(store).labels()}
    seed = {tree for row in changes if row["reward_mode"] == "seed" for tree in (row["tree"], row["parent_tree"]) if tree}
    signals = signals_of(store, seed) if seed else {}
    found = {}
    for row in changes:
        one, kept = known.get(row["change_id"], (None, None))
        outcomes = one.outcomes if one else []
        commit = commits.get(row["commit"])
        found[row["change_id"]] = choosing.judge(
            row if commit is None else {**row, "committed_at": commit.at},
            outcomes,
            kept,
            _rewarded(row, outcomes, signals),
            min_reward=wanted.min_reward,
            since=wanted.since,
            allowed=commit is None or may.keeps_commit(commit.id, commit.author_email),
        )
    return found


def _rewarded(
    row: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]], signals: Mapping[str | None, list[dict[str, Any]]]
) -> tuple[float | None, str | None]:
    """The reward in hone mode and its veto: the seed's formula pays for failing tests, so nothing is chosen by it."""
    if row["reward_mode"] != "seed":
        return row["reward"], (row["reward_terms"] or {}).get("veto")
    made = hone_reward(Evidence.of(row, signals.get(row["tree"], []), signals.get(row["parent_tree"], []), outcomes))
    return made.value, made.veto


@dataclass
class _Reader:
    """Reads the files of changes."""

    place: Place
    config: Config
    may: Consent
    commits: Mapping[str, Commit]
    found: Gathered

    def raws(self, used: Iterable[tuple[Mapping[str, Any], Judged]], objects: git.CatFile) -> Iterator[_Raw]:
        for row, judged in used:
            commit = self.commits.get(row["commit"])
            if commit is None or commit.files is None:
                self._leave(row, "merge" if commit is not None and commit.is_merge else "commit_gone")
                continue
            ai = {file["path"]: int(file["ai"]) for file in row["files"] or ()}
            texts, whole, missing = [], True, list[Left]()
            for file in commit.files:
                why, before, after = self._texts(file, objects)
                if why is None:
                    texts.append((file.path, before, after, ai.get(file.path, 0)))
                    whole = whole and (file.old in ("", file.path))
                else:
                    whole = False
                    if ai.get(file.path):  # the name of a private file is not told
                        shown = file.path if why in ("too_long", "not_text") else None
                        missing.append(Left(row["change_id"], row["change_id"], why, None, shown))
            if any(lines for *_, lines in texts):
                self.found.parts += missing
                yield _Raw(row, judged, commit, texts, whole)
            else:
                self._leave(row, missing[0].reason if missing else "commit_gone")

    def _texts(self, file: FileChange, objects: git.CatFile) -> tuple[str | None, str | None, str]:
        """(why not, the file before, after)."""
        if excluded(file.path, self.config.exclude_patterns) or excluded(file.old or file.path, self.config.exclude_patterns):
            return "private_path", None, ""
        if not self.may.keeps_path(file.path):
            return "forgotten_path", None, ""
        if not file.mode.startswith("100") or not file.after:
            return "not_text", None, ""
        raws = objects.blobs([name for name in (file.before, file.after) if name])
        texts: dict[str, str] = {}
        for name, raw in raws.items():
            if raw is None:
                return "commit_gone", None, ""
            if len(raw) > 4 * LONGEST:
                return "too_long", None, ""
            try:
                texts[name] = raw.decode("utf-8")
            except UnicodeDecodeError:
                return "not_text", None, ""
            if "\0" in texts[name]:
                return "not_text", None, ""
        return None, texts[file.before] if file.before else None, texts[file.after]

    def _leave(self, row: Mapping[str, Any], reason: str) -> None:
        self.found.left.append(Left(row["change_id"], row["change_id"], reason))


@dataclass
class _Context:
    """What is known beside the texts. pairs, outcomes: by change."""

    runs: Mapping[str, Mapping[str, Any]]
    signals: Mapping[str | None, list[dict[str, Any]]]
    outcomes: Mapping[str, list[Mapping[str, Any]]]
    pairs: Mapping[str, list[Mapping[str, Any]]]
    clean: Cleaner


def _add(raw: _Raw, context: _Context, config: Config, may: Consent, wanted: Wanted, found: Gathered) -> None:
    """The source of a change, and its pairs."""
    change, clean = raw.change, context.clean
    name = str(change["change_id"])
    runs = [context.runs[run] for run in change["run_ids"] or () if run in context.runs]
    runs.sort(key=lambda run: (run["started_at"], run["run_id"]))
    difficulty = change["difficulty"] or next((run["difficulty"] for run in runs if run["difficulty"]), None)
    if wanted.difficulty and difficulty != wanted.difficulty:
        found.left.append(Left(name, name, "other_difficulty"))
        return
    tasks = [str(run["task"]) for run in runs if run["task"]]
    spec = rows.spec_of(tasks, raw.commit.message.decode("utf-8", "replace"))
    if spec is None:
        found.left.append(Left(name, name, "no_prompt"))
        return
    asked_as = "fixer" if runs and all(run["role"] == "fixer" for run in runs) else "coder"
    broken = diagnostics.mended(context.signals.get(change["parent_tree"], ()), context.signals.get(change["tree"], ()))
    broken_from = "checks"
    if not broken and asked_as == "fixer" and tasks:
        broken, broken_from = spec[0], "prompt"
    source = Source(
        name, change["commit"], raw.commit.at, clean.prose(spec[0]), spec[1],
        tuple(
            Text(clean.code(path, ""), None if before is None else clean.code(before, path), clean.code(after, path), lines)
            for path, before, after, lines in raw.texts
        ),
        raw.judged.reward, raw.judged.verdict == STANDS, clean.prose(broken), broken_from, asked_as, raw.whole,
        choosing.facts(context.outcomes.get(name, ())),
        {
            **{key: change[key] for key in NAMED}, "difficulty": difficulty, "runs": [run["run_id"] for run in runs],
            "committed_at": datetime.fromtimestamp(raw.commit.at, timezone.utc).isoformat(),
            "lines": {who: change[f"lines_{who}"] for who in ("ai", "human", "unknown")},
        },
    )  # fmt: skip
    found.sources.append(source)
    if "coder" in wanted.roles:
        for row in context.pairs.get(name, ()):
            _pair(row, source, config, may, clean, found)


def _pair(row: Mapping[str, Any], source: Source, config: Config, may: Consent, clean: Cleaner, found: Gathered) -> None:
    prompt, output, chosen = (
        value if isinstance(value, Mapping) else {} for value in (row["prompt"], row["output"], row["chosen"])
    )
    path, agents, persons = str(prompt.get("path") or ""), output.get("text"), chosen.get("text")
    if row["origin"] != "human-improved" or not isinstance(agents, str) or not isinstance(persons, str) or not path:
        return
    why = (
        "private_path" if excluded(path, config.exclude_patterns) else "forgotten_path" if not may.keeps_path(path)
        else "no_answer" if not persons.strip() else "too_long" if max(len(agents), len(persons)) > LONGEST else None
    )  # fmt: skip
    if why:
        found.parts.append(Left(str(row["pair_id"]), source.change, why, "coder"))
    else:
        found.pairs.append(rows.pair(source, clean.code(path, ""), clean.code(agents, path), clean.code(persons, path)))
