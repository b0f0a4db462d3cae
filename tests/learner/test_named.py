"""`named.NamedTuple` is what `typing.NamedTuple` is to those who use it."""

from __future__ import annotations

import copy
import pickle
import typing
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_hone.cli.quick import _Plain
from git_hone.learner import named
from git_hone.learner.router import features


class Ours(named.NamedTuple):
    """One."""

    first: int
    second: str = "b"
    third: tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        return 2 * self.first


class Theirs(typing.NamedTuple):
    """One."""

    first: int
    second: str = "b"
    third: tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        return 2 * self.first


USES: list[Any] = [
    lambda kind: kind(1),
    lambda kind: kind(1, third=(2,)),
    lambda kind: kind(second="x", first=3)._replace(first=4),
    lambda kind: kind(1)._asdict(),
    lambda kind: kind._make([1, "c", (3,)]),
    lambda kind: (kind._fields, kind._field_defaults, kind.__doc__, kind.__match_args__),
    lambda kind: kind(5).twice,
    lambda kind: repr(kind(1, "b")).replace("Theirs", "Ours"),
    lambda kind: hash(kind(1)) == hash((1, "b", ())) and kind(1) == (1, "b", ()),
    lambda kind: pickle.loads(pickle.dumps(kind(1, "q"))),  # noqa: S301 - pickled in the same line
    lambda kind: copy.deepcopy(kind(1, "q")),
    lambda kind: [one for one in kind(7)],  # noqa: C416 - iterating is what is tested
    lambda kind: sorted([kind(2), kind(1, "z"), kind(1)]),
]
WRONG: list[Any] = [
    lambda kind: kind(),
    lambda kind: kind(1, "a", (), 4),
    lambda kind: kind(1, fourth=1),
    lambda kind: kind(1, first=1),
    lambda kind: kind(1)._replace(none=1),
]


@pytest.mark.parametrize("use", USES)
def test_it_does_what_that_of_typing_does(use: Any) -> None:
    assert use(Ours) == use(Theirs)
    assert not hasattr(Ours(1), "__dict__")
    with pytest.raises(AttributeError):
        Ours(1).first = 2


@pytest.mark.parametrize("use", WRONG)
def test_it_refuses_what_that_of_typing_refuses(use: Any) -> None:
    for kind in (Ours, Theirs):
        with pytest.raises((TypeError, ValueError)):
            use(kind)


@given(st.text("ab./", min_size=1))
def test_a_file_is_of_the_language_and_folder_that_pathlib_sees(path: str) -> None:
    whole = PurePosixPath(path)
    parts = features._parts(path)
    assert [part.strip("/") for part in parts] == [
        part.strip("/") for part in whole.parts
    ]  # "//" is a root of its own to pathlib
    assert (features._ending(parts[-1]) if parts else "") == whole.suffix.lstrip(".")


def test_a_plain_path_is_what_it_names(tmp_path: Any) -> None:
    (tmp_path / "a").mkdir()
    here = _Plain(str(tmp_path / "a"))
    assert [str(one) for one in here.parents] == [str(one) for one in (tmp_path / "a").parents]
    file = here / "f.txt"
    assert not file.exists()
    file.write_text("x")
    assert (file.is_file(), file.read_text("utf-8"), file.read_bytes(), file.name, here.is_dir()) == (
        True,
        "x",
        b"x",
        "f.txt",
        True,
    )
    file.rename(here / "g.txt")
    assert (tmp_path / "a" / "g.txt").read_text() == "x" and str(_Plain("/") / "etc") == "/etc"
