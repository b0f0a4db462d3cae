"""The repository's own formatter, run on one text. Touches the disk (configuration) and starts processes.

Only a formatter that the repository is configured for and that stands on the PATH is run, on standard input, with a time
limit. A configuration that is itself a program (`.prettierrc.js`, plugins) is not: reading a repository must not run it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from git_hone.hooks.git import clean_env

LIMIT_S: Final = 10.0
WEB: Final = "js jsx mjs cjs ts tsx mts cts css scss less json md html vue yaml yml graphql"
PRETTIER: Final = frozenset(f".{ending}" for ending in WEB.split())
STATIC: Final = (".prettierrc", ".prettierrc.json", ".prettierrc.yaml", ".prettierrc.yml", ".prettierrc.toml")


class Formatters:
    """The formatters of the repository at `top`; None for a bare one, which has none."""

    def __init__(self, top: Path | None) -> None:
        self._top = top
        self._failed: set[str] = set()
        self._pick = cache(self._choose)

    def formatted(self, path: str, *texts: bytes) -> tuple[str, list[bytes]] | None:
        """(the formatter's name, each text formatted as the file `path`); None where none is configured and found, or where
        it refuses one of the texts (it does not parse, it takes too long)."""
        found = self._pick(Path(path).suffix.lower())
        if found is None or found[0] in self._failed:
            return None
        name, command = found
        out: list[bytes] = []
        for text in texts:
            try:
                done = subprocess.run(
                    command(path), cwd=self._top, input=text, capture_output=True, timeout=LIMIT_S, check=False, env=clean_env()
                )
            except (OSError, subprocess.TimeoutExpired):
                self._failed.add(name)  # too slow here, or not a program: not once more in this call
                return None
            if done.returncode:
                return None
            out.append(done.stdout)
        return name, out

    def _choose(self, suffix: str) -> tuple[str, Callable[[str], list[str]]] | None:
        top = self._top
        if top is None:
            return None
        if suffix in (".py", ".pyi"):
            text = _read(top / "pyproject.toml")
            # a repository that formats with black may lint with ruff: black's table decides
            if "[tool.black]" in text and shutil.which("black"):
                return "black", lambda path: ["black", "-q", "--stdin-filename", path, "-"]
            named = "[tool.ruff" in text or any((top / name).is_file() for name in ("ruff.toml", ".ruff.toml"))
            if named and "[tool.black]" not in text and shutil.which("ruff"):
                return "ruff", lambda path: ["ruff", "format", "--no-cache", "--stdin-filename", path, "-"]
        if suffix == ".go" and shutil.which("gofmt"):
            return "gofmt", lambda _: ["gofmt"]
        if suffix in PRETTIER and shutil.which("prettier") and (config := _prettier(top)):
            return "prettier", lambda path: ["prettier", "--config", str(config), "--stdin-filepath", path]
        return None


def _prettier(top: Path) -> Path | None:
    """A configuration of prettier that is data, without plugins."""
    for name in STATIC:
        if (top / name).is_file():
            return None if "plugins" in _read(top / name) else top / name
    try:
        own = json.loads(_read(top / "package.json") or "{}").get("prettier")
    except (ValueError, AttributeError):
        return None
    return top / "package.json" if isinstance(own, dict) and "plugins" not in own else None


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace") if os.path.getsize(file) < 1 << 20 else ""  # noqa: PTH202 - one call, one error
    except OSError:
        return ""
