"""Virtual environments, one for each fingerprint of what is in it, kept in the user's cache and shared by all repositories."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Final

from git_hone.hooks.lock import locked
from git_hone.learner.errors import UsageError
from git_hone.learner.suite.declared import normal
from git_hone.learner.suite.tasks import Environment

INSTALL_SECONDS: Final = 300
READY: Final = "git-hone.json"
COMPILED: Final = "compiled"
NOT_HERE: Final = "No wheel here for"
CONFLICT: Final = "Cannot install"
HELD: Final = re.compile(r"^ *The user requested \(constraint\) ([\w.-]+)==", re.MULTILINE)
PYTHON: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"


class NotInstalled(Exception):
    """The requirements cannot be installed here; the words are the installer's errors."""


def cache() -> Path:
    """`$XDG_CACHE_HOME/git-hone/environments`, by default under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "git-hone" / "environments"


def python_of(environment: Environment, root: Path | None = None, *, trial: bool = False) -> Path:
    """The Python of the environment, which is made when it is not there yet; two processes make it once.

    trial: one that may never be used again, whose modules are not compiled ahead: that is half of what making it costs. Only
    wheels are installed, so that installing runs no code of a package; the project's own package is taken out again where
    another one brought it along. Raises NotInstalled, and UsageError for another Python than this one.
    """
    if environment.python != PYTHON:
        raise UsageError(f"the tests need Python {environment.python}, and this is {PYTHON}",
                         tip=f"run git-hone with Python {environment.python}")  # fmt: skip
    base = root or cache()
    base.mkdir(parents=True, exist_ok=True)
    folder = base / environment.fingerprint
    with locked(base / f"{environment.fingerprint}.lock", wait_s=2 * INSTALL_SECONDS) as got:
        if not got:
            raise NotInstalled("another process has been making this environment for too long")
        if not _works(folder):
            _make(folder, environment)
        if not trial:
            _compile(folder)
    return folder / "bin" / "python"


def _works(folder: Path) -> bool:
    return (folder / READY).exists() and (folder / "bin" / "python").exists()  # a link whose Python is gone does not exist


def _make(folder: Path, environment: Environment) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    own_pip = importlib.util.find_spec("pip") is None
    venv.create(folder, symlinks=True, with_pip=own_pip)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip"] if own_pip else [sys.executable, "-m", "pip", "--python", python]
    wanted, limits = folder / "requirements.txt", folder / "constraints.txt"
    wanted.write_text("".join(f"{one}\n" for one in environment.requirements))
    limits.write_text("".join(f"{one}\n" for one in environment.constraints))
    began = time.monotonic()
    try:
        quiet = ["--no-input", "--no-color", "--progress-bar", "off"]
        _pip([*pip, "install", *quiet, "--no-compile", "--only-binary", ":all:", "-r", str(wanted), "-c", str(limits)])
        if own := own_package(folder, environment.package):
            _pip([*pip, "uninstall", "-q", "-y", own])
        if own_package(folder, environment.package):
            raise NotInstalled(f"{environment.package} itself cannot be kept out of the environment")
    except NotInstalled:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / READY).write_text(json.dumps({"requirements": environment.requirements, "seconds": time.monotonic() - began}))


def _compile(folder: Path) -> None:
    """Once: runs in the sandbox cannot keep what they compile. A module that cannot be compiled is left to whoever imports it."""
    if not (folder / COMPILED).exists():
        subprocess.run([str(folder / "bin" / "python"), "-I", "-m", "compileall", "-q", str(folder / "lib")], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)  # fmt: skip
        (folder / COMPILED).touch()


def holder(folder: Path, module: str) -> tuple[str, str] | None:
    """(distribution, version) that brought a top-level module into the environment at `folder`; None when none says so."""
    for found in sorted(folder.glob("lib/python*/site-packages/*.dist-info")):
        try:
            files = (found / "RECORD").read_text("utf-8", "replace")
        except OSError:
            continue
        if files.startswith((f"{module}/", f"{module}.py,")) or f"\n{module}/" in files or f"\n{module}.py," in files:
            name, _, version = found.name.removesuffix(".dist-info").partition("-")
            return name, version
    return None


def own_package(folder: Path, package: str | None) -> str | None:
    """The name under which the project's own package stands in the environment at `folder`; None when it does not."""
    for found in folder.glob("lib/python*/site-packages/*.dist-info"):
        if package and normal(found.name.split("-")[0]) == normal(package):
            return found.name.split("-")[0]
    return None


def _pip(command: list[str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "GIT_"))}
    env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=INSTALL_SECONDS, check=False,
                              env=env, stdin=subprocess.DEVNULL)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"the installer had not ended after {INSTALL_SECONDS} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")] or lines
        words = " ".join(errors)[:600] or f"the installer ended with {done.returncode}"
        raise NotInstalled(f"{told} {words}" if (told := _account(done.stdout)) else words)


def _account(output: str) -> str:
    """Which packages are in the way of each other, by pip's own account of a conflict: those that have no version for this Python, else those
    that are held at one.

    >>> _account("Additionally, ... no matching distributions available for your environment:\\n    markupsafe\\n    six\\n\\nTo fix")
    'No wheel here for markupsafe, six because of this Python.'
    >>> _account("    The user requested (constraint) click==8.0.3\\n")
    'Cannot install click because of what else is wanted.'
    """
    _, found, rest = output.partition("no matching distributions available for your environment:\n")
    if found:
        return f"{NOT_HERE} {', '.join(rest.partition(chr(10) * 2)[0].split())} because of this Python."
    held = dict.fromkeys(HELD.findall(output))
    return f"{CONFLICT} {', '.join(held)} because of what else is wanted." if held else ""
