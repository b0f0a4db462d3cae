"""A JavaScript or TypeScript file, read from its tokens.

`tokens` is the file and ways to look into it; `blocks` finds the calls of `it` and `test`, `bodies` reads what stands in them,
with `checks` and `matchers` (what a test asserts); `functions` and `literals` read the code under test; `shortcuts` and `harness`
find the signs in either; `reading` is the list of these steps.
"""

from git_hone.hooks.tampering.script.reading import ENDINGS, is_test_file, read

__all__ = ["ENDINGS", "is_test_file", "read"]
