"""Run all benchmarks and write docs/benchmarks.md: `nox -s bench`, or `python -m bench [--changes 1000000] [--only NAME]`."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from bench import commit, decisions, drain, events, notes, outcomes, redaction, scratch

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


MEASURED: Final = {
    "commit": (commit, "A commit"),
    "events": (events, "An agent's event"),
    "drain": (drain, "From event to record"),
    "decisions": (decisions, "Deciding"),
    "redaction": (redaction, "Redaction"),
    "notes": (notes, "Notes between clones"),
    "outcomes": (outcomes, "Outcomes over time"),
}


def section(name: str, changes: str) -> str:
    """One section of the page, measured now."""
    if name == "stats":
        command = [sys.executable, "-m", "bench.stats", changes]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return "\n".join(["## Statistics", "", f"`python -m bench.stats {changes}`", "", "```", said.strip(), "```", ""])
    module, title = MEASURED[name]
    about = (module.__doc__ or "").strip().split("\n\n")
    page = [f"## {title}", "", about[0], "", f"`{about[1].strip()}`", "", *about[2:3], "", *table(module.measure()), ""]
    if module is commit:
        page += ["The hardest case, `python -m bench.commit --files 200`:", "", *table(commit.measure(files=200)), ""]
    return "\n".join(page)


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--changes", default="1000000", help="how many changes `stats` is asked about")
    words.add_argument(
        "--only", choices=[*MEASURED, "stats"], action="append", help="measure this one; the others stay as they are"
    )
    given = words.parse_args(argv)
    head = HEAD.format(machine=scratch.machine())
    if not given.only:
        PAGE.write_text("\n".join([head, *(section(name, given.changes) for name in (*MEASURED, "stats"))]), "utf-8")
        return 0
    page = PAGE.read_text("utf-8")
    for name in given.only:
        print(name, file=sys.stderr)
        new = section(name, given.changes)
        title = new.splitlines()[0]
        old = re.search(rf"^{re.escape(title)}$.*?(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
        page = page[: old.start()] + new + "\n" + page[old.end() :] if old else f"{page.rstrip()}\n\n{new}"
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
