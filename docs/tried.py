"""Measure docs/reliability.md: each row is a run of pytest, and its numbers come from that run.

python docs/tried.py               run every row, and write docs/tried.json
python docs/tried.py disk power    run the rows whose name holds one of these words; the others keep their numbers
python docs/tried.py --missing     run the rows that have no numbers yet
python docs/tried.py --slices fuzz-long A.json B.json
                                   a row of test_fuzz.py from the reports (HONE_FUZZ_REPORT) of runs that together played what its
                                   command plays: a history depends on its seed alone, so that a long row can be run in slices

`docs/generate.py` writes the page from it. A test counts as one try, unless it says otherwise with `record_property`:
`tried`, `unknown` (answers that were "unknown", which is allowed) and `wrong` are summed. A failed test is a wrong answer; a
skipped one was not tried, and is counted as such.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "tried.json"
H, S = "tests/hooks", "tests/learner/store"


class Row(NamedTuple):
    """One row of the table. `args`: what follows `pytest`, as typed in a shell, with variables in front when needed."""

    section: str
    name: str
    what: str
    args: str


TABLE: dict[str, list[tuple[str, str, str]]] = {
    "Attribution": [
        ("scenarios", "what people do with git between an agent's edit and the record", f"{H}/test_scenarios.py"),
        ("scenarios-sha256", "the same in a SHA-256 repository", f"HONE_VARIANT=sha256 {H}/test_scenarios.py"),
        ("scenarios-hooks-path", "the same with `core.hooksPath` set",
         f"HONE_VARIANT=hooks-path {H}/test_scenarios.py"),
        ("scenarios-eager", "the same with a drain each time that git has moved a name, before git goes on",
         f"{H}/test_variants.py -k eager"),
        ("scenarios-rewriting", "conflicts, mails, pulls, reverts, stashes, merges and restacking",
         f"{H}/test_scenarios_rewriting.py"),
        ("pulling", "`pull --rebase --autostash` with conflicts, a stack moved by plumbing, `--no-verify`, ignored files",
         f"{H}/test_scenarios_pulling.py"),
        ("staging", "what is staged but never lay in the work tree; a commit through an index of its own",
         f"{H}/test_scenarios_staging.py"),
        ("settings",
         "settings of diff, log, files, commits and merges that say it otherwise or run programs, attributes that say \"no lines\", "
         "and signed commits; tried counts settings", f"{H}/test_settings.py"),
        ("scenarios-worktree", "the scenarios in a linked work tree",
         f"HONE_VARIANT=worktree {H}/test_scenarios.py"),
        ("fuzz-long",
         "random histories of 10 and 20 steps, each line judged against a model that never reads our data; tried counts lines",
         f"HONE_FUZZ=2800 HONE_FUZZ_FIRST=1000000 HONE_FUZZ_STEPS=10,20 {H}/test_fuzz.py -k random_histories"),
        ("fuzz-deep", "the same, of 40 steps",
         f"HONE_FUZZ=45 HONE_FUZZ_FIRST=1100000 HONE_FUZZ_STEPS=40 {H}/test_fuzz.py -k random_histories"),
    ],
    "Hook and commit": [
        ("twin",
         "git commands in a repository with git-hone, whole or broken, and in a twin without it; tried counts commands, wrong is any "
         "difference in output, exit code or what is left", f"{H}/test_twin.py"),
        ("disk-full", "no byte, or no file, can be written in `.git/hone` or under the records",
         f"{H}/test_disk.py -k full_disk"),
        ("inbox-blocked", "a file, a link that leads nowhere, or a device without room in place of the inbox",
         f"{H}/test_faults.py -k 'a_full_disk_does_not or no_space_left or read_only_hone'"),
        ("read-only", "`.git/hone`, the checkout, or `.git` at `init`, read-only for an unprivileged user",
         f"{H}/test_environments.py -k 'read_only'"),
        ("tool-gone", "interpreter or tool uninstalled after `init`",
         f"{H}/test_faults.py {H}/test_disk.py -k 'missing_interpreter or uninstalled_tool'"),
        ("hook-commits", "a hook that commits itself", f"{H}/test_faults.py -k commits_itself"),
        ("worktree", "a commit in a linked work tree that is removed before the record is asked for",
         f"{H}/test_scenarios.py {H}/install/test_setup.py -k 'linked_worktree'"),
        ("other-repository", "variables of another repository set when a command, a drain or a hook starts",
         f"{H}/test_environments.py {H}/test_faults.py -k 'variables_of_another'"),
        ("submodule", "a submodule, its superproject, a repository within a repository",
         f"{H}/test_git_data.py {H}/test_faults.py {H}/install/test_setup.py -k 'submodule or nested'"),
        ("filter-repo", "a history exported, rewritten and imported anew without hooks; `filter-branch`",
         f"{H}/test_git_data.py {H}/test_scenarios.py -k 'filter'"),
        ("octopus", "an octopus merge", f"{H}/test_git_data.py -k octopus"),
        ("hooks-of-others", "hooks of every kind that stood there: run as before, restored byte for byte",
         f"{H}/install/test_managers.py {H}/install/test_setup.py"),
        ("managers", "husky and lefthook from npm, pre-commit over a hook that stood there; in any order, and out again",
         f"{H}/install/test_real_managers.py"),
        ("rebase-500", "a rebase of 500 commits; tried counts commits, wrong is a second worker at the same time",
         f"HONE_REBASE=500 {H}/test_disk.py -k rebase"),
        ("pre-commit-stash", "pre-commit stashes unstaged changes during the commit", f"{H}/test_disk.py -k stashes"),
        ("surroundings",
         "no `HOME`, one that cannot be written, a poor `PATH`, `LC_ALL=C`, no terminal, umask 077 and 000, a far time zone",
         f"{H}/test_environments.py {H}/test_faults.py -k 'surroundings or umask or poor_environment or container'"),
        ("payloads", "truncated, foreign, nested, non-UTF-8 and 20 MB payloads of an agent",
         f"{H}/test_faults.py -k 'payload or torn_inbox'"),
    ],
    "Git data": [
        ("names", "odd names of files, made by a tool and by a shell", f"{H}/test_git_data.py -k exact_path"),
        ("messages", "odd messages: encodings, 5 MB, trailers everywhere, escape sequences",
         f"{H}/test_git_data.py -k message"),
        ("kinds", "binary, link, mode, case-only rename, LFS pointer, line endings",
         f"{H}/test_git_data.py {H}/test_scenarios.py -k 'no_lines or binary or line_endings or newline_at'"),
        ("clones", "shallow, partial and sparse clones, alternates, bare repositories",
         f"{H}/test_git_data.py {H}/test_faults.py {H}/install/test_setup.py -k 'shallow or partial_clone or sparse or alternate or bare'"),
        ("layouts",
         "an agent and a person at work in a sparse checkout (cone, no cone, sparse index), a partial and a shallow clone, a submodule and "
         "its superproject, a bare repository's work trees, a git folder that lies elsewhere, borrowed objects, replaced history",
         f"{H}/test_layouts.py"),
        ("replaced", "grafts and replace refs", f"{H}/test_git_data.py -k grafts"),
        ("objects", "missing and damaged objects", f"{H}/test_git_data.py -k damaged_object"),
        ("owner", "a repository owned by somebody else", f"{H}/test_environments.py -k somebody_else"),
        ("identity", "the same commit in two clones, records put together", f"{H}/test_git_data.py -k two_clones"),
        ("names-of-people", "names of branches and authors that hold commands and escape sequences",
         f"{H}/test_git_data.py -k branches"),
    ],
    "Notes and merges": [
        ("sync", "notes between clones: many that push at once, refusals, damaged, foreign and odd notes",
         f"{H}/test_sync.py"),
        ("collected",
         "writers of notes beside `git gc --prune=now` without pause, and repair; tried counts events", f"{H}/test_collected.py"),
        ("reconcile", "pull requests landed by squash, rebase, merge commit and fast-forward",
         f"{H}/test_reconcile.py"),
        ("reconcile-sha256", "the same in a SHA-256 repository", f"HONE_VARIANT=sha256 {H}/test_reconcile.py"),
        ("reconcile-worktree", "the same in a linked work tree", f"HONE_VARIANT=worktree {H}/test_reconcile.py"),
        ("merges",
         "random pull requests, landed in random ways, each line judged against a model that never reads our data; tried counts "
         "landings, unknown those whose way could not be told, so that the record stayed where it was",
         f"HONE_FUZZ_MERGES=40 HONE_FUZZ_FIRST=5000 {H}/test_reconcile_fuzz.py"),
        ("forget", "what is forgotten: every byte of it, no object of anybody else's, and it does not come back",
         f"{H}/redaction/test_forget.py {H}/redaction/test_forget_refs.py"),
    ],
    "Store": [
        ("drain-killed", "`kill -9` of the drain at random moments; each commit has one",
         f"HONE_KILLS=100 {H}/test_faults.py -k killed"),
        ("store-killed", "`kill -9` of writers and compactors, at random and at every touch of the disk",
         f"HONE_KILLS=100 {S}/test_crash.py -k kill"),
        ("at-once", "eight agents' hooks, eight writers and two compactors at once",
         f"{H}/test_faults.py {S}/test_crash.py -k 'eight'"),
        ("power-cut", "the device copied right after the commit and its record; compared with a repository without git-hone",
         f"HONE_CUTS=5 {H}/test_disk.py -k power"),
        ("segments", "torn, empty, NUL-filled, glued, bit-flipped, foreign, linked and future segments; older schemas",
         f"{S}/test_reading.py"),
        ("state", "the working state damaged, locked, or of another version",
         f"{H}/test_faults.py {H}/install/test_doctor.py -k 'state'"),
        ("links", "`.agent`, a table, a month or a segment that is a link; records that lead elsewhere",
         f"{S}/test_store.py {S}/test_reading.py {H}/install/test_doctor.py -k 'link or lead'"),
        ("small-disk", "a disk that fills up within a segment; a store without locks; folders of any name",
         f"{S}/test_store.py {S}/test_compact.py -k 'disk or any_folder or without_locks'"),
        ("committed", "two branches that both committed their records, merged by git", f"{H}/test_disk.py -k branches"),
        ("doctor", "each damage found, explained, mended, and no byte lost", f"{H}/install/test_doctor.py"),
    ],
    "Learning": [
        ("reward", "impossible, missing and contradictory inputs of the reward", "tests/learner/test_reward.py"),
        ("configuration", "unknown keys, wrong types, damaged and newer configurations", "tests/learner/test_config.py"),
        ("clock", "commits of 1970 and 2099, a clock that jumps, the same record in three time zones",
         f"{H}/test_disk.py {H}/test_environments.py -k 'clock or time_zones'"),
    ],
}  # fmt: skip
"""Section -> (name, what, arguments) of its rows."""
ROWS = [Row(section, *row) for section, rows in TABLE.items() for row in rows]


def command(row: Row) -> str:
    """What to type to see the row's numbers."""
    words = row.args.split(" ")
    n_vars = next(k for k, word in enumerate(words) if "=" not in word)
    return " ".join([*words[:n_vars], "pytest -m ''", *words[n_vars:]])


def files_of(row: Row) -> list[str]:
    """The test files that a row runs."""
    return [word for word in shlex.split(row.args) if word.startswith("tests/")]


def measure(row: Row) -> dict[str, Any]:
    """Run a row; its numbers: tried, wrong, unknown, skipped (tests that could not be tried on this machine)."""
    words = shlex.split(row.args)
    variables = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("-"))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        args = [
            sys.executable,
            "-m",
            "pytest",
            *("-m", "", "-q", "-p", "no:cacheprovider"),
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit1",
        ]
        args += [word for word in words if word.partition("=")[0] not in variables]
        done = subprocess.run(args, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{row.name}: pytest ended with {done.returncode}\n{done.stdout}{done.stderr}")
        if done.returncode:
            print(done.stdout[-2000:], file=sys.stderr)
        cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it a moment ago
        return counted(cases) | {"at": time.strftime("%Y-%m-%d", time.gmtime())}


def counted(cases: Iterator[ElementTree.Element]) -> dict[str, Any]:
    """The sums over the test cases of a JUnit report."""
    sums = {"tried": 0, "wrong": 0, "unknown": 0, "skipped": 0}
    for case in cases:
        if case.find("skipped") is not None:
            sums["skipped"] += 1
            continue
        said = {each.get("name"): int(each.get("value", "0")) for each in case.iter("property")}
        failed = case.find("failure") is not None or case.find("error") is not None
        sums["tried"] += said.get("tried", 1)
        sums["wrong"] += max(said.get("wrong", 0), int(failed))
        sums["unknown"] += said.get("unknown", 0)
    return sums


def joined(row: Row, reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A row's numbers from reports of test_fuzz.py. Raises ValueError unless they are the seeds and steps of its command, each once."""
    said = dict(word.split("=", 1) for word in shlex.split(row.args) if word.startswith("HONE_"))
    steps = [int(n) for n in said["HONE_FUZZ_STEPS"].split(",")]
    first, end = int(said["HONE_FUZZ_FIRST"]), int(said["HONE_FUZZ_FIRST"]) + int(said["HONE_FUZZ"])
    slices = sorted(reports, key=lambda report: int(report["first"]))
    at = first
    for report in slices:
        if report["first"] != at or report["steps"] != steps:
            raise ValueError(f"{row.name}: seed {at} with steps {steps} comes next, not {report['first']} with {report['steps']}")
        at += int(report["histories"])
    if at != end:
        raise ValueError(f"{row.name}: the reports end before seed {at}, the command before {end}")
    return {
        "tried": sum(report["judged"] for report in slices),
        "wrong": sum(len(report["wrong"]) for report in slices),
        "unknown": sum(sum(report["unknown"].values()) for report in slices),
        "skipped": 0,
    }


def results() -> dict[str, Any]:
    """What was measured so far: row name -> numbers, and "machine"."""
    found: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    return found


def machine() -> str:
    """What the numbers were measured on, in words."""
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    user = "root" if os.geteuid() == 0 else "an unprivileged user"
    return f"{platform.system()} {platform.machine()}, git {git}, Python {platform.python_version()}, as {user}"


def main(argv: list[str]) -> int:
    if argv[:1] == ["--slices"]:
        (row,) = (row for row in ROWS if row.name == argv[1])
        numbers = joined(row, [json.loads(Path(name).read_text("utf-8")) for name in argv[2:]])
        return int(bool(file_away(row, numbers | {"at": time.strftime("%Y-%m-%d", time.gmtime())})["wrong"]))
    held = results()
    wanted = [row for row in ROWS if not argv or any(word in row.name for word in argv if word != "--missing")]
    if "--missing" in argv:
        wanted = [row for row in ROWS if row.name not in held.get("rows", {})]
    for row in wanted:
        file_away(row, measure(row))
    return int(any(numbers["wrong"] for numbers in results().get("rows", {}).values()))


def file_away(row: Row, numbers: dict[str, Any]) -> dict[str, Any]:
    """Keep a row's numbers, and return them."""
    print(f"{row.name}: {numbers}", flush=True)
    rows = results().get("rows", {}) | {row.name: numbers}
    held = {"machine": machine(), "rows": {each.name: rows[each.name] for each in ROWS if each.name in rows}}
    RESULTS.write_text(json.dumps(held, indent=1) + "\n", "utf-8")
    return numbers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
