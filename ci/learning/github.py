"""What GitHub Actions reads of a step: two files that it names in the environment. Elsewhere nothing is written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from git_hone.ci.learning.jobs import Told

MOST: Final = 1_000_000
"""Bytes of a summary; GitHub leaves out one of more than 1 MiB."""


def tell(told: Told) -> bool:
    """Append outputs and text to the files that GITHUB_OUTPUT and GITHUB_STEP_SUMMARY name; whether there was a summary to write to.

    A value stands between two lines that nobody can guess, so that no value can add an output.
    """
    if name := os.environ.get("GITHUB_OUTPUT"):
        with Path(name).open("a", encoding="utf-8") as out:
            for key, value in told.outputs.items():
                mark = secrets.token_hex(16)
                out.write(f"{key}<<{mark}\n{value}\n{mark}\n")
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return False
    with Path(name).open("ab") as out_bytes:
        raw = told.text.encode("utf-8", "replace")
        out_bytes.write(raw if len(raw) <= MOST else raw[:MOST] + b"\n\n(cut)\n")
    return True
