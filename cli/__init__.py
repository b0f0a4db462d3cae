"""The command line: a thin shell over the three wings.

`app` holds the commands. `route` has a shorter way in (`quick`), as it is asked before every task: importing click alone takes as long as
Python's own start.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Final

COMMANDS: Final = ("init", "uninstall", "doctor", "status", "capture", "drain", "check", "signal", "show", "log",
                   "stats", "router", "feedback", "variants", "route", "run", "generate", "simulate", "export",
                   "train", "suite", "evaluate", "gate", "deploy", "rollback", "adapters", "learn", "sync",
                   "reconcile", "forget", "watch", "demo", "completion")  # fmt: skip
"""In the order of a user's first day; `git_hone.cli.commands.NAME` holds each as `command`."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 fine, 1 the check or gate says no, 2 wrong use, 3 our fault,
    130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["route"]:
        from git_hone.cli import quick

        if quick.route(words[1:]):
            return 0
    from git_hone.cli import app

    return app.run(argv)
