"""Line maps: round trips and properties."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from git_hone.hooks import lines
from git_hone.hooks.lines import BASE, HUMAN, Hunk

TEXT = st.lists(st.sampled_from([b"a", b"b", b"c", b"d  d", b""]), max_size=12)


def diff(a: list[bytes], b: list[bytes]) -> list[Hunk]:
    codes = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return [Hunk(i, tuple(a[i:j]), k, tuple(b[k:m])) for tag, i, j, k, m in codes if tag != "equal"]


@given(TEXT, TEXT)
def test_a_map_has_one_origin_for_each_line(a: list[bytes], b: list[bytes]) -> None:
    after = lines.carry([BASE] * len(a), diff(a, b), HUMAN)
    assert len(after) == len(b)


@given(TEXT, TEXT)
def test_lines_that_a_diff_keeps_keep_their_atoms(a: list[bytes], b: list[bytes]) -> None:
    atoms = [lines.atom(7, k) for k in range(len(a))]
    after = lines.carry(atoms, diff(a, b), HUMAN)
    for origin, text in zip(after, b, strict=True):
        if origin > 0:
            assert lines.squeeze(a[origin & (lines.MAX_LINES - 1)]) == lines.squeeze(text)


@given(st.lists(st.one_of(st.sampled_from([0, -1, -2]), st.integers(1, 5000).map(lambda k: (3 << 20) | k))))
def test_packing_round_trips(origins: list[int]) -> None:
    assert lines.unpack(lines.pack(origins)) == origins


def test_an_untrusted_source_gives_nothing_for_a_lone_brace() -> None:
    source = [lines.atom(1, k) for k in range(6)]
    old = [b"int first_value;", b"int second_value;", b"int third_value;", b"int x;", b"int y;", b"}"]
    new = [b"other();", b"}"]
    target = [BASE, BASE]
    lines.overlay(target, source, diff(old, new), new, trusted=False)
    assert target == [BASE, BASE]


def test_settle_takes_the_equal_line_that_the_other_diff_chose() -> None:
    atom = lines.atom(1, 0)
    assert lines.settle([atom, lines.atom(1, 1), BASE], [1, 2], [b"", b"x", b""]) == {1: lines.atom(1, 1), 2: atom}


def test_a_line_that_a_tool_moves_keeps_its_author() -> None:
    hunks = [Hunk(0, (b"by_hand = compute(1)",), 0, ()), Hunk(2, (), 1, (b"by_hand = compute(1)", b"new = 2"))]
    assert lines.carry([HUMAN, 0], hunks, 0, edit=3) == [0, HUMAN, lines.atom(3, 2)]
