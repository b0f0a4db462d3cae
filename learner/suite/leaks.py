"""From a commit's message to an instruction: what says how it was done, or leads to where it can be read, is taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

TRAILER: Final = re.compile(
    r"^\s*(?:[A-Za-z-]+-by|change-id|cc|fixes|closes|refs|references|related(?: to)?|see(?: also)?|git-svn-id|signed-off"
    r"|pr|pull[- ]request|bug|issue|ticket)"
    r"\s*:.*$",
    re.IGNORECASE,
)
CHERRY: Final = re.compile(r"^\s*\(?(?:cherry[- ]picked|backported) from.*$|^This reverts commit.*$", re.IGNORECASE)
LINK: Final = re.compile(r"<?https?://[^\s>)]+>?")
CLOSES: Final = re.compile(
    r"(?:[,;:]\s*)?\(?\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?|refs?|see|issue|pr|pull request|bug|gh|ticket)[\s:]*(?:#|gh-)\d+\)?"
    r"(?:\s*(?:,|and)\s*(?:#|gh-)\d+)*",
    re.IGNORECASE,
)
NUMBER: Final = re.compile(r"\s*\(?(?:\b[\w.-]+/[\w.-]+)?(?:#|\bgh-)\d+\)?", re.IGNORECASE)
HASH: Final = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b")
TESTS: Final = re.compile(
    r"[,;]?\s*(?:\b(?:and|with|also|plus)\s+)?\b(?:add(?:s|ed|ing)?|update[sd]?|includ(?:e|es|ed|ing)|writ(?:e|es|ing)|new|fix(?:e[sd])?|extend(?:s|ed)?)?"
    r"\s*(?:(?:a|an|some|more|new|unit|regression|the)\s+)*tests?\b(?:\s+(?:case|cases|for (?:it|this|that)))?(?:\s+(?:added|updated|included))?",
    re.IGNORECASE,
)
FENCE: Final = re.compile(r"^\s*(?:```|~~~)")
MIN_CODE: Final = 12
MAX_PROMPT: Final = 20_000


def clean(message: str, *, tests: Iterable[str] = (), solution: Iterable[str] = ()) -> str:
    """The message without hashes, numbers of issues and pull requests, links, trailers, names of test files and tests, and lines
    of the solution's own code (`solution`: its added lines). Empty when nothing is left.

    >>> clean("Fix crash on empty input (#123)\\n\\nfixes #99\\n\\nCo-authored-by: A <a@b.c>")
    'Fix crash on empty input'
    >>> clean("Handle None\\n\\nSee 0a1b2c3d4e and tests/test_x.py", tests=["tests/test_x.py"])
    'Handle None'
    >>> clean("Return zero for nothing\\n\\nuse `value = len(rows) or 0` there", solution=["    value = len(rows) or 0"])
    'Return zero for nothing'
    """
    code = {_squeezed(line) for line in solution}
    code = {line for line in code if len(line) >= MIN_CODE}
    stems = [path.rpartition("/")[2].removesuffix(".py") for path in tests]
    names = [*tests, *(stem for stem in stems if "test" in stem and len(stem) > 5)]
    kept, fenced = list[str](), False
    for line in message.replace("\r", "").split("\n"):
        if FENCE.match(line):
            fenced = not fenced
            continue
        squeezed = _squeezed(line)
        told = any(one in squeezed for one in code) or any(name and name in line for name in names)
        if (
            fenced
            or told
            or TRAILER.match(line)
            or CHERRY.match(line)
            or line.lstrip().startswith(("+++", "---", "@@", "diff --git"))
        ):
            continue
        for pattern in (LINK, CLOSES, NUMBER, HASH):
            line = pattern.sub("", line)
        kept.append(re.sub(r"[ \t]+", " ", line).rstrip(" ,;:-("))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return "" if _says_nothing(text) else text


def instruction(message: str, edit: Sequence[str]) -> str:
    """The prompt of a task: the cleaned message, and the files to change."""
    files = "\n".join(f"- {path}" for path in edit)
    head = message[: MAX_PROMPT - len(files) - 100]
    return f"{head}\n\nChange {'this file' if len(edit) == 1 else 'these files'}:\n{files}\n"


def _says_nothing(text: str) -> bool:
    """Whether no word is left that says what to do: fewer than two words, or only that tests were added.

    >>> _says_nothing("wip"), _says_nothing("Add tests"), _says_nothing("Allow None as a name")
    (True, True, False)
    """
    return len(re.findall(r"[^\W\d_]{2,}", TESTS.sub("", text))) < 2


def _squeezed(line: str) -> str:
    return re.sub(r"\s+", "", line)
