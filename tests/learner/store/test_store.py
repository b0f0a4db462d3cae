from __future__ import annotations

import json
import random
import resource
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.learner.errors import DataError
from git_hone.learner.store import Store
from git_hone.learner.store.columns import columns_of
from git_hone.learner.tables import TABLES

Row = dict[str, Any]
START = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1), timezones=ZONES)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner | TEXT | st.none(), max_size=3) | st.dictionaries(TEXT, inner | TEXT | st.none(), max_size=3),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "ts": TIMES,
    "strs": st.lists(TEXT, max_size=3),
    "json": JSON,
}


@st.composite
def rows_of(draw: st.DrawFn, name: str, max_size: int = 6) -> list[Row]:
    """Rows with distinct record ids, few keys, and nulls anywhere else."""
    table = TABLES[name]
    rows = []
    for number in range(draw(st.integers(1, max_size))):
        row = {c: draw(st.none() | VALUES[kind]) for c, kind in columns_of(table).items()}
        row |= {c: draw(st.sampled_from("kl")) for c in table.key}
        rows.append(row | {"record_id": f"id{number}", "recorded_at": draw(TIMES)})
    return rows


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_value_comes_back_as_it_went_in(name: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(name))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "agent" / "data")
        store.append(name, rows)
        want = sorted(rows, key=lambda row: (row["recorded_at"], row["record_id"]))
        assert store.history(name) == [{c: row[c] for c in columns_of(TABLES[name])} for row in want]


@settings(max_examples=15, deadline=None)
@given(rows=rows_of("changes", 8), seed=st.integers(), data=st.data())
def test_order_pieces_and_repetition_of_appends_do_not_matter(rows: list[Row], seed: int, data: st.DataObject) -> None:
    shuffled = rows.copy()
    random.Random(seed).shuffle(shuffled)
    cut = data.draw(st.integers(0, len(rows)))
    with tempfile.TemporaryDirectory() as folder:
        one, other = Store(Path(folder) / "1" / "agent" / "data"), Store(Path(folder) / "2" / "agent" / "data")
        one.append("changes", rows)
        for piece in (shuffled[:cut], shuffled[cut:], shuffled[cut:], shuffled[:1]):
            other.append("changes", piece)
        assert one.history("changes") == other.history("changes")
        assert one.rows("changes") == other.rows("changes") == newest(rows)
        other.compact(min_files=2)
        assert one.history("changes") == other.history("changes")
        assert one.rows("changes") == other.rows("changes")


def newest(rows: list[Row]) -> list[Row]:
    """The independent answer: the newest row of each change, by sorting."""
    last = {row["change_id"]: row for row in sorted(rows, key=lambda row: (row["recorded_at"], row["record_id"]))}
    return sorted(last.values(), key=lambda row: (row["recorded_at"], row["record_id"]))


def test_the_same_rows_give_the_same_file(store: Store, run_row: Callable[..., Row]) -> None:
    rows = [run_row(n) for n in range(5)]
    [path] = store.append("runs", rows)
    content = path.read_bytes()
    assert store.append("runs", rows[::-1]) == [path]
    assert path.read_bytes() == content
    assert store.count_segments() == store.count_segments("runs") == 1


def test_the_newest_row_wins_and_older_ones_stay_in_history(store: Store, change_row: Callable[..., Row]) -> None:
    store.append("changes", [change_row(2, change_id="c", reward=0.9), change_row(1, change_id="c", reward=0.1)])
    store.append("changes", [change_row(3, change_id="c", recorded_at=START + timedelta(minutes=2), reward=0.5)])
    assert [row["reward"] for row in store.rows("changes")] == [0.5], "same time: the greater record id"
    assert [row["reward"] for row in store.history("changes")] == [0.1, 0.9, 0.5]


def test_signals_of_two_tools_without_a_name_are_one_key(store: Store) -> None:
    row = {"tree": "t", "kind": "lint", "errors": 1}
    store.append("signals", [row | {"record_id": "a", "recorded_at": START}])
    store.append("signals", [row | {"record_id": "b", "recorded_at": START + timedelta(1), "errors": 2}])
    assert [each["errors"] for each in store.rows("signals", where={"tree": "t"})] == [2]


def test_month_is_the_utc_month(store: Store, change_row: Callable[..., Row]) -> None:
    first_of_april_in_kiritimati = datetime(2026, 4, 1, 3, tzinfo=timezone(timedelta(hours=14)))
    [path] = store.append("changes", [change_row(1, committed_at=first_of_april_in_kiritimati)])
    assert path.parent.name == "month=2026-03"
    [row] = store.rows("changes")
    assert row["committed_at"] == first_of_april_in_kiritimati
    assert row["committed_at"].tzinfo is timezone.utc


def test_a_row_without_its_month_column_goes_by_recorded_at(store: Store, change_row: Callable[..., Row]) -> None:
    [path] = store.append("changes", [change_row(1, committed_at=None)])
    assert path.parent.name == "month=2026-03"
    assert len(store.rows("changes", since=START)) == 1


def test_where_filters_the_newest_rows_only(store: Store, change_row: Callable[..., Row]) -> None:
    store.append("changes", [change_row(1, change_id="c", state="live"), change_row(2, change_id="c", state="dropped")])
    store.append("changes", [change_row(3, state="live", files={"b": 1, "a": 2}, replaces=["x"])])
    assert [row["change_id"] for row in store.rows("changes", where={"state": "live"})] == ["c3"]
    assert len(store.history("changes", where={"state": "live"})) == 2
    assert len(store.rows("changes", where={"agent": None})) == 2
    for where in ({"files": {"a": 2, "b": 1}}, {"replaces": ["x"]}, {"committed_at": START + timedelta(minutes=3)}):
        assert [row["change_id"] for row in store.rows("changes", where=where)] == ["c3"]
    assert store.rows("changes", where={"change_id": "c", "state": "live"}) == []


def test_since_leaves_out_earlier_rows(store: Store, run_row: Callable[..., Row]) -> None:
    store.append("runs", [run_row(0), run_row(5), run_row(60 * 24 * 40)])
    assert [row["run_id"] for row in store.rows("runs", since=START + timedelta(minutes=5))] == ["r5", "r57600"]
    assert [row["run_id"] for row in store.history("runs", since=START + timedelta(days=39))] == ["r57600"]


def test_since_does_not_bring_a_row_back_that_moved_to_an_earlier_month(store: Store, change_row: Callable[..., Row]) -> None:
    old = START - timedelta(days=60)
    store.append("changes", [change_row(1, change_id="c"), change_row(2, change_id="d")])
    store.append("changes", [change_row(3, change_id="c", committed_at=old)])
    assert [row["change_id"] for row in store.rows("changes", since=START)] == ["d"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"colour": 1}, "row 0: unknown column 'colour'"),
        ({"tokens_in": "7"}, "row 0, column tokens_in: '7' is not a int"),
        ({"tokens_in": True}, "column tokens_in"),
        ({"tokens_in": 2**63}, "column tokens_in"),
        ({"cost_usd": float("nan")}, "column cost_usd: nan is not a float"),
        ({"cost_usd": "1"}, "column cost_usd"),
        ({"agent": 3}, "column agent"),
        ({"started_at": datetime(2026, 1, 1)}, "column started_at"),
        ({"started_at": "2026-01-01"}, "column started_at"),
        ({"edits": "not JSON"}, "column edits"),
        ({"edits": [float("inf")]}, "column edits"),
        ({"edits": {1, 2}}, "column edits"),
        ({"record_id": None}, "column record_id: is missing"),
        ({"recorded_at": None}, "column recorded_at: is missing"),
        ({"run_id": None}, "column run_id: is missing"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(store: Store, run_row: Callable[..., Row], row: Row, words: str) -> None:
    with pytest.raises(DataError) as caught:
        store.append("runs", [run_row(1, **row)])
    assert "runs" in str(caught.value)
    assert words in str(caught.value)
    assert not store.root.exists(), "nothing was written"


def test_unknown_tables_columns_and_naive_times_are_refused(store: Store) -> None:
    with pytest.raises(DataError, match="cakes: no such table"):
        store.append("cakes", [])
    with pytest.raises(DataError, match="no such table"):
        store.rows("cakes")
    with pytest.raises(DataError, match="unknown column"):
        store.rows("runs", where={"colour": 1})
    with pytest.raises(DataError, match="does not fit"):
        store.rows("runs", where={"tokens_in": "many"})
    with pytest.raises(DataError, match="time zone"):
        store.rows("runs", since=datetime(2026, 1, 1))


def test_bytes_that_are_not_text_do_not_stop_a_record(store: Store, run_row: Callable[..., Row]) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    store.append("runs", [run_row(1, agent=name, edits=[{"path": name}])])
    [row] = store.rows("runs")
    assert row["edits"][0]["path"] == name
    assert row["agent"] == "caf\\udce9"


def test_json_is_taken_as_text_and_as_a_value(store: Store, run_row: Callable[..., Row]) -> None:
    edits = ['{"b": 1, "a": [ null ]}', {"b": 1, "a": [None]}, "null"]
    store.append("runs", [run_row(number, edits=each) for number, each in enumerate(edits)])
    assert [row["edits"] for row in store.rows("runs")] == [{"a": [None], "b": 1}] * 2 + [None]
    assert store.connect().execute("SELECT DISTINCT edits FROM runs ORDER BY edits").fetchall() == [
        ('{"a":[null],"b":1}',),
        (None,),
    ]


def test_an_empty_store_reads_as_empty_and_is_not_made(store: Store) -> None:
    assert store.append("runs", []) == []
    assert store.rows("runs") == store.history("changes") == store.check(repair=True) == []
    assert store.count_segments() == 0
    assert store.compact().merged == 0
    store.connect()
    assert not store.root.exists()


def test_a_store_that_cannot_be_written_to_is_read(store: Store, run_row: Callable[..., Row]) -> None:
    store.append("runs", [run_row(1)])
    for name in (".verified.json", ".readers.lock"):  # a folder in the way: a superuser may write to a read-only one
        (store.root / name).unlink(missing_ok=True)
        (store.root / name).mkdir()
    assert len(Store(store.root).rows("runs")) == 1
    assert Store(store.root).connect().execute("SELECT count(*) FROM runs").fetchall() == [(1,)]


def test_a_full_or_forbidden_disk_is_a_clear_error_and_leaves_nothing(store: Store, run_row: Callable[..., Row]) -> None:
    store.root.parent.mkdir(parents=True)
    store.root.write_text("a file in the way")
    with pytest.raises(DataError, match="data"):
        store.append("runs", [run_row(1)])
    assert store.root.read_text() == "a file in the way"


def test_a_disk_that_fills_up_leaves_no_half_segment(store: Store, run_row: Callable[..., Row]) -> None:
    store.append("runs", [run_row(1)])
    before = sorted(store.root.rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the kernel refuses the rest of the file, as on a full disk
    try:
        with pytest.raises(DataError) as caught:
            store.append("runs", [run_row(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.tip == "nothing was written; free space or fix the rights"
    assert sorted(store.root.rglob("*")) == before
    assert len(store.rows("runs")) == 1


@pytest.mark.parametrize("folder", [string.punctuation.replace("/", ""), "Ünïcode 日本", "a b\tc\nd", "[x]*?"])
def test_any_folder_name_will_do(tmp_path: Path, run_row: Callable[..., Row], folder: str) -> None:
    store = Store(tmp_path / folder / "data")
    store.append("runs", [run_row(1)])
    store.append("runs", [run_row(2)])
    assert len(store.rows("runs")) == 2
    assert store.connect().execute("SELECT count(*) FROM runs_events").fetchall() == [(2,)]
    assert store.compact(2).written == 1


def test_links_that_lead_outside_are_refused(tmp_path: Path, run_row: Callable[..., Row]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "a" / ".agent").mkdir(parents=True)
    (tmp_path / "a" / ".agent" / "data").symlink_to(elsewhere)
    with pytest.raises(DataError, match="symbolic link"):
        Store(tmp_path / "a" / ".agent" / "data")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / ".agent").symlink_to(elsewhere)
    with pytest.raises(DataError, match="symbolic link"):
        Store(tmp_path / "b" / ".agent" / "data")
    for link in ("runs", "runs/month=2026-03"):
        root = tmp_path / link.replace("/", "-") / ".agent" / "data"
        (root / link).parent.mkdir(parents=True)
        (root / link).symlink_to(elsewhere)
        store = Store(root)
        for act in (lambda s=store: s.append("runs", [run_row(1)]), lambda s=store: s.rows("runs"), store.connect, store.compact):
            with pytest.raises(DataError, match="symbolic link"):
                act()
    assert list(elsewhere.iterdir()) == []


def test_importing_the_store_is_light() -> None:
    code = "import sys, git_hone.learner.store; sys.exit(bool({'pyarrow', 'duckdb', 'numpy', 'sqlite3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_was_just_written_is_known_as_reading_it_would_tell(
    store: Store, run_row: Callable[..., Row], change_row: Callable[..., Row]
) -> None:
    store.append("runs", [run_row(n) for n in (3, 1, 2)])
    store.append("changes", [change_row(1)])
    written = json.loads((store.root / ".verified.json").read_text())["files"]
    (store.root / ".verified.json").unlink()
    assert Store(store.root).check() == [] and Store(store.root).count_segments() == 2
    read = json.loads((store.root / ".verified.json").read_text())["files"]
    assert len(written) == 2
    assert {name: held | {"at": 0} for name, held in written.items()} == {name: held | {"at": 0} for name, held in read.items()}


def test_a_crowded_month_shows_without_a_look_into_its_files(store: Store, run_row: Callable[..., Row]) -> None:
    assert not store.is_crowded(1)
    for n in range(3):
        store.append("runs", [run_row(n)])
        store.append("changes", [])
    assert store.is_crowded(3) and not store.is_crowded(4)
    store.compact(3)
    assert not store.is_crowded(2)


def test_recording_leaves_numpy_out_and_lets_it_in_afterwards(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import datetime, timezone; from pathlib import Path\n"
        "from git_hone.learner.store import Store; from git_hone.learner.store.lean import without_heavy\n"
        "row = {'record_id': 'r', 'run_id': 'r', 'started_at': datetime.now(timezone.utc), 'recorded_at': datetime.now(timezone.utc)}\n"
        "with without_heavy(): Store(Path(sys.argv[1])).append('runs', [row])\n"
        "assert 'pyarrow' in sys.modules and not {'numpy', 'cloudpickle'} & set(sys.modules)\n"
        "import numpy; assert numpy.arange(3).sum() == 3\n"
        "assert len(Store(Path(sys.argv[1])).rows('runs')) == 1"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / ".agent" / "data")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_reading_with_a_warm_cache_needs_no_pyarrow(store: Store, run_row: Callable[..., Row]) -> None:
    store.append("runs", [run_row(1)])
    store.rows("runs")
    code = (
        "import sys; from pathlib import Path; from git_hone.learner.store import Store\n"
        "assert len(Store(Path(sys.argv[1])).rows('runs')) == 1\n"
        "sys.exit('pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(store.root)], check=False).returncode == 0


def test_views_have_the_same_types_empty_and_filled(store: Store, change_row: Callable[..., Row]) -> None:
    empty = store.connect().execute("DESCRIBE changes").fetchall()
    store.append("changes", [change_row(1)])
    engine = store.connect()
    assert engine.execute("DESCRIBE changes").fetchall() == engine.execute("DESCRIBE changes_events").fetchall() == empty
    assert {kind for name, kind, *_ in empty if name.endswith("_at")} == {"TIMESTAMP WITH TIME ZONE"}
    assert engine.execute("SELECT epoch_us(committed_at), strftime(committed_at, '%H:%M') FROM changes").fetchall() == [
        (int(change_row(1)["committed_at"].timestamp() * 1e6), "12:01")
    ]
