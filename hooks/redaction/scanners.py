"""A second look by gitleaks or betterleaks, where one of them is on the PATH. Starts a process; never needed, never waited for long.

Both read standard input with `stdin` and write findings as a JSON list, whose items have the secret under `Secret`. With
`--report-path -` the report goes to standard output; a version before that option knew it writes a file of that name into the
folder it runs in, which is a private one that is removed. No configuration of the repository is read.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

TOOLS: Final = ("betterleaks", "gitleaks")
OPTIONS: Final = ("stdin", "--no-banner", "--exit-code", "0", "--report-format", "json", "--report-path", "-")
LIMIT_BYTES: Final = 4 << 20
TIME_S: Final = 10.0


def find(texts: Iterable[str], *, time_s: float = TIME_S) -> set[str]:
    """The secrets that the scanner sees in the first 4 MiB of the texts; none where there is no scanner, where it takes longer
    than `time_s` seconds, or where it fails."""
    tool = next((path for name in TOOLS if (path := shutil.which(name))), None)
    if tool is None:
        return set()
    body = "\n\n".join(text for text in texts if text).encode("utf-8", "replace")[:LIMIT_BYTES]
    if not body:
        return set()
    with tempfile.TemporaryDirectory(prefix="hone-scan-") as folder:
        try:
            done = subprocess.run([tool, *OPTIONS], input=body, cwd=folder, capture_output=True, timeout=time_s, check=False)
            written = Path(folder) / "-"
            report = json.loads(done.stdout or (written.read_bytes() if written.exists() else b"null"))
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return set()
    rows = report if isinstance(report, list) else []
    return {row["Secret"] for row in rows if isinstance(row, dict) and isinstance(row.get("Secret"), str) and row["Secret"]}
