"""A GGUF file, with or without an adapter, through llama.cpp in a process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from git_hone.ci.digests import file_sha256
from git_hone.ci.endpoints import Answer, EndpointError, Message
from git_hone.ci.training import convert, header, integrity, needs
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.gating.evaluation import Likelihood

START_S: Final = 120.0
NATS_S: Final = 3600.0


class Llama:
    """A GGUF file in a process of its own, which starts at the first question and is started again when it died."""

    def __init__(self, name: str, base: Path, adapter: Path | None, root: Path, *, context: int = 4096) -> None:
        """Reads the files' headers and every tensor of the adapter. Raises DataError for what llama.cpp could not survive, UsageError
        without llama.cpp."""
        needs.check(("llama_cpp",), "running a GGUF file")
        found = header.read(base)
        if found.is_adapter:
            raise UsageError(f"{base}: is an adapter, not a model", tip="name the base as the model, and this as --adapter")
        self.name, self._base, self._adapter, self._context = name, base, adapter, context
        base_sha256 = file_sha256(base)
        if adapter is not None and (faults := integrity.examine(adapter, base, base_sha256=base_sha256)):
            raise DataError(faults[0], tip="convert the adapter again, or name the base that it was trained on")
        served = base if adapter is None else adapter
        self.files: Mapping[str, str] = {portable(served, root): file_sha256(served)}
        merged_into = found.fields.get(convert.BASE_SHA256)
        self.base_sha256: str | None = str(merged_into) if adapter is None and merged_into else base_sha256
        self._child: subprocess.Popen[str] | None = None
        self._logits = False
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by close()

    def ask(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, timeout_s: float) -> Answer:
        began = time.monotonic()
        said = self._call(
            {"do": "chat", "messages": list(messages), "temperature": temperature, "max_tokens": max_tokens, "stop": []},
            timeout_s,
        )
        if "error" in said:
            raise EndpointError("refused", f"{self.name}: {said['error']}", tip="a model with a longer context")
        finish = "stop" if said["finish"] == "stop" else "length"
        spent = round(1000 * (time.monotonic() - began))
        return Answer(said["text"], said["tokens_in"], said["tokens_out"], spent, self.name, finish)  # type: ignore[arg-type]  # mypy widens the two words to str

    def likelihood(self, text: str) -> Likelihood | None:
        self.close_child()
        self._logits = True  # every position's scores, which a conversation does not need and pays for in memory
        try:
            said = self._call({"do": "nats", "text": text}, NATS_S)
        finally:
            self.close_child()
            self._logits = False
        return Likelihood(said["nats"] / said["tokens"], said["tokens"], hashlib.sha256(text.encode()).hexdigest())

    def close(self) -> None:
        self.close_child()
        self._said.close()

    def close_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
            self._child = None

    def _call(self, asked: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        if self._child is None:
            self._start()
        child = self._child
        if child is None or child.stdin is None:
            raise EndpointError("unreachable", f"{self.name}: llama.cpp could not be started")
        try:
            child.stdin.write(json.dumps(asked) + "\n")
            child.stdin.flush()
        except OSError:
            raise self._died() from None
        return self._read(timeout_s)

    def _start(self) -> None:
        settings = {"base": str(self._base), "adapter": str(self._adapter) if self._adapter else None, "context": self._context,
                    "threads": max(1, (os.cpu_count() or 1)), "logits": self._logits}  # fmt: skip
        quiet = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "git_hone.ci.evaluating.llama_child", json.dumps(settings)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._said, text=True, encoding="utf-8", env=os.environ | quiet,
        )  # fmt: skip
        self._read(START_S)

    def _read(self, timeout_s: float) -> dict[str, Any]:
        child = self._child
        if child is None or child.stdout is None:
            raise EndpointError("unreachable", f"{self.name}: llama.cpp is not running")
        ready, _, _ = select.select([child.stdout], [], [], timeout_s)
        if not ready:
            self.close_child()
            raise EndpointError("timeout", f"{self.name}: no answer within {timeout_s:g} s")
        line = child.stdout.readline()
        if not line:
            raise self._died()
        said: dict[str, Any] = json.loads(line)
        return said

    def _died(self) -> EndpointError:
        child = self._child
        code = child.wait() if child else 0
        self._said.seek(0)
        words = [line.strip() for line in self._said.read().splitlines() if line.strip()]
        self.close_child()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return EndpointError("unreachable", f"{self.name}: llama.cpp ended with {how}: {words[-1] if words else 'no word'}")


def portable(file: Path, root: Path) -> str:
    """How an evaluation, which is shared, names a file: from the top of the repository where it lies in it, else from the person's
    home, whose name is nobody's business."""
    whole, top, home = file.resolve(), root.resolve(), Path.home().resolve()
    if whole.is_relative_to(top):
        return whole.relative_to(top).as_posix()
    return f"~/{whole.relative_to(home).as_posix()}" if whole.is_relative_to(home) else str(whole)
