"""Files of other languages: their tests by shape, their skip markers and suppressions by tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from git_hone.hooks.tampering import grammars
from git_hone.hooks.tampering.facts import EXACT, ORDER, Check, Facts, Mark, Test, words
from git_hone.hooks.tampering.lexer import BRACES, HASHES, blank, comments
from git_hone.hooks.tampering.suppressions import ATTRIBUTES, OTHER, SCRIPT, codes_of
from git_hone.hooks.tampering.suppressions import marks as suppressions


class Language(NamedTuple):
    """test: how a test begins, with its name as the one group that holds. checks, weak: assertions. skips: what leaves a test
    out. The patterns are given code whose comments and strings are blanked."""

    rules: re.Pattern[str]
    test: re.Pattern[str] | None
    checks: re.Pattern[str]
    weak: re.Pattern[str]
    skips: re.Pattern[str] | None


NONE: Final = re.compile(r"(?!)")
JVM: Final = Language(
    BRACES,
    re.compile(r"@(?:Test|ParameterizedTest|RepeatedTest)\b[^\n]*(?:\n\s*(?:@\w[^\n]*)?)*?[^\n]*?\b(?:void|fun)\s+(\w+)\("),
    re.compile(r"\b(?:assert\w+|verify|assertThat|fail)\("),
    re.compile(r"\bassert(?:NotNull|True|False|NotEquals)\(|isNotNull\("),
    re.compile(r"@(?:Ignore|Disabled)\b(?!(?:On|If|In|Until|For))"),
)
LANGUAGES: Final[dict[str, Language]] = {
    "go": Language(BRACES, re.compile(r"^func (Test\w+)\(", re.M), re.compile(r"\bt\.(?:Error|Fatal|Fail)\w*\(|\b(?:assert|require"
        r"|is)\.\w+\("),
                   re.compile(r"\b(?:assert|require)\.(?:NotNil|True|NotEmpty|NoError)\("), re.compile(r"(?<!\{)^\s*[tb]\.Skip(?:f|Now)?\(", re.M)),
    "rs": Language(BRACES, re.compile(r"#\[(?:\w+::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?(?:async )?fn (\w+)"),
                   re.compile(r"\b(?:debug_)?assert\w*!|\bpanic!"), re.compile(r"\bassert!|\bassert_ne!"),
                   re.compile(r"#\[\s*ignore\b|#\[cfg\(any\(\)\)\]")),
    "java": JVM, "kt": JVM, "scala": JVM, "groovy": JVM,
    "cs": Language(BRACES, re.compile(r"\[(?:Fact|Theory|Test|TestMethod|TestCase)\b[^\n]*\n(?:\s*\[[^\n]*\n)*\s*public [\w<> ]*?(\w+)\("),
                   re.compile(r"\bAssert\.\w+\(|\.Should\("), re.compile(r"\bAssert\.(?:NotNull|True|IsTrue|IsNotNull)\("),
                   re.compile(r"\[\s*(?:Ignore|Explicit)\b|\bSkip\s*=")),
    "rb": Language(HASHES, re.compile(r"^\s*def (test_\w+)", re.M), re.compile(r"\bassert\w*|\bexpect\b|\brefute\w*|must_"),
                   re.compile(r"\bassert_(?:not_nil|respond_to)\b|be_truthy|not_to be_nil"),
                   re.compile(r"^\s*(?:xit|xdescribe|xcontext|xspecify|fit|fdescribe|fcontext)\b|^\s*(?:skip|pending)\b(?!.*\b(?:if"
                              r"|unless)\b)|,\s*(?:skip:|:skip|pending:)", re.M)),
    "php": Language(BRACES, re.compile(r"public function (test\w+)\("), re.compile(r"(?:\$this->|self::|static::)assert\w+\(|expectException"),
                    re.compile(r"assert(?:NotNull|True|NotEmpty)\("), re.compile(r"markTest(?:Skipped|Incomplete)\(")),
    "swift": Language(BRACES, re.compile(r"\bfunc (test\w+)\("), re.compile(r"\bXCTAssert\w*\(|#expect\("), re.compile(r"XCTAssert(?:NotNil|True)\("),
                      re.compile(r"\bthrow XCTSkip\b|\.disabled\(")),
    "ex": Language(HASHES, None, NONE, NONE, re.compile(r"@(?:module)?tag :skip\b|@tag skip:")),
    "sh": Language(HASHES, None, NONE, NONE, None),
    **dict.fromkeys(("c", "h", "cc", "cpp", "hpp", "cxx", "m", "mm"),
                    Language(BRACES, None, NONE, NONE, re.compile(r"\bGTEST_SKIP\(\)|\bTEST(?:_F|_P)?\(\w*,?\s*DISABLED_"))),
}  # fmt: skip
LANGUAGES.update({"exs": LANGUAGES["ex"], "bash": LANGUAGES["sh"], "kts": JVM, "rake": LANGUAGES["rb"]})
CONDITION: Final = re.compile(r"\bif\b|\bunless\b|testing\.Short|GOOS|getenv|Getenv|cfg!|\belse\b")


def ending(path: str) -> str:
    """The language's key; "" for one that is not read."""
    end = PurePosixPath(path).suffix.lstrip(".")
    return end if end in LANGUAGES else ""


def read(old: str, new: str, before: bytes, after: bytes, silenced: bool) -> tuple[Facts, Facts]:
    """The facts of both sides of a file. `silenced`: read the comments too. A test that stands in both is passed over."""
    trees = [grammars.read(ending(path), raw) for path, raw in ((old, before), (new, after))]
    if None in trees:  # one side by its tree and the other by shape would differ in what they see
        trees = [None, None]
    sides = [_Side(path, raw, tree) for path, raw, tree in zip((old, new), (before, after), trees, strict=True)]
    if silenced:
        for side in sides:
            side.suppressions()
    for side, other in zip(sides, reversed(sides), strict=True):
        side.tests(other.bodies)
    return sides[0].facts, sides[1].facts


class _Body(NamedTuple):
    """A test: its name, its line, its text without comments and strings, and what gives each of its assertions from where it begins."""

    name: str
    line: int
    text: str
    checks: Callable[[], list[str]]


class _Side:
    """One side: its code, comments and strings blanked, and the bodies of its tests by name."""

    def __init__(self, path: str, raw: bytes, tree: grammars.Tree | None) -> None:
        self.end = ending(path)
        self.language = LANGUAGES[self.end]
        self.text = raw.decode("utf-8", "replace")
        self.facts = Facts(path)
        self.code = blank(self.text, self.language.rules)
        self.found, rest = self._parsed(raw, tree) if tree else self._shaped()
        self.bodies = {body.name: body.text for body in self.found}
        self.facts.beside = rest if self.bodies else ""
        self._skips() if tree is None else self._left_out(raw, tree)
        if self.end in ("sh", "bash"):
            _shell(self.facts, self.text)
        self.facts.code = self.code

    def _shaped(self) -> tuple[list[_Body], str]:
        """The tests, and the code beside them."""
        found, rest, at = [], [], 0
        for match, body in _bodies(self.code, self.language):
            line = self.code.count("\n", 0, match.start(1)) + 1
            found.append(_Body(match[1], line, body, partial(self._shaped_checks, body)))
            rest.append(self.code[at : match.start()])
            at = match.end() + len(body)
        return found, " ".join([*rest, self.code[at:]])

    def _parsed(self, raw: bytes, tree: grammars.Tree) -> tuple[list[_Body], str]:
        """The same from the tree."""
        found, rest, at = [], [], 0
        for test in tree.tests:
            body = self._plain(raw[test.start : test.end])
            found.append(_Body(test.name, test.line, body, partial(self._parsed_checks, raw, test)))
            rest.append(self._plain(raw[at : test.start]))
            at = max(at, test.end)
        return found, " ".join([*rest, self._plain(raw[at:])])

    def _shaped_checks(self, body: str) -> list[str]:
        return [body[one.start() :] for one in self.language.checks.finditer(body)]

    def _parsed_checks(self, raw: bytes, test: grammars.Found) -> list[str]:
        return [" ".join(self._plain(raw[start:end]).split()) for start, end in test.checks()]

    def _plain(self, raw: bytes) -> str:
        return blank(raw.decode("utf-8", "replace"), self.language.rules)

    def _left_out(self, raw: bytes, tree: grammars.Tree) -> None:
        for start, end, line in tree.skips:
            said = " ".join(self._plain(raw[start:end]).split())
            self.facts.marks.append(Mark("test_skipped", said, line, f"`{said}`"))

    def suppressions(self) -> None:
        self.facts.marks += suppressions(comments(self.text, self.language.rules), (*OTHER, *SCRIPT[-1:]))
        for name, rule, ends in ATTRIBUTES:
            for match in rule.finditer(self.code) if self.end in ends else ():
                line = self.code.count("\n", 0, match.start()) + 1
                said = " ".join(match.group().split())[:80]
                self.facts.marks += [
                    Mark("suppression_added", f"{name} {one}", line, f"adds `{said}`") for one in codes_of(match)
                ]

    def _skips(self) -> None:
        rows = self.code.split("\n")
        for match in self.language.skips.finditer(self.code) if self.language.skips else ():
            line = self.code.count("\n", 0, match.start() + len(match.group()) - len(match.group().lstrip())) + 1
            near = " ".join(rows[max(0, line - 3) : line - 1])
            if not CONDITION.search(rows[line - 1]) and not (near.rstrip().endswith("{") and CONDITION.search(near)):
                said = " ".join(match.group().split())
                self.facts.marks.append(Mark("test_skipped", said, line, f"`{said}`"))

    def tests(self, known: dict[str, str]) -> None:
        """Those that do not stand in the other side letter for letter."""
        lines = self.text.splitlines()
        for name, line, body, statements in self.found:
            if known.get(name) == body:
                continue
            checks = [
                Check("", ORDER if self.language.weak.match(said) else EXACT, _statement(said, 0), line) for said in statements()
            ]
            first = max(0, line - 1)
            whole = "\n".join(lines[first : first + body.count("\n") + 1])
            self.facts.tests.append(Test(name, line, checks, words(whole)))


def _bodies(code: str, language: Language) -> Iterator[tuple[re.Match[str], str]]:
    """How each test begins, and its body."""
    found = list(language.test.finditer(code)) if language.test else []
    for match, following in zip_longest(found, found[1:]):
        limit = following.start() if following else len(code)
        yield match, code[match.end() : _end(code, match.end(), limit, language)]


def _shell(facts: Facts, text: str) -> None:
    for number, row in enumerate(text.splitlines(), 1):
        if re.search(
            r"2>\s*/dev/null\s*\|\|\s*(?:true|:)\s*$|>\s*/dev/null 2>&1\s*\|\|\s*(?:true|:)", row
        ) and not row.lstrip().startswith("#"):
            facts.marks.append(Mark("swallowed_error", "2>/dev/null || true", number, f"`{row.strip()[:100]}`"))


def _statement(body: str, at: int) -> str:
    end = body.find("\n", at)
    return " ".join(body[at : end if end > 0 else None].split())


BRACE: Final = re.compile(r"[{}]")


def _end(code: str, at: int, limit: int, language: Language) -> int:
    """Where a test's body ends: at its closing brace; without braces, where the next test begins."""
    if language.rules is not BRACES:
        return limit
    depth = 0
    for match in BRACE.finditer(code, at):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.end()
    return limit
