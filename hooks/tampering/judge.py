"""From what stands in the files before and after a change to flags.

What counts is the change as a whole: a test that moves to another file is not deleted, a suppression that moves with its line
is not added, and a test that goes together with what it tests is gone for a reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import PurePosixPath
from typing import Final

from git_hone.hooks.history.paths import followed
from git_hone.hooks.tampering import others, python, script, settings
from git_hone.hooks.tampering.facts import Facts, FileChange, Flag, Mark, Test, alike
from git_hone.hooks.tampering.shared import ends
from git_hone.hooks.tampering.suppressions import LIKELY
from git_hone.hooks.tampering.weakening import Deleted, compare

KINDS: Final = {
    "test_deleted": "a test is gone, and what it tests is not",
    "test_file_deleted": "a file of tests is gone, and what they test is not",
    "test_renamed_away": "a test still stands there, but no runner collects it",
    "test_skipped": "a test that ran is skipped, expected to fail, or left out because another is focused",
    "assertion_weakened": "a test asserts less: assertions gone, a value replaced by its presence, a wider tolerance or exception",
    "test_constant": "an assertion that holds whatever the code does",
    "subject_mocked": "a test replaces the very thing that it calls",
    "suppression_added": "a comment or attribute that silences a linter, type checker, scanner or coverage",
    "config_loosened": "the configuration of a check asks for less",
    "special_cased_input": "code that answers one input by a literal, or behaves otherwise under test",
    "hard_coded_result": "a function that computed returns a literal",
    "swallowed_error": "an error is caught broadly and dropped",
    "harness_edited": "the machinery that runs tests is made to report something else",
}
MAX_BYTES: Final = 1_000_000
"""A file larger than this is not read."""
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]{3,}")
CODE: Final = (".py", ".pyi", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".go", ".rs", ".java", ".kt", ".rb", ".php",
               ".cs", ".c", ".h", ".cc", ".cpp", ".swift", ".vue", ".svelte")  # fmt: skip
LIKE: Final = 0.6
"""Share of tokens that two tests must have in common to be one test under two names."""


@dataclass
class _Pair:
    """One file, read on both sides."""

    file: FileChange
    before: Facts
    after: Facts


def judge(files: Iterable[FileChange]) -> list[Flag]:
    """The flags of a diff, by path and line. Files that are vendored, generated, binary, or over 1 MB are passed over; so is
    a file that cannot be parsed.

    >>> before = b"def test_double():\\n    assert double(4) == 8\\n"
    >>> after = b"def test_double():\\n    assert double(4)\\n"
    >>> [(flag.kind, flag.line) for flag in judge([FileChange("test_double.py", None, before, after)])]
    [('assertion_weakened', 2)]
    """
    files = [file for file in files if _wanted(file)]
    pairs = [pair for file in files if (pair := _read(file)) is not None]
    flags = _tests(pairs, cache(partial(_deleted, files, pairs)))
    flags += _marks(pairs)
    flags += _functions(pairs)
    flags += settings.compare([file for file in files if settings.wanted(file.path) or settings.wanted(file.old_path or "")])
    return sorted(set(flags), key=lambda flag: (flag.path, flag.line or 0, flag.kind, flag.detail))


def _wanted(file: FileChange) -> bool:
    if file.before == file.after and file.old_path in (None, file.path):
        return False
    sides = [side for side in (file.before, file.after) if side is not None]
    return followed(file.path.encode("utf-8", "surrogateescape")) and all(
        len(side) <= MAX_BYTES and b"\0" not in side[:8000] for side in sides
    )


def _read(file: FileChange) -> _Pair | None:
    """Both sides' facts, in the language of the path; None for one that is not read."""
    old = file.old_path or file.path
    before, after = file.before or b"", file.after or b""
    if not (file.path.endswith((".py", ".pyi")) or old.endswith((".py", ".pyi"))):
        return _read_other(file, old)
    if not file.path.endswith((".py", ".pyi")):  # put away under a name that is no Python file
        read = python.read(old, old, before, b"", False)
        return _Pair(file, read[0], Facts(file.path)) if read else None
    read = python.read(old, file.path, before, after, _differ(LIKELY, before, after))
    return _Pair(file, *read) if read else None


def _read_other(file: FileChange, old: str) -> _Pair | None:
    """The same for JavaScript, TypeScript and the languages that are read by shape."""
    before, after = file.before or b"", file.after or b""
    silenced = _differ(LIKELY, before, after)
    if file.path.endswith(script.ENDINGS) or old.endswith(script.ENDINGS):
        return _Pair(file, *script.read(old, file.path, before, after, silenced))
    if others.ending(file.path) and others.ending(old):
        return _Pair(file, *others.read(old, file.path, before, after, silenced))
    return None


def _differ(pattern: re.Pattern[bytes], before: bytes, after: bytes) -> bool:
    """Whether a line that fits `pattern` stands more often on one side than on the other: a cheap look before a dear one."""
    old, new = before.splitlines(), after.splitlines()
    head, tail = ends(old, new)
    here = Counter(line.strip() for line in new[head : len(new) - tail])
    here.subtract(Counter(line.strip() for line in old[head : len(old) - tail]))
    return any(n and pattern.search(line) for line, n in here.items())


def _deleted(files: Sequence[FileChange], pairs: Sequence[_Pair]) -> set[str]:
    """Names that the change takes out of the code that it touches, tests left out: functions, modules, options, messages."""
    gone: set[str] = set()
    here: set[str] = set()
    mixed = {pair.file.path for pair in pairs if pair.before.tests}  # tests beside the code, or nothing but tests
    for pair in pairs:
        here |= pair.after.declared | pair.after.names
        if not _is_test(pair.file.path):
            gone |= pair.before.names - {test.leaf for test in pair.before.tests}
        if pair.file.path not in mixed:
            gone |= pair.before.declared
    texts: list[set[str]] = [set(), set()]
    for file in files:
        if file.path not in mixed and not _is_test(file.path) and file.path.endswith(CODE):
            for side, raw in zip(texts, (file.before, file.after), strict=True):
                side |= set(NAME.findall((raw or b"").decode("utf-8", "replace")))
    gone |= texts[0] - texts[1]
    here |= texts[1]
    for file in files:
        stem = PurePosixPath(file.path).stem.removesuffix(".test").removesuffix(".spec")
        if file.after is None and not _is_test(file.path):
            gone.add(stem)
        if file.old_path and not _is_test(file.old_path):
            gone.add(PurePosixPath(file.old_path).stem)
        if file.after is not None:
            here.add(stem)
    return {name for name in gone - here if len(name) > 3 and not name.startswith("test")}


def _is_test(path: str) -> bool:
    return (
        python.is_test_file(path)
        or script.is_test_file(path)
        or bool(re.search(r"_test\.go$|Tests?\.(?:java|kt|cs)$|_spec\.rb$", path))
    )


# tests


def _tests(pairs: Sequence[_Pair], deleted: Deleted) -> list[Flag]:
    matches, lost, fresh = _match(pairs)
    flags: list[Flag] = []
    for was, now, pair in matches:
        flags += compare(was, now, pair.file.path, deleted)
    flags += _lost(lost, fresh, pairs, deleted)
    return flags


Match = tuple[Test, Test, _Pair]


def _match(pairs: Sequence[_Pair]) -> tuple[list[Match], list[tuple[Test, _Pair]], list[tuple[Test, _Pair]]]:
    """(before, after) of each test that is still there under some name; the tests that are gone; the tests that are new."""
    matches: list[Match] = []
    lost: list[tuple[Test, _Pair]] = []
    fresh: list[tuple[Test, _Pair]] = []
    for pair in pairs:
        after: dict[str, list[Test]] = {}
        for test in pair.after.tests:
            after.setdefault(test.name, []).append(test)
        for test in pair.before.tests:
            if same := after.get(test.name):
                collected = next((one for one in same if one.collected), same[0])
                same.remove(collected)
                matches.append((test, collected, pair))
            else:
                lost.append((test, pair))
        fresh += [(test, pair) for rest in after.values() for test in rest]
    for likeness in ("leaf", "body", "body here"):
        for gone in list(lost):
            found = _counterpart(gone, fresh, likeness)
            if found is not None:
                lost.remove(gone)
                fresh.remove(found)
                matches.append((gone[0], found[0], found[1]))
    return matches, lost, fresh


def _counterpart(gone: tuple[Test, _Pair], fresh: Sequence[tuple[Test, _Pair]], likeness: str) -> tuple[Test, _Pair] | None:
    test, pair = gone
    if likeness == "leaf":
        return next((new for new in fresh if new[0].leaf == test.leaf), None)
    least = 0.9 if likeness == "body" else LIKE
    near = fresh if likeness == "body" else [new for new in fresh if new[1] is pair]
    best = max(near, key=lambda new: alike(test.words, new[0].words), default=None)
    return best if best is not None and alike(test.words, best[0].words) >= least else None


def _lost(
    lost: Sequence[tuple[Test, _Pair]], fresh: Sequence[tuple[Test, _Pair]], pairs: Sequence[_Pair], deleted: Deleted
) -> list[Flag]:
    """Tests without a counterpart: renamed away, gone with their subject, rewritten, or deleted."""
    flags: list[Flag] = []
    idle = [(test, pair) for pair in pairs for test in pair.after.idle]
    left: dict[int, list[Test]] = {}
    budget = {id(pair): sum(t.weight for t, where in fresh if where is pair and t.collected and not t.skip) for pair in pairs}
    spare = sum(budget.values())
    for test, pair in lost:
        if not test.collected or (not test.checks and not test.calls):
            continue
        other = next((one for one in idle if _put_away(test, one[0])), None)
        if other is not None:
            flags.append(
                Flag(
                    "test_renamed_away",
                    other[1].file.path,
                    other[0].line,
                    f"`{test.leaf}` is now `{other[0].leaf}`, which no runner collects",
                )
            )
        elif test.skip or test.words & deleted():
            continue
        else:
            left.setdefault(id(pair), []).append(test)
    for pair in pairs:
        tests = left.get(id(pair), [])
        if tests and pair.file.old_path and _is_test(pair.file.old_path) and not _is_test(pair.file.path):
            flags.append(
                Flag(
                    "test_renamed_away",
                    pair.file.path,
                    1,
                    f"no runner looks for the {len(tests)} test(s) of {pair.file.old_path} here",
                )
            )
            continue
        weight = sum(max(1, test.weight) for test in tests)
        whole = pair.file.after is None
        if not tests or weight <= budget[id(pair)] or (whole and weight <= spare):
            continue
        names = ", ".join(test.leaf for test in tests[:5]) + (", …" if len(tests) > 5 else "")
        if whole:
            flags.append(Flag("test_file_deleted", pair.file.path, None, f"{len(tests)} test(s) gone: {names}"))
        else:
            flags += [Flag("test_deleted", pair.file.path, None, f"`{test.name}` is gone") for test in tests]
    return flags


def _put_away(test: Test, other: Test) -> bool:
    """Whether a function that no runner collects is what became of a test."""
    named = test.leaf.removeprefix("test").strip("_")
    return alike(test.words, other.words) >= 0.9 or (
        len(named) > 3 and named in other.leaf and alike(test.words, other.words) >= LIKE
    )


# the rest


def _marks(pairs: Sequence[_Pair]) -> list[Flag]:
    """Marks that the change as a whole brings more of than it takes away."""
    before: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        before.update((mark.kind, mark.key) for mark in pair.before.marks)
    after = [(pair, mark) for pair in pairs for mark in pair.after.marks]
    flags: list[Flag] = []
    spare = Counter(before)
    fresh: list[tuple[_Pair, Mark]] = []
    for pair, mark in after:
        if spare[mark.kind, mark.key] > 0:
            spare[mark.kind, mark.key] -= 1
        else:
            fresh.append((pair, mark))
    for pair, mark in fresh:
        family = mark.key.rsplit(" ", 1)[0]
        if mark.kind == "suppression_added":  # a silence that becomes narrower is none that is new
            wider = (mark.kind, f"{family} *")
            if not mark.key.endswith(" *") and spare[wider] > 0:
                spare[wider] -= 1
                continue
        if mark.kind == "test_skipped" and pair.file.before is None:
            continue  # a new file takes no test away
        if mark.kind == "special_cased_input" and not _special(mark, pair):
            continue
        flags.append(Flag(mark.kind, pair.file.path, mark.line or None, mark.detail))
    return flags


def _special(mark: Mark, pair: _Pair) -> bool:
    """Whether a branch for one input is more than one way of several that a function always had, or its base case."""
    if mark.key.startswith("under test"):
        return True
    old, new = pair.before.functions.get(mark.owner), pair.after.functions.get(mark.owner)
    if old is None or new is None:
        return False
    return old.computes and old.branches == 0


def _functions(pairs: Sequence[_Pair]) -> list[Flag]:
    flags = []
    for pair in pairs:
        for name, now in pair.after.functions.items():
            was = pair.before.functions.get(name)
            if was and was.computes and was.literal is None and now.literal not in (None, "None"):
                flags.append(
                    Flag("hard_coded_result", pair.file.path, now.line, f"`{name}` always returns `{(now.literal or '')[:80]}`")
                )
    return flags
