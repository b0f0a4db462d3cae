"""From rows in the record to a fitted reward in `show`: nothing between is a stand-in."""

from __future__ import annotations

import json
import os
import random
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import main
from git_hone.hooks import fitting, worker
from git_hone.hooks.drain import drain
from git_hone.learner import histories, reward_file
from git_hone.learner.config import DEFAULTS, Config
from git_hone.learner.evidence import flag_key
from git_hone.learner.store import Store

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
CONFIG = Config(DEFAULTS)


def lived(store: Store, n: int = 600, *, seed: int = 0, flip: bool = False) -> None:
    """n changes over 150 days: one with new lint findings is kept in one case of ten, a clean one in nine of ten (with `flip` the
    other way round in the newer third); half of the bad ones are reworked by a corrective change, half lose their lines."""
    chance = random.Random(seed)
    changes: list[dict[str, Any]] = []
    signals: list[dict[str, Any]] = []
    outcomes: list[dict[str, Any]] = []
    for i in range(n):
        at = START + timedelta(days=150 * i / n)
        dirty = chance.random() < 0.5
        good = (chance.random() < 0.9) != (dirty != (flip and i > 0.7 * n))
        lost = not good and chance.random() < 0.5
        changes.append(
            {"record_id": f"c{i}", "recorded_at": at, "change_id": f"X{i}", "commit": f"{i:040x}", "tree": f"t{i}",
             "parent_tree": f"p{i}", "committed_at": at, "state": "live", "agent": "codex", "lines_ai": 50, "lines_human": 0,
             "lines_unknown": 0, "lines_written": 50}
        )  # fmt: skip
        signals += [
            {"record_id": f"g{tree}{i}", "recorded_at": at, "tree": f"{tree}{i}", "kind": "lint", "tool": "ruff",
             "passed": errors == 0, "errors": errors} for tree, errors in (("t", 5 if dirty else 0), ("p", 0))
        ]  # fmt: skip
        outcomes += [
            {"record_id": f"s{i}.{day}", "recorded_at": at, "change_id": f"X{i}", "at": at + timedelta(days=day), "kind": "survived",
             "value": 0.3 if lost and day > 7 else 1.0, "detail": {"age_days": day, "alive": 15 if lost else 50, "of": 50}}
            for day in (1, 7, 14, 30)
        ]  # fmt: skip
        if not good and not lost:
            outcomes.append({"record_id": f"w{i}", "recorded_at": at, "change_id": f"X{i}", "at": at + timedelta(days=5),
                             "kind": "reworked", "detail": {"corrective": True, "lines": 9, "by": f"X{i + 1}", "delay_s": 1}})  # fmt: skip
    for table, rows in (("changes", changes), ("signals", signals), ("outcomes", outcomes)):
        store.append(table, rows)


@pytest.fixture
def p(p: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A repository with one agent's commit, the test's process in it, and no worker that would fit on its own."""
    monkeypatch.chdir(p.repo)
    p.quiet()
    (p.place.hone / "last-fit").write_bytes(b"")
    p.turn("src/new.py", "new")
    p.commit("new")
    drain(p.place)
    return p


def said(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[Any, str]:
    capsys.readouterr()
    assert main([*args, "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def touched(capsys: pytest.CaptureFixture[str]) -> Any:
    """The reward of HEAD after a clean lint report of its tree came in."""
    said(capsys, "signal", "--kind", "lint", "--tool", "ruff", "--exit-code", "0", "--tree", "HEAD")
    return said(capsys, "show")[0]["reward"]


def test_examples_come_out_of_the_record(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    lived(store, 100)
    known, censored = histories.examples(store)
    assert (len(known), censored) == (100, 0)
    assert 0.4 < sum(one.kept for one in known) / 100 < 0.6
    assert {one.features is not None and "lint_new" in one.features for one in known} == {True, False}
    store.append("changes", [{"record_id": "y", "recorded_at": START, "change_id": "Y", "committed_at": START + timedelta(days=175),
                              "state": "live", "agent": "codex", "lines_ai": 3, "lines_written": 3}])  # fmt: skip
    assert histories.examples(store)[1] == 1


def test_tampering_is_a_veto_of_the_day_until_a_person_clears_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    lived(store, 3)
    flag = {"kind": "test_skipped", "path": "a.py", "line": 1, "detail": "x", "by": "agent"}
    rows = store.rows("changes")
    store.append("changes", [row | {"record_id": f"{row['record_id']}f", "flags": [flag]} for row in rows[:2]])
    assert [one.veto for one in histories.examples(store)[0]] == [True, True, False]
    store.append("outcomes", [{"record_id": "k", "recorded_at": START, "change_id": "X0", "at": START, "kind": "cleared",
                               "detail": {"flags": [flag_key(flag)]}}])  # fmt: skip
    assert [one.veto for one in histories.examples(store)[0]] == [False, True, False]


def test_rows_become_a_model_that_show_names(p: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = touched(capsys)
    assert "fitted" not in before["terms"] and before["mode"] == "hone"
    lived(Store(p.place.data))
    told, _ = said(capsys, "stats", "--calibration")
    assert (told["adopted"], told["in_use"], told["matured"]) == (True, "hone", 600)
    assert not (p.place.agent / reward_file.NAME).exists(), "asking changes nothing"
    told, _ = said(capsys, "stats", "--calibration", "--fit")
    assert told["in_use"] == "fitted"
    assert said(capsys, "show")[0]["reward"] == before, "an old row stays as it is until its change is touched"
    reward = touched(capsys)
    term = reward["terms"]["fitted"]
    assert term["model"] == told["model"] == reward_file.load(p.place.agent / reward_file.NAME).model.version
    assert term["weight"] > 0 and reward["terms"]["lint"]["weight"] == 0 and reward["terms"]["lint"]["prior_weight"] > 0
    assert reward["value"] == pytest.approx(term["value"])
    assert p.git("status", "--porcelain", "--", ".agent") == "", "the file is local"


def test_a_damaged_file_is_said_and_the_prior_stands_in(p: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lived(Store(p.place.data))
    said(capsys, "stats", "--calibration", "--fit")
    file = p.place.agent / reward_file.NAME
    file.write_text(file.read_text().replace('"matured": 600', '"matured": 601'))
    assert "fitted" not in touched(capsys)["terms"]
    assert "edited since" in said(capsys, "status")[0]["last_drain"]["error"]
    told, err = said(capsys, "stats", "--calibration")
    assert told["in_use"] == "hone" and err.count("\n") == 1 and "reward.json: edited since" in err


def test_a_relation_that_flipped_is_refused_and_said(p: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lived(Store(p.place.data), flip=True)
    assert main(["stats", "--calibration", "--fit"]) == 0
    out = capsys.readouterr().out
    assert "in use: written prior (hone)" in out and "is not to be used: out of time it is not better" in out
    assert "fitted" not in touched(capsys)["terms"]


def test_the_worker_fits_once_a_day_and_only_when_there_is_more_to_learn(p: Any) -> None:
    file, mark, now = p.place.agent / reward_file.NAME, p.place.hone / "last-fit", time.time()
    mark.unlink(missing_ok=True)
    assert worker.main([str(p.place.hone)]) == 0
    assert mark.exists() and not file.exists(), "too few to fit"
    lived(Store(p.place.data))
    assert not fitting.fit_when_due(p.place, CONFIG, now), "looked already today"
    yesterday = now - 2 * 86_400
    os.utime(mark, (yesterday, yesterday))
    assert fitting.fit_when_due(p.place, CONFIG, now) and reward_file.load(file).matured == 600
    os.utime(mark, (yesterday, yesterday))
    assert not fitting.fit_when_due(p.place, CONFIG, now), "nothing new"
    file.write_text("{")
    os.utime(mark, (yesterday, yesterday))
    assert fitting.fit_when_due(p.place, CONFIG, now) and reward_file.load(file).model is not None
    newer = json.dumps({"version": 2})
    file.write_text(newer)
    os.utime(mark, (yesterday, yesterday))
    assert not fitting.fit_when_due(p.place, CONFIG, now) and file.read_text() == newer
