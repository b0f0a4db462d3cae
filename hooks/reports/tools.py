"""Which tool does a command run, in which version, with which configuration? Best effort; null where it cannot be told."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

CONFIGS: Final[dict[str, tuple[str, ...]]] = {
    "ruff": ("pyproject.toml", "ruff.toml", ".ruff.toml"),
    "flake8": ("setup.cfg", "tox.ini", ".flake8"),
    "pylint": ("pyproject.toml", "pylintrc", ".pylintrc", "setup.cfg"),
    "black": ("pyproject.toml",),
    "mypy": ("mypy.ini", ".mypy.ini", "pyproject.toml", "setup.cfg"),
    "pyright": ("pyrightconfig.json", "pyproject.toml"),
    "basedpyright": ("pyrightconfig.json", "pyproject.toml"),
    "ty": ("ty.toml", "pyproject.toml"),
    "pytest": ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"),
    "unittest": (),
    "coverage": (".coveragerc", "pyproject.toml", "setup.cfg", "tox.ini"),
    "compileall": (),
    "import-linter": (".importlinter", "pyproject.toml", "setup.cfg"),
    "eslint": (*(f"eslint.config.{end}" for end in ("js", "mjs", "cjs", "ts")), ".eslintrc.json", ".eslintrc.js", ".eslintrc.cjs",
               ".eslintrc.yml", ".eslintrc.yaml", ".eslintrc"),
    "biome": ("biome.json", "biome.jsonc"),
    "tsc": ("tsconfig.json",),
    "jest": (*(f"jest.config.{end}" for end in ("js", "mjs", "cjs", "ts", "json")), "package.json"),
    "vitest": (*(f"vitest.config.{end}" for end in ("js", "mjs", "ts")), "package.json"),
    "mocha": (".mocharc.json", ".mocharc.js", ".mocharc.cjs", ".mocharc.yml", "package.json"),
    "shellcheck": (".shellcheckrc",),
}  # fmt: skip
"""The tools known by name, and where each looks for its configuration, from the top of the repository."""

ALIASES: Final = {"py.test": "pytest", "lint-imports": "import-linter", "importlinter": "import-linter", "dmypy": "mypy"}
WRAPPERS: Final = {"env", "uv", "uvx", "pipx", "poetry", "pdm", "hatch", "pipenv", "rye", "npx", "pnpm", "yarn", "bunx", "bun",
                   "nice", "time", "timeout", "xvfb-run", "sudo", "stdbuf", "setsid", "ionice", "coverage"}  # fmt: skip
SHELLS: Final = {"sh", "bash", "dash", "zsh"}
VERSION: Final = re.compile(r"\d+\.\d+[\w.+-]*")
TIMEOUT_S: Final = 10.0
WRAPPED_S: Final = 24 * 3600


class Tool(NamedTuple):
    """name: what the signal is filed under. call: the words that start it, None when we would not dare to ask its version."""

    name: str
    call: tuple[str, ...] | None


def tool_of(command: Sequence[str]) -> Tool:
    """The tool that `command` runs, through Python's -m, the usual wrappers and a shell's -c.

    >>> tool_of(["uv", "run", "ruff", "check", "."])
    Tool(name='ruff', call=('uv', 'run', 'ruff'))
    >>> tool_of(["python3.12", "-m", "pytest", "-q"]).name
    'pytest'
    >>> tool_of(["./run-tests.sh"])
    Tool(name='run-tests.sh', call=None)
    """
    first = _base(command[0])
    if re.fullmatch(r"python[\d.]*|pypy[\d.]*|py", first):
        return _of_python(command)
    if first in SHELLS and "-c" in command[:3]:
        try:
            inner = shlex.split(command[command.index("-c") + 1], comments=True)
        except (ValueError, IndexError):
            inner = []
        name = next((known for word in inner if (known := _known(word))), None)
        return Tool(name or first, None)
    if first in WRAPPERS:
        for n, word in enumerate(command[1:], 1):
            if known := _known(word):
                return Tool(known, tuple(command[: n + 1]))
            if re.fullmatch(r"python[\d.]*", _base(word)):
                inside = _of_python(command[n:])
                return Tool(inside.name, (*command[:n], *inside.call) if inside.call else None)
    known = _known(command[0])
    return Tool(known, (command[0],)) if known else Tool(first, None)


def _of_python(command: Sequence[str]) -> Tool:
    value_follows = False
    for n, word in enumerate(command[1:], 1):
        if value_follows:
            value_follows = False
        elif word == "-m" and n + 1 < len(command):
            module = command[n + 1].split(".")[0]
            name = ALIASES.get(module, module)
            if name == "coverage" and "-m" in command[n + 2 :]:
                return Tool(_of_python(command[command.index("-m", n + 2) - 1 :]).name, None)
            asks = name in CONFIGS and name not in ("unittest", "compileall")
            return Tool(name, tuple(command[: n + 2]) if asks else None)
        elif not word.startswith("-"):
            return Tool(_base(word), None)
        elif word == "-c":
            break
        else:
            value_follows = word in ("-X", "-W")
    return Tool("python", None)


def _base(word: str) -> str:
    return re.sub(r"\.(exe|cmd|bat)$", "", word.replace("\\", "/").rpartition("/")[2], flags=re.IGNORECASE) or word


def _known(word: str) -> str | None:
    base = _base(word)
    name = ALIASES.get(base, base)
    return name if name in CONFIGS else None


def version_of(tool: Tool, env: Mapping[str, str], cache: Path) -> str | None:
    """What `TOOL --version` says, remembered in `cache` until the program's file changes; null when it does not say."""
    if tool.call is None or (program := shutil.which(tool.call[0], path=env.get("PATH"))) is None:
        return None
    key = _key(tool.call, program)
    known = _load(cache)
    if key in known:
        return known[key]
    try:
        asked = [*tool.call, "--version"]
        done = subprocess.run(asked, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    match = VERSION.search((done.stdout + done.stderr).decode("utf-8", "replace")) if done.returncode == 0 else None
    version = match[0].rstrip(".") if match else None
    _save(cache, {**dict(list(known.items())[-200:]), key: version})
    return version


def _key(call: Sequence[str], program: str) -> str:
    """The words, the program's file and its time; for a module, the time of the folders it may be installed in too."""
    real = os.path.realpath(program)
    parts = [*call, real, str(Path(real).stat().st_mtime_ns)]
    if len(call) > 1:
        libraries = Path(program).absolute().parent.parent.glob("lib/python*/site-packages")
        parts += [f"{folder}:{folder.stat().st_mtime_ns}" for folder in sorted(libraries)]
        if _base(call[0]) in WRAPPERS:
            parts += [str(Path.cwd()), str(int(time.time() // WRAPPED_S))]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _load(cache: Path) -> dict[str, str | None]:
    try:
        found = json.loads(cache.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(k): v for k, v in found.items() if v is None or isinstance(v, str)} if isinstance(found, dict) else {}


def _save(cache: Path, known: Mapping[str, str | None]) -> None:
    part = cache.with_name(f".tmp-{cache.name}-{os.getpid()}")
    try:
        part.write_text(json.dumps(known, indent=0))
        part.replace(cache)
    except OSError:
        part.unlink(missing_ok=True)


def config_of(tool: str, top: Path) -> str | None:
    """First 12 hex digits of the sha256 over the tool's configuration files; null when it has none."""
    digest, any_file = hashlib.sha256(), False
    for name in CONFIGS.get(tool, ()):
        try:
            data = (top / name).read_bytes()
        except OSError:
            continue
        any_file = True
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:12] if any_file else None
