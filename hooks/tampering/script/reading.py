"""Both sides of a script: what is read, and in which order."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Final

from git_hone.hooks.tampering.facts import Facts, Test
from git_hone.hooks.tampering.script.blocks import Block, blocks
from git_hone.hooks.tampering.script.bodies import test_of
from git_hone.hooks.tampering.script.functions import function_of, signatures
from git_hone.hooks.tampering.script.harness import edits
from git_hone.hooks.tampering.script.shortcuts import special, swallowed
from git_hone.hooks.tampering.script.tokens import Script
from git_hone.hooks.tampering.suppressions import SCRIPT
from git_hone.hooks.tampering.suppressions import marks as suppressions

ENDINGS: Final = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts")
TEST_FILE: Final = re.compile(r"(?:\.|-|_)(?:test|spec|cy|e2e)\.[cm]?[jt]sx?$|^tests?\.[cm]?[jt]sx?$")
SETUP_FILE: Final = re.compile(r"(?:setup|jest|vitest|mocha|karma|ava|reporter|runner|harness|environment)", re.I)
FOLDERS: Final = {"__tests__", "test", "tests", "spec"}


def is_test_file(path: str) -> bool:
    """Whether the usual runners look for tests there: Jest and Vitest by the name, Mocha, AVA and Jasmine in a folder.

    >>> [is_test_file(path) for path in ("src/app.test.ts", "test/app.js", "spec/app.js", "lib/test.md", "lib/app.js")]
    [True, True, True, False, False]
    """
    folders = path.split("/")[:-1]
    return bool(TEST_FILE.search(PurePosixPath(path).name)) or (path.endswith(ENDINGS) and not FOLDERS.isdisjoint(folders))


def read(old: str, path: str, before: bytes, after: bytes, silenced: bool) -> tuple[Facts, Facts]:
    """The facts of both sides; none of a side whose name is no script's. The bodies of tests that both sides share are not read."""
    as_test = is_test_file(old) or is_test_file(path)
    left, right = (
        Reader(name, raw.decode("utf-8", "replace"), as_test) if name.endswith(ENDINGS) else None
        for name, raw in ((old, before), (path, after))
    )
    if left and right:
        left.leave_out(right)
    return left.read(silenced) if left else Facts(old), right.read(silenced) if right else Facts(path)


class Reader:
    """Collects the facts of one file."""

    def __init__(self, path: str, text: str, as_test: bool) -> None:
        self.facts = Facts(path)
        self.is_test = is_test_file(path)
        self.as_test = as_test
        self.script = Script(text)
        self.blocks, marks = blocks(self.script) if as_test else ([], [])
        self.facts.marks += marks
        self.known: set[str] = set()  # tests that stand on the other side as they stand here
        self.setup = as_test or bool(SETUP_FILE.search(PurePosixPath(path).name))

    def read(self, silenced: bool) -> Facts:
        """All that the file says. `silenced`: its comments too."""
        script, facts = self.script, self.facts
        if silenced:
            facts.marks += suppressions(script.comments, SCRIPT)
        self._functions()
        if self.as_test:
            facts.tests += [self._test(block) for block in self.blocks]
        else:
            facts.marks += special(script, facts.functions)
        facts.marks += swallowed(script)
        facts.marks += edits(script, facts.path, self.as_test, self.setup)
        return facts

    def _functions(self) -> None:
        facts = self.facts
        for one in signatures(self.script):
            facts.defined.add(one.name)
            if not self.as_test:
                facts.functions[one.name] = function = function_of(self.script, one)
                if one.name in ("equals", "isEqual", "equal") and function.literal == "true":
                    said = f"`{one.name}` always answers true"
                    facts.marks.append(self.script.mark("harness_edited", f"{one.name} true", one.at, said))

    def _test(self, block: Block) -> Test:
        """A test; without what stands in it where the other side has the same."""
        if block.name in self.known:
            return Test(block.name, block.line, [], frozenset(), collected=self.is_test, skip=block.skip, cases=block.cases)
        return test_of(self.script, block, self.is_test)

    def leave_out(self, other: Reader) -> None:
        """Finds the tests that both sides have under one name, token for token and line for line."""
        mine, others = (Counter(block.name for block in side.blocks) for side in (self, other))
        theirs = {block.name: block for block in other.blocks}
        for block in self.blocks:
            same = theirs.get(block.name)
            if same and mine[block.name] == others[block.name] == 1 and self._said(block) == other._said(same):
                self.known.add(block.name)
                other.known.add(block.name)

    def _said(self, block: Block) -> tuple[str, int, list[str], list[int]]:
        """What a test says, wherever it stands in the file."""
        inside = slice(block.opening, self.script.match[block.opening] + 1)
        return (
            block.skip,
            block.cases,
            self.script.texts[inside],
            [token.line - block.line for token in self.script.tokens[inside]],
        )
