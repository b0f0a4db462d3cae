"""What a decision reads of the record, kept where it takes a millisecond: tables of `<common git dir>/hone/state.db`.

    past, past_words  runs that have a reward, and the hashed words of their tasks: bucket -> run, with its weight
    gates             what gates said of attempts
    offered           context that was offered or not, from which every drain works out the lifts

They are a cache of the record, brought up to date by every drain, so that the next choice knows the last commit. One row of `past` for a
run and a change that holds its lines; a row without a change is an attempt that its gates stopped, or a reward given by hand. No text of
a task is kept but the first words of a line, redacted; its other words are hashed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from git_hone.hooks.place import Place
from git_hone.learner.past import Memory, Past
from git_hone.learner.plans import GOOD, STOPPED, Gate, measured
from git_hone.learner.router.features import UNKNOWN, Task, task, words

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    import sqlite3
    from typing import Any, Final

    from git_hone.hooks.batch import Batch
    from git_hone.hooks.state import State
    from git_hone.learner.context import Lifts
    from git_hone.learner.examples import Source


TITLE: Final = 72
MOST_WORDS: Final = 60
"""Words that are kept of a task, the loudest."""
MOST_ASKED: Final = 200
"""Words of a new task that past ones are looked up by, the loudest."""
RECENT: Final = 1000
"""Runs that a decision looks at: with counts that fade by 0.99 a trial, the thousandth weighs 0.00004."""
COMMON: Final = RECENT // 10
"""A word that more of these runs have tells none of them from another, and is not looked up: most of the work would be for such words."""
LEAST_ALIKE: Final = 0.1
"""Below this a past run is about something else."""


def remember(batch: Batch) -> None:
    """Write the rows of every change that this drain touched."""
    from git_hone.hooks import ripening
    from git_hone.learner.examples import LEAST

    state = batch.state
    ripening.note(batch, sorted(batch.touched))
    if state.meta("recalled") is None:
        _from_record(batch)
        state.set_meta("recalled", True)
    for name in sorted(batch.touched):
        row = state.get("changes", name)
        state.db.execute("delete from past where change = ?", (name,))
        if row is None or row["state"] != "live" or row.get("reward") is None or row.get("trust", "own") != "own":
            state.db.execute("delete from examples where change = ?", (name,))
            continue
        state.db.execute("delete from examples where change = ? and ? < ?", (name, row["reward"], LEAST))
        files = [file["path"] for file in row["files"]]
        for run_id in row["run_ids"]:
            run = state.get("runs", run_id)
            if run and run.get("evidence") in ("hook", "api", "capture"):
                _put_run(state, run, files, name, row["reward"])
    for decided in batch.rows.decisions:
        _put_decision(state, decided, decided["recorded_at"].timestamp())
    _put_lifts(state)


def _put_decision(state: State, decided: Mapping[str, Any], at: float) -> None:
    result = decided["result"] or {}
    if result.get("gates"):
        state.db.execute("insert or replace into gates values (?, ?)", (decided["decision_id"], _dumps(result["gates"])))
    reward = result.get("reward", 0.0 if result.get("ended") in STOPPED else None)
    if reward is not None and decided["kind"] in ("model", "prompt"):
        _put_attempt(state, decided, at, reward)
    if decided["kind"] == "context":
        _put_offers(state, decided)


_RUNS: Final = """
SELECT r.run_id, epoch_us(r.started_at) / 1e6 AS started_at, r.task, r.task_kind, r.difficulty, r.decision_id, r.model, r.prompt_variant,
       r.cost_usd, c.change_id, c.reward, c.files
FROM (SELECT *, unnest(run_ids) AS run_id FROM changes
      WHERE state = 'live' AND coalesce(trust, 'own') = 'own' AND reward IS NOT NULL) c JOIN runs r USING (run_id)
WHERE r.evidence IN ('hook', 'api', 'capture') AND r.started_at IS NOT NULL ORDER BY r.started_at DESC LIMIT $n
"""
_DECISIONS: Final = """
SELECT decision_id, kind, chosen, task, task_kind, difficulty, plan, context, result,
       epoch_us(recorded_at) / 1e6 AS at
FROM decisions
WHERE kind = 'context' OR (kind IN ('model', 'prompt') AND result IS NOT NULL) ORDER BY recorded_at DESC LIMIT $n
"""


def _from_record(batch: Batch) -> None:
    """Fill a new state with the newest of what the record holds: the state is a cache, and may be lost."""
    if not any((batch.place.data / "runs").glob("month=*")):
        return
    from git_hone.learner.store import Store

    with Store(batch.place.data).connect() as engine:
        for sql, put in ((_RUNS, _remember_run), (_DECISIONS, _remember_decision)):
            engine.execute(sql, {"n": 10 * RECENT})
            names = [column[0] for column in engine.description or ()]
            for row in reversed(engine.fetchall()):
                put(batch.state, dict(zip(names, row, strict=True)))


def _remember_run(state: State, row: Mapping[str, Any]) -> None:
    files = [file["path"] for file in json.loads(row["files"] or "[]")]
    _put_run(state, row, files, row["change_id"], row["reward"])


def _remember_decision(state: State, row: Mapping[str, Any]) -> None:
    _put_decision(state, {**row, **{name: json.loads(row[name] or "null") for name in ("plan", "context", "result")}}, row["at"])


def _put_run(state: State, run: Mapping[str, Any], files: Iterable[str], change: str, reward: float) -> None:
    text = run.get("task") or ""
    kind = task(text, kind=run.get("task_kind"), difficulty=run.get("difficulty"), files=files)
    _put(state, (run["run_id"], change, round(run["started_at"], 6), reward, run.get("decision_id"), run.get("model"), run.get("prompt_variant"),
                 *kind.path, run.get("cost_usd"), _title(text)), kind)  # fmt: skip


def _put_attempt(state: State, decided: Mapping[str, Any], at: float, reward: float) -> None:
    text = decided.get("task") or ""
    kind = task(text, kind=decided.get("task_kind"), difficulty=decided.get("difficulty"))
    name, plan, chosen = decided["decision_id"], decided.get("plan") or {}, decided["chosen"]
    model, prompt = (chosen, plan.get("prompt")) if decided["kind"] == "model" else (None, chosen)
    _put(state, (name, "", at, reward, name, model, prompt, *kind.path, None, _title(text)), kind)


def _put(state: State, row: tuple[Any, ...], kind: Task) -> None:
    state.db.execute("delete from past where run = ? and change = ?", row[:2])
    names = "run, change, at, reward, decision, model, prompt, kind, difficulty, language, folder, cost, title"
    number = state.db.execute(f"insert into past ({names}) values ({', '.join('?' * 13)})", row).lastrowid  # noqa: S608 - our names
    known = [(bucket, number, round(weight, 3)) for bucket, weight in loudest(words(kind.text), MOST_WORDS)]
    state.db.executemany("insert into past_words values (?, ?, ?)", known)


def loudest(bag: Mapping[int, float], n: int) -> list[tuple[int, float]]:
    """The n heaviest words of a bag, heaviest first."""
    return sorted(bag.items(), key=lambda pair: (-pair[1], pair[0]))[:n]


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _title(text: str) -> str:
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= TITLE else line[: TITLE - 1] + "…"


def _put_offers(state: State, decided: Mapping[str, Any]) -> None:
    plan = decided["decision_id"].removesuffix(".context")
    for one in decided.get("context") or ():
        row = (plan, one["id"], bool(one["included"]), one["propensity"], decided.get("task_kind"))
        state.db.execute("insert or replace into offered values (?, ?, ?, ?, ?)", row)


def _put_lifts(state: State) -> None:
    """What each bundle and item did for the reward of the first attempt, which is what the context was drawn for."""
    rows = state.db.execute(
        "select offered.id, included, propensity, avg(reward), offered.kind from offered join past on past.decision = offered.plan || '.0'"
        " group by offered.plan, offered.id"
    ).fetchall()
    if not rows and state.meta("lifts") is None:
        return
    from git_hone.learner import context

    seen = [context.Shown(name, bool(included), propensity, reward, kind) for name, included, propensity, reward, kind in rows]
    found = {kind or "": {name: list(lift) for name, lift in of.items()} for kind, of in context.measured(seen).items()}
    if found != state.meta("lifts"):
        state.set_meta("lifts", found)


def offered_to(state: State, decision: str | None) -> list[dict[str, Any]] | None:
    """What was offered to the model of an attempt: {"id", "included", "propensity"}, None when nobody chose anything."""
    plan, _, step = (decision or "").rpartition(".")
    if not step.isdecimal():
        return None
    rows = state.db.execute("select id, included, propensity from offered where plan = ? order by rowid", (plan,)).fetchall()
    return [{"id": name, "included": bool(included), "propensity": share} for name, included, share in rows] or None


def recall(place: Place, n: int = RECENT) -> Memory:
    """The last runs with a reward, oldest first: the mean over the changes that hold its lines, of the last `n` rows. Empty where nothing
    is recorded, or the cache cannot be read: deciding must go on. Kept in this process until the state is another."""
    found: Memory = _once(place, n, lambda: _recalled(place, n))
    return found


def _recalled(place: Place, n: int) -> Memory:
    names = "run, change, at, reward, decision, model, prompt, kind, difficulty, language, folder, cost, title"
    rows = _ask(place, f"select {names} from past order by at desc, run, change limit ?", (n,))  # noqa: S608 - our names
    kept = {row[4] for row in rows if row[1] and row[4]}
    kept |= {f"{decision.rpartition('.')[0]}.prompt" for decision in kept}
    by_run: dict[str, list[tuple[Any, ...]]] = {}
    for row in reversed(rows):
        if row[1] or row[0] not in kept:  # what a change says counts, and a word that was given for the same choice no more
            by_run.setdefault(row[0], []).append(row)
    return Memory(_past(of) for of in by_run.values())


def _once(place: Place, key: Any, work: Callable[[], Any]) -> Any:
    """What `work` finds in the state, kept in this process until the state is another."""
    mark = _mark(place)
    if mark is None:
        return work()
    known = _held.get(str(place.hone))
    if known is None or known[0] != mark:
        known = _held[str(place.hone)] = mark, {}
    if key not in known[1]:
        known[1][key] = work()
    return known[1][key]


_held: Final[dict[str, tuple[Any, dict[Any, Any]]]] = {}


def _mark(place: Place) -> tuple[int, bytes] | None:
    """What tells one state of the file from another: SQLite counts its own changes in its head."""
    try:
        with open(place.hone / "state.db", "rb", buffering=0) as file:  # noqa: PTH123 - Path.open costs more
            return os.fstat(file.fileno()).st_ino, file.read(100)[24:28]
    except OSError:
        return None


def _past(rows: Sequence[tuple[Any, ...]]) -> Past:
    """One run, from its rows."""
    _, change, at, reward, decision, model, prompt, *path, cost, title = rows[-1]
    mean = reward if len(rows) == 1 else sum(row[3] for row in rows) / len(rows)
    return Past(at, model or "", prompt, tuple(path), mean, cost, change or None, title, _step(decision))


def _step(decision: str | None) -> int:
    """Attempt k of plan D was decided as "D.k"; 0 for a run that no plan of ours asked for."""
    last = (decision or "").rpartition(".")[2]
    return int(last) if last.isdecimal() else 0


_TELLING: Final = """
with asked(bucket, weight) as (values {words}),
oldest(id) as (select min(id) from (select id from past order by at desc limit {n}))
select bucket, weight, oldest.id from oldest cross join asked
where (select count(*) from (select 1 from past_words where past_words.bucket = asked.bucket and past >= oldest.id limit {common} + 1)) <= {common}
"""
_NEAREST: Final = """
with recent as (select id, run, reward, at, ({alike}) / {known} as alike from past {only} order by at desc limit {n}),
asked(bucket, weight) as (values {words}),
common(id, sum) as (select past, sum(past_words.weight * asked.weight) from asked cross join past_words
                    on past_words.bucket = asked.bucket and past >= {oldest} group by past),
scored as (select id, run, reward, at, (coalesce(sum, 0) + alike) / 2 as score from recent left join common using (id)),
best as (select id, max(score) as score, avg(reward) as mean, at from scored where score > {least} group by run order by score desc, at desc)
select best.score, {columns} from best join past using (id) {join} order by best.score desc, best.at desc limit ?
"""


def nearest(place: Place, asked: Task, k: int = 3) -> list[tuple[float, Past]]:
    """(similarity in 0..1, run) of the k past runs most like this task, as `past.similarity` has it: half for the words in common
    (cosine, of the loudest words without those that are `COMMON`), half for the path."""
    names = "run, change, past.at, mean, decision, model, prompt, kind, difficulty, language, folder, cost, title"
    sql, values = _like(place, asked, names)
    return [(round(score, 4), _past([row])) for score, *row in _ask(place, sql, (*values, k))]


def examples(place: Place, asked: Task, k: int = 12) -> list[Source]:
    """The k changes most like this task that may be shown to a model; `learner.examples.pick` takes the few that are."""
    from git_hone.learner.examples import Source

    names = "past.change, examples.at, examples.reward, examples.prompt, body, words, kind, difficulty, language, folder"
    sql, values = _like(place, asked, names, "where change in (select change from examples)", "join examples using (change)")
    return [
        Source(change, Task(tuple(path), prompt), prompt, reward, at, body, {int(one): weight for one, weight in json.loads(bag).items()})
        for _, change, at, reward, prompt, body, bag, *path in _ask(place, sql, (*values, k))
    ]  # fmt: skip


def _like(place: Place, asked: Task, columns: str, only: str = "", join: str = "") -> tuple[str, list[str]]:
    """The question, and the values of its marks but the last."""
    names = [
        name for name, value in zip(("kind", "difficulty", "language", "folder"), asked.path, strict=False) if value != UNKNOWN
    ]
    path = [value for value in asked.path[:4] if value != UNKNOWN]
    oldest, bag = _telling(place, loudest(words(asked.text), MOST_ASKED))
    sql = _NEAREST.format(words=_values(bag), alike=" + ".join(f"(past.{name} = ?)" for name in names) or "0.0", oldest=oldest,
                          known=f"{max(1, len(names))}.0", columns=columns, only=only, join=join, n=RECENT, least=LEAST_ALIKE)  # fmt: skip
    return sql, path


def _telling(place: Place, bag: Sequence[tuple[int, float]]) -> tuple[int, list[tuple[int, float]]]:
    """(the least id of the last `RECENT` rows, the words of a new task that tell one from another, again of length 1)."""
    rows = _ask(place, _TELLING.format(words=_values(bag), n=RECENT, common=COMMON)) if bag else []
    length = math.sqrt(math.fsum(weight * weight for _, weight, _ in rows))
    return (rows[0][2] or 0 if rows else 0), [(bucket, weight / length) for bucket, weight, _ in rows]


def _values(bag: Iterable[tuple[int, float]]) -> str:
    return ", ".join(f"({bucket}, {weight!r})" for bucket, weight in bag) or "(-1, 0.0)"


def lifts(place: Place) -> Lifts:
    """What context was measured to do, by kind of task, and of all under None; empty where nothing is known."""
    found: Lifts = _once(place, "lifts", lambda: _lifts(place))
    return found


def _lifts(place: Place) -> Lifts:
    from git_hone.learner.context import Lift

    known = next(iter(_ask(place, "select value from meta where key = 'lifts'")), None)
    return {
        kind or None: {name: Lift(*row) for name, row in of.items()}
        for kind, of in json.loads(known[0] if known else "{}").items()
    }


def has_examples(place: Place) -> bool:
    return bool(_once(place, "examples", lambda: _ask(place, "select 1 from examples limit 1")))


def gates(place: Place, kinds: Sequence[str]) -> list[Gate]:
    """What each of these gates has shown here, on top of its prior.

    Nobody knows whether an attempt that was stopped would have been good, so it counts as bad: recall is seen from above, and false
    alarms stay as the prior has them. What a gate let through is judged by the reward that came later.
    """
    found: list[Gate] = _once(place, tuple(kinds), lambda: _gates(place, kinds))
    return found


def _gates(place: Place, kinds: Iterable[str]) -> list[Gate]:
    seen: dict[str, list[tuple[bool, bool]]] = {}
    rows = _ask(
        place,
        "select gates.value, avg(past.reward) from (select * from gates order by rowid desc limit 1000) as gates join past using (decision)"
        " group by decision",
    )
    for passed, reward in rows:
        for kind, ok in json.loads(passed).items():
            seen.setdefault(kind, []).append((reward >= GOOD, not ok))
    return [measured(kind, seen.get(kind, ())) for kind in kinds]


def _ask(place: Place, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """Rows; none where the state cannot be read, or is another version's: deciding must go on."""
    try:
        import _sqlite3 as sqlite  # what sqlite3 is made of, without its dates and times: they take longer to import than a question
    except ImportError:
        import sqlite3 as sqlite  # type: ignore[no-redef]  # the same functions, from another module

    with contextlib.suppress(sqlite.DatabaseError), contextlib.closing(_open(place, sqlite.connect)) as db:
        return db.execute(sql, values).fetchall()
    return []


def _open(place: Place, connect: Callable[..., sqlite3.Connection]) -> sqlite3.Connection:
    name = str(place.hone / "state.db").replace("%", "%25").replace("?", "%3f").replace("#", "%23")  # as_uri() loads urllib
    return connect(f"file:{name}?mode=ro", uri=True, timeout=0.2)
