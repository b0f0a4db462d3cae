"""Run all benchmarks and write docs/benchmarks.md: `nox -s bench`, or `python -m bench [--changes 1000000]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import commit, drain, events, redaction, scratch

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `nox -s bench` on {machine}.
Ratios come first: they travel between machines, milliseconds do not. CPU is user + system time; each figure is a median of runs
taken in turn. Wall seconds suffer from whatever else the machine does.
"""


def table(result: dict[str, Any]) -> list[str]:
    """Markdown rows: a number as it is, a distribution as its median and quartiles."""
    rows = ["| | median | quartiles |", "|---|---|---|"]
    for name, value in result.items():
        if isinstance(value, dict):
            rows.append(f"| {name} | {value['median']} | {value['q1']} to {value['q3']} (n = {value['n']}) |")
        else:
            rows.append(f"| {name} | {value} | |")
    return rows


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--changes", default="1000000", help="how many changes `stats` is asked about")
    given = words.parse_args(argv)
    page = [HEAD.format(machine=scratch.machine())]
    for module, title in (
        (commit, "A commit"),
        (events, "An agent's event"),
        (drain, "From event to record"),
        (redaction, "Redaction"),
    ):
        print(title, file=sys.stderr)
        about = (module.__doc__ or "").strip().split("\n\n")
        page += [f"## {title}", "", about[0], "", f"`{about[1].strip()}`", "", about[2], "", *table(module.measure()), ""]
        if module is commit:
            page += ["The hardest case, `python -m bench.commit --files 200`:", "", *table(commit.measure(files=200)), ""]
    print("Statistics", file=sys.stderr)
    command = [sys.executable, "-m", "bench.stats", given.changes]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    page += ["## Statistics", "", f"`python -m bench.stats {given.changes}`", "", "```", said.strip(), "```", ""]
    PAGE.write_text("\n".join(page), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
