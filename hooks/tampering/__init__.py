"""Does a change weaken what measures it? Pure: the files of a diff in, flags out."""

from git_hone.hooks.tampering.facts import FileChange, Flag
from git_hone.hooks.tampering.judge import KINDS, judge

__all__ = ["KINDS", "FileChange", "Flag", "judge"]
