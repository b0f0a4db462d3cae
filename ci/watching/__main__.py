"""`python -I -m git_hone.ci.watching <common git dir>/hone`: the loop in the background, as `git_hone.hooks.zero_touch` starts it."""

import os
import sys
from pathlib import Path

from git_hone.ci.watching import watching
from git_hone.hooks.place import find
from git_hone.learner.errors import HoneError


def main(hone: Path) -> int:
    watching.step_back()
    for name in [key for key in os.environ if key.startswith("GIT_") and key != "GIT_HONE_OFF"]:
        del os.environ[name]
    try:
        watching.run(find(hone.parent), lambda _: None)
    except HoneError as error:  # what could not be kept: the next drain starts it again
        print(f"git-hone: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
