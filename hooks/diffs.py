"""git's own diff, for many pairs of blobs in one process.

The pairs are laid out as two trees with the same made-up names, and one `git diff-tree` compares them; it runs in the
common git dir, so that no attribute or configuration of the work tree has a say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from git_hone.hooks import git
from git_hone.hooks.lines import Hunk, is_binary

FLAGS = ("-U0",
          "--no-renames", "--no-ext-diff", "--no-textconv", "--full-index", "--no-color",
         "--diff-algorithm=histogram",
         "--ignore-cr-at-eol", "--src-prefix=a/", "--dst-prefix=b/",
         "--no-indent-heuristic", "--inter-hunk-context=0")  # fmt: skip
BIG_BYTES = 32 << 20
QUIET = ("-c", "core.attributesFile=/dev/null", "-c", f"core.bigFileThreshold={BIG_BYTES}")
Pair = tuple[str, str]


_KNOWN: ContextVar[dict[Pair, list[Hunk] | None] | None] = ContextVar("known", default=None)
REMEMBERED = 500
"""How many diffs are kept while `remembering`."""


@contextmanager
def remembering() -> Iterator[None]:
    """Let the same pair of blobs be compared once: an edit and the commit of it are often the same."""
    token = _KNOWN.set({})
    try:
        yield
    finally:
        _KNOWN.reset(token)


def diff_pairs(common: Path, pairs: Iterable[Pair]) -> dict[Pair, list[Hunk] | None]:
    """Hunks from blob `a` to blob `b` for each pair. None for a binary, a missing blob, or one too large to compare.

    An empty name ("") stands for no file.
    """
    wanted = list(dict.fromkeys(pair for pair in pairs))
    known = _KNOWN.get()
    found: dict[Pair, list[Hunk] | None] = {pair: [] for pair in wanted if pair[0] == pair[1]}
    found.update({pair: known[pair] for pair in wanted if pair in known} if known else {})
    todo = [pair for pair in wanted if pair not in found]
    for start in range(0, len(todo), 2000):
        part = todo[start : start + 2000]
        out = _diff(common, part)
        if out is None and len(part) > 1:  # one unreadable blob ends the whole process: find it by halves
            middle = len(part) // 2
            found.update(diff_pairs(common, part[:middle]))
            found.update(diff_pairs(common, part[middle:]))
        else:
            found.update(out or dict.fromkeys(part))
    attributes = common / "info" / "attributes"
    if attributes.is_file() and attributes.stat().st_size and (told := [pair for pair, hunks in found.items() if hunks is None]):
        found.update(_all_the_same(common, told))
    if known is not None and len(known) + len(todo) <= REMEMBERED:
        known.update({pair: hunks for pair in todo if (hunks := found[pair]) is not None})
    return found


def _all_the_same(common: Path, pairs: list[Pair]) -> dict[Pair, list[Hunk] | None]:
    """The repository's own attributes, which no option takes out of the way, may say of every file that it has no lines
    (`* -diff`): those of these pairs that are text are compared as text."""
    with git.cat_file(common) as objects:
        bodies = objects.blobs(name for pair in pairs for name in pair if name)
    lines = {"", *(name for name, body in bodies.items() if body is not None and len(body) < BIG_BYTES and not is_binary(body))}
    return _diff(common, [pair for pair in pairs if lines.issuperset(pair)], "--text") or {}


def _diff(common: Path, pairs: list[Pair], *flags: str) -> dict[Pair, list[Hunk] | None] | None:
    rows = ["".join(f"100644 blob {pair[side]}\t{k:08d}\n" for k, pair in enumerate(pairs) if pair[side]) for side in (0, 1)]
    trees = git.text(git.run(["mktree", "--batch", "--missing"], common, stdin="\n".join([*rows, ""]).encode())).split()
    env = {
        "GIT_INDEX_FILE": str(common / "hone" / "no-index")
    }  # git takes `.gitattributes` from the index where it finds no file
    out = git.attempt([*QUIET, "diff-tree", "-r", "-p", *FLAGS, *flags, *trees], common, env=env)
    if out is None:
        return None
    found: dict[Pair, list[Hunk] | None] = {pair: [] for pair in pairs}
    for k, hunks in parse_patch(out).items():
        found[pairs[k]] = hunks
    return found


def parse_patch(out: bytes) -> dict[int, list[Hunk] | None]:
    """File number -> hunks, from the text of a diff made as above. None where git says "Binary files differ"."""
    found: dict[int, list[Hunk] | None] = {}
    lines = out.split(b"\n")
    hunks: list[Hunk] = []
    at, number = 0, -1
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith(b"diff --git a/"):
            number = int(line[13:21])
            hunks = []
            found[number] = hunks
        elif line.startswith(b"Binary files ") and number >= 0:
            found[number] = None
        elif line.startswith(b"@@ -"):
            old, new = line[4 : line.index(b" @@", 4)].split(b" +")
            (old_at, n_old), (new_at, n_new) = _span(old), _span(new)
            gone: list[bytes] = []
            came: list[bytes] = []
            while len(gone) < n_old or len(came) < n_new or lines[at : at + 1] == [b"\\ No newline at end of file"]:
                mark, rest = lines[at][:1], lines[at][1:]
                if mark == b"-":
                    gone.append(rest)
                elif mark == b"+":
                    came.append(rest)
                at += 1
            hunks.append(Hunk(old_at - (n_old > 0), tuple(gone), new_at - (n_new > 0), tuple(came)))
    return found


def _span(text: bytes) -> tuple[int, int]:
    start, comma, count = text.partition(b",")
    return int(start), int(count) if comma else 1
