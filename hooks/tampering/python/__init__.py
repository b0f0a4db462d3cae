"""A Python file, read from its syntax tree.

`side` is one side of a file and what the other side lacks of it; `definitions` reads its tests and functions, with `checks` (what
a test asserts), `skips` (why it does not run) and `literals` (answers that are written down); `shortcuts` and `harness` find
the signs in its statements; `reading` is the list of these steps.
"""

from git_hone.hooks.tampering.python.reading import read
from git_hone.hooks.tampering.python.side import is_test_file

__all__ = ["is_test_file", "read"]
