"""What is left out because both sides share it changes no answer."""

from __future__ import annotations

import argparse
import ast
import difflib
import email.message
import io
import pathlib
import random
import textwrap
import tokenize
import typing
import unittest.case
from pathlib import Path

import pytest

from git_hone.hooks.tampering import FileChange, judge, shared
from git_hone.hooks.tampering.python import reading

MODULES = (argparse, ast, difflib, email.message, pathlib, random, textwrap, tokenize, typing, unittest.case)
SOURCES = [Path(str(module.__file__)) for module in MODULES]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_comments_are_those_that_the_tokenizer_finds(path: Path) -> None:
    text = path.read_text("utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    assert reading.comments(text) == [(one.start[0], one.string) for one in tokens if one.type == tokenize.COMMENT] != []


@pytest.mark.parametrize("name", ["module.py", "test_module.py"])
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_changed_function_is_read_as_in_the_whole_file(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    lines = before.decode().split("\n")
    starts = [k for k, line in enumerate(lines) if line.startswith("def ") and line.endswith(":")]
    left_out = 0
    for k in starts[:: max(1, len(starts) // 4)]:
        changed = [*lines[: k + 1], "    try:", "        work()", "    except Exception:", "        pass", *lines[k + 1 :]]
        after = "\n".join(changed).encode()
        left_out += shared.without(before, after, name.startswith("test")) is not None
        short = judge([FileChange(name, None, before, after)])
        with monkeypatch.context() as patch:
            patch.setattr(shared, "WORTH", 10**9)
            assert judge([FileChange(name, None, before, after)]) == short
        assert any(flag.kind == "swallowed_error" for flag in short) or name.startswith("test")
    assert left_out or name.startswith("test") or not starts


def test_nothing_is_left_out_where_it_concerns_the_rest() -> None:
    body = b"\n\n".join(b"def test_%d():\n    assert f(%d) == 1\n" % (k, k) for k in range(30))
    tail = b"\n\ndef test_last():\n    assert f(0) == %d\n"
    assert shared.without(body + tail % 1, body + tail % 2, True) is not None
    for first in (b"pytestmark = pytest.mark.skip\n", b"pytest.importorskip('x')\n", b"__test__ = False\n"):
        assert shared.without(first + body + tail % 1, first + body + tail % 2, True) is None
    hidden = tail.replace(b"test_last", b"test_3")  # it hides one of those before it
    assert shared.without(body + hidden % 1, body + hidden % 2, True) is None
    inside = b'TEXT = """\n' + body + tail
    assert shared.without(inside % 1 + b'"""\n', inside % 2 + b'"""\n', False) is None
    assert shared.without(b"a = 1\n" + tail % 1, b"a = 1\n" + tail % 2, False) is None  # too little
