"""What may be kept here: the repository's and the person's word, files that are excluded, and what was forgotten on demand.

    git config hone.enabled false        this clone records nothing
    git config --global hone.optout true what your agents do is not kept, in any repository
    privacy.optOut in learning-config.json    the same, for everybody whose e-mail's hash is listed (`hash_of`)

The hooks file events all the same, as they must not think; the drain throws away what it may not keep.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Final

from git_hone.hooks import git
from git_hone.hooks.place import Place
from git_hone.learner.config import Config

FILE: Final = "forgotten.json"
NO: Final = ("", "false", "no", "off", "0")


def hash_of(email: str) -> str:
    """What stands in `privacy.optOut` for an e-mail address: the SHA-256 of its small letters, 64 hex digits.

    >>> hash_of(" Ann@Corp.example ")[:16]
    '25a04c95e5b8390d'
    """
    return sha256(email.strip().lower().encode("utf-8", "surrogatepass")).hexdigest()


def excluded(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path, or the name of one of its folders or the file, fits one of the shell patterns; small letters are capitals.

    >>> [excluded(path, ("*secret*", "*.pem")) for path in ("config/Secrets.yml", "src/app.py", "keys/a.pem")]
    [True, False, True]
    """
    names = [path.lower(), *path.lower().split("/")]
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns for name in names)


class Tombstones:
    """Hashes of what was forgotten, in `<common git dir>/hone/forgotten.json`, so that it does not come back. No names."""

    def __init__(self, hone: Path) -> None:
        self._file, self.hashes = hone / FILE, set[str]()
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            self.hashes = set(json.loads(self._file.read_text("utf-8"))["hashes"])

    def has(self, kind: str, value: str) -> bool:
        """kind: change | commit | path | email | run."""
        return bool(self.hashes) and _mark(kind, value) in self.hashes

    def add(self, kind: str, values: Iterable[str]) -> None:
        self.hashes |= {_mark(kind, value) for value in values}

    def commits(self, cwd: Path, names: Iterable[str]) -> set[str]:
        """Those of these commits that were forgotten, or whose author was."""
        asked = set(names) if self.hashes else set()
        if not asked:
            return set()
        words = ["log", "--no-walk=unsorted", "--ignore-missing", "--stdin", "--format=%H %ae"]
        out = git.attempt(words, cwd, stdin="".join(f"{name}\n" for name in sorted(asked)).encode())
        rows = (row.partition(" ") for row in git.text(out or b"").splitlines())
        return {name for name in asked if self.has("commit", name)} | {
            name for name, _, email in rows if self.has("email", email)
        }

    def save(self) -> None:
        """Durable when this returns."""
        part = self._file.with_name(f".tmp-{os.getpid()}-{FILE}")
        with part.open("w", encoding="utf-8") as out:
            json.dump({"version": 1, "hashes": sorted(self.hashes)}, out)
            out.flush()
            os.fsync(out.fileno())
        part.replace(self._file)


def _mark(kind: str, value: str) -> str:
    return sha256(f"{kind}:{value.strip().lower() if kind == 'email' else value}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class Consent:
    """recording: whether this clone keeps anything. agents: whether what agents do here is kept. configured: what git's
    configuration says of people, as it was asked anyway."""

    recording: bool
    agents: bool
    out: frozenset[str]
    forgotten: Tombstones
    configured: tuple[tuple[str, str], ...] = ()

    def keeps_commit(self, commit: str, author_email: bytes | str) -> bool:
        """Whether a commit of this author may have a record."""
        email = git.text(author_email)
        if self.forgotten.has("commit", commit) or self.forgotten.has("email", email):
            return False
        return not self.out or hash_of(email) not in self.out

    def keeps_path(self, path: str) -> bool:
        return not self.forgotten.has("path", path)


def consent(place: Place, config: Config) -> Consent:
    """Asks git's configuration, once."""
    rows = git.configured(place.cwd, r"hone\.(enabled|optout)", git.PEOPLE)
    said = dict(rows)
    out = frozenset(str(mark).lower() for mark in config["privacy.optOut"])
    forgotten = Tombstones(place.hone)
    email = said.get("user.email", "")
    leave = said.get("hone.optout", "no").lower() not in NO or hash_of(email) in out or forgotten.has("email", email)
    return Consent(config.enabled and said.get("hone.enabled", "yes").lower() not in NO, not leave, out, forgotten, tuple(rows))
