"""What the benchmarks share: scratch repositories, CPU of a process tree, and medians.

CPU is user + system time of everything the command started and waited for. A detached worker is not waited for, so it is
measured on its own: `still` puts `true` in its place, which leaves the cost of starting it where it is, and keeps its work
from running beside the next measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from git_hone.hooks.player import Player, clean_env

HONE = str(Path(sys.executable).with_name("git-hone"))
GITCONFIG = "[user]\n\tname = Dev\n\temail = dev@example.com\n[gc]\n\tauto = 0\n[init]\n\tdefaultBranch = main\n"


@contextmanager
def home() -> Iterator[tuple[Path, dict[str, str]]]:
    """A temporary folder to work in, and the environment of a person whose home it is."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name).resolve()
        (folder / ".gitconfig").write_text(GITCONFIG)
        yield folder, clean_env(folder, GIT_CONFIG_NOSYSTEM="1", XDG_STATE_HOME=str(folder / "state"))


def repository(folder: Path, env: Mapping[str, str], *, files: int = 200) -> Path:
    """A repository of `files` small files and one commit."""
    (folder / "src").mkdir(parents=True)
    (folder / ".gitignore").write_text(".claude/\n.agent/\n")
    for k in range(files):
        (folder / "src" / f"m{k}.py").write_text(text(k, 40))
    for words in (["init", "-q", "."], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=folder, env=env, check=True)
    return folder


def text(seed: int, lines: int) -> str:
    """`lines` different lines of code."""
    return "".join(f"def f{seed}_{k}(x): return x + {seed * 1000 + k}\n" for k in range(lines))


def install(repo: Path, env: Mapping[str, str]) -> None:
    subprocess.run([HONE, "init", "--agent", "claude-code"], cwd=repo, env=env, check=True, capture_output=True)


def still(repo: Path) -> None:
    """Put `true` in the place of the worker's interpreter. Raises ValueError when no script names it."""
    starters = [script for script in (repo / ".git" / "hone").glob("*.sh") if sys.executable in script.read_text()]
    if not starters:
        raise ValueError(f"{repo}: no script starts a worker with {sys.executable}")
    for script in starters:
        script.write_text(script.read_text().replace(sys.executable, "/bin/true"))


def settle(repo: Path, env: Mapping[str, str]) -> None:
    """Drain what is pending."""
    subprocess.run([HONE, "drain"], cwd=repo, env=env, check=True, capture_output=True)


def cpu_ms(command: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes = b"") -> float:
    """CPU milliseconds of `command` and of all that it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cwd, env=env, input=stdin, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def middle(values: Sequence[float]) -> dict[str, float]:
    """Median, and the quartiles around it.

    >>> middle([1.0, 2.0, 3.0, 4.0, 5.0])
    {'median': 3.0, 'q1': 2.0, 'q3': 4.0, 'n': 5}
    """
    ordered = sorted(values)
    n = len(ordered)
    return {"median": round(median(ordered), 3), "q1": round(ordered[n // 4], 3), "q3": round(ordered[(3 * n) // 4], 3), "n": n}


def old_sessions(player: Player, n: int) -> None:
    """`n` agent sessions of the past, each with an edit, a commit for ten of them, all drained."""
    repo = player.repo
    for k in range(n):
        with Player(repo, player.home, player.env) as past:
            past.prompt(f"task {k}")
            past.write(f"src/old{k % 50}.py", text(10_000 + k, 20))
        if k % 10 == 9:
            commit_all(repo, player.env, f"past {k}")
    settle(repo, player.env)


def commit_all(repo: Path, env: Mapping[str, str], message: str) -> None:
    for words in (["add", "-A"], ["commit", "-q", "-m", message]):
        subprocess.run(["git", *words], cwd=repo, env=env, check=True, capture_output=True)


def machine() -> str:
    """The machine class, without a name."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, {platform.python_implementation()} "
        f"{platform.python_version()}, git {git}, load {os.getloadavg()[0]:.1f} at the start"
    )


def tell(result: Mapping[str, Any], as_json: bool) -> int:
    """Print a benchmark's result."""
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name:34} {value['median'] if isinstance(value, dict) else value}")
    return 0


def run(about: str | None, measure: Callable[..., Mapping[str, Any]], argv: Sequence[str], **numbers: int) -> int:
    """A benchmark's command: `--json`, and an option for each of its numbers, which `measure` is given in their order."""
    words = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--json", action="store_true")
    for name, default in numbers.items():
        words.add_argument(f"--{name}", type=int, default=default)
    given = words.parse_args(argv)
    return tell(measure(*(getattr(given, name) for name in numbers)), given.json)
