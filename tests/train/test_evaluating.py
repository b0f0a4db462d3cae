"""llama.cpp in a process of its own: answers that repeat, likelihood, and what becomes of a process that dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from git_hone.ci.endpoints import EndpointError
from git_hone.ci.evaluating.llama import Llama
from git_hone.learner.errors import DataError

from .conftest import MODEL

ASKED = [{"role": "user", "content": "Write a Python function add(a, b)."}]


@pytest.mark.exhaustive
def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    engine = Llama("small", Path(MODEL), None, tmp_path)
    try:
        first, second = (engine.ask(ASKED, temperature=0.0, max_tokens=30, timeout_s=300) for _ in range(2))
        assert first.text == second.text
        assert "def add" in first.text
        assert (first.tokens_in, second.tokens_out) == (second.tokens_in, first.tokens_out)
        code, noise = (
            engine.likelihood(text) for text in ("for i in range(10):\n    print(i)\n" * 4, "q7 Zx jj kk 0o ww vv 1! " * 4)
        )
        assert code is not None
        assert noise is not None
        assert 0 < code.nats < noise.nats
    finally:
        engine.close()


def test_a_process_that_dies_is_an_error_and_started_again(tmp_path: Path) -> None:
    engine = Llama("small", Path(MODEL), None, tmp_path)
    try:
        engine.ask(ASKED, temperature=0.0, max_tokens=2, timeout_s=300)
        assert engine._child is not None
        os.kill(engine._child.pid, signal.SIGKILL)
        with pytest.raises(EndpointError, match=r"llama\.cpp ended with signal 9"):
            engine.ask(ASKED, temperature=0.0, max_tokens=2, timeout_s=300)
        assert engine.ask(ASKED, temperature=0.0, max_tokens=2, timeout_s=300).tokens_out == 2
    finally:
        engine.close()


def test_a_damaged_file_never_reaches_llama_cpp(tmp_path: Path) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(Path(MODEL).read_bytes()[:1_000_000])
    with pytest.raises(DataError, match=r"cut\.gguf"):
        Llama("cut", file, None, tmp_path)
