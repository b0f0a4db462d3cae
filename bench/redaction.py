"""How fast texts are redacted, and how many lines of public code that alters: none should be, unless a secret stands there.

    python -m bench.redaction [--json] [--megabytes 40] [--code] [--list] [FOLDER ...]

Takes the source files under the folders (by default Python's standard library and the packages installed beside it), with a
redactor that knows ten people, some of them named like common words. The ratio is to `re.findall(rb"\\w+")` over the same
bytes. `--code` leaves documentation (.md, .rst, .html) out; `--list` prints each altered line, redacted.

Public code holds real keys, and documentation prints values that nobody can tell from a real one. `bench/data/printed_secrets.json`
names those that a person has looked at, by the beginning of their SHA-256, with what they are. Lines with no other secret than
these count apart; all other altered lines are false alarms, or secrets that nobody has looked at.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import sysconfig
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from bench import scratch
from git_hone.hooks.redaction import Identity, Redactor, secrets
from git_hone.learner.syntax import tree_of

SUFFIXES = {".py", ".pyi", ".c", ".h", ".rs", ".go", ".js", ".ts", ".tsx", ".css", ".html", ".md", ".rst", ".toml", ".yml", ".sh"}
DOCUMENTS = {".md", ".rst", ".html"}
KNOWN = Redactor(
    [
        *(Identity("name", name) for name in ("Marisela Quintanilla", "Will", "Grace Young", "Dev Builder")),
        *(Identity("email", email) for email in ("mquinta@corp.test", "will@corp.test")),
        *(Identity("user", user) for user in ("mquinta", "build")),
        Identity("host", "fenwick-t14"),
        Identity("home", "/home/mquinta"),
    ]
)


PRINTED: dict[str, str] = json.loads((Path(__file__).parent / "data" / "printed_secrets.json").read_text("utf-8"))
"""What each value is that a person has looked at, by the first 16 digits of its SHA-256."""


def digest(value: bytes) -> str:
    """The name of a value in PRINTED."""
    return hashlib.sha256(value).hexdigest()[:16]


def without_printed(text: str) -> str:
    """`text` after only the secrets in PRINTED are taken out, as the redactor does it."""
    raw, out, at = text.encode("utf-8", "surrogatepass"), b"", 0
    for span in secrets.find(raw, strict=True):
        if digest(raw[span.start : span.end]) in PRINTED:
            out, at = out + raw[at : span.start] + f"[redacted:{span.kind}]".encode(), span.end
    return (out + raw[at:]).decode("utf-8", "surrogatepass")


def sources(folders: Iterable[Path], limit: int, suffixes: Collection[str] = SUFFIXES) -> Iterator[tuple[Path, str]]:
    """(path, text) of source files, each content once, until there are `limit` bytes of them."""
    n, seen = 0, set[int]()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in suffixes or not path.is_file():
                continue
            raw = path.read_bytes()
            if hash(raw) in seen or b"\0" in raw:
                continue
            seen.add(hash(raw))
            yield path, raw.decode("utf-8", "replace")
            n += len(raw)
            if n >= limit:
                return


def measure(
    folders: Iterable[Path] = (),
    megabytes: float = 40.0,
    altered: list[tuple[Path, str, bool]] | None = None,
    suffixes: Collection[str] = SUFFIXES,
) -> dict[str, Any]:
    """MB, lines, MB a CPU second, altered lines (with how many of them print a secret), and altered Python files that no longer
    parse. altered: takes each altered line, and whether it prints a secret."""
    places = list(folders) or [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    texts = list(sources(places, int(megabytes * 1e6), suffixes))
    size = sum(len(text.encode("utf-8", "replace")) for _, text in texts) / 1e6
    start = time.process_time()
    for _, text in texts:
        re.findall(rb"\w+", text.encode("utf-8", "replace"))
    plain = time.process_time() - start
    start = time.process_time()
    done = [KNOWN.code(text, str(path)) for path, text in texts]
    spent = time.process_time() - start
    lines = [
        (path, after, after in printed)
        for (path, text), redacted in zip(texts, done, strict=True)
        if text != redacted
        for printed in [set(without_printed(text).split("\n"))]
        for after in set(redacted.split("\n")) - set(text.split("\n"))
    ]
    if altered is not None:
        altered += lines
    broken = sum(
        path.suffix == ".py" and bool(tree_of(text)) and not tree_of(redacted)
        for (path, text), redacted in zip(texts, done, strict=True)
        if text != redacted
    )
    return {
        "files": len(texts),
        "MB": round(size, 1),
        "lines": sum(text.count("\n") for _, text in texts),
        "MB a CPU second": round(size / spent, 1),
        "CPU, ratio to findall of words": round(spent / plain, 2),
        "lines altered where a secret is printed": sum(printed for _, _, printed in lines),
        "other lines altered": sum(not printed for _, _, printed in lines),
        "Python files that no longer parse": broken,
    }


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folders", nargs="*", type=Path)
    words.add_argument("--json", action="store_true")
    words.add_argument("--megabytes", type=float, default=40.0)
    words.add_argument("--code", action="store_true")
    words.add_argument("--list", action="store_true")
    given = words.parse_args(argv)
    altered: list[tuple[Path, str, bool]] = []
    result = measure(given.folders, given.megabytes, altered, SUFFIXES - DOCUMENTS if given.code else SUFFIXES)
    if given.list:
        for path, line, printed in altered:
            print(f"{'printed' if printed else 'other'} {path.name}: {line.strip()[:160]}", file=sys.stderr)
    return scratch.tell(result, given.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
