"""A JavaScript or TypeScript file, read from its tokens."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from git_hone.hooks.tampering.facts import CONSTANT, EXACT, Check, Facts, Function, Mark, Test, words
from git_hone.hooks.tampering.lexer import Token, scan
from git_hone.hooks.tampering.script_checks import check_of
from git_hone.hooks.tampering.suppressions import SCRIPT
from git_hone.hooks.tampering.suppressions import marks as suppressions

ENDINGS: Final = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts")
TEST_FILE: Final = re.compile(r"(?:\.|-|_)(?:test|spec|cy|e2e)\.[cm]?[jt]sx?$|^tests?\.[cm]?[jt]sx?$")
SETUP_FILE: Final = re.compile(r"(?:setup|jest|vitest|mocha|karma|ava|reporter|runner|harness|environment)", re.I)
TESTS: Final = {"it", "test", "specify", "xit", "xtest", "xspecify", "fit", "ftest"}
GROUPS: Final = {"describe", "context", "suite", "xdescribe", "xcontext", "fdescribe", "fcontext"}
SKIPPING: Final = {"skip", "todo", "failing", "fails", "fixme", "skipIf", "runIf"}
UNDER_TEST: Final = re.compile(
    r"""process\.env\.NODE_ENV===?['"]test['"]|process\.env\.(?:JEST_WORKER_ID|VITEST|MOCHA|VITEST_WORKER_ID|CYPRESS)\b"""
    r"""|typeof(?:jest|describe|vi)!==?['"]undefined['"]"""
    r"""|(?:globalThis|global|window)\.(?:jest|__vitest\w*|Cypress)\b|['"](?:JEST_WORKER_ID|VITEST)['"]inprocess\.env"""
)
FOLDERS: Final = {"__tests__", "test", "tests", "spec"}
CLOSES: Final = {"(": ")", "[": "]", "{": "}"}
CALLED: Final = tuple(TESTS | GROUPS)
SELF: Final = ("it", "test", "describe", "expect", "assert", "chai", "jest", "vi", "process", "global", "globalThis", "window")
"""Where a statement that edits the machinery begins, unless it sets an outcome."""
OUTCOMES: Final = (
    "numFailedTests",
    "numFailedTestSuites",
    "failures",
    "failed",
    "failureCount",
    "status",
    "state",
    "outcome",
    "success",
)
ENDS: Final = re.compile(r"process\.exit\((?:0|)\)|process\.exitCode=0")
GLOBAL: Final = re.compile(r"(?:global|globalThis|window)\.(?:it|test|expect|describe|assert|xit|beforeEach|afterEach)=(?!=)")
PART: Final = re.compile(r"(?:it|test|describe|expect)=(?!=|>)")
EXTENDS: Final = re.compile(r"expect\.extend\(\{")
MEMBER: Final = re.compile(
    r"(?:expect|assert|chai|jest)(?:\.prototype|\.Assertion)?\.(?!extend|config|use|setTimeout)\w+=(?!=|>)"
)
FAILED: Final = re.compile(r"(?:\w+\.)?(?:numFailedTests|numFailedTestSuites|failures|failed|failureCount)=0")
PASSED: Final = re.compile(r"(?:\w+\.)+(?:status|state|outcome|success)=(?:'passed'|\"passed\"|'pass'|true)")
MOCKS: Final = re.compile(r"(?:jest|vi)\.(?:mock|doMock)\(")
FAKE: Final = re.compile(r"(?:jest|vi|sinon|mock)\.(?:fn|stub|fake)\(|\(?\w*\)?=>[\d'\"\[{]")
MARGIN: Final = 64
"""Empty texts behind the last token, so that looking a few tokens ahead or behind needs no bounds."""
TRIVIAL: Final = {"0", "1", "-1", "2", "''", '""', "``", "null", "undefined", "true", "false", "[]", "{}"}


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


class Block(NamedTuple):
    """A call of `it` or `test`: the path of its titles, its line, where its bracket opens, how often it runs, why it is skipped."""

    name: str
    line: int
    opening: int
    cases: int
    skip: str


class Reader:
    """Collects the facts of one file."""

    def __init__(self, path: str, text: str, as_test: bool) -> None:
        self.facts = Facts(path)
        self.is_test = is_test_file(path)
        self.as_test = as_test
        everything = scan(text)
        self.comments = [(token.line, token.text) for token in everything if token.kind == "comment"]
        self.tokens = [token for token in everything if token.kind != "comment"]
        self.texts = [token.text for token in self.tokens]
        self.match = _matches(self.tokens)
        self.places: dict[str, list[int]] = {}
        for k, text in enumerate(self.texts):
            self.places.setdefault(text, []).append(k)
        self.texts += [""] * MARGIN
        self.blocks = list(self._blocks()) if as_test else []
        self.known: set[str] = set()  # tests that stand on the other side as they stand here
        self.setup = as_test or bool(SETUP_FILE.search(PurePosixPath(path).name))

    def read(self, silenced: bool) -> Facts:
        if silenced:
            self.facts.marks += suppressions(self.comments, SCRIPT)
        self._functions()
        if self.as_test:
            for block in self.blocks:
                self._test(*block)
        else:
            self._special()
        self._swallowed()
        self._harness()
        return self.facts

    def text(self, start: int, end: int) -> str:
        """The tokens from `start` to before `end`, without spaces."""
        return "".join(self.texts[start:end])

    def is_(self, at: int, *texts: str) -> bool:
        return self.texts[at] in texts

    def where(self, start: int, end: int, *texts: str) -> list[int]:
        """The positions of these texts from `start` to before `end`, in order."""
        found: list[int] = []
        for text in texts:
            if places := self.places.get(text):
                found += places[bisect_left(places, start) : bisect_left(places, end)]
        return sorted(found) if len(texts) > 1 else found

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
        inside = slice(block.opening, self.match[block.opening] + 1)
        return block.skip, block.cases, self.texts[inside], [token.line - block.line for token in self.tokens[inside]]

    def _add(self, kind: str, key: str, at: int, detail: str, owner: str = "") -> None:
        self.facts.marks.append(Mark(kind, key[:160], self.tokens[at].line, detail[:160], owner))

    def arguments(self, opening: int) -> list[tuple[int, int]]:
        """(start, end) of each argument between brackets."""
        closing = self.match.get(opening, len(self.tokens))
        found, start, k = [], opening + 1, opening + 1
        while k < closing:
            if k in self.match:
                k = self.match[k]
            elif self.tokens[k].text == ",":
                found.append((start, k))
                start = k + 1
            k += 1
        return [*found, (start, closing)] if start < closing else found

    # tests

    def _calls(self) -> Iterator[tuple[int, str, list[str], int, int]]:
        """(index, name, modifiers, opening bracket, cases) of each call of it, test, describe and the like."""
        for k in self.where(0, len(self.tokens), *CALLED):
            if self.is_(k - 1, ".", "function", "?."):
                continue
            token = self.tokens[k]
            at, modifiers, cases = k + 1, list[str](), 1
            while self.is_(at, ".") and at + 1 < len(self.tokens) and self.tokens[at + 1].kind == "name":
                modifiers.append(self.tokens[at + 1].text)
                at += 2
            if modifiers and modifiers[-1] in ("each", "for") and at < len(self.tokens):
                if self.tokens[at].kind == "template":
                    cases = max(1, self.tokens[at].text.count("\n") - 1)
                    at += 1
                elif self.is_(at, "(") and at in self.match:
                    inner = at + 1
                    cases = max(1, len(self.arguments(inner))) if self.is_(inner, "[") else 1
                    at = self.match[at] + 1
            elif modifiers and modifiers[-1] in ("skipIf", "runIf") and at in self.match:
                said = self.text(at + 1, self.match[at])
                if said not in ("true", "!0", "1") if modifiers[-1] == "skipIf" else said not in ("false", "!1", "0"):
                    modifiers[-1] = "conditional"
                at = self.match[at] + 1
            if self.is_(at, "(") and at in self.match and self.arguments(at):
                yield k, token.text, modifiers, at, cases

    def _blocks(self) -> Iterator[Block]:
        groups: list[tuple[int, int, str, str]] = []  # start, end, title, why skipped
        for k, name, modifiers, opening, cases in self._calls():
            first = self.arguments(opening)[0]
            token = self.tokens[first[0]]
            line = self.tokens[k].line
            inside = [group for group in groups if group[0] < k < group[1]]
            if token.kind not in ("string", "template") and name == "test" and modifiers in (["skip"], ["fixme"]):
                continue  # Playwright: a condition inside a test
            said = f"`{name}{''.join('.' + m for m in modifiers)}`"
            skip = (
                said
                if name.startswith("x") or set(modifiers) & SKIPPING
                else next((group[3] for group in inside if group[3]), "")
            )
            if "only" in modifiers or name.startswith("f"):
                self._add("test_skipped", f"only {said}", k, f"{said} leaves every other test out")
            title = token.text[1:-1] if token.kind in ("string", "template") else self.text(*first)
            if name in GROUPS:
                groups.append((opening, self.match[opening], title, skip))
                continue
            path = "::".join([*(group[2] for group in inside), title])
            yield Block(path, line, opening, cases, skip)

    def _test(self, name: str, line: int, opening: int, cases: int, skip: str) -> None:
        if name in self.known:
            self.facts.tests.append(Test(name, line, [], frozenset(), collected=self.is_test, skip=skip, cases=cases))
            return
        closing = self.match[opening]
        body = self._body(opening, closing)
        if not skip and body:
            skip = self._skips(*body)
        names = frozenset(t.text for t in self.tokens[opening:closing] if t.kind == "name")
        calls = frozenset(
            t.text for k, t in enumerate(self.tokens[opening:closing], opening) if t.kind == "name" and self.is_(k + 1, "(")
        )
        text = " ".join(self.texts[body[0] if body else opening : closing])
        self.facts.tests.append(
            Test(name, line, self._checks(*body) if body else [], words(text), names, calls,
                 self._mocks(opening, closing), self.is_test, skip, line, cases)
        )  # fmt: skip

    def _body(self, opening: int, closing: int) -> tuple[int, int] | None:
        """The tokens of a test's function, behind its arrow or brace."""
        for start, end in self.arguments(opening)[1:]:
            for k in range(start, end):
                if self.is_(k, "=>"):
                    return (k + 2, self.match[k + 1]) if self.is_(k + 1, "{") and k + 1 in self.match else (k + 1, end)
                if self.is_(k, "{") and k in self.match and self.is_(start, "function", "async"):
                    return k + 1, self.match[k]
        return None

    def _skips(self, start: int, end: int) -> str:
        for k in self._top(start, end):
            skips = self.is_(k, "skip", "pending", "fixme") and self.is_(k + 1, "(") and k + 1 in self.match
            if skips and (self.is_(k - 1, ".") or self.is_(k, "pending")):
                said = self.text(k + 2, self.match[k + 1])
                if said in ("", "true") or self.tokens[k + 2].kind in ("string", "template"):
                    return f"`{self.text(max(start, k - 2), k + 1)}()`"
        return ""

    def _top(self, start: int, end: int) -> Iterator[int]:
        """Positions that stand in no inner braces."""
        k = start
        while k < end:
            yield k
            k = self.match[k] + 1 if self.is_(k, "{") and k in self.match else k + 1

    def _silent(self, start: int, end: int) -> list[tuple[int, int]]:
        """Stretches whose assertions count for nothing: after a return, under `if (false)`, in a try whose catch is silent."""
        found = []
        for k in self._top(start, end):
            if (
                self.is_(k, "return")
                and not self.is_(k - 1, ")", "=>")
                and not self.is_(k + 1, "expect", "await", "Promise", "new")
            ):
                close = next(
                    (j for j in range(k, end) if self.tokens[j].text in (";", "}") or self.tokens[j].line > self.tokens[k].line),
                    end,
                )
                found.append((close, end))
                break
        for k in self.where(start, end, "if", "while", "try"):
            if (
                self.is_(k, "if", "while")
                and self.is_(k + 1, "(")
                and self.text(k + 2, self.match.get(k + 1, k + 2)) in ("false", "0", "!1", "!true")
            ):
                body = self.match[k + 1] + 1
                found.append((body, self.match.get(body, body + 12)))
            if self.is_(k, "try") and self.is_(k + 1, "{") and k + 1 in self.match:
                after = self.match[k + 1] + 1
                if self.is_(after, "catch"):
                    brace = self.match.get(after + 1, after) + 1 if self.is_(after + 1, "(") else after + 1
                    inside = self.text(brace, self.match.get(brace, brace))
                    if not re.search(r"throw|expect|fail|reject|assert|done\(", inside):
                        found.append((k + 1, self.match[k + 1]))
        return found

    def _checks(self, start: int, end: int) -> list[Check]:
        silent = self._silent(start, end)
        found: list[Check] = []
        for k in self.where(start, end, "expect", "assert", "t", "should"):
            token = self.tokens[k]
            if any(a <= k < b for a, b in silent):
                continue
            check = None
            if token.text == "expect" and self.is_(k + 1, "(") and k + 1 in self.match:
                check = self._expect(k)
            elif token.text in ("assert", "t", "should") and not self.is_(k - 1, ".") and self.is_(k + 1, ".", "("):
                check = self._assert(k)
            elif token.text == "should" and self.is_(k - 1, ".") and self.is_(k + 1, "(", "."):
                check = Check(
                    self.text(max(start, k - 4), k - 1), EXACT, self.text(max(start, k - 4), min(end, k + 12)), token.line
                )
            if check is not None:
                found.append(check)
        return found

    def _expect(self, k: int) -> Check | None:
        closing = self.match[k + 1]
        subject = self.text(k + 2, closing)
        at, chain, opening = closing + 1, list[str](), -1
        while self.is_(at, ".") and at + 1 < len(self.tokens) and self.tokens[at + 1].kind == "name":
            chain.append(self.tokens[at + 1].text)
            at += 2
            if self.is_(at, "(") and at in self.match:
                opening = at
                at = self.match[at] + 1
        line = self.tokens[k].line
        if self.is_(k - 1, ".") and set(chain) <= {
            "expect",
            "end",
            "then",
            "catch",
        }:  # supertest: what is asserted of is the request
            return Check(subject, EXACT, f"expect({subject})", line)
        if not chain:
            return Check(subject, CONSTANT, f"expect({subject})", line) if self.is_(at, ";", ")", "}") else None
        text = self.text(k, at)
        matcher = chain[-1]
        given = [self.text(*argument) for argument in self.arguments(opening)] if opening >= 0 else []
        return check_of(matcher, subject, given, "not" in chain, text, line)

    def _assert(self, k: int) -> Check | None:
        if self.is_(k + 1, "("):
            matcher, opening = "ok", k + 1
        elif k + 2 < len(self.tokens) and self.tokens[k + 2].kind == "name" and self.is_(k + 3, "("):
            matcher, opening = self.tokens[k + 2].text, k + 3
        else:
            return None
        if opening not in self.match or (
            self.is_(k, "t") and matcher in ("plan", "log", "teardown", "timeout", "context", "end", "test", "skip", "todo")
        ):
            return None
        given = [self.text(*argument) for argument in self.arguments(opening)]
        text = self.text(k, self.match[opening] + 1)
        return check_of(matcher, given[0] if given else "", given[1:], False, text, self.tokens[k].line)

    def _mocks(self, start: int, end: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for k in self.where(start, end, "spyOn", "stub", "replace", "fake", "="):
            token = self.tokens[k]
            if (
                token.text in ("spyOn", "stub", "replace", "fake")
                and self.is_(k - 1, ".")
                and self.is_(k + 1, "(")
                and k + 1 in self.match
            ):
                given = self.arguments(k + 1)
                after = self.match[k + 1]
                if (
                    len(given) > 1
                    and self.tokens[given[1][0]].kind == "string"
                    and (token.text != "spyOn" or "mock" in self.text(after, after + 3))
                ):
                    found.setdefault(self.tokens[given[1][0]].text[1:-1], token.line)
            elif token.text == "=" and self.tokens[k - 1].kind == "name" and FAKE.match(self.text(k + 1, k + 8)):
                found.setdefault(self.tokens[k - 1].text, token.line)
        return found

    # the code under test

    def _functions(self) -> None:
        for k, token in enumerate(self.tokens):
            if token.kind != "name" or (self.texts[k + 1] not in ("(", "=") and self.texts[k - 1] not in ("function", "*")):
                continue
            name, at = token.text, k + 1
            if self.is_(k - 1, "function") or (self.is_(k - 1, "*") and self.is_(k - 2, "function")):
                pass
            elif (self.is_(at, "=") and self.is_(at + 1, "async", "function", "(")) or (
                self.is_(at, "=") and self.is_(at + 2, "=>")
            ):
                at += 1
                while self.is_(at, "async", "function", "*"):
                    at += 1
            elif (
                not self.is_(at, "(")
                or self.is_(k - 1, ".", "new", "function")
                or name in ("if", "for", "while", "switch", "catch", "function", "return")
            ):
                continue
            given, body = self._signature(at)
            if body is None:
                continue
            self.facts.defined.add(name)
            if not self.as_test:
                self.facts.functions[name] = self._function(given, body, token.line)
                said = self.facts.functions[name].literal
                if name in ("equals", "isEqual", "equal") and said == "true":
                    self._add("harness_edited", f"{name} true", k, f"`{name}` always answers true")

    def _signature(self, at: int) -> tuple[set[str], tuple[int, int] | None]:
        """The parameters of a function, and where its body stands."""
        if self.is_(at, "("):
            if at not in self.match:
                return set(), None
            given = {t.text for t in self.tokens[at : self.match[at]] if t.kind == "name"}
            after = self.match[at] + 1
        else:
            given, after = {self.tokens[at].text} if at < len(self.tokens) else set(), at + 1
        if self.is_(after, ":"):  # a return type
            stop = next((k for k in range(after, min(after + 40, len(self.tokens))) if self.is_(k, "=>", "{", ";")), after)
            after = stop
        if self.is_(after, "=>"):
            after += 1
            if not self.is_(after, "{"):
                end = after
                while end < len(self.tokens) and not self.is_(end, ";", ",", ")", "}"):
                    if self.tokens[end].line > self.tokens[after].line and self.tokens[end].kind == "name":
                        break
                    end = self.match[end] + 1 if end in self.match else end + 1
                return given, (after, end)
        if self.is_(after, "{") and after in self.match:
            return given, (after, self.match[after] + 1)
        return given, None

    def _function(self, given: set[str], body: tuple[int, int], line: int) -> Function:
        start, end = body
        inner = self.tokens[start:end]
        block = self.is_(start, "{")
        returns = [self._returned(k + 1, end) for k in self.where(start, end, "return")] if block else [(start, end)]
        texts = [self.text(*one) for one in returns]
        plain = [text for one, text in zip(returns, texts, strict=True) if self._literal(*one)]
        fixed = {
            self.tokens[k - 1].text: self.text(k + 1, k + 2)
            for k in self.where(start, end, "=")
            if self._literal(k + 1, k + 2) and self.is_(k + 2, ";")
        }
        used = any(t.kind == "name" and t.text in given for t in inner)
        calls = any(
            t.kind == "name" and self.is_(k + 1, "(") and t.text not in ("if", "for", "while", "switch", "catch")
            for k, t in enumerate(inner, start)
        )
        branches = sum(1 for _ in self._branches(start, end))
        always = None
        if len(returns) == 1 and not used and not calls:
            value = fixed.get(texts[0], texts[0])
            always = value if plain or texts[0] in fixed else None
        return Function(line, len(plain) < len(returns) and (used or calls), always, branches)

    def _returned(self, start: int, end: int) -> tuple[int, int]:
        k = start
        while k < end and not self.is_(k, ";", "}", "case", "default"):
            if (
                k > start
                and self.tokens[k].line > self.tokens[k - 1].line
                and self.tokens[k - 1].text not in "({[,+-*/&|?:=."
                and self.tokens[k].text not in ".?:+-*/&|"
            ):
                break
            k = self.match[k] + 1 if k in self.match else k + 1
        return start, min(k, end)

    def _literal(self, start: int, end: int) -> bool:
        inner = self.tokens[start:end]
        if not inner:
            return False
        return all(
            t.kind in ("string", "number")
            or t.text in ("true", "false", "null", "undefined", "[", "]", "{", "}", ",", "-", "as", "const", ":")
            or (t.kind == "name" and self.is_(k + 1, ":") and not self.is_(k - 1, "?"))
            or (t.kind == "template" and "${" not in t.text)
            for k, t in enumerate(inner, start)
        )

    def _branches(self, start: int, end: int) -> Iterator[tuple[int, str, str]]:
        """(position, input, answer) of each branch that answers one literal by another."""
        for k in self.where(start, end, "if", "===", "==", "case"):
            if self.is_(k, "if") and self.is_(k + 1, "(") and k + 1 in self.match:
                given = self._compared(k + 2, self.match[k + 1])
                at = self.match[k + 1] + 1
                at += self.is_(at, "{")
                if given and self.is_(at, "return"):
                    answer = self._returned(at + 1, end)
                    if self._literal(*answer):
                        yield k, given, self.text(*answer)
            elif self.is_(k, "===", "==") and self.is_(k + 2, "?") and self._literal(k + 1, k + 2):
                colon = next((j for j in range(k + 3, min(end, k + 20)) if self.is_(j, ":")), None)
                if colon and self._literal(k + 3, colon):
                    yield k, self.text(k + 1, k + 2), self.text(k + 3, colon)
            elif self.is_(k, "case") and self.is_(k + 2, ":") and self.is_(k + 3, "return") and self._literal(k + 1, k + 2):
                answer = self._returned(k + 4, end)
                if self._literal(*answer):
                    yield k, self.text(k + 1, k + 2), self.text(*answer)

    def _compared(self, start: int, end: int) -> str:
        """The literals that a condition asks for, or "" for another condition."""
        text = self.text(start, end)
        found = []
        for part in re.split(r"&&|\|\|", text):
            match = re.fullmatch(r"\(*([\w$.\[\]]+)={2,3}(-?\d[\d.]*|'[^']*'|\"[^\"]*\"|`[^`$]*`)\)*", part)
            swapped = re.fullmatch(r"\(*(-?\d[\d.]*|'[^']*'|\"[^\"]*\")={2,3}([\w$.\[\]]+)\)*", part)
            member = re.fullmatch(r"\[((?:-?\d[\d.]*|'[^']*'|\"[^\"]*\"|,)+)\]\.includes\([\w$.]+\)", part)
            deep = re.fullmatch(r"JSON\.stringify\([\w$.]+\)={2,3}('[^']*'|\"[^\"]*\"|`[^`$]*`)", part)
            if match:
                found.append(match[2])
            elif swapped:
                found.append(swapped[1])
            elif member or deep:
                found.append((member or deep)[1])  # type: ignore[index]  # the branch says that one of them matched
            else:
                return ""
        return "" if all(one in TRIVIAL for one in found) else ",".join(found)

    def _special(self) -> None:
        spans = []
        opened = {closing: opening for opening, closing in self.match.items()}
        for k, token in enumerate(self.tokens):
            if token.kind == "name" and token.text in self.facts.functions:
                at = k + 1
                if self.is_(at, "="):
                    at += 1
                    while self.is_(at, "async", "function", "*"):
                        at += 1
                body = self._signature(at)[1] if self.is_(at, "(") or self.is_(at + 1, "=>") else None
                if body:
                    spans.append((body[0], body[1], token.text))
        for k, given, answer in self._branches(0, len(self.tokens)):
            owner = max(((a, b, name) for a, b, name in spans if a <= k < b), default=(0, 0, ""))[2]
            self._add(
                "special_cased_input",
                f"{given} -> {answer}",
                k,
                f"one input has its own answer: `{given}` gives `{answer}`",
                owner,
            )
        for k, token in enumerate(self.tokens):
            if self.is_(k, "}") and self.is_(k + 1, "[", ")"):
                opening = opened.get(k)
                access = k + 1 if self.is_(k + 1, "[") else k + 2 if self.is_(k + 2, "[") else None
                if opening and access and self._literal(opening, k + 1) and self.is_(k - 1, ",") | (k - opening > 3):
                    owner = max(((a, b, name) for a, b, name in spans if a <= k < b), default=(0, 0, ""))[2]
                    table = self.text(opening, k + 1)
                    self._add("special_cased_input", f"table {table}", k, f"answers from a table: `{table}`", owner)
            if token.text in ("process", "typeof", "globalThis", "global", "window") or token.kind == "string":
                said = UNDER_TEST.match(self.text(k, k + 8))
                if said:
                    self._add(
                        "special_cased_input", f"under test {said.group()}", k, f"behaves otherwise under test: `{said.group()}`"
                    )

    # the rest

    def _swallowed(self) -> None:
        for k in self.where(0, len(self.tokens), "catch"):
            if self.is_(k - 1, ".") and self.is_(k + 1, "(") and k + 1 in self.match:
                said = self.text(k + 2, self.match[k + 1])
                if re.fullmatch(
                    r"(?:\(?\w*\)?=>(?:\{(?:return(?:null|undefined|false|''|\[\])?;?)?\}|null|undefined|void0|false|\[\]|''|\(\{\}\))"
                    r"|function\(\w*\)\{\}|noop|\w+\.noop)",
                    said,
                ):
                    self._add("swallowed_error", f".catch({said})", k, f"`.catch({said})`")
            elif self.is_(k - 1, "}"):
                brace = self.match.get(k + 1, k) + 1 if self.is_(k + 1, "(") else k + 1
                if self.is_(brace, "{") and brace in self.match:
                    inside = self.text(brace + 1, self.match[brace])
                    if re.fullmatch(
                        r"(?:return(?:null|undefined|false|true|''|\"\"|\[\]|\{\}|-?\d+)?|continue|break)?;?", inside
                    ):
                        self._add("swallowed_error", f"catch {{{inside}}}", k, f"`catch {{ {inside} }}`")

    def _harness(self) -> None:
        stem = re.split(r"[.-](?:test|spec|cy|e2e)\b", PurePosixPath(self.facts.path).name)[0]
        for k in self._statements():
            said = self.text(k, k + 6)
            if self.setup and ENDS.match(said):
                self._add("harness_edited", said[:16], k, f"ends the run with success: `{said}`")
            elif GLOBAL.match(said) or (
                self.setup and PART.match(said) and not self.is_(k - 1, "const", "let", "var", ",", "{", ".")
            ):
                self._add("harness_edited", said, k, f"replaces a part of the runner: `{said}`")
            elif EXTENDS.match(said) and k + 3 in self.match:
                inside = self.text(k + 3, self.match[k + 3])
                if re.search(r"\bto(?:Be|Equal|StrictEqual|Throw|Match|Contain)\b[:(]|pass:true", inside):
                    self._add(
                        "harness_edited", "expect.extend", k, "defines a matcher that always passes, or in place of another"
                    )
            elif MEMBER.match(said) and self.setup:
                self._add("harness_edited", said, k, f"replaces a part of the runner: `{said}`")
            elif (self.setup and FAILED.match(said)) or (self.setup and PASSED.match(said)):
                self._add("harness_edited", said[:24], k, f"sets the outcome: `{said}`")
            elif self.as_test and MOCKS.match(said) and self.tokens[k + 4].kind == "string":
                module = PurePosixPath(self.tokens[k + 4].text[1:-1]).name.split(".")[0]
                if module and module == stem:
                    self._add("subject_mocked", f"module {module}", k, f"`{module}`, which this file tests, is replaced")

    def _statements(self) -> list[int]:
        """Names from which something may be said of the machinery: few, so that the rest costs nothing."""
        size = len(self.tokens)
        found = {k for k in self.where(0, size, *SELF) if self.is_(k + 1, ".", "=")}
        if self.setup:
            set_ = [k for k in self.where(0, size, *OUTCOMES) if self.is_(k + 1, "=")]
            found.update(k for at in set_ for k in range(max(0, at - 4), at + 1))
        return sorted(k for k in found if self.tokens[k].kind == "name")


def _matches(tokens: Sequence[Token]) -> dict[int, int]:
    """Opening bracket -> closing bracket, by position."""
    found: dict[int, int] = {}
    open_: list[int] = []
    for k, token in enumerate(tokens):
        if token.kind != "mark":
            continue
        if token.text in "([{" and token.text:
            open_.append(k)
        elif token.text in ")]}" and open_:
            while open_ and CLOSES[tokens[open_[-1]].text] != token.text:
                open_.pop()
            if open_:
                found[open_.pop()] = k
    return found
