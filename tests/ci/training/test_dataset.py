"""The rows to train on: which are used, which are not, and what is refused before an hour is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.training import dataset
from git_hone.learner.errors import DataError, UsageError


def row(id_: str, answer: str, **more: Any) -> dict[str, Any]:
    asked = {"role": "user", "content": f"task {id_}"}
    return {
        "id": id_,
        "prompt": [asked],
        "completion": [{"role": "assistant", "content": answer}],
        "role": "coder",
        "label": True,
    } | more


def written(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    return path


def test_rows_of_the_role_are_used_and_the_others_counted(tmp_path: Path) -> None:
    file = written(
        tmp_path / "x.jsonl",
        row("a", "1"),
        row("b", "2"),
        row("c", "3", role="fixer"),
        row("d", "4", label=False),
        row("e", "  "),
    )
    found = dataset.read(file, "coder")
    assert found.ids == ("a", "b")
    assert found.left_out == {"of another role": 1, "rejected": 1, "without an answer": 1}


def test_a_difficulty_is_read_from_what_an_export_writes(tmp_path: Path) -> None:
    easy, hard = ({"provenance": json.dumps({"difficulty": level})} for level in ("easy", "hard"))
    file = written(tmp_path / "x.jsonl", row("a", "1", **easy), row("b", "2", **hard), row("c", "3", **hard), row("d", "4"))
    assert dataset.read(file, "coder", "hard").ids == ("b", "c")


def test_the_digest_is_of_the_lines_that_are_used(tmp_path: Path) -> None:
    one = dataset.read(written(tmp_path / "1.jsonl", row("a", "1"), row("b", "2")), "coder")
    two = dataset.read(written(tmp_path / "2.jsonl", row("a", "1"), row("z", "9", role="judge"), row("b", "2")), "coder")
    other = dataset.read(written(tmp_path / "3.jsonl", row("a", "1"), row("b", "3")), "coder")
    assert one.sha256 == two.sha256 != other.sha256
    assert one.manifest_sha256 is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "x.jsonl:1: not JSON"),
        ("[1]", "no id"),
        (json.dumps(row("a", "1") | {"prompt": "text"}), "prompt of a is not a list of turns"),
        (json.dumps(row("a", "1") | {"completion": [{"role": "robot", "content": "x"}]}), "completion of a"),
        ("\n".join(json.dumps(row("a", str(n))) for n in range(2)), "'a' stands twice"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        dataset.read(file, "coder")


def test_an_empty_and_a_one_sided_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is empty"):
        dataset.read(written(tmp_path / "empty.jsonl"), "coder")
    with pytest.raises(UsageError, match="2 rejected"):
        dataset.read(written(tmp_path / "bad.jsonl", row("a", "1", label=0), row("b", "2", label=0)), "coder")
    with pytest.raises(UsageError, match="one-sided: 3 of 3"):
        dataset.read(written(tmp_path / "same.jsonl", *(row(id_, "the same\n answer") for id_ in "abc")), "coder")


def test_a_judge_that_always_says_the_same_is_one_sided_whatever_its_reasons(tmp_path: Path) -> None:
    def verdict(id_: str, said: str) -> dict[str, Any]:
        return row(id_, json.dumps({"verdict": said, "because": f"reason {id_}"}), role="judge")

    with pytest.raises(UsageError, match="one-sided: 3 of 3"):
        dataset.read(written(tmp_path / "same.jsonl", *(verdict(id_, "accept") for id_ in "abc")), "judge")
    both = written(tmp_path / "both.jsonl", verdict("a", "accept"), verdict("b", "revise"), verdict("c", "accept"))
    assert len(dataset.read(both, "judge").rows) == 3


def test_the_newest_export_is_found(tmp_path: Path) -> None:
    old = written(tmp_path / "sft" / "coder_sft.jsonl", row("a", "1"))
    assert dataset.find(tmp_path, "coder", None) == old
    new = written(tmp_path / "sft" / "20261121-x" / "coder_sft.train.jsonl", row("b", "2"), row("c", "3"))
    (new.parent / "manifest.json").write_text("{}")
    (tmp_path / "last-export-coder.txt").write_text("20261121-x\n")
    assert dataset.find(tmp_path, "coder", None) == new
    assert dataset.read(new, "coder").manifest_sha256 is not None
    assert dataset.find(tmp_path, "coder", new.parent) == dataset.find(tmp_path, "coder", new) == new
    (tmp_path / "last-export-coder.txt").write_text("../../elsewhere\n")
    assert dataset.find(tmp_path, "coder", None) == old
    with pytest.raises(UsageError, match="no examples"):
        dataset.find(tmp_path, "judge", None)
