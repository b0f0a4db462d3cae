"""Train and validation: no family and no time on both sides, whatever the history."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.learner.dataset.splits import FEW, GIVEN, SHARE, Item, family, split

ITEMS = st.lists(
    st.tuples(st.integers(0, 30), st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=3)), max_size=60
).map(lambda rows: [Item(f"c{k}", at, frozenset(names)) for k, (at, names) in enumerate(rows)])  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(ITEMS)
def test_nothing_is_on_both_sides(items: list[Item]) -> None:
    made = split(items)
    assert made.train | made.val | made.held == {item.id for item in items}
    assert len(made.train) + len(made.val) + len(made.held) == len(items)
    train = [item for item in items if item.id in made.train]
    val = [item for item in items if item.id in made.val]
    assert not {name for item in train for name in item.families} & {name for item in val for name in item.families}
    if val:
        assert made.cut is not None
        assert max(item.at for item in train) <= made.cut < min(item.at for item in val)
        assert len(val) <= SHARE * len(items)
        assert len(made.held) <= (SHARE + GIVEN) * len(items)
    else:
        assert (made.held, made.cut) == (frozenset(), None)
    assert split(items[::-1]) == made


def test_a_long_history_has_a_validation_part() -> None:
    """A hundred files, each changed at about the same time, the newest files last."""
    items = [Item(f"c{k}", float(k), frozenset({f"f{k // 5}"})) for k in range(500)]
    made = split(items)
    assert (len(made.train), len(made.val), len(made.held)) == (450, 50, 0)


def test_files_that_are_changed_again_and_again_give_some_validation() -> None:
    items = [Item(f"c{k}", float(k), frozenset({f"f{k % 50}"})) for k in range(500)]
    made = split(items)
    assert made.val
    assert len(made.held) <= 75


def test_few_items_are_all_for_training() -> None:
    items = [Item(f"c{k}", float(k), frozenset({f"f{k}"})) for k in range(FEW)]
    assert split(items[:-1]).train == {item.id for item in items[:-1]}
    assert len(split(items).val) == 1


def test_a_file_and_its_test_are_one_family() -> None:
    for pair in (("src/a/parse.py", "tests/a/test_parse.py"), ("web/tree.ts", "web/tree.test.ts"), ("go/x.go", "go/x_test.go")):
        assert len({family(path) for path in pair}) == 1
    assert family("src/parse.py") != family("src/lex.py")
    assert family("a/__init__.py") != family("b/__init__.py")
