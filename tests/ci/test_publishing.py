"""Exports on disk beside each other: which stay, which go, and which of them training takes for the newest."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import publishing
from git_hone.ci.exporting import Options, export
from git_hone.ci.training import dataset
from git_hone.cli import main
from git_hone.learner import lineage
from git_hone.learner.lineage import Lineage

_spec = importlib.util.spec_from_file_location("hone_played_publishing", Path(__file__).with_name("played.py"))
assert _spec and _spec.loader
played = importlib.util.module_from_spec(_spec)
sys.modules["hone_played_publishing"] = played
_spec.loader.exec_module(played)


@pytest.fixture
def made(tmp_path: Path, home: Path) -> Any:
    """A repository without changes yet."""
    return played.History(tmp_path / "repo", home)


def old_exports(h: Any, n: int) -> list[str]:
    """n older exports, as far as pruning looks at them."""
    names = [f"2024010{k}T000000Z-{k:08x}" for k in range(1, n + 1)]
    for name in names:
        folder = h.place.agent / "sft" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"name": name}))
        (folder / "coder_sft.train.jsonl").write_text("{}\n")
    return names


def there(h: Any) -> set[str]:
    return {one.name for one in (h.place.agent / "sft").iterdir() if one.is_dir()}


def test_old_exports_go_but_not_what_an_adapter_learned_from(
    made: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    h = made
    h.weeks(3)
    (h.place.agent / "learning-config.json").write_text(json.dumps({"version": 1, "autoExport": {"keep": 2}}))
    names = old_exports(h, 6)
    digest = hashlib.sha256((h.place.agent / "sft" / names[0] / "manifest.json").read_bytes()).hexdigest()
    for adapter, sha256, named in (("by-hash", digest, ""), ("by-name", "0" * 64, names[1])):
        (h.place.agent / "lora" / adapter).mkdir(parents=True)
        lineage.write(h.place.agent / "lora" / adapter, Lineage(adapter, "coder", sha256, ("c-coder-1",), named))
    (h.place.agent / "last-export-judge.txt").write_text(f"{names[2]}\n")
    others = [h.place.agent / "sft" / name for name in ("mine", "20240101T000000Z-ffffffff")]
    for other in others:  # not called as an export is; without a manifest
        other.mkdir()
    (h.place.agent / "sft" / "20230101T000000Z-00000000").symlink_to(h.place.agent / "sft" / names[5])
    monkeypatch.chdir(h.repo)
    assert main(["export", "--role", "coder", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pruned"] == [names[3], names[4]]
    assert there(h) == {
        *names[:3],
        names[5],
        Path(told["folder"]).name,
        *(other.name for other in others),
        "20230101T000000Z-00000000",
    }
    assert main(["export", "--role", "coder"]) == 0
    assert "removed" not in capsys.readouterr().out


@pytest.mark.parametrize(("keep", "lineages"), [(0, ""), (1, "no json")])
def test_old_exports_stay_when_asked_to_and_when_it_is_not_known_who_learned_from_them(
    made: Any, keep: int, lineages: str
) -> None:
    h = made
    h.weeks(3)
    (h.place.agent / "learning-config.json").write_text(json.dumps({"version": 1, "autoExport": {"keep": keep}}))
    names = old_exports(h, 3)
    if lineages:
        (h.place.agent / "lora" / "broken").mkdir(parents=True)
        (h.place.agent / "lora" / "broken" / lineage.FILE).write_text(lineages)
    done = export(h.place, Options())
    assert done.pruned == [] and set(names) <= there(h)
    assert any("no older export was removed" in note for note in done.notes) == bool(lineages)


def test_one_difficulty_is_not_what_training_takes_for_the_newest_export(made: Any) -> None:
    place = made.place
    publishing.publish(place.agent / "sft/all", {"coder_sft.train.jsonl": b"all"})
    publishing.stamp(place, "all", {"coder_sft.train.jsonl": b"all"}, ("coder", "judge"))
    publishing.stamp(place, "hard", {"coder_hard_sft.train.jsonl": b"hard"}, ("coder",), "_hard")
    assert (place.agent / "last-export-coder.txt").read_text() == "all\n"
    assert not (place.agent / "last-export-judge.txt").exists()
    assert dataset.find(place.agent, "coder", None) == place.agent / "sft/all/coder_sft.train.jsonl"
    assert (place.agent / "sft/coder_sft.jsonl").read_bytes() == b"all"
    assert (place.agent / "sft/coder_hard_sft.jsonl").read_bytes() == b"hard"
