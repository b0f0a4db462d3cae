"""Choosing, rows, the suite, formats: the pure half of an export."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.learner.dataset import chat, choosing, formats
from git_hone.learner.dataset.assemble import Suite, assemble
from git_hone.learner.dataset.choosing import REASONS, judge
from git_hone.learner.dataset.decontaminate import overlaps
from git_hone.learner.dataset.diagnostics import mended
from git_hone.learner.dataset.rows import LONGEST, Row, Source, Text, pair, patch, rows_of, spec_of
from git_hone.learner.lineage import change_of

GOOD: dict[str, Any] = {"state": "live", "lines_ai": 9, "trust": "own", "evidence": "hook", "flags": [], "committed_at": 1e9}
FLAG = {"kind": "test_skipped", "path": "t.py", "line": 1, "detail": "x", "by": "agent"}


def verdict(change: dict[str, Any] | None = None, **more: Any) -> str:
    known: dict[str, Any] = {"outcomes": [], "kept": True, "reward": (0.9, None), "allowed": True} | more
    return judge(
        GOOD | (change or {}),
        known["outcomes"],
        known["kept"],
        known["reward"],
        min_reward=0.7,
        since=None,
        allowed=known["allowed"],
    ).verdict


@pytest.mark.parametrize(
    ("reason", "change", "more"),
    [
        ("kept", {}, {}),
        ("kept", {"flags": [FLAG]}, {"outcomes": [{"kind": "cleared", "at": 5, "detail": {"flags": ["test_skipped|t.py|x"]}}]}),
        ("kept", {}, {"outcomes": [{"kind": "reverted", "at": 5}, {"kind": "relanded", "at": 6}]}),
        ("superseded", {"state": "superseded"}, {}),
        ("dropped", {"state": "dropped"}, {}),
        ("no_agent_line", {"lines_ai": 0}, {}),
        ("foreign", {"trust": "fork"}, {}),
        ("foreign", {"evidence": "trailer"}, {}),
        ("foreign", {"evidence": None}, {}),
        ("opted_out", {}, {"allowed": False}),
        ("reverted", {}, {"outcomes": [{"kind": "reverted", "at": 5}], "kept": None}),
        ("rejected", {}, {"outcomes": [{"kind": "rejected", "at": 5}]}),
        ("tampered", {"flags": [FLAG]}, {}),
        ("not_judged", {"flags": None}, {}),
        ("vetoed", {}, {"reward": (0.0, "compile")}),
        ("not_matured", {}, {"kept": None}),
        ("not_kept", {}, {"kept": False}),
        ("reward_unknown", {}, {"reward": (None, None)}),
        ("low_reward", {}, {"reward": (0.69, None)}),
    ],
)
def test_each_change_has_its_reason(reason: str, change: dict[str, Any], more: dict[str, Any]) -> None:
    assert verdict(change, **more) == reason
    assert reason == choosing.STANDS or reason in REASONS


def source(name: str = "c1", *, n: int = 1, **more: Any) -> Source:
    texts = tuple(Text(f"src/{name}_{k}.py", "x = 1\n", f"x = 1\n{name} = {k}\n", 1) for k in range(n))
    base: dict[str, Any] = {"spec": f"Do {name} now", "spec_from": "prompt", "texts": texts, "reward": 0.9, "stands": True}
    return Source(name, "a" * 40, 100.0, **(base | {"facts": "it stood"} | more))


def test_a_coder_row_for_each_file_with_lines_of_an_agent() -> None:
    texts = (Text("a.py", None, "```\n", 1), Text("b.py", "old\n", "new\n", 2), Text("person.py", None, "p\n", 0))
    made, left = rows_of(source(texts=texts), ("coder",))
    assert not left
    assert [row.provenance["paths"] for row in made] == [["a.py"], ["b.py"]]
    assert made[0].completion[0]["content"] == "````\n```\n````"
    assert made[1].prompt[1]["content"] == "Do c1 now\n\nb.py now:\n\n```\nold\n```"
    assert len({row.id for row in made}) == 2
    assert {change_of(row.id) for row in made} == {"c1"}


def test_what_was_mended_is_a_bad_answer_and_a_verdict() -> None:
    made, _ = rows_of(source(stands=False, facts="a later change mended a fault in it"), ("coder", "fixer", "judge"))
    assert [(row.role, row.use) for row in made] == [("coder", "bad"), ("judge", "answer")]
    assert json.loads(made[1].completion[0]["content"]) == {"verdict": "revise", "because": "a later change mended a fault in it"}


def test_a_fixer_needs_checks_that_said_something_and_the_whole_patch() -> None:
    assert rows_of(source(), ("fixer",)) == ([], [])
    (row,), _ = rows_of(source(broken="ruff: 1 errors"), ("fixer",))
    assert row.completion[0]["content"].startswith("```diff\n--- a/src/c1_0.py")
    made, left = rows_of(source(broken="ruff: 1 errors", whole=False), ("fixer",))
    assert (made, [one.reason for one in left]) == ([], ["partial"])
    made, _ = rows_of(source(broken="It fails", broken_from="prompt", asked_as="fixer"), ("coder", "fixer"))
    assert [(row.role, row.provenance["prompt_from"]) for row in made] == [("fixer", "prompt")]


def test_a_long_row_is_left_out_and_named() -> None:
    long = source(texts=(Text("a.py", None, "x" * (LONGEST + 1), 1),))
    made, left = rows_of(long, ("coder",))
    assert (made, [(one.reason, one.role) for one in left]) == ([], [("too_long", "coder")])


LINES = st.lists(st.sampled_from(["a", "b", "", "+ x", "--- y", "\\ z", "\r", "c\x0cd", "e\u2028f"]), max_size=8)


@settings(max_examples=40, deadline=None)
@given(LINES, LINES, st.booleans(), st.booleans())
def test_git_applies_every_patch(
    tmp_path_factory: pytest.TempPathFactory, old: list[str], new: list[str], a: bool, b: bool
) -> None:
    before, after = "\n".join(old) + "\n" * a, "\n".join(new) + "\n" * b
    if before == after or not after:
        return
    folder = tmp_path_factory.mktemp("apply")
    if before:
        (folder / "f.txt").write_bytes(before.encode())
    made = patch(Text("f.txt", before or None, after, 1))
    done = subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], input=made.encode(), cwd=folder, capture_output=True)
    assert done.returncode == 0, (done.stderr, made)
    assert (folder / "f.txt").read_bytes() == after.encode()


def test_a_message_gives_the_answer_away_no_more() -> None:
    said = "Parse it (#31)\n\nAs in 0123abcd4 and fixes #30.\nTrailers follow\n\nCo-Authored-By: X <x@y.test>\nSigned-off-by: A <a@b.test>\n"
    assert spec_of([], said) == ("Parse it\n\nAs in  and .\nTrailers follow", "commit message")
    assert spec_of(["", "  "], "fix") is None
    assert spec_of(["one", "two", "one"], "whatever it says") == ("one\n\ntwo", "prompt")


def test_only_the_newest_measurements_count_as_mended() -> None:
    row = {"kind": "lint", "tool": "ruff", "errors": 3, "details": json.dumps({"rules": {"E501": 2}, "files": {"a.py": 3}})}
    bad, good = row | {"passed": False, "recorded_at": 1.0}, row | {"passed": True, "recorded_at": 2.0}
    assert mended([bad], [good]) == "ruff: 3 errors\n- E501: 2\n- a.py: 3"
    assert mended([bad, good], [good]) == ""  # the parent passed in the end
    assert mended([bad], [good, bad | {"recorded_at": 3.0}]) == ""
    assert mended([bad], []) == ""
    assert mended([bad], [good | {"passed": None}]) == ""


def words(start: int, n: int) -> str:
    return " ".join(f"w{k}" for k in range(start, start + n))


def test_twelve_tokens_in_a_row_are_an_overlap_and_eleven_are_none() -> None:
    task = [("t", words(0, 40))]
    assert [one.row for one in overlaps([("r", f"x {words(5, 12)} y")], task)[0]] == ["r"]
    assert overlaps([("r", f"x {words(5, 11)} y {words(20, 11)}")], task)[0] == []


def test_how_everybody_writes_here_is_no_overlap() -> None:
    licence, task = words(0, 14), words(100, 14)
    rows = [(f"r{k}", f"{licence} own{k}") for k in range(20)] + [("leak", f"{licence} {task}")]
    found, common = overlaps(rows, [("t", f"{licence} {task}")])
    assert [one.row for one in found] == ["leak"]
    assert common == 3
    assert [one.row for one in overlaps(rows[:10], [("t", licence)])[0]] == [f"r{k}" for k in range(10)]  # too few to be common


def example(name: str, *, reward: float = 0.9, at: float = 1.0, essence: str = "") -> Row:
    said = chat.asked("do", name)
    text = essence or " ".join(f"{name}{k}" for k in range(30))
    return Row(f"{name}-coder-{name}", name, "coder", "answer", said, chat.answer(name), {"commit": name, "prompt_from": "prompt"}, text,
               at, reward, frozenset({name}))  # fmt: skip


def test_of_twins_the_better_one_stays_and_the_limit_takes_the_best() -> None:
    twins = [example("a", reward=0.8, essence=words(0, 30)), example("b", reward=0.9, essence=words(0, 30))]
    data = assemble([*twins, example("c", reward=0.7), example("d", reward=0.75)], Suite(), 2)
    assert sorted(row.change for row in data.all) == ["b", "d"]
    assert {one.change: (one.reason, one.detail) for one in data.left} == {
        "a": ("near_duplicate", "1.00 b-coder-b"), "c": ("over_limit", None),
    }  # fmt: skip


def test_order_makes_no_difference() -> None:
    rows = [example(f"c{k}", at=float(k % 7), reward=0.7 + k % 3 / 10) for k in range(30)]
    one, other = (
        assemble(rows, Suite((("t", rows[3].essence),), {"c5"}), 20),
        assemble(rows[::-1], Suite((("t", rows[3].essence),), {"c5"}), 20),
    )
    assert one == other
    assert {row.change for row in one.all} & {"c3", "c5"} == set()
    assert formats.files(one, formats.FORMATS) == formats.files(other, formats.FORMATS)


def test_a_pair_in_every_format() -> None:
    row = pair(source(), "a.py", "agent = 1", "person = 2")
    assert list(formats.records(row, "sft")) == list(formats.records(row, "messages")) == []
    (dpo,) = formats.records(row, "dpo")
    assert list(dpo) == ["id", "prompt", "chosen", "rejected", "role", "provenance"]
    assert "person = 2" in dpo["chosen"][0]["content"]
    assert "agent = 1" in dpo["rejected"][0]["content"]
    good, bad = formats.records(row, "kto")
    assert (good["label"], bad["label"], good["completion"], bad["completion"]) == (True, False, dpo["chosen"], dpo["rejected"])
    assert good["id"] != bad["id"]
    assert change_of(bad["id"]) == "c1"


def test_lines_are_valid_json_whatever_stands_in_them(tmp_path: Path) -> None:
    odd = [{"a": "\udcff \u2028 \x00 é"}, {"a": "b\nc"}]
    raw = formats.lines(odd)
    assert raw.count(b"\n") == 2
    assert [json.loads(line)["a"] for line in raw.decode().split("\n")[:-1]] == ["? \u2028 \x00 é", "b\nc"]
