"""The way from an adapter's weights back to the changes it learned from."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_hone.learner import lineage
from git_hone.learner.errors import DataError
from git_hone.learner.lineage import Lineage, row_id


def made(name: str, *changes: str) -> Lineage:
    rows = tuple(row_id(change, "coder", f"{name} {change}") for change in changes)
    return Lineage(name, "coder", "ab" * 32, rows, "20260101T000000Z-ab", "smol", None, {"seed": 1})


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    of = made("one", "cb", "ca")
    file = lineage.write(tmp_path, of)
    assert lineage.read(file) == Lineage(**{**vars(of), "rows": tuple(sorted(of.rows))})
    assert of.changes() == {"ca", "cb"}
    assert [path.name for path in tmp_path.iterdir()] == [lineage.FILE]


def test_adapters_are_named_by_the_changes_they_learned_from(tmp_path: Path) -> None:
    for name, changes in (("one", ("ca", "cb")), ("two", ("cc",))):
        (tmp_path / name).mkdir()
        lineage.write(tmp_path / name, made(name, *changes))
    (tmp_path / "one" / "lineage.backup.json").write_bytes((tmp_path / "two" / lineage.FILE).read_bytes())
    known, problems = lineage.adapters(tmp_path)
    assert not problems
    named = lineage.learned_from(known, {"cc", "cz"})
    assert [(file.parent.name, file.name, met) for file, _, met in named] == [
        ("one", "lineage.backup.json", ["cc"]), ("two", lineage.FILE, ["cc"]),
    ]  # fmt: skip
    assert lineage.learned_from(known, set()) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "rows": []}', '{"version": 1, "rows": [1]}', "\udcff"])
def test_a_damaged_file_is_named_and_hides_no_other(tmp_path: Path, text: str) -> None:
    lineage.write(tmp_path, made("one", "ca"))
    bad = tmp_path / "lineage.old.json"
    bad.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"lineage\.old\.json"):
        lineage.read(bad)
    known, (problem,) = lineage.adapters(tmp_path)
    assert [of.adapter for _, of in known] == ["one"]
    assert str(bad) in problem


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        lineage.write(tmp_path / "gone", made("one", "ca"))
