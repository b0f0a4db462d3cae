"""What a model is told for each role. The orders are those that `git hone generate` and an evaluation give, so that a model learns to answer
in the form in which it will be asked; the words of a prompt variant around a task are not part of the data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

Message = Mapping[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}"""

ORDER: Final = """You write one file of a repository. Answer with the whole new content of the file {path} in one fenced code block, and with
nothing else: no explanation before or after it, nothing left out."""
FIX: Final = """You mend a repository whose checks fail. Answer with one patch in unified diff format in one fenced code block, and with nothing
else."""
JUDGE: Final = """You review a change of this repository. Answer with one JSON object {"verdict": "accept" or "revise", "because": "..."}, and with
nothing else. accept: it will stand. revise: people will have to mend it."""
LINES: Final = """You write lines of the file {path} of a repository. Answer with these lines in one fenced code block, and with nothing else."""


def asked(system: str, *parts: str) -> tuple[Message, ...]:
    """A prompt: the order, and the parts that are not empty, an empty line between them."""
    user = "\n\n".join(part.strip("\n") for part in parts if part.strip())
    return ({"role": "system", "content": system}, {"role": "user", "content": user})


def answer(text: str) -> tuple[Message, ...]:
    return ({"role": "assistant", "content": text},)


def fenced(text: str, language: str = "") -> str:
    """`text` in a code block whose fence is longer than any in it.

    >>> print(fenced("x = 1\\n"))
    ```
    x = 1
    ```
    """
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def length(messages: Sequence[Message]) -> int:
    """Characters of all contents."""
    return sum(len(message["content"]) for message in messages)
