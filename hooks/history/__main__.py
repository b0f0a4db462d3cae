"""`python -m git_hone.hooks.history PATH [LIMIT]`: the report alone, with nothing kept."""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from git_hone.hooks.history.learn import learn_from
from git_hone.hooks.history.report import render
from git_hone.learner.errors import HoneError


def main(argv: list[str]) -> int:
    """Print the report; 0, or 2 with a word on stderr."""
    path, limit = Path(argv[0] if argv else "."), int(argv[1]) if len(argv) > 1 else None
    with tempfile.TemporaryDirectory() as cache:
        try:
            learned = learn_from(
                path, cache=Path(cache), store=None, progress=lambda *_: None, now=datetime.now(timezone.utc), limit=limit
            )
        except HoneError as error:
            print(f"git-hone: {error.message}", file=sys.stderr)
            return error.exit_code
    print(render(learned, 110, sys.stdout.isatty()))
    print(f"{learned.seconds:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
