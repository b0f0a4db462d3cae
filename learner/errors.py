"""What can go wrong, in words for a person.

HoneError            the base: what happened, where, and the next step; exit code 2 unless said otherwise
├── UsageError       the call makes no sense here (not a repository, unknown revision): exit 2
├── ConfigError      a configuration file is wrong: names the file and the key: exit 2
├── DataError        a record, segment, note or payload is damaged: names the file, keeps the rest: exit 2
└── GitError         git itself said no: carries its words: exit 2
"""

from __future__ import annotations


class HoneError(Exception):
    """Base of every error meant for a person's eyes. `tip` is the next step, printed on its own line."""

    exit_code = 2

    def __init__(self, message: str, tip: str | None = None) -> None:
        super().__init__(message)
        self.message, self.tip = message, tip


class UsageError(HoneError):
    """The call makes no sense here: not in a repository, an unknown revision, a missing file."""


class ConfigError(HoneError):
    """A configuration file does not fit its schema; the message names the file and the key."""


class DataError(HoneError):
    """A record, segment, note or payload cannot be read; the message names it. Nothing was lost."""


class GitError(HoneError):
    """git refused; the message holds its own words."""

    def __init__(self, message: str, returncode: int = 128, tip: str | None = None) -> None:
        super().__init__(message, tip)
        self.returncode = returncode
