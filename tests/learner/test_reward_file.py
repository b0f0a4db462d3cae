"""The file of the fitted reward: what was written is read, and whatever else stands there means the written prior and one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.learner import reward_file
from git_hone.learner.fitted import Counts, Verdict
from git_hone.learner.model import PRIOR_MODEL, Model

NOW = 1_767_225_600.0
FITTED = Model({**PRIOR_MODEL.coefficients, "lint_new": -0.123456789012345})


def saved(tmp_path: Path, adopted: bool = True) -> Path:
    path = tmp_path / reward_file.NAME
    reward_file.save(path, Verdict(adopted, "because", Counts(250, 3, 1, 100, 75), FITTED), NOW)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path)
    kept = reward_file.load(path)
    assert kept == reward_file.Kept(FITTED, None, 250, NOW)
    assert kept.model is not None and kept.model.version == FITTED.version
    told = json.loads(path.read_text())
    assert told["coefficients"]["lint_new"] == {"prior": -0.1, "scale": 0.2, "fitted": -0.123456789012345}
    assert [file.name for file in tmp_path.iterdir()] == [reward_file.NAME]


def test_a_refused_model_is_not_used(tmp_path: Path) -> None:
    assert reward_file.load(saved(tmp_path, adopted=False)) == reward_file.Kept(None, None, 250, NOW)


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    assert reward_file.load(tmp_path / "none") == reward_file.Kept()


def edited(change: Callable[[dict[str, Any]], object], mend_sum: bool = False) -> Callable[[bytes], bytes]:
    def edit(raw: bytes) -> bytes:
        data = json.loads(raw)
        change(data)
        if mend_sum:
            data.pop("sha256")
            data["sha256"] = reward_file._sum(data)
        return json.dumps(data).encode()

    return edit


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: b"", "damaged"),
        (lambda raw: raw[: len(raw) // 2], "damaged"),
        (lambda raw: b"\xff\xfe" + raw, "damaged"),
        (lambda raw: b"[" * 100_000, "damaged"),
        (lambda raw: b"[]", "damaged"),
        (lambda raw: raw + b" " * (1 << 20), "damaged"),
        (lambda raw: raw.replace(b"-0.123456789012345", b"-9.0"), "edited"),
        (lambda raw: raw.replace(b"-0.123456789012345", b"NaN"), "damaged"),
        (edited(lambda data: data.pop("sha256")), "edited"),
        (edited(lambda data: data.pop("coefficients")), "edited"),
        (edited(lambda data: data.pop("coefficients"), mend_sum=True), "damaged"),
        (edited(lambda data: data["coefficients"].pop("base"), mend_sum=True), "another version"),
        (edited(lambda data: data["coefficients"]["base"].update(fitted="1e999"), mend_sum=True), "another version"),
        (edited(lambda data: data.update(fitted_at=7), mend_sum=True), "damaged"),
        (edited(lambda data: data.update(version=2)), "newer git-hone"),
    ],
)
def test_anything_else_means_the_prior_and_one_line(tmp_path: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    path = saved(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    kept = reward_file.load(path)
    assert kept.model is None and kept.problem is not None
    assert str(path) in kept.problem and words in kept.problem and "next:" in kept.problem and "\n" not in kept.problem
    assert kept.newer == ("newer" in words)


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / reward_file.NAME).mkdir()
    assert "cannot be read" in (reward_file.load(tmp_path / reward_file.NAME).problem or "")
