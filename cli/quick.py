"""`git hone route` without click: for calls that are as they should be. Whatever else there is (help, a mistake, a task on standard
input) is left to the command itself, which says it better."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any, Final


VALUES: Final = ("--task", "--file", "--kind", "--difficulty", "--budget")
FLAGS: Final = ("--dry-run", "--json")


def route(argv: list[str]) -> bool:
    """Answer, and say so; False, with nothing printed and nothing on record, when the command itself should."""
    given = _read(argv)
    if given is None:
        return False
    from git_hone.ci import choosing
    from git_hone.cli import answer
    from git_hone.hooks.place import Place, plain
    from git_hone.learner.errors import HoneError

    values, flags = given
    budget = values.get("--budget", [None])[-1]
    difficulty = values.get("--difficulty", [None])[-1]
    kind = values.get("--kind", [None])[-1]
    try:
        usd = None if budget is None else float(budget)
        if usd is not None and not 0 <= usd <= 1_000_000:
            return False
        if (kind is not None and kind not in choosing.KINDS) or (
            difficulty is not None and difficulty not in choosing.DIFFICULTIES
        ):
            return False
        place = plain(_Plain(os.getcwd()))  # type: ignore[arg-type]  # it stands in for a Path  # noqa: PTH109 - see _Plain
        files = values.get("--file", [])
        if place is None or not _from_top(place, files):
            return False
        if (place.agent / choosing.CONTEXT).exists():  # it may name files in any way
            from pathlib import Path

            place = Place(*(None if path is None else Path(path) for path in place))  # type: ignore[arg-type]  # the fields are paths or None, one by one
        decided = choosing.choose(
            place, place.agent, choosing.clean(values["--task"][-1]), files=files, kind=kind,
            difficulty=difficulty, budget_usd=usd, log="--dry-run" not in flags,
        )  # fmt: skip
    except (HoneError, ValueError):
        return False
    near = choosing.like(place, decided)
    sys.stdout.write((choosing.dumps(decided, near) if "--json" in flags else answer.words(decided, near)) + "\n")
    absent = [choosing.absent(file) for file in files if not os.path.exists(file)]  # noqa: PTH110 - see _Plain
    for note in (*absent, *decided.notes):
        sys.stderr.write(f"git-hone: {note}\n")
    return True


def _from_top(place: Any, files: Any) -> bool:
    """Whether the files go by the names that they have from the top of the work tree."""
    if files and os.getcwd() != str(place.top):  # noqa: PTH109 - see _Plain
        return False
    return all(os.path.normpath(file) == file and not file.startswith(("/", "..")) for file in files)


class _Plain(str):
    """As much of `pathlib.Path` as asking needs; importing that takes as long as a decision. Whatever else is asked of it is asked of a
    real one. `replace`, which a str has too, is not to be used."""

    __slots__ = ()

    def __truediv__(self, name: str) -> _Plain:
        return _Plain(f"{self}/{name}" if self != "/" else f"/{name}")

    @property
    def parents(self) -> list[_Plain]:
        found, at = list[_Plain](), str(self)
        while at != "/":
            at = os.path.dirname(at)  # noqa: PTH120 - this class is the replacement for pathlib
            found.append(_Plain(at))
        return found

    def exists(self) -> bool:
        return os.path.exists(self)  # noqa: PTH110 - as above

    def is_dir(self) -> bool:
        return os.path.isdir(self)  # noqa: PTH112 - as above

    def is_file(self) -> bool:
        return os.path.isfile(self)  # noqa: PTH113 - as above

    def open(self, mode: str = "r", **more: Any) -> Any:
        return open(self, mode, **more)  # noqa: PTH123 - as above

    def read_bytes(self) -> bytes:
        with open(self, "rb") as file:  # noqa: PTH123 - as above
            return file.read()

    def read_text(self, encoding: str) -> str:
        return self.read_bytes().decode(encoding)

    def rename(self, target: str) -> None:
        os.rename(self, target)  # noqa: PTH104 - as above

    def __getattr__(self, name: str) -> Any:
        from pathlib import Path

        return getattr(Path(self), name)


def _read(argv: list[str]) -> tuple[dict[str, list[str]], set[str]] | None:
    """(values by option, flags), None for anything out of the ordinary."""
    values: dict[str, list[str]] = {}
    flags: set[str] = set()
    words = iter(argv)
    for word in words:
        name, sign, value = word.partition("=")
        if name in FLAGS and not sign:
            flags.add(name)
        elif name in VALUES:
            found = value if sign else next(words, None)
            if found is None or found.startswith("-"):
                return None
            values.setdefault(name, []).append(found)
        else:
            return None
    return (values, flags) if values.get("--task", [""])[-1].strip() else None
