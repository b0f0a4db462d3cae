"""A repository with adapters of one base, and servers to deploy them to."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import pytest

from git_hone.ci import gating
from git_hone.ci.digests import file_sha256
from git_hone.ci.training import convert
from git_hone.cli import main
from git_hone.learner import ledger, lineage, variants
from git_hone.learner.gating import evaluation
from git_hone.learner.gating.evaluation import Attempt, Evaluation

if TYPE_CHECKING:
    from .conftest import Tiny

_spec = importlib.util.spec_from_file_location("hone_test_ollama", Path(__file__).with_name("ollama_server.py"))
assert _spec and _spec.loader
ollama_server = importlib.util.module_from_spec(_spec)
sys.modules["hone_test_ollama"] = ollama_server
_spec.loader.exec_module(ollama_server)

NAME, TAKES, REFUSES = "my-coder-tuned-coder", "0.33.3", "0.34.1"


class Bench:
    """A repository with adapters of one base, and servers to deploy them to."""

    def __init__(self, root: Path, made: Tiny, serve: Callable[[str], Any]) -> None:
        self.root, self.made, self.serve, self.agent = root, made, serve, root / ".agent"
        self.agent.mkdir(exist_ok=True)
        self.base_sha256 = file_sha256(made.base)

    def adapter(self, id_: str, role: str = "coder", checkpoint: str | None = None) -> Path:
        """A finished adapter as `git hone train` leaves it, another one for each id; with a checkpoint of that name."""
        folder = self.agent / "lora" / role / id_
        if checkpoint is not None:
            shutil.copytree(self.made.adapter, folder / "checkpoints" / checkpoint)
            convert.convert(
                self.made.adapter, self.made.base, folder / f"checkpoints/{checkpoint}/adapter.gguf", base_sha256=self.base_sha256
            )
        self.made.b["0.self_attn.v_proj"] += numpy.float32(0.001 * (1 + len(list(folder.parent.glob("*")))))
        self.made.save()
        shutil.copytree(self.made.adapter, folder, dirs_exist_ok=True)
        convert.convert(folder, self.made.base, folder / "adapter.gguf", base_sha256=self.base_sha256)
        lineage.write(
            folder, lineage.Lineage(f"{role}/{id_}", role, "d" * 64, ("c1-coder-1",), "x", "base.gguf", self.base_sha256)
        )
        subject = [{"name": str(file.relative_to(folder)), "digest": {"sha256": file_sha256(file)}}
                   for file in sorted(folder.rglob("*")) if file.is_file()]  # fmt: skip

        told = {"subject": subject, "predicate": {"training": {"losses": [1.0, 0.5], "left_out": {}}}}
        (folder / "manifest.json").write_text(json.dumps(told))
        return folder

    def gate(self, file: Path, verdict: str = "promote", name: str = "tuned") -> None:
        """An evaluation of a file, and what the gate said of it."""
        rows = (Attempt("t", "f.py", True, True, 0, 1.0),)
        of = Evaluation(name, "repository", "s" * 64, rows, files={"model": file_sha256(file)})
        target = gating.file_of(self.agent, "repository", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(evaluation.dump(of))
        line = {"what": "gate", "to": name, "verdict": verdict, "reason": "not better", "candidate_hash": of.hash}
        ledger.append(self.agent, line)

    def deploy(self, server: Any, *args: str) -> int:
        return main(["deploy", "--role", "coder", "--base", str(self.made.base), "--server", server.address, *args])

    def prepared(self, server: Any, adapter: Path, capsys: pytest.CaptureFixture[str]) -> Path:
        capsys.readouterr()
        assert self.deploy(server, "--adapter", str(adapter), "--prepare") == 0
        return Path(capsys.readouterr().out.strip())

    def promoted(self, server: Any, id_: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Trained, gated, deployed."""
        folder = self.adapter(id_)
        self.gate(self.prepared(server, folder, capsys), name=id_)
        assert self.deploy(server, "--adapter", str(folder)) == 0

    def whats(self) -> list[str]:
        return [line["what"] for line in ledger.read(self.agent)]

    def models(self) -> dict[str, variants.Model]:
        return {one.id: one for one in variants.load_models(self.agent)}
