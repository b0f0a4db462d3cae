"""What a task looks like to the router: a path of ever finer kinds, and hashed words. Pure, and of the standard library only:
the same few lines serve training and deciding, so the two can never disagree.

Words are hashed (CRC-32) before anything is stored: an exported router holds no word of anybody's task.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Final, NamedTuple
else:
    from git_hone.learner.named import NamedTuple

BUCKETS: Final = 1 << 16
"""Words and pairs of neighbours share this many buckets where tasks are compared with each other; what is kept of past tasks has these."""
FINE: Final = 1 << 20
"""The same where weights are learned: with few buckets two words often share a weight."""
TEXT_LIMIT: Final = 20_000
"""Characters of a task that are looked at: its beginning says what it is; the rest is mostly what was pasted."""
UNKNOWN: Final = "?"
_WORD: Final = re.compile(r"[a-z0-9_]+|[^\sa-z0-9_]", re.ASCII)
_LANGUAGES: Final = {
    "py": "python", "pyi": "python", "js": "javascript", "jsx": "javascript", "mjs": "javascript", "ts": "typescript",
    "tsx": "typescript", "go": "go", "rs": "rust", "java": "java", "kt": "kotlin", "rb": "ruby", "php": "php", "c": "c", "h": "c",
    "cc": "cpp", "cpp": "cpp", "hpp": "cpp", "cs": "csharp", "swift": "swift", "sh": "shell", "sql": "sql", "md": "docs",
    "rst": "docs", "html": "web", "css": "web", "json": "data", "yaml": "data", "yml": "data", "toml": "data",
}  # fmt: skip


class Task(NamedTuple):
    """A task as the router sees it. `path`: names from coarse to fine; what is learned of a name is pulled towards what is
    known of the one before it. `text`: what was asked for; empty when it is not known."""

    path: tuple[str, ...]
    text: str = ""


def task(text: str = "", *, kind: str | None = None, difficulty: str | None = None, files: Iterable[str] = ()) -> Task:
    """A task of this repository: kind of work, difficulty, language, and the folder that most of its files lie in.

    >>> task("fix the parser", kind="fix", difficulty="easy", files=["src/parse.py", "src/lex.py"]).path
    ('fix', 'easy', 'python', 'src')
    >>> task("anything").path
    ('?', '?', '?', '?')
    """
    names = [_parts(file) for file in files]
    languages = Counter(_LANGUAGES.get(_ending(name[-1]) if name else "", UNKNOWN) for name in names)
    folders = Counter(name[0] if len(name) > 1 else "." for name in names)
    return Task((kind or UNKNOWN, difficulty or UNKNOWN, _most(languages), _most(folders)), text)


def _parts(path: str) -> list[str]:
    """As `PurePosixPath.parts`, which takes long to import."""
    root = ["/"] if path.startswith("/") else []
    return root + [part for part in path.split("/") if part not in ("", ".")]


def _ending(name: str) -> str:
    """
    >>> _ending("a.tar.gz"), _ending(".bashrc"), _ending("a.")
    ('gz', '', '')
    """
    stem, dot, end = name.rpartition(".")
    return end if stem and dot else ""


def _most(counts: Mapping[str, int]) -> str:
    return min(counts, key=lambda name: (-counts[name], name), default=UNKNOWN)


def nodes(path: Iterable[str]) -> list[str]:
    """The path's prefixes, coarse first, as names of their own.

    >>> nodes(("fix", "easy"))
    ['fix', 'fix/easy']
    """
    found, so_far = [], ""
    for name in path:
        so_far = f"{so_far}/{name.replace('/', '_')}" if so_far else name.replace("/", "_")
        found.append(so_far)
    return found


def words(text: str, buckets: int = BUCKETS) -> dict[int, float]:
    """Bucket -> weight of the words and word pairs of `text`: 1 + ln(count), the whole divided by its length (L2), so that a
    long task is not a louder one. Empty for an empty text.

    >>> sum(weight**2 for weight in words("fix the parser, fix the lexer").values())
    1.0
    """
    found = _WORD.findall(text[:TEXT_LIMIT].lower())
    counts = Counter([*found, *(f"{one} {two}" for one, two in pairwise(found))])
    weights: dict[int, float] = {}
    for word, n in counts.items():
        bucket = zlib.crc32(word.encode()) % buckets
        weights[bucket] = weights.get(bucket, 0.0) + 1.0 + math.log(n)
    length = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
    return {bucket: weight / length for bucket, weight in weights.items()}
