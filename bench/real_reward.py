"""How well the rewards forecast what is kept, on the agents' commits of a real history.

    python -m bench.real_reward REPOSITORY [--newest 4000] [--json]

What became of each agent's commit comes from `init --learn-from`'s walk (lines alive at 14 days, reverts, rework). Its signals of the day
are measured now, on the Python files that it changed, before and after: `ruff check` with its own defaults (lint; a syntax error is
compile), and the signs of tampering that the drain looks for. Its size is the lines that it adds. Tests were not run, so "tests only" has
no word of its own: like every rule that says nothing of a change, it is given the plain share. The verdict is that of
`git hone stats --calibration`, on a store that holds these rows. Writes to a temporary folder alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from git_hone.hooks import commits as reading
from git_hone.hooks import fitting, git
from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.history import rows
from git_hone.hooks.history.learn import learn_from
from git_hone.hooks.lines import added_lines
from git_hone.hooks.place import Place, find
from git_hone.hooks.tampering.judge import FileChange, judge
from git_hone.learner import config as configuration
from git_hone.learner.fitted import RULES
from git_hone.learner.store import Store

SIDES = ("before", "after")
MOST_BYTES = 400_000


def enriched(place: Place, made: list[dict[str, Any]], folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of changes with their size, their trees and their flags, and the rows of their signals."""
    found: list[dict[str, Any]] = []
    signals: list[dict[str, Any]] = []
    for commit, row in zip(reading.read(place.cwd, [row["commit"] for row in made], place.common), made, strict=True):
        files = [f for f in commit.files or () if f.is_file or not f.after]
        hunks = diff_pairs(place.common, [(f.before, f.after) for f in files if f.after])
        size = sum(len(added_lines(hunks.get((f.before, f.after)) or [])) for f in files if f.after)
        with git.cat_file(place.cwd) as objects:
            texts = [
                (f, *(objects.blob(name) if name else None for name in (f.before, f.after)))
                for f in files
                if f.path.endswith(".py")
            ]
        flags = judge(FileChange(f.path, f.old or None, before, after) for f, before, after in texts)
        measured = bool(texts)
        for k, (_, *sides) in enumerate(texts):
            for side, text in zip(SIDES, sides, strict=True):
                if text is not None and len(text) < MOST_BYTES:
                    target = folder / commit.id / side / f"{k}.py"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(text)
        trees = {"tree": f"{commit.id} after", "parent_tree": f"{commit.id} before"} if measured else {}
        when = row["recorded_at"] + timedelta(seconds=1)
        told = [{"kind": flag.kind, "path": flag.path, "line": flag.line, "detail": flag.detail, "by": "agent"} for flag in flags]
        found.append(row | trees | {"record_id": row["record_id"] + "+", "recorded_at": when, "lines_ai": size, "lines_human": 0,
                                    "lines_unknown": 0, "flags": told})  # fmt: skip
        if measured:
            signals += [{"tree": f"{commit.id} {side}", "recorded_at": when, "commit": commit.id, "side": side} for side in SIDES]
    return found, signals


def lint(folder: Path, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of signals: what ruff finds in each side of each commit, in one call."""
    words = [
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--exit-zero",
        "--output-format",
        "json",
        "--target-version",
        "py310",
        str(folder),
    ]
    out = subprocess.run([str(Path(sys.executable).with_name(words[0])), *words[1:]], capture_output=True, check=True).stdout
    counts: Counter[tuple[str, str, bool]] = Counter()
    for one in json.loads(out):
        commit, side = Path(one["filename"]).relative_to(folder.resolve()).parts[:2]
        counts[commit, side, one["code"] in (None, "invalid-syntax")] += 1
    made = []
    for row in asked:
        commit, side = row.pop("commit"), row.pop("side")
        broken, errors = counts[commit, side, True], counts[commit, side, False]
        kinds = (
            [("compile", "ruff syntax", broken), ("lint", "ruff", errors)] if not broken else [("compile", "ruff syntax", broken)]
        )
        for kind, tool, n in kinds:
            made.append(row | {"record_id": f"{row['tree']} {kind}", "kind": kind, "tool": tool, "passed": n == 0, "errors": n,
                               "command": "ruff check"})  # fmt: skip
    return made


def measure(repository: Path, newest: int = 4000) -> dict[str, Any]:
    """The verdict, with how many commits of agents there are, and how many of them changed Python."""
    place = find(repository)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        learned = learn_from(
            repository, cache=folder / "cache", store=None, progress=lambda *_: None, now=datetime.now(timezone.utc)
        )
        made = sorted(rows.change_rows(learned), key=lambda row: row["committed_at"])[-newest:]
        ids = {row["change_id"] for row in made}
        changes, asked = enriched(place, made, folder / "files")
        signals = lint(folder / "files", asked) if asked else []
        store = Store(folder / "data")
        for table, batch in (("changes", changes), ("signals", signals),
                             ("outcomes", [row for row in rows.outcome_rows(learned) if row["change_id"] in ids])):  # fmt: skip
            if batch:
                store.append(table, batch)
        verdict = fitting.judge(store, configuration.load(folder / "none.json")).as_json()
    result: dict[str, Any] = {"commits of agents": len(made), "that change Python": len(asked) // 2}
    result |= {key: verdict[key] for key in ("matured", "censored", "unmeasured", "older", "newer", "adopted", "why")}
    for rule in RULES:
        if one := verdict["scores"].get(rule):
            gain = one["gain"]
            better = f", fitted is better by {gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})" if gain else ""
            result[rule] = f"Brier {one['brier']:.4f}, calibration error {one['calibration_error']:.4f}{better}"
    return result


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("repository", type=Path)
    words.add_argument("--newest", type=int, default=4000)
    words.add_argument("--json", action="store_true")
    given = words.parse_args(argv)
    result = measure(given.repository, given.newest)
    print(json.dumps(result) if given.json else "\n".join(f"{key:<28}{value}" for key, value in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
