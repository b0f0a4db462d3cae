"""Who git knows here: asked of git, the system and the environment, and kept in `<common git dir>/hone/identities.json`.

Authors and committers are read once; afterwards only those of commits that came since.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git
from git_hone.hooks.place import Place
from git_hone.hooks.redaction import Identity, Redactor

FILE: Final = "identities.json"
ROLES: Final = ("GIT_AUTHOR", "GIT_COMMITTER")


Configured = Sequence[tuple[str, str]]
"""(key, value) of git's configuration, for the keys that `git.PEOPLE` fits."""


def redactor(
    place: Place, tips: Mapping[str, str] | None = None, configured: Configured | None = None, *, anonymous: bool = True
) -> Redactor:
    """A redactor that knows the people of this repository. tips: name -> commit; configured: what git's configuration says of
    them. Where these are known, git is not asked."""
    return Redactor(identities(place, tips, configured) if anonymous else (), anonymous=anonymous)


def identities(place: Place, tips: Mapping[str, str] | None = None, configured: Configured | None = None) -> set[Identity]:
    """Names, e-mail addresses, user and host names and home folders."""
    rows = git.configured(place.cwd, git.PEOPLE) if configured is None else configured
    return {identity for identity in (*_people(place, tips), *_configured(rows), *_of_this_machine()) if _is_personal(identity)}


def _is_personal(identity: Identity) -> bool:
    value = identity.value.strip().lower()
    return bool(value) and not value.endswith("[bot]") and not value.startswith(("noreply@", "no-reply@", "git-hone@"))


def _configured(rows: Configured) -> Iterator[Identity]:
    for key, value in rows:
        if value and re.fullmatch(git.PEOPLE, key):
            yield Identity(key.rsplit(".", 1)[-1], value)
    for role in ROLES:
        for kind in ("name", "email"):
            yield Identity(kind, os.environ.get(f"{role}_{kind.upper()}", ""))


def _of_this_machine() -> Iterator[Identity]:
    with contextlib.suppress(OSError, KeyError):
        yield Identity("user", getpass.getuser())
    yield Identity("host", os.uname().nodename)
    with contextlib.suppress(RuntimeError):
        yield Identity("home", str(Path.home()))
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        row = pwd.getpwuid(os.getuid())
        yield Identity("home", row.pw_dir)
        yield Identity("name", row.pw_gecos.split(",")[0])


def authors(place: Place, tips: Mapping[str, str] | None = None) -> set[tuple[str, str]]:
    """(name, e-mail) of the authors and committers of everything that a name leads to."""
    file = place.hone / FILE
    known = _read(file)
    now = sorted(set(tips.values())) if tips is not None else _tips(place)
    people = {(str(name), str(email)) for name, email in known["people"]}
    new = [tip for tip in now if tip not in set(known["tips"])]
    if new:
        people |= _authors(place, new, known["tips"])
        _write(file, {"tips": now, "people": sorted(people)})
    return people


def _people(place: Place, tips: Mapping[str, str] | None) -> Iterator[Identity]:
    for name, email in authors(place, tips):
        if _is_personal(Identity("email", email)):
            yield Identity("name", name)
            yield Identity("email", email)


def _tips(place: Place) -> list[str]:
    rows = git.attempt(["for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes"], place.cwd) or b""
    head = git.line(["rev-parse", "--verify", "--quiet", "HEAD"], place.cwd)
    return sorted({*git.text(rows).split(), *([head] if head else [])})


def _authors(place: Place, tips: Iterable[str], before: Iterable[str]) -> set[tuple[str, str]]:
    asked = "".join([*(f"{tip}\n" for tip in tips), *(f"^{tip}\n" for tip in before)])
    rows = git.attempt(["log", "--ignore-missing", "--stdin", "--format=%an%x00%ae%n%cn%x00%ce"], place.cwd, stdin=asked.encode())
    found = {tuple(row.split("\0")[:2]) for row in git.text(rows or b"").split("\n") if "\0" in row}
    return {(name, email) for name, email in found}


def _read(file: Path) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text("utf-8", "surrogateescape"))
        return {"tips": list(held["tips"]), "people": [(name, email) for name, email in held["people"]]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"tips": [], "people": []}


def _write(file: Path, body: dict[str, Any]) -> None:
    """Best effort: a folder that cannot be written to costs the next call another look."""
    part = file.with_name(f".tmp-{os.getpid()}-{FILE}")
    with contextlib.suppress(OSError):
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as out:
            json.dump(body, out)
        part.replace(file)
