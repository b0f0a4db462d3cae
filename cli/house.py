"""A throw-away repository with a house convention, in which an agent worked for weeks: what `git hone demo --train` learns from.

The convention is told to nobody: a function gives its value and an error, `(value, None)`, and for an argument of a wrong type
`(None, "expected TYPE")`. Agents' functions follow it and were kept. So do those of people, which come with tests: they become tasks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Final, NamedTuple

from git_hone.cli.stage import Stage

DAY_S: Final = 86_400
LEARNED_DAYS, TASK_DAYS = (150, 60), (50, 30)
"""How long ago the agent's work and people's tasks were committed: first and last."""


class Function(NamedTuple):
    """gives: the expression of its value."""

    name: str
    kind: str
    gives: str

    @property
    def path(self) -> str:
        return f"{self.name}.py"

    @property
    def args(self) -> dict[str, str]:
        """name -> a value of the right type, as Python writes it."""
        return VALUES[self.kind]

    @property
    def call(self) -> str:
        return f"{self.name}({', '.join(self.args)})"

    @property
    def asked(self) -> str:
        return f"Write the function {self.call}. It gives {self.gives}. Its {' and '.join(self.args)} must be {self.kind}."

    @property
    def code(self) -> str:
        wrong = " or ".join(f"not isinstance({name}, {self.kind})" for name in self.args)
        return (
            f"def {self.call}:\n    if {wrong}:\n        return (None, 'expected {self.kind}')\n    return ({self.gives}, None)\n"
        )

    @property
    def test(self) -> str:
        """Two tests: of the value, and of what is no value."""
        bound = "".join(f"    {name} = {value}\n" for name, value in self.args.items())
        nothing = f"{self.name}({', '.join('None' for _ in self.args)})"
        return (
            f"from {self.name} import {self.name}\n\n\ndef test_value():\n{bound}    assert {self.call} == ({self.gives}, None)\n\n\n"
            f"def test_wrong_type():\n    assert {nothing} == (None, 'expected {self.kind}')\n"
        )


VALUES: Final = {"int": {"a": "7", "b": "3"}, "str": {"text": "' Ab'"}, "list": {"items": "[3, 1, 2]"}}


def _functions(table: str) -> tuple[Function, ...]:
    """A type and a colon before its functions; each is a name and its expression. The types take turns."""
    kinds = [
        [Function(name, kind, gives) for name, gives in (one.split(" ", 1) for one in rest.split("; "))]
        for kind, rest in (line.split(": ", 1) for line in table.strip().splitlines())
    ]
    return tuple(one for turn in zip_longest(*kinds) for one in turn if one)


LEARNED: Final = _functions("""
int: area b * a; perimeter 2 * (a + b); gap abs(b - a); later b > a; boxes b // a; left_over b % a; square b ** 2; cube b * b * b; \
minutes b + 60 * a; middle (a + b) // 2; three 3 * b; joined b + 10 * a; same b == a; opposite -b
str: titled text.title(); swapped text.swapcase(); big_first text.capitalize(); pieces text.split(); dashes text.replace(' ', '-'); \
folded text.casefold(); digits text.isdigit(); ending text.rstrip(); start text.lstrip(); is_loud text.isupper(); capitals text.istitle(); \
twice 2 * text; opening '<' + text; quoted repr(text)
list: oldest items[0]; newest items[-1]; without_first items[1:]; top_two items[:2]; repeated items + items; distinct set(items); \
spread max(items) - min(items); some any(items); zeros items.count(0); doubled 2 * items; copied items.copy(); frozen tuple(items); \
shown str(items); none_left not items
""")
"""What the agent wrote, and what is learned from. No expression begins as one of `TASKS` does, or the export would leave it out."""
TASKS: Final = _functions("""
int: product a * b; together a + b; difference a - b; bigger max(a, b); remainder a % b; shares a // b
str: loud text.upper(); quiet text.lower(); cleaned text.strip(); letters len(text); backwards text[::-1]
list: how_many len(items); total sum(items); in_order sorted(items); lowest min(items); each all(items)
""")
"""What people wrote, with tests, and what models are tried with."""


def found(stage: Stage, settings: Mapping[str, object]) -> None:
    """The empty repository with git-hone in it, and `settings` as its configuration. What is done here is told nobody."""
    stage.run("git", "init", "-q", ".", quiet=True)
    stage.write(".gitignore", ".claude/\n__pycache__/\n")
    stage.write("README.md", "# house\n")
    stage.hone("init", "--agent", "claude-code", quiet=True)
    (stage.repo / ".agent/learning-config.json").write_text(json.dumps(dict(settings), indent=2) + "\n")
    commit(stage, "Start the house", LEARNED_DAYS[0] + 1)


def work(stage: Stage, learned: tuple[Function, ...] = LEARNED, tasks: tuple[Function, ...] = TASKS) -> None:
    """The weeks: an agent's function in each session, committed by a person; then people's functions with their tests."""
    for one, ago in zip(learned, _days(*LEARNED_DAYS, len(learned)), strict=True):
        session(stage, one)
        commit(stage, f"Add {one.name}", ago)
    for one, ago in zip(tasks, _days(*TASK_DAYS, len(tasks)), strict=True):
        stage.write(one.path, one.code)
        stage.write(f"tests/test_{one.name}.py", one.test)
        commit(stage, one.asked, ago)


def ripen(stage: Stage) -> None:
    """Take in what the hooks left, and look at once what became of it; a worker would do so in the background, a day later."""
    from git_hone.hooks.aging import age
    from git_hone.hooks.place import find
    from git_hone.hooks.worker import drain_now

    place = find(stage.repo)
    drain_now(place)
    age(place, force=True)


def commit(stage: Stage, message: str, ago: float) -> None:
    """Everything, as committed `ago` days before now."""
    when = f"{int(time.time() - ago * DAY_S)} +0000"
    stage.run("git", "add", "-A", quiet=True)
    if stage.run("git", "commit", "-q", "-m", message, quiet=True, env={"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}):
        raise RuntimeError(f"{message!r} could not be committed in {stage.repo}")


def _days(first: float, last: float, n: int) -> Iterator[float]:
    return (first - (first - last) * k / max(1, n - 1) for k in range(n))


def decline(stage: Stage, model: str, good: int = 10, bad: int = 10) -> None:
    """Later weeks of `model`: functions that stay, then others that a person takes back one by one."""
    for k in range(good + bad):
        one = Function(f"later_{k}", "int", f"a + {k} * b")
        session(stage, one, model)
        commit(stage, f"Add {one.name}", 28 - k / 10)
        if k >= good:
            when = f"{int(time.time() - (28 - k / 10) * DAY_S) + 600} +0000"
            stage.run("git", "revert", "--no-edit", "HEAD", quiet=True, env={"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when})


def session(stage: Stage, one: Function, model: str = "claude-sonnet-4-5") -> None:
    """An agent's session that writes a function. Raises RuntimeError when a hook of git-hone's failed."""
    from git_hone.hooks.player import Player

    with Player(stage.repo, stage.home, stage.env, model) as agent:
        agent.prompt(one.asked)
        agent.write(one.path, one.code)
    if agent.failed:
        raise RuntimeError(f"hooks that failed: {agent.failed}")
