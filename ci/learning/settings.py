"""What a whole loop is about. Pure."""

from __future__ import annotations

from typing import NamedTuple

from git_hone.learner.errors import UsageError


class Settings(NamedTuple):
    """candidate: a model to judge, None for the adapter that was trained. incumbent: the model in place, None for the
    committed champion, or the base where there is none. base: a GGUF file
    or an https address of one, whose SHA-256 is base_sha256. suite, guard: None is what `promotion` of the configuration names, the guard only
    where there is such a suite."""

    role: str = "coder"
    suite: str | None = None
    guard: str | None = None
    candidate: str | None = None
    incumbent: str | None = None
    base: str | None = None
    base_sha256: str | None = None


def checked(of: Settings) -> Settings:
    """The same settings. Raises UsageError for a value that is no single line of printable characters: it would go into reports and logs.

    >>> checked(Settings(suite="a\\nb"))
    Traceback (most recent call last):
    ...
    git_hone.learner.errors.UsageError: suite: 'a\\nb' is no single line of printable characters
    """
    for name, value in of._asdict().items():
        if value is not None and not value.isprintable():
            raise UsageError(f"{name}: {value!r} is no single line of printable characters", tip="give another value")
    return of
